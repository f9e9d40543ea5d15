package main

import (
	"strings"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/config"
	"github.com/tongbao-pay/tongbao/internal/job"
	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/store"
	"github.com/tongbao-pay/tongbao/internal/webhook"
)

func TestWebhookDeadAndRetry(t *testing.T) {
	t.Parallel()
	file := installed(t)
	if code, out, errs := tongbao(t, nil, "webhook", "--config", file); code != exitDone || !strings.Contains(out, "no webhook was given up") {
		t.Fatalf("without any: code %d, printed %q and %q", code, out, errs)
	}
	giveUp(t, file, time.UnixMilli(1_000), time.UnixMilli(61_000), time.UnixMilli(121_000))
	dead := func(want string) {
		t.Helper()
		_, out, errs := tongbao(t, nil, "webhook", "dead", "--config", file)
		if lines := strings.Fields(out); !strings.Contains(strings.Join(lines, " "), want) || strings.Contains(out, "hunter2") {
			t.Errorf("want %q, and not the URL, in %q, %q", want, out, errs)
		}
	}
	retry := func(want string, args ...string) {
		t.Helper()
		code, out, errs := tongbao(t, nil, append([]string{"webhook", "retry", "--config", file}, args...)...)
		if code != exitDone || !strings.Contains(out, want) {
			t.Errorf("%q: code %d, printed %q and %q, want %q", args, code, out, errs, want)
		}
	}
	dead("shop whe_1 3 ")
	retry("again: 1\n", "dlv_1", "--app", "shop")
	dead("shop whe_1 2 ")
	retry("again: 1\n", "whe_1", "--app", "shop", "--since", "1970-01-01T08:02:00+08:00")
	dead("shop whe_1 1 ")
	retry("again: 1\n", "whe_1", "--app", "shop")
	retry("again: 0\n", "whe_1", "--app", "shop")
	dead("no webhook was given up")

	for _, args := range [][]string{{"pay_1", "--app", "shop"}, {"dlv_1", "--app", "shop", "--since", "2026-01-31T08:00:00+08:00"}, {"whe_1"}, {"whe_1", "--app", "shop", "--since", "yesterday"}} {
		if code, _, errs := tongbao(t, nil, append([]string{"webhook", "retry", "--config", file}, args...)...); code != exitUsage {
			t.Errorf("%q: code %d, %q", args, code, errs)
		}
	}
	for _, args := range [][]string{{"whe_2", "--app", "shop"}, {"whe_1", "--app", "other"}, {"dlv_1", "--app", "other"}} {
		if code, _, errs := tongbao(t, nil, append([]string{"webhook", "retry", "--config", file}, args...)...); code != exitFailed || !strings.Contains(errs, "there is no webhook") {
			t.Errorf("%q: code %d, %q", args, code, errs)
		}
	}
}

// giveUp stores an endpoint, and a dead webhook with its last try for an event at each of the times.
func giveUp(t *testing.T, file string, events ...time.Time) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	c, err := config.Load(file, nil)
	check(err)
	s, err := store.Open(t.Context(), c.Database.Reveal())
	check(err)
	outbox, err := job.NewOutbox(s)
	check(err)
	s.UseQueue(outbox)
	check(s.PutEndpoint(t.Context(), webhook.Endpoint{ID: "whe_1", AppID: "shop", URL: "https://shop.example/?token=hunter2", SealedSecrets: []webhook.SealedSecret{{Sealed: []byte("sealed")}}}))
	for i, at := range events {
		n := string(rune('1' + i))
		check(s.Commit(t.Context(), &payment.Change{Events: []payment.Event{{
			ID: "evt_" + n, AppID: "shop", Type: payment.EventPaymentCreated, ResourceType: "payment", ResourceID: "pay_" + n, Sequence: 1, CreatedAt: at, Object: []byte("{}"),
		}}}))
		moved, err := s.RecordDelivery(t.Context(), webhook.Delivery{
			ID: "dlv_" + n, AppID: "shop", WebhookID: "whk_" + n + "_1", EndpointID: "whe_1", EventID: "evt_" + n, EventType: payment.EventPaymentCreated, Try: 10, Error: "answered 500", At: at,
		}, 0, webhook.Dead, time.Time{})
		check(err)
		if !moved {
			t.Fatalf("webhook %s was not made", n)
		}
	}
	check(s.Close())
}
