package storetest

import (
	"errors"
	"sync"
	"testing"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

var conflictTests = map[string]func(*testing.T, *bundle){
	"AStaleVersionIsAConflict":                        aStaleVersionIsAConflict,
	"ATakenOutTradeNoIsAConflict":                     aTakenOutTradeNoIsAConflict,
	"TwoAppsMayUseTheSameOutTradeNo":                  twoAppsMayUseTheSameOutTradeNo,
	"ATakenTransactionIsAConflict":                    aTakenTransactionIsAConflict,
	"OneOfManySwitchesIsCommitted":                    oneOfManySwitchesIsCommitted,
	"ATakenOutRefundNoIsAConflict":                    aTakenOutRefundNoIsAConflict,
	"MoneyIsNotCountedTwiceForOneSource":              moneyIsNotCountedTwiceForOneSource,
	"ADuplicateNoticeChangesNothing":                  aDuplicateNoticeChangesNothing,
	"OneOfManyIdenticalNoticesIsCommitted":            oneOfManyIdenticalNoticesIsCommitted,
	"OneOfManyChangesOfTheSameVersionIsCommitted":     oneOfManyChangesOfTheSameVersionIsCommitted,
	"OneOfManyPaymentsOfTheSameOutTradeNoIsCommitted": oneOfManyPaymentsOfTheSameOutTradeNoIsCommitted,
}

func aStaleVersionIsAConflict(t *testing.T, b *bundle) {
	p := newPayment(1)
	b.commit(created(p))
	stale := must(b.PaymentByID(t.Context(), appID, p.ID))(t)
	b.commit(paid(p))
	before := b.sizes()
	b.refused(paid(stale), payment.ErrConflict)
	same(t, "rows", b.sizes(), before)
	same(t, "payment", must(b.PaymentByID(t.Context(), appID, p.ID))(t), p)

	future := must(b.PaymentByID(t.Context(), appID, p.ID))(t)
	future.Version += 2
	b.refused(&payment.Change{Payment: future}, payment.ErrConflict)
}

func aTakenOutTradeNoIsAConflict(t *testing.T, b *bundle) {
	b.commit(created(newPayment(1)))
	before := b.sizes()
	p := newPayment(2)
	p.OutTradeNo = "order-0001"
	b.refused(created(p), payment.ErrConflict)
	same(t, "rows", b.sizes(), before)
}

func twoAppsMayUseTheSameOutTradeNo(t *testing.T, b *bundle) {
	b.commit(created(newPayment(1)))
	p := newPayment(2)
	p.AppID, p.OutTradeNo = "app_2", "order-0001"
	b.commit(created(p))
	same(t, "payment", must(b.PaymentByOutTradeNo(t.Context(), "app_2", "order-0001"))(t), p)
}

func aTakenTransactionIsAConflict(t *testing.T, b *bundle) {
	first, second := newPayment(1), newPayment(2)
	b.commit(created(first))
	b.commit(created(second))
	b.commit(paid(first))
	c := paid(second)
	c.Attempts[0].TransactionID = first.Attempts[0].TransactionID
	b.refused(c, payment.ErrConflict)
}

func oneOfManySwitchesIsCommitted(t *testing.T, b *bundle) {
	first := newPayment(1)
	b.commit(created(first))
	n := 1
	b.race(10, payment.ErrConflict, func() *payment.Change {
		n++
		p := must(b.PaymentByID(t.Context(), appID, first.ID))(t)
		p.Attempts = append(p.Attempts, switched(p, n))
		p.Version++
		return &payment.Change{Payment: p, Attempts: p.Attempts[1:]}
	})
	if p := must(b.PaymentByID(t.Context(), appID, first.ID))(t); len(p.Attempts) != 2 {
		t.Errorf("%d attempts", len(p.Attempts))
	}
	p := newPayment(1)
	p.ID, p.OutTradeNo = "pay_0002", "order-0002"
	p.Attempts[0].ID, p.Attempts[0].TradeNo = "att_0100", "T0100"
	p.Attempts = append(p.Attempts, switched(p, 101))
	p.Attempts[1].Ordinal = 1
	b.refused(created(p), payment.ErrConflict) // the last guard, should every other one fail
}

func aTakenOutRefundNoIsAConflict(t *testing.T, b *bundle) {
	first, second := newPayment(1), newPayment(2)
	for _, p := range []*payment.Payment{first, second} {
		b.commit(created(p))
		b.commit(paid(p))
	}
	b.commit(addRefund(first, 1, 100))
	c := addRefund(second, 2, 100)
	c.Refunds[0].OutRefundNo = "refund-0001"
	b.refused(c, payment.ErrConflict)
}

func moneyIsNotCountedTwiceForOneSource(t *testing.T, b *bundle) {
	p := newPayment(1)
	b.commit(created(p))
	c := paid(p)
	b.commit(c)
	b.refused(&payment.Change{Postings: c.Postings}, payment.ErrConflict)
	if n := b.count(`SELECT COUNT(*) FROM postings`); n != 1 {
		t.Errorf("%d postings", n)
	}
}

func aDuplicateNoticeChangesNothing(t *testing.T, b *bundle) {
	p := newPayment(1)
	b.commit(created(p))
	if must(b.Noticed(t.Context(), accountID, "notification-1"))(t) {
		t.Error("noticed before it came")
	}
	b.commit(&payment.Change{Notice: notice(1)})
	for account, want := range map[string]bool{accountID: true, "acc_2": false} {
		if got := must(b.Noticed(t.Context(), account, "notification-1"))(t); got != want {
			t.Errorf("noticed for %s: %v", account, got)
		}
	}
	before := b.sizes()
	c := paid(must(b.PaymentByID(t.Context(), appID, p.ID))(t))
	c.Notice = notice(1)
	b.refused(c, payment.ErrDuplicate)
	same(t, "rows", b.sizes(), before)
	same(t, "payment", must(b.PaymentByID(t.Context(), appID, p.ID))(t), p)

	other := notice(1)
	other.AccountID = "acc_2"
	b.commit(&payment.Change{Notice: other}) // an id is unique within its account only
}

func oneOfManyIdenticalNoticesIsCommitted(t *testing.T, b *bundle) {
	p := newPayment(1)
	b.commit(created(p))
	b.race(10, payment.ErrDuplicate, func() *payment.Change {
		c := paid(must(b.PaymentByID(t.Context(), appID, p.ID))(t))
		c.Notice = notice(1)
		return c
	})
}

func oneOfManyChangesOfTheSameVersionIsCommitted(t *testing.T, b *bundle) {
	p := newPayment(1)
	b.commit(created(p))
	b.commit(paid(p))
	n := 0
	b.race(10, payment.ErrConflict, func() *payment.Change {
		n++
		return addRefund(must(b.PaymentByID(t.Context(), appID, p.ID))(t), n, p.Amount) // each of them the whole amount
	})
	got := must(b.PaymentByID(t.Context(), appID, p.ID))(t)
	if len(got.Refunds) != 1 || got.AmountRefunding != p.Amount {
		t.Errorf("%d refunds, %d reserved of %d", len(got.Refunds), got.AmountRefunding, p.Amount)
	}
}

func oneOfManyPaymentsOfTheSameOutTradeNoIsCommitted(t *testing.T, b *bundle) {
	n := 0
	b.race(10, payment.ErrConflict, func() *payment.Change {
		n++
		p := newPayment(n)
		p.OutTradeNo = "order"
		return created(p)
	})
	if sizes := b.sizes(); sizes["payments"] != 1 || sizes["attempts"] != 1 || sizes["events"] != 1 || sizes["enqueued"] != 1 {
		t.Errorf("rows: %v", sizes)
	}
}

// race prepares n changes, commits them at once, and wants one to succeed and the others to fail in the given way.
func (b *bundle) race(n int, loss error, prepare func() *payment.Change) {
	b.t.Helper()
	changes := make([]*payment.Change, n)
	for i := range changes {
		changes[i] = prepare()
	}
	results := make([]error, n)
	start := make(chan struct{})
	var group sync.WaitGroup
	for i, c := range changes {
		group.Go(func() {
			<-start
			results[i] = b.Commit(b.t.Context(), c)
		})
	}
	close(start)
	group.Wait()
	won := 0
	for _, err := range results {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, loss):
			b.t.Errorf("lost with %v, want %v", err, loss)
		}
	}
	if won != 1 {
		b.t.Errorf("%d of %d were committed, want 1", won, n)
	}
}
