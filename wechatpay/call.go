package wechatpay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	triesMax         = 3
	answerBytesMax   = 1 << 20
	backoffBase      = 200 * time.Millisecond
	backoffThrottled = time.Second
	contentTypeJSON  = "application/json"

	headerLanguage       = "Accept-Language"
	headerIdempotencyKey = "Idempotency-Key"
	// headerOtherIdempotencyKey is none of the provider's, but [http.Transport] knows it.
	headerOtherIdempotencyKey = "X-Idempotency-Key"
)

// call is one request of the protocol, repeated with the same bytes until it is done, refused or out of
// time. That is safe where the provider recognises a repeat by the merchant's number; else the call is made once.
type call struct {
	name    string
	method  string
	target  string // path and query, escaped
	body    []byte // nil without
	timeout time.Duration
	// deadline is when timeout has passed, or the context's if that is sooner; do sets it. Zero: the context's alone.
	deadline time.Time
	// contentType is that of body. Zero: JSON.
	contentType string
	// signed is what is signed in place of body. Nil: body.
	signed []byte
	// header are further headers, by canonical name.
	header http.Header
	// write marks a call with an effect: one try of unknown outcome makes the whole call unknown.
	write bool
	// once forbids another try unless the one before surely had no effect.
	once bool
	// keySerial is the key that encrypted fields of body. Zero: the current key is named.
	keySerial string
	// withoutKeys sends although no key to verify the answer with is known yet, and names no certificate,
	// which may be the one to be replaced.
	withoutKeys bool
	// verify replaces the verification of 2xx answers. Nil: Client.verify.
	verify func(ctx context.Context, h http.Header, body []byte) error
	// decode reads the body of a verified 2xx answer. Nil: no body is due.
	decode func(body []byte) error
}

// do runs a call: at most three tries inside the shorter of the call's and the context's time, each with
// a fresh timestamp, nonce and signature, changing the access point when one failed.
func (c *Client) do(ctx context.Context, k call) error {
	k.deadline = time.Now().Add(k.timeout)
	if sooner, ok := ctx.Deadline(); ok && sooner.Before(k.deadline) {
		k.deadline = sooner
	}
	if c.downloadEnabled && !k.withoutKeys {
		waiting, cancel := context.WithDeadline(ctx, k.deadline)
		err := c.prepareKeys(waiting)
		cancel()
		if err != nil {
			return failed(k.name, OutcomeRetry, err)
		}
	}
	if key := c.keys.Load().current(c.now()); k.keySerial == "" && key != nil && (!k.withoutKeys || !key.isCertificate()) {
		k.keySerial = key.serial
	}
	return c.repeat(ctx, &k, func(host *host, triesLeft int) *failure {
		return c.try(ctx, &k, host, time.Until(k.deadline)/time.Duration(triesLeft))
	})
}

// repeat makes tries of a call until one succeeds or no more are allowed.
func (c *Client) repeat(ctx context.Context, k *call, send func(host *host, triesLeft int) *failure) error {
	lostTry := false
	host := c.hosts.first(c.now())
	for try := 1; ; try++ {
		f := send(host, triesMax-try+1)
		if f == nil {
			c.hosts.succeeded(host)
			return nil
		}
		switch {
		case !f.hostFault:
			c.hosts.succeeded(host)
		case !errors.Is(ctx.Err(), context.Canceled):
			c.hosts.failed(host, c.now())
		}
		f.repeat = f.repeat && (!k.once || f.outcome == OutcomeRetry)
		lostTry = lostTry || k.write && f.outcome == OutcomeUnknown
		if !f.repeat || try == triesMax || !c.pause(ctx, k, try, f) {
			if lostTry {
				f.outcome = OutcomeUnknown
			}
			return &callError{name: k.name, outcome: f.outcome, tries: try, err: f.err}
		}
		c.log.LogAttrs(ctx, slog.LevelWarn, "wechatpay: try failed, repeating",
			slog.String("call", k.name), slog.String("host", host.name), slog.Int("try", try), slog.Any("error", f.err))
		if f.hostFault {
			host = c.hosts.other(host)
		}
	}
}

// try sends the request once. It gets an equal share of the time left, so that an access point that
// hangs leaves time for the other.
func (c *Client) try(ctx context.Context, k *call, host *host, share time.Duration) *failure {
	if err := ctx.Err(); err != nil {
		return &failure{outcome: OutcomeRetry, err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, share)
	defer cancel()
	request, f := c.newRequest(ctx, k, host)
	if f != nil {
		return f
	}
	response, err := c.transport.RoundTrip(request)
	if err != nil {
		return networkFailure(err)
	}
	body, err := readBody(response)
	if err != nil {
		return &failure{outcome: OutcomeUnknown, repeat: true, hostFault: !errors.Is(err, ErrBodyTooLarge), err: err}
	}
	return c.take(ctx, k, response, body)
}

func (c *Client) newRequest(ctx context.Context, k *call, host *host) (*http.Request, *failure) {
	body := io.Reader(sendOnce{})
	if k.body != nil || k.method != http.MethodGet {
		body = bytes.NewReader(k.body)
	}
	request, err := http.NewRequestWithContext(ctx, k.method, host.base+k.target, body)
	if err != nil {
		return nil, &failure{outcome: OutcomeRefused, err: err}
	}
	signed := k.body
	if k.signed != nil {
		signed = k.signed
	}
	// RequestURI is what the transport writes, so the signed target is the sent one.
	authorization, err := c.merchant.authorization(k.method, request.URL.RequestURI(), signed, c.now().Unix(), newNonce())
	if err != nil {
		return nil, &failure{outcome: OutcomeRetry, err: err}
	}
	// One array for the values, and each header sees only its own.
	values := [...]string{contentTypeJSON, authorization, c.userAgent, orDefault(k.contentType, contentTypeJSON), k.keySerial}
	header := request.Header
	header["Accept"] = values[0:1:1]
	header["Authorization"] = values[1:2:2]
	header["User-Agent"] = values[2:3:3]
	if k.body != nil {
		header["Content-Type"] = values[3:4:4]
	}
	if c.language != "" {
		header[headerLanguage] = []string{c.language}
	}
	if k.keySerial != "" {
		header[headerSerial] = values[4:5:5]
	}
	maps.Copy(header, k.header)
	for _, name := range [...]string{headerIdempotencyKey, headerOtherIdempotencyKey} {
		hideFromTransport(header, name)
	}
	return request, nil
}

// hideFromTransport spells a header in small letters, which are the same name on the wire. Under the usual spelling
// [http.Transport] takes it, even without a value, for leave to send the request again by itself when a kept connection breaks: a
// try that is not counted, of a write perhaps, with a nonce that was used before.
func hideFromTransport(header http.Header, name string) {
	values := header[name]
	delete(header, name)
	if len(values) > 0 {
		header[strings.ToLower(name)] = values
	}
}

// sendOnce is the empty body of a GET. Without any body, [http.Transport] sends a GET again by itself when a
// kept connection breaks: a try that is not counted, with a nonce that was used before.
type sendOnce struct{}

func (sendOnce) Read([]byte) (int, error) { return 0, io.EOF }

// readBody reads to the end, so that the connection can be used again, and closes.
func readBody(response *http.Response) ([]byte, error) {
	defer response.Body.Close()
	if response.ContentLength > answerBytesMax {
		return nil, fmt.Errorf("answer: %w", ErrBodyTooLarge)
	}
	body, err := readAtMost(response.Body, response.ContentLength, answerBytesMax)
	switch {
	case errors.Is(err, ErrBodyTooLarge):
		return nil, fmt.Errorf("answer: %w", err)
	case err != nil:
		return nil, fmt.Errorf("read answer: %w", err)
	}
	return body, nil
}

// readAtMost reads to the end, or to ErrBodyTooLarge; announced is a Content-Length, negative if there was none. A body
// of the length announced is read into memory of just that size.
func readAtMost(from io.Reader, announced, most int64) ([]byte, error) {
	size := int64(bytes.MinRead)
	if announced >= 0 {
		size = min(announced, most) + 1 // room for the read that meets the end
	}
	body := make([]byte, 0, size)
	for {
		n, err := from.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case int64(len(body)) > most:
			return nil, ErrBodyTooLarge
		case errors.Is(err, io.EOF):
			return body, nil
		case err != nil:
			return nil, err
		case len(body) == cap(body):
			body = slices.Grow(body, bytes.MinRead)
		}
	}
}

// take judges an answer that arrived whole (WeChat Pay APIv3, 应答验签): 200 and 204 must verify. Refusals
// are verified when they carry a signature, which not all do.
func (c *Client) take(ctx context.Context, k *call, response *http.Response, body []byte) *failure {
	status := response.StatusCode
	provider := func() *failure {
		return answerFailure(readError(status, response.Header.Get(headerRequestID), body))
	}
	switch {
	case status == http.StatusOK || status == http.StatusNoContent:
		verify := c.verify
		if k.verify != nil {
			verify = k.verify
		}
		if err := verify(ctx, response.Header, body); err != nil {
			// A wrong APIv3 key does not become right by asking again.
			return &failure{outcome: OutcomeUnknown, repeat: !errors.Is(err, ErrDecrypt), err: fmt.Errorf("answer: %w", err)}
		}
		if k.decode == nil {
			return nil
		}
		if err := k.decode(body); err != nil {
			return &failure{outcome: OutcomeUnknown, repeat: true, err: fmt.Errorf("answer: %w", err)}
		}
		return nil
	case status >= 500:
		return provider()
	case status == http.StatusAccepted, len(response.Header[headerSignature]) > 0:
		if err := c.verifyRefusal(ctx, k, response.Header, body); err != nil {
			return &failure{outcome: OutcomeUnknown, err: fmt.Errorf("answer %d: %w", status, err)}
		}
	}
	return provider()
}

// verifyRefusal is verify, but a download of certificates must not wait for one, which would be itself: by a key that is not
// known yet, its refusal is as good as one that carries no signature.
func (c *Client) verifyRefusal(ctx context.Context, k *call, h http.Header, body []byte) error {
	if !k.withoutKeys {
		return c.verify(ctx, h, body)
	}
	if err := c.verifyBy(h, body, c.keys.Load().find); !errors.Is(err, ErrUnknownSerial) {
		return err
	}
	return nil
}

// pause waits before the next try; false when the time left or the caller's budget does not allow one.
func (c *Client) pause(ctx context.Context, k *call, try int, f *failure) bool {
	wait := c.backoff(try, &callError{name: k.name, outcome: f.outcome, tries: try, err: f.err})
	deadline, bounded := ctx.Deadline()
	if !k.deadline.IsZero() {
		deadline, bounded = k.deadline, true
	}
	if bounded && time.Until(deadline) <= wait || !c.mayRepeat(ctx) {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// fullJitter is the pause after a failed try: anywhere up to a limit that doubles, and not under a second
// where the provider asked for less traffic (频率限制).
func fullJitter(try int, cause error) time.Duration {
	if provider, ok := errors.AsType[*Error](cause); ok && provider.outcome() == OutcomeRetry {
		return backoffThrottled + rand.N(backoffThrottled<<(try-1)) //nolint:gosec // jitter is no secret
	}
	return rand.N(backoffBase << (try - 1)) //nolint:gosec // jitter is no secret
}

// decodeJSON reads an answer's body into what to points at. An empty body, HTML and anything else that is not the JSON
// due is ErrMalformed.
func decodeJSON(body []byte, to any) error {
	if len(body) == 0 {
		return fmt.Errorf("%w: no body where one is due", ErrMalformed)
	}
	if err := json.Unmarshal(body, to); err != nil {
		return fmt.Errorf("%w: body is not the JSON expected", ErrMalformed)
	}
	return nil
}
