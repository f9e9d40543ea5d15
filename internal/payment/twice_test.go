package payment_test

import (
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

// twoProducts is a payment with an order for each of two products at the provider, both waiting for the payer.
func twoProducts(t *testing.T, policy payment.LatePolicy) (b *bundle, p *payment.Payment) {
	t.Helper()
	b = newBundle(t)
	b.app.LatePolicy = policy
	b.create()
	p = b.switched(payment.App)
	return b, p
}

// payOrder lets the payer pay one of the orders, and the provider tell of it.
func (b *bundle) payOrder(id, tradeNo string) {
	b.t.Helper()
	b.provider.pay(tradeNo)
	b.deliver(b.orderOf(id, tradeNo), payment.Applied)
}

// TestPaidOnTwoProducts is the payment of a payer who pays both orders.
func TestPaidOnTwoProducts(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]int{"TheOlderFirst": 0, "TheNewerFirst": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for policy, refundedByItself := range map[payment.LatePolicy]bool{payment.LateRefund: true, payment.LateAccept: true, payment.LateReview: false} {
				t.Run(string(policy), func(t *testing.T) {
					t.Parallel()
					b, p := twoProducts(t, policy)
					winner, loser := p.Attempts[first], p.Attempts[1-first]
					b.payOrder("n1", winner.TradeNo)
					b.payOrder("n2", loser.TradeNo)
					for _, again := range []*payment.Attempt{winner, loser} {
						b.deliver(b.orderOf("again-"+again.ID, again.TradeNo), payment.NoEffect)
					}
					b.happened(p.ID, "payment.created payment.succeeded payment.late_paid")
					p = b.load(p)
					if shown := p.Resource(); shown.TradeNo != winner.TradeNo || shown.Product != winner.Product || shown.AmountPaid != 2000 || !shown.LatePaid {
						t.Errorf("%+v", shown)
					}
					if refundedByItself {
						b.reviews("")
					} else {
						b.reviews("double_paid")
						b.decide(b.open(), payment.ActionRefund)
					}
					b.run(time.Second)
					p = b.load(p)
					if len(p.Refunds) != 1 || p.Refunds[0].TradeNo != loser.TradeNo || p.Refunds[0].Amount != 1000 {
						t.Fatalf("%+v", p.Refunds)
					}
					b.provider.settle(p.Refunds[0].RefundNo, payment.RefundReportedSucceeded)
					b.run(time.Hour)
					b.status(b.load(p), payment.Succeeded)

					r := b.refund(p, "the-rest", 1000) // of the order that counted
					if r.TradeNo != winner.TradeNo || r.Status != payment.RefundProcessing {
						t.Errorf("%+v", r)
					}
					b.provider.settle(r.RefundNo, payment.RefundReportedSucceeded)
					b.run(2 * time.Hour)
					b.status(b.load(p), payment.Refunded)
					b.sound(p)
				})
			}
		})
	}
	t.Run("AfterACloseBothAreLate", func(t *testing.T) {
		t.Parallel()
		b, p := twoProducts(t, payment.LateReview)
		for _, a := range p.Attempts {
			r, _ := b.provider.order(a.TradeNo)
			r.State = payment.OrderClosed
			b.deliver(payment.Notification{AccountID: "acc", ID: "closed-" + a.ID, Order: &r, Body: []byte(`{}`)}, payment.Applied)
		}
		b.status(b.load(p), payment.Closed)
		b.payOrder("n1", p.Attempts[0].TradeNo)
		b.payOrder("n2", p.Attempts[1].TradeNo)
		b.decide(b.open(), payment.ActionAccept)
		b.status(b.load(p), payment.Succeeded)
		b.reviews("double_paid")
		b.decide(b.open(), payment.ActionRefund)
		b.run(time.Second)
		if p = b.load(p); len(p.Refunds) != 1 || p.Refunds[0].TradeNo != p.Attempts[1].TradeNo {
			t.Errorf("%+v", p.Refunds)
		}
	})
	t.Run("NoRefundIsLargerThanItsOrder", func(t *testing.T) {
		t.Parallel()
		b, p := twoProducts(t, payment.LateReview)
		b.payOrder("n1", p.Attempts[0].TradeNo)
		b.payOrder("n2", p.Attempts[1].TradeNo)
		_, _, err := b.Refund(t.Context(), "app", payment.RefundRequest{PaymentID: p.ID, OutRefundNo: "r1", Amount: 2000})
		refusedWith(t, err, payment.CodeRefundExceeds, "amount")
		b.refund(p, "r2", 700)
		if r := b.refund(p, "r3", 400); r.TradeNo != p.Attempts[1].TradeNo {
			t.Errorf("%+v", r)
		}
	})
}
