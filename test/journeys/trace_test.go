package journeys_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"

	"github.com/tongbao-pay/tongbao/client"
)

// The longest way a payment can take through the gateway: nobody notifies it, so the job of the tenth second asks.
func TestAWithheldNotificationIsReplacedByTheScheduledQueryInOneTrace(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		w := open(t, e)
		w.provider.fault(object{"operation": "notify/payment", "effect": "withhold"})
		p, id := w.createTraced()
		w.provider.pays(p.TradeNo)
		webhook := w.inbox.wait(client.EventPaymentSucceeded, p.ID)
		w.show(p.ID, client.PaymentSucceeded)
		w.notNotified(p)

		w.traced(id, "POST /", "wechat prepay", "job follow_payment", "wechat query", "job deliver_webhook", "HTTP POST")
		w.carries(webhook, id)
		w.reconcile()
	})
}

func TestANotificationIsOneTraceToTheWebhook(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		w := open(t, e)
		p := w.create(100)
		w.provider.pays(p.TradeNo)
		webhook := w.inbox.wait(client.EventPaymentSucceeded, p.ID)
		notification := w.notified(p.TradeNo, 1)[0].NotificationID
		var id trace.TraceID
		eventually(t, func() error {
			for _, s := range spans.GetSpans() {
				for _, a := range s.Attributes {
					if a.Key == "notification.id" && a.Value.AsString() == notification {
						id = s.SpanContext.TraceID()
						return nil
					}
				}
			}
			return fmt.Errorf("no span of notification %s", notification)
		})
		w.traced(id, "notification wechat", "job deliver_webhook", "HTTP POST")
		w.carries(webhook, id)
	})
}

// createTraced creates a payment as an app does that traces its own requests.
func (w *world) createTraced() (*client.Payment, trace.TraceID) {
	w.t.Helper()
	_, secret := w.key(shopApp)
	app := w.newClient(client.Config{APIKey: secret, HTTPClient: &http.Client{Transport: otelhttp.NewTransport(http.DefaultTransport)}})
	ctx, span := otel.Tracer("journey").Start(w.t.Context(), checkout)
	defer span.End()
	p, err := app.CreatePayment(ctx, order(100))
	if err != nil {
		w.t.Fatal(err)
	}
	return p, span.SpanContext().TraceID()
}

// traced waits until the trace has spans whose names begin so: a span is seen when it has ended.
func (w *world) traced(id trace.TraceID, names ...string) {
	w.t.Helper()
	eventually(w.t, func() error {
		var have []string
		for _, s := range spans.GetSpans() {
			if s.SpanContext.TraceID() == id {
				have = append(have, s.Name)
			}
		}
		for _, name := range names {
			if !slices.ContainsFunc(have, func(n string) bool { return strings.HasPrefix(n, name) }) {
				return fmt.Errorf("trace %s has no span %q, only %q", id, name, have)
			}
		}
		return nil
	})
}

// carries checks that an app can go on with the trace of what it is told.
func (w *world) carries(webhook received, id trace.TraceID) {
	w.t.Helper()
	if parent := webhook.header.Get("Traceparent"); !strings.Contains(parent, id.String()) {
		w.t.Errorf("the webhook's traceparent is %q, want trace %s", parent, id)
	}
}
