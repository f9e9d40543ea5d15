package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth/validators"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth/verifiers"
	"github.com/wechatpay-apiv3/wechatpay-go/core/consts"
	"github.com/wechatpay-apiv3/wechatpay-go/core/notify"
	"github.com/wechatpay-apiv3/wechatpay-go/core/option"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments/native"
	"github.com/wechatpay-apiv3/wechatpay-go/utils"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

// newOfficial is the provider's own SDK, github.com/wechatpay-apiv3/wechatpay-go, on the WeChat Pay public key.
func newOfficial(p *parties, reach transportFor, tuned bool) (*contender, error) {
	name, configured, transport := officialName, "v0.2.21, WithWechatPayPublicKeyAuthCipher, its HTTP client: the default transport", defaultTransport()
	if tuned {
		name, configured, transport = officialTunedName, "the same with the transport of wechatpay.NewTransport", wechatpay.NewTransport()
	}
	reach(transport)
	client, err := officialClient(transport, option.WithWechatPayPublicKeyAuthCipher(mchID, serialNo, p.merchant, publicKeyID, &p.provider.PublicKey))
	if err != nil {
		return nil, err
	}
	verifier := verifiers.NewSHA256WithRSAPubkeyVerifier(publicKeyID, p.provider.PublicKey)
	handler, err := notify.NewRSANotifyHandler(apiV3Key, verifier)
	if err != nil {
		return nil, fmt.Errorf("wechatpay-go: %w", err)
	}
	unsigned, err := officialClient(transport, option.WithSigner(officialFreeSigner{}), option.WithVerifier(verifier))
	if err != nil {
		return nil, err
	}
	validator := validators.NewWechatPayResponseValidator(verifier)
	return &contender{
		name: name, configured: configured,
		sign: func() error { return signByOfficial(client) },
		verify: func(answer *signed) error {
			response := answer.response()
			defer response.Body.Close()
			return validator.Validate(context.Background(), response)
		},
		parse: func(notification *signed) error {
			order := &payments.Transaction{}
			if _, err := handler.ParseNotifyRequest(context.Background(), notification.request(), order); err != nil {
				return err
			}
			return checkNotified(*order.OutTradeNo)
		},
		prepay:   func(ctx context.Context) error { return prepayByOfficial(ctx, client) },
		unsigned: func(ctx context.Context) error { return prepayByOfficial(ctx, unsigned) },
		quit:     transport.CloseIdleConnections,
	}, nil
}

func officialClient(transport http.RoundTripper, keys ...core.ClientOption) (*core.Client, error) {
	client, err := core.NewClient(context.Background(),
		append(keys, option.WithHTTPClient(&http.Client{Transport: transport, Timeout: consts.DefaultTimeout}))...)
	if err != nil {
		return nil, fmt.Errorf("wechatpay-go: %w", err)
	}
	return client, nil
}

// officialFreeSigner is freeSigner as the SDK wants it, base64 included.
type officialFreeSigner struct{}

func (officialFreeSigner) Sign(context.Context, string) (*auth.SignatureResult, error) {
	return &auth.SignatureResult{MchID: mchID, CertificateSerialNo: serialNo, Signature: base64.StdEncoding.EncodeToString(make([]byte, 256))}, nil
}

func (officialFreeSigner) Algorithm() string { return "SHA256-RSA2048" }

// signByOfficial makes what the SDK's PrepayWithRequestPayment makes of a prepay id.
func signByOfficial(client *core.Client) error {
	fresh, err := utils.GenerateNonce()
	if err != nil {
		return err
	}
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	result, err := client.Sign(context.Background(), fmt.Sprintf("%s\n%s\n%s\n%s\n", appID, timestamp, fresh, "prepay_id="+prepayID))
	if err != nil {
		return err
	}
	return checkSigned(result.Signature)
}

func prepayByOfficial(ctx context.Context, client *core.Client) error {
	api := native.NativeApiService{Client: client}
	answer, _, err := api.Prepay(ctx, native.PrepayRequest{
		Appid: new(appID), Mchid: new(mchID), Description: new(description),
		OutTradeNo: new(outTradeNo), NotifyUrl: new(notifyURL),
		Amount: &native.Amount{Total: new(int64(totalFen)), Currency: new("CNY")},
	})
	if err != nil {
		return err
	}
	return checkAnswer(*answer.CodeUrl)
}
