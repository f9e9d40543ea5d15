package api

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tongbao-pay/tongbao/internal/access"
	"github.com/tongbao-pay/tongbao/internal/idempotency"
	"github.com/tongbao-pay/tongbao/internal/payment"
)

// Payments are the use cases of the domain.
type Payments interface {
	Create(context.Context, payment.Applicant, payment.CreateRequest) (*payment.Created, error)
	Payment(ctx context.Context, appID, id string) (*payment.Payment, error)
	Close(ctx context.Context, appID, id string) (*payment.Payment, error)
	Sync(ctx context.Context, appID, id string) (*payment.Payment, error)
	Refund(ctx context.Context, appID string, req payment.RefundRequest) (refund *payment.Refund, created bool, err error)
	Review(ctx context.Context, appID, id string) (*payment.Review, error)
	ResolveReview(context.Context, payment.ResolveRequest) (*payment.Review, error)
}

// Lists are the reads that need no use case. A cursor or event id that was never given out is what
// [payment.UnknownCursor] makes; a refund that does not exist is [payment.ErrNotFound].
type Lists interface {
	Payments(context.Context, payment.PaymentFilter, payment.Page) (data []*payment.Payment, next string, err error)
	Refunds(context.Context, payment.RefundFilter, payment.Page) (data []*payment.Refund, next string, err error)
	RefundByID(ctx context.Context, appID, id string) (*payment.Refund, error)
	Events(ctx context.Context, filter payment.EventFilter, limit int) ([]payment.Event, error)
	Reviews(context.Context, payment.ReviewFilter, payment.Page) (data []*payment.Review, next string, err error)
}

// Authenticator tells who sends a request; whom it does not let in gets an [*access.Refusal].
type Authenticator interface {
	Bearer(ctx context.Context, token string) (access.Principal, error)
	Signed(context.Context, access.SignedRequest) (access.Principal, error)
}

// Limiter keeps one caller from taking the gateway from the others. A wait of zero means go on.
type Limiter interface {
	// Stranger is asked before a request is looked at, Refused and Admitted are told what became of it.
	Stranger(netip.Addr) (wait time.Duration)
	Refused(netip.Addr)
	Admitted(netip.Addr)
	Key(ctx context.Context, keyID string) (wait time.Duration)
}

// Config is what the face needs. Everything without a stated default is required.
type Config struct {
	Payments      Payments
	Lists         Lists
	Webhooks      Webhooks
	Authenticator Authenticator
	Idempotency   idempotency.Store
	Sealer        idempotency.Sealer
	Limiter       Limiter
	Logger        *slog.Logger     // nil: discarded
	Now           func() time.Time // nil: time.Now
	// RequestTimeout bounds a request; creates and closes that wait for a provider go on behind it. Zero: 30 s.
	RequestTimeout time.Duration
	// HideDocs leaves out /docs and /openapi.*.
	HideDocs bool
}

type api struct {
	config Config
	huma   huma.API
	routes *http.ServeMux
}

// New returns the handler for /v1/, /openapi.json, /openapi.yaml and /docs; everything else is not found. It names
// everything that the configuration lacks.
func New(c Config) (http.Handler, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.RequestTimeout = cmp.Or(c.RequestTimeout, 30*time.Second)
	a := describe(c)
	idempotent := idempotency.Middleware(idempotency.Config{
		Store: c.Idempotency, Sealer: c.Sealer, Owner: owner, Refuse: refuseKey, Now: c.Now, Logger: c.Logger,
		LockFor: 2*c.RequestTimeout + time.Minute,
	})
	routes := idempotent(a.recovered(http.HandlerFunc(a.route)))
	mux := http.NewServeMux()
	mux.Handle("/v1/", a.timed(a.authenticated(func(body []byte) http.Handler { return checked(body, routes) })))
	if !c.HideDocs {
		if err := a.mountDocs(mux); err != nil {
			return nil, err
		}
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { writeProblem(w, r, noSuchPath()) })
	return a.exchanged(secured(mux)), nil
}

func (c Config) validate() error {
	var missing []error
	for _, part := range []struct {
		name  string
		given bool
	}{
		{"Payments", c.Payments != nil},
		{"Lists", c.Lists != nil},
		{"Webhooks", c.Webhooks != nil},
		{"Authenticator", c.Authenticator != nil},
		{"Idempotency", c.Idempotency != nil},
		{"Sealer", c.Sealer != nil},
		{"Limiter", c.Limiter != nil},
	} {
		if !part.given {
			missing = append(missing, errors.New("api: Config."+part.name+" is required"))
		}
	}
	return errors.Join(missing...)
}

func owner(r *http.Request) string { return exchangeOf(r.Context()).principal.App.ID }

func refuseKey(w http.ResponseWriter, r *http.Request, err error) {
	header := FieldError{Location: "header.Idempotency-Key"}
	switch {
	case errors.Is(err, idempotency.ErrKey):
		header.Message = "must be given once, as 1 to 255 printable ASCII characters"
		writeProblem(w, r, invalid(header))
	case errors.Is(err, idempotency.ErrInUse):
		writeProblem(w, r, newProblem(codeKeyInUse, "a request with this Idempotency-Key is still executing; send the same request again in a second"))
	case errors.Is(err, idempotency.ErrReused):
		writeProblem(w, r, newProblem(codeKeyReused, "this Idempotency-Key was used with another method, path or body; use a new key, or send the first request unchanged"))
	default:
		writeProblem(w, r, problemOf(r.Context(), r.Method, err))
	}
}

func noSuchPath() *Problem {
	return newProblem(payment.CodeNotFound, "there is no such path; /docs shows those there are")
}
