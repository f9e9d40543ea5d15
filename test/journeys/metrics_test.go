package journeys_test

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/tongbao-pay/tongbao/client"
)

// metrics is what a scrape of a gateway shows, by name and labels as written.
func (g *gateway) metrics(t *testing.T) map[string]float64 {
	t.Helper()
	answer, err := http.Get(g.AdminURL() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("/metrics answered %d, %v", answer.StatusCode, err)
	}
	shown := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		end := strings.LastIndex(line, " ")
		if strings.HasPrefix(line, "#") || end < 0 {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(line[end:]), 64)
		if err != nil {
			t.Fatalf("/metrics: %q: %v", line, err)
		}
		shown[line[:end]] = value
	}
	return shown
}

// metric waits until a metric has a value: what was answered may be counted a moment later.
func (w *world) metric(name string, want float64) {
	w.t.Helper()
	eventually(w.t, func() error {
		if got, ok := w.gateway.metrics(w.t)[name]; !ok || got != want {
			return fmt.Errorf("%s is %v (shown: %t), want %v", name, got, ok, want)
		}
		return nil
	})
}

func TestMetricsShowWhatHappened(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		w := open(t, e)
		w.refusedOrder()
		p := w.paid(1000)
		w.settled(w.refund(p, 1000))
		w.inbox.wait(client.EventPaymentRefunded, p.ID)
		w.provider.fault(object{"operation": "prepay", "effect": "lose_answer", "times": lost})
		if _, err := w.client.CreatePayment(t.Context(), order(100)); err != nil {
			t.Fatal(err)
		}
		closed := w.create(100)
		if _, err := w.client.ClosePayment(t.Context(), closed.ID); err != nil {
			t.Fatal(err)
		}
		w.provider.fault(object{"operation": "notify/payment", "effect": "wrong_amount", "times": 1})
		held := w.create(100)
		w.provider.pays(held.TradeNo)
		w.notified(held.TradeNo, 1)
		w.provider.fault(object{"operation": "notify/payment", "effect": "bad_signature", "times": 1})
		refused := w.create(100)
		w.provider.pays(refused.TradeNo)
		w.notified(refused.TradeNo, 1)
		w.sync(held)
		w.sync(refused)
		w.reconcile()

		told := float64(len(w.events()))
		for name, want := range map[string]float64{
			`tongbao_payments_total{channel="wechat",product="native",status="processing"}`:                         6,
			`tongbao_payments_total{channel="wechat",product="native",status="succeeded"}`:                          3,
			`tongbao_payments_total{channel="wechat",product="native",status="refunded"}`:                           1,
			`tongbao_payments_total{channel="wechat",product="native",status="closed"}`:                             1,
			`tongbao_payments_total{channel="wechat",product="native",status="failed"}`:                             1,
			`tongbao_refunds_total{channel="wechat",status="pending"}`:                                              1,
			`tongbao_refunds_total{channel="wechat",status="succeeded"}`:                                            1,
			`tongbao_notifications_total{channel="wechat",result="applied"}`:                                        2, // of the payment and the refund
			`tongbao_notifications_total{channel="wechat",result="held"}`:                                           1,
			`tongbao_notifications_total{channel="wechat",result="refused"}`:                                        1,
			`tongbao_notification_delay_seconds_count`:                                                              1,
			`tongbao_channel_request_duration_seconds_count{channel="wechat",operation="prepay",outcome="done"}`:    4,
			`tongbao_channel_request_duration_seconds_count{channel="wechat",operation="prepay",outcome="refused"}`: 1,
			`tongbao_channel_request_duration_seconds_count{channel="wechat",operation="prepay",outcome="unknown"}`: 1,
			`tongbao_channel_request_duration_seconds_count{channel="wechat",operation="refund",outcome="done"}`:    1,
			`tongbao_channel_request_duration_seconds_count{channel="wechat",operation="close",outcome="done"}`:     1,
			`tongbao_webhook_deliveries_total{result="succeeded"}`:                                                  told,
			`tongbao_webhook_delay_seconds_count`:                                                                   told,
			`tongbao_reviews_open{kind="report_mismatch"}`:                                                          1,
		} {
			w.metric(name, want)
		}
		certificate := fmt.Sprintf(`tongbao_certificate_expiry_seconds{account=%q,kind="platform_certificate",serial=%q}`, accountID, w.sandbox.Credentials().WeChatPay.PlatformSerialNo)
		eventually(t, func() error { // a scrape goes without what the database does not tell in time
			shown := w.gateway.metrics(t)
			jobs, left := shown[`tongbao_jobs{queue="payments",state="scheduled"}`], shown[certificate]
			if jobs < 1 || left < 3600 {
				return fmt.Errorf("%v payments are looked after, the certificate is good for %v s", jobs, left)
			}
			return nil
		})
	})
}

// refusedOrder is a payment that the provider refuses for good.
func (w *world) refusedOrder() {
	w.t.Helper()
	w.provider.fault(object{"operation": "prepay", "effect": "status", "status": 403, "code": "NO_AUTH", "times": 1})
	_, err := w.client.CreatePayment(w.t.Context(), order(100))
	refusalOf(w.t, err, http.StatusUnprocessableEntity, client.CodeChannelRefused)
}
