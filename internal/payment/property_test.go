package payment_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/store/storetest"
)

// TestAnyOrderOfEventsKeepsTheBooks lets an app, a payer, a provider with all its failures and our own jobs act in
// any order, and checks after each step that money and events are as they must be; at the end it sends every
// notification again.
func TestAnyOrderOfEventsKeepsTheBooks(t *testing.T) {
	t.Parallel()
	database := storetest.OpenSQLite(t)
	life := 0
	rapid.Check(t, func(rt *rapid.T) {
		life++
		b := newBundleOn(t, database)
		w := &world{bundle: b, rt: rt, number: fmt.Sprint("order-", life), product: payment.Native}
		b.app.LatePolicy = rapid.SampledFrom([]payment.LatePolicy{payment.LateRefund, payment.LateAccept, payment.LateReview}).Draw(rt, "policy")
		w.create(rt)
		rt.Repeat(map[string]func(*rapid.T){
			"create": w.create, "switch": w.change, "pay": w.pay, "close": w.close, "refund": w.refundPart, "settle": w.settle, "news": w.news, "replay": w.replay,
			"jobs": w.work, "fail": w.fail, "together": w.together,
			"older": w.older, "": func(*rapid.T) { b.withinPaid(w.load(w.p)) },
		})
		w.end()
		if t.Failed() {
			rt.Fatal("see above")
		}
	})
}

type world struct {
	*bundle

	rt      *rapid.T
	number  string
	product payment.Product
	p       *payment.Payment
	held    int // which of the payment's orders payer and provider act on
	sent    []payment.Notification
}

func (w *world) create(*rapid.T) { w.ask() }

// change is a payer who wants to pay another way, or back to an earlier one.
func (w *world) change(rt *rapid.T) {
	w.product = rapid.SampledFrom([]payment.Product{payment.Native, payment.App, payment.H5}).Draw(rt, "product")
	w.ask()
	w.held = len(w.p.Attempts) - 1
}

// ask is the app's request for the payment by the product that its payer wants now.
func (w *world) ask() {
	before := 0
	if w.p != nil {
		before = len(w.load(w.p).Attempts)
	}
	req := w.request(w.number)
	req.Product, req.ClientIP = w.product, "192.0.2.7"
	_, err := w.Create(w.t.Context(), w.app, req)
	w.tolerate(err)
	p, err := w.store.PaymentByOutTradeNo(w.t.Context(), "app", w.number)
	if err != nil {
		w.rt.Fatal(err)
	}
	w.p = p
	if made := len(p.Attempts) - before; made > 1 || made == 1 && before > 0 && p.Attempts[before-1].Product == w.product {
		w.rt.Fatalf("a request for %s made %d attempts: %+v", w.product, made, p.Attempts)
	}
}

// tolerate accepts what callers are told; anything else is our own failure.
func (w *world) tolerate(err error) {
	if _, told := errors.AsType[*payment.Error](err); err != nil && !told {
		w.rt.Fatal(err)
	}
}

func (w *world) pay(rt *rapid.T) {
	if _, known := w.provider.order(w.tradeNo()); !known {
		return
	}
	if rapid.Bool().Draw(rt, "in flight") {
		w.provider.payLate(w.tradeNo())
		return
	}
	w.provider.pay(w.tradeNo())
}

// older lets payer and provider act on another of the orders.
func (w *world) older(rt *rapid.T) {
	w.held = rapid.IntRange(0, len(w.p.Attempts)-1).Draw(rt, "order")
}

func (w *world) tradeNo() string { return w.p.Attempts[w.held].TradeNo }

// orderNews is the notification of how the order stands.
func (w *world) orderNews() payment.Notification {
	return w.orderOf(fmt.Sprintf("%s-%d", w.number, len(w.sent)), w.tradeNo())
}

func (w *world) close(rt *rapid.T) {
	if rapid.Bool().Draw(rt, "by the app") {
		_, err := w.Close(w.t.Context(), "app", w.p.ID)
		w.tolerate(err)
		return
	}
	if r, known := w.provider.order(w.tradeNo()); known && r.State == payment.OrderUnpaid {
		w.provider.set(w.tradeNo(), payment.OrderClosed)
	}
}

func (w *world) refundPart(rt *rapid.T) {
	w.refundOf(rapid.SampledFrom([]int64{1, 300, 500, 1000}).Draw(rt, "amount"), rapid.IntRange(1, 6).Draw(rt, "number"))
}

func (w *world) refundOf(amount int64, number int) {
	_, _, err := w.Refund(w.t.Context(), "app", payment.RefundRequest{PaymentID: w.p.ID, OutRefundNo: fmt.Sprintf("%s-%d", w.number, number), Amount: amount})
	w.tolerate(err)
}

func (w *world) settle(rt *rapid.T) {
	for _, r := range w.load(w.p).Refunds {
		w.provider.settle(r.RefundNo, rapid.SampledFrom([]payment.RefundState{
			payment.RefundReportedProcessing, payment.RefundReportedSucceeded, payment.RefundReportedAbnormal, payment.RefundReportedClosed,
		}).Draw(rt, "state"))
	}
}

// news are the notifications of how things stand now.
func (w *world) news(*rapid.T) {
	if r, known := w.provider.order(w.tradeNo()); known && r.State == payment.OrderPaid {
		w.send(w.orderNews())
	}
	for _, r := range w.load(w.p).Refunds {
		if report, known := w.provider.refund(r.RefundNo); known && report.State != payment.RefundReportedProcessing {
			w.send(w.refundNews(fmt.Sprintf("%s-%d", w.number, len(w.sent)), r))
		}
	}
}

func (w *world) send(n payment.Notification) {
	if _, err := w.Notify(w.t.Context(), n); err != nil {
		w.rt.Fatal(err)
	}
	w.sent = append(w.sent, n)
}

func (w *world) replay(rt *rapid.T) {
	if len(w.sent) == 0 {
		return
	}
	n := rapid.SampledFrom(w.sent).Draw(rt, "notification")
	if v, err := w.Notify(w.t.Context(), n); err != nil || v != payment.Duplicated {
		rt.Fatalf("replayed: %s, %v", v, err)
	}
}

func (w *world) work(rt *rapid.T) {
	w.run(rapid.SampledFrom([]time.Duration{time.Second, 10 * time.Second, 10 * time.Minute, 2 * time.Hour}).Draw(rt, "time"))
}

func (w *world) fail(rt *rapid.T) {
	operation := rapid.SampledFrom([]string{"place", "query", "close", "refund", "query refund"}).Draw(rt, "operation")
	w.provider.next(operation, rapid.SampledFrom([]effect{lostAnswer(), lostRequest(), later("SYSTEM_ERROR"), heldBack(time.Minute), refusal("PARAM_ERROR")}).Draw(rt, "effect"))
}

// together lets several act at the same moment.
func (w *world) together(*rapid.T) {
	var group sync.WaitGroup
	group.Go(func() { w.refundOf(500, 1) })
	group.Go(func() { w.refundOf(1000, 2) })
	group.Go(func() { _, err := w.Sync(w.t.Context(), "app", w.p.ID); w.tolerate(err) })
	if r, known := w.provider.order(w.tradeNo()); known && r.State == payment.OrderPaid {
		n := w.orderNews()
		w.sent = append(w.sent, n)
		for range 2 {
			group.Go(func() {
				if _, err := w.Notify(w.t.Context(), n); err != nil {
					w.t.Error(err)
				}
			})
		}
	}
	group.Wait()
}

// end lets the provider heal and every job come to its end, and then replays everything.
func (w *world) end() {
	w.provider.mu.Lock()
	clear(w.provider.script)
	w.provider.mu.Unlock()
	w.run(3 * time.Hour)
	for _, r := range w.load(w.p).Refunds {
		w.provider.settle(r.RefundNo, payment.RefundReportedSucceeded)
	}
	w.run(26 * time.Hour)
	p := w.load(w.p)
	w.sound(p)
	for _, a := range p.Attempts {
		if r, known := w.provider.order(a.TradeNo); a.Status == payment.AttemptPlacing || a.Status == payment.AttemptOpen || known && r.State == payment.OrderUnpaid {
			w.rt.Fatalf("after all that order %s is %s here and %q at the provider", a.TradeNo, a.Status, r.State)
		}
	}
	if !p.Terminal() || p.AmountRefunding != 0 {
		w.rt.Fatalf("after all that the payment is %s with %d reserved", p.Status, p.AmountRefunding)
	}
	before := w.events(p.ID)
	for _, n := range w.sent {
		if v, err := w.Notify(w.t.Context(), n); err != nil || v != payment.Duplicated {
			w.rt.Fatalf("replayed: %s, %v", v, err)
		}
		n.ID += "-again" // the same news under another id
		if v, err := w.Notify(w.t.Context(), n); err != nil || v == payment.Applied {
			w.rt.Fatalf("replayed under another id: %s, %v", v, err)
		}
	}
	if diff := cmp.Diff(p, w.load(p)); diff != "" || w.events(p.ID) != before {
		w.rt.Fatalf("replaying changed something:\n%s", diff)
	}
	w.jobs.drop()
}
