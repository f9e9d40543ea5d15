package payment_test

import (
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

func TestClose(t *testing.T) {
	t.Parallel()
	t.Run("ClosedMeansClosedAtTheProvider", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.closed()
		if r, _ := b.provider.order(p.Current().TradeNo); r.State != payment.OrderClosed {
			t.Errorf("the provider's order is %s", r.State)
		}
		b.happened(p.ID, "payment.created payment.closed")
	})
	t.Run("ClosingTwiceIsDoneAlready", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p, err := b.Close(t.Context(), "app", b.closed().ID)
		if err != nil || p.Status != payment.Closed || b.provider.count("close") != 1 {
			t.Error(p, err)
		}
	})
	t.Run("APaidPaymentIsNotClosable", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		_, err := b.Close(t.Context(), "app", b.paid().ID)
		refusedWith(t, err, payment.CodeNotClosable, "")
		if b.provider.count("close") != 0 {
			t.Error("the provider was asked to close a paid order")
		}
	})
	t.Run("APayerWhoWasFasterWins", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		b.provider.pay(p.Current().TradeNo) // and the notification is late
		_, err := b.Close(t.Context(), "app", p.ID)
		refusedWith(t, err, payment.CodeNotClosable, "")
		b.happened(p.ID, "payment.created payment.succeeded")
	})
	t.Run("APayerWhoIsFasterThanTheCloseWins", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		effect, entered, release := slow()
		b.provider.next("close", effect)
		done := make(chan error, 1)
		go func() {
			_, err := b.Close(t.Context(), "app", p.ID)
			done <- err
		}()
		<-entered
		b.provider.pay(p.Current().TradeNo) // after the question, before the close
		release()
		refusedWith(t, <-done, payment.CodeNotClosable, "")
		b.happened(p.ID, "payment.created payment.succeeded")
	})
	t.Run("AnUnknownPaymentIsNotFound", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		_, err := b.Close(t.Context(), "other", p.ID)
		refusedWith(t, err, payment.CodeNotFound, "")
		b.status(b.load(p), payment.Pending)
	})
	t.Run("RefusedIsAskedAgainUntilItIsSettled", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		b.provider.next("close", refusal("SYSTEM_SAYS_NO"))
		got, err := b.Close(t.Context(), "app", p.ID)
		if err != nil || got.Terminal() {
			t.Fatal(got, err)
		}
		b.run(10 * time.Second)
		b.happened(p.ID, "payment.created payment.closed")
	})
	t.Run("ALostAnswerIsSettledByTheJob", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		b.provider.next("close", lostAnswer())
		got, err := b.Close(t.Context(), "app", p.ID)
		if err != nil || got.Terminal() {
			t.Fatal(got, err)
		}
		b.run(10 * time.Second)
		b.happened(p.ID, "payment.created payment.closed")
	})
	t.Run("ALostRequestIsRepeatedByTheJob", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		b.provider.next("close", lostRequest(), later("SYSTEM_ERROR"), later("SYSTEM_ERROR")) // the app, and two jobs
		if got, err := b.Close(t.Context(), "app", p.ID); err != nil || got.Terminal() {
			t.Fatal(got, err)
		}
		b.run(20 * time.Second)
		b.status(b.load(p), payment.Pending)
		b.run(10 * time.Second)
		b.happened(p.ID, "payment.created payment.closed")
	})
	t.Run("NobodyGetsACredentialOfAPaymentBeingClosed", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		b.provider.next("close", lostRequest())
		if _, err := b.Close(t.Context(), "app", p.ID); err != nil {
			t.Fatal(err)
		}
		b.clock.advance(15 * time.Minute)
		again, err := b.Create(t.Context(), b.app, b.request("order"))
		if err != nil || b.provider.count("place") != 1 {
			t.Errorf("%+v %v, placed %d times", again, err, b.provider.count("place"))
		}
	})
	t.Run("AnOrderBeingPlacedIsClosedAfterItsAnswer", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		effect, entered, release := slow()
		b.provider.next("place", effect)
		done := make(chan *payment.Created, 1)
		go func() {
			created, err := b.Create(t.Context(), b.app, b.request("order"))
			if err != nil {
				t.Error(err)
			}
			done <- created
		}()
		<-entered
		p, err := b.store.PaymentByOutTradeNo(t.Context(), "app", "order")
		if err != nil {
			t.Fatal(err)
		}
		got, err := b.Close(t.Context(), "app", p.ID)
		if err != nil || got.Terminal() {
			t.Errorf("closed here while the provider was taking the order: %v %v", got.Status, err)
		}
		release()
		<-done
		b.run(time.Minute)
		b.status(b.load(p), payment.Closed)
		if r, _ := b.provider.order(p.Current().TradeNo); r.State != payment.OrderClosed {
			t.Errorf("the provider's order is %s", r.State)
		}
	})
}

func TestSync(t *testing.T) {
	t.Parallel()
	t.Run("AsksAboutThePaymentAndItsOpenRefunds", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		r := b.refund(p, "r1", 300)
		b.provider.settle(r.RefundNo, payment.RefundReportedSucceeded)
		got, err := b.Sync(t.Context(), "app", p.ID)
		if err != nil || got.AmountRefunded != 300 {
			t.Errorf("%+v %v", got, err)
		}
		before := b.provider.count("query refund")
		if _, err := b.Sync(t.Context(), "app", p.ID); err != nil || b.provider.count("query refund") != before {
			t.Error("asked about a refund that is final", err)
		}
	})
	t.Run("FindsMoneyWhoseNotificationIsLost", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		b.provider.pay(p.Current().TradeNo)
		got, err := b.Sync(t.Context(), "app", p.ID)
		if err != nil || got.Status != payment.Succeeded {
			t.Errorf("%+v %v", got, err)
		}
	})
	t.Run("ARefundThatIsNotThereYetIsNoFailure", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		b.provider.next("refund", lostRequest())
		r := b.refund(p, "r1", 300)
		if _, err := b.Sync(t.Context(), "app", p.ID); err != nil {
			t.Fatal(err)
		}
		b.refundStatus(p, r.ID, payment.RefundPending)
	})
	t.Run("SilenceIsToldWithWhatIsKnown", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		b.provider.next("query", lostAnswer())
		_, err := b.Sync(t.Context(), "app", p.ID)
		if e := refusedWith(t, err, payment.CodeChannelUnavailable, ""); e.Payment.ID != p.ID {
			t.Errorf("%+v", e)
		}
	})
}

func TestAnOrderThatALostRequestLeftOpenIsClosedLater(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.provider.next("place", lostRequest())
	created, err := b.Create(t.Context(), b.app, b.request("order"))
	if err != nil {
		t.Fatal(err)
	}
	p := created.Payment
	b.run(30 * time.Second) // nobody can still be placing it
	if p, err = b.Close(t.Context(), "app", p.ID); err != nil || p.Status != payment.Closed {
		t.Fatal(p, err)
	}
	tradeNo := p.Current().TradeNo
	b.provider.mu.Lock()
	b.provider.orders[tradeNo] = &order{tradeNo: tradeNo, appID: p.Current().MerchantAppID, amount: p.Amount, state: payment.OrderUnpaid}
	b.provider.mu.Unlock()
	b.run(15 * time.Minute)
	b.provider.mu.Lock()
	defer b.provider.mu.Unlock()
	if state := b.provider.orders[tradeNo].state; state != payment.OrderClosed {
		t.Errorf("the request arrived after the close, and its order stays %s", state)
	}
}
