package journeys_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/client"
)

// untrustworthy is every way in which a provider leaves a request without an answer that can be believed. What they come to is
// decided before any database is asked, so that one engine shows it; TestFaultTable has one of each kind on both. A call that
// takes too long is among the faults of internal/channel: here it would cost its seconds.
var untrustworthy = map[string]object{
	"RequestLost":       {"effect": "lose_request"},
	"AnswerLost":        {"effect": "lose_answer"},
	"Status500":         {"effect": "status", "status": 500},
	"Status500Executed": {"effect": "status", "status": 500, "executed": true},
	"Status502":         {"effect": "status", "status": 502},
	"Status503Executed": {"effect": "status", "status": 503, "executed": true},
	"TooManyRequests":   {"effect": "rate_limit"},
	"BadSignature":      {"effect": "bad_signature"},
	"Probe":             {"effect": "probe"},
	"StaleTimestamp":    {"effect": "stale_timestamp"},
	"UnknownSerial":     {"effect": "unknown_serial"},
	"Truncated":         {"effect": "truncate"},
	"WebPage":           {"effect": "html"},
	"WebPageExecuted":   {"effect": "html", "executed": true},
	"NoContent":         {"effect": "html", "status": 204},
	"NoContentExecuted": {"effect": "html", "status": 204, "executed": true},
	"Status504Executed": {"effect": "status", "status": 504, "executed": true},
}

// forOne arms a fault for one operation about one order, until heal is called.
func (w *world) forOne(operation, tradeNo string, fault object) (heal func()) {
	w.t.Helper()
	rule := maps.Clone(fault)
	rule["provider"], rule["operation"], rule["match"] = "wechatpay", operation, object{"out_trade_no": tradeNo}
	var armed struct{ ID string }
	w.provider.must(http.MethodPost, "/faults", rule, &armed)
	return func() { w.provider.must(http.MethodDelete, "/faults/"+armed.ID, nil, nil) }
}

// forEach runs a journey for every fault, all in one world at the same time. A journey has a call of its kind answered
// before the one that is not: the account's breaker must not take this for an outage.
func (w *world) forEach(t *testing.T, journey func(w *world, fault object)) {
	t.Helper()
	t.Run("Faults", func(t *testing.T) {
		for name, fault := range untrustworthy {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				own := *w
				own.t, own.provider.t = t, t
				journey(&own, fault)
			})
		}
	})
}

func TestACloseWithoutATrustworthyAnswerIsClosedThereBeforeItIsClosedHere(t *testing.T) {
	onOne(t, func(t *testing.T, e engine) {
		w := open(t, e)
		w.forEach(t, func(w *world, fault object) {
			p := w.create(100)
			heal := w.forOne("close", p.TradeNo, fault)
			unknown, err := w.once.ClosePayment(w.t.Context(), p.ID)
			heal()
			if err != nil || unknown.Status != client.PaymentPending {
				w.t.Fatalf("the close of unknown outcome: %v, %v", unknown, err)
			}
			if closed, err := w.once.ClosePayment(w.t.Context(), p.ID); err != nil || closed.Status != client.PaymentClosed {
				w.t.Fatalf("repeated: %v, %v", closed, err)
			}
			w.turnedAway(p)
		})
		w.reconcile()
	})
}

func TestARefundWithoutATrustworthyAnswerIsMadeOnceUnderItsNumber(t *testing.T) {
	onOne(t, func(t *testing.T, e engine) {
		var clock clock
		w := open(t, e, clock.set)
		w.provider.set(object{"refund_interval": "0s"})
		w.forEach(t, func(w *world, fault object) {
			p := w.create(1000)
			w.provider.pays(p.TradeNo)
			eventually(w.t, func() error { return w.is(p.ID, client.PaymentSucceeded) })
			w.refund(p, 100)
			heal := w.forOne("refund", p.TradeNo, fault)
			request := client.CreateRefund{PaymentID: p.ID, OutRefundNo: number("refund"), Amount: 400}
			r, err := w.once.CreateRefund(w.t.Context(), request)
			heal()
			if err != nil || r.Status != client.RefundPending {
				w.t.Fatalf("the refund of unknown outcome: %v, %v", r, err)
			}
			if again, err := w.once.CreateRefund(w.t.Context(), request); err != nil || again.ID != r.ID || again.RefundNo != r.RefundNo {
				w.t.Fatalf("the same request again: %v, %v", again, err)
			}
		})
		clock.advance(time.Minute) // no request can still be sending one: the jobs ask, and send again what is not there
		eventually(t, func() error {
			refunds, err := w.client.ListRefunds(t.Context(), client.RefundQuery{Status: client.RefundSucceeded, Limit: 100})
			if err == nil && len(refunds.Data) != 2*len(untrustworthy) {
				err = fmt.Errorf("%d of %d refunds succeeded", len(refunds.Data), 2*len(untrustworthy))
			}
			return err
		})
		numbers := map[string]bool{}
		for _, sent := range w.provider.journal("operation", "refund") {
			numbers[sent.OutRefundNo] = true
		}
		if books := w.provider.books(); books.Refunds != 2*len(untrustworthy) || len(numbers) != 2*len(untrustworthy) {
			t.Errorf("the provider has %d refunds and heard of %d numbers, want %d", books.Refunds, len(numbers), 2*len(untrustworthy))
		}
		w.reconcile()
	})
}

// is wants a payment to have a status.
func (w *world) is(id, status string) error {
	p, err := w.client.Payment(w.t.Context(), id)
	if err == nil && p.Status != status {
		err = fmt.Errorf("payment %s is %s, want %s", id, p.Status, status)
	}
	return err
}

func TestAQueryWithoutATrustworthyAnswerChangesNothing(t *testing.T) {
	onOne(t, func(t *testing.T, e engine) {
		w := open(t, e)
		w.provider.fault(object{"operation": "notify/*", "effect": "withhold"})
		w.forEach(t, func(w *world, fault object) {
			p := w.create(100)
			w.sync(p)
			w.provider.pays(p.TradeNo)
			heal := w.forOne("query", p.TradeNo, fault)
			w.silent(p)
			if err := w.is(p.ID, client.PaymentPending); err != nil {
				w.t.Error(err)
			}
			heal()
			if synced := w.sync(p); synced.Status != client.PaymentSucceeded {
				w.t.Fatalf("asked again, the payment is %s", synced.Status)
			}

			r := w.refund(p, 100)
			heal = w.forOne("refund_query", p.TradeNo, fault)
			defer heal()
			w.silent(p)
			if now, err := w.client.Refund(w.t.Context(), r.ID); err != nil || now.Status == client.RefundFailed || now.Status == client.RefundClosed {
				w.t.Errorf("the refund: %v, %v", now, err)
			}
		})
		w.provider.advance(refundSettles)
		for p, err := range w.client.Payments(t.Context(), client.PaymentQuery{Limit: 100}) {
			if err != nil {
				t.Fatal(err)
			}
			if synced := w.sync(&p); synced.Status != client.PaymentRefunded {
				t.Errorf("asked again, the payment is %s", synced.Status)
			}
		}
		w.reconcile()
	})
}

// silent asks about a payment and wants to hear that nothing could be learned.
func (w *world) silent(p *client.Payment) {
	w.t.Helper()
	_, err := w.once.SyncPayment(w.t.Context(), p.ID)
	refusalOf(w.t, err, http.StatusServiceUnavailable, client.CodeChannelUnavailable)
}

func TestAnOrderWithoutATrustworthyAnswerIsPlacedOnceUnderItsNumber(t *testing.T) {
	onOne(t, func(t *testing.T, e engine) {
		w := open(t, e)
		var placed []*client.Payment
		for _, name := range slices.Sorted(maps.Keys(untrustworthy)) { // an order's number is known when it is placed: one after the other
			rule := maps.Clone(untrustworthy[name])
			rule["operation"], rule["times"] = "prepay", lost
			w.provider.fault(rule)
			request := order(100)
			unknown := w.unplaced(name, request)
			known, err := w.once.CreatePayment(t.Context(), request)
			if err != nil {
				t.Fatalf("%s: repeated: %v", name, err)
			}
			if known.Status != client.PaymentPending || known.ID != unknown.ID || known.TradeNo != unknown.TradeNo || known.Credential == nil {
				t.Fatalf("%s: repeated, %s (%s) became %s (%s), %s", name, unknown.ID, unknown.TradeNo, known.ID, known.TradeNo, known.Status)
			}
			if n := len(w.provider.journal("operation", "prepay", "out_trade_no", known.TradeNo)); n != lost+1 {
				t.Errorf("%s: the provider has seen %d requests, want %d", name, n, lost+1)
			}
			w.provider.pays(known.TradeNo)
			placed = append(placed, known)
		}
		for _, p := range placed {
			w.inbox.wait(client.EventPaymentSucceeded, p.ID)
		}
		if books := w.provider.books(); books.Orders != len(untrustworthy) {
			t.Errorf("the provider has %d orders for %d payments", books.Orders, len(untrustworthy))
		}
		w.reconcile()
	})
}

// unplaced creates a payment whose order is not known to be placed: the answer says so, or says to come again.
func (w *world) unplaced(name string, request client.CreatePayment) *client.Payment {
	w.t.Helper()
	p, err := w.once.CreatePayment(w.t.Context(), request)
	if refusal, told := errors.AsType[*client.Error](err); told && refusal.Code == client.CodeChannelUnavailable {
		p, err = w.client.Payment(w.t.Context(), refusal.PaymentID)
	}
	if err != nil {
		w.t.Fatalf("%s: %v", name, err)
	}
	if p.Status != client.PaymentProcessing || p.Credential != nil {
		w.t.Fatalf("%s: the payment is %s with credential %v", name, p.Status, p.Credential)
	}
	return p
}
