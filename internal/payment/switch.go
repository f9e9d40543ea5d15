package payment

import (
	"context"
	"fmt"
	"time"
)

// AttemptsMax bounds how often a payer may change their mind. Each attempt is an order at the provider that has to be
// looked after.
const AttemptsMax = 10

// pays is the request with the way to pay of an attempt: the product, and what the product must know.
func (r CreateRequest) pays(a *Attempt) CreateRequest {
	r.Product, r.Payer, r.ReturnURL = a.Product, a.Payer, a.ReturnURL
	return r
}

// intends reports whether a request wishes for this payment, whatever way to pay it names.
func (p *Payment) intends(r CreateRequest) bool { return r.pays(p.Attempts[0]).hash() == p.ContentHash }

// lastFor is the newest attempt for the way to pay that a request names, or nil. The address a payer comes from is no
// part of it: the same payer may come back from another.
func (p *Payment) lastFor(r CreateRequest) (last *Attempt) {
	for _, a := range p.Attempts {
		if a.Product == r.Product && a.Payer == r.Payer && a.ReturnURL == r.ReturnURL {
			last = a
		}
	}
	return last
}

// switchTo commits the intent to place another order for a payment, and the jobs that ask about it and that look after
// the order that the payer leaves. Nothing is assumed of that one: until the new one is placed it can be paid.
func (s *Service) switchTo(ctx context.Context, p *Payment, req CreateRequest) error {
	left := p.Current()
	if len(p.Attempts) >= AttemptsMax {
		return &Error{Code: CodeAttemptLimit, Payment: p, Detail: fmt.Sprintf(
			"payment %s already has %d orders at the provider, which is the limit; stay with product %s, or close the payment and create a new one with a new out_trade_no", p.ID, AttemptsMax, left.Product)}
	}
	if _, err := s.providers.Choose(ctx, p.Channel, req.Product, p.AccountID); err != nil {
		return err
	}
	now := s.clock()
	if err := s.addAttempt(ctx, p, req, now); err != nil {
		return err
	}
	if to, ok := Payments.Next(p.Status, OnSwitched); ok {
		p.Status = to
	}
	current := p.Current()
	jobs := []Job{left.followJob(p, now.Add(followOffsets[0]))}
	for _, offset := range followOffsets { // the payment's own job may sleep for long by now
		jobs = append(jobs, Job{Kind: AskAgain, AppID: p.AppID, ResourceID: current.ID, At: now.Add(offset)})
	}
	return s.commit(ctx, &Change{Payment: p, Attempts: []*Attempt{current}, Jobs: jobs})
}

func (a *Attempt) followJob(p *Payment, at time.Time) Job {
	return Job{Kind: FollowAttempt, AppID: p.AppID, ResourceID: a.ID, At: at}
}

// wants reports whether an attempt should be left open for the payer: the current one, and until that is placed any other.
func (p *Payment) wants(a *Attempt, now time.Time) bool {
	current := p.Current()
	return p.payable(now) && (a == current || current.Status == AttemptPlacing && (a.Status == AttemptPlacing || a.Status == AttemptOpen))
}

// FollowAttempt sees to it that an order that its payer left, or that another one's money made needless, is closed at the
// provider, and asks twice more for money that was in flight. It answers when to look again; the zero time means that
// nothing is left to do. The payment's own job goes on beside it.
func (s *Service) FollowAttempt(ctx context.Context, appID, id string) (again time.Time, err error) {
	p, err := s.store.PaymentByAttemptID(ctx, appID, id)
	if err != nil {
		return time.Time{}, err
	}
	var attempts []*Attempt
	if now := s.clock(); !p.nextAskOf(id, now, true).IsZero() {
		if current := p.Current(); current.ID != id && current.Status == AttemptPlacing {
			attempts = append(attempts, current) // what comes of it decides
		}
		attempts = append(attempts, p.attemptByID(id))
	}
	return s.follow(ctx, p, attempts, func(p *Payment, now time.Time, unanswered bool) time.Time { return p.nextAskOf(id, now, unanswered) })
}

// nextAskOf is when the order of an attempt that came or was left by a switch should be looked after next. unanswered says
// that it was just now, in vain.
func (p *Payment) nextAskOf(id string, now time.Time, unanswered bool) time.Time {
	a := p.attemptByID(id)
	switch {
	case p.Status == Closed, p.Status == Failed:
		return time.Time{} // the payment's own job has it
	case a == p.Current() && !p.Terminal():
		if p.payable(now) {
			return next(a.CreatedAt, followOffsets, time.Hour, now)
		}
		return time.Time{} // likewise
	case a.Status == AttemptPaid, a.Status == AttemptRefused:
		return time.Time{}
	case a.Status == AttemptClosed:
		return nextLateAsk(a.ClosedAt, now, unanswered)
	}
	left := p.Attempts[len(p.Attempts)-1].CreatedAt
	if p.PaidAt.After(left) {
		left = p.PaidAt
	}
	return next(left, followOffsets, time.Hour, now)
}
