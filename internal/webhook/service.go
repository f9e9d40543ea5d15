package webhook

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/secret"
)

// Observer sees every recorded try, for metrics. It must not block.
type Observer interface {
	// Tried is told what the try made of the webhook, and how long after the event it ended.
	Tried(ctx context.Context, d Delivery, state State, sinceEvent time.Duration)
}

// Config is what a [Service] needs.
type Config struct {
	Store    Store
	Sealer   *secret.Sealer
	Observer Observer         // nil: nobody looks
	Now      func() time.Time // nil: time.Now
	Logger   *slog.Logger     // nil: discarded

	// AllowPrivate lists networks that may be delivered to although they are not public, for apps that live beside the
	// gateway. Endpoints given as an address in them may speak plain HTTP. Cloud metadata addresses stay refused.
	AllowPrivate []netip.Prefix
	AllowHTTP    bool           // plain HTTP to every endpoint; without it, https is required
	Proxy        *url.URL       // nil: none, whatever the environment says. A proxy must refuse private addresses itself
	RootCAs      *x509.CertPool // nil: the system's
	Resolver     *net.Resolver  // nil: the system's
	// Instrument wraps the transport, for traces. Nil: it is used as it is.
	Instrument func(http.RoundTripper) http.RoundTripper

	UserAgent        string // empty: "Tongbao-Webhook"
	SlotsPerEndpoint int    // tries to one endpoint at the same time in this process; 0: 8
}

// Service manages endpoints and delivers webhooks. What a caller got wrong is a [*payment.Error]. It is safe for
// concurrent use, in one process and in many on one database.
type Service struct {
	store     Store
	sealer    *secret.Sealer
	observer  Observer
	now       func() time.Time
	logger    *slog.Logger
	guard     guard
	transport http.RoundTripper
	idle      func()
	userAgent string
	gates     *gates
}

// New returns a service. It opens no connection until something is delivered.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.Sealer == nil {
		return nil, errors.New("webhook: a service needs a store and a sealer")
	}
	s := &Service{
		store: c.Store, sealer: c.Sealer, observer: c.Observer, now: c.Now, logger: c.Logger,
		guard:     guard{allowPrivate: c.AllowPrivate, allowHTTP: c.AllowHTTP},
		userAgent: cmp.Or(c.UserAgent, "Tongbao-Webhook"),
		gates:     newGates(cmp.Or(c.SlotsPerEndpoint, 8)),
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	transport := newTransport(c, s.guard)
	s.transport, s.idle = transport, transport.CloseIdleConnections
	if c.Instrument != nil {
		s.transport = c.Instrument(transport)
	}
	return s, nil
}

// Close ends the connections that are kept for the next delivery. Deliveries under way are not cut.
func (s *Service) Close() { s.idle() }

// clock is now in UTC to the millisecond, the precision that is stored.
func (s *Service) clock() time.Time { return s.now().UTC().Truncate(time.Millisecond) }

func newID(prefix string, now time.Time) string {
	return prefix + ulid.MustNew(ulid.Timestamp(now), rand.Reader).String()
}

func invalid(field, format string, args ...any) *payment.Error {
	return &payment.Error{Code: payment.CodeInvalid, Field: field, Detail: fmt.Sprintf(format, args...)}
}

// orNotFound turns the store's "no such row" into an answer for the caller; other errors pass.
func orNotFound(err error, what, id string) error {
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	return &payment.Error{Code: payment.CodeNotFound, Detail: fmt.Sprintf("there is no %s %q; check the id and that the key belongs to the same app", what, id)}
}
