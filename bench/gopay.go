package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/go-pay/gopay"
	"github.com/go-pay/gopay/pkg/xhttp"
	gopaywechat "github.com/go-pay/gopay/wechat/v3"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

// newGopay is github.com/go-pay/gopay with its own verification of answers on.
func newGopay(p *parties, reach transportFor, tuned bool) (*contender, error) {
	name, configured := gopayName, "v1.5.123, AutoVerifySignByPublicKey, its HTTP client: 1000 kept connections to one host"
	httpClient := xhttp.NewClient()
	transport, ok := httpClient.HttpClient.Transport.(*http.Transport)
	if !ok {
		return nil, errors.New("gopay: its transport is of an unknown type")
	}
	if tuned {
		name, configured, transport = gopayTunedName, "the same with the transport of wechatpay.NewTransport", wechatpay.NewTransport()
	}
	httpClient.SetTransport(reach(transport))
	client, err := gopayClient(p, httpClient)
	if err != nil {
		return nil, err
	}
	return &contender{
		name: name, configured: configured,
		sign: func() error {
			in, err := client.PaySignOfJSAPI(appID, prepayID)
			if err != nil {
				return err
			}
			return checkSigned(in.PaySign)
		},
		verify: func(answer *signed) error {
			h := answer.header
			return gopaywechat.V3VerifySignByPK(h.Get("Wechatpay-Timestamp"), h.Get("Wechatpay-Nonce"), answer.body,
				h.Get("Wechatpay-Signature"), &p.provider.PublicKey)
		},
		parse: func(notification *signed) error {
			n, err := gopaywechat.V3ParseNotify(notification.request())
			if err != nil {
				return err
			}
			if err := n.VerifySignByPKMap(client.WxPublicKeyMap()); err != nil {
				return err
			}
			order, err := n.DecryptPayCipherText(apiV3Key)
			if err != nil {
				return err
			}
			return checkNotified(order.OutTradeNo)
		},
		prepay: func(ctx context.Context) error { return prepayByGopay(ctx, client) },
		quit:   transport.CloseIdleConnections,
	}, nil
}

func gopayClient(p *parties, httpClient *xhttp.Client) (*gopaywechat.ClientV3, error) {
	private, err := privatePEM(p.merchant)
	if err != nil {
		return nil, err
	}
	public, err := publicPEM(&p.provider.PublicKey)
	if err != nil {
		return nil, err
	}
	client, err := gopaywechat.NewClientV3(mchID, serialNo, apiV3Key, private)
	if err != nil {
		return nil, fmt.Errorf("gopay: %w", err)
	}
	if err := client.AutoVerifySignByPublicKey(public, publicKeyID); err != nil {
		return nil, fmt.Errorf("gopay: %w", err)
	}
	client.SetHttpClient(httpClient)
	return client, nil
}

func prepayByGopay(ctx context.Context, client *gopaywechat.ClientV3) error {
	order := make(gopay.BodyMap)
	order.Set("appid", appID).Set("description", description).Set("out_trade_no", outTradeNo).Set("notify_url", notifyURL).
		SetBodyMap("amount", func(amount gopay.BodyMap) { amount.Set("total", totalFen).Set("currency", "CNY") })
	answer, err := client.V3TransactionNative(ctx, order)
	if err != nil {
		return err
	}
	if answer.Code != gopaywechat.Success {
		return fmt.Errorf("gopay: answer %d: %s", answer.Code, answer.Error)
	}
	return checkAnswer(answer.Response.CodeUrl)
}
