// Package channeltest is the one suite that every channel's adapter passes, against its provider's simulator.
package channeltest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tongbao-pay/tongbao/internal/channel"
	"github.com/tongbao-pay/tongbao/internal/money"
	"github.com/tongbao-pay/tongbao/internal/payment"
)

// Fault is a failure of the simulator's, for every call of one operation about one order.
type Fault struct {
	Name      string
	Operation string
	Rule      map[string]any // in the simulator's words
	Executed  bool           // the provider carries the request out
	Allowed   []payment.Outcome
	Within    time.Duration // how long the caller waits; 0: for as long as it takes
}

// Bench is a simulator with one merchant's account.
type Bench struct {
	Account  channel.Account
	Source   channel.Source
	Products []payment.Product
	Payer    payment.Payer
	Faults   []Fault

	Pay    func(t *testing.T, tradeNo string)
	Settle func(t *testing.T, refundNo string, state payment.RefundState)
	// Break lets a fault happen with an order until heal is called.
	Break func(t *testing.T, tradeNo string, f Fault) (heal func())
}

// Run proves an adapter. start is called once.
func Run(t *testing.T, start func(*testing.T) *Bench) {
	t.Helper()
	door := &doorstep{arrived: map[string]chan arrival{}}
	server := httptest.NewServer(door)
	t.Cleanup(server.Close)
	b := start(t)
	door.url = server.URL
	door.registry = channel.New(channel.Config{Source: b.Source, PublicURL: server.URL})
	s := &suite{Bench: b, door: door}
	for _, product := range b.Products {
		t.Run("AnOrderLivesAs/"+string(product), func(t *testing.T) { t.Parallel(); s.orderLives(t, product) })
	}
	t.Run("AnOrderIsClosed", func(t *testing.T) { t.Parallel(); s.orderIsClosed(t) })
	t.Run("WhatIsNotThereIsAbsent", func(t *testing.T) { t.Parallel(); s.whatIsNotThereIsAbsent(t) })
	t.Run("WhatTheRulesForbidIsRefused", func(t *testing.T) { t.Parallel(); s.whatTheRulesForbidIsRefused(t) })
	t.Run("RefundsEnd", func(t *testing.T) { t.Parallel(); s.refundsEnd(t) })
	for _, f := range b.Faults {
		t.Run("Fault/"+f.Operation+"/"+f.Name, func(t *testing.T) { t.Parallel(); s.fault(t, f) })
	}
}

type suite struct {
	*Bench

	door    *doorstep
	mu      sync.Mutex
	numbers int
}

func (s *suite) provider(t *testing.T) payment.Provider {
	t.Helper()
	p, err := s.door.registry.Provider(t.Context(), s.Account.ID)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// order is a new payment of 1,000 fen with an attempt that was not placed yet.
func (s *suite) order(t *testing.T, product payment.Product) (*payment.Payment, *payment.Attempt) {
	t.Helper()
	s.mu.Lock()
	s.numbers++
	tradeNo := fmt.Sprintf("20260309010203SUITE%07d", s.numbers)
	s.mu.Unlock()
	merchantID, appID, err := s.provider(t).Identity(product)
	if err != nil {
		t.Fatal(err)
	}
	a := &payment.Attempt{Product: product, Payer: s.Payer, ClientIP: "192.0.2.7", TradeNo: tradeNo, MerchantID: merchantID, MerchantAppID: appID}
	return &payment.Payment{
		ID: "pay_" + tradeNo, Amount: 1000, Currency: money.CNY, Description: "一杯咖啡",
		ExpiresAt: time.Now().Add(time.Hour).UTC().Truncate(time.Second), Attempts: []*payment.Attempt{a},
	}, a
}

func (s *suite) place(t *testing.T, p *payment.Payment) payment.Credential {
	t.Helper()
	c, err := s.provider(t).Place(t.Context(), p, p.Current())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (s *suite) paid(t *testing.T) (*payment.Payment, payment.OrderReport) {
	t.Helper()
	p, a := s.order(t, s.Products[0])
	s.place(t, p)
	news := s.door.expect(a.TradeNo)
	s.Pay(t, a.TradeNo)
	if n := <-news; n.err != nil {
		t.Fatal(n.err)
	}
	r, err := s.provider(t).QueryOrder(t.Context(), a)
	if err != nil || r.State != payment.OrderPaid {
		t.Fatal(r, err)
	}
	a.TransactionID = r.TransactionID
	return p, r
}

func (s *suite) refundOf(p *payment.Payment, n int, amount int64) *payment.Refund {
	return &payment.Refund{
		ID: fmt.Sprint("rfd_", n, p.ID), RefundNo: fmt.Sprintf("R%d%s", n, p.Current().TradeNo), TradeNo: p.Current().TradeNo,
		Amount: amount, Currency: p.Currency, Reason: "cold",
	}
}

func (s *suite) orderLives(t *testing.T, product payment.Product) {
	provider := s.provider(t)
	p, a := s.order(t, product)
	first := s.place(t, p)
	if fields := []bool{first.CodeURL != "", first.PrepayID != "", first.H5URL != ""}; len(slices.DeleteFunc(fields, func(set bool) bool { return !set })) != 1 {
		t.Errorf("exactly one kind of credential is wanted: %+v", first)
	}
	if !first.Usable(time.Now()) || first.ExpiresAt.After(p.ExpiresAt) {
		t.Errorf("the credential ends at %s, the order at %s", first.ExpiresAt, p.ExpiresAt)
	}
	a.Credential = first
	invocation, err := provider.Invoke(a)
	if err != nil || (first.PrepayID != "") != (invocation != nil) || (invocation != nil && !strings.Contains(string(invocation), first.PrepayID)) {
		t.Errorf("invocation %s, %v", invocation, err)
	}
	if again := s.place(t, p); again == (payment.Credential{}) {
		t.Error("placed again under its number the order got no credential")
	}
	unpaid, err := provider.QueryOrder(t.Context(), a)
	if err != nil || unpaid.State != payment.OrderUnpaid || unpaid.TradeNo != a.TradeNo {
		t.Errorf("unpaid: %+v %v", unpaid, err)
	}

	news := s.door.expect(a.TradeNo)
	s.Pay(t, a.TradeNo)
	paid, err := provider.QueryOrder(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	want := payment.OrderReport{
		AccountID: s.Account.ID, MerchantID: a.MerchantID, MerchantAppID: a.MerchantAppID, TradeNo: a.TradeNo, TransactionID: paid.TransactionID,
		State: payment.OrderPaid, StateText: paid.StateText, Amount: 1000, Currency: money.CNY, PaidAt: paid.PaidAt,
	}
	same(t, "answer", paid, want)
	if paid.TransactionID == "" || time.Since(paid.PaidAt).Abs() > time.Minute || !json.Valid(paid.Evidence) {
		t.Errorf("%+v", paid)
	}
	n := <-news
	if n.err != nil || n.Order == nil || n.Refund != nil || n.ID == "" || n.AccountID != s.Account.ID {
		t.Fatalf("notification %+v", n)
	}
	same(t, "notification", *n.Order, want)
}

func (s *suite) orderIsClosed(t *testing.T) {
	provider := s.provider(t)
	p, a := s.order(t, s.Products[0])
	s.place(t, p)
	for range 2 { // closed already is done
		if err := provider.CloseOrder(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	r, err := provider.QueryOrder(t.Context(), a)
	if err != nil || r.State != payment.OrderClosed {
		t.Errorf("%+v %v", r, err)
	}
	_, err = provider.Place(t.Context(), p, a)
	outcome(t, err, payment.Refused)
	_, unplaced := s.order(t, s.Products[0])
	if err := provider.CloseOrder(t.Context(), unplaced); err != nil {
		t.Errorf("an order that was never placed: %v", err)
	}
}

func (s *suite) whatIsNotThereIsAbsent(t *testing.T) {
	p, a := s.order(t, s.Products[0])
	_, err := s.provider(t).QueryOrder(t.Context(), a)
	outcome(t, err, payment.Absent)
	_, err = s.provider(t).QueryRefund(t.Context(), s.refundOf(p, 1, 1))
	outcome(t, err, payment.Absent)
}

func (s *suite) whatTheRulesForbidIsRefused(t *testing.T) {
	provider := s.provider(t)
	unpaid, _ := s.order(t, s.Products[0])
	s.place(t, unpaid)
	_, err := provider.CreateRefund(t.Context(), unpaid, s.refundOf(unpaid, 1, 1))
	outcome(t, err, payment.Refused)
	unplaced, _ := s.order(t, s.Products[0])
	_, err = provider.CreateRefund(t.Context(), unplaced, s.refundOf(unplaced, 1, 1))
	outcome(t, err, payment.Refused)

	p, _ := s.paid(t)
	_, err = provider.Place(t.Context(), p, p.Current())
	outcome(t, err, payment.Refused)
	outcome(t, provider.CloseOrder(t.Context(), p.Current()), payment.Refused)
	_, err = provider.CreateRefund(t.Context(), p, s.refundOf(p, 1, 1001))
	outcome(t, err, payment.Refused)

	other := *unpaid
	other.Amount++
	_, err = provider.Place(t.Context(), &other, other.Current())
	outcome(t, err, payment.Refused)
}

func (s *suite) refundsEnd(t *testing.T) {
	provider := s.provider(t)
	for _, state := range []payment.RefundState{payment.RefundReportedSucceeded, payment.RefundReportedAbnormal, payment.RefundReportedClosed} {
		p, paid := s.paid(t)
		f := s.refundOf(p, 1, 100)
		for range 2 { // repeated under its number it is one refund
			made, err := provider.CreateRefund(t.Context(), p, f)
			if err != nil || made.State != payment.RefundReportedProcessing {
				t.Fatalf("%+v %v", made, err)
			}
		}
		news := s.door.expect(f.RefundNo)
		s.Settle(t, f.RefundNo, state)
		answer, err := provider.QueryRefund(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		want := payment.RefundReport{
			AccountID: s.Account.ID, TradeNo: f.TradeNo, TransactionID: paid.TransactionID, RefundNo: f.RefundNo, ChannelRefundID: answer.ChannelRefundID,
			State: state, StateText: answer.StateText, Amount: 100, Total: 1000, SucceededAt: answer.SucceededAt,
		}
		same(t, "answer", answer, want)
		if answer.ChannelRefundID == "" || answer.SucceededAt.IsZero() == (state == payment.RefundReportedSucceeded) || !json.Valid(answer.Evidence) {
			t.Errorf("%+v", answer)
		}
		notification := <-news
		if notification.err != nil || notification.Refund == nil || notification.Order != nil {
			t.Fatalf("%+v", notification)
		}
		want.MerchantID = p.Current().MerchantID
		same(t, "notification", *notification.Refund, want)
		after, err := provider.QueryOrder(t.Context(), p.Current())
		if err != nil || after.State != payment.OrderPaid {
			t.Errorf("an order with a refund is %s, %v; want paid", after.State, err)
		}
	}
}

// fault calls one operation while it fails, and wants an outcome that is true: never "it did not happen" where it
// may have. The call is made through a registry of its own: all the faults together would open the account's breaker.
func (s *suite) fault(t *testing.T, f Fault) {
	provider, err := channel.New(channel.Config{Source: s.Source, PublicURL: s.door.url}).Provider(t.Context(), s.Account.ID)
	if err != nil {
		t.Fatal(err)
	}
	p, a := s.order(t, s.Products[0])
	var refund *payment.Refund
	var call func(context.Context) error
	switch f.Operation {
	case "place":
		call = func(ctx context.Context) error { _, err := provider.Place(ctx, p, a); return err }
	case "query":
		s.place(t, p)
		call = func(ctx context.Context) error { _, err := provider.QueryOrder(ctx, a); return err }
	case "close":
		s.place(t, p)
		call = func(ctx context.Context) error { return provider.CloseOrder(ctx, a) }
	case "refund":
		p, _ = s.paid(t)
		a, refund = p.Current(), s.refundOf(p, 1, 100)
		call = func(ctx context.Context) error { _, err := provider.CreateRefund(ctx, p, refund); return err }
	case "query refund":
		p, _ = s.paid(t)
		a, refund = p.Current(), s.refundOf(p, 1, 100)
		if _, err := provider.CreateRefund(t.Context(), p, refund); err != nil {
			t.Fatal(err)
		}
		call = func(ctx context.Context) error { _, err := provider.QueryRefund(ctx, refund); return err }
	default:
		t.Fatalf("no operation %q", f.Operation)
	}
	heal := s.Break(t, a.TradeNo, f)
	ctx := t.Context()
	if f.Within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.Within)
		defer cancel()
	}
	err = call(ctx)
	heal()
	outcome(t, err, f.Allowed...)
	if f.Within == 0 { // of what the caller did not wait for, more may come
		s.truth(t, f, a, refund)
	}
}

// truth compares what the provider has done with what the fault says it did.
func (s *suite) truth(t *testing.T, f Fault, a *payment.Attempt, refund *payment.Refund) {
	t.Helper()
	provider := s.provider(t)
	var happened bool
	switch f.Operation {
	case "place":
		_, err := provider.QueryOrder(t.Context(), a)
		happened = err == nil
	case "close":
		r, err := provider.QueryOrder(t.Context(), a)
		happened = err == nil && r.State == payment.OrderClosed
	case "refund":
		_, err := provider.QueryRefund(t.Context(), refund)
		happened = err == nil
	default:
		return
	}
	if happened != f.Executed {
		t.Errorf("executed: %v, want %v; the outcome was judged under a wrong assumption", happened, f.Executed)
	}
}

func outcome(t *testing.T, err error, allowed ...payment.Outcome) {
	t.Helper()
	ce, ok := errors.AsType[*payment.ChannelError](err)
	if !ok || !slices.Contains(allowed, ce.Outcome) {
		t.Errorf("got %v, want %v", err, allowed)
	}
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	ignored := cmpopts.IgnoreFields(payment.OrderReport{}, "Evidence")
	ignoredToo := cmpopts.IgnoreFields(payment.RefundReport{}, "Evidence")
	if diff := cmp.Diff(want, got, ignored, ignoredToo, cmpopts.EquateApproxTime(0)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// doorstep receives notifications through the registry's doors and hands each to whoever waits for its number.
type doorstep struct {
	url      string
	registry *channel.Registry
	mu       sync.Mutex
	arrived  map[string]chan arrival
}

type arrival struct {
	payment.Notification

	err error
}

// expect waits for the notification about an order or refund.
func (d *doorstep) expect(number string) <-chan arrival {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := make(chan arrival, 10)
	d.arrived[number] = c
	return c
}

func (d *doorstep) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(r.URL.Path, "/") // /notify/channel/account
	door, ok := d.registry.Door(r.Context(), payment.Channel(parts[2]), parts[3])
	if !ok {
		http.NotFound(w, r)
		return
	}
	n, err := door.Parse(r)
	number := ""
	switch {
	case n.Order != nil:
		number = n.Order.TradeNo
	case n.Refund != nil:
		number = n.Refund.RefundNo
	}
	d.mu.Lock()
	waiting := d.arrived[number]
	d.mu.Unlock()
	if waiting != nil {
		waiting <- arrival{n, err}
	}
	door.Answer(w, err)
}
