package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

// answer is what a try came to.
type answer struct {
	status     int // 0: none
	failure    string
	retryAfter time.Duration
}

func (a answer) success() bool { return a.failure == "" }

func (a answer) verdict() verdict {
	if a.success() {
		return healthy
	}
	return failing
}

// try posts the webhook once. The error is ours: nothing was sent.
func (s *Service) try(ctx context.Context, w Webhook) (answer, error) {
	now := s.clock()
	// The URL was checked when it was given; what is allowed may have changed since.
	if err := s.guard.check(w.Endpoint.URL); err != nil {
		return answer{failure: refusedURL(err)}, nil
	}
	signature, err := s.sign(w.Endpoint, w.EventID, now, w.Body)
	if err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, tryMax)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.Endpoint.URL, bytes.NewReader(w.Body))
	if err != nil {
		return answer{failure: "the endpoint's URL is not usable; update it"}, nil
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", s.userAgent)
	req.Header.Set(standardwebhooks.HeaderWebhookID, w.EventID)
	req.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	req.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	// The transport itself, not a client: a redirect is an answer like any other, never a second request.
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		if errors.Is(err, errForbiddenAddress) {
			s.logger.WarnContext(ctx, "webhook: endpoint refused: its name leads to an address that is not public; allow the network if the app lives there",
				"app_id", w.AppID, "endpoint_id", w.EndpointID, "error", err)
		}
		return answer{failure: connectionFailure(ctx, err)}, nil
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, retryAfter: retryAfter(resp.Header, now)}
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		a.failure = fmt.Sprintf("answered %d: redirects are not followed; update the endpoint to the final URL", resp.StatusCode)
	case resp.StatusCode < 200 || resp.StatusCode >= 300:
		a.failure = fmt.Sprintf("answered %d; only 2xx means received", resp.StatusCode)
	default:
		a.failure = readAnswer(ctx, resp.Body)
	}
	return a, nil
}

// readAnswer reads a good answer to its end, which also lets the connection serve the next delivery. It returns what is
// wrong with it, or "".
func readAnswer(ctx context.Context, body io.Reader) (failure string) {
	read, err := io.Copy(io.Discard, io.LimitReader(body, answerMax+1))
	if err != nil {
		return "the answer began well, but did not end: " + connectionFailure(ctx, err)
	}
	if read > answerMax {
		return fmt.Sprintf("the answer is longer than %d KiB; an empty one is enough", answerMax>>10)
	}
	return ""
}

func refusedURL(err error) string {
	if refusal, ok := errors.AsType[*payment.Error](err); ok {
		return "the endpoint's URL is not allowed: " + refusal.Detail
	}
	return "the endpoint's URL is not allowed"
}

// connectionFailure says in words of our own what went wrong: the errors of the network quote what the other side
// sent, and addresses inside our network. ctx is the try's.
func connectionFailure(ctx context.Context, err error) string {
	if errors.Is(err, errForbiddenAddress) {
		return "the host's address is not public; webhooks go to public addresses unless the operator allows the network"
	}
	if ctx.Err() != nil {
		return fmt.Sprintf("no complete answer within %d s; answer first and work afterwards", tryMax/time.Second)
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return "the host's name does not exist in DNS"
		}
		return "the host's name could not be resolved"
	}
	if untrusted, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the TLS certificate is not trusted: " + short(untrusted.Err.Error())
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return "the port does not speak TLS; check the URL's port"
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return "the connection was refused; check that the receiver runs and that the URL's port is right"
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return "the host did not answer in time"
	}
	return "the connection broke; the receiver must speak HTTP, and over https TLS 1.2 or newer"
}

// short cuts text of foreign making to what fits a list, and leaves out what is no text: the names in a certificate may
// hold any ASCII, U+0000 too, with which PostgreSQL would not keep the try.
func short(text string) string {
	const most = 160
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "..."
	}
	return text
}
