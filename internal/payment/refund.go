package payment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tongbao-pay/tongbao/internal/ledger"
)

// RefundRequest is an app's wish to give money back.
type RefundRequest struct {
	PaymentID   string
	OutRefundNo string
	Amount      int64
	Reason      string
}

// Limits of refunds, the strictest of the providers'.
const (
	RefundsMax   = 50                   // per payment
	RefundWindow = 365 * 24 * time.Hour // after the payment succeeded
)

// refundFollowOffsets is when, after its creation, a refund is asked about; then hourly until it is final.
var refundFollowOffsets = []time.Duration{
	5 * time.Second, 15 * time.Second, 40 * time.Second, time.Minute, 2 * time.Minute, 3 * time.Minute, 4 * time.Minute, 5 * time.Minute,
	10 * time.Minute, 20 * time.Minute, 40 * time.Minute, 70 * time.Minute,
}

// refundStuckAfter is how long a refund may go unaccepted before a person is told.
const refundStuckAfter = 24 * time.Hour

// Refund reserves the amount, commits the refund, and asks the provider; or answers with the refund that the same
// request made before. created tells which. A pending refund in the answer is being looked after: it is repeated
// with the same number until the provider's answer is known.
func (s *Service) Refund(ctx context.Context, appID string, req RefundRequest) (refund *Refund, created bool, err error) {
	if err := req.validate(); err != nil {
		return nil, false, err
	}
	if r, err := s.repeated(ctx, appID, req); r != nil || err != nil {
		return r, false, err
	}
	p, err := s.Payment(ctx, appID, req.PaymentID)
	if err != nil {
		return nil, false, err
	}
	var r *Refund
	p, err = s.update(ctx, p, s.reload(p), func(p *Payment) (*Change, error) {
		if i := p.refund(func(r *Refund) bool { return r.OutRefundNo == req.OutRefundNo }); i != nil {
			r = nil // the same request, a moment earlier
			return nil, nil
		}
		now := s.clock()
		if err := p.allowRefund(req, now); err != nil {
			return nil, err
		}
		r = p.newRefund(req.OutRefundNo, p.refundable(req.Amount), req.Amount, req.Reason, now)
		c := &Change{Payment: p}
		c.addRefund(r, now, now.Add(refundFollowOffsets[0])) // the caller sends it at once
		return c, nil
	})
	if err != nil && !errors.Is(err, ErrConflict) {
		return nil, false, err
	}
	if r == nil || err != nil {
		earlier, again := s.repeated(ctx, appID, req)
		if earlier == nil && again == nil {
			again = err
		}
		return earlier, false, again
	}
	p, err = s.sendRefund(context.WithoutCancel(ctx), p, r.ID, firstSend)
	if _, ok := errors.AsType[*ChannelError](err); err != nil && !ok {
		return nil, false, err
	}
	return p.RefundByID(r.ID), true, nil
}

func (s *Service) repeated(ctx context.Context, appID string, req RefundRequest) (*Refund, error) {
	p, err := s.store.PaymentByOutRefundNo(ctx, appID, req.OutRefundNo)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r := p.refund(func(r *Refund) bool { return r.OutRefundNo == req.OutRefundNo })
	if r.PaymentID != req.PaymentID || r.Amount != req.Amount || r.Reason != req.Reason {
		return nil, &Error{Code: CodeNumberConflict, Field: "out_refund_no", Detail: fmt.Sprintf(
			"out_refund_no %q already belongs to refund %s with other content; use a new number for another refund, or repeat the first request unchanged", req.OutRefundNo, r.ID)}
	}
	return r, nil
}

func (r RefundRequest) validate() error {
	switch {
	case r.PaymentID == "":
		return invalid("payment_id", "is required")
	case !outNumber.MatchString(r.OutRefundNo):
		return invalid("out_refund_no", "must be 1 to 64 letters, digits, _ or -")
	case strings.HasPrefix(r.OutRefundNo, latePrefix):
		return invalid("out_refund_no", "must not begin with %q: those numbers are the gateway's own", latePrefix)
	case r.Amount < 1:
		return invalid("amount", "must be an integer of at least 1, in minor units")
	case utf8.RuneCountInString(r.Reason) > 80 || !basicText(r.Reason):
		return invalid("reason", "must be at most 80 characters of text without emoji")
	}
	return nil
}

func (p *Payment) allowRefund(req RefundRequest, now time.Time) error {
	switch {
	case p.AmountPaid == 0:
		return &Error{Code: CodeNotRefundable, Payment: p, Detail: fmt.Sprintf("payment %s is %s: only a paid payment can be refunded", p.ID, p.Status)}
	case req.Amount > p.Refundable():
		return &Error{Code: CodeRefundExceeds, Field: "amount", Payment: p, Detail: fmt.Sprintf(
			"%d is more than the %d left of payment %s: %d paid, %d refunded, %d reserved for refunds under way", req.Amount, p.Refundable(), p.ID, p.AmountPaid, p.AmountRefunded, p.AmountRefunding)}
	case p.refundable(req.Amount) == nil:
		return &Error{Code: CodeRefundExceeds, Field: "amount", Payment: p, Detail: fmt.Sprintf(
			"%d is more than is left of any one order that paid payment %s; refund what each of them paid on its own", req.Amount, p.ID)}
	case p.countedRefunds() >= RefundsMax:
		return &Error{Code: CodeRefundLimit, Payment: p, Detail: fmt.Sprintf("payment %s already has %d refunds, the provider's limit; give the rest back outside of it", p.ID, RefundsMax)}
	case now.Sub(p.PaidAt) > RefundWindow:
		return &Error{Code: CodeNotRefundable, Payment: p, Detail: fmt.Sprintf("payment %s was paid more than a year ago: the provider refunds no longer; give the money back outside of it", p.ID)}
	}
	return nil
}

// refundable is the attempt that a refund of the amount goes back from: the one that paid the payment, if enough is
// left of it. nil: there is none.
func (p *Payment) refundable(amount int64) *Attempt {
	if a := p.paidAttempt(); a != nil && p.left(a) >= amount {
		return a
	}
	i := slices.IndexFunc(p.Attempts, func(a *Attempt) bool { return p.left(a) >= amount })
	if i < 0 {
		return nil
	}
	return p.Attempts[i]
}

// countedRefunds is how many refunds count for the provider: those it has or may have.
func (p *Payment) countedRefunds() (n int) {
	for _, r := range p.Refunds {
		if r.Status != RefundFailed && r.Status != RefundClosed {
			n++
		}
	}
	return n
}

func (p *Payment) newRefund(outRefundNo string, a *Attempt, amount int64, reason string, now time.Time) *Refund {
	return &Refund{
		ID: newID(prefixRefund, now), PaymentID: p.ID, AppID: p.AppID, OutRefundNo: outRefundNo, RefundNo: refundNumber(a.MerchantID, now),
		TradeNo: a.TradeNo, Amount: amount, Currency: p.Currency, Reason: reason, Status: Refunds.first, CreatedAt: now,
	}
}

// addRefund reserves a refund's amount and commits the intent to make it. Its job looks after it from followAt on.
func (c *Change) addRefund(r *Refund, now, followAt time.Time) {
	p := c.Payment
	p.AmountRefunding += r.Amount
	p.Refunds = append(p.Refunds, r)
	c.Refunds = append(c.Refunds, r)
	c.refundEvent(r, EventRefundCreated, now)
	c.Jobs = append(c.Jobs, Job{Kind: FollowRefund, AppID: p.AppID, ResourceID: r.ID, At: followAt})
}

// Whether a refund may have been sent before. A provider that refuses both the refund and the question about it, as it
// does when a key is wrong, tells the outcome of a first send and not that of an earlier one.
const (
	firstSend    = true
	repeatedSend = false
)

// sendRefund asks the provider for a refund, always under its one number. A [*ChannelError] means that the
// outcome is not known or not final; the refund that comes with it stays pending.
func (s *Service) sendRefund(ctx context.Context, p *Payment, refundID string, first bool) (*Payment, error) {
	ctx, cancel := context.WithTimeout(about(ctx, p.ID), s.placeTimeout+commitTimeout)
	defer cancel()
	r := p.RefundByID(refundID)
	provider, err := s.provider(ctx, p, p.attempt(r.TradeNo))
	if err != nil {
		return p, err
	}
	sending, stop := context.WithTimeout(ctx, s.placeTimeout)
	report, err := provider.CreateRefund(sending, p, r)
	stop()
	if err == nil {
		return s.applyRefundReport(ctx, p, report, nil)
	}
	refusal := channelError(err)
	if refusal.Outcome == Refused {
		// An earlier send whose answer was lost may have been accepted: only "not there" makes the refusal final.
		report, err := provider.QueryRefund(ctx, r)
		if err == nil {
			return s.applyRefundReport(ctx, p, report, nil)
		}
		if asked := channelError(err); asked.Outcome == Absent || first && asked.Outcome == Refused {
			return s.refuseRefund(ctx, p, refundID, refusal)
		}
	}
	s.logger.Log(ctx, refusal.level(), "refund: not confirmed yet", "refund_id", refundID, "refund_no", r.RefundNo, "error", refusal)
	p, err = s.update(ctx, p, s.reload(p), func(p *Payment) (*Change, error) {
		r := p.RefundByID(refundID)
		if r.Status != RefundPending || refusal.Code == "" {
			return nil, nil
		}
		r.Error, r.UpdatedAt = refusal, s.clock()
		return &Change{Payment: p, Refunds: []*Refund{r}}, nil
	})
	if err != nil {
		return p, err
	}
	return p, refusal
}

func (s *Service) refuseRefund(ctx context.Context, p *Payment, refundID string, refusal *ChannelError) (*Payment, error) {
	return s.update(ctx, p, s.reload(p), func(p *Payment) (*Change, error) {
		now, r := s.clock(), p.RefundByID(refundID)
		to, ok := Refunds.Next(r.Status, OnRefundRefused)
		if !ok {
			return nil, nil
		}
		r.Status, r.Error, r.UpdatedAt = to, refusal, now
		p.AmountRefunding -= r.Amount
		c := &Change{Payment: p, Refunds: []*Refund{r}}
		c.refundEvent(r, EventRefundFailed, now)
		c.lateRefundEnded(r, now)
		return c, nil
	})
}

func (s *Service) askRefund(ctx context.Context, p *Payment, refundID string) (*Payment, error) {
	r := p.RefundByID(refundID)
	provider, err := s.provider(ctx, p, p.attempt(r.TradeNo))
	if err != nil {
		return p, err
	}
	report, err := provider.QueryRefund(ctx, r)
	if err != nil {
		return p, channelError(err)
	}
	return s.applyRefundReport(ctx, p, report, nil)
}

func (s *Service) applyRefundReport(ctx context.Context, p *Payment, report RefundReport, notice *Notice) (*Payment, error) {
	return s.update(ctx, p, s.reload(p), func(p *Payment) (*Change, error) {
		c, verdict := p.applyRefund(report, s.clock())
		return c.with(notice, p, verdict), nil
	})
}

// applyRefund computes what a provider's word about a refund changes, like [Payment.applyOrder].
func (p *Payment) applyRefund(report RefundReport, now time.Time) (*Change, Verdict) {
	r := p.refundByRefundNo(report.RefundNo)
	if r == nil {
		return p.holdRefund(p.ID, report, ReviewMismatch, fmt.Sprintf("the provider reports refund number %q, which is none of payment %s. Compare with the provider's console before acting", report.RefundNo, p.ID), now)
	}
	if differences := p.compareRefund(r, report); differences != "" {
		return p.holdRefund(r.ID, report, ReviewMismatch, "the provider's report disagrees with our row: "+differences+". Compare with the provider's console before acting", now)
	}
	var on RefundTrigger
	switch report.State {
	case RefundReportedProcessing:
		on = OnRefundAccepted
	case RefundReportedSucceeded:
		on = OnRefundSucceeded
	case RefundReportedAbnormal:
		on = OnRefundAbnormal
	case RefundReportedClosed:
		on = OnRefundClosed
	case RefundReportedUnrecognised:
		return p.holdRefund(r.ID, report, ReviewUnrecognised, fmt.Sprintf("the provider reports the refund state %q, which this version does not know. Look refund %s up in the provider's console", report.StateText, r.RefundNo), now)
	}
	to, ok := Refunds.Next(r.Status, on)
	if !ok {
		return nil, NoEffect
	}
	c := &Change{Payment: p, Refunds: []*Refund{r}}
	if r.ended() {
		if r.Amount > p.Refundable() {
			return p.holdRefund(r.ID, report, ReviewMismatch, fmt.Sprintf("refund %s is %s here, but the provider reports it as %s, and nothing of payment %s is left to book it on. Compare with the provider's console: more may have gone back than came in", r.RefundNo, r.Status, report.State, p.ID), now)
		}
		c.revive(r, report, now)
	}
	r.Status, r.Error, r.UpdatedAt = to, nil, now
	if report.ChannelRefundID != "" {
		r.ChannelRefundID = report.ChannelRefundID
	}
	switch to {
	case RefundSucceeded:
		p.settleRefund(c, r, report, now)
	case RefundAbnormal:
		c.refundEvent(r, EventRefundAbnormal, now)
		c.review(Review{
			AppID: p.AppID, AccountID: p.AccountID, Kind: ReviewAbnormal, SubjectID: r.ID, Evidence: report.Evidence,
			Summary: fmt.Sprintf("the payer's account cannot take refund %s. Name another account in the provider's console or by its abnormal-refund call", r.RefundNo),
		}, now)
	case RefundClosed:
		p.AmountRefunding -= r.Amount
		c.refundEvent(r, EventRefundClosed, now)
		c.lateRefundEnded(r, now)
	case RefundPending, RefundProcessing, RefundFailed:
	}
	return c, Applied
}

// revive counts a refund again that had ended here without moving money, because the provider has it after all.
func (c *Change) revive(r *Refund, report RefundReport, now time.Time) {
	c.review(Review{
		AppID: r.AppID, AccountID: c.Payment.AccountID, Kind: ReviewMismatch, SubjectID: r.ID, Evidence: report.Evidence,
		Summary: fmt.Sprintf("refund %s was %s here and the provider reports it as %s. It is counted again; if another refund was made in its place, the payer gets both", r.RefundNo, r.Status, report.State),
	}, now)
	c.Payment.AmountRefunding += r.Amount
	c.Jobs = append(c.Jobs, Job{Kind: FollowRefund, AppID: r.AppID, ResourceID: r.ID, At: now.Add(time.Minute)})
}

func (p *Payment) settleRefund(c *Change, r *Refund, report RefundReport, now time.Time) {
	r.SucceededAt = report.SucceededAt.UTC().Truncate(time.Millisecond)
	if report.SucceededAt.IsZero() {
		r.SucceededAt = now
	}
	p.AmountRefunding -= r.Amount
	p.AmountRefunded += r.Amount
	c.Postings = append(c.Postings, ledger.Refund(p.AppID, p.AccountID, r.ID, r.Amount, p.Currency, now))
	c.refundEvent(r, EventRefundSucceeded, now)
	if p.AmountRefunded < p.AmountPaid {
		return
	}
	if to, ok := Payments.Next(p.Status, OnRefundedFull); ok {
		p.Status = to
		c.paymentEvent(EventPaymentRefunded, now)
	}
}

// compareRefund is the one place where a report about a refund is held against our own row.
func (p *Payment) compareRefund(r *Refund, report RefundReport) string {
	var d differences
	a := p.attempt(r.TradeNo)
	d.text("account", report.AccountID, p.AccountID)
	if report.MerchantID != "" {
		d.text("merchant", report.MerchantID, a.MerchantID)
	}
	d.text("trade number", report.TradeNo, r.TradeNo)
	d.text("transaction", report.TransactionID, a.TransactionID)
	d.number("refund amount", report.Amount, r.Amount)
	d.number("order total", report.Total, p.Amount)
	if r.ChannelRefundID != "" {
		d.text("provider's refund number", report.ChannelRefundID, r.ChannelRefundID)
	}
	return strings.Join(d, "; ")
}

func (p *Payment) holdRefund(subjectID string, report RefundReport, kind ReviewKind, summary string, now time.Time) (*Change, Verdict) {
	c := &Change{}
	c.review(Review{AppID: p.AppID, AccountID: p.AccountID, Kind: kind, SubjectID: subjectID, Summary: summary, Evidence: report.Evidence}, now)
	return c, Held
}

// FollowRefund sends a refund again, under its one number, until the provider has it, and asks until it is final.
// It answers when to look again; the zero time means never. An error means that our own side failed.
func (s *Service) FollowRefund(ctx context.Context, appID, id string) (again time.Time, err error) {
	p, err := s.store.PaymentByRefundID(ctx, appID, id)
	if err != nil {
		return time.Time{}, err
	}
	ctx = about(ctx, p.ID)
	r := p.RefundByID(id)
	if r.terminal() {
		return time.Time{}, nil
	}
	p, err = s.askRefund(ctx, p, id)
	ce, isChannel := errors.AsType[*ChannelError](err)
	if isChannel && ce.Outcome == Absent && r.Status == RefundPending && !s.sending(r) {
		p, err = s.sendRefund(ctx, p, id, repeatedSend)
		ce, isChannel = errors.AsType[*ChannelError](err)
	}
	if isChannel {
		err = s.reportRefundStuck(ctx, p, id, ce)
	}
	if err != nil {
		return time.Time{}, err
	}
	if p.RefundByID(id).terminal() {
		return time.Time{}, nil
	}
	if isChannel && ce.Wait > 0 {
		return s.clock().Add(ce.Wait), nil
	}
	return next(r.CreatedAt, refundFollowOffsets, time.Hour, s.clock()), nil
}

// sending reports whether the request that made the refund may still be sending it. Two sends at once could end as
// one refusal, believed, and one refund made.
func (s *Service) sending(r *Refund) bool {
	return !r.late() && s.clock().Before(r.CreatedAt.Add(s.placeTimeout+commitTimeout))
}

func (s *Service) reportRefundStuck(ctx context.Context, p *Payment, id string, ce *ChannelError) error {
	now, r := s.clock(), p.RefundByID(id)
	if now.Sub(r.CreatedAt) < refundStuckAfter {
		return nil
	}
	c := &Change{}
	c.review(Review{
		AppID: p.AppID, AccountID: p.AccountID, Kind: ReviewRefundStuck, SubjectID: r.ID, Evidence: object(ce),
		Summary: fmt.Sprintf("the provider gives no good answer about refund %s, made at %s and %s here (%v). Mend the cause, such as the account's balance, or look it up in the provider's console; it is looked after hourly under the same number", r.RefundNo, r.CreatedAt.Format(time.RFC3339), r.Status, ce),
	}, now)
	return s.commit(ctx, c)
}
