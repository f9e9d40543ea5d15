package journeys_test

import (
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/tongbao-pay/tongbao/client"
	"github.com/tongbao-pay/tongbao/internal/pgtest"
)

// storm is many apps' customers at once, who do not give up: each creates a payment, pays it, and every third wants
// the money back. They repeat what was not answered, under the same numbers.
type storm struct {
	w     *world
	acked atomic.Int64
	ended chan error
}

func (w *world) storm(n int) *storm {
	s := &storm{w: w, ended: make(chan error, 1)}
	slots := make(chan struct{}, 8)
	errs := make(chan error, n)
	for i := range n {
		go func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			errs <- s.customer(i%3 == 0)
		}()
	}
	go func() {
		var all []error
		for range n {
			all = append(all, <-errs)
		}
		s.ended <- errors.Join(all...)
	}()
	return s
}

// reaches waits until so many creates were acknowledged.
func (s *storm) reaches(acked int64) {
	s.w.t.Helper()
	eventually(s.w.t, func() error {
		if n := s.acked.Load(); n < acked {
			return fmt.Errorf("%d of %d creates were acknowledged", n, acked)
		}
		return nil
	})
}

// ends waits until every customer has what they wanted.
func (s *storm) ends() {
	s.w.t.Helper()
	if err := <-s.ended; err != nil {
		s.w.t.Fatal(err)
	}
}

func (s *storm) customer(wantsItBack bool) error {
	p, err := s.places(order(100))
	if err != nil {
		return err
	}
	if err := s.w.provider.call(http.MethodPost, "/wechatpay/pay", object{"out_trade_no": p.TradeNo, "result": "success"}, nil); err != nil {
		return err
	}
	if err := s.becomes(p.ID, client.PaymentSucceeded); err != nil || !wantsItBack {
		return err
	}
	request := client.CreateRefund{PaymentID: p.ID, OutRefundNo: number("refund"), Amount: p.Amount}
	err = until(s.w.t.Context(), func() error {
		_, err := s.w.once.CreateRefund(s.w.t.Context(), request)
		return err
	})
	if err != nil {
		return err
	}
	return s.becomes(p.ID, client.PaymentRefunded)
}

// places repeats a create until there is something to pay. What was acknowledged once must still be there.
func (s *storm) places(request client.CreatePayment) (p *client.Payment, err error) {
	id := ""
	err = until(s.w.t.Context(), func() error {
		p, err = s.w.once.CreatePayment(s.w.t.Context(), request)
		if err != nil {
			return err
		}
		if id == "" {
			id = p.ID
			s.acked.Add(1)
		}
		if p.ID != id {
			return fmt.Errorf("%s was acknowledged as payment %s and is now %s", request.OutTradeNo, id, p.ID)
		}
		if p.Status != client.PaymentPending {
			return fmt.Errorf("payment %s is %s", p.ID, p.Status)
		}
		return nil
	})
	return p, err
}

func (s *storm) becomes(id, status string) error {
	return until(s.w.t.Context(), func() error {
		p, err := s.w.once.Payment(s.w.t.Context(), id)
		if err == nil && p.Status != status {
			err = fmt.Errorf("payment %s is %s, not yet %s", id, p.Status, status)
		}
		return err
	})
}

func TestPostgreSQLKilledInAStormLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	cluster := pgtest.Start(t, pgtest.Durable())
	w := open(t, engine{"PostgreSQL", func(*testing.T) string { return cluster.DSN("postgres") }})
	s := w.storm(50)
	s.reaches(15)
	cluster.Kill()
	cluster.Restart()
	s.ends()
	w.reconcile()
}
