package store_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/store"
	"github.com/tongbao-pay/tongbao/internal/store/storetest"
)

func TestQuestionsAskedTogetherAreAnsweredEachForItself(t *testing.T) {
	t.Parallel()
	for engine, open := range map[string]func(*testing.T) *store.Store{"SQLite": storetest.OpenSQLite, "Postgres": storetest.OpenPostgres} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			const payments, askers = 5, 20
			for n := range payments {
				p := newPayment(fmt.Sprint(n))
				p.Metadata = map[string]string{}
				p.Attempts = []*payment.Attempt{{ID: "att_" + p.ID, Product: payment.Native, TradeNo: fmt.Sprint("T", n), TransactionID: fmt.Sprint("42", n), Status: payment.AttemptOpen, CreatedAt: p.CreatedAt}}
				if err := s.Commit(t.Context(), &payment.Change{Payment: p, Attempts: p.Attempts, Notice: notice(fmt.Sprint(n))}); err != nil {
					t.Fatal(err)
				}
			}
			var group sync.WaitGroup
			for i := range payments * askers {
				n := i % payments
				group.Go(func() {
					p, err := s.PaymentByTradeNo(t.Context(), "main", fmt.Sprint("T", n))
					if err != nil || p.ID != fmt.Sprint("pay_", n) || len(p.Attempts) != 1 || p.Attempts[0].TradeNo != fmt.Sprint("T", n) {
						t.Errorf("T%d: %+v, %v", n, p, err)
						return
					}
					p.Status, p.Attempts[0].Status, p.Metadata["mine"] = payment.Closed, payment.AttemptClosed, "yes" // the race detector sees what is shared
				})
				group.Go(func() {
					if owner, err := s.TransactionOwner(t.Context(), "main", fmt.Sprint("42", n)); owner != fmt.Sprint("T", n) || err != nil {
						t.Errorf("transaction 42%d is of %q (%v)", n, owner, err)
					}
				})
				group.Go(func() {
					if known, err := s.Noticed(t.Context(), "main", fmt.Sprint(n)); !known || err != nil {
						t.Errorf("notice %d: %v, %v", n, known, err)
					}
				})
				group.Go(func() {
					p, err := s.PaymentByOutTradeNo(t.Context(), "app", fmt.Sprint("order-", n))
					if err != nil || p.ID != fmt.Sprint("pay_", n) || len(p.Attempts) != 1 {
						t.Errorf("order-%d: %+v, %v", n, p, err)
					}
				})
				group.Go(func() {
					if _, err := s.PaymentByOutTradeNo(t.Context(), "other", fmt.Sprint("order-", n)); !errors.Is(err, payment.ErrNotFound) {
						t.Errorf("another app's: %v", err)
					}
				})
				group.Go(func() { // no text for PostgreSQL, and no number of ours
					if _, err := s.PaymentByTradeNo(t.Context(), "main", "T1\xff\x00"); err == nil || s.Postgres() == nil && !errors.Is(err, payment.ErrNotFound) {
						t.Errorf("a number that cannot be: %v", err)
					}
				})
				group.Go(func() {
					if _, err := s.PaymentByTradeNo(t.Context(), "other", fmt.Sprint("T", n)); !errors.Is(err, payment.ErrNotFound) {
						t.Errorf("another account's: %v", err)
					}
				})
			}
			group.Wait()
		})
	}
}

// A payment may be paid by two orders at once. Both notifications change what they get.
func TestTwoOrdersOfAPaymentAskedForTogetherAreAnsweredEachForItself(t *testing.T) {
	t.Parallel()
	for engine, open := range map[string]func(*testing.T) *store.Store{"SQLite": storetest.OpenSQLite, "Postgres": storetest.OpenPostgres} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			p := newPayment("1")
			for n := range 2 {
				p.Attempts = append(p.Attempts, &payment.Attempt{ID: fmt.Sprint("att_", n), Ordinal: n + 1, Product: payment.Native, TradeNo: fmt.Sprint("T", n), Status: payment.AttemptOpen, CreatedAt: p.CreatedAt})
			}
			if err := s.Commit(t.Context(), &payment.Change{Payment: p, Attempts: p.Attempts}); err != nil {
				t.Fatal(err)
			}
			answers := make([]*payment.Payment, 40)
			var group sync.WaitGroup
			for i := range answers {
				group.Go(func() {
					var err error
					if answers[i], err = s.PaymentByTradeNo(t.Context(), "main", fmt.Sprint("T", i%2)); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			owners, attempts := map[*payment.Payment]bool{}, map[*payment.Attempt]bool{}
			for _, p := range answers {
				if p == nil || len(p.Attempts) != 2 {
					t.Fatalf("%+v, want the payment with both attempts", p)
				}
				owners[p], attempts[p.Attempts[0]], attempts[p.Attempts[1]] = true, true, true
			}
			if len(owners) != len(answers) || len(attempts) != 2*len(answers) {
				t.Errorf("%d callers got %d payments with %d attempts: some share theirs", len(answers), len(owners), len(attempts))
			}
		})
	}
}
