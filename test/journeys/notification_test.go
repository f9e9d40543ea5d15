package journeys_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/client"
	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/sandbox/journal"
	"github.com/tongbao-pay/tongbao/wechatpay"
)

// notified waits until the provider has made n tries to notify about an order, and returns them.
func (w *world) notified(tradeNo string, n int) (tries []journal.Entry) {
	w.t.Helper()
	eventually(w.t, func() error {
		tries = w.provider.journal("kind", journal.Notification, "out_trade_no", tradeNo)
		if len(tries) < n {
			return fmt.Errorf("%d of %d notifications were sent", len(tries), n)
		}
		return nil
	})
	return tries
}

func TestANotificationThatDoesNotVerifyIsRefusedAndItsRepeatApplied(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		w := open(t, e)
		for _, effect := range []string{"bad_signature", "probe", "stale_timestamp", "unknown_serial", "corrupt", "other_key"} {
			w.provider.fault(object{"operation": "notify/payment", "effect": effect, "times": 1})
			p := w.create(100)
			w.provider.pays(p.TradeNo)
			if try := w.notified(p.TradeNo, 1)[0]; try.Fault != effect || try.Status < 400 {
				t.Errorf("%s: the notification with fault %q was answered %d", effect, try.Fault, try.Status)
			}
			w.show(p.ID, client.PaymentPending)
			w.provider.advance(15 * time.Second)
			w.inbox.wait(client.EventPaymentSucceeded, p.ID)
		}
		w.reconcile()
	})
}

func TestARequestThatIsNoNotificationChangesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		w := open(t, e)
		door := w.gateway.URL() + "/notify/wechat/"
		for name, c := range map[string]struct {
			path, body string
			status     int
		}{
			"NoHeaders":      {accountID, `{"id": "1", "event_type": "TRANSACTION.SUCCESS"}`, http.StatusUnauthorized},
			"NoJSON":         {accountID, "paid, honestly", http.StatusUnauthorized},
			"Empty":          {accountID, "", http.StatusUnauthorized},
			"TooLarge":       {accountID, strings.Repeat("x", 1<<20), 0},
			"UnknownAccount": {"nobody", "{}", http.StatusNotFound},
		} {
			answer, err := http.Post(door+c.path, "application/json", strings.NewReader(c.body))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			text, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			if err != nil || answer.StatusCode < 400 || answer.StatusCode >= 500 || c.status != 0 && answer.StatusCode != c.status {
				t.Errorf("%s: answered %d %s, %v", name, answer.StatusCode, text, err)
			}
		}
		w.paid(100) // it still works
		w.reconcile()
	})
}

func TestANotificationThatComesTwoHundredTimesAtOnceIsOneEvent(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		const copies = 200
		w := open(t, e)
		w.provider.set(object{"notify_timeout": "30s"}) // two cores sign, verify and store them
		w.provider.fault(object{"operation": "notify/payment", "effect": "duplicate", "copies": copies, "times": 1})
		p := w.create(100)
		w.provider.pays(p.TradeNo)
		ids, received := map[string]bool{}, 0
		for _, try := range w.notified(p.TradeNo, copies) {
			ids[try.NotificationID] = true
			switch {
			case try.Status == http.StatusNoContent || try.Status == http.StatusOK:
				received++
			case try.Status < 500: // "not stored, send again" is an honest answer of a busy machine
				t.Errorf("a copy was answered %d: %s", try.Status, try.Error)
			}
		}
		if len(ids) != 1 || received == 0 {
			t.Errorf("the copies have %d ids, %d were received", len(ids), received)
		}
		w.inbox.wait(client.EventPaymentSucceeded, p.ID)
		w.reconcile()
		succeeded := 0
		for _, e := range w.events() {
			if e.Type == client.EventPaymentSucceeded {
				succeeded++
			}
		}
		if succeeded != 1 {
			t.Errorf("%d events tell of one success", succeeded)
		}
		const total = `tongbao_notifications_total{channel="wechat",result=%q}`
		shown := w.gateway.metrics(t)
		if applied, duplicated := shown[fmt.Sprintf(total, "applied")], shown[fmt.Sprintf(total, "duplicated")]; applied > 1 || int(applied+duplicated) != received {
			t.Errorf("of %d copies %v were applied and %v known already", received, applied, duplicated)
		}
	})
}

func TestAVerifiedNotificationThatDoesNotFitIsHeldForAPerson(t *testing.T) {
	for _, effect := range []string{"wrong_amount", "wrong_mchid", "wrong_appid"} {
		t.Run(effect, func(t *testing.T) {
			onBoth(t, func(t *testing.T, e engine) {
				w := open(t, e)
				w.provider.fault(object{"operation": "notify/payment", "effect": effect, "times": 1})
				p := w.create(100)
				w.provider.pays(p.TradeNo)
				if try := w.notified(p.TradeNo, 1)[0]; try.Status != http.StatusNoContent && try.Status != http.StatusOK {
					t.Errorf("a held notification is stored and needs no repeat, but was answered %d", try.Status)
				}
				review := onlyReview(t, w.client, "report_mismatch", p.ID)
				told := w.inbox.wait(client.EventReviewOpened, review.ID)
				if shown, err := told.Review(); err != nil || shown.SubjectID != p.ID {
					t.Errorf("the webhook shows %+v, %v", shown, err)
				}
				w.show(p.ID, client.PaymentPending)
				if synced := w.sync(p); synced.Status != client.PaymentSucceeded || synced.AmountPaid != 100 {
					t.Errorf("asked itself, the provider says it was paid; the payment is %s", synced.Status)
				}
				w.reconcile()
			})
		})
	}
}

func TestANotificationAboutAnOrderThatIsNotOursIsHeld(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		w := open(t, e)
		tradeNo := w.strangersOrder(4200)
		w.provider.pays(tradeNo)
		if try := w.notified(tradeNo, 1)[0]; try.Status != http.StatusNoContent && try.Status != http.StatusOK {
			t.Errorf("it was answered %d", try.Status)
		}
		open, err := w.store.OpenReviews(t.Context())
		if err != nil || len(open) != 1 || open[payment.ReviewUnknownOrder] != 1 {
			t.Errorf("open reviews: %v, %v", open, err)
		}
		w.metric(`tongbao_reviews_open{kind="unknown_order"}`, 1)
		if events := w.events(); len(events) != 0 {
			t.Errorf("an app was told of what is not its own: %v", events)
		}
	})
}

// strangersOrder is one that another program places on the same account, with our notify_url.
func (w *world) strangersOrder(amount int64) (tradeNo string) {
	w.t.Helper()
	credentials := w.sandbox.Credentials()
	p := credentials.WeChatPay
	key, err := wechatpay.ParsePrivateKey(credentials.PEM(p.MerchantPrivateKeyFile))
	if err != nil {
		w.t.Fatal(err)
	}
	stranger, err := wechatpay.New(wechatpay.Config{
		MchID: p.MchID, SerialNo: p.MerchantSerialNo, Signer: key, APIv3Key: p.APIv3Key, DownloadCertificates: true, BaseURL: p.BaseURL,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(stranger.CloseIdleConnections)
	tradeNo = strings.ReplaceAll(number("stranger"), "-", "")
	_, err = stranger.PrepayNative(w.t.Context(), wechatpay.NativeRequest{
		AppID: p.AppID, Description: "not the gateway's", OutTradeNo: tradeNo, NotifyURL: w.gateway.URL() + "/notify/wechat/" + accountID,
		Amount: wechatpay.Amount{Total: amount, Currency: "CNY"},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return tradeNo
}
