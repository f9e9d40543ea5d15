package payment_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

// story is a payment's whole life as the outside sees it: an app that repeats its requests until they are
// answered, a payer, and a provider that sends its news until they are acknowledged. It may be interrupted at any
// commit and told again from the start.
func (b *bundle) story() error {
	created, err := b.Create(b.t.Context(), b.app, b.request("order"))
	if err != nil {
		return err
	}
	p := created.Payment
	if p.Status == payment.Processing {
		return errDied // the app sees "processing" and asks again
	}
	b.provider.pay(p.Current().TradeNo)
	if _, err := b.Notify(b.t.Context(), b.order("paid", p)); err != nil {
		return err
	}
	for n, amount := range []int64{300, 700} {
		r, _, err := b.Refund(b.t.Context(), "app", payment.RefundRequest{PaymentID: p.ID, OutRefundNo: fmt.Sprint("r", n), Amount: amount})
		if err != nil {
			return err
		}
		b.provider.settle(r.RefundNo, payment.RefundReportedSucceeded)
		if _, known := b.provider.refund(r.RefundNo); !known {
			continue // it never got there: the job sends it
		}
		if _, err := b.Notify(b.t.Context(), b.refundNews(fmt.Sprint("refunded-", n), r)); err != nil {
			return err
		}
	}
	return nil
}

func TestAProcessKilledAtAnyCommitLosesNothing(t *testing.T) {
	t.Parallel()
	const commits = 9 // intent, placed, paid, and for each of two refunds: intent, accepted, succeeded
	for n := 1; n <= commits; n++ {
		for _, when := range []string{"Before", "After"} {
			t.Run(fmt.Sprintf("Killed%sCommit%d", when, n), func(t *testing.T) {
				t.Parallel()
				b := newBundle(t)
				if when == "Before" {
					b.fragile.before = n
				} else {
					b.fragile.after = n
				}
				if err := b.story(); !b.fragile.dead {
					t.Fatalf("the process was not killed: %v", err)
				}
				b.restart()
				b.run(time.Minute) // the jobs that were committed go on
				if err := b.story(); err != nil {
					t.Fatalf("told again: %v", err)
				}
				for _, r := range b.load(b.only()).Refunds {
					b.provider.settle(r.RefundNo, payment.RefundReportedSucceeded)
				}
				b.run(3 * time.Hour)
				p := b.load(b.only())
				b.status(p, payment.Refunded)
				b.sound(p)
				b.happened(p.ID, "payment.created payment.succeeded payment.refunded")
				if orders, refunds := b.provider.sizes(); orders != 1 || refunds != 2 {
					t.Errorf("the provider has %d orders and %d refunds, want 1 and 2", orders, refunds)
				}
				b.reviews("")
			})
		}
	}
}

// only is the one payment there is.
func (b *bundle) only() *payment.Payment {
	b.t.Helper()
	p, err := b.store.PaymentByOutTradeNo(b.t.Context(), "app", "order")
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

func TestKilledBetween(t *testing.T) {
	t.Parallel()
	t.Run("IntentAndPlacing", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.fragile.after = 1
		if _, err := b.Create(t.Context(), b.app, b.request("order")); err == nil {
			t.Fatal("not killed")
		}
		b.restart()
		b.run(time.Hour) // the app never comes back
		b.happened(b.only().ID, "payment.created payment.closed")
	})
	t.Run("PlacingAndItsCommit", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.fragile.before = 2
		if _, err := b.Create(t.Context(), b.app, b.request("order")); !errors.Is(err, errDied) {
			t.Fatal(err)
		}
		b.restart()
		b.provider.pay(b.only().Current().TradeNo) // somebody had the code already
		b.run(10 * time.Second)
		b.happened(b.only().ID, "payment.created payment.succeeded")
	})
	t.Run("PlacingAndItsCommitWithoutAPayer", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.fragile.before = 2
		if _, err := b.Create(t.Context(), b.app, b.request("order")); !errors.Is(err, errDied) {
			t.Fatal(err)
		}
		b.restart()
		b.run(time.Hour)
		p := b.only()
		b.happened(p.ID, "payment.created payment.closed")
		if r, _ := b.provider.order(p.Current().TradeNo); r.State != payment.OrderClosed {
			t.Errorf("the provider's order is %s", r.State)
		}
	})
	t.Run("SwitchIntentAndPlacing", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.create()
		b.fragile.after = b.fragile.commits + 1
		if _, err := b.Create(t.Context(), b.app, b.by(payment.JSAPI)); err == nil || b.provider.count("place") != 1 {
			t.Fatal("not killed in time")
		}
		b.restart()
		b.run(time.Minute)
		b.attempts(b.only(), "native open, jsapi placing")
		b.switched(payment.JSAPI) // the app asks again
		b.run(time.Minute)
		b.attempts(b.only(), "native closed, jsapi open")
	})
	t.Run("SwitchIntentAndPlacingAndTheAppNeverComesBack", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		b.fragile.after = b.fragile.commits + 1
		if _, err := b.Create(t.Context(), b.app, b.by(payment.JSAPI)); err == nil {
			t.Fatal("not killed")
		}
		b.restart()
		b.payOrder("n1", p.Current().TradeNo) // the code is still on the payer's screen
		b.run(time.Hour)
		b.attempts(p, "native paid, jsapi closed")
		b.happened(p.ID, "payment.created payment.succeeded")
		b.sound(p)
	})
	t.Run("SwitchPlacingAndItsCommit", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.create()
		b.fragile.before = b.fragile.commits + 2
		if _, err := b.Create(t.Context(), b.app, b.by(payment.JSAPI)); !errors.Is(err, errDied) {
			t.Fatal(err)
		}
		b.restart()
		b.run(time.Minute)
		p := b.only()
		b.attempts(p, "native closed, jsapi open")
		b.payOrder("n1", p.Current().TradeNo)
		b.happened(p.ID, "payment.created payment.succeeded")
		if orders, _ := b.provider.sizes(); orders != 2 {
			t.Errorf("%d orders", orders)
		}
	})
	t.Run("ClosingALeftOrderAndItsCommit", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.create()
		p := b.switched(payment.JSAPI)
		b.fragile.before = b.fragile.commits + 1
		if _, err := b.FollowAttempt(t.Context(), "app", p.Attempts[0].ID); !errors.Is(err, errDied) {
			t.Fatal(err)
		}
		b.atProvider(p, 1, payment.OrderClosed)
		b.restart()
		b.run(time.Second)
		b.attempts(p, "native closed, jsapi open")
	})
	t.Run("TheMoneyOfALeftOrderAndItsCommit", func(t *testing.T) {
		t.Parallel()
		b, p := twoProducts(t, payment.LateRefund)
		b.provider.pay(p.Attempts[0].TradeNo)
		b.fragile.before = b.fragile.commits + 1
		if _, err := b.Notify(t.Context(), b.orderOf("n1", p.Attempts[0].TradeNo)); !errors.Is(err, errDied) {
			t.Fatal(err)
		}
		b.restart()
		b.run(2 * time.Second)
		b.attempts(p, "native paid, app closed")
		b.happened(p.ID, "payment.created payment.succeeded")
	})
	t.Run("ClosingAndItsCommit", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		b.fragile.before = b.fragile.commits + 2 // the wish, then the end
		if _, err := b.Close(t.Context(), "app", p.ID); !errors.Is(err, errDied) {
			t.Fatal(err)
		}
		b.restart()
		b.run(10 * time.Second)
		b.happened(p.ID, "payment.created payment.closed")
	})
	t.Run("TheWishToCloseAndTheProvider", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		b.fragile.after = b.fragile.commits + 1
		if got, err := b.Close(t.Context(), "app", p.ID); err == nil && got.Terminal() {
			t.Fatal("not killed")
		}
		b.restart()
		b.run(10 * time.Second)
		b.happened(p.ID, "payment.created payment.closed")
	})
	t.Run("RefundIntentAndTheProvider", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		b.fragile.after = b.fragile.commits + 1
		_, _, _ = b.Refund(t.Context(), "app", payment.RefundRequest{PaymentID: p.ID, OutRefundNo: "r1", Amount: 300})
		if b.provider.count("refund") != 0 {
			t.Fatal("not killed in time")
		}
		b.restart()
		b.run(40 * time.Second)
		b.refundStatus(p, b.load(p).Refunds[0].ID, payment.RefundProcessing)
	})
	t.Run("TheProvidersRefundAndItsCommit", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		b.fragile.before = b.fragile.commits + 2
		_, _, err := b.Refund(t.Context(), "app", payment.RefundRequest{PaymentID: p.ID, OutRefundNo: "r1", Amount: 300})
		if !errors.Is(err, errDied) {
			t.Fatal(err)
		}
		b.restart()
		b.run(5 * time.Second)
		b.refundStatus(p, b.load(p).Refunds[0].ID, payment.RefundProcessing)
		if b.provider.count("refund") != 1 {
			t.Error("sent twice though it was there")
		}
	})
}
