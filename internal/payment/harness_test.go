package payment_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/store"
	"github.com/tongbao-pay/tongbao/internal/store/storetest"
)

// bundle is a service on a real database, a provider in memory, a clock that stands still, and the jobs.
type bundle struct {
	*payment.Service

	t        testing.TB
	store    *store.Store
	fragile  *fragileStore
	provider *provider
	clock    *clock
	jobs     *jobs
	app      payment.Applicant
	without  payment.Product // the account does not offer it
}

func newBundle(t *testing.T) *bundle {
	t.Helper()
	return newBundleOn(t, storetest.OpenSQLite(t))
}

func newBundleOn(t testing.TB, s *store.Store) *bundle {
	b := &bundle{t: t, store: s, clock: &clock{now: time.Date(2026, 3, 9, 1, 2, 3, 0, time.UTC)}, jobs: &jobs{}}
	b.store.UseQueue(b.jobs)
	b.provider = newProvider(t, b.clock.Now)
	b.fragile = &fragileStore{Store: b.store, provider: b.provider}
	b.app = payment.Applicant{AppID: "app", LatePolicy: payment.LateRefund}
	b.restart()
	return b
}

// restart is a new process on the same database.
func (b *bundle) restart() {
	b.fragile.revive()
	b.Service = payment.New(payment.Config{Store: b.fragile, Providers: b, Now: b.clock.Now})
}

// Choose and Provider make the bundle the one account there is.
func (b *bundle) Choose(_ context.Context, _ payment.Channel, product payment.Product, _ string) (string, error) {
	if product == b.without {
		return "", &payment.Error{Code: payment.CodeAccount, Field: "product", Detail: "configure it"}
	}
	return "acc", nil
}

func (b *bundle) Provider(context.Context, string) (payment.Provider, error) { return b.provider, nil }

type clock struct {
	mu   sync.Mutex
	now  time.Time
	step time.Duration // added by every look, for waits that end by the clock
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(c.step)
	return c.now
}

func (c *clock) ticking(step time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.step = step
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func (c *clock) to(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.After(c.now) {
		c.now = t
	}
}

// jobs keeps committed jobs in memory. They are handed over as the last act of a database transaction, which on
// SQLite does not fail after that.
type jobs struct {
	mu  sync.Mutex
	all []payment.Job
}

func (j *jobs) EnqueueTx(_ context.Context, _ *store.Tx, more []store.Job) error {
	for _, one := range more {
		j.put(one.Job)
	}
	return nil
}

func (j *jobs) put(more ...payment.Job) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.all = append(j.all, more...)
}

// take returns the next job until a moment.
func (j *jobs) take(until time.Time) (payment.Job, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	slices.SortStableFunc(j.all, func(a, b payment.Job) int { return a.At.Compare(b.At) })
	if len(j.all) == 0 || j.all[0].At.After(until) {
		return payment.Job{}, false
	}
	next := j.all[0]
	j.all = j.all[1:]
	return next, true
}

// without drops the jobs of a kind.
func (j *jobs) without(kind payment.JobKind) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.all = slices.DeleteFunc(j.all, func(one payment.Job) bool { return one.Kind == kind })
}

// waiting counts the jobs of a kind; an empty kind means all.
func (b *bundle) waiting(kind payment.JobKind) (n int) {
	b.jobs.mu.Lock()
	defer b.jobs.mu.Unlock()
	for _, one := range b.jobs.all {
		if kind == "" || one.Kind == kind {
			n++
		}
	}
	return n
}

func (j *jobs) drop() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.all = nil
}

// run does the jobs that are due within d, each at its time, and leaves the clock at the end.
func (b *bundle) run(d time.Duration) {
	b.t.Helper()
	until := b.clock.Now().Add(d)
	for {
		j, ok := b.jobs.take(until)
		if !ok {
			b.clock.to(until)
			return
		}
		b.clock.to(j.At)
		follow := b.FollowPayment
		switch j.Kind {
		case payment.FollowRefund:
			follow = b.FollowRefund
		case payment.FollowAttempt:
			follow = b.FollowAttempt
		case payment.AskAgain:
			follow = b.AskAgain
		case payment.FollowPayment, payment.DeliverWebhook:
		}
		again, err := follow(b.t.Context(), j.AppID, j.ResourceID)
		if err != nil {
			b.t.Fatalf("%s %s: %v", j.Kind, j.ResourceID, err)
		}
		if !again.IsZero() {
			if !again.After(b.clock.Now()) {
				b.t.Fatalf("%s %s wants to run again at once", j.Kind, j.ResourceID)
			}
			j.At = again
			b.jobs.put(j)
		}
	}
}

// errDied is what a process that was killed sees of its own end.
var errDied = errors.New("killed")

// fragileStore is the store of a process that is killed at one of its commits.
type fragileStore struct {
	*store.Store

	provider *provider
	mu       sync.Mutex
	commits  int
	before   int // killed before this commit; 0: never
	after    int // killed after this commit; 0: never
	dead     bool
}

func (s *fragileStore) revive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commits, s.before, s.after, s.dead = 0, 0, 0, false
	s.provider.live(true)
}

// errDisorder means that events of one change would be listed in another order than that in which they came about.
var errDisorder = errors.New("the ids of a change's events do not grow")

func (s *fragileStore) Commit(ctx context.Context, c *payment.Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commits++
	if s.commits == s.before {
		s.die()
	}
	if s.dead {
		return errDied
	}
	if !slices.IsSortedFunc(c.Events, func(a, b payment.Event) int { return strings.Compare(a.ID, b.ID) }) {
		return errDisorder
	}
	if err := s.Store.Commit(ctx, c); err != nil {
		return err
	}
	if s.commits == s.after {
		s.die()
	}
	return nil
}

func (s *fragileStore) die() {
	s.dead = true
	s.provider.live(false)
}

func (b *bundle) request(outTradeNo string) payment.CreateRequest {
	return payment.CreateRequest{OutTradeNo: outTradeNo, Amount: 1000, Description: "coffee", Channel: payment.WeChat, Product: payment.Native}
}

// create places a payment and wants it pending.
func (b *bundle) create() *payment.Payment {
	b.t.Helper()
	created, err := b.Create(b.t.Context(), b.app, b.request("order"))
	if err != nil {
		b.t.Fatal(err)
	}
	b.status(created.Payment, payment.Pending)
	return created.Payment
}

// paid is a payment whose money is there.
func (b *bundle) paid() *payment.Payment {
	b.t.Helper()
	p := b.create()
	b.provider.pay(p.Current().TradeNo)
	b.notify("paid", p, payment.Applied)
	return b.load(p)
}

// closed is a payment that was closed at the provider and here.
func (b *bundle) closed() *payment.Payment {
	b.t.Helper()
	p, err := b.Close(b.t.Context(), "app", b.create().ID)
	if err != nil {
		b.t.Fatal(err)
	}
	b.status(p, payment.Closed)
	return p
}

// order is the notification that tells of the payment's order as it stands.
func (b *bundle) order(id string, p *payment.Payment) payment.Notification {
	b.t.Helper()
	return b.orderOf(id, p.Current().TradeNo)
}

func (b *bundle) orderOf(id, tradeNo string) payment.Notification {
	b.t.Helper()
	r, ok := b.provider.order(tradeNo)
	if !ok {
		b.t.Fatalf("the provider has no order %s", tradeNo)
	}
	return payment.Notification{AccountID: "acc", ID: id, EventType: "TRANSACTION.SUCCESS", Order: &r, Body: []byte(`{}`)}
}

func (b *bundle) refundNews(id string, r *payment.Refund) payment.Notification {
	b.t.Helper()
	report, ok := b.provider.refund(r.RefundNo)
	if !ok {
		b.t.Fatalf("the provider has no refund %s", r.RefundNo)
	}
	report.MerchantID = "1900000001"
	return payment.Notification{AccountID: "acc", ID: id, EventType: "REFUND.SUCCESS", Refund: &report, Body: []byte(`{}`)}
}

func (b *bundle) deliver(n payment.Notification, want payment.Verdict) {
	b.t.Helper()
	got, err := b.Notify(b.t.Context(), n)
	if err != nil || got != want {
		b.t.Fatalf("notification %s: %s, %v; want %s", n.ID, got, err, want)
	}
}

func (b *bundle) notify(id string, p *payment.Payment, want payment.Verdict) {
	b.t.Helper()
	b.deliver(b.order(id, p), want)
}

func (b *bundle) load(p *payment.Payment) *payment.Payment {
	b.t.Helper()
	got, err := b.Payment(b.t.Context(), p.AppID, p.ID)
	if err != nil {
		b.t.Fatal(err)
	}
	return got
}

func (b *bundle) refund(p *payment.Payment, number string, amount int64) *payment.Refund {
	b.t.Helper()
	r, created, err := b.Refund(b.t.Context(), "app", payment.RefundRequest{PaymentID: p.ID, OutRefundNo: number, Amount: amount})
	if err != nil || !created {
		b.t.Fatalf("refund: %v %v", created, err)
	}
	return r
}

func (b *bundle) status(p *payment.Payment, want payment.Status) {
	b.t.Helper()
	if p.Status != want {
		b.t.Fatalf("the payment is %s, want %s", p.Status, want)
	}
}

func (b *bundle) refundStatus(p *payment.Payment, id string, want payment.RefundStatus) *payment.Refund {
	b.t.Helper()
	r := b.load(p).RefundByID(id)
	if r.Status != want {
		b.t.Fatalf("the refund is %s, want %s", r.Status, want)
	}
	return r
}

// events are the types of what happened to a resource; an empty id means everything.
func (b *bundle) events(resourceID string) string {
	b.t.Helper()
	all, err := b.store.Events(b.t.Context(), payment.EventFilter{AppID: "app", ResourceID: resourceID}, 1000)
	if err != nil {
		b.t.Fatal(err)
	}
	types := make([]string, len(all))
	for i, e := range all {
		if types[i] = e.Type; resourceID != "" && e.Sequence != int64(i+1) {
			b.t.Errorf("event %d of %s has sequence %d", i+1, resourceID, e.Sequence)
		}
	}
	return strings.Join(types, " ")
}

// happened wants exactly these events of a resource, gapless and in order.
func (b *bundle) happened(resourceID, want string) {
	b.t.Helper()
	if got := b.events(resourceID); got != want {
		b.t.Fatalf("events: %s\nwant:   %s", got, want)
	}
}

// reviews are the kinds of the open reviews, "kind" or "kind x2".
func (b *bundle) reviews(want string) {
	b.t.Helper()
	counts, err := b.store.OpenReviews(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	var kinds []string
	for kind, n := range counts {
		if n > 1 {
			kind = payment.ReviewKind(fmt.Sprintf("%s x%d", kind, n))
		}
		kinds = append(kinds, string(kind))
	}
	slices.Sort(kinds)
	if got := strings.Join(kinds, " "); got != want {
		b.t.Fatalf("reviews: %q, want %q", got, want)
	}
}

// refusedWith wants an [payment.Error] of a code, about a field where one is given.
func refusedWith(t testing.TB, err error, code payment.Code, field string) *payment.Error {
	t.Helper()
	e, ok := errors.AsType[*payment.Error](err)
	if !ok || e.Code != code || (field != "" && e.Field != field) {
		t.Fatalf("got %v, want %s %s", err, code, field)
	}
	if e.Detail == "" {
		t.Error("the error does not say what to do")
	}
	return e
}

// sound checks what must hold of a payment at every moment.
func (b *bundle) sound(p *payment.Payment) {
	b.t.Helper()
	p = b.load(p)
	b.withinPaid(p)
	for _, r := range p.Refunds {
		if seen := b.events(r.ID); int64(len(strings.Fields(seen))) != r.Sequence {
			b.t.Errorf("refund at sequence %d has the events %s", r.Sequence, seen)
		}
		once(b.t, b.events(r.ID), payment.EventRefundAbnormal)
	}
	seen := b.events(p.ID)
	if int64(len(strings.Fields(seen))) != p.Sequence {
		b.t.Errorf("payment at sequence %d has the events %s", p.Sequence, seen)
	}
	once(b.t, seen, payment.EventPaymentLatePaid) // for each order that was paid too late
	for kind, want := range map[string]int64{"collected": p.AmountPaid, "refunded": p.AmountRefunded} {
		if got := b.posted(p, kind); got != want {
			b.t.Errorf("%d posted as %s, want %d", got, kind, want)
		}
	}
}

// withinPaid wants no more to go back than came in, and the payment to agree with its refunds.
func (b *bundle) withinPaid(p *payment.Payment) {
	b.t.Helper()
	if p.AmountRefunded+p.AmountRefunding > p.AmountPaid || p.AmountRefunded < 0 || p.AmountRefunding < 0 {
		b.t.Errorf("%d refunded, %d reserved, %d paid", p.AmountRefunded, p.AmountRefunding, p.AmountPaid)
	}
	var back, reserved int64
	for _, r := range p.Refunds {
		switch r.Status {
		case payment.RefundSucceeded:
			back += r.Amount
		case payment.RefundPending, payment.RefundProcessing, payment.RefundAbnormal:
			reserved += r.Amount
		case payment.RefundClosed, payment.RefundFailed:
		}
	}
	if back != p.AmountRefunded || reserved != p.AmountRefunding {
		b.t.Errorf("refunds sum up to %d back and %d under way; the payment says %d and %d", back, reserved, p.AmountRefunded, p.AmountRefunding)
	}
}

// once wants no type of event twice, but for one that may come again.
func once(t testing.TB, events, except string) {
	t.Helper()
	types := strings.Fields(events)
	slices.Sort(types)
	for i, e := range types {
		if i > 0 && e == types[i-1] && e != except {
			t.Errorf("%s happened twice: %s", e, events)
		}
	}
}

// posted is what the ledger has for the payment's attempts or refunds.
func (b *bundle) posted(p *payment.Payment, kind string) (sum int64) {
	b.t.Helper()
	err := b.store.SQLite().QueryRowContext(b.t.Context(), `SELECT COALESCE(SUM(amount), 0) FROM postings WHERE kind = ?1 AND (
		source_id IN (SELECT id FROM attempts WHERE payment_id = ?2) OR source_id IN (SELECT id FROM refunds WHERE payment_id = ?2))`, kind, p.ID).Scan(&sum)
	if err != nil {
		b.t.Fatal(err)
	}
	return sum
}
