package storetest

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

var commitTests = map[string]func(*testing.T, *bundle){
	"AChangeIsCommittedWhole":                 aChangeIsCommittedWhole,
	"AChangeWithoutAPaymentIsCommitted":       aChangeWithoutAPaymentIsCommitted,
	"AFailingPieceRollsBackAll":               aFailingPieceRollsBackAll,
	"AFailingQueueRollsBackAll":               aFailingQueueRollsBackAll,
	"ACancelledCommitLeavesNothing":           aCancelledCommitLeavesNothing,
	"RefundsBeyondThePaidAmountAreImpossible": refundsBeyondThePaidAmountAreImpossible,
	"AmountsMustBePositive":                   amountsMustBePositive,
}

// everything is a change that writes to every table.
func everything(p *payment.Payment) *payment.Change {
	c := addRefund(p, 1, 300)
	moved := paid(p)
	p.Version--
	c.Attempts, c.Postings, c.Notice = moved.Attempts, moved.Postings, notice(1)
	c.Events = append(c.Events, moved.Events...)
	v := review("rvw_1", p.ID)
	c.Reviews, c.Events = v.Reviews, append(c.Events, v.Events...)
	return c
}

func aChangeIsCommittedWhole(t *testing.T, b *bundle) {
	b.endpoint("whe_1")
	p := newPayment(1)
	b.commit(created(p))
	b.commit(everything(p))
	want := map[string]int64{
		"payments": 1, "attempts": 1, "refunds": 1, "events": 4, "postings": 1, "notices": 1, "reviews": 1, "webhooks": 4,
		"enqueued": 6, // two of the changes, four of webhooks
	}
	same(t, "rows", b.sizes(), want)
	same(t, "payment", must(b.PaymentByID(t.Context(), appID, p.ID))(t), p)
}

func aChangeWithoutAPaymentIsCommitted(t *testing.T, b *bundle) {
	n := notice(1)
	n.AppID, n.ResourceID, n.Verdict, n.Reason = "", "", payment.Held, "unknown order"
	v := &payment.Review{ID: "rvw_1", AccountID: accountID, Kind: payment.ReviewUnknownOrder, SubjectID: n.NotificationID, Summary: "whose?", OpenedAt: epoch}
	b.commit(&payment.Change{Notice: n, Reviews: []*payment.Review{v}})
	if sizes := b.sizes(); sizes["notices"] != 1 || sizes["reviews"] != 1 {
		t.Errorf("rows: %v", sizes)
	}
}

func aFailingPieceRollsBackAll(t *testing.T, b *bundle) {
	b.endpoint("whe_1")
	p := newPayment(1)
	b.commit(created(p))
	q := newPayment(2)
	b.commit(created(q))
	b.commit(paid(q))
	before := b.sizes()
	for what, spoil := range map[string]func(*payment.Change){
		"the notice":  func(c *payment.Change) { c.Notice.AccountID = "\xff" },
		"the payment": func(c *payment.Change) { c.Payment.AmountRefunded = c.Payment.AmountPaid },
		"an attempt":  func(c *payment.Change) { c.Attempts[0].TransactionID = "42T0002" },
		"a refund":    func(c *payment.Change) { c.Refunds[0].Amount = 0 },
		"a posting":   func(c *payment.Change) { c.Postings[0].Amount = 0 },
		"an event":    func(c *payment.Change) { c.Events[2].ID = c.Events[0].ID },
		"a job":       func(c *payment.Change) { b.queue.before = func(context.Context) error { return errors.New("full") } },
	} {
		if what == "the notice" && b.SQLite() != nil {
			continue // SQLite keeps any bytes
		}
		b.queue.before = nil
		c := everything(must(b.PaymentByID(t.Context(), appID, p.ID))(t))
		spoil(c)
		if err := b.Commit(t.Context(), c); err == nil {
			t.Errorf("%s: committed", what)
		}
		if diff := cmp.Diff(before, b.sizes()); diff != "" {
			t.Errorf("%s left something behind (-want +got):\n%s", what, diff)
		}
		same(t, "the payment after "+what, must(b.PaymentByID(t.Context(), appID, p.ID))(t), p)
	}
}

func aFailingQueueRollsBackAll(t *testing.T, b *bundle) {
	full := errors.New("full")
	b.queue.before = func(context.Context) error { return full }
	before := b.sizes()
	b.refused(created(newPayment(1)), full)
	same(t, "rows", b.sizes(), before)
}

func aCancelledCommitLeavesNothing(t *testing.T, b *bundle) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	before := b.sizes()
	if err := b.Commit(ctx, created(newPayment(1))); !errors.Is(err, context.Canceled) {
		t.Fatalf("answered %v", err)
	}
	same(t, "rows", b.sizes(), before)
}

func refundsBeyondThePaidAmountAreImpossible(t *testing.T, b *bundle) {
	p := newPayment(1)
	b.commit(created(p))
	for what, spoil := range map[string]func(*payment.Payment){
		"reserved":            func(p *payment.Payment) { p.AmountRefunding = 1 },
		"refunded":            func(p *payment.Payment) { p.AmountPaid, p.AmountRefunded = 100, 101 },
		"both":                func(p *payment.Payment) { p.AmountPaid, p.AmountRefunded, p.AmountRefunding = 100, 50, 51 },
		"a negative reserve":  func(p *payment.Payment) { p.AmountPaid, p.AmountRefunded, p.AmountRefunding = 100, 101, -1 },
		"a negative refunded": func(p *payment.Payment) { p.AmountPaid, p.AmountRefunded, p.AmountRefunding = 100, -1, 101 },
	} {
		t.Log(what)
		c := *p
		c.Version = 2
		spoil(&c)
		b.refused(&payment.Change{Payment: &c}, nil)
	}
	same(t, "payment", must(b.PaymentByID(t.Context(), appID, p.ID))(t), p)
}

func amountsMustBePositive(t *testing.T, b *bundle) {
	for _, amount := range []int64{0, -1} {
		p := newPayment(1)
		p.Amount = amount
		b.refused(created(p), nil)
	}
}
