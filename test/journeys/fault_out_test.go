package journeys_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/client"
)

// atProvider are the faults as the sandbox has them.
var atProvider = map[wrong]object{
	refused:     {"effect": "status", "status": 403, "code": "NO_AUTH"},
	unreachable: {"effect": "refuse"},
	requestLost: {"effect": "lose_request"},
	answerLost:  {"effect": "lose_answer"},
	failedDone:  {"effect": "status", "status": 500, "executed": true},
	failed:      {"effect": "status", "status": 500},
	tooFast:     {"effect": "rate_limit"},
	badSigned:   {"effect": "bad_signature"},
	probe:       {"effect": "probe"},
	stale:       {"effect": "stale_timestamp"},
	truncated:   {"effect": "truncate"},
	slow:        {"effect": "delay", "times": 1},
}

// A try has a third of its call's time.
const (
	slowWrite = "10500ms"
	slowQuery = "3600ms"
)

// goesWrong arms a fault for an operation, until heal is called.
func (w *world) goesWrong(f wrong, operation, delay string) (heal func()) {
	w.t.Helper()
	rule := maps.Clone(atProvider[f])
	rule["provider"], rule["operation"] = "wechatpay", operation
	if f == slow {
		rule["delay"] = delay
	}
	var armed struct{ ID string }
	w.provider.must(http.MethodPost, "/faults", rule, &armed)
	return func() { w.provider.must(http.MethodDelete, "/faults/"+armed.ID, nil, nil) }
}

func asRefusal(err error) (*client.Error, bool) { return errors.AsType[*client.Error](err) }

func openPlain(t *testing.T, e engine) (w *world, timePasses func()) {
	return open(t, e), func() {}
}

// refundDelay is how long refunds take at a provider whose clock goes on while a busy machine comes to the next call: nothing
// settles before it is told to.
const refundDelay = refundSettles - 10*time.Second

// openSilent has a provider that never notifies.
func openSilent(t *testing.T, e engine) (w *world, timePasses func()) {
	w = open(t, e)
	w.provider.set(object{"refund_interval": "0s", "refund_delay": refundDelay.String()})
	w.provider.fault(object{"operation": "notify/*", "effect": "withhold"})
	return w, func() {}
}

// openLater has a gateway whose clock moves on, so that nobody can still be sending what was under way.
func openLater(t *testing.T, e engine) (w *world, timePasses func()) {
	var c clock
	w = open(t, e, c.set)
	w.provider.set(object{"refund_interval": "0s", "refund_delay": refundDelay.String()})
	return w, func() { c.advance(time.Minute) }
}

func placeWrong(w *world, f wrong) (told string, ends func(*world) string) {
	w.create(100)
	heal := w.goesWrong(f, "prepay", slowWrite)
	request := order(100)
	p, err := w.once.CreatePayment(w.t.Context(), request)
	heal()
	id := ""
	if refusal, ok := asRefusal(err); ok {
		id, told = refusal.PaymentID, saidOf(w.t, "", err)
	} else {
		id, told = p.ID, saidOf(w.t, p.Status, err)
	}
	_, _ = w.once.CreatePayment(w.t.Context(), request) // the app repeats its request; what came of it is seen at the end
	return told, func(w *world) string {
		p, err := w.client.Payment(w.t.Context(), id)
		if err != nil {
			w.t.Fatal(err)
		}
		return saidOf(w.t, p.Status, nil) + ", " + counted(w.ordersOf(p.TradeNo), "order")
	}
}

// ordersOf is how many orders the provider has of a number; an attempt that was refused has none.
func (w *world) ordersOf(tradeNo string) int {
	if tradeNo == "" || w.provider.call(http.MethodGet, "/wechatpay/orders/"+tradeNo, nil, nil) != nil {
		return 0
	}
	return 1
}

func queryWrong(w *world, f wrong) (told string, ends func(*world) string) {
	p := w.create(100)
	w.sync(p)
	heal := w.goesWrong(f, "query", slowQuery) // before the job can ask
	w.provider.pays(p.TradeNo)
	now, err := w.once.SyncPayment(w.t.Context(), p.ID)
	told = saidOf(w.t, statusOf(now), err) + ", `" + w.status(p) + "`"
	heal()
	return told, func(w *world) string {
		return saidOf(w.t, w.sync(p).Status, nil) + ", told by " + w.toldTypes(p.ID)
	}
}

func statusOf(p *client.Payment) string {
	if p == nil {
		return ""
	}
	return p.Status
}

func closeWrong(w *world, f wrong) (told string, ends func(*world) string) {
	if closed, err := w.once.ClosePayment(w.t.Context(), w.create(100).ID); err != nil || closed.Status != client.PaymentClosed {
		w.t.Fatalf("closed: %v, %v", closed, err)
	}
	p := w.create(100)
	heal := w.goesWrong(f, "close", slowWrite)
	now, err := w.once.ClosePayment(w.t.Context(), p.ID)
	heal()
	told = saidOf(w.t, statusOf(now), err) + ", order `" + w.provider.order(p.TradeNo).TradeState + "`"
	return told, func(w *world) string {
		closed, err := w.client.ClosePayment(w.t.Context(), p.ID)
		return saidOf(w.t, statusOf(closed), err) + ", order `" + w.provider.order(p.TradeNo).TradeState + "`, told by " + w.toldTypes(p.ID)
	}
}

func refundWrong(w *world, f wrong) (told string, ends func(*world) string) {
	p := w.paid(1000)
	w.refund(p, 100)
	heal := w.goesWrong(f, "refund", slowWrite)
	r, err := w.once.CreateRefund(w.t.Context(), client.CreateRefund{PaymentID: p.ID, OutRefundNo: number("refund"), Amount: 400})
	heal()
	if err != nil {
		w.t.Fatalf("%s: %v", f, err)
	}
	return saidOf(w.t, r.Status, nil), func(w *world) string {
		w.eventuallySent(r)
		w.provider.advance(refundSettles)
		known := w.provider.call(http.MethodGet, "/wechatpay/refunds/"+r.RefundNo, nil, nil)
		eventually(w.t, func() error {
			now, err := w.client.Refund(w.t.Context(), r.ID)
			if err == nil && known == nil && now.Status != client.RefundSucceeded {
				err = fmt.Errorf("the refund is %s", now.Status)
			}
			if err == nil {
				r = now
			}
			return err
		})
		for _, sent := range w.provider.journal("operation", "refund", "out_trade_no", p.TradeNo) {
			if sent.OutRefundNo != r.RefundNo && sent.OutRefundNo != w.firstRefund(p) {
				w.t.Errorf("the refund was also sent as %s", sent.OutRefundNo)
			}
		}
		n := 0
		if known == nil {
			n = 1
		}
		return saidOf(w.t, r.Status, nil) + ", " + counted(n, "refund")
	}
}

// eventuallySent waits until a refund is decided on, or at the provider.
func (w *world) eventuallySent(r *client.Refund) {
	w.t.Helper()
	eventually(w.t, func() error {
		now, err := w.client.Refund(w.t.Context(), r.ID)
		if err == nil && now.Status == client.RefundPending {
			err = errors.New("the refund is pending")
		}
		return err
	})
}

// firstRefund is the number of a payment's refund that went well.
func (w *world) firstRefund(p *client.Payment) string {
	w.t.Helper()
	page, err := w.client.ListRefunds(w.t.Context(), client.RefundQuery{PaymentID: p.ID, Limit: 100})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range page.Data {
		if r.Amount == 100 {
			return r.RefundNo
		}
	}
	return ""
}

func queryRefundWrong(w *world, f wrong) (told string, ends func(*world) string) {
	p := w.create(100)
	w.provider.pays(p.TradeNo)
	w.sync(p)
	r := w.refund(p, 100)
	w.sync(p)
	heal := w.goesWrong(f, "refund_query", slowQuery)
	w.provider.advance(refundSettles)
	now, err := w.once.SyncPayment(w.t.Context(), p.ID)
	told = saidOf(w.t, statusOf(now), err) + ", `" + w.status(p) + "`"
	heal()
	return told, func(w *world) string {
		status := w.sync(p).Status
		now, err := w.client.Refund(w.t.Context(), r.ID)
		if err != nil {
			w.t.Fatal(err)
		}
		return "`" + status + "`, refund `" + now.Status + "`"
	}
}
