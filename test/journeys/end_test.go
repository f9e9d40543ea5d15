package journeys_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/client"
	"github.com/tongbao-pay/tongbao/internal/server"
)

// clock is a gateway's clock, as far ahead of the machine's as a journey wants.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

func (c *clock) set(o *server.Options) { o.Now = c.now }

func TestAnExpiredPaymentIsClosedAtTheProviderAndThenHere(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		var clock clock
		w := open(t, e, clock.set)
		request := order(100)
		request.ExpiresIn = 60
		unpaid, err := w.client.CreatePayment(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		request = order(200)
		request.ExpiresIn = 60
		paid, err := w.client.CreatePayment(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		w.provider.fault(object{"operation": "notify/payment", "effect": "withhold"})
		w.provider.pays(paid.TradeNo)

		clock.advance(61 * time.Second) // before the jobs have first asked
		w.inbox.wait(client.EventPaymentClosed, unpaid.ID)
		w.inbox.wait(client.EventPaymentSucceeded, paid.ID)
		if p := w.show(unpaid.ID, client.PaymentClosed); p.ClosedAt == nil || p.ClosedAt.Before(p.ExpiresAt) || p.Credential != nil {
			t.Errorf("closed at %v, expires at %v, credential %v", p.ClosedAt, p.ExpiresAt, p.Credential)
		}
		w.show(paid.ID, client.PaymentSucceeded)
		w.turnedAway(unpaid)
		if closes := w.provider.journal("operation", "close"); len(closes) != 1 || closes[0].OutTradeNo != unpaid.TradeNo {
			t.Errorf("want the unpaid order closed, once: %+v", closes)
		}
		w.reconcile()
	})
}

// turnedAway checks that the provider lets nobody pay an order any more.
func (w *world) turnedAway(p *client.Payment) {
	w.t.Helper()
	if o := w.provider.order(p.TradeNo); o.TradeState != "CLOSED" {
		w.t.Errorf("the provider's order is %s, want CLOSED", o.TradeState)
	}
	err := w.provider.call(http.MethodPost, "/wechatpay/pay", object{"out_trade_no": p.TradeNo, "result": "success"}, nil)
	if err == nil || !strings.Contains(err.Error(), "409") {
		w.t.Errorf("a payer was not turned away: %v", err)
	}
}

func TestAClosedPaymentIsClosedAtTheProviderToo(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		w := open(t, e)
		p := w.create(100)
		for range 2 {
			closed, err := w.client.ClosePayment(t.Context(), p.ID)
			if err != nil || closed.Status != client.PaymentClosed {
				t.Fatalf("closed: %v, %v", closed, err)
			}
		}
		w.turnedAway(p)
		w.inbox.wait(client.EventPaymentClosed, p.ID)

		w.provider.fault(object{"operation": "close", "effect": "lose_answer", "times": lost})
		lostAnswer := w.create(100)
		if unknown, err := w.client.ClosePayment(t.Context(), lostAnswer.ID); err != nil || unknown.Status != client.PaymentPending {
			t.Fatalf("a close of unknown outcome: %v, %v", unknown, err)
		}
		if closed, err := w.client.ClosePayment(t.Context(), lostAnswer.ID); err != nil || closed.Status != client.PaymentClosed {
			t.Fatalf("repeated: %v, %v", closed, err)
		}
		w.turnedAway(lostAnswer)
		w.reconcile()
	})
}

func TestAPaymentThatWasNeverPlacedCanBeClosed(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		w := open(t, e)
		w.provider.fault(object{"operation": "prepay", "effect": "lose_request", "times": lost})
		p, err := w.client.CreatePayment(t.Context(), order(100))
		if err != nil || p.Status != client.PaymentProcessing {
			t.Fatalf("created: %v, %v", p, err)
		}
		if p, err = w.client.ClosePayment(t.Context(), p.ID); err != nil || p.Status != client.PaymentClosed {
			t.Fatalf("closed: %v, %v", p, err)
		}
		if books := w.provider.books(); books.Orders != 0 {
			t.Errorf("the provider has %d orders", books.Orders)
		}
		w.reconcile()
	})
}

func TestAPaidPaymentIsNotClosed(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		w := open(t, e)
		told := w.paid(100)
		w.provider.fault(object{"operation": "notify/*", "effect": "withhold"})
		untold := w.create(100)
		w.provider.pays(untold.TradeNo)
		for _, p := range []*client.Payment{told, untold} {
			_, err := w.client.ClosePayment(t.Context(), p.ID)
			refusalOf(t, err, http.StatusConflict, client.CodeNotClosable)
			w.show(p.ID, client.PaymentSucceeded)
		}
		w.reconcile()
	})
}

func TestLateMoneyFollowsTheAppsPolicy(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		w := open(t, e)
		keeper, asker := w.clientOf(keeperApp, 0), w.clientOf(askerApp, 0)
		keeperInbox, askerInbox := openInbox(t, keeper), openInbox(t, asker)

		p := w.latePaid(w.client, 1200) // the shop gives it back
		w.inbox.wait(client.EventPaymentLatePaid, p.ID)
		refunds, err := w.client.ListRefunds(t.Context(), client.RefundQuery{PaymentID: p.ID})
		if err != nil || len(refunds.Data) != 1 || refunds.Data[0].Amount != 1200 {
			t.Fatalf("the late money's refunds: %+v, %v", refunds, err)
		}
		eventually(t, func() error {
			return w.provider.call(http.MethodGet, "/wechatpay/refunds/"+refunds.Data[0].RefundNo, nil, nil)
		})
		w.settled(&refunds.Data[0])
		if p = w.show(p.ID, client.PaymentClosed); !p.LatePaid || p.AmountPaid != 1200 || p.AmountRefunded != 1200 {
			t.Errorf("late: %t, paid %d, refunded %d", p.LatePaid, p.AmountPaid, p.AmountRefunded)
		}

		p = w.latePaid(keeper, 1300)
		keeperInbox.wait(client.EventPaymentLatePaid, p.ID)
		if p, err = keeper.Payment(t.Context(), p.ID); err != nil || p.Status != client.PaymentSucceeded || !p.LatePaid || p.AmountPaid != 1300 {
			t.Errorf("accepted late money: %+v, %v", p, err)
		}

		p = w.latePaid(asker, 1400)
		askerInbox.wait(client.EventPaymentLatePaid, p.ID)
		review := onlyReview(t, asker, "late_paid", p.ID)
		askerInbox.wait(client.EventReviewOpened, review.ID)
		if p, err = asker.Payment(t.Context(), p.ID); err != nil || p.Status != client.PaymentClosed || !p.LatePaid || p.AmountPaid != 1400 {
			t.Errorf("late money that waits for a person: %+v, %v", p, err)
		}
		w.reconcile(keeper, asker)
	})
}

// latePaid is a payment whose money was in flight when it was closed.
func (w *world) latePaid(app *client.Client, amount int64) *client.Payment {
	w.t.Helper()
	p, err := app.CreatePayment(w.t.Context(), order(amount))
	if err == nil {
		p, err = app.ClosePayment(w.t.Context(), p.ID)
	}
	if err != nil || p.Status != client.PaymentClosed {
		w.t.Fatalf("closed: %v, %v", p, err)
	}
	w.provider.acts(object{"out_trade_no": p.TradeNo, "result": "success", "late": true})
	return p
}

// onlyReview is the one open review of an app.
func onlyReview(t *testing.T, app *client.Client, kind, subjectID string) client.Review {
	t.Helper()
	page, err := app.ListReviews(t.Context(), client.ReviewQuery{State: client.ReviewOpen})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Data) != 1 || page.Data[0].Kind != kind || page.Data[0].SubjectID != subjectID || page.Data[0].Summary == "" {
		t.Fatalf("want one review %s of %s: %+v", kind, subjectID, page.Data)
	}
	return page.Data[0]
}
