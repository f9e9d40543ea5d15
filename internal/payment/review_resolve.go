package payment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// ResolveRequest is a person's decision about a review.
type ResolveRequest struct {
	AppID    string // empty: of what belongs to no app
	ReviewID string
	Action   ReviewAction
	Note     string // why; may be empty
	By       string // the API key's id, or [ByOperator]
}

const noteMax = 500

// Review returns the app's review, or an [*Error] with [CodeNotFound].
func (s *Service) Review(ctx context.Context, appID, id string) (*Review, error) {
	v, err := s.store.ReviewByID(ctx, appID, id)
	if errors.Is(err, ErrNotFound) {
		return nil, notFound("review", id)
	}
	return v, err
}

// ResolveReview ends a review and does what was decided, in one database transaction. The same decision again is done
// already. No provider is asked here: what the decision asks of one is a job, committed with it.
func (s *Service) ResolveReview(ctx context.Context, req ResolveRequest) (*Review, error) {
	if utf8.RuneCountInString(req.Note) > noteMax || !basicText(strings.ReplaceAll(req.Note, "\n", " ")) {
		return nil, invalid("note", "must be at most %d characters of text without emoji", noteMax)
	}
	v, err := s.Review(ctx, req.AppID, req.ReviewID)
	if err != nil {
		return nil, err
	}
	if v.State() == ReviewOpen {
		resolved, err := s.resolve(ctx, v, req)
		refusal, refused := errors.AsType[*Error](err)
		if !refused && !errors.Is(err, ErrResolved) {
			return resolved, err
		}
		if v, err = s.Review(ctx, req.AppID, req.ReviewID); err != nil { // somebody else, a moment earlier
			return nil, err
		}
		if refused && v.State() == ReviewOpen {
			return nil, refusal
		}
	}
	if v.Resolution != req.Action || v.Note != req.Note {
		return nil, &Error{Code: CodeReviewResolved, Detail: fmt.Sprintf("review %s was resolved at %s as %q by %s; look at it, there is nothing left to decide", v.ID, v.ResolvedAt.Format(time.RFC3339), v.Resolution, v.ResolvedBy)}
	}
	return v, nil
}

func (s *Service) resolve(ctx context.Context, v *Review, req ResolveRequest) (*Review, error) {
	if !slices.Contains(v.Kind.Actions(), req.Action) {
		return nil, v.refuse(fmt.Sprintf("a review of kind %q", v.Kind), v.Kind.Actions())
	}
	now := s.clock()
	switch req.Action {
	case ActionAccept, ActionRefund:
		return s.resolvePayment(ctx, v, req)
	case ActionAsk:
		c := &Change{Jobs: []Job{{Kind: AskAgain, AppID: v.AppID, ResourceID: v.SubjectID, At: now}}}
		return c.resolve(v, req, now), s.commit(ctx, c)
	case ActionAcknowledge:
	}
	c := &Change{}
	return c.resolve(v, req, now), s.commit(ctx, c)
}

// resolvePayment decides about money that is in our books already.
func (s *Service) resolvePayment(ctx context.Context, v *Review, req ResolveRequest) (resolved *Review, err error) {
	load := func(ctx context.Context) (*Payment, error) { return s.store.PaymentByID(ctx, v.AppID, v.SubjectID) }
	_, err = s.update(ctx, nil, load, func(p *Payment) (*Change, error) {
		now, c := s.clock(), &Change{Payment: p}
		settle := c.refundLate
		if req.Action == ActionAccept {
			settle = c.acceptLate
		}
		if err := settle(v, now); err != nil {
			return nil, err
		}
		resolved = c.resolve(v, req, now)
		return c, nil
	})
	return resolved, err
}

// resolve ends a review; its app hears of it.
func (c *Change) resolve(open *Review, req ResolveRequest, now time.Time) *Review {
	v := *open
	v.ResolvedAt, v.Resolution, v.Note, v.ResolvedBy = now, req.Action, req.Note, req.By
	c.Resolved = &v
	c.reviewEvent(&v, EventReviewResolved, 2, now)
	return &v
}

// refuse says what can be decided instead.
func (v *Review) refuse(what string, allowed []ReviewAction) *Error {
	words := make([]string, len(allowed))
	for i, a := range allowed {
		words[i] = string(a)
	}
	return &Error{Code: CodeReviewAction, Field: "action", Detail: fmt.Sprintf("%s can be resolved by: %s", what, strings.Join(words, ", "))}
}

// acceptLate lets a payment succeed by its late money. Where that came more than once, the rest waits for a decision of
// its own.
func (c *Change) acceptLate(v *Review, now time.Time) error {
	p := c.Payment
	late := p.lateAttempts()
	to, ok := Payments.Next(p.Status, OnLateAccepted)
	if !ok || len(late) == 0 {
		return v.refuse(fmt.Sprintf("payment %s is %s with %d left of its late money: it", p.ID, p.Status, p.lateLeft()), []ReviewAction{ActionRefund, ActionAcknowledge})
	}
	a := late[0]
	p.Status, a.Late = to, false
	c.Attempts = append(c.Attempts, a)
	c.paymentEvent(EventPaymentSucceeded, now)
	c.followClosed(now)
	if len(late) > 1 {
		c.reviewLate(late[1], v.Evidence, now)
	}
	return nil
}

// refundLate gives back what is left of all late money of a payment.
func (c *Change) refundLate(v *Review, now time.Time) error {
	p := c.Payment
	late := p.lateAttempts()
	if len(late) == 0 {
		return v.refuse(fmt.Sprintf("nothing is left of the late money of payment %s, here: the review", p.ID), []ReviewAction{ActionAcknowledge})
	}
	for _, a := range late {
		if err := p.allowRefund(RefundRequest{Amount: p.left(a)}, now); err != nil {
			return err
		}
		c.giveBack(a, now)
	}
	return nil
}

// giveBack refunds what is left of an attempt. A refund that the provider refused is sent again under its own number;
// only one that the provider itself closed is replaced by another.
func (c *Change) giveBack(a *Attempt, now time.Time) {
	p, left := c.Payment, c.Payment.left(a)
	failed := p.refund(func(r *Refund) bool {
		return r.late() && r.TradeNo == a.TradeNo && r.Status == RefundFailed && r.Amount == left
	})
	if failed == nil {
		c.addRefund(p.newRefund(p.lateNumber(a), a, left, lateReason, now), now, now)
		return
	}
	to, _ := Refunds.Next(failed.Status, OnRefundRepeated)
	failed.Status, failed.UpdatedAt = to, now
	p.AmountRefunding += failed.Amount
	c.Refunds = append(c.Refunds, failed)
	c.Jobs = append(c.Jobs, Job{Kind: FollowRefund, AppID: p.AppID, ResourceID: failed.ID, At: now})
}
