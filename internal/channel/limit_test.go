package channel

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

func TestCallsArePacedByTheProvidersLimit(t *testing.T) {
	for name, test := range map[string]struct {
		call      func(*guardBundle) error
		perSecond int
	}{
		"Place":       {(*guardBundle).place, 500},
		"Query":       {(*guardBundle).query, 500},
		"Close":       {func(b *guardBundle) error { return b.CloseOrder(b.t.Context(), nil) }, 500},
		"Refund":      {func(b *guardBundle) error { return b.refund(nil) }, 150},
		"QueryRefund": {func(b *guardBundle) error { _, err := b.QueryRefund(b.t.Context(), nil); return err }, 300},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *guardBundle) {
				end := time.Now().Add(2 * time.Second)
				for time.Now().Before(end) {
					if err := test.call(b); err != nil {
						t.Fatal(err)
					}
				}
				if most, calls := int64(2*test.perSecond+test.perSecond/10+1), b.calls.Load(); calls > most || calls < most*9/10 {
					t.Errorf("%d calls in 2 seconds, want at most %d", calls, most)
				}
			})
		})
	}
}

func TestWhoWouldWaitTooLongForTheLimitIsHeldBack(t *testing.T) {
	inBubble(t, func(t *testing.T, b *guardBundle) {
		began := time.Now()
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() { _ = b.place() })
		}
		all.Wait()
		if took := time.Since(began); took > limitWait {
			t.Errorf("the last was told after %s", took)
		}
		passed := int64(placesPerSecond/10) + int64(float64(placesPerSecond)*limitWait.Seconds())
		b.reached(passed)
		if held := b.held[heldByLimit]; held != 1000-int(passed) {
			t.Errorf("%d were held back", held)
		}
		<-time.After(time.Second)
		if err := b.place(); err != nil {
			t.Errorf("a second later the line is not gone: %v", err)
		}
	})
}

func TestADeadlineIsNotWaitedOut(t *testing.T) {
	inBubble(t, func(t *testing.T, b *guardBundle) {
		repeat(int(placesPerSecond/10), b.place)
		b.calls.Store(0)
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := b.Place(ctx, nil, nil); b.wait(err) == 0 || time.Since(began) != 0 {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		b.reached(0)
	})
}

func TestAProviderThatIsAskedTooFastIsAskedMoreSlowly(t *testing.T) {
	inBubble(t, func(t *testing.T, b *guardBundle) {
		limit := func() int { return int(b.guard.places.limiter.Limit()) }
		b.always(payment.Retry, "TOO_FAST")
		<-time.After(slowStep)
		repeat(10, b.place)
		if limit() != 250 {
			t.Errorf("ten at the same moment made the limit %d", limit())
		}
		for range 10 {
			<-time.After(slowStep)
			_ = b.place()
		}
		if limit() != 15 { // 500 / slowestShare
			t.Errorf("the limit is %d, want no less than 15", limit())
		}
		if b.guard.state() != BreakerClosed {
			t.Error("it is the limit's business, not the breaker's")
		}
		b.always(payment.Unknown, "")
		<-time.After(slowStep)
		_ = b.place()
		if limit() != 65 {
			t.Errorf("a second without made the limit %d", limit())
		}
		b.answer = func(context.Context) error { return nil }
		for range 10 {
			<-time.After(slowStep)
			_ = b.place()
		}
		if limit() != int(placesPerSecond) {
			t.Errorf("in the end the limit is %d", limit())
		}
	})
}

func TestRefundsThatKeepFailingDoNotHoldUpTheOthers(t *testing.T) {
	inBubble(t, func(t *testing.T, b *guardBundle) {
		before := &payment.ChannelError{Outcome: payment.Retry, Code: "NOT_ENOUGH"}
		failing := func() error { return b.refund(before) }
		b.always(payment.Retry, "NOT_ENOUGH")
		repeat(100, failing)
		const half = int64(refundsFailedPerSecond/2) + 1
		b.reached(half) // the other half is left to refunds that nobody expects to fail
		if held := b.held[heldByFailures]; held != 100-int(half) {
			t.Errorf("%d were held back", held)
		}
		b.answer = func(context.Context) error { return nil }
		repeat(10, func() error { return b.refund(nil) })
		b.reached(10)
		if err := b.refund(&payment.ChannelError{Code: "TOO_FAST"}); err != nil { // it did not fail
			t.Error(err)
		}
		b.reached(1)
	})
}

func TestAllFailingRefundsTogetherStayWithinTheProvidersAllowance(t *testing.T) {
	inBubble(t, func(t *testing.T, b *guardBundle) {
		before := &payment.ChannelError{Outcome: payment.Retry, Code: "NOT_ENOUGH"}
		b.always(payment.Refused, "NOT_ENOUGH")
		const seconds = 10
		for range seconds * 50 {
			_ = b.refund(before)
			<-time.After(20 * time.Millisecond)
		}
		if most, calls := int64((seconds+1)*refundsFailedPerSecond), b.calls.Swap(0); calls > most || calls < most*8/10 {
			t.Errorf("%d failed in %d s, want at most %d", calls, seconds, most)
		}
		for range seconds * 4 { // one that fails the first time, then as many others as are allowed
			_ = b.refund(nil)
			repeat(10, func() error { return b.refund(before) })
			<-time.After(250 * time.Millisecond)
		}
		if most, calls := int64((seconds+1)*refundsFailedPerSecond), b.calls.Load(); calls > most {
			t.Errorf("%d failed in %d s, want at most %d", calls, seconds, most)
		}
	})
}

func TestFailingRefundsComeAgainAtTheirOwnPace(t *testing.T) {
	inBubble(t, func(t *testing.T, b *guardBundle) {
		before := &payment.ChannelError{Outcome: payment.Retry, Code: "NOT_ENOUGH"}
		b.always(payment.Retry, "NOT_ENOUGH")
		repeat(10, func() error { return b.refund(before) })
		first, second := b.wait(b.refund(before)), b.wait(b.refund(before))
		if second-first != time.Second/6 {
			t.Errorf("the turns are after %s and %s", first, second)
		}
	})
}
