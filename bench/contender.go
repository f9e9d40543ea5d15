package main

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/tongbao-pay/tongbao/openssl"
)

// contender is one way to speak to the provider. A nil operation is one that it does not offer.
type contender struct {
	name       string
	configured string
	// sign makes the parameters with which a front end opens the cashier: one signature of the merchant's.
	sign func() error
	// verify checks the provider's signature of an answer.
	verify func(answer *signed) error
	// parse verifies, decrypts and types a notification.
	parse func(notification *signed) error
	// prepay places a Native order and reads its answer, verified.
	prepay func(ctx context.Context) error
	// unsigned is prepay under a signer that costs nothing: what is left is one verification and the contender's own work,
	// measured directly instead of as the small difference of two large figures. Nil where no signer can be given.
	unsigned func(ctx context.Context) error
	// quit closes the connections kept. Nil: there are none.
	quit func()
}

// transportFor prepares a transport to reach the upstream.
type transportFor func(*http.Transport) *http.Transport

// defaultTransport has the settings of the transport that an http.Client without one uses: two kept connections to one
// host among them.
func defaultTransport() *http.Transport {
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConns: 100, IdleConnTimeout: 90 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second, ExpectContinueTimeout: time.Second,
	}
}

// freeSigner signs for nothing. The upstream does not look.
type freeSigner struct{ crypto.Signer }

func (freeSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return make([]byte, 256), nil
}

// The names in the table.
const (
	plainName         = "net/http alone"
	bareName          = "bare RSA"
	libraryName       = "wechatpay"
	directName        = "wechatpay, direct"
	opensslName       = "wechatpay, openssl"
	officialName      = "wechatpay-go"
	officialTunedName = "wechatpay-go, tuned"
	gopayName         = "gopay"
	gopayTunedName    = "gopay, tuned"
)

func contenders(p *parties, reach transportFor) ([]*contender, error) {
	all := []*contender{newBare(p), newPlain(reach)}
	for _, open := range []func() (*contender, error){
		func() (*contender, error) { return newLibrary(p, reach) },
		func() (*contender, error) { return newLibraryDirect(p, reach) },
		func() (*contender, error) { return newLibraryOnOpenSSL(p, reach) },
		func() (*contender, error) { return newOfficial(p, reach, false) },
		func() (*contender, error) { return newOfficial(p, reach, true) },
		func() (*contender, error) { return newGopay(p, reach, false) },
		func() (*contender, error) { return newGopay(p, reach, true) },
	} {
		c, err := open()
		if errors.Is(err, openssl.ErrUnavailable) {
			continue // and its rows and targets are not there
		}
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// checkAnswer makes sure that nobody is fast because nothing was done.
func checkAnswer(got string) error {
	if got != codeURL {
		return fmt.Errorf("the order's code_url is %q", got)
	}
	return nil
}

func checkNotified(got string) error {
	if got != outTradeNo {
		return fmt.Errorf("the notification's out_trade_no is %q", got)
	}
	return nil
}

func checkSigned(signature string) error {
	if len(signature) != 344 {
		return fmt.Errorf("the signature is no RSA-2048 in base64: %d characters", len(signature))
	}
	return nil
}
