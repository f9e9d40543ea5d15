package wechatpayv2

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

const (
	triesMax         = 3
	backoffBase      = 200 * time.Millisecond
	backoffThrottled = time.Second

	codeSuccess = "SUCCESS"
	codeFail    = "FAIL"
)

// call is one request of the protocol, repeated with the same fields until it is done, refused or out of time.
type call struct {
	name    string
	path    string
	fields  Fields // the call's own; who asks, nonce and signature are added
	timeout time.Duration
	// mutual sends the call over TLS with the merchant's certificate (需要证书).
	mutual bool
	// write marks a call with an effect: one try of unknown outcome makes the whole call unknown.
	write bool
	// once marks a call whose repeat is another attempt: it is sent again only when it surely did not leave.
	once bool
	// unsigned marks a call whose answer carries no signature by the provider's documents.
	unsigned bool
	// bill marks a download, whose refusals name their code without a signature (error_code). Elsewhere what is not signed has no code
	// to act on.
	bill bool
	// topUp marks a call that NOTENOUGH does not refuse: the merchant tops up and repeats the same number.
	topUp bool
	// decode reads a verified answer of success. Nil: success is all there is to know.
	decode func(Fields) error
}

// do runs a call: at most three tries inside the shorter of the call's and the context's time, each with a fresh nonce and
// signature, changing the access point when one failed.
func (c *Client) do(ctx context.Context, k call) error {
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	if err := c.checkSubMerchant(); err != nil {
		return failed(k.name, wechatpay.OutcomeRefused, err)
	}
	lostTry := false
	host := c.hosts.first(c.now())
	for try := 1; ; try++ {
		f := c.try(ctx, &k, host, try)
		if f == nil {
			return nil
		}
		lostTry = lostTry || k.write && f.outcome == wechatpay.OutcomeUnknown
		surelyNotSent := f.outcome == wechatpay.OutcomeRetry
		if !f.repeat || (k.once && !surelyNotSent) || try == triesMax || !c.pause(ctx, try, f) {
			if lostTry {
				f.outcome = wechatpay.OutcomeUnknown
			}
			return &callError{name: k.name, outcome: f.outcome, tries: try, err: f.err}
		}
		c.log.LogAttrs(ctx, slog.LevelWarn, "wechatpay/v2: try failed, repeating",
			slog.String("call", k.name), slog.String("host", host.name), slog.Int("try", try), slog.Any("error", f.err))
		if f.hostFault {
			host = c.hosts.other(host, c.now())
		}
	}
}

// try sends the request once. It gets an equal share of the time left, so that an access point that hangs leaves time for the
// other; a call that is sent once gets all of it.
func (c *Client) try(ctx context.Context, k *call, host *host, try int) *failure {
	if err := ctx.Err(); err != nil {
		return &failure{outcome: wechatpay.OutcomeRetry, err: err}
	}
	if deadline, ok := ctx.Deadline(); ok && !k.once {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(triesMax-try+1))
		defer cancel()
	}
	response, f := c.send(ctx, k, host)
	if f != nil {
		return f
	}
	body, err := readBody(response)
	if err != nil {
		return &failure{outcome: wechatpay.OutcomeUnknown, repeat: true, hostFault: !errors.Is(err, wechatpay.ErrBodyTooLarge), err: err}
	}
	return c.take(k, response.StatusCode, body)
}

// send signs the call's fields and sends them. The caller closes the answer's body.
func (c *Client) send(ctx context.Context, k *call, host *host) (*http.Response, *failure) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, host.base+k.path, bytes.NewReader(c.seal(k.fields).encode()))
	if err != nil {
		return nil, &failure{outcome: wechatpay.OutcomeRefused, err: err}
	}
	request.Header = http.Header{
		"Accept": {"*/*"}, "Content-Type": {"text/xml; charset=utf-8"}, "User-Agent": {c.userAgent},
	}
	transport := c.transport
	if k.mutual {
		transport = c.mutualTransport
	}
	if transport == nil {
		return nil, &failure{outcome: wechatpay.OutcomeRefused, err: &wechatpay.FieldError{
			Field: "Certificate", Problem: "set it: the provider wants the merchant API certificate in the TLS handshake of this call",
		}}
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, networkFailure(err)
	}
	return response, nil
}

// seal completes a message: who asks, for whom, a nonce and the signature over all of it. What the message says already, it says
// its own way.
func (c *Client) seal(fields Fields) Fields {
	sealed := Fields{
		"appid": c.appID, "mch_id": c.mchID, "sub_appid": c.sub.AppID, "sub_mch_id": c.sub.MchID,
		"nonce_str": newNonce(), "sign_type": string(c.signType),
	}
	maps.Copy(sealed, fields)
	sealed[fieldSign] = c.key.sign(sealed, c.signType)
	return sealed
}

// readBody reads to the end, so that the connection can be used again, and closes.
func readBody(response *http.Response) ([]byte, error) {
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, messageBytesMax+1))
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if len(body) > messageBytesMax {
		return nil, fmt.Errorf("answer: %w", wechatpay.ErrBodyTooLarge)
	}
	return body, nil
}

// take judges an answer that arrived whole (WeChat Pay APIv2, 协议规则): return_code tells whether the request was taken, result_code
// whether it was done, and both count only under a signature, which an answer that was not taken does not have.
func (c *Client) take(k *call, status int, body []byte) *failure {
	if status != http.StatusOK {
		return statusFailure(status)
	}
	fields, err := decode(body, "xml")
	if err != nil {
		return &failure{outcome: wechatpay.OutcomeUnknown, repeat: true, err: fmt.Errorf("answer: %w", err)}
	}
	if fields["return_code"] != codeSuccess {
		refusal := &Error{Status: status, ReturnCode: fields["return_code"], ReturnMsg: fields["return_msg"], Description: fields["return_msg"]}
		if k.bill {
			refusal.Code = normalCode(fields["error_code"])
		}
		return k.answerFailure(refusal)
	}
	if err := c.verifyAnswer(k, fields); err != nil {
		return &failure{outcome: wechatpay.OutcomeUnknown, repeat: true, err: fmt.Errorf("answer: %w", err)}
	}
	if fields["result_code"] != codeSuccess {
		return k.answerFailure(&Error{
			Status: status, ReturnCode: codeSuccess, ReturnMsg: fields["return_msg"],
			Code: normalCode(fields["err_code"]), Description: fields["err_code_des"], Recall: fields["recall"] == "Y",
		})
	}
	if k.decode == nil {
		return nil
	}
	if err := k.decode(fields); err != nil {
		return &failure{outcome: wechatpay.OutcomeUnknown, repeat: true, err: fmt.Errorf("answer: %w", err)}
	}
	return nil
}

// verifyAnswer checks the signature and that the answer is for the merchant that asked.
func (c *Client) verifyAnswer(k *call, fields Fields) error {
	if k.unsigned {
		return nil
	}
	if err := c.key.verify(fields); err != nil {
		return err
	}
	return c.checkOwner(fields)
}

// checkOwner refuses a message that names another merchant; several may share a key at a service provider's.
func (c *Client) checkOwner(fields Fields) error {
	if mchID := fields["mch_id"]; mchID != "" && mchID != c.mchID {
		return fmt.Errorf("%w: for another merchant", wechatpay.ErrMalformed)
	}
	if sub := fields["sub_mch_id"]; sub != "" && c.sub.MchID != "" && sub != c.sub.MchID {
		return fmt.Errorf("%w: for another sub-merchant", wechatpay.ErrMalformed)
	}
	return nil
}

func statusFailure(status int) *failure {
	f := &failure{outcome: wechatpay.OutcomeUnknown, err: &Error{Status: status}}
	switch {
	case status >= http.StatusInternalServerError:
		f.repeat, f.hostFault = true, true
	case status == http.StatusTooManyRequests:
		f.outcome, f.repeat = wechatpay.OutcomeRetry, true
	}
	return f
}

// answerFailure classes a refusal; some ask for the same again (错误码: 请使用原单号重新调用).
func (k *call) answerFailure(e *Error) *failure {
	f := &failure{outcome: e.outcome(), err: e}
	switch e.Code {
	case CodeSystemError, CodeNeedRetry, CodeFrequencyLimited:
		f.repeat = true
	case CodeNotEnough:
		if k.topUp {
			f.outcome = wechatpay.OutcomeRetry
		}
	}
	return f
}

// pause waits before the next try; false when the time left does not allow one.
func (c *Client) pause(ctx context.Context, try int, f *failure) bool {
	return sleep(ctx, c.backoff(try, f.err)) == nil
}

// sleep waits for d, and not beyond the context; it gives up at once when the context would end first.
func sleep(ctx context.Context, d time.Duration) error {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return context.DeadlineExceeded
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fullJitter is the pause after a failed try: anywhere up to a limit that doubles, and not under a second where the provider asked
// for less traffic (FREQUENCY_LIMITED).
func fullJitter(try int, cause error) time.Duration {
	if CodeOf(cause) == CodeFrequencyLimited {
		return backoffThrottled + rand.N(backoffThrottled<<(try-1)) //nolint:gosec // jitter is no secret
	}
	return rand.N(backoffBase << (try - 1)) //nolint:gosec // jitter is no secret
}
