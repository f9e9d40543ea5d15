package journeys_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/tongbao-pay/tongbao/client"
)

// switches creates a payment by a QR code and lets its payer switch to the WeChat browser. first is the payment as it was.
func (w *world) switches(app *client.Client, amount int64) (first, p *client.Payment) {
	w.t.Helper()
	request := order(amount)
	first, err := app.CreatePayment(w.t.Context(), request)
	if err != nil {
		w.t.Fatal(err)
	}
	w.neverClosed(first) // until the test has looked
	request.Product, request.Payer = "jsapi", &client.Payer{OpenID: w.sandbox.Credentials().WeChatPay.OpenID}
	for range 2 { // the second is a repeat
		if p, err = app.CreatePayment(w.t.Context(), request); err != nil {
			w.t.Fatal(err)
		}
	}
	if p.ID != first.ID || p.Status != client.PaymentPending || p.Product != "jsapi" || p.TradeNo == first.TradeNo || p.Credential == nil {
		w.t.Fatalf("%+v, and before the switch %+v", p, first)
	}
	return first, p
}

// neverClosed keeps an order open: nobody's request to close it arrives.
func (w *world) neverClosed(p *client.Payment) {
	w.t.Helper()
	w.provider.fault(object{"operation": "close", "effect": "lose_request", "match": object{"out_trade_no": p.TradeNo}})
}

// closedThere waits until the provider closed an order.
func (w *world) closedThere(tradeNo string) {
	w.t.Helper()
	eventually(w.t, func() error {
		if o := w.provider.order(tradeNo); o.TradeState != "CLOSED" {
			return fmt.Errorf("order %s is %s", tradeNo, o.TradeState)
		}
		return nil
	})
}

func TestAPayerWhoSwitchesPaysTheNewOrderAndTheOldOneIsClosed(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		w := open(t, e)
		request := order(8800)
		first, err := w.client.CreatePayment(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		request.Product, request.Payer = "jsapi", &client.Payer{OpenID: w.sandbox.Credentials().WeChatPay.OpenID}
		p, err := w.client.CreatePayment(t.Context(), request)
		if err != nil || p.ID != first.ID {
			t.Fatalf("%+v, %v", p, err)
		}
		w.closedThere(first.TradeNo)
		w.provider.acts(w.opens(p))
		w.inbox.wait(client.EventPaymentSucceeded, p.ID)
		if p = w.show(p.ID, client.PaymentSucceeded); p.Product != "jsapi" || p.AmountPaid != 8800 || p.LatePaid {
			t.Errorf("%+v", p)
		}
		w.settled(w.refund(p, 8800))
		w.reconcile()
	})
}

func TestAPayerWhoSwitchedAndPaysTheOldCodeHasPaid(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		w := open(t, e)
		first, p := w.switches(w.client, 1200)
		w.provider.acts(object{"code_url": first.Credential.CodeURL, "result": "success"})
		w.inbox.wait(client.EventPaymentSucceeded, p.ID)
		w.closedThere(p.TradeNo)
		if p = w.show(p.ID, client.PaymentSucceeded); p.Product != "native" || p.TradeNo != first.TradeNo || p.AmountPaid != 1200 || p.Credential != nil {
			t.Errorf("%+v", p)
		}
		w.reconcile()
	})
}

func TestAPayerWhoPaysBothOrdersPaysOnceByThePolicyOfTheApp(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		w := open(t, e)
		keeper, asker := w.clientOf(keeperApp, 0), w.clientOf(askerApp, 0)
		inboxes := map[*client.Client]*inbox{w.client: w.inbox, keeper: openInbox(t, keeper), asker: openInbox(t, asker)}
		for _, app := range []*client.Client{w.client, keeper, asker} {
			first, p := w.switches(app, 1300)
			w.neverClosed(p)
			w.provider.pays(first.TradeNo)
			inboxes[app].wait(client.EventPaymentSucceeded, p.ID)
			w.provider.pays(p.TradeNo)
			inboxes[app].wait(client.EventPaymentLatePaid, p.ID)
			if app == asker {
				review := onlyReview(t, app, "double_paid", p.ID)
				if _, err := app.ResolveReview(t.Context(), review.ID, client.ResolveReview{Action: "refund"}); err != nil {
					t.Fatal(err)
				}
			}
			w.provider.advance(refundSettles)
			eventually(t, func() error {
				got, err := app.Payment(t.Context(), p.ID)
				if err == nil && (got.Status != client.PaymentSucceeded || got.AmountPaid != 2600 || got.AmountRefunded != 1300 || got.TradeNo != first.TradeNo) {
					w.provider.advance(refundSettles)
					err = fmt.Errorf("%s, %d paid, %d refunded, by %s", got.Status, got.AmountPaid, got.AmountRefunded, got.Product)
				}
				return err
			})
		}
		w.reconcile(keeper, asker)
	})
}

func TestASwitchThatTheProviderRefusesLeavesThePaymentAsItWas(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		w := open(t, e)
		request := order(1400)
		first, err := w.client.CreatePayment(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		w.provider.fault(object{"operation": "prepay", "effect": "status", "status": 403, "code": "NO_AUTH"})
		request.Product, request.ClientIP = "h5", "203.0.113.7"
		for range 2 {
			_, err = w.client.CreatePayment(t.Context(), request)
			refusal := refusalOf(t, err, http.StatusUnprocessableEntity, client.CodeChannelRefused)
			if refusal.PaymentID != first.ID || refusal.ChannelError == nil || refusal.ChannelError.Code != "NO_AUTH" {
				t.Errorf("%+v", refusal)
			}
		}
		if sent := len(w.provider.journal("operation", "prepay")); sent != 2 {
			t.Errorf("%d orders were sent, want 2", sent)
		}
		if p := w.show(first.ID, client.PaymentPending); p.Product != "native" || p.Credential == nil || p.ChannelError != nil {
			t.Errorf("%+v", p)
		}
		w.provider.pays(first.TradeNo)
		w.inbox.wait(client.EventPaymentSucceeded, first.ID)
		w.reconcile()
	})
}
