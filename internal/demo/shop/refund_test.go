package shop

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/tongbao-pay/tongbao/client"
)

func TestRefund(t *testing.T) {
	t.Parallel()

	t.Run("APartIsRefundedAndThenTheRest", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		no := b.paid()
		page := b.page("/orders/" + no)
		shows(t, page, no+"-r1", `id="refund-part"`, "退 ¥0.44", "全部退 ¥0.88")

		b.pressed("/orders/"+no+"/refunds", url.Values{"out_refund_no": {no + "-r1"}, "size": {"part"}})
		b.wantState(no, "paid")
		shows(t, b.page("/orders/"+no), "退款中", "渠道处理中", no+"-r2", "退剩余 ¥0.44")

		b.event("evt_r1", client.EventRefundSucceeded, 2, b.refunded(no, nil))
		b.wantState(no, "part_refunded")
		shows(t, b.page("/orders/"+no), `id="refunded">¥0.44`, "已到账", "退剩余 ¥0.44")

		b.pressed("/orders/"+no+"/refunds", url.Values{"out_refund_no": {no + "-r2"}, "size": {"all"}})
		hides(t, b.page("/orders/"+no), `id="refund-all"`, `id="refund-part"`)
		b.event("evt_r2", client.EventRefundSucceeded, 2, b.refunded(no, object{"id": "rfd_2", "out_refund_no": no + "-r2"}))
		b.event("evt_p3", client.EventPaymentRefunded, 3, with(b.succeeded(no), object{"status": "refunded"}))
		b.wantState(no, "refunded")
		shows(t, b.page("/orders/"+no), `id="refunded">¥0.88`)
	})

	t.Run("TheSameFormSentTwiceIsOneRefund", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		no := b.paid()
		form := url.Values{"out_refund_no": {no + "-r1"}, "size": {"part"}}
		b.pressed("/orders/"+no+"/refunds", form)
		b.pressed("/orders/"+no+"/refunds", form)
		if len(b.gateway.refunds) != 1 || b.gateway.count("refund") != 1 {
			t.Fatalf("%d calls made %d refunds", b.gateway.count("refund"), len(b.gateway.refunds))
		}
	})

	t.Run("TheAmountIsNotTheFormsToSay", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		no := b.paid()
		b.pressed("/orders/"+no+"/refunds", url.Values{"out_refund_no": {no + "-r1"}, "size": {"part"}, "amount": {"88"}})
		if got := b.gateway.refunds[no+"-r1"]["amount"]; got != 44.0 {
			t.Fatalf("%v fen were asked for", got)
		}
	})

	t.Run("WhatCannotBeRefundedIsNotAskedFor", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		unpaid, paid := b.buy("tea"), b.paid()
		for name, try := range map[string]struct{ order, no, size string }{
			"Unpaid":      {unpaid, unpaid + "-r1", "all"},
			"NoSize":      {paid, paid + "-r1", "double"},
			"OtherNumber": {paid, paid + "-r7", "all"},
		} {
			if w := b.press("/orders/"+try.order+"/refunds", url.Values{"out_refund_no": {try.no}, "size": {try.size}}); w.Code != http.StatusConflict {
				t.Errorf("%s: %d", name, w.Code)
			}
		}
		if b.gateway.count("refund") != 0 {
			t.Error("the gateway was asked")
		}
	})

	t.Run("ARefundWithoutAnAnswerIsRepeatedUnderItsNumber", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		no := b.paid()
		b.gateway.refuse = &refusal{}
		form := url.Values{"out_refund_no": {no + "-r1"}, "size": {"all"}}
		b.pressed("/orders/"+no+"/refunds", form)
		page := b.page("/orders/" + no)
		shows(t, page, "网关没有回答", "用同一单号重试退款 ¥0.88")
		hides(t, page, no+"-r2", `id="refund-all"`)
		b.gateway.set(func() { b.gateway.refuse = nil })
		b.pressed("/orders/"+no+"/refunds", url.Values{"out_refund_no": {no + "-r1"}})
		if len(b.gateway.refunds) != 1 || b.gateway.refunds[no+"-r1"]["amount"] != 88.0 {
			t.Fatalf("the gateway holds %v", b.gateway.refunds)
		}
		hides(t, b.page("/orders/"+no), "网关没有回答")
	})

	t.Run("ARefundRefusedForGoodHoldsNoMoney", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		no := b.paid()
		b.gateway.refuse = &refusal{422, object{"code": "channel_refused", "detail": "top up the account", "request_id": "req_50"}}
		b.pressed("/orders/"+no+"/refunds", url.Values{"out_refund_no": {no + "-r1"}, "size": {"all"}})
		shows(t, b.page("/orders/"+no), "req_50", "被拒", "退剩余 ¥0.88", no+"-r2")
	})

	t.Run("OneYuanIsThePartOfADearerProduct", func(t *testing.T) {
		t.Parallel()
		o := order{Payment: client.Payment{Status: client.PaymentSucceeded, AmountPaid: 8800}}
		if got := o.part(); got != 100 {
			t.Errorf("%d", got)
		}
		o.Payment.AmountPaid = 1
		if got := o.part(); got != 0 {
			t.Errorf("one fen was divided: %d", got)
		}
	})
}
