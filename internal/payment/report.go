package payment

import (
	"fmt"
	"strings"
	"time"

	"github.com/tongbao-pay/tongbao/internal/ledger"
)

// applyOrder computes what a provider's word about an order changes. It returns a nil change where it changes
// nothing, and the verdict in any case.
func (p *Payment) applyOrder(r OrderReport, now time.Time) (*Change, Verdict) {
	a := p.attempt(r.TradeNo)
	if differences := p.compareOrder(a, r); differences != "" {
		return p.hold(r, ReviewMismatch, "the provider's report disagrees with our row: "+differences+". Compare with the provider's console before acting", now)
	}
	switch r.State {
	case OrderPaid:
		return p.applyPaid(a, r, now)
	case OrderClosed:
		return p.applyClosed(a, now)
	case OrderUnpaid:
		return p.applyUnpaid(a, now)
	case OrderUnrecognised:
	}
	return p.hold(r, ReviewUnrecognised, fmt.Sprintf("the provider reports the state %q, which this version does not know. Look the order up in the provider's console", r.StateText), now)
}

// compareOrder is the one place where a report about an order is held against our own row.
func (p *Payment) compareOrder(a *Attempt, r OrderReport) string {
	if a == nil {
		return fmt.Sprintf("trade number %q is none of payment %s", r.TradeNo, p.ID)
	}
	var d differences
	d.text("account", r.AccountID, p.AccountID)
	d.text("merchant", r.MerchantID, a.MerchantID)
	d.text("app id", r.MerchantAppID, a.MerchantAppID)
	if r.State == OrderPaid || r.Amount != 0 {
		d.number("amount", r.Amount, p.Amount)
		d.text("currency", string(r.Currency), string(p.Currency))
	}
	if r.State == OrderPaid && r.TransactionID == "" {
		d = append(d, "the transaction number is missing")
	}
	return strings.Join(d, "; ")
}

func (p *Payment) applyUnpaid(a *Attempt, now time.Time) (*Change, Verdict) {
	to, ok := Attempts.Next(a.Status, OnPlaced)
	if !ok {
		return nil, NoEffect
	}
	a.Status = to
	c := &Change{Payment: p, Attempts: []*Attempt{a}}
	c.waits(now)
	return c, Applied
}

func (p *Payment) applyClosed(a *Attempt, now time.Time) (*Change, Verdict) {
	to, ok := Attempts.Next(a.Status, OnClosed)
	if !ok {
		return nil, NoEffect
	}
	a.Status, a.ClosedAt = to, now
	c := &Change{Payment: p, Attempts: []*Attempt{a}}
	c.endPayment(now)
	return c, Applied
}

// endPayment ends the change's payment once none of its orders can be paid any more: as failed where the provider took
// none of them, else as closed.
func (c *Change) endPayment(now time.Time) {
	p := c.Payment
	on, event := OnRefused, EventPaymentFailed
	for _, a := range p.Attempts {
		switch a.Status {
		case AttemptPlacing, AttemptOpen, AttemptPaid:
			return
		case AttemptClosed:
			on, event = OnClosed, EventPaymentClosed
		case AttemptRefused:
		}
	}
	to, ok := Payments.Next(p.Status, on)
	if !ok {
		return
	}
	if p.Status = to; to == Closed {
		p.ClosedAt = now
	}
	c.paymentEvent(event, now) // its job goes on and asks for money that was in flight
}

func (p *Payment) applyPaid(a *Attempt, r OrderReport, now time.Time) (*Change, Verdict) {
	if a.Status == AttemptPaid {
		if a.TransactionID == r.TransactionID {
			return nil, NoEffect
		}
		return p.hold(r, ReviewDoublePaid, fmt.Sprintf("trade number %s was paid as transaction %s and is now reported paid as %s. Check both in the provider's console; refund the surplus there", a.TradeNo, a.TransactionID, r.TransactionID), now)
	}
	to, ok := Attempts.Next(a.Status, OnPaid)
	if !ok {
		return nil, NoEffect // unreachable: every other state can be paid
	}
	a.Status, a.TransactionID, a.PlacingUntil = to, r.TransactionID, time.Time{}
	p.AmountPaid += r.Amount
	c := &Change{Payment: p, Attempts: []*Attempt{a}}
	c.Postings = append(c.Postings, ledger.Collect(p.AppID, p.AccountID, a.ID, r.Amount, p.Currency, now))
	if to, ok := Payments.Next(p.Status, OnPaid); ok {
		p.Status, p.PaidAt = to, paidAt(r, now)
		c.paymentEvent(EventPaymentSucceeded, now)
		if current := p.Current(); current.Status != AttemptPaid { // nobody should pay that one any more
			c.Jobs = append(c.Jobs, current.followJob(p, now))
		}
		return c, Applied
	}
	p.late(c, a, r, now)
	return c, Applied
}

func paidAt(r OrderReport, now time.Time) time.Time {
	if r.PaidAt.IsZero() {
		return now
	}
	return r.PaidAt.UTC().Truncate(time.Millisecond)
}

// hold opens a review and moves nothing.
func (p *Payment) hold(r OrderReport, kind ReviewKind, summary string, now time.Time) (*Change, Verdict) {
	c := &Change{}
	c.review(Review{AppID: p.AppID, AccountID: r.AccountID, Kind: kind, SubjectID: p.ID, Summary: summary, Evidence: r.Evidence}, now)
	return c, Held
}

// differences collects what does not fit, in words for the person who reviews it.
type differences []string

func (d *differences) text(what, reported, ours string) {
	if reported != ours {
		*d = append(*d, fmt.Sprintf("%s %q instead of %q", what, reported, ours))
	}
}

func (d *differences) number(what string, reported, ours int64) {
	if reported != ours {
		*d = append(*d, fmt.Sprintf("%s %d instead of %d", what, reported, ours))
	}
}
