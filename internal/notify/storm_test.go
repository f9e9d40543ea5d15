package notify_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/channel"
	"github.com/tongbao-pay/tongbao/internal/money"
	"github.com/tongbao-pay/tongbao/internal/notify"
	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/store"
	"github.com/tongbao-pay/tongbao/internal/store/storetest"
)

// stormCallers are more than the house takes in.
const stormCallers = 2000

// answerBy is when the provider gives an answer up.
const answerBy = 5 * time.Second

func TestAStormIsSettledAndNoneIsLost(t *testing.T) {
	t.Parallel()
	p := startProvider(t)
	for engine, open := range map[string]func(*testing.T) *store.Store{"SQLite": storetest.OpenSQLite, "Postgres": storetest.OpenPostgres} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			weather(t, newBundle(t, p, open(t)), 1200)
		})
	}
}

// BenchmarkStorm is the same with as many as it is run with, on durable databases, and every answer in time: make storm.
func BenchmarkStorm(b *testing.B) {
	for _, engine := range []string{"SQLite", "Postgres"} {
		b.Run(engine, func(b *testing.B) {
			bundle := newBundle(b, startProvider(b), openDurable(b, durable[engine](b)))
			storm := weather(b, bundle, b.N)
			if storm.slowest > answerBy {
				b.Errorf("an answer took %v", storm.slowest)
			}
			b.ReportMetric(storm.rate, "answers/s")
			b.ReportMetric(float64(storm.slowest.Milliseconds()), "slowest-ms")
			b.ReportMetric(float64(storm.overloaded), "503s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

type storm struct {
	rate       float64 // answers a second
	slowest    time.Duration
	overloaded int64
}

// weather sends n notifications from more callers than the house takes in, each again until it is acknowledged, and
// wants every payment settled once.
func weather(t testing.TB, b *bundle, n int) storm {
	t.Helper()
	requests := b.storm("s", n)
	events := b.rows("events") // of the order that every bundle has
	bodies := make([][]byte, n)
	for i, r := range requests {
		var err error
		if bodies[i], err = io.ReadAll(r.Body); err != nil {
			t.Fatal(err)
		}
	}
	var slowest, answers, late, overloaded atomic.Int64
	again := time.NewTicker(time.Millisecond) // a provider waits longer
	defer again.Stop()
	start := time.Now()
	inParallel(stormCallers, n, func(i int) {
		for {
			began := time.Now()
			status := b.send(withBody(requests[i], bodies[i]))
			took := int64(time.Since(began))
			answers.Add(1)
			for most := slowest.Load(); took > most && !slowest.CompareAndSwap(most, took); most = slowest.Load() {
			}
			switch status {
			case http.StatusNoContent:
				return
			case http.StatusServiceUnavailable:
				overloaded.Add(1)
				<-again.C
			default: // not in time; it is sent again all the same
				late.Add(1)
			}
		}
	})
	seen := storm{rate: float64(answers.Load()) / time.Since(start).Seconds(), slowest: time.Duration(slowest.Load()), overloaded: overloaded.Load()}
	t.Logf("%d answers, %.0f a second, the slowest after %v; %d turned away, %d given up", answers.Load(), seen.rate, seen.slowest, overloaded.Load(), late.Load())
	if notices, postings, more := b.rows("notices"), b.rows("postings"), b.rows("events")-events; notices != n || postings != n || more != n {
		t.Errorf("%d notices, %d postings and %d events of %d notifications", notices, postings, more, n)
	}
	if paid := b.rows("payments WHERE status = 'succeeded' AND amount_paid = amount"); paid != n {
		t.Errorf("%d of %d payments succeeded", paid, n)
	}
	return seen
}

// storm makes n pending payments and a signed notification that each is paid.
func (b *bundle) storm(prefix string, n int) []*http.Request {
	b.t.Helper()
	requests := make([]*http.Request, n)
	w := b.provider.sandbox.Credentials().WeChatPay
	inParallel(benchCallers, n, func(i int) {
		id, now := fmt.Sprintf("%s_%06d", prefix, i), b.clock().UTC().Truncate(time.Millisecond)
		p := &payment.Payment{
			ID: "pay_" + id, AppID: "app", AccountID: "main", OutTradeNo: "storm-" + id, Amount: 1000, Currency: money.CNY, Description: "coffee",
			Channel: payment.WeChat, ContentHash: "x", LatePolicy: payment.LateRefund, Status: payment.Pending,
			CreatedAt: now, UpdatedAt: now, ExpiresAt: now.Add(2 * time.Hour), Sequence: 1, Version: 1,
			Attempts: []*payment.Attempt{{ID: "att_" + id, Ordinal: 1, Product: payment.Native, TradeNo: "T0000000000000000000" + id, MerchantID: w.MchID, MerchantAppID: w.AppID, Status: payment.AttemptOpen, CreatedAt: now}},
		}
		if err := b.store.Commit(context.WithoutCancel(b.t.Context()), &payment.Change{Payment: p, Attempts: p.Attempts}); err != nil {
			b.t.Error(err)
		}
		m := b.message("storm-" + id)
		m.content = b.paid(p)
		m.content["transaction_id"] = "42-" + id
		requests[i] = b.request(m)
	})
	if b.t.Failed() {
		b.t.FailNow()
	}
	return requests
}

// patient applies nothing before it may.
type patient struct{ may chan struct{} }

func (p patient) Notify(context.Context, payment.Notification) (payment.Verdict, error) {
	<-p.may
	return payment.Applied, nil
}

func TestBeyondTheBoundTheAnswerIs503AtOnce(t *testing.T) {
	t.Parallel()
	const bound = 1024
	b := newBundle(t, startProvider(t), storetest.OpenSQLite(t))
	registry := channel.New(channel.Config{Source: b, PublicURL: "http://127.0.0.1:1"})
	payments := patient{make(chan struct{})}
	b.door = notify.New(notify.Config{Doors: registry, Payments: payments, Observer: b.heard})
	signed := b.request(b.message("n1"))
	body, err := io.ReadAll(signed.Body)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range bound {
		group.Go(func() {
			if got := b.send(withBody(signed, body)); got != http.StatusNoContent {
				t.Errorf("one that was taken in was answered %d", got)
			}
		})
	}
	for b.heard.inHouse() < bound {
		runtime.Gosched()
	}
	answer := httptest.NewRecorder()
	b.door.ServeHTTP(answer, withBody(signed, body))
	if answer.Code != http.StatusServiceUnavailable || answer.Header().Get("Retry-After") == "" || b.heard.count("overloaded") != 1 {
		t.Errorf("answered %d %v, heard %v", answer.Code, answer.Header(), b.heard.all)
	}
	close(payments.may)
	group.Wait()
	if b.heard.count("applied") != bound || b.heard.inHouse() != 0 {
		t.Errorf("heard %v, %d still in the house", b.heard.all, b.heard.inHouse())
	}
	if got := b.send(withBody(signed, body)); got != http.StatusNoContent {
		t.Errorf("after the storm: answered %d", got)
	}
}

// silence is the rest of a body, which does not come until it is told to, and then breaks off.
type silence struct {
	asked chan struct{}
	end   chan struct{}
}

func (s silence) Read([]byte) (int, error) {
	select {
	case s.asked <- struct{}{}:
		<-s.end
	case <-s.end:
	}
	return 0, io.ErrUnexpectedEOF
}

func TestWhoDribblesTakesNoPlace(t *testing.T) {
	t.Parallel()
	b := newBundle(t, startProvider(t), storetest.OpenSQLite(t))
	for name, body := range map[string]struct {
		came      int64 // bytes
		announced int64 // -1: in chunks
	}{
		"after a byte":              {1, 1000},
		"after as many as may come": {64 << 10, -1},
	} {
		t.Run(name, func(t *testing.T) {
			r := b.request(b.message("n1"))
			slow := silence{make(chan struct{}), make(chan struct{})}
			r.Body, r.ContentLength = io.NopCloser(io.MultiReader(io.LimitReader(zeros{}, body.came), slow)), body.announced
			answered := make(chan int, 1)
			go func() { answered <- b.send(r) }()
			<-slow.asked
			if got := b.heard.inHouse(); got != 0 {
				t.Errorf("%d in the house while the body is on its way", got)
			}
			close(slow.end)
			if got := <-answered; got < 400 {
				t.Errorf("a broken body was answered %d", got)
			}
		})
	}
}
