package payment_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

// TestHeldBack is about calls that were not sent because their provider is to be left alone.
func TestHeldBack(t *testing.T) {
	t.Parallel()
	const wait = 7 * time.Second

	t.Run("ACreateFailsWithACodeAndItsRepeatGoesOn", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.provider.next("place", heldBack(wait))
		_, err := b.Create(t.Context(), b.app, b.request("order"))
		e, ok := errors.AsType[*payment.Error](err)
		if !ok || e.Code != payment.CodeChannelUnavailable || e.Channel.Wait != wait || e.Payment.Status != payment.Processing {
			t.Fatalf("got %v", err)
		}
		created, err := b.Create(t.Context(), b.app, b.request("order"))
		if err != nil || created.Payment.ID != e.Payment.ID || created.Payment.Status != payment.Pending {
			t.Fatalf("repeated: %v, %v", created, err)
		}
		b.happened(e.Payment.ID, "payment.created")
	})
	t.Run("ACreateThatNobodyRepeatsEnds", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.provider.next("place", heldBack(wait))
		_, err := b.Create(t.Context(), b.app, b.request("order"))
		e, ok := errors.AsType[*payment.Error](err)
		if !ok {
			t.Fatal(err)
		}
		b.run(2 * payment.ExpiryDefault)
		b.happened(e.Payment.ID, "payment.created payment.closed")
	})
	t.Run("AnAskComesBackWhenTheProviderMayBeAsked", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		b.provider.next("query", heldBack(wait), heldBack(2*wait))
		b.provider.pay(p.Current().TradeNo)
		at := b.asked("query", time.Minute, time.Second)
		if want := []time.Duration{10 * time.Second, 17 * time.Second, 31 * time.Second}; !slices.Equal(at, want) {
			t.Errorf("asked after %v, want %v", at, want)
		}
		b.happened(p.ID, "payment.created payment.succeeded")
	})
	t.Run("TheEndOfAPaymentWaitsAndGoesOn", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		b.provider.next("close", heldBack(wait))
		got, err := b.Close(t.Context(), p.AppID, p.ID)
		if err != nil || got.Terminal() {
			t.Fatalf("%v, %v", got, err)
		}
		b.provider.next("close", heldBack(wait), heldBack(wait))
		b.run(10*time.Second + 2*wait)
		b.happened(p.ID, "payment.created payment.closed")
	})
	t.Run("TheLastLookForLateMoneyIsNotLeftOut", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.create()
		b.run(payment.ExpiryDefault + 5*time.Minute)
		b.provider.next("query", heldBack(time.Hour), heldBack(time.Hour))
		asked := b.provider.count("query")
		b.run(24 * time.Hour)
		if n := b.provider.count("query") - asked; n != 3 {
			t.Errorf("asked %d times, want 2 that were held back and 1 that was not", n)
		}
	})
	t.Run("ARefundStaysPendingAndIsSentUnderItsNumber", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		b.provider.next("refund", heldBack(wait), heldBack(wait))
		r, _, err := b.Refund(t.Context(), p.AppID, payment.RefundRequest{PaymentID: p.ID, OutRefundNo: "refund", Amount: 1})
		if err != nil || r.Status != payment.RefundPending || r.Error != nil {
			t.Fatalf("%+v, %v", r, err)
		}
		if at := b.asked("refund", time.Minute, time.Second); len(at) != 2 || at[1]-at[0] != wait {
			t.Errorf("sent after %v, want twice with %s between", at, wait)
		}
	})
}
