package journeys_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/client"
	"github.com/tongbao-pay/tongbao/internal/config"
	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/server"
)

func TestAPersonDecidesAboutLateMoney(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		w := open(t, e)
		asker := w.clientOf(askerApp, 0)
		inbox := openInbox(t, asker)

		kept := w.latePaid(asker, 1300)
		inbox.wait(client.EventPaymentLatePaid, kept.ID)
		review := onlyReview(t, asker, "late_paid", kept.ID)
		_, err := w.client.Review(t.Context(), review.ID) // another app
		refusalOf(t, err, http.StatusNotFound, client.CodeNotFound)
		shown, err := asker.Review(t.Context(), review.ID)
		if err != nil || !strings.Contains(string(shown.Evidence), kept.TradeNo) || strings.Contains(string(shown.Evidence), w.sandbox.Credentials().WeChatPay.OpenID) {
			t.Errorf("the evidence: %s, %v", shown.Evidence, err)
		}
		_, err = asker.ResolveReview(t.Context(), review.ID, client.ResolveReview{Action: client.ActionAsk})
		refusalOf(t, err, http.StatusUnprocessableEntity, client.CodeReviewAction)
		decision := client.ResolveReview{Action: client.ActionAccept, Note: "delivered"}
		for range 2 {
			resolved, err := asker.ResolveReview(t.Context(), review.ID, decision)
			if err != nil || resolved.Resolution != client.ActionAccept || resolved.Note != "delivered" || !strings.HasPrefix(resolved.ResolvedBy, "ak_") {
				t.Fatalf("resolved: %+v, %v", resolved, err)
			}
		}
		_, err = asker.ResolveReview(t.Context(), review.ID, client.ResolveReview{Action: client.ActionRefund})
		refusalOf(t, err, http.StatusConflict, client.CodeReviewResolved)
		inbox.wait(client.EventPaymentSucceeded, kept.ID)
		if told, err := inbox.wait(client.EventReviewResolved, review.ID).Review(); err != nil || told.State != client.ReviewResolved || told.Evidence != nil {
			t.Errorf("the webhook: %+v, %v", told, err)
		}
		if p, err := asker.Payment(t.Context(), kept.ID); err != nil || p.Status != client.PaymentSucceeded {
			t.Errorf("accepted: %+v, %v", p, err)
		}
		w.metric(`tongbao_reviews_open{kind="late_paid"}`, 0)

		returned := w.latePaid(asker, 1400)
		inbox.wait(client.EventPaymentLatePaid, returned.ID)
		review = onlyReview(t, asker, "late_paid", returned.ID)
		if _, err := asker.ResolveReview(t.Context(), review.ID, client.ResolveReview{Action: client.ActionRefund}); err != nil {
			t.Fatal(err)
		}
		refunds, err := asker.ListRefunds(t.Context(), client.RefundQuery{PaymentID: returned.ID})
		if err != nil || len(refunds.Data) != 1 || refunds.Data[0].Amount != 1400 {
			t.Fatalf("the late money's refunds: %+v, %v", refunds, err)
		}
		eventually(t, func() error {
			return w.provider.call(http.MethodGet, "/wechatpay/refunds/"+refunds.Data[0].RefundNo, nil, nil)
		})
		w.provider.advance(refundSettles)
		inbox.wait(client.EventRefundSucceeded, refunds.Data[0].ID)
		w.reconcile(asker)
	})
}

func TestTheOperatorDecidesAboutWhatBelongsToNoApp(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		w := open(t, e)
		tradeNo := w.strangersOrder(4200)
		w.provider.pays(tradeNo)
		w.notified(tradeNo, 1)
		var held []*payment.Review
		eventually(t, func() (err error) {
			held, _, err = w.store.Reviews(t.Context(), payment.ReviewFilter{AnyApp: true, State: payment.ReviewOpen}, payment.Page{Limit: 10})
			if err == nil && len(held) != 1 {
				err = fmt.Errorf("%d open reviews", len(held))
			}
			return err
		})
		_, err := w.client.Review(t.Context(), held[0].ID)
		refusalOf(t, err, http.StatusNotFound, client.CodeNotFound)
		w.operatorResolves(payment.ResolveRequest{ReviewID: held[0].ID, Action: payment.ActionAcknowledge})
		w.metric(`tongbao_reviews_open{kind="unknown_order"}`, 0)
	})
}

func TestTheOperatorsDecisionIsCarriedOutByTheGateway(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		w := open(t, e)
		asker := w.clientOf(askerApp, 0)
		p := w.latePaid(asker, 1500)
		w.notified(p.TradeNo, 1)
		var review client.Review
		eventually(t, func() error {
			page, err := asker.ListReviews(t.Context(), client.ReviewQuery{SubjectID: p.ID, Kind: "late_paid"})
			if err == nil && len(page.Data) != 1 {
				err = fmt.Errorf("%d reviews", len(page.Data))
			}
			if err == nil {
				review = page.Data[0]
			}
			return err
		})
		w.operatorResolves(payment.ResolveRequest{AppID: askerApp, ReviewID: review.ID, Action: payment.ActionRefund})
		eventually(t, func() error {
			if books := w.provider.books(); books.Refunds != 1 {
				return fmt.Errorf("the provider has %d refunds", books.Refunds)
			}
			return nil
		})
		w.provider.advance(refundSettles)
		w.reconcile(asker)
	})
}

// operatorResolves does as 'tongbao review resolve' does in a process of its own.
func (w *world) operatorResolves(decision payment.ResolveRequest) {
	w.t.Helper()
	decision.By = payment.ByOperator
	elsewhere, err := server.OpenFoundation(w.t.Context(), server.Options{Config: w.config, Logger: server.NewLogger(io.Discard, config.Log{})})
	if err != nil {
		w.t.Fatal(err)
	}
	reviews, err := elsewhere.Reviews()
	if err == nil {
		_, err = reviews.ResolveReview(w.t.Context(), decision)
	}
	if err := errors.Join(err, elsewhere.Close()); err != nil {
		w.t.Fatal(err)
	}
}

// TestAPaymentClosedAndPaidInTheSameMillisecond has each outcome told once, and money and order agree at both sides.
func TestAPaymentClosedAndPaidInTheSameMillisecond(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		moment := time.Now()
		w := open(t, e, func(o *server.Options) { o.Now = func() time.Time { return moment } }) // one millisecond for all of it
		w.provider.fault(object{"operation": "notify/payment", "effect": "withhold", "times": 1})
		first := w.create(100)
		w.provider.pays(first.TradeNo)
		_, err := w.client.ClosePayment(t.Context(), first.ID) // paid, then closed
		refusalOf(t, err, http.StatusConflict, client.CodeNotClosable)
		w.show(first.ID, client.PaymentSucceeded)

		second := w.latePaid(w.client, 200) // closed, then paid
		w.inbox.wait(client.EventPaymentLatePaid, second.ID)
		w.show(second.ID, client.PaymentClosed)

		payments := make([]*client.Payment, 12) // both at once
		for i := range payments {
			payments[i] = w.create(300)
		}
		atTheSameTime(t, 2*len(payments), func(i int) error {
			p := payments[i/2]
			if i%2 == 0 {
				err := w.provider.call(http.MethodPost, "/wechatpay/pay", object{"out_trade_no": p.TradeNo, "result": "success"}, nil)
				if err != nil && !strings.Contains(err.Error(), "409") {
					return err
				}
				return nil
			}
			_, err := w.client.ClosePayment(t.Context(), p.ID)
			if refusal, told := errors.AsType[*client.Error](err); told && refusal.Code == client.CodeNotClosable {
				return nil
			}
			return err
		})
		for _, p := range payments {
			want, told := client.PaymentClosed, client.EventPaymentClosed
			if w.provider.order(p.TradeNo).TradeState == "SUCCESS" {
				want, told = client.PaymentSucceeded, client.EventPaymentSucceeded
			}
			w.inbox.wait(told, p.ID)
			w.show(p.ID, want)
		}
		w.reconcileEvents()
	})
}
