package channel

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/failsafe-go/failsafe-go/bulkhead"
	"golang.org/x/time/rate"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

// The slots bound how many calls for one account jobs have under way: half of the workers that jobs of their kind have, so
// that an account whose provider hangs leaves the other half to the others until its breaker opens.
const (
	askSlots    = 16
	refundSlots = 8
	// heldPace is the time between the turns of two that are held back.
	heldPace = 20 * time.Millisecond
)

// Why a call is held back; the reason is a metric's label.
const (
	heldByBreaker  = "breaker"
	heldByLimit    = "limit"
	heldBySlots    = "slots"
	heldByFailures = "failing_refunds"
)

// guard keeps the calls of one account within what its provider bears, and away from a provider that does not answer. It
// lives as long as the account's configuration: an account that was mended is judged afresh. Replicas guard each for
// itself. It is safe for concurrent use.
type guard struct {
	place, ask, refund *class

	places, asks, refunds, refundAsks *limit
	failures                          *failures
}

// class is operations that fare alike at the provider. Each has all it needs to itself: those of one class never wait
// for those of another.
type class struct {
	breaker *breaker
	repeats *rate.Limiter
	slots   bulkhead.Bulkhead[any] // nil: any number
	turns   turns
}

func newGuard(a Account, logger *slog.Logger) *guard {
	class := func(name string, slots uint) *class {
		c := &class{repeats: rate.NewLimiter(repeatsPerSecond, repeatsBurst), turns: turns{pace: heldPace}}
		c.breaker = newBreaker(func(s BreakerState) {
			if s == BreakerClosed {
				c.turns.startOver()
			}
			tellBreaker(logger, a.ID, name, s)
		})
		if slots > 0 {
			c.slots = bulkhead.New[any](slots)
		}
		return c
	}
	return &guard{
		place: class("place", 0), ask: class("ask", askSlots), refund: class("refund", refundSlots),
		places: newLimit(placesPerSecond), asks: newLimit(asksPerSecond), refunds: newLimit(refundsPerSecond), refundAsks: newLimit(refundAsksPerSecond),
		failures: newFailures(),
	}
}

func tellBreaker(logger *slog.Logger, accountID, class string, s BreakerState) {
	switch s {
	case BreakerOpen:
		logger.Warn("the provider gives no answers that can be trusted; calls are held back and tried again in a few seconds", "account", accountID, "class", class)
	case BreakerClosed:
		logger.Info("the provider answers again; calls are passed on", "account", accountID, "class", class)
	case BreakerHalfOpen:
	}
}

// state is the worst of the classes'.
func (g *guard) state() BreakerState {
	return max(g.place.breaker.state(), g.ask.breaker.state(), g.refund.breaker.state())
}

// guarded is a provider behind its account's guard. A call that is held back costs the provider nothing; its error is of
// outcome [payment.Retry] and says how long to wait.
type guarded struct {
	payment.Provider // also for what asks no provider: Identity, Invoke

	guard     *guard
	channel   payment.Channel
	observer  Observer
	throttled func(*payment.ChannelError) bool
}

// call passes a call on when its class and its limit let it through.
func (g guarded) call(ctx context.Context, operation string, c *class, l *limit, f func(context.Context) error) error {
	if wait := c.breaker.wait(); wait > 0 {
		return g.held(ctx, operation, heldByBreaker, c.turn(wait))
	}
	if c.slots != nil {
		if !c.slots.TryAcquirePermit() {
			return g.held(ctx, operation, heldBySlots, c.turn(probeWait))
		}
		defer c.slots.ReleasePermit()
	}
	if wait, ok := l.enter(ctx); !ok {
		return g.held(ctx, operation, heldByLimit, c.turn(wait))
	}
	pass, ok := c.breaker.enter()
	if !ok {
		return g.held(ctx, operation, heldByBreaker, c.turn(probeWait))
	}
	v := unanswered // where f panics
	defer func() { c.breaker.leave(pass, v) }()
	err := f(context.WithValue(ctx, repeatsKey{}, c.repeats))
	v = g.judge(ctx, err, l)
	return err
}

// turn is when to come back, not before wait. Requests of apps come back when they like, so only jobs are given turns;
// what has no slots is not asked for by jobs.
func (c *class) turn(wait time.Duration) time.Duration {
	if c.slots == nil {
		return wait
	}
	return c.turns.next(time.Now(), wait)
}

// judge says what came of a call for the breaker, and paces its limit by it.
func (g guarded) judge(ctx context.Context, err error, l *limit) verdict {
	ce, ok := errors.AsType[*payment.ChannelError](err)
	switch {
	case err == nil:
		l.ease()
		return answered
	case ok && g.throttled(ce):
		l.slow()
	default:
		l.ease()
	}
	switch {
	case ok && (ce.Outcome == payment.Refused || ce.Outcome == payment.Absent):
		return answered
	case ok && ce.Outcome == payment.Retry && (ce.Code != "" || g.throttled(ce)):
		return answered
	case errors.Is(ctx.Err(), context.Canceled):
		return unheard
	}
	return unanswered
}

func (g guarded) held(ctx context.Context, operation, reason string, wait time.Duration) error {
	if g.observer != nil {
		g.observer.Held(ctx, g.channel, operation, reason)
	}
	message := "not sent: the account's calls reach the provider's limit"
	if reason == heldByBreaker {
		message = "not sent: the provider has not been answering"
	}
	return &payment.ChannelError{Outcome: payment.Retry, Message: message, Wait: wait}
}

func (g guarded) Place(ctx context.Context, p *payment.Payment, a *payment.Attempt) (c payment.Credential, err error) {
	err = g.call(ctx, "prepay", g.guard.place, g.guard.places, func(ctx context.Context) error { c, err = g.Provider.Place(ctx, p, a); return err })
	return c, err
}

func (g guarded) QueryOrder(ctx context.Context, a *payment.Attempt) (r payment.OrderReport, err error) {
	err = g.call(ctx, "query", g.guard.ask, g.guard.asks, func(ctx context.Context) error { r, err = g.Provider.QueryOrder(ctx, a); return err })
	return r, err
}

func (g guarded) CloseOrder(ctx context.Context, a *payment.Attempt) error {
	return g.call(ctx, "close", g.guard.ask, g.guard.asks, func(ctx context.Context) error { return g.Provider.CloseOrder(ctx, a) })
}

func (g guarded) QueryRefund(ctx context.Context, f *payment.Refund) (r payment.RefundReport, err error) {
	err = g.call(ctx, "query_refund", g.guard.ask, g.guard.refundAsks, func(ctx context.Context) error { r, err = g.Provider.QueryRefund(ctx, f); return err })
	return r, err
}

// CreateRefund keeps refunds that the provider turned down before to their small allowance. One that was only too fast
// for the provider is not among them.
func (g guarded) CreateRefund(ctx context.Context, p *payment.Payment, f *payment.Refund) (r payment.RefundReport, err error) {
	failedBefore := f.Error != nil && !g.throttled(f.Error)
	if failedBefore {
		if wait, ok := g.guard.failures.enter(); !ok {
			return r, g.held(ctx, "refund", heldByFailures, wait)
		}
	}
	err = g.call(ctx, "refund", g.guard.refund, g.guard.refunds, func(ctx context.Context) error { r, err = g.Provider.CreateRefund(ctx, p, f); return err })
	if ce, ok := errors.AsType[*payment.ChannelError](err); ok && ce.Code != "" && !failedBefore && !g.throttled(ce) {
		g.guard.failures.count()
	}
	return r, err
}

type repeatsKey struct{}

// mayRepeat takes one of the repeats that the class of the call in ctx has left.
func mayRepeat(ctx context.Context) bool {
	repeats, ok := ctx.Value(repeatsKey{}).(*rate.Limiter)
	return !ok || repeats.Allow()
}
