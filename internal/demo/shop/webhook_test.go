package shop

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/client"
)

func TestWebhook(t *testing.T) {
	t.Parallel()

	t.Run("AVerifiedSuccessTurnsTheOrderPaidAndShowsItsProof", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		no := b.buy("tea")
		p := b.succeeded(no)
		b.advance(1200 * time.Millisecond)
		b.event("evt_2", client.EventPaymentSucceeded, 2, p)
		b.wantState(no, "paid")
		page := b.page("/orders/" + no)
		shows(t, page, "已付款", "evt_2", "payment.succeeded", "<dd>2</dd>", "已验证 verified", "≤ 1.2s", "30ms", "&#34;transaction_id&#34;: &#34;4200001234&#34;", "验证通过 1")
		hides(t, page, `id="qr"`, `id="close"`)
	})

	t.Run("AnUnverifiedWebhookChangesNothingAndIsAnswered401", func(t *testing.T) {
		t.Parallel()
		for name, spoil := range map[string]func(*http.Request){
			"NoSignature":    func(r *http.Request) { r.Header.Del("Webhook-Signature") },
			"OtherSignature": func(r *http.Request) { r.Header.Set("Webhook-Signature", "v1,"+strings.Repeat("A", 43)+"=") },
			"OtherID":        func(r *http.Request) { r.Header.Set("Webhook-Id", "evt_other") },
			"OtherBody": func(r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				r.Body = io.NopCloser(bytes.NewReader(bytes.Replace(body, []byte("4200001234"), []byte("4200009999"), 1)))
			},
			"Old": func(r *http.Request) { r.Header.Set("Webhook-Timestamp", "1700000000") },
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				b := setup(t)
				no := b.buy("tea")
				r := b.signed("evt_2", client.EventPaymentSucceeded, 2, b.succeeded(no))
				spoil(r)
				if w := b.webhook(r); w.Code != http.StatusUnauthorized {
					t.Fatalf("%d", w.Code)
				}
				b.wantState(no, "pending")
				shows(t, b.log.String(), "a webhook was refused")
				shows(t, b.page("/orders/"+no), "拒绝 1")
			})
		}
	})

	t.Run("ADuplicateIsCountedAndAppliedOnce", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		no := b.paid()
		b.event("evt_paid_"+no, client.EventPaymentSucceeded, 2, b.succeeded(no))
		page := b.page("/orders/" + no)
		if n := strings.Count(page, `data-event="evt_paid_`); n != 1 {
			t.Errorf("shown %d times", n)
		}
		shows(t, page, "came 2 times, counted once")
	})

	t.Run("AStaleEventIsShownAndNotApplied", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		no := b.paid()
		b.event("evt_late", client.EventPaymentCreated, 1, with(b.gateway.payment(no), object{"status": "processing"}))
		b.wantState(no, "paid")
		shows(t, b.page("/orders/"+no), "evt_late", "not applied")
	})

	t.Run("AStaleRefundEventIsNotApplied", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		no := b.paid()
		b.event("evt_r2", client.EventRefundSucceeded, 2, b.refunded(no, nil))
		b.event("evt_r1", client.EventRefundCreated, 1, b.refunded(no, object{"status": "pending", "succeeded_at": nil}))
		b.wantState(no, "part_refunded")
		shows(t, b.page("/orders/"+no), "evt_r1", "not applied")
	})

	t.Run("LateMoneyAndItsRefundByTheGatewayAreShown", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		no := b.buy("tea")
		b.pressed("/orders/"+no+"/close", nil)
		b.event("evt_closed", client.EventPaymentClosed, 2, b.gateway.payment(no))
		b.event("evt_late", client.EventPaymentLatePaid, 3, with(b.gateway.payment(no), object{"late_paid": true, "amount_paid": 88, "paid_at": b.clock().Format(time.RFC3339)}))
		b.wantState(no, "late")
		b.event("evt_r1", client.EventRefundCreated, 1, b.refunded(no, object{"out_refund_no": "late-att_1", "amount": 88, "status": "pending"}))
		page := b.page("/orders/" + no)
		shows(t, page, "关闭后到账", "by the gateway itself")
		hides(t, page, `id="refund-all"`)
	})

	t.Run("AnEventAboutNothingHereIsAcceptedSoThatItIsNotSentAgain", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.event("evt_1", client.EventPaymentCreated, 1, object{"object": "payment", "id": "pay_9", "out_trade_no": "other"})
		b.event("evt_2", client.EventRefundCreated, 1, object{"object": "refund", "id": "rfd_9", "payment_id": "pay_9"})
		b.event("evt_3", client.EventReviewOpened, 1, object{"object": "review", "id": "rvw_9"})
		shows(t, b.log.String(), "evt_1", "evt_2", "evt_3")
	})

	t.Run("ABodyThatIsTooLargeIsNotRead", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		if w := b.webhook(b.sign("evt_1", make([]byte, client.WebhookBodyMax+1))); w.Code != http.StatusRequestEntityTooLarge {
			t.Fatalf("%d", w.Code)
		}
	})

	t.Run("WhatIsKnownNeverGoesBackWhateverTheOrder", func(t *testing.T) {
		t.Parallel()
		// The answer to a close that lost the race arrives after the webhook.
		o := order{Payment: client.Payment{ID: "pay_1", Status: client.PaymentSucceeded, AmountPaid: 88}}
		o.learn(client.Payment{ID: "pay_1", Status: client.PaymentClosed})
		if o.Payment.Status != client.PaymentSucceeded || o.Payment.AmountPaid != 88 {
			t.Fatalf("%+v", o.Payment)
		}
	})
}
