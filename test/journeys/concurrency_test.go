package journeys_test

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tongbao-pay/tongbao/client"
)

// atTheSameTime runs n of do and returns when all have ended. Errors are reported.
func atTheSameTime(t *testing.T, n int, do func(i int) error) {
	t.Helper()
	errs := make([]error, n)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-start
			errs[i] = do(i)
		})
	}
	close(start)
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestThirtyIdenticalCreatesAreOnePayment(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		w := open(t, e)
		request := order(100)
		payments := make([]*client.Payment, 30)
		atTheSameTime(t, len(payments), func(i int) error {
			return until(t.Context(), func() (err error) {
				payments[i], err = w.client.CreatePayment(t.Context(), request)
				if err == nil && payments[i].Status == client.PaymentProcessing { // the first is not answered yet
					err = errors.New("the payment is processing")
				}
				return err
			})
		})
		for _, p := range payments {
			if p.ID != payments[0].ID || p.Status != client.PaymentPending || p.Credential == nil || p.Credential.CodeURL != payments[0].Credential.CodeURL {
				t.Errorf("%s is %s with %+v, the first is %s", p.ID, p.Status, p.Credential, payments[0].ID)
			}
		}
		if n := len(w.provider.journal("operation", "prepay")); n != 1 {
			t.Errorf("the provider was asked %d times for one order", n)
		}
		if books := w.provider.books(); books.Orders != 1 {
			t.Errorf("the provider has %d orders", books.Orders)
		}
		w.provider.pays(payments[0].TradeNo)
		w.inbox.wait(client.EventPaymentSucceeded, payments[0].ID)
		w.reconcile()
	})
}

func TestThirtyRefundsOfATenthGiveBackTheWholeAndNoMore(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		w := open(t, e)
		w.provider.set(object{"refund_interval": "0s"})
		p := w.paid(1000)
		accepted := make([]*client.Refund, 30)
		atTheSameTime(t, len(accepted), func(i int) error {
			r, err := w.client.CreateRefund(t.Context(), client.CreateRefund{PaymentID: p.ID, OutRefundNo: number("refund"), Amount: 100})
			if refusal, ok := errors.AsType[*client.Error](err); ok && refusal.Status == http.StatusUnprocessableEntity && refusal.Code == client.CodeRefundExceeds {
				return nil
			}
			accepted[i] = r
			return err
		})
		n := 0
		for _, r := range accepted {
			if r != nil {
				n++
			}
		}
		if n != 10 {
			t.Errorf("%d refunds of a tenth were accepted", n)
		}
		w.provider.advance(refundSettles)
		w.inbox.wait(client.EventPaymentRefunded, p.ID)
		if p = w.show(p.ID, client.PaymentRefunded); p.AmountRefunded != 1000 {
			t.Errorf("%d of 1000 refunded", p.AmountRefunded)
		}
		if books := w.provider.books(); books.Refunds != 10 || books.Refunded != 1000 {
			t.Errorf("the provider has %d refunds of %d fen together", books.Refunds, books.Refunded)
		}
		w.reconcile()
	})
}

func TestTwoReplicasOnOneDatabaseAreOneGateway(t *testing.T) {
	t.Parallel()
	w := open(t, onPostgres)
	first := w.gateway
	second := w.serve()
	clients := []*client.Client{w.client, w.newClient(client.Config{BaseURL: second.URL(), APIKey: w.secretOf(shopApp)})}
	ids := make([]string, 40)
	atTheSameTime(t, len(ids), func(i int) error {
		p, err := clients[i%2].CreatePayment(t.Context(), order(100))
		if err != nil {
			return err
		}
		ids[i] = p.ID
		return w.provider.call(http.MethodPost, "/wechatpay/pay", object{"out_trade_no": p.TradeNo, "result": "success"}, nil)
	})
	for _, id := range ids {
		w.inbox.wait(client.EventPaymentSucceeded, id)
		one, err := clients[0].Payment(t.Context(), id)
		other, otherErr := clients[1].Payment(t.Context(), id)
		if err := errors.Join(err, otherErr); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(one, other); diff != "" || one.Status != client.PaymentSucceeded {
			t.Errorf("%s is %s; the replicas show it differently:\n%s", id, one.Status, diff)
		}
	}
	w.reconcile()

	all, _ := w.inbox.all()
	if events := w.events(); len(all) != len(events) {
		t.Errorf("%d webhooks came for %d events: some came twice", len(all), len(events))
	}
	const delivered = `tongbao_webhook_deliveries_total{result="succeeded"}`
	eventually(t, func() error {
		here, there := first.metrics(t)[delivered], second.metrics(t)[delivered]
		if here == 0 || there == 0 || int(here+there) != len(all) {
			return fmt.Errorf("the replicas delivered %v and %v of %d webhooks", here, there, len(all))
		}
		return nil
	})
}

func (w *world) secretOf(app string) client.Secret {
	w.t.Helper()
	_, secret := w.key(app)
	return secret
}
