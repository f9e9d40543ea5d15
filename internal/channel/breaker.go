package channel

import (
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
)

// A breaker opens when of at least breakerCalls calls in the last breakerWindow breakerRate failed. Some breakerDelay
// later it lets breakerProbes calls through: if all of them get an answer it closes, at the first that does not it opens
// again. Who comes while they are under way is told to come back in probeWait.
const (
	breakerRate   = 0.6
	breakerCalls  = 10
	breakerWindow = 10 * time.Second
	breakerDelay  = 5 * time.Second
	breakerJitter = 0.2 // of the delay, so that replicas do not probe in step
	breakerProbes = 2
	probeWait     = time.Second
)

// BreakerState is how calls to an account's provider fare: passed on, tried, or held back.
type BreakerState int

// The states, worst last.
const (
	BreakerClosed BreakerState = iota
	BreakerHalfOpen
	BreakerOpen
)

// verdict is what a call says about the provider.
type verdict int

const (
	answered   verdict = iota // refusals too: a provider that refuses is alive
	unanswered                // no answer, or none that can be trusted
	unheard                   // the call ended for a reason of ours
)

// breaker holds calls back from a provider that does not answer. It is safe for concurrent use.
type breaker struct {
	circuit circuitbreaker.CircuitBreaker[any]
	changes atomic.Int64 // of the state
}

func newBreaker(changed func(BreakerState)) *breaker {
	b := &breaker{}
	b.circuit = circuitbreaker.NewBuilder[any]().
		WithFailureRateThreshold(breakerRate, breakerCalls, breakerWindow).
		WithDelay(breakerDelay).
		WithJitterFactor(breakerJitter).
		WithSuccessThreshold(breakerProbes).
		OnStateChanged(func(e circuitbreaker.StateChangedEvent) {
			b.changes.Add(1)
			changed(stateOf(e.NewState))
		}).
		Build()
	return b
}

func stateOf(s circuitbreaker.State) BreakerState {
	switch s {
	case circuitbreaker.OpenState:
		return BreakerOpen
	case circuitbreaker.HalfOpenState:
		return BreakerHalfOpen
	case circuitbreaker.ClosedState:
	}
	return BreakerClosed
}

func (b *breaker) state() BreakerState { return stateOf(b.circuit.State()) }

// wait is how long the breaker stays open; zero when a call may try to enter.
func (b *breaker) wait() time.Duration { return b.circuit.RemainingDelay() }

// enter lets a call through, which must leave with what it got.
func (b *breaker) enter() (pass int64, ok bool) {
	if !b.circuit.TryAcquirePermit() {
		return 0, false
	}
	return b.changes.Load(), true
}

// leave tells the call's verdict. Of a call that began before the state changed it is not asked for: it would say again
// what opened the breaker, or speak for a probe. A probe that was not heard must not close the breaker, and is repeated.
func (b *breaker) leave(pass int64, v verdict) {
	switch {
	case b.changes.Load() != pass:
	case v == answered:
		b.circuit.RecordSuccess()
	case v == unanswered, b.circuit.IsHalfOpen():
		b.circuit.RecordFailure()
	}
}
