package payment_test

import (
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

func TestLateMoney(t *testing.T) {
	t.Parallel()
	late := func(t *testing.T, policy payment.LatePolicy) (*bundle, *payment.Payment) {
		t.Helper()
		b := newBundle(t)
		b.app.LatePolicy = policy
		p := b.closed()
		b.provider.payLate(p.Current().TradeNo)
		b.notify("late", p, payment.Applied)
		b.notify("late", p, payment.Duplicated)
		b.notify("late again", p, payment.NoEffect)
		return b, p
	}
	t.Run("RefundGivesItBackByItself", func(t *testing.T) {
		t.Parallel()
		b, p := late(t, payment.LateRefund)
		b.happened(p.ID, "payment.created payment.closed payment.late_paid")
		b.run(5 * time.Second)
		p = b.load(p)
		if len(p.Refunds) != 1 || p.Refunds[0].Amount != 1000 || !p.LatePaid {
			t.Fatalf("%+v", p)
		}
		b.provider.settle(p.Refunds[0].RefundNo, payment.RefundReportedSucceeded)
		b.run(time.Hour)
		b.happened(p.Refunds[0].ID, "refund.created refund.succeeded")
		b.status(b.load(p), payment.Closed)
		b.sound(p)
	})
	t.Run("AGivingBackThatIsRefusedWaitsForAPerson", func(t *testing.T) {
		t.Parallel()
		b, p := late(t, payment.LateRefund)
		b.provider.next("refund", refusal("NO_AUTH"))
		b.run(5 * time.Second)
		b.refundStatus(p, b.load(p).Refunds[0].ID, payment.RefundFailed)
		b.reviews("late_paid")
	})
	t.Run("AcceptLetsThePaymentSucceed", func(t *testing.T) {
		t.Parallel()
		b, p := late(t, payment.LateAccept)
		b.status(b.load(p), payment.Succeeded)
		b.happened(p.ID, "payment.created payment.closed payment.late_paid")
		r := b.refund(p, "r1", 1000)
		b.provider.settle(r.RefundNo, payment.RefundReportedSucceeded)
		b.run(time.Hour)
		b.status(b.load(p), payment.Refunded)
		b.sound(p)
	})
	t.Run("ReviewLetsAPersonDecide", func(t *testing.T) {
		t.Parallel()
		b, p := late(t, payment.LateReview)
		b.status(b.load(p), payment.Closed)
		b.reviews("late_paid")
		b.refund(p, "by-hand", 1000)
		b.sound(p)
	})
	t.Run("MoneyForAFailedPaymentIsLateToo", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.provider.next("place", effect{outcome: payment.Refused, code: "PARAM_ERROR", executed: true})
		b.provider.next("query", effect{outcome: payment.Absent})
		_, err := b.Create(t.Context(), b.app, b.request("order"))
		p := refusedWith(t, err, payment.CodeChannelRefused, "").Payment
		b.provider.payLate(p.Current().TradeNo)
		b.notify("n1", p, payment.Applied)
		b.happened(p.ID, "payment.created payment.failed payment.late_paid")
		if p = b.load(p); len(p.Refunds) != 1 {
			t.Errorf("%+v", p)
		}
		b.sound(p)
	})
}
