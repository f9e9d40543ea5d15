package journeys_test

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tongbao-pay/tongbao/client"
	"github.com/tongbao-pay/tongbao/internal/natstest"
	"github.com/tongbao-pay/tongbao/internal/secret"
	"github.com/tongbao-pay/tongbao/internal/server"
)

func TestAPaymentArrivesInTheStreamInOrderAndAsItsWebhooks(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		n := natstest.Start(t)
		n.Stop() // nothing but the stream waits for it
		w := open(t, e, func(o *server.Options) { o.Config.Stream.URL = secret.NewString(n.URL()) })
		var want []received
		refunded := func() {
			p := w.paid(8800)
			r := w.refund(p, p.Amount)
			w.settled(r)
			want = append(want, w.inbox.wait(client.EventPaymentCreated, p.ID), w.inbox.wait(client.EventPaymentSucceeded, p.ID),
				w.inbox.wait(client.EventRefundCreated, r.ID), w.inbox.wait(client.EventRefundSucceeded, r.ID), w.inbox.wait(client.EventPaymentRefunded, p.ID))
		}
		refunded()
		w.ready()
		if lag := w.gateway.metrics(t)["tongbao_stream_lag_seconds"]; lag <= 0 {
			t.Errorf("events wait for %v seconds", lag)
		}
		n.Restart()
		refunded()
		for i, m := range n.Messages("tongbao", len(want)) {
			var envelope struct {
				ID   string          `json:"id"`
				Data json.RawMessage `json:"data"`
			}
			if err := json.Unmarshal(m.Data(), &envelope); err != nil {
				t.Fatal(err)
			}
			if envelope.ID != want[i].header.Get("Webhook-Id") || m.Subject() != "tongbao."+shopApp+"."+want[i].Type {
				t.Errorf("message %d is %s of %s, want %s of %s", i, m.Subject(), envelope.ID, want[i].Type, want[i].ID)
			}
			if diff := cmp.Diff(string(want[i].body), string(envelope.Data)); diff != "" {
				t.Errorf("message %d is not its webhook: %s", i, diff)
			}
		}
		w.reconcile()
	})
}

// ready checks that load balancers would send requests to the gateway.
func (w *world) ready() {
	w.t.Helper()
	answer, err := http.Get(w.gateway.URL() + "/readyz")
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, err := io.ReadAll(answer.Body); answer.StatusCode != http.StatusOK || string(text) != "ready\n" {
		w.t.Errorf("/readyz answers %d %q, %v", answer.StatusCode, text, err)
	}
}
