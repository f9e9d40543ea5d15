package wechatpay

import (
	"crypto"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// freeSigner costs nothing, so that what remains is this package's own work.
type freeSigner struct{ crypto.Signer }

func (freeSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return make([]byte, 256), nil
}

// BenchmarkPrepayOwnWork is a prepay call without the merchant's signature and without a network; the
// verification of the answer is in it.
func BenchmarkPrepayOwnWork(b *testing.B) {
	headers := header(signatureHeaders(b, publicKeyMode(b), vectorClock(), []byte(codeURLAnswer)))
	config := testConfig(b)
	config.Certificate = nil
	config.Now = vectorClock
	config.Signer = freeSigner{config.Signer}
	config.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
		answer := jsonAnswer(http.StatusOK, codeURLAnswer)
		answer.Header = headers
		return answer, nil
	})
	client := newClient(b, config)
	request := nativeRequest()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.PrepayNative(b.Context(), request); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAuthorization(b *testing.B) {
	client := vectorClient(b)
	body := make([]byte, 300)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.merchant.authorization("POST", "/v3/pay/transactions/native", body, 1717200000, newNonce()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseNotification(b *testing.B) {
	client := vectorClient(b)
	c := readVectors(b).Notifications[0]
	headers := header(c.Headers)
	b.ReportAllocs()
	for b.Loop() {
		r := &http.Request{Method: http.MethodPost, Header: headers, Body: io.NopCloser(strings.NewReader(c.Body)), ContentLength: int64(len(c.Body))}
		if _, err := client.ParseNotification(r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSignatureAlone(b *testing.B) {
	client := vectorClient(b)
	text := SignedText{Body: make([]byte, 32)}
	for b.Loop() {
		if _, err := client.merchant.sign(text); err != nil {
			b.Fatal(err)
		}
	}
}

func TestDefaultBackoffIsJittered(t *testing.T) {
	t.Parallel()
	throttled := &callError{err: &Error{Status: http.StatusTooManyRequests}}
	for try := 1; try < triesMax; try++ {
		for range 100 {
			if wait := fullJitter(try, io.EOF); wait < 0 || wait >= backoffBase<<(try-1) {
				t.Fatalf("try %d waits %s", try, wait)
			}
			if wait := fullJitter(try, throttled); wait < time.Second || wait >= time.Second+time.Second<<(try-1) {
				t.Fatalf("throttled try %d waits %s", try, wait)
			}
		}
	}
}
