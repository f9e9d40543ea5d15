package payment_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

func TestNotify(t *testing.T) {
	t.Parallel()
	t.Run("APaidOrderSucceedsOnce", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		b.clock.advance(time.Minute)
		b.provider.pay(p.Current().TradeNo)
		b.notify("n1", p, payment.Applied)
		before := b.load(p)
		if before.AmountPaid != 1000 || !before.PaidAt.Equal(b.clock.Now()) || before.Current().TransactionID != "4200"+p.Current().TradeNo {
			t.Errorf("%+v", before)
		}
		b.notify("n1", p, payment.Duplicated)
		b.notify("n2", p, payment.NoEffect) // the same news under another id
		if diff := cmp.Diff(before, b.load(p)); diff != "" {
			t.Errorf("a repeat changed something:\n%s", diff)
		}
		b.happened(p.ID, "payment.created payment.succeeded")
		b.sound(p)
	})
	t.Run("AHundredAtOnceMakeOneChange", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		b.provider.pay(p.Current().TradeNo)
		n := b.order("n1", p)
		verdicts := map[payment.Verdict]int{}
		var mu sync.Mutex
		var group sync.WaitGroup
		for range 100 {
			group.Go(func() {
				v, err := b.Notify(t.Context(), n)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				}
				verdicts[v]++
			})
		}
		group.Wait()
		if verdicts[payment.Applied] != 1 || verdicts[payment.Duplicated] != 99 {
			t.Errorf("verdicts %v", verdicts)
		}
		b.happened(p.ID, "payment.created payment.succeeded")
		b.sound(p)
	})
	t.Run("OldNewsAfterNewNewsChangesNothing", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		unpaid := b.order("n0", p)
		b.provider.pay(p.Current().TradeNo)
		b.notify("n1", p, payment.Applied)
		b.deliver(unpaid, payment.NoEffect)
		closed := b.order("n2", p)
		closed.Order.State = payment.OrderClosed
		b.deliver(closed, payment.NoEffect)
		b.happened(p.ID, "payment.created payment.succeeded")
	})
	t.Run("AFailureOfOursIsNotAcknowledged", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		b.provider.pay(p.Current().TradeNo)
		n := b.order("n1", p)
		b.fragile.before = b.fragile.commits + 1
		if _, err := b.Notify(t.Context(), n); err == nil {
			t.Fatal("acknowledged what was not stored")
		}
		b.restart()
		b.deliver(n, payment.Applied) // the provider sends it again
		b.sound(p)
	})
	t.Run("AnOrderNobodyPlacedIsHeld", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		n := b.order("n2", p)
		n.Order.TradeNo = "elsewhere"
		b.deliver(n, payment.Held)
		b.deliver(n, payment.Duplicated)
		b.reviews("unknown_order")
	})
	t.Run("ARefundNobodyAskedForIsHeld", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		r := b.refund(p, "r1", 1)
		n := b.refundNews("n2", r)
		n.Refund.RefundNo = "console"
		b.deliver(n, payment.Held)
		b.reviews("unknown_order")
	})
	t.Run("AnUnknownEventIsHeld", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.deliver(payment.Notification{AccountID: "acc", ID: "n1", EventType: "COUPON.USE", Body: []byte(`{}`)}, payment.Held)
		b.reviews("unknown_event")
	})
	t.Run("TheSameIDOfAnotherAccountIsAnotherNotification", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		for _, account := range []string{"acc", "acc2"} {
			b.deliver(payment.Notification{AccountID: account, ID: "n1", EventType: "X", Body: []byte(`{}`)}, payment.Held)
		}
	})
	t.Run("AnOrderOfAnotherAccountIsHeld", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		b.provider.pay(p.Current().TradeNo)
		n := b.order("n1", p)
		n.AccountID, n.Order.AccountID = "acc2", "acc2"
		b.deliver(n, payment.Held)
		b.status(b.load(p), payment.Pending)
		b.reviews("unknown_order")
	})
}

func TestOrderReportsAreCompared(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		distort func(*payment.OrderReport)
		review  string
	}{
		"Merchant":           {func(r *payment.OrderReport) { r.MerchantID = "1900000002" }, "report_mismatch"},
		"AppID":              {func(r *payment.OrderReport) { r.MerchantAppID = "wx0002" }, "report_mismatch"},
		"NoAppID":            {func(r *payment.OrderReport) { r.MerchantAppID = "" }, "report_mismatch"},
		"OneFenLess":         {func(r *payment.OrderReport) { r.Amount-- }, "report_mismatch"},
		"OneFenMore":         {func(r *payment.OrderReport) { r.Amount++ }, "report_mismatch"},
		"NoAmount":           {func(r *payment.OrderReport) { r.Amount = 0 }, "report_mismatch"},
		"Currency":           {func(r *payment.OrderReport) { r.Currency = "USD" }, "report_mismatch"},
		"NoCurrency":         {func(r *payment.OrderReport) { r.Currency = "" }, "report_mismatch"},
		"NoTransaction":      {func(r *payment.OrderReport) { r.TransactionID = "" }, "report_mismatch"},
		"UnknownState":       {func(r *payment.OrderReport) { r.State, r.StateText = payment.OrderUnrecognised, "PAYERROR" }, "unrecognised_state"},
		"StateOfAFutureKind": {func(r *payment.OrderReport) { r.State = "accepted" }, "unrecognised_state"},
	} {
		t.Run(name+"InANotification", func(t *testing.T) {
			t.Parallel()
			b := newBundle(t)
			p := b.create()
			b.provider.pay(p.Current().TradeNo)
			n := b.order("n1", p)
			test.distort(n.Order)
			before := b.load(p)
			b.deliver(n, payment.Held)
			b.reviews(test.review)
			if diff := cmp.Diff(before, b.load(p)); diff != "" {
				t.Errorf("the payment moved:\n%s", diff)
			}
			b.notify("n2", p, payment.Applied) // the truth still goes through
		})
		t.Run(name+"InAnAnswer", func(t *testing.T) {
			t.Parallel()
			b := newBundle(t)
			p := b.create()
			b.provider.pay(p.Current().TradeNo)
			b.provider.distort = test.distort
			before := b.load(p)
			b.run(time.Minute)
			b.reviews(test.review) // once, however often it is asked
			if diff := cmp.Diff(before, b.load(p)); diff != "" {
				t.Errorf("the payment moved:\n%s", diff)
			}
		})
	}
	t.Run("AnAnswerAboutAnotherOrderIsHeld", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		b.provider.pay(p.Current().TradeNo)
		b.provider.distort = func(r *payment.OrderReport) { r.TradeNo = "elsewhere" }
		b.run(time.Minute)
		b.status(b.load(p), payment.Pending)
		b.reviews("report_mismatch")
	})
	t.Run("TheTransactionOfAnotherOrderIsHeld", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		first := b.paid()
		second, err := b.Create(t.Context(), b.app, b.request("second"))
		if err != nil {
			t.Fatal(err)
		}
		b.provider.pay(second.Payment.Current().TradeNo)
		n := b.order("n2", second.Payment)
		n.Order.TransactionID = first.Current().TransactionID
		b.deliver(n, payment.Held)
		b.status(b.load(second.Payment), payment.Pending)
		b.reviews("double_paid")
	})
	t.Run("ASecondTransactionOfOneOrderIsHeld", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		n := b.order("n2", p)
		n.Order.TransactionID = "4201"
		b.deliver(n, payment.Held)
		b.reviews("double_paid")
		b.sound(p)
	})
	t.Run("AnUnpaidOrderNeedsNoAmount", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.provider.next("place", lostAnswer())
		created, err := b.Create(t.Context(), b.app, b.request("order"))
		if err != nil {
			t.Fatal(err)
		}
		b.provider.distort = func(r *payment.OrderReport) { r.Amount, r.Currency = 0, "" }
		b.run(10 * time.Second)
		b.status(b.load(created.Payment), payment.Pending)
	})
}
