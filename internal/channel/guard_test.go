package channel

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

// guardBundle is an account whose provider answers every call as the test says.
type guardBundle struct {
	guarded

	t      *testing.T
	answer func(context.Context) error
	calls  atomic.Int64
	held   map[string]int // by reason
	mu     sync.Mutex
}

// inBubble runs a test with a guard by a clock of the test's own.
func inBubble(t *testing.T, test func(t *testing.T, b *guardBundle)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &guardBundle{t: t, held: map[string]int{}, answer: func(context.Context) error { return nil }}
		b.guarded = guarded{
			guard: newGuard(Account{ID: "main"}, slog.New(slog.DiscardHandler)), channel: payment.WeChat, observer: b,
			Provider: scripted{b: b}, throttled: func(ce *payment.ChannelError) bool { return ce.Code == "TOO_FAST" },
		}
		test(t, b)
	})
}

type scripted struct {
	payment.Provider

	b *guardBundle
}

func (s scripted) call(ctx context.Context) error {
	s.b.calls.Add(1)
	return s.b.answer(ctx)
}

func (s scripted) Place(ctx context.Context, _ *payment.Payment, _ *payment.Attempt) (payment.Credential, error) {
	return payment.Credential{}, s.call(ctx)
}

func (s scripted) QueryOrder(ctx context.Context, _ *payment.Attempt) (payment.OrderReport, error) {
	return payment.OrderReport{}, s.call(ctx)
}

func (s scripted) CloseOrder(ctx context.Context, _ *payment.Attempt) error { return s.call(ctx) }

func (s scripted) CreateRefund(ctx context.Context, _ *payment.Payment, _ *payment.Refund) (payment.RefundReport, error) {
	return payment.RefundReport{}, s.call(ctx)
}

func (s scripted) QueryRefund(ctx context.Context, _ *payment.Refund) (payment.RefundReport, error) {
	return payment.RefundReport{}, s.call(ctx)
}

func (b *guardBundle) ProviderCall(context.Context, payment.Channel, string, string, time.Duration) {}

func (b *guardBundle) Held(_ context.Context, _ payment.Channel, _, reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held[reason]++
}

func (b *guardBundle) place() error {
	_, err := b.Place(b.t.Context(), nil, nil)
	return err
}

func (b *guardBundle) query() error {
	_, err := b.QueryOrder(b.t.Context(), nil)
	return err
}

func (b *guardBundle) refund(before *payment.ChannelError) error {
	_, err := b.CreateRefund(b.t.Context(), nil, &payment.Refund{Error: before})
	return err
}

// always answers every call so.
func (b *guardBundle) always(o payment.Outcome, code string) {
	b.answer = func(context.Context) error { return &payment.ChannelError{Outcome: o, Code: code} }
}

// reached wants that so many calls reached the provider since the last look.
func (b *guardBundle) reached(want int64) {
	b.t.Helper()
	if got := b.calls.Swap(0); got != want {
		b.t.Errorf("%d calls reached the provider, want %d", got, want)
	}
}

// wait is how long a call is held back; zero when it was passed on.
func (b *guardBundle) wait(err error) time.Duration {
	b.t.Helper()
	ce, ok := errors.AsType[*payment.ChannelError](err)
	if !ok || ce.Wait == 0 {
		return 0
	}
	if ce.Outcome != payment.Retry || ce.Message == "" || ce.Code != "" {
		b.t.Errorf("held back with %v", ce)
	}
	return ce.Wait
}

func repeat(n int, f func() error) {
	for range n {
		_ = f()
	}
}

func TestOperationsOfOneClassDoNotWaitForThoseOfAnother(t *testing.T) {
	inBubble(t, func(t *testing.T, b *guardBundle) {
		b.always(payment.Unknown, "")
		repeat(breakerCalls, b.place)
		if b.wait(b.place()) == 0 {
			t.Fatal("the breaker is not open")
		}
		b.reached(breakerCalls)
		b.answer = func(context.Context) error { return nil }
		_, refundErr := b.QueryRefund(t.Context(), nil)
		if err := errors.Join(b.query(), b.CloseOrder(t.Context(), nil), refundErr, b.refund(nil)); err != nil {
			t.Error(err)
		}
		b.reached(4)
		if b.guard.state() != BreakerOpen {
			t.Error("the account's state is not that of its worst class")
		}
	})
}

func TestAProviderThatHangsOccupiesOnlyItsSlots(t *testing.T) {
	inBubble(t, func(t *testing.T, b *guardBundle) {
		hang := make(chan struct{})
		b.answer = func(context.Context) error { <-hang; return nil }
		var hanging sync.WaitGroup
		for range askSlots {
			hanging.Go(func() { _ = b.query() })
		}
		synctest.Wait()
		first, second := b.wait(b.query()), b.wait(b.query())
		if first != probeWait || second != probeWait+heldPace {
			t.Errorf("held for %s and %s", first, second)
		}
		b.reached(askSlots)
		close(hang)
		hanging.Wait()
		if err := b.query(); err != nil {
			t.Error(err)
		}
		if b.held[heldBySlots] != 2 {
			t.Errorf("held: %v", b.held)
		}
	})
}

func TestThoseThatAreHeldBackComeAgainOneAfterAnother(t *testing.T) {
	inBubble(t, func(t *testing.T, b *guardBundle) {
		b.always(payment.Unknown, "")
		repeat(breakerCalls, b.query)
		first := b.wait(b.query())
		for i := range 100 {
			if wait := b.wait(b.query()); wait != first+time.Duration(i+1)*heldPace {
				t.Fatalf("turn %d is after %s, the first after %s", i+1, wait, first)
			}
		}
		for range int(turnMax / heldPace) {
			if wait := b.wait(b.query()); wait > turnMax {
				t.Fatalf("a turn after %s", wait)
			}
		}
		b.reached(breakerCalls)
	})
}

func TestRepeatsHaveABudget(t *testing.T) {
	inBubble(t, func(t *testing.T, b *guardBundle) {
		granted := 0
		b.answer = func(ctx context.Context) error {
			for range 2 {
				if mayRepeat(ctx) {
					granted++
				}
			}
			return nil
		}
		repeat(50, b.place)
		if granted != repeatsBurst {
			t.Errorf("%d repeats were granted at once, want %d", granted, repeatsBurst)
		}
		granted = 0
		repeat(50, b.query) // whose budget is its own
		if granted != repeatsBurst {
			t.Errorf("queries were granted %d repeats, want %d", granted, repeatsBurst)
		}
		granted = 0
		<-time.After(time.Second)
		repeat(50, b.place)
		if granted != int(repeatsPerSecond) {
			t.Errorf("a second later %d repeats were granted, want %d", granted, int(repeatsPerSecond))
		}
		if !mayRepeat(t.Context()) {
			t.Error("what is no guarded call may not repeat")
		}
	})
}

func BenchmarkGuardedCall(b *testing.B) {
	g := &guardBundle{answer: func(context.Context) error { return nil }}
	g.guarded = guarded{
		guard: newGuard(Account{ID: "main"}, slog.New(slog.DiscardHandler)), channel: payment.WeChat,
		Provider: scripted{b: g}, throttled: func(*payment.ChannelError) bool { return false },
	}
	g.guard.asks = newLimit(1e9)
	for b.Loop() {
		if _, err := g.QueryOrder(b.Context(), nil); err != nil {
			b.Fatal(err)
		}
	}
}
