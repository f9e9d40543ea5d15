package journeys_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/client"
	"github.com/tongbao-pay/tongbao/sandbox/journal"
)

// lost is how often a fault must happen to a call for all its tries to be lost.
const lost = 3

func TestASyncSettlesWithoutANotification(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		w := open(t, e)
		w.provider.fault(object{"operation": "notify/*", "effect": "withhold"})
		p := w.create(100)
		w.provider.pays(p.TradeNo)
		if synced := w.sync(p); synced.Status != client.PaymentSucceeded {
			t.Fatalf("after the sync the payment is %s", synced.Status)
		}
		r := w.refund(p, 100)
		w.provider.advance(refundSettles)
		if synced := w.sync(p); synced.Status != client.PaymentRefunded {
			t.Fatalf("after the sync of its refund the payment is %s", synced.Status)
		}
		w.inbox.wait(client.EventRefundSucceeded, r.ID)
		w.notNotified(p)
		w.reconcile()
	})
}

func (w *world) sync(p *client.Payment) *client.Payment {
	w.t.Helper()
	synced, err := w.client.SyncPayment(w.t.Context(), p.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return synced
}

// notNotified checks that the gateway knows what it knows from asking alone.
func (w *world) notNotified(p *client.Payment) {
	w.t.Helper()
	for _, n := range w.provider.journal("kind", journal.Notification, "out_trade_no", p.TradeNo) {
		if n.Status != 0 {
			w.t.Errorf("the gateway was told by %s", n.Operation)
		}
	}
}

func TestASingleLostAnswerIsNotNoticed(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		w := open(t, e)
		w.provider.fault(object{"operation": "*", "effect": "lose_answer", "times": 1})
		p := w.create(100)
		w.provider.fault(object{"operation": "refund", "effect": "lose_answer", "times": 1})
		w.provider.pays(p.TradeNo)
		w.inbox.wait(client.EventPaymentSucceeded, p.ID)
		w.settled(w.refund(p, 60))
		if books := w.provider.books(); books.Orders != 1 || books.Refunds != 1 {
			t.Errorf("the provider has %d orders and %d refunds, want one of each", books.Orders, books.Refunds)
		}
		w.reconcile()
	})
}

func TestARefusedOrderFailsForGood(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		w := open(t, e)
		w.provider.fault(object{"operation": "prepay", "effect": "status", "status": 403, "code": "NO_AUTH", "times": 1})
		request := order(100)
		var first *client.Error
		for range 2 { // the provider would take it now: too late
			_, err := w.client.CreatePayment(t.Context(), request)
			refusal := refusalOf(t, err, http.StatusUnprocessableEntity, client.CodeChannelRefused)
			if refusal.ChannelError == nil || refusal.ChannelError.Code != "NO_AUTH" || refusal.ChannelError.Message == "" {
				t.Errorf("the provider's own words are missing: %v", refusal)
			}
			if first == nil {
				first = refusal
			}
			if refusal.PaymentID == "" || refusal.PaymentID != first.PaymentID {
				t.Errorf("the refusal names payment %q, then %q", first.PaymentID, refusal.PaymentID)
			}
		}
		w.inbox.wait(client.EventPaymentFailed, first.PaymentID)
		if p := w.show(first.PaymentID, client.PaymentFailed); p.ChannelError == nil || p.ChannelError.Code != "NO_AUTH" {
			t.Errorf("the payment does not say why: %v", p.ChannelError)
		}
		if books := w.provider.books(); books.Orders != 0 {
			t.Errorf("the provider has %d orders", books.Orders)
		}
		w.reconcile()
	})
}

// refusalOf is the problem that the API must have answered with.
func refusalOf(t *testing.T, err error, status int, code string) *client.Error {
	t.Helper()
	refusal, ok := errors.AsType[*client.Error](err)
	if !ok || refusal.Status != status || refusal.Code != code {
		t.Fatalf("got %v, want %d %s", err, status, code)
	}
	if refusal.Detail == "" || refusal.RequestID == "" {
		t.Errorf("the refusal helps nobody: %+v", refusal)
	}
	return refusal
}

func TestAProviderThatIsDownIsMetAgainUnderTheSameNumber(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		w := open(t, e)
		w.create(100) // keys and connections are there
		hosts := func(state string) {
			w.provider.set(object{"hosts": object{"primary": object{"state": state}, "backup": object{"state": state}}})
		}

		refused, failing := order(100), order(100)
		hosts("down")
		_, err := w.once.CreatePayment(t.Context(), refused)
		refusal := refusalOf(t, err, http.StatusServiceUnavailable, client.CodeChannelUnavailable)
		w.show(refusal.PaymentID, client.PaymentProcessing)
		hosts("error")
		unknown, err := w.once.CreatePayment(t.Context(), failing)
		if err != nil || unknown.Status != client.PaymentProcessing {
			t.Fatalf("both hosts answer 503: %v, %v", unknown, err)
		}

		hosts("up")
		for id, request := range map[string]client.CreatePayment{refusal.PaymentID: refused, unknown.ID: failing} {
			p, err := w.once.CreatePayment(t.Context(), request)
			if err != nil || p.ID != id || p.Status != client.PaymentPending {
				t.Fatalf("repeated: %v, %v", p, err)
			}
			w.provider.pays(p.TradeNo)
			w.inbox.wait(client.EventPaymentSucceeded, p.ID)
		}
		if books := w.provider.books(); books.Orders != 3 {
			t.Errorf("the provider has %d orders for 3 payments", books.Orders)
		}
		w.reconcile()
	})
}

func TestTheBackupHostServesWhenThePrimaryIsOff(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		w := open(t, e)
		w.provider.set(object{"hosts": object{"primary": object{"state": "down"}}})
		p := w.paid(100)
		w.settled(w.refund(p, 100))
		for _, operation := range []string{"prepay", "refund"} {
			if entries := w.provider.journal("operation", operation); len(entries) != 1 || entries[0].Host != "backup" {
				t.Errorf("%s: want one request, at the backup host: %+v", operation, entries)
			}
		}
		w.reconcile()
	})
}

func TestARefundWhoseAnswerWasLostIsMadeOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		w := open(t, e)
		p := w.paid(1000)
		w.provider.fault(object{"operation": "refund", "effect": "lose_answer", "times": lost})
		request := client.CreateRefund{PaymentID: p.ID, OutRefundNo: number("refund"), Amount: 400}
		r, err := w.client.CreateRefund(t.Context(), request)
		if err != nil || r.Status != client.RefundPending {
			t.Fatalf("the refund of unknown outcome: %v, %v", r, err)
		}
		w.sync(p)
		again, err := w.client.CreateRefund(t.Context(), request)
		if err != nil || again.ID != r.ID || again.RefundNo != r.RefundNo || again.Status != client.RefundProcessing {
			t.Fatalf("after the sync, the same request: %v, %v", again, err)
		}
		w.settled(r)
		if books := w.provider.books(); books.Refunds != 1 || books.Refunded != 400 {
			t.Errorf("the provider has %d refunds of %d fen together, want one of 400", books.Refunds, books.Refunded)
		}
		w.reconcile()
	})
}

func TestARefundThatTheBalanceCannotBearSucceedsWhenMoneyComes(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		var clock clock
		w := open(t, e, clock.set)
		p := w.paid(1000)
		w.provider.funds("settle", w.provider.books().Unsettled) // refunds come from what is not settled yet
		r, err := w.client.CreateRefund(t.Context(), client.CreateRefund{PaymentID: p.ID, OutRefundNo: number("refund"), Amount: 1000})
		if err != nil || r.Status != client.RefundPending || r.ChannelError == nil || r.ChannelError.Code != "NOT_ENOUGH" {
			t.Fatalf("the refund without money: %+v, %v", r, err)
		}
		w.paid(5000)
		clock.advance(time.Minute) // the request that made the refund is surely not sending it any more
		eventually(t, func() error {
			now, err := w.client.Refund(t.Context(), r.ID)
			if err == nil && now.Status != client.RefundProcessing {
				err = fmt.Errorf("the refund is %s", now.Status)
			}
			return err
		})
		w.settled(r)
		w.inbox.wait(client.EventPaymentRefunded, p.ID)
		for _, sent := range w.provider.journal("operation", "refund") {
			if sent.OutRefundNo != r.RefundNo {
				t.Errorf("the refund was also sent as %s", sent.OutRefundNo)
			}
		}
		if books := w.provider.books(); books.Refunds != 1 {
			t.Errorf("the provider has %d refunds", books.Refunds)
		}
		w.reconcile()
	})
}
