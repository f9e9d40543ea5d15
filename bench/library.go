package main

import (
	"context"
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"

	"github.com/tongbao-pay/tongbao/openssl"
	"github.com/tongbao-pay/tongbao/wechatpay"
	"github.com/tongbao-pay/tongbao/wechatpay/direct"
)

// newLibrary is this project's library as New makes it.
func newLibrary(p *parties, reach transportFor) (*contender, error) {
	return libraryWith(p.merchant, p, reach(wechatpay.NewTransport()), libraryName, "New as it comes, WeChat Pay public key")
}

// newLibraryDirect is the same with the optional transport.
func newLibraryDirect(p *parties, reach transportFor) (*contender, error) {
	return libraryWith(p.merchant, p, direct.New(reach(wechatpay.NewTransport())), directName, "the same with Config.Transport from direct.New")
}

// newLibraryOnOpenSSL is the same with the optional signer and the optional transport.
func newLibraryOnOpenSSL(p *parties, reach transportFor) (*contender, error) {
	signer, err := openssl.NewPrivateKey(p.merchant)
	if err != nil {
		return nil, err
	}
	return libraryWith(signer, p, direct.New(reach(wechatpay.NewTransport())), opensslName, "wechatpay, direct with Config.Signer from openssl.NewPrivateKey")
}

// keptTransport is a transport that keeps connections.
type keptTransport interface {
	http.RoundTripper
	CloseIdleConnections()
}

func libraryWith(signer crypto.Signer, p *parties, transport keptTransport, name, configured string) (*contender, error) {
	client, err := libraryClient(signer, p, transport)
	if err != nil {
		return nil, err
	}
	unsigned, err := libraryClient(freeSigner{signer}, p, transport)
	if err != nil {
		return nil, err
	}
	return &contender{
		name: name, configured: configured,
		sign: func() error {
			in, err := client.SignJSAPI(appID, prepayID)
			if err != nil {
				return err
			}
			return checkSigned(in.PaySign)
		},
		// The library verifies answers inside of calls. A notification is verified alike, before anything of it is
		// read, and an answer's body is then refused as a notification: that refusal is in this figure.
		verify: func(answer *signed) error {
			_, err := client.ParseNotification(answer.request())
			if !errors.Is(err, wechatpay.ErrMalformed) {
				return fmt.Errorf("want a verified body that is no notification, got %w", err)
			}
			return nil
		},
		parse: func(notification *signed) error {
			n, err := client.ParseNotification(notification.request())
			if err != nil {
				return err
			}
			order, ok := n.Order()
			if !ok {
				return errors.New("the notification holds no order")
			}
			return checkNotified(order.OutTradeNo)
		},
		prepay:   func(ctx context.Context) error { return prepayByLibrary(ctx, client) },
		unsigned: func(ctx context.Context) error { return prepayByLibrary(ctx, unsigned) },
		quit:     transport.CloseIdleConnections,
	}, nil
}

func libraryClient(signer crypto.Signer, p *parties, transport http.RoundTripper) (*wechatpay.Client, error) {
	return wechatpay.New(wechatpay.Config{
		MchID: mchID, SerialNo: serialNo, Signer: signer, APIv3Key: apiV3Key,
		PublicKeys: map[string]*rsa.PublicKey{publicKeyID: &p.provider.PublicKey},
		Transport:  transport,
	})
}

func prepayByLibrary(ctx context.Context, client *wechatpay.Client) error {
	answer, err := client.PrepayNative(ctx, wechatpay.NativeRequest{
		AppID: appID, Description: description, OutTradeNo: outTradeNo, NotifyURL: notifyURL,
		Amount: wechatpay.Amount{Total: totalFen, Currency: "CNY"},
	})
	if err != nil {
		return err
	}
	return checkAnswer(answer.CodeURL)
}
