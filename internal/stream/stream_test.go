package stream_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tongbao-pay/tongbao/internal/natstest"
	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/pgtest"
	"github.com/tongbao-pay/tongbao/internal/store"
	"github.com/tongbao-pay/tongbao/internal/store/storetest"
	"github.com/tongbao-pay/tongbao/internal/stream"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

const (
	name     = "tongbao"
	shop     = "shop"
	patience = 30 * time.Second
)

// relay is a relay under test, with what it says.
type relay struct {
	t      *testing.T
	config stream.Config
	hidden []string // what must never be in the log

	mu        sync.Mutex
	log       strings.Builder
	published int
	failures  int
	news      chan struct{}       // closed and replaced at each line and each event
	onEvent   func(published int) // called before the relay knows that the event was taken; nil: nothing
}

func newRelay(t *testing.T, s *store.Store, n *natstest.Server, change ...func(*stream.Config)) *relay {
	t.Helper()
	r := &relay{t: t, news: make(chan struct{}), hidden: []string{n.Password()}}
	r.config = stream.Config{
		URL: n.URL(), Name: name, PublicURL: "https://pay.example.com", Store: s, Observer: r, Now: time.Now,
		Logger: slog.New(slog.NewTextHandler(r, nil)),
	}
	for _, c := range change {
		c(&r.config)
	}
	return r
}

// run runs the relay until the end of the test, or until the returned function is called.
func (r *relay) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		stream.New(r.config).Run(ctx)
	}()
	stop = func() {
		cancel()
		<-done
		for _, secret := range r.hidden {
			if secret != "" && strings.Contains(r.said(), secret) {
				r.t.Errorf("the log has a secret: %s", r.said())
			}
		}
	}
	r.t.Cleanup(stop)
	return stop
}

func (r *relay) Write(line []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tell()
	return r.log.Write(line)
}

// tell wakes who waits. The caller holds the lock.
func (r *relay) tell() {
	close(r.news)
	r.news = make(chan struct{})
}

func (r *relay) Streamed(time.Duration) {
	r.mu.Lock()
	r.published++
	published, call := r.published, r.onEvent
	r.tell()
	r.mu.Unlock()
	if call != nil {
		call(published)
	}
}

func (r *relay) StreamFailed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures++
	r.tell()
}

func (r *relay) said() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

// until waits for something that the relay says or does. is may read what the lock guards.
func (r *relay) until(what string, is func() bool) {
	r.t.Helper()
	deadline := time.After(patience)
	for {
		r.mu.Lock()
		done, news := is(), r.news
		r.mu.Unlock()
		if done {
			return
		}
		select {
		case <-news:
		case <-deadline:
			r.t.Fatalf("not %s; log:\n%s", what, r.said())
		}
	}
}

func (r *relay) says(words string) {
	r.t.Helper()
	r.until("said "+words, func() bool { return strings.Contains(r.log.String(), words) })
}

func (r *relay) publishes(count int) {
	r.t.Helper()
	r.until(fmt.Sprintf("published %d", count), func() bool { return r.published >= count })
}

func newStore(t *testing.T) *store.Store {
	t.Helper()
	s := storetest.OpenSQLite(t)
	storetest.AddApp(t, s, shop)
	return s
}

func onBoth(t *testing.T, test func(*testing.T, *store.Store)) {
	t.Helper()
	for engine, open := range map[string]func(*testing.T) *store.Store{"SQLite": storetest.OpenSQLite, "Postgres": storetest.OpenPostgres} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			storetest.AddApp(t, s, shop)
			test(t, s)
		})
	}
}

func ids(messages []jetstream.Msg) []string {
	all := make([]string, len(messages))
	for i, m := range messages {
		all[i] = m.Headers().Get(jetstream.MsgIDHeader)
	}
	return all
}

func expect(t *testing.T, got []jetstream.Msg, want []string) {
	t.Helper()
	if diff := cmp.Diff(want, ids(got)); diff != "" {
		t.Error(diff)
	}
}

func TestEventsLieInTheStreamInTheirOrder(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, s *store.Store) {
		n := natstest.Start(t)
		all := storetest.AddEvents(t, s, shop, 0, 250) // more than are sent between two notes
		newRelay(t, s, n).run()
		all = append(all, storetest.AddEvents(t, s, shop, 250, 260)...)
		expect(t, n.Messages(name, len(all)), all)
	})
}

func TestAnEventIsACloudEventAroundTheBodyOfItsWebhook(t *testing.T) {
	t.Parallel()
	s, n := newStore(t), natstest.Start(t)
	e := payment.Event{
		ID: "evt_1", AppID: shop, Type: payment.EventPaymentSucceeded, ResourceType: "payment", ResourceID: "pay_1", Sequence: 2,
		CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC), Object: []byte(`{"object":"payment","description":"谢谢 \u003c\u0026\u003e"}`),
	}
	if err := s.Commit(t.Context(), &payment.Change{Events: []payment.Event{e}}); err != nil {
		t.Fatal(err)
	}
	newRelay(t, s, n).run()
	m := n.Messages(name, 1)[0]
	if m.Subject() != "tongbao.shop.payment.succeeded" || m.Headers().Get("Nats-Msg-Id") != "evt_1" || m.Headers().Get("Content-Type") != "application/cloudevents+json; charset=UTF-8" {
		t.Errorf("%s with %v", m.Subject(), m.Headers())
	}
	var got map[string]json.RawMessage
	if err := json.Unmarshal(m.Data(), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(e.Body()), string(got["data"])); diff != "" {
		t.Errorf("the data is not the webhook's body: %s", diff)
	}
	delete(got, "data")
	want := map[string]json.RawMessage{
		"specversion": []byte(`"1.0"`), "id": []byte(`"evt_1"`), "source": []byte(`"https://pay.example.com/apps/shop"`), "type": []byte(`"payment.succeeded"`),
		"subject": []byte(`"pay_1"`), "time": []byte(`"2026-01-02T03:04:05.678Z"`), "datacontenttype": []byte(`"application/json"`),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAnAppCannotReachTheSubjectsOfAnother(t *testing.T) {
	t.Parallel()
	s, n := storetest.OpenSQLite(t), natstest.Start(t)
	hostile := map[string]string{"shop.payment": "shop_payment", "*": "_", ">": "_", "a b\r\nPUB x": "a_b__PUB_x", "店": "_", "$JS.API": "_JS_API", "Shop-1_a": "Shop-1_a"}
	var want, got []string
	for app, token := range hostile {
		storetest.AddApp(t, s, app)
		e := payment.Event{ID: "evt_" + app, AppID: app, Type: payment.EventPaymentCreated, ResourceType: "payment", ResourceID: "pay_1", Sequence: 1, CreatedAt: time.UnixMilli(1), Object: []byte(`{}`)}
		if err := s.Commit(t.Context(), &payment.Change{Events: []payment.Event{e}}); err != nil {
			t.Fatal(err)
		}
		want = append(want, "tongbao."+token+".payment.created")
	}
	newRelay(t, s, n).run()
	for _, m := range n.Messages(name, len(hostile)) {
		got = append(got, m.Subject())
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWhatACrashSendsAgainIsDropped(t *testing.T) {
	t.Parallel()
	const crashAt = 7
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		s, n := newStore(t), natstest.Start(t)
		all := storetest.AddEvents(t, s, shop, 0, 10)
		crashing := newRelay(t, s, n)
		ctx, crash := context.WithCancel(t.Context())
		defer crash()
		crashing.onEvent = func(published int) {
			if published == crashAt {
				// The stream has the event, and nobody will note it.
				if _, err := s.SQLite().ExecContext(ctx, `ALTER TABLE stream_cursors RENAME TO gone`); err != nil {
					t.Error(err)
				}
			}
		}
		stop := crashing.run()
		crashing.says("no such table")
		stop()
		if _, err := s.SQLite().ExecContext(t.Context(), `ALTER TABLE gone RENAME TO stream_cursors`); err != nil {
			t.Fatal(err)
		}
		again := newRelay(t, s, n)
		again.run()
		again.publishes(len(all))
		expect(t, n.Messages(name, len(all)), all)
	})
	t.Run("Postgres", func(t *testing.T) {
		t.Parallel()
		s, n := storetest.OpenPostgres(t), natstest.Start(t)
		storetest.AddApp(t, s, shop)
		all := storetest.AddEvents(t, s, shop, 0, 10)
		r := newRelay(t, s, n)
		r.onEvent = func(published int) {
			if published == crashAt {
				var ended int
				if err := s.Postgres().QueryRow(t.Context(), `SELECT COUNT(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_locks
					WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS ended`).Scan(&ended); err != nil || ended != 1 {
					t.Errorf("ended %d: %v", ended, err)
				}
			}
		}
		r.run()
		r.publishes(2 * len(all)) // a note is written after a batch: all of it comes again
		expect(t, n.Messages(name, len(all)), all)
	})
}

func TestAServerThatComesBackGetsTheRest(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, s *store.Store) {
		n := natstest.Start(t)
		r := newRelay(t, s, n)
		r.run()
		all := storetest.AddEvents(t, s, shop, 0, 3)
		r.publishes(3)
		for outage := range 2 {
			n.Stop()
			all = append(all, storetest.AddEvents(t, s, shop, len(all), len(all)+5)...)
			r.until("failing", func() bool { return strings.Count(r.log.String(), "events are not published") > outage })
			n.Restart()
			r.publishes(len(all))
			expect(t, n.Messages(name, len(all)), all)
		}
	})
}

func TestAnEventThatIsRefusedHoldsUpThoseAfterIt(t *testing.T) {
	t.Parallel()
	const most = 4 << 10
	s, n := newStore(t), natstest.Start(t, func(o *server.Options) { o.MaxPayload = most })
	all := storetest.AddEvents(t, s, shop, 0, 3)
	large := payment.Event{
		ID: "evt_large", AppID: shop, Type: payment.EventPaymentCreated, ResourceType: "payment", ResourceID: "pay_large", Sequence: 1, CreatedAt: time.UnixMilli(1),
		Object: []byte(`"` + strings.Repeat("x", most) + `"`),
	}
	if err := s.Commit(t.Context(), &payment.Change{Events: []payment.Event{large}}); err != nil {
		t.Fatal(err)
	}
	all = append(append(all, large.ID), storetest.AddEvents(t, s, shop, 3, 6)...)
	r := newRelay(t, s, n)
	r.run()
	r.says("event evt_large: nats: maximum payload exceeded")
	expect(t, n.Messages(name, 3), all[:3])
	n.Stop()
	n.Restart(func(o *server.Options) { o.MaxPayload = 1 << 20 })
	r.publishes(len(all))
	expect(t, n.Messages(name, len(all)), all)
	if r.published != len(all) {
		t.Errorf("%d were published: some again", r.published)
	}
}

func TestAnOutageIsLoggedOnceForEachReason(t *testing.T) {
	t.Parallel()
	s, n := newStore(t), natstest.Start(t)
	n.Stop()
	r := newRelay(t, s, n)
	r.run()
	r.until("tried three times", func() bool { return r.failures >= 3 })
	if lines := strings.Count(r.said(), "\n"); lines != 1 || !strings.Contains(r.said(), "no servers available") {
		t.Errorf("%d lines:\n%s", lines, r.said())
	}
	n.Restart()
	r.says("events are published to the stream")
}

func TestAGatewayThatStartsAgainGoesOn(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, s *store.Store) {
		n := natstest.Start(t)
		var all []string
		for range 3 {
			r := newRelay(t, s, n)
			stop := r.run()
			all = append(all, storetest.AddEvents(t, s, shop, len(all), len(all)+4)...)
			r.publishes(4)
			stop()
			if r.published != 4 {
				t.Errorf("%d were published, want the new ones alone", r.published)
			}
		}
		expect(t, n.Messages(name, len(all)), all)
	})
}

func TestOneOfTwoReplicasFeedsTheStream(t *testing.T) {
	t.Parallel()
	s, n := storetest.OpenPostgres(t), natstest.Start(t)
	storetest.AddApp(t, s, shop)
	other := storetest.Open(t, s.Postgres().Config().ConnString())
	first, second := newRelay(t, s, n), newRelay(t, other, n)
	stop := first.run()
	all := storetest.AddEvents(t, s, shop, 0, 3)
	first.publishes(3)
	second.run()
	all = append(all, storetest.AddEvents(t, s, shop, 3, 20)...)
	first.publishes(20)
	stop()
	all = append(all, storetest.AddEvents(t, s, shop, 20, 30)...)
	second.publishes(10)
	expect(t, n.Messages(name, len(all)), all)
	if first.published != 20 || second.published != 10 {
		t.Errorf("%d and %d were published", first.published, second.published)
	}
}

func TestAReplicaThatCannotReachTheServerLetsOthersTry(t *testing.T) {
	t.Parallel()
	s, n := storetest.OpenPostgres(t), natstest.Start(t)
	storetest.AddApp(t, s, shop)
	other := storetest.Open(t, s.Postgres().Config().ConnString())
	cutOff := newRelay(t, s, n, func(c *stream.Config) { c.URL = "nats://127.0.0.1:1" })
	cutOff.run()
	cutOff.says("no servers available")
	newRelay(t, other, n).run()
	all := storetest.AddEvents(t, s, shop, 0, 3)
	expect(t, n.Messages(name, len(all)), all)
}

func TestAnEventThatIsRefusedHoldsUpNoOtherApp(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, s *store.Store) {
		const most = 4 << 10
		n := natstest.Start(t, func(o *server.Options) { o.MaxPayload = most })
		large := payment.Event{
			ID: "evt_large", AppID: shop, Type: payment.EventPaymentCreated, ResourceType: "payment", ResourceID: "pay_large", Sequence: 1, CreatedAt: time.UnixMilli(1),
			Object: []byte(`"` + strings.Repeat("x", most) + `"`),
		}
		if err := s.Commit(t.Context(), &payment.Change{Events: []payment.Event{large}}); err != nil {
			t.Fatal(err)
		}
		var want []string
		for i, app := range []string{"a-shop", "z-shop"} {
			storetest.AddApp(t, s, app)
			want = append(want, storetest.AddEvents(t, s, app, 3*i, 3*i+3)...)
		}
		newRelay(t, s, n).run()
		expect(t, n.Messages(name, len(want)), want)
	})
}
