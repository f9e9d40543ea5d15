package payment_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

// asked records at which distances from the start an operation was called while jobs run step by step.
func (b *bundle) asked(operation string, d, step time.Duration) (at []time.Duration) {
	b.t.Helper()
	start := b.clock.Now()
	for elapsed := step; elapsed <= d; elapsed += step {
		before := b.provider.count(operation)
		b.run(step)
		if b.provider.count(operation) > before {
			at = append(at, b.clock.Now().Sub(start))
		}
	}
	return at
}

func TestFollowPayment(t *testing.T) {
	t.Parallel()
	t.Run("AsksOnItsScheduleThenHourlyThenCloses", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		req := b.request("order")
		req.ExpiresIn = 3*time.Hour + 10*time.Minute
		created, err := b.Create(t.Context(), b.app, req)
		if err != nil {
			t.Fatal(err)
		}
		const s, m, h = time.Second, time.Minute, time.Hour
		want := []time.Duration{10 * s, 30 * s, m, 3 * m, 5 * m, 10 * m, 30 * m, h + 30*m, 2*h + 30*m, 3*h + 10*m, 3*h + 11*m, 3*h + 20*m}
		if got := b.asked("query", 12*time.Hour, 10*time.Second); !slices.Equal(got, want) {
			t.Errorf("asked after %v\nwant        %v", got, want)
		}
		if b.provider.count("close") != 1 {
			t.Errorf("closed %d times at the provider", b.provider.count("close"))
		}
		b.happened(created.Payment.ID, "payment.created payment.closed")
	})
	t.Run("APaymentThatSettledIsAskedNoMore", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.paid()
		if got := b.asked("query", time.Hour, 10*time.Second); len(got) > 0 {
			t.Errorf("asked after %v", got)
		}
	})
	t.Run("MoneyWithoutANotificationIsFound", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		b.provider.pay(p.Current().TradeNo)
		b.run(10 * time.Second)
		b.happened(p.ID, "payment.created payment.succeeded")
		b.notify("n1", p, payment.NoEffect) // late
		b.sound(p)
	})
	t.Run("APaymentClosedByTheProviderIsClosed", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		b.provider.set(p.Current().TradeNo, payment.OrderClosed)
		b.run(10 * time.Second)
		b.happened(p.ID, "payment.created payment.closed")
	})
	t.Run("PaidInTheLastMomentIsNotClosed", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		b.run(payment.ExpiryDefault - time.Second)
		b.provider.pay(p.Current().TradeNo)
		b.run(time.Second)
		b.happened(p.ID, "payment.created payment.succeeded")
		if b.provider.count("close") != 0 {
			t.Error("the provider was asked to close a paid order")
		}
	})
	t.Run("MoneyInFlightAtTheCloseIsFoundAfterwards", func(t *testing.T) {
		t.Parallel()
		for _, after := range []time.Duration{30 * time.Second, 5 * time.Minute} {
			b := newBundle(t)
			p := b.closed()
			b.run(after)
			b.provider.payLate(p.Current().TradeNo)
			b.run(10 * time.Minute)
			b.happened(p.ID, "payment.created payment.closed payment.late_paid")
		}
	})
	t.Run("MoneyInFlightIsFoundWhenTheProviderIsSilentForHoursAfterTheClose", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.closed()
		b.provider.payLate(p.Current().TradeNo)
		b.provider.next("query", slices.Repeat([]effect{lostRequest()}, 20)...)
		b.run(20 * time.Hour)
		b.happened(p.ID, "payment.created payment.closed payment.late_paid")
		b.sound(p)
	})
	t.Run("AnOrderLeftOpenAtTheProviderIsClosedHoweverOftenThatFails", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.closed()
		b.provider.set(p.Current().TradeNo, payment.OrderUnpaid)
		b.provider.next("close", slices.Repeat([]effect{lostRequest()}, 20)...)
		b.run(20 * time.Hour)
		if b.provider.pay(p.Current().TradeNo) {
			t.Error("a payer can still pay an order whose payment is closed")
		}
	})
	t.Run("AClosedPaymentWhoseProviderIsSilentIsReportedAfterADay", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.closed()
		b.provider.next("query", slices.Repeat([]effect{lostRequest()}, 400)...)
		b.run(23 * time.Hour)
		b.reviews("")
		b.run(3 * time.Hour)
		b.reviews("outcome_unknown")
		b.status(b.load(p), payment.Closed)
	})
	t.Run("ASilentProviderIsReportedAfterADayAndAskedOn", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		b.provider.next("query", slices.Repeat([]effect{lostRequest()}, 50)...)
		b.run(payment.ExpiryDefault + 23*time.Hour)
		b.reviews("")
		b.run(3 * time.Hour)
		b.reviews("outcome_unknown")
		b.status(b.load(p), payment.Pending)
		b.run(48 * time.Hour)
		b.reviews("outcome_unknown")
		b.happened(p.ID, "payment.created payment.closed") // the provider is back
		if reported := b.events(""); countOf(reported, "review.opened") != 1 {
			t.Errorf("events: %s", reported)
		}
	})
	t.Run("AnUnknownPaymentIsOurOwnFailure", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		if _, err := b.FollowPayment(t.Context(), "app", "pay_x"); err == nil {
			t.Error("a job without its payment was called done")
		}
	})
}

func TestAClockThatJumpsAnHourBack(t *testing.T) {
	t.Parallel()
	t.Run("ClosesOnce", func(t *testing.T) {
		t.Parallel()
		for _, before := range []time.Duration{time.Minute, payment.ExpiryDefault - time.Second, payment.ExpiryDefault, payment.ExpiryDefault + time.Minute} {
			b := newBundle(t)
			p := b.create()
			b.run(before)
			b.clock.advance(-time.Hour)
			b.run(6 * time.Hour)
			if n := b.provider.count("close"); n != 1 {
				t.Errorf("%s after its creation, the order was closed %d times", before, n)
			}
			b.happened(p.ID, "payment.created payment.closed")
			b.sound(p)
		}
	})
	t.Run("LosesNoQuestion", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		b.run(time.Minute)
		b.provider.pay(p.Current().TradeNo)
		b.clock.advance(-time.Hour)
		b.run(2 * time.Hour)
		b.happened(p.ID, "payment.created payment.succeeded")
		b.sound(p)
	})
}

func countOf(events, want string) (n int) {
	for e := range strings.FieldsSeq(events) {
		if e == want {
			n++
		}
	}
	return n
}

func TestAnAccountThatIsNotTheOneTheOrderWasPlacedWith(t *testing.T) {
	t.Parallel()
	t.Run("AnOrderThatVanishedIsReviewedAndNotClosed", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		b.provider.next("query", slices.Repeat([]effect{{outcome: payment.Absent}}, 400)...)
		b.run(48 * time.Hour)
		b.reviews("outcome_unknown report_mismatch")
		if got := b.load(p); got.Status != payment.Pending || b.provider.count("close") != 0 {
			t.Errorf("%s, closed %d times at the provider", got.Status, b.provider.count("close"))
		}
	})
	t.Run("AnotherMerchantIsNotAsked", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		b.provider.merchantID = "1900000002"
		before := b.provider.count("query")
		b.run(48 * time.Hour)
		b.reviews("outcome_unknown")
		if got := b.load(p); got.Status != payment.Pending || b.provider.count("query") != before {
			t.Errorf("%s, asked %d times", got.Status, b.provider.count("query")-before)
		}
		b.provider.merchantID = "1900000001"
		b.run(2 * time.Hour)
		if got := b.load(p); got.Status != payment.Closed {
			t.Errorf("the account is right again, and the payment is %s", got.Status)
		}
	})
	t.Run("AHeldReportStopsTheClose", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		b.provider.mu.Lock()
		b.provider.orders[b.load(p).Current().TradeNo].state = payment.OrderUnrecognised
		b.provider.mu.Unlock()
		if _, err := b.Close(t.Context(), "app", p.ID); err != nil {
			t.Fatal(err)
		}
		b.reviews("unrecognised_state")
		if b.provider.count("close") != 0 || b.load(p).Status != payment.Pending {
			t.Error("closed although the provider's word is not understood")
		}
	})
}
