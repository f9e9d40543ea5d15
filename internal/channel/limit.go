package channel

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// How many calls in a second a merchant may make (WeChat Pay APIv3, 频率限制, as of 2026). None is published for queries
// and closes of orders: they may not be more than the orders.
const (
	placesPerSecond        rate.Limit = 500
	asksPerSecond          rate.Limit = 500
	refundsPerSecond       rate.Limit = 150
	refundAsksPerSecond    rate.Limit = 300
	refundsFailedPerSecond rate.Limit = 6
)

const (
	// limitWait is how long a call waits for its turn at most; a longer wait is the caller's business.
	limitWait = 250 * time.Millisecond
	// A provider that says "too fast" halves the limit, down to 1/slowestShare of it; each slowStep without such a word
	// gives a tenth of it back.
	slowestShare = 32
	slowStep     = time.Second
	// repeatsPerSecond and repeatsBurst are the budget of the tries that calls make after their first.
	repeatsPerSecond rate.Limit = 10
	repeatsBurst     int        = 20
)

// limit paces the calls of one operation. It is safe for concurrent use.
type limit struct {
	full    rate.Limit
	limiter *rate.Limiter

	slowed  atomic.Bool
	mu      sync.Mutex
	changed time.Time // when slower or faster last
}

// newLimit allows a tenth of a second's calls at once, so that no second of the provider's has more than it allows.
func newLimit(perSecond rate.Limit) *limit {
	return &limit{full: perSecond, limiter: rate.NewLimiter(perSecond, max(int(perSecond/10), 1))}
}

// enter waits for a call's turn; false with how far it is when that is too long to wait, or the time of ctx.
func (l *limit) enter(ctx context.Context) (wait time.Duration, ok bool) {
	now := time.Now()
	r := l.limiter.ReserveN(now, 1)
	wait = r.DelayFrom(now)
	deadline, bounded := ctx.Deadline()
	if wait == 0 {
		return 0, true
	}
	if wait > limitWait || bounded && now.Add(wait).After(deadline) {
		r.CancelAt(now)
		return wait, false
	}
	turn := time.NewTimer(wait)
	defer turn.Stop()
	select {
	case <-turn.C:
		return 0, true
	case <-ctx.Done():
		r.Cancel()
		return wait, false
	}
}

// slow halves the limit. What was sent before it took effect may be answered so as well: that counts once.
func (l *limit) slow() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Sub(l.changed) < slowStep {
		return
	}
	l.limiter.SetLimitAt(now, max(l.limiter.Limit()/2, l.full/slowestShare))
	l.changed = now
	l.slowed.Store(true)
}

// ease gives back what slow took, step by step.
func (l *limit) ease() {
	if !l.slowed.Load() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Sub(l.changed) < slowStep {
		return
	}
	faster := min(l.limiter.Limit()+l.full/10, l.full)
	l.limiter.SetLimitAt(now, faster)
	l.changed = now
	l.slowed.Store(faster < l.full)
}

// failures is the small allowance of refunds that fail: a provider that has seen too many refuses all refunds, those that
// would succeed too. Refunds that failed before are sent within it, and leave half of it to those that nobody expects
// to fail. It is safe for concurrent use.
type failures struct {
	limiter *rate.Limiter
	turns   turns
}

func newFailures() *failures {
	burst := int(refundsFailedPerSecond)
	return &failures{limiter: rate.NewLimiter(refundsFailedPerSecond, burst), turns: turns{pace: time.Second / time.Duration(burst)}}
}

// enter lets a refund that failed before through, or says when it may come back.
func (f *failures) enter() (wait time.Duration, ok bool) {
	now := time.Now()
	if f.limiter.TokensAt(now) >= float64(f.limiter.Burst())/2 && f.limiter.AllowN(now, 1) {
		return 0, true
	}
	return f.turns.next(now, time.Second), false
}

// count takes a refund into account that failed unexpectedly.
func (f *failures) count() { f.limiter.AllowN(time.Now(), 1) }

// turnMax is when turns start over, so that nobody waits longer for one.
const turnMax = time.Hour

// turns brings those that are held back again one after another, so that they cost little however many they are. It is
// safe for concurrent use.
type turns struct {
	pace time.Duration // between two turns
	mu   sync.Mutex
	last time.Time
}

// next is how long to wait for the next turn, not before soonest.
func (t *turns) next(now time.Time, soonest time.Duration) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	first := now.Add(soonest)
	t.last = t.last.Add(t.pace)
	if t.last.Before(first) || t.last.Sub(now) > turnMax {
		t.last = first
	}
	return t.last.Sub(now)
}

// startOver forgets the turns that were given: who comes now need not wait behind them.
func (t *turns) startOver() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = time.Time{}
}
