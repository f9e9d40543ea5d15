package payment

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"
)

// Observer sees every change after it was committed, for metrics. It must not block.
type Observer interface {
	Committed(context.Context, *Change)
}

// Config is what a [Service] needs.
type Config struct {
	Store     Store
	Providers Providers
	Numbers   *Numbers // nil: counted by the store alone
	Observer  Observer // nil: nobody looks
	Now       func() time.Time
	Logger    *slog.Logger // nil: discarded
	// PlaceTimeout bounds one request to a provider for an order, its own repeats included. Callers who ask for the
	// same payment meanwhile wait for that answer. Zero: 20 s.
	PlaceTimeout time.Duration
}

// Service runs the use cases. It is safe for concurrent use, in one process and in many on one database.
type Service struct {
	store        Store
	providers    Providers
	numbers      *Numbers
	observer     Observer
	now          func() time.Time
	logger       *slog.Logger
	placeTimeout time.Duration
}

// New returns a service. It panics without a store, providers or a clock: that is a mistake in the program.
func New(c Config) *Service {
	if c.Store == nil || c.Providers == nil || c.Now == nil {
		panic("payment: a service needs a store, providers and a clock")
	}
	s := &Service{
		store: c.Store, providers: c.Providers, numbers: c.Numbers, observer: c.Observer, now: c.Now, logger: c.Logger,
		placeTimeout: cmp.Or(c.PlaceTimeout, 20*time.Second),
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	if s.numbers == nil {
		s.numbers = NewNumbers(c.Store, nil, s.logger)
	}
	return s
}

// commitTimeout bounds a commit that must not be given up because a caller went away.
const commitTimeout = 10 * time.Second

// updateTries bounds how often a use case starts over because somebody else was faster. Each loss means that
// somebody else made progress; the pauses between them, random and growing to at most pauseMax, let everybody have a turn.
const (
	updateTries = 30
	pauseMin    = time.Millisecond
	pauseMax    = 64 * time.Millisecond
)

// update loads a payment, lets decide change it, and commits; where somebody else was faster it starts over with
// what is there now. decide may return nil for "nothing to do". A non-nil p is used for the first round.
func (s *Service) update(ctx context.Context, p *Payment, load func(context.Context) (*Payment, error), decide func(*Payment) (*Change, error)) (*Payment, error) {
	for try := range updateTries {
		if p == nil {
			var err error
			if p, err = load(ctx); err != nil {
				return nil, err
			}
		}
		c, err := decide(p)
		if err != nil || c == nil {
			return p, err
		}
		err = s.commit(ctx, c)
		if !errors.Is(err, ErrConflict) {
			return p, err
		}
		p = nil
		jitter := rand.N(min(pauseMin<<try, pauseMax)) //nolint:gosec // jitter is no secret
		if err := pause(ctx, jitter); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: gave up after %d tries; repeat the request", ErrConflict, updateTries)
}

func (s *Service) commit(ctx context.Context, c *Change) error {
	if c.Payment != nil {
		c.Payment.UpdatedAt = s.clock()
		c.Payment.Version++
	}
	if err := s.store.Commit(ctx, c); err != nil {
		return err
	}
	for _, r := range c.Reviews {
		s.logger.WarnContext(ctx, "a review waits for a person", "kind", r.Kind, "subject", r.SubjectID, "summary", r.Summary)
	}
	if v := c.Resolved; v != nil {
		s.logger.InfoContext(ctx, "a review was resolved", "review_id", v.ID, "kind", v.Kind, "subject", v.SubjectID, "action", v.Resolution, "by", v.ResolvedBy)
	}
	if s.observer != nil {
		s.observer.Committed(ctx, c)
	}
	return nil
}

// clock is now in UTC to the millisecond, the precision that is stored.
func (s *Service) clock() time.Time { return s.now().UTC().Truncate(time.Millisecond) }

type aboutKey struct{}

// about lets log lines written further down, such as a provider library's, name the payment.
func about(ctx context.Context, paymentID string) context.Context {
	return context.WithValue(ctx, aboutKey{}, paymentID)
}

// IDFromContext is the id of the payment that the use case running in ctx is about, or "".
func IDFromContext(ctx context.Context) string {
	id, _ := ctx.Value(aboutKey{}).(string)
	return id
}

func (s *Service) reload(p *Payment) func(context.Context) (*Payment, error) {
	appID, id := p.AppID, p.ID
	return func(ctx context.Context) (*Payment, error) { return s.store.PaymentByID(ctx, appID, id) }
}

// Payment returns the app's payment, or an [*Error] with [CodeNotFound].
func (s *Service) Payment(ctx context.Context, appID, id string) (*Payment, error) {
	p, err := s.store.PaymentByID(ctx, appID, id)
	if errors.Is(err, ErrNotFound) {
		return nil, notFound("payment", id)
	}
	return p, err
}

func notFound(what, id string) *Error {
	return &Error{Code: CodeNotFound, Detail: fmt.Sprintf("there is no %s %q; check the id and that the key belongs to the same app", what, id)}
}
