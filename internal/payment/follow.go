package payment

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// followOffsets is when, after its creation, a payment is asked about if no notification settled it first.
// After the last one it is asked hourly until it expires.
var followOffsets = []time.Duration{
	10 * time.Second, 30 * time.Second, time.Minute, 3 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute,
}

// lateAskOffsets is when, after its close, a payment is asked about for money that was in flight. What gets no answer
// the last time is asked hourly until it does: the money's notification may be lost, too.
var lateAskOffsets = []time.Duration{time.Minute, 10 * time.Minute}

// stuckAfter is how long past its expiry a payment may stay unsettled before a person is told.
const stuckAfter = 24 * time.Hour

func (p *Payment) followJob(at time.Time) Job {
	return Job{Kind: FollowPayment, AppID: p.AppID, ResourceID: p.ID, At: at}
}

// FollowPayment asks the provider about a payment, settles it, and at its expiry closes it there and then here.
// It answers when to look again; the zero time means never. An error means that our own side failed.
func (s *Service) FollowPayment(ctx context.Context, appID, id string) (again time.Time, err error) {
	p, err := s.store.PaymentByID(ctx, appID, id)
	if err != nil {
		return time.Time{}, err
	}
	attempts := p.unsettled()
	if p.Status == Closed {
		attempts = p.unpaid() // for money that was in flight
	}
	return s.follow(ctx, p, attempts, (*Payment).nextAsk)
}

// follow looks after attempts of a payment, and asks next when to come again.
func (s *Service) follow(ctx context.Context, p *Payment, attempts []*Attempt, next func(p *Payment, now time.Time, unanswered bool) time.Time) (again time.Time, err error) {
	ctx = about(ctx, p.ID)
	p, err = s.each(ctx, p, attempts, s.settle)
	ce, unanswered := errors.AsType[*ChannelError](err)
	if unanswered {
		s.logger.Log(ctx, ce.level(), "follow payment: no answer yet", "payment_id", p.ID, "error", ce)
		err = s.reportStuck(ctx, p, attempts, ce)
	}
	if err != nil {
		return time.Time{}, err
	}
	if unanswered && ce.Wait > 0 { // it was not asked: that counts as no ask of the schedule
		return s.clock().Add(ce.Wait), nil
	}
	return next(p, s.clock(), unanswered), nil
}

// each does something about several attempts of a payment, one after the other. One that gets no answer keeps no other
// from its own: the [*ChannelError] in the end is the first of them.
func (s *Service) each(ctx context.Context, p *Payment, attempts []*Attempt, do func(context.Context, *Payment, *Attempt) (*Payment, error)) (*Payment, error) {
	var silence error
	for _, a := range attempts {
		var err error
		p, err = do(ctx, p, p.attempt(a.TradeNo))
		if _, ok := errors.AsType[*ChannelError](err); err != nil && !ok {
			return p, err
		}
		if silence == nil {
			silence = err
		}
	}
	return p, silence
}

// settle asks about the order of an attempt that the payer may pay, and shuts any other.
func (s *Service) settle(ctx context.Context, p *Payment, a *Attempt) (*Payment, error) {
	if p.wants(a, s.clock()) {
		p, _, err := s.ask(ctx, p, a)
		return p, err
	}
	return s.shut(ctx, p, a)
}

// AskAgain follows a payment, attempt or refund once more and leaves the schedule to the job that has it. What stays without an
// answer is reported again.
func (s *Service) AskAgain(ctx context.Context, appID, id string) (time.Time, error) {
	follow := s.FollowPayment
	switch {
	case strings.HasPrefix(id, prefixRefund):
		follow = s.FollowRefund
	case strings.HasPrefix(id, prefixAttempt):
		follow = s.FollowAttempt
	}
	_, err := follow(ctx, appID, id)
	return time.Time{}, err
}

// nextAsk is when a payment should be asked about next. unanswered says that it was asked about just now, in vain.
func (p *Payment) nextAsk(now time.Time, unanswered bool) time.Time {
	switch {
	case p.Status == Closed:
		return nextLateAsk(p.ClosedAt, now, unanswered)
	case p.Terminal():
		return time.Time{}
	}
	ends := p.ExpiresAt
	if !p.CloseRequestedAt.IsZero() && p.CloseRequestedAt.Before(ends) {
		ends = p.CloseRequestedAt
	}
	if now.Before(ends) {
		at := next(p.Current().CreatedAt, followOffsets, time.Hour, now)
		if at.After(ends) {
			return ends
		}
		return at
	}
	return next(ends, followOffsets, time.Hour, now)
}

// nextLateAsk is when something that was closed should be asked about next.
func nextLateAsk(closedAt, now time.Time, unanswered bool) time.Time {
	further := time.Duration(0)
	if unanswered {
		further = time.Hour
	}
	return next(closedAt, lateAskOffsets, further, now)
}

// next is the first of the offsets after since that lies in the future; after the last one every further step,
// or the zero time where there is no further step.
func next(since time.Time, offsets []time.Duration, further time.Duration, now time.Time) time.Time {
	for _, o := range offsets {
		if at := since.Add(o); at.After(now) {
			return at
		}
	}
	if further == 0 {
		return time.Time{}
	}
	last := since.Add(offsets[len(offsets)-1])
	return last.Add(now.Sub(last).Truncate(further) + further)
}

// heard is what came of asking: the state the provider reports, empty where it knows no such order, and what that
// meant here.
type heard struct {
	state   OrderState
	verdict Verdict
}

// ask brings the provider's word about an attempt. A [*ChannelError] means it gave none that can be used; the payment
// that comes with it is as it was.
func (s *Service) ask(ctx context.Context, p *Payment, a *Attempt) (*Payment, heard, error) {
	provider, err := s.provider(ctx, p, a)
	if err != nil {
		return p, heard{}, err
	}
	report, err := provider.QueryOrder(ctx, a)
	if err == nil {
		p, verdict, err := s.applyOrderReport(ctx, p, report, nil)
		return p, heard{report.State, verdict}, err
	}
	ce := channelError(err)
	switch {
	case ce.Outcome != Absent:
		return p, heard{}, ce
	case a.Status == AttemptOpen:
		return p, heard{}, s.vanished(ctx, p, a, ce)
	}
	return p, heard{}, nil // never placed, or not yet: expiry decides
}

// vanished tells a person of an order that its provider confirmed and does not know any more, and that a payer may
// be paying: asking the wrong merchant, or the wrong host, looks like this.
func (s *Service) vanished(ctx context.Context, p *Payment, a *Attempt, ce *ChannelError) error {
	c := &Change{}
	c.review(Review{
		AppID: p.AppID, AccountID: p.AccountID, Kind: ReviewMismatch, SubjectID: p.ID, Evidence: object(ce),
		Summary: fmt.Sprintf("the provider confirmed order %s of payment %s and now says that there is none. Check the account's mchid and base_url: is it still the one the order was placed with? It is not closed here meanwhile", a.TradeNo, p.ID),
	}, s.clock())
	if err := s.commit(ctx, c); err != nil {
		return err
	}
	return &ChannelError{Outcome: Unknown, Code: ce.Code, Message: "the provider does not know an order that it confirmed", RequestID: ce.RequestID}
}

// provider is the account that an attempt was placed through. Where the account is gone, cannot be used, or has
// become another merchant's, nothing can be learned about the attempt: the error is a [*ChannelError] of unknown
// outcome, so that the asking goes on and a person is told in time.
func (s *Service) provider(ctx context.Context, p *Payment, a *Attempt) (Provider, error) {
	provider, err := s.providers.Provider(ctx, p.AccountID)
	if unusable, ok := errors.AsType[*Error](err); ok {
		return nil, &ChannelError{Outcome: Unknown, Message: unusable.Detail}
	}
	if err != nil {
		return nil, err
	}
	if merchantID, _, err := provider.Identity(a.Product); err == nil && merchantID != a.MerchantID {
		return nil, &ChannelError{Outcome: Unknown, Message: fmt.Sprintf("the order was placed for merchant %s and account %s is merchant %s now", a.MerchantID, p.AccountID, merchantID)}
	}
	return provider, nil
}

// applyOrderReport commits what a report changes, with the notice that brought it, if one did. That a transaction pays
// one order only is the commit's to refuse; who has it is asked after a refusal.
func (s *Service) applyOrderReport(ctx context.Context, p *Payment, report OrderReport, notice *Notice) (_ *Payment, verdict Verdict, err error) {
	refused := false
	p, err = s.update(ctx, p, s.reload(p), func(p *Payment) (*Change, error) {
		if refused && report.State == OrderPaid {
			owner, err := s.store.TransactionOwner(ctx, p.AccountID, report.TransactionID)
			if err != nil {
				return nil, err
			}
			if owner != "" && owner != report.TradeNo {
				var c *Change
				c, verdict = p.hold(report, ReviewDoublePaid, fmt.Sprintf("transaction %s already paid trade number %s and is now reported for %s. Compare both in the provider's console", report.TransactionID, owner, report.TradeNo), s.clock())
				return c.with(notice, p, verdict), nil
			}
		}
		refused = true // if this is called again
		var c *Change
		c, verdict = p.applyOrder(report, s.clock())
		return c.with(notice, p, verdict), nil
	})
	return p, verdict, err
}

// shut sees to it that nobody can pay the order of an attempt: asked, closed at the provider, and only then closed here.
// An order that is being placed has to wait: it could appear at the provider after the provider said that there is none.
// What is closed here is asked about again, and closed again where a lost request left it open there.
func (s *Service) shut(ctx context.Context, p *Payment, a *Attempt) (*Payment, error) {
	if s.clock().Before(a.PlacingUntil) {
		return p, &ChannelError{Outcome: Unknown, Message: "the order is being placed"}
	}
	p, heard, err := s.ask(ctx, p, a)
	if err != nil {
		return p, err
	}
	a = p.attempt(a.TradeNo)
	switch {
	case heard.verdict == Held:
		return p, &ChannelError{Outcome: Unknown, Message: "the provider's report waits for a review"}
	case heard.state == "" && a.Status == AttemptPlacing: // closed all the same: its request may still arrive
	case heard.state != OrderUnpaid:
		return p, nil
	}
	provider, err := s.provider(ctx, p, a)
	if err != nil {
		return p, err
	}
	if err := provider.CloseOrder(ctx, a); err != nil {
		refusal := channelError(err)
		if refusal.Outcome != Refused {
			return p, refusal
		}
		p, heard, err = s.ask(ctx, p, a) // the usual reason: the payer was faster
		if err == nil && heard.state != OrderPaid && heard.state != OrderClosed {
			err = refusal
		}
		return p, err
	}
	return s.update(ctx, p, s.reload(p), func(p *Payment) (*Change, error) {
		c, _ := p.applyClosed(p.attempt(a.TradeNo), s.clock())
		return c, nil
	})
}

func (s *Service) reportStuck(ctx context.Context, p *Payment, attempts []*Attempt, ce *ChannelError) error {
	now, ended, what := s.clock(), p.ExpiresAt, "expired"
	if p.Status == Closed {
		ended, what = p.ClosedAt, "was closed"
	}
	if now.Sub(ended) < stuckAfter {
		return nil
	}
	c := &Change{}
	c.review(Review{
		AppID: p.AppID, AccountID: p.AccountID, Kind: ReviewStuck, SubjectID: p.ID, Evidence: object(ce),
		Summary: fmt.Sprintf("payment %s %s at %s and its provider still gives no trustworthy answer (%v). Look %s up in the provider's console; asking goes on hourly", p.ID, what, ended.Format(time.RFC3339), ce, orders(attempts)),
	}, now)
	return s.commit(ctx, c)
}

// orders names the orders of attempts.
func orders(attempts []*Attempt) string {
	numbers := make([]string, len(attempts))
	for i, a := range attempts {
		numbers[i] = a.TradeNo
	}
	if len(numbers) == 1 {
		return "order " + numbers[0]
	}
	return "orders " + strings.Join(numbers, ", ")
}
