//go:build unix

package journeys_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tongbao-pay/tongbao/client"
)

// fragile is a world whose gateway is a process behind a front, and so is the app.
type fragile struct {
	*world
	process *process
	gateway *front
	app     *front
}

func openFragile(t *testing.T, e engine) fragile {
	t.Helper()
	w, p := openProcess(t, e)
	f := fragile{world: w, process: p, gateway: openFront(t), app: openFront(t)}
	f.gateway.receiver = httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: p.address})
	f.app.receiver = w.inbox
	w.tellsAt(f.app.server.URL)
	p.kill()
	p.environment = []string{"TONGBAO_PUBLIC_URL=" + f.gateway.server.URL}
	p.start()
	_, secret := p.createKey(shopApp)
	w.client = w.newClient(client.Config{BaseURL: f.gateway.server.URL, APIKey: secret})
	w.once = w.newClient(client.Config{BaseURL: f.gateway.server.URL, APIKey: secret, Tries: 1})
	return f
}

// dies kills the process; what it was doing is free for its successor, which starts.
func (f fragile) dies() {
	f.t.Helper()
	f.process.kill()
	f.twoMinutesPass()
	f.process.start()
}

func TestAProcessKilledAtEachPointLosesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		f := openFragile(t, e)
		for _, point := range []struct {
			name string
			kill func(*testing.T, fragile)
		}{
			{"AfterTheIntent", killedAfterIntent},
			{"AfterTheAnswerBeforeItsCommit", killedBeforeCommit},
			{"AfterTheCommitBeforeTheAppIsAnswered", killedBeforeTheAppIsAnswered},
			{"AfterTheCommitBeforeTheProviderIsAnswered", killedBeforeTheProviderIsAnswered},
			{"InTheMiddleOfAWebhook", killedInTheMiddleOfAWebhook},
		} {
			t.Run(point.name, func(t *testing.T) {
				own := f
				w := *f.world
				own.world = &w
				w.t, w.provider.t = t, t
				point.kill(t, own)
			})
		}
		f.reconcile()
	})
}

// underWay creates a payment whose order the provider is slow to place, and returns when its intent is durable.
func (f fragile) underWay() (request client.CreatePayment, ended <-chan error) {
	f.t.Helper()
	f.provider.fault(object{"operation": "prepay", "effect": "delay", "delay": "3s", "times": 1})
	wanted := order(100)
	e := make(chan error, 1)
	go func() {
		_, err := f.once.CreatePayment(f.t.Context(), wanted)
		e <- err
	}()
	eventually(f.t, func() error {
		page, err := f.once.ListPayments(f.t.Context(), client.PaymentQuery{OutTradeNo: wanted.OutTradeNo})
		if err == nil && len(page.Data) == 0 {
			err = errors.New("the intent is not committed yet")
		}
		return err
	})
	return wanted, e
}

// placedOnce repeats a create, whose payment must then have the one order of its one number.
func (f fragile) placedOnce(request client.CreatePayment) *client.Payment {
	f.t.Helper()
	var p *client.Payment
	eventually(f.t, func() (err error) {
		p, err = f.once.CreatePayment(f.t.Context(), request)
		if err == nil && p.Status != client.PaymentPending {
			err = fmt.Errorf("the payment is %s", p.Status)
		}
		return err
	})
	if n, err := f.number(`SELECT COUNT(*) FROM attempts WHERE payment_id = $1`, p.ID); err != nil || n != 1 {
		f.t.Errorf("%d numbers for one intent, %v", n, err)
	}
	if n := f.ordersOf(p.TradeNo); n != 1 {
		f.t.Errorf("the provider has %d orders of %s", n, p.TradeNo)
	}
	return p
}

func killedAfterIntent(t *testing.T, f fragile) {
	request, ended := f.underWay()
	f.dies()
	if err := <-ended; err == nil {
		t.Error("the create was answered by nobody")
	}
	f.placedOnce(request)
}

func killedBeforeCommit(t *testing.T, f fragile) {
	before := f.provider.books().Orders
	request, ended := f.underWay()
	release := f.holdCommits()
	eventually(t, func() error {
		if f.provider.books().Orders == before {
			return errors.New("the order is not placed yet")
		}
		return nil
	})
	f.process.kill()
	release()
	if err := <-ended; err == nil {
		t.Error("the create was answered before it was durable")
	}
	f.twoMinutesPass()
	f.process.start()
	f.placedOnce(request)
}

// holdCommits lets nobody change a payment until release is called.
func (w *world) holdCommits() (release func()) {
	w.t.Helper()
	ctx := context.WithoutCancel(w.t.Context())
	if pool := w.store.Postgres(); pool != nil {
		tx, err := pool.Begin(ctx)
		if err == nil {
			_, err = tx.Exec(ctx, `LOCK TABLE payments IN EXCLUSIVE MODE`)
		}
		if err != nil {
			w.t.Fatal(err)
		}
		return func() { w.released(tx.Rollback(ctx), pgx.ErrTxClosed) }
	}
	conn, err := w.store.SQLite().Conn(ctx)
	if err == nil {
		_, err = conn.ExecContext(ctx, `BEGIN IMMEDIATE`)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return func() {
		_, err := conn.ExecContext(ctx, `ROLLBACK`)
		w.released(errors.Join(err, conn.Close()), sql.ErrConnDone)
	}
}

func (w *world) released(err, already error) {
	w.t.Helper()
	if err != nil && !errors.Is(err, already) {
		w.t.Errorf("release: %v", err)
	}
}

func killedBeforeTheAppIsAnswered(t *testing.T, f fragile) {
	request := order(100)
	f.gateway.fails(answerLost, request.OutTradeNo)
	if _, err := f.once.CreatePayment(t.Context(), request); err == nil {
		t.Fatal("the answer was not lost")
	}
	f.dies()
	p := f.placedOnce(request)
	if n := len(f.provider.journal("operation", "prepay", "out_trade_no", p.TradeNo)); n != 1 {
		t.Errorf("the provider was asked %d times for an order that was committed", n)
	}
}

func killedBeforeTheProviderIsAnswered(t *testing.T, f fragile) {
	p := f.create(100)
	f.gateway.fails(answerLost, "resource") // of a notification
	f.provider.pays(p.TradeNo)
	f.notified(p.TradeNo, 1)
	f.dies()
	if err := f.is(p.ID, client.PaymentSucceeded); err != nil {
		t.Errorf("after the restart: %v", err)
	}
	f.provider.advance(15 * time.Second)
	if again := f.notified(p.TradeNo, 2)[1]; again.Status >= 300 {
		t.Errorf("sent again, the notification is answered %d", again.Status)
	}
	if told := f.toldTypes(p.ID); told != "`payment.succeeded`" {
		t.Errorf("the payment's events: %s", told)
	}
}

func killedInTheMiddleOfAWebhook(t *testing.T, f fragile) {
	p := f.create(100)
	f.inbox.wait(client.EventPaymentCreated, p.ID)
	f.app.fails(slow, p.ID)
	if _, err := f.client.ClosePayment(t.Context(), p.ID); err != nil {
		t.Fatal(err)
	}
	first := f.inbox.wait(client.EventPaymentClosed, p.ID)
	f.dies()
	eventually(t, func() error {
		received := 0
		all, _ := f.inbox.all()
		for _, r := range all {
			if r.ID == first.ID {
				received++
			}
		}
		if received < 2 {
			return errors.New("the webhook that nobody answered has not come again")
		}
		return nil
	})
}
