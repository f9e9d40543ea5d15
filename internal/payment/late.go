package payment

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// latePrefix marks the refunds that give late money back.
const latePrefix = "late-"

// lateReason is what the payer reads about such a refund.
const lateReason = "late payment"

// late handles money for a payment that had already ended: closed, failed, or paid by another attempt.
func (p *Payment) late(c *Change, a *Attempt, r OrderReport, now time.Time) {
	p.LatePaid, a.Late = true, true
	if p.PaidAt.IsZero() {
		p.PaidAt = paidAt(r, now)
	}
	to, acceptable := Payments.Next(p.Status, OnLateAccepted)
	switch {
	case p.LatePolicy == LateAccept && acceptable:
		p.Status, a.Late = to, false
		c.paymentEvent(EventPaymentLatePaid, now)
		c.followClosed(now)
	case p.LatePolicy == LateReview:
		c.paymentEvent(EventPaymentLatePaid, now)
		c.reviewLate(a, r.Evidence, now)
	default:
		refund := p.newRefund(p.lateNumber(a), a, r.Amount, lateReason, now)
		c.paymentEvent(EventPaymentLatePaid, now)
		c.addRefund(refund, now, now) // nobody waits for it: its job sends it
	}
}

// followClosed goes on asking about the closed orders of a payment that accepts late money: its own job, which did until
// then, ends with that.
func (c *Change) followClosed(now time.Time) {
	for _, a := range c.Payment.newest(AttemptClosed) {
		c.Jobs = append(c.Jobs, a.followJob(c.Payment, now))
	}
}

// reviewLate asks a person about money that came after the end: for a payment that can still take it, or beside the
// money that it took.
func (c *Change) reviewLate(a *Attempt, evidence json.RawMessage, now time.Time) {
	p := c.Payment
	v := Review{
		AppID: p.AppID, AccountID: p.AccountID, Kind: ReviewLatePaid, SubjectID: p.ID, Evidence: evidence,
		Summary: fmt.Sprintf("payment %s was %s when its money arrived. Accept it and deliver, or refund it", p.ID, p.Status),
	}
	if _, acceptable := Payments.Next(p.Status, OnLateAccepted); !acceptable {
		v.Kind = ReviewDoublePaid
		v.Summary = fmt.Sprintf("payment %s was %s when order %s paid it once more. Refund what came twice", p.ID, p.Status, a.TradeNo)
	}
	c.review(v, now)
}

// lateRefundEnded tells a person that late money could not be given back: no app asked for that refund, and none will
// ask again.
func (c *Change) lateRefundEnded(r *Refund, now time.Time) {
	if !r.late() {
		return
	}
	p := c.Payment
	v := Review{
		AppID: r.AppID, AccountID: p.AccountID, Kind: ReviewLatePaid, SubjectID: r.PaymentID, Evidence: object(r.Resource()),
		Summary: fmt.Sprintf("the money of payment %s arrived after its end, and giving it back failed: refund %s is %s. Mend the cause and refund it again, or deliver", r.PaymentID, r.RefundNo, r.Status),
	}
	if _, acceptable := Payments.Next(p.Status, OnLateAccepted); !acceptable {
		v.Kind = ReviewDoublePaid
	}
	c.review(v, now)
}

// lateAttempts are those whose money came after the end, was not accepted, and is not given back whole.
func (p *Payment) lateAttempts() (late []*Attempt) {
	for _, a := range p.Attempts {
		if a.Late && p.left(a) > 0 {
			late = append(late, a)
		}
	}
	return late
}

func (p *Payment) lateLeft() (sum int64) {
	for _, a := range p.lateAttempts() {
		sum += p.left(a)
	}
	return sum
}

// lateNumber is the app's number for the next refund of an attempt's late money.
func (p *Payment) lateNumber(a *Attempt) string {
	number, n := latePrefix+a.ID, 0
	for _, r := range p.Refunds {
		if strings.HasPrefix(r.OutRefundNo, number) {
			n++
		}
	}
	if n == 0 {
		return number
	}
	return fmt.Sprintf("%s-%d", number, n+1)
}
