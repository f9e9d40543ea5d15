package main

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

// newBare is the two RSA operations alone, as crypto/rsa does them: the least that a call can cost without another
// implementation of RSA.
func newBare(p *parties) *contender {
	sum := sha256.Sum256([]byte(prepayAnswer))
	signature, err := rsa.SignPKCS1v15(nil, p.provider, crypto.SHA256, sum[:])
	signOnce := func() error {
		_, err := rsa.SignPKCS1v15(nil, p.merchant, crypto.SHA256, sum[:])
		return err
	}
	verifyOnce := func(signature []byte) error {
		return rsa.VerifyPKCS1v15(&p.provider.PublicKey, crypto.SHA256, sum[:], signature)
	}
	return &contender{
		name: bareName, configured: "crypto/rsa: one signature, one verification, nothing around them",
		sign: signOnce,
		verify: func(*signed) error {
			if err != nil {
				return err
			}
			return verifyOnce(signature)
		},
		parse: func(s *signed) error {
			value, err := base64.StdEncoding.DecodeString(s.header.Get("Wechatpay-Signature"))
			if err != nil {
				return err
			}
			sum := sha256.Sum256([]byte(s.header.Get("Wechatpay-Timestamp") + "\n" + nonce + "\n" + s.body + "\n"))
			return rsa.VerifyPKCS1v15(&p.provider.PublicKey, crypto.SHA256, sum[:], value)
		},
		prepay: func(context.Context) error {
			if err := signOnce(); err != nil {
				return err
			}
			return verifyOnce(signature)
		},
		unsigned: func(context.Context) error { return verifyOnce(signature) },
	}
}

// newPlain sends the order's bytes over net/http and reads the answer's, without looking at either: the least that a call
// can cost without another implementation of HTTP.
func newPlain(reach transportFor) *contender {
	const body = `{"appid":"` + appID + `","mchid":"` + mchID + `","description":"` + description + `","out_trade_no":"` + outTradeNo +
		`","notify_url":"` + notifyURL + `","amount":{"total":100,"currency":"CNY"}}`
	transport := reach(wechatpay.NewTransport())
	authorization := "WECHATPAY2-SHA256-RSA2048 " + strings.Repeat("x", 520)
	return &contender{
		name: plainName, configured: "the same bytes over wechatpay.NewTransport, neither signed nor verified",
		unsigned: func(ctx context.Context) error {
			request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+providerHost+"/v3/pay/transactions/native", strings.NewReader(body))
			if err != nil {
				return err
			}
			request.Header["Authorization"] = []string{authorization}
			request.Header["Content-Type"] = []string{"application/json"}
			response, err := transport.RoundTrip(request)
			if err != nil {
				return err
			}
			defer response.Body.Close()
			answer, err := io.ReadAll(response.Body)
			if err != nil {
				return err
			}
			if string(answer) != prepayAnswer {
				return fmt.Errorf("answer %d: %s", response.StatusCode, answer)
			}
			return nil
		},
		quit: transport.CloseIdleConnections,
	}
}
