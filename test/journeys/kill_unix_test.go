//go:build unix

package journeys_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tongbao-pay/tongbao/client"
)

// fragile is a world whose gateway is processes behind a front, and so is the app. On PostgreSQL there are three; SQLite has
// one, which is its own successor.
type fragile struct {
	*world
	process *process   // the one that is killed
	others  []*process // serve the same database
	gateway *front     // leads to the process while it lives, then to the others in turn
	app     *front
	fallen  *atomic.Bool
}

func openFragile(t *testing.T, e engine) fragile {
	t.Helper()
	w, p := openProcess(t, e)
	f := fragile{world: w, process: p, gateway: openFront(t), app: openFront(t), fallen: &atomic.Bool{}}
	if e.name == onPostgres.name {
		f.others = []*process{p.twin(), p.twin()}
	}
	f.gateway.receiver = f.entry()
	f.app.receiver = w.inbox
	w.tellsAt(f.app.server.URL)
	p.kill()
	for _, p := range append(f.others, p) {
		p.environment = []string{"TONGBAO_LISTEN=" + p.address, "TONGBAO_PUBLIC_URL=" + f.gateway.server.URL}
	}
	p.start()
	_, secret := p.createKey(shopApp)
	w.client = w.newClient(client.Config{BaseURL: f.gateway.server.URL, APIKey: secret})
	w.once = w.newClient(client.Config{BaseURL: f.gateway.server.URL, APIKey: secret, Tries: 1})
	return f
}

func (f fragile) entry() http.Handler {
	var turn atomic.Int64
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			to := f.process
			if f.fallen.Load() {
				to = f.others[int(turn.Add(1))%len(f.others)]
			}
			r.SetURL(&url.URL{Scheme: "http", Host: to.address})
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
}

// join starts those that do not serve yet beside the process.
func (f fragile) join() {
	f.t.Helper()
	for _, p := range f.others {
		if p.command == nil {
			p.start()
			p.t.Cleanup(p.kill)
		}
	}
}

// dies kills the process. The others go on without it: a repeat, a notification sent again and a job that waits for its time
// are theirs at once. What is left to the rescue of jobs after 90 seconds are those that were running, which are webhooks and
// questions: for them [world.twoMinutesPass]. Where there are no others, that time passes and the process starts again.
func (f fragile) dies() {
	f.t.Helper()
	f.process.kill()
	if len(f.others) > 0 {
		f.fallen.Store(true)
		return
	}
	f.twoMinutesPass()
	f.process.start()
}

// comesBack starts the process that died, for it to die again.
func (f fragile) comesBack() {
	f.t.Helper()
	if f.fallen.Load() {
		f.process.start()
		f.fallen.Store(false)
	}
}

func TestAProcessKilledAtEachPointLosesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		f := openFragile(t, e)
		for _, point := range []struct {
			name string
			kill func(*testing.T, fragile)
		}{
			{"InTheMiddleOfAWebhook", killedInTheMiddleOfAWebhook}, // first: it is the process's as long as there is no other
			{"AfterTheIntent", killedAfterIntent},
			{"AfterTheAnswerBeforeItsCommit", killedBeforeCommit},
			{"AfterTheCommitBeforeTheAppIsAnswered", killedBeforeTheAppIsAnswered},
			{"AfterTheCommitBeforeTheProviderIsAnswered", killedBeforeTheProviderIsAnswered},
		} {
			f.comesBack()
			t.Run(point.name, func(t *testing.T) {
				own := f
				w := *f.world
				own.world = &w
				w.t, w.provider.t = t, t
				point.kill(t, own)
			})
		}
		if f.fallen.Load() {
			f.twoMinutesPass() // a kill may have met a webhook that no point is about
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
	f.join()
	request, ended := f.underWay()
	f.dies()
	if err := <-ended; err == nil {
		t.Error("the create was answered by nobody")
	}
	f.askedByItsJob(request)
	f.placedOnce(request)
}

// askedByItsJob waits for the provider to be asked about a payment that nobody repeats.
func (f fragile) askedByItsJob(request client.CreatePayment) {
	f.t.Helper()
	page, err := f.client.ListPayments(f.t.Context(), client.PaymentQuery{OutTradeNo: request.OutTradeNo})
	if err != nil || len(page.Data) != 1 {
		f.t.Fatalf("the payments of %s: %v, %v", request.OutTradeNo, page, err)
	}
	eventually(f.t, func() error {
		if len(f.provider.journal("operation", "query", "out_trade_no", page.Data[0].TradeNo)) == 0 {
			return errors.New("the provider has not been asked")
		}
		return nil
	})
}

func killedBeforeCommit(t *testing.T, f fragile) {
	f.join()
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
	f.dies()
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
	f.join()
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
	f.join()
	p := f.create(100)
	f.gateway.fails(answerLost, "resource") // of a notification
	f.provider.pays(p.TradeNo)
	f.notified(p.TradeNo, 1)
	f.dies()
	if err := f.is(p.ID, client.PaymentSucceeded); err != nil {
		t.Errorf("after the kill: %v", err)
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
	f.join()
	f.process.kill()
	if tries, err := f.number(`SELECT COUNT(*) FROM webhook_deliveries WHERE event_id = $1`, first.ID); err != nil || tries != 0 {
		t.Errorf("the webhook's process recorded %d tries before it died, %v", tries, err)
	}
	f.dies()
	f.twoMinutesPass() // not before that is the job of a webhook under way another's
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
