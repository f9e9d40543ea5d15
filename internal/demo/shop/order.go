package shop

import (
	"fmt"
	"slices"
	"time"

	"github.com/tongbao-pay/tongbao/client"
)

// order is one sale: what the shop knows of its payment and refunds, from the gateway's answers and webhooks.
type order struct {
	No       string // also the payment's out_trade_no
	Product  product
	PlacedAt time.Time

	Payment  client.Payment // ID empty: the gateway has not been heard of it yet
	Sequence int64          // of the last webhook about the payment
	Refunds  []refund
	Steps    []step
	Problem  *problem // of the last call to the gateway

	Version int64 // counts changes
}

// refund is money on its way back.
type refund struct {
	No       string // out_refund_no
	ID       string // empty: no answer is known, repeat with the same number
	Amount   int64  // fen
	Status   string // one of the client's Refund... constants
	Sequence int64  // of the last webhook about it
	Own      bool   // the shop's wish; otherwise the gateway's own doing, as for late money
}

// stepsMax bounds an order's timeline; the earliest steps stay.
const stepsMax = 200

func (o *order) note(s step) {
	if len(o.Steps) < stepsMax {
		o.Steps = append(o.Steps, s)
	}
}

// paymentRank orders the states of a payment in time. Answers and webhooks overtake each other; what is known never
// goes back.
func paymentRank(status string) int {
	switch status {
	case client.PaymentPending:
		return 1
	case client.PaymentClosed, client.PaymentFailed:
		return 2
	case client.PaymentSucceeded: // also after closed: late money that was accepted
		return 3
	case client.PaymentRefunded:
		return 4
	default:
		return 0
	}
}

// learn takes over a payment as the gateway showed it, unless more is known already. Only answers carry a
// credential, so it outlives the webhooks.
func (o *order) learn(p client.Payment) {
	if p.Credential == nil {
		p.Credential = o.Payment.Credential
	}
	if paymentRank(p.Status) < paymentRank(o.Payment.Status) {
		o.Payment.Credential = p.Credential
		return
	}
	o.Payment = p
}

func refundRank(status string) int {
	switch status {
	case client.RefundProcessing, client.RefundAbnormal:
		return 1
	case client.RefundSucceeded, client.RefundClosed, client.RefundFailed:
		return 2
	default:
		return 0
	}
}

// learnRefund is learn for a refund, and returns what the order holds of it.
func (o *order) learnRefund(r client.Refund) *refund {
	known := o.refundByNo(r.OutRefundNo)
	if known == nil {
		o.Refunds = append(o.Refunds, refund{No: r.OutRefundNo, Amount: r.Amount})
		known = &o.Refunds[len(o.Refunds)-1]
	}
	known.ID = r.ID
	if refundRank(r.Status) >= refundRank(known.Status) {
		known.Status = r.Status
	}
	return known
}

func (o *order) refundByNo(no string) *refund {
	i := slices.IndexFunc(o.Refunds, func(r refund) bool { return r.No == no })
	if i < 0 {
		return nil
	}
	return &o.Refunds[i]
}

// nextRefundNo is the number of the shop's next refund. The page carries it, so pressing twice asks once.
func (o *order) nextRefundNo() string {
	n := 1
	for _, r := range o.Refunds {
		if r.Own {
			n++
		}
	}
	return fmt.Sprintf("%s-r%d", o.No, n)
}

// Refunded is what arrived back at the payer, in fen.
func (o *order) Refunded() int64 {
	return o.sum(func(r refund) bool { return r.Status == client.RefundSucceeded })
}

// Refunding is what is on its way back, in fen.
func (o *order) Refunding() int64 {
	return o.sum(func(r refund) bool { return refundRank(r.Status) < 2 })
}

// Refundable is what may still be given back, in fen.
func (o *order) Refundable() int64 {
	if o.Payment.Status != client.PaymentSucceeded {
		return 0
	}
	return max(0, o.Payment.AmountPaid-o.Refunded()-o.Refunding())
}

func (o *order) sum(which func(refund) bool) (fen int64) {
	for _, r := range o.Refunds {
		if which(r) {
			fen += r.Amount
		}
	}
	return fen
}

// part is the smaller refund on offer: one yuan, or half where that is less; 0 where nothing can be divided.
func (o *order) part() int64 { return min(100, o.Refundable()/2) }
