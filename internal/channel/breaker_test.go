package channel

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

// opened is a bundle whose breaker for placing has just opened; it is for wait.
func (b *guardBundle) opened() (wait time.Duration) {
	b.t.Helper()
	b.always(payment.Unknown, "")
	repeat(breakerCalls, b.place)
	b.reached(breakerCalls)
	if wait = b.wait(b.place()); wait == 0 {
		b.t.Fatal("the breaker is not open")
	}
	b.reached(0)
	b.answer = func(context.Context) error { return nil }
	return wait
}

func TestTheBreakerOpensWhenMostCallsGetNoAnswer(t *testing.T) {
	for name, err := range map[string]error{
		"Unknown":     &payment.ChannelError{Outcome: payment.Unknown},
		"ServerError": &payment.ChannelError{Outcome: payment.Unknown, Code: "SYSTEM_ERROR"},
		"Unreachable": &payment.ChannelError{Outcome: payment.Retry},
		"OtherError":  errors.New("anything"),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *guardBundle) {
				b.answer = func(context.Context) error { return err }
				repeat(breakerCalls, b.place)
				wait := b.wait(b.place())
				if least, most := breakerDelay*8/10, breakerDelay*12/10; wait < least || wait > most {
					t.Errorf("held for %s, want %s to %s", wait, least, most)
				}
				b.reached(breakerCalls)
				if b.held[heldByBreaker] != 1 {
					t.Errorf("held: %v", b.held)
				}
			})
		})
	}
}

func TestAnAnswerOfAnyKindDoesNotOpenTheBreaker(t *testing.T) {
	for name, err := range map[string]error{
		"Done":    nil,
		"Refused": &payment.ChannelError{Outcome: payment.Refused, Code: "PARAM_ERROR"},
		"Absent":  &payment.ChannelError{Outcome: payment.Absent, Code: "ORDER_NOT_EXIST"},
		"TooFast": &payment.ChannelError{Outcome: payment.Retry, Code: "TOO_FAST"},
		"NotNow":  &payment.ChannelError{Outcome: payment.Retry, Code: "NOT_ENOUGH"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(_ *testing.T, b *guardBundle) {
				b.answer = func(context.Context) error { return err }
				for range 5 * breakerCalls {
					_ = b.place()
					<-time.After(100 * time.Millisecond) // below the limit, slowed down as it may be
				}
				b.reached(5 * breakerCalls)
			})
		})
	}
}

func TestHalfTheAnswersLostDoNotOpenTheBreaker(t *testing.T) {
	inBubble(t, func(_ *testing.T, b *guardBundle) {
		lost := false
		b.answer = func(context.Context) error {
			if lost = !lost; lost {
				return &payment.ChannelError{Outcome: payment.Unknown}
			}
			return nil
		}
		repeat(10*breakerCalls, b.place)
		b.reached(10 * breakerCalls)
	})
}

func TestFailuresAreForgotten(t *testing.T) {
	inBubble(t, func(_ *testing.T, b *guardBundle) {
		b.always(payment.Unknown, "")
		repeat(breakerCalls-1, b.place)
		<-time.After(breakerWindow + time.Second)
		repeat(breakerCalls-1, b.place)
		b.reached(2 * (breakerCalls - 1))
	})
}

func TestTheBreakerIsClosedByItsProbes(t *testing.T) {
	inBubble(t, func(t *testing.T, b *guardBundle) {
		<-time.After(b.opened())
		hold := make(chan struct{})
		b.answer = func(context.Context) error { <-hold; return nil }
		var probes sync.WaitGroup
		for range breakerProbes {
			probes.Go(func() { _ = b.place() })
		}
		synctest.Wait()
		if wait := b.wait(b.place()); wait != probeWait {
			t.Errorf("beside the probes a call is held for %s", wait)
		}
		if b.guard.state() != BreakerHalfOpen {
			t.Errorf("while probes are under way the state is %d", b.guard.state())
		}
		b.reached(breakerProbes)
		close(hold)
		probes.Wait()
		repeat(breakerCalls, b.place)
		b.reached(breakerCalls)
		if b.guard.state() != BreakerClosed {
			t.Errorf("the state is %d", b.guard.state())
		}
	})
}

func TestAProbeWithoutAnAnswerOpensTheBreakerAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, b *guardBundle) {
		<-time.After(b.opened())
		b.always(payment.Unknown, "")
		_ = b.place()
		if b.wait(b.place()) == 0 {
			t.Error("the breaker is not open")
		}
		b.reached(1)
	})
}

func TestAProbeThatItsCallerGaveUpProvesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, b *guardBundle) {
		<-time.After(b.opened())
		b.answer = func(ctx context.Context) error { return ctx.Err() }
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range breakerProbes {
			_, _ = b.Place(ctx, nil, nil)
		}
		b.reached(1)
		if b.guard.state() == BreakerClosed {
			t.Error("the breaker is closed")
		}
	})
}

func TestCallsThatTheirCallersGaveUpDoNotOpenTheBreaker(t *testing.T) {
	inBubble(t, func(t *testing.T, b *guardBundle) {
		b.answer = func(ctx context.Context) error { return ctx.Err() }
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range 2 * breakerCalls {
			_, _ = b.Place(ctx, nil, nil)
		}
		b.reached(2 * breakerCalls)
	})
}

func TestWhatBeganBeforeTheBreakerOpenedDoesNotSpeakForAProbe(t *testing.T) {
	inBubble(t, func(t *testing.T, b *guardBundle) {
		for _, late := range []error{nil, &payment.ChannelError{Outcome: payment.Unknown}} {
			hold := make(chan struct{})
			b.answer = func(context.Context) error { <-hold; return late }
			var early sync.WaitGroup
			for range 2 * breakerProbes {
				early.Go(func() { _ = b.place() })
			}
			synctest.Wait()
			b.calls.Store(0)
			<-time.After(b.opened())
			if err := b.place(); err != nil { // the first probe
				t.Fatal(err)
			}
			close(hold)
			early.Wait()
			if b.guard.state() != BreakerHalfOpen {
				t.Errorf("early calls that ended with %v made the state %d", late, b.guard.state())
			}
			if err := b.place(); err != nil || b.guard.state() != BreakerClosed {
				t.Errorf("after its probes the state is %d, %v", b.guard.state(), err)
			}
			b.calls.Store(0)
		}
	})
}

func TestTurnsStartOverWhenTheBreakerCloses(t *testing.T) {
	inBubble(t, func(t *testing.T, b *guardBundle) {
		b.always(payment.Unknown, "")
		repeat(breakerCalls, b.query)
		wait := b.wait(b.query())
		repeat(10_000, b.query)
		<-time.After(wait)
		b.answer = func(context.Context) error { return nil }
		repeat(breakerProbes, b.query)
		b.always(payment.Unknown, "")
		repeat(2*breakerCalls, b.query)
		if wait := b.wait(b.query()); wait == 0 || wait > 2*breakerDelay {
			t.Errorf("after the next opening the first waits %s, behind those of the last", wait)
		}
	})
}
