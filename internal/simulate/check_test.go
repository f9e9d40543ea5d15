package simulate

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/client"
	"github.com/tongbao-pay/tongbao/internal/ledger"
	"github.com/tongbao-pay/tongbao/internal/payment"
)

// sound is a world's end where everything fits: one payment of 100 fen, paid, of which 30 went back.
func sound(t *testing.T) (*world, account) {
	t.Helper()
	p := &payment.Payment{
		ID: "pay_1", AppID: giveBack, AccountID: accountID, OutTradeNo: "deal-1", Amount: 100, Status: payment.Succeeded, AmountPaid: 100, AmountRefunded: 30,
		Attempts: []*payment.Attempt{{ID: "att_1", Product: payment.Native, TradeNo: "T1", TransactionID: "X1", Status: payment.AttemptPaid}},
		Refunds:  []*payment.Refund{{ID: "rfd_1", PaymentID: "pay_1", AppID: giveBack, RefundNo: "R1", TradeNo: "T1", Amount: 30, Status: payment.RefundSucceeded}},
	}
	o := order{OutTradeNo: "T1", TransactionID: "X1", State: "REFUND"}
	o.Amount.Total = 100
	back := refund{OutRefundNo: "R1", Status: "SUCCESS"}
	back.Amount.Refund = 30
	o.Refunds = []refund{back}
	a := account{
		payments: []*payment.Payment{p}, orders: map[string]order{"T1": o}, books: books{Paid: 100, Refunded: 30, Orders: 1, Refunds: 1, Consistent: true},
		postings: []ledger.Posting{
			ledger.Collect(giveBack, accountID, "att_1", 100, "CNY", begins), ledger.Refund(giveBack, accountID, "rfd_1", 30, "CNY", begins),
		},
		events: []payment.Event{
			happened(1, "payment.created", "pay_1", "processing"), happened(2, "payment.succeeded", "pay_1", "succeeded"),
			happened(1, "refund.created", "rfd_1", "pending"), happened(2, "refund.succeeded", "rfd_1", "succeeded"),
		},
	}
	received := map[string][]byte{}
	for _, e := range a.events {
		received[e.ID] = e.Body()
	}
	shop := &app{id: giveBack, inbox: &inbox{bodies: received}}
	d := &deal{app: shop, number: 1, request: client.CreatePayment{OutTradeNo: "deal-1", Amount: 100}, last: &client.Payment{ID: "pay_1", Status: client.PaymentSucceeded}}
	d.refunds = map[int]*backing{1: {last: &client.Refund{ID: "rfd_1"}}}
	script := Script{Steps: []Step{{Ops: []Op{{Kind: Create, Payment: 1}, {Kind: Switch, Payment: 1}}}}}
	return &world{script: script, apps: []*app{shop}, deals: []*deal{d}}, a
}

func happened(sequence int64, eventType, resource, status string) payment.Event {
	return payment.Event{
		ID: fmt.Sprintf("evt_%s_%d", resource, sequence), AppID: giveBack, Type: eventType, ResourceID: resource, Sequence: sequence,
		CreatedAt: begins.Add(time.Duration(sequence) * time.Second), Object: json.RawMessage(fmt.Sprintf(`{"status":%q}`, status)),
	}
}

func TestWhatFitsIsNotReported(t *testing.T) {
	t.Parallel()
	w, a := sound(t)
	for _, v := range w.violations(a) {
		t.Error(v)
	}
}

func TestEachBrokenPromiseIsSeen(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		invariant string
		harm      func(w *world, a *account, p *payment.Payment)
	}{
		"PaidThereAndNotHere": {"books", func(_ *world, a *account, p *payment.Payment) {
			p.Attempts[0].Status, p.Attempts[0].TransactionID, p.AmountPaid = payment.AttemptClosed, "", 0
		}},
		"PaidHereAndNotThere": {"books", func(_ *world, a *account, _ *payment.Payment) {
			a.orders["T1"] = order{OutTradeNo: "T1", State: "NOTPAY"}
		}},
		"AnotherTransaction": {"books", func(_ *world, _ *account, p *payment.Payment) { p.Attempts[0].TransactionID = "X2" }},
		"AFenMorePaidHere":   {"books", func(_ *world, _ *account, p *payment.Payment) { p.AmountPaid++ }},
		"ClosedHereAndOpenThere": {"books", func(_ *world, a *account, p *payment.Payment) {
			p.Attempts = append(p.Attempts, &payment.Attempt{ID: "att_2", Product: payment.H5, TradeNo: "T2", Status: payment.AttemptClosed})
			a.orders["T2"] = order{OutTradeNo: "T2", State: "NOTPAY"}
		}},
		"RefusedHereAndOpenThere": {"books", func(_ *world, a *account, p *payment.Payment) {
			p.Attempts = append(p.Attempts, &payment.Attempt{ID: "att_2", Product: payment.H5, TradeNo: "T2", Status: payment.AttemptRefused})
			a.orders["T2"] = order{OutTradeNo: "T2", State: "NOTPAY"}
		}},
		"RefundedHereAndNotThere": {"books", func(_ *world, a *account, _ *payment.Payment) {
			o := a.orders["T1"]
			o.Refunds = nil
			a.orders["T1"] = o
		}},
		"NotPosted":             {"books", func(_ *world, a *account, _ *payment.Payment) { a.postings = a.postings[1:] }},
		"PostedToAnotherAmount": {"books", func(_ *world, a *account, _ *payment.Payment) { a.postings[0].Amount++ }},
		"MoreRefundedThanPaid":  {"refunded <= paid", func(_ *world, _ *account, p *payment.Payment) { p.AmountRefunding = 71 }},
		"ARefundNobodyKnows":    {"one number", func(_ *world, a *account, p *payment.Payment) { p.Refunds[0].RefundNo = "R2" }},
		"AnOrderNobodyKnows":    {"one number", func(_ *world, a *account, _ *payment.Payment) { a.books.Orders++ }},
		"ThreeAttemptsForTwoWishes": {"one number", func(_ *world, _ *account, p *payment.Payment) {
			for _, product := range []payment.Product{payment.H5, payment.App} {
				p.Attempts = append(p.Attempts, &payment.Attempt{ID: "att_2", Product: product, TradeNo: "T2", Status: payment.AttemptClosed})
			}
		}},
		"AnOrderLeftOpen": {"stuck", func(_ *world, _ *account, p *payment.Payment) {
			p.Attempts = append(p.Attempts, &payment.Attempt{ID: "att_2", Product: payment.H5, TradeNo: "T2", Status: payment.AttemptOpen})
		}},
		"TwoAttemptsForOneProduct": {"one number", func(_ *world, _ *account, p *payment.Payment) {
			p.Attempts = append(p.Attempts, &payment.Attempt{ID: "att_2", Product: payment.Native, TradeNo: "T2", Status: payment.AttemptClosed})
		}},
		"AnEventTwice": {"events", func(_ *world, a *account, _ *payment.Payment) {
			a.events = append(a.events, happened(3, "payment.succeeded", "pay_1", "succeeded"))
		}},
		"AnEventLeftOut":        {"events", func(_ *world, a *account, _ *payment.Payment) { a.events = append(a.events[:1:1], a.events[2:]...) }},
		"EventsOutOfOrder":      {"events", func(_ *world, a *account, _ *payment.Payment) { a.events[0], a.events[1] = a.events[1], a.events[0] }},
		"AnEventOfAnotherEnd":   {"events", func(_ *world, _ *account, p *payment.Payment) { p.Status = payment.Closed }},
		"LateMoneyNotTold":      {"events", func(_ *world, _ *account, p *payment.Payment) { p.LatePaid = true }},
		"MoneyNobodyLooksAfter": {"owner", func(_ *world, _ *account, p *payment.Payment) { p.Status = payment.Closed }},
		"APaymentWithoutEnd":    {"stuck", func(_ *world, _ *account, p *payment.Payment) { p.Status = payment.Processing }},
		"ARefundWithoutEnd":     {"stuck", func(_ *world, _ *account, p *payment.Payment) { p.Refunds[0].Status = payment.RefundProcessing }},
		"AWebhookThatNeverCame": {"webhooks", func(w *world, a *account, _ *payment.Payment) { delete(w.apps[0].inbox.bodies, a.events[1].ID) }},
		"AWebhookOfNoEvent":     {"webhooks", func(w *world, _ *account, _ *payment.Payment) { w.apps[0].inbox.bodies["evt_x"] = nil }},
		"AWebhookWithOtherContent": {"webhooks", func(w *world, a *account, _ *payment.Payment) {
			w.apps[0].inbox.bodies[a.events[1].ID] = []byte(`{}`)
		}},
		"AnAcknowledgedPaymentIsGone": {"acknowledged", func(w *world, _ *account, _ *payment.Payment) { w.deals[0].last.ID = "pay_2" }},
		"AnAcknowledgedRefundIsGone":  {"acknowledged", func(w *world, _ *account, _ *payment.Payment) { w.deals[0].refunds[1].last.ID = "rfd_2" }},
		"ToldOfAnotherEnd":            {"acknowledged", func(w *world, _ *account, _ *payment.Payment) { w.deals[0].last.Status = client.PaymentRefunded }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, a := sound(t)
			c.harm(w, &a, a.payments[0])
			found := w.violations(a)
			for _, v := range found {
				if v.Invariant == c.invariant {
					return
				}
			}
			t.Errorf("%q is not among %v", c.invariant, found)
		})
	}
}

func TestAReviewStopsNothingButTheSearchForAnOwner(t *testing.T) {
	t.Parallel()
	w, a := sound(t)
	a.payments[0].Status = payment.Processing
	a.reviews = []*payment.Review{{ID: "rvw_1", Kind: payment.ReviewStuck, SubjectID: "pay_1"}}
	for _, v := range w.violations(a) {
		if v.Invariant == "stuck" || v.Invariant == "owner" {
			t.Error(v)
		}
	}
}
