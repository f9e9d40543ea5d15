package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tongbao-pay/tongbao/client"
	"github.com/tongbao-pay/tongbao/internal/payment"
)

func goodRefund() string {
	return `{"payment_id":"` + paymentID + `","out_refund_no":"refund-1","amount":100}`
}

func TestCreateRefund(t *testing.T) {
	t.Parallel()
	b := setup(t)
	t.Run("AnswersCreatedThenOK", func(t *testing.T) {
		for _, want := range []int{http.StatusCreated, http.StatusOK} {
			if a := b.send(t, "POST", "/v1/refunds", goodRefund()); a.status != want {
				t.Errorf("status %d, want %d: %s", a.status, want, a.body)
			}
		}
		want := payment.RefundRequest{PaymentID: paymentID, OutRefundNo: "refund-1", Amount: 100}
		if diff := cmp.Diff(want, b.domain.refunds[0]); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("AnswersAcceptedWhileTheProviderHasNotConfirmed", func(t *testing.T) {
		b.domain.refund = func(payment.RefundRequest) (*payment.Refund, bool, error) {
			r := sampleRefund(b.now.Now())
			r.Status = payment.RefundPending
			return r, true, nil
		}
		if a := b.send(t, "POST", "/v1/refunds", goodRefund()); a.status != 202 || a.header.Get("Retry-After") != "1" {
			t.Errorf("status %d: %s", a.status, a.body)
		}
	})
}

func TestEvents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.lists.items = 23
	t.Run("AreWalkedInOrder", func(t *testing.T) {
		var sequences []int64
		for e, err := range b.client(t).Events(t.Context(), client.EventQuery{Limit: 5}) {
			check(t, err)
			sequences = append(sequences, e.Sequence)
		}
		if len(sequences) != 23 || !slices.IsSorted(sequences) {
			t.Errorf("they came as %d", sequences)
		}
	})
	t.Run("HaveTheBodyThatWebhooksCarry", func(t *testing.T) {
		a := b.send(t, "GET", "/v1/events?limit=1", "")
		var page struct{ Data []json.RawMessage }
		check(t, json.Unmarshal(a.body, &page))
		events, err := b.lists.Events(t.Context(), payment.EventFilter{AppID: shop}, 1)
		check(t, err)
		if string(page.Data[0]) != string(events[0].Body()) {
			t.Errorf("the list has\n%s\nand the webhook\n%s", page.Data[0], events[0].Body())
		}
		var fields map[string]json.RawMessage
		check(t, json.Unmarshal(page.Data[0], &fields))
		for _, name := range []string{"id", "type", "created_at", "sequence", "data"} {
			if _, ok := fields[name]; !ok {
				t.Errorf("%s is missing", name)
			}
		}
	})
	t.Run("AreNarrowedByTypes", func(t *testing.T) {
		b.lists.events = nil
		_, err := b.client(t).ListEvents(t.Context(), client.EventQuery{Types: []string{client.EventRefundCreated, client.EventPaymentClosed}, After: eventOne})
		check(t, err)
		want := []payment.EventFilter{{AppID: shop, Types: []string{"refund.created", "payment.closed"}, After: eventOne}}
		if diff := cmp.Diff(want, b.lists.events); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("OfAPaymentOfAnotherAppAreNotFound", func(t *testing.T) {
		a := b.send(t, "GET", "/v1/payments/"+paymentID+"/events", "", header("Authorization", "Bearer "+b.stranger))
		if a.status != 404 {
			t.Errorf("status %d: %s", a.status, a.body)
		}
	})
	t.Run("AfterAnUnknownOneIsNamed", func(t *testing.T) {
		if a := b.send(t, "GET", "/v1/events?after=evt_01K9ZQ4T3M8W6V5R2N7X1Y0ABC", ""); a.status != 400 || a.locations(t) != "query.after" {
			t.Errorf("status %d: %s", a.status, a.body)
		}
	})
}

const eventOne = "evt_00000000000000000000000001"

func TestWebhookEndpoints(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.client(t)
	t.Run("ShowTheirSecretOnceOnly", func(t *testing.T) {
		e, err := c.CreateWebhookEndpoint(t.Context(), client.CreateWebhookEndpoint{URL: "https://shop.example.com/hooks"})
		check(t, err)
		if e.Secret != "whsec_1" || e.Types == nil {
			t.Errorf("the new endpoint is %+v", e)
		}
		for _, path := range []string{"/v1/webhook-endpoints", "/v1/webhook-endpoints/" + endpointID} {
			if a := b.send(t, "GET", path, ""); a.status != 200 || strings.Contains(string(a.body), "secret") {
				t.Errorf("%s shows %s", path, a.body)
			}
		}
	})
	t.Run("ChangeOnlyWhatIsGiven", func(t *testing.T) {
		b.hooks.settings = nil
		_, err := c.UpdateWebhookEndpoint(t.Context(), endpointID, client.UpdateWebhookEndpoint{Disabled: new(false)})
		check(t, err)
		_, err = c.UpdateWebhookEndpoint(t.Context(), endpointID, client.UpdateWebhookEndpoint{Types: &[]string{}})
		check(t, err)
		first, second := b.hooks.settings[0], b.hooks.settings[1]
		if first.URL != nil || first.Types != nil || first.Description != nil || first.Disabled == nil || *first.Disabled {
			t.Errorf("the first became %+v", first)
		}
		if second.Types == nil || len(*second.Types) != 0 || second.Disabled != nil {
			t.Errorf("the second became %+v", second)
		}
	})
	t.Run("RotateWithADayOfOverlapUnlessToldOtherwise", func(t *testing.T) {
		for _, body := range []string{"", "{}", `{"overlap":0}`, `{"overlap":60}`} {
			if a := b.send(t, "POST", "/v1/webhook-endpoints/"+endpointID+"/rotate-secret", body); a.status != 200 || !strings.Contains(string(a.body), "whsec_rotated") {
				t.Errorf("status %d: %s", a.status, a.body)
			}
		}
		if diff := cmp.Diff([]time.Duration{24 * time.Hour, 24 * time.Hour, 0, time.Minute}, b.hooks.overlaps); diff != "" {
			t.Error(diff)
		}
	})
}

func TestWebhookDeliveriesAreWalkedPageByPage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.hooks.items = 11
	var ids []string
	for d, err := range b.client(t).WebhookDeliveries(t.Context(), client.WebhookDeliveryQuery{Limit: 5}) {
		check(t, err)
		ids = append(ids, d.ID)
	}
	if len(ids) != 11 || len(slices.Compact(slices.Sorted(slices.Values(ids)))) != 11 {
		t.Errorf("they are %q", ids)
	}
}

func TestDeadWebhooksAreRetriedSinceATime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	since := time.Date(2026, 1, 31, 8, 0, 0, 0, time.FixedZone("", 8*60*60))
	for _, request := range []client.RetryDeadWebhooks{{Since: since}, {}} {
		got, err := b.client(t).RetryDeadWebhooks(t.Context(), endpointID, request)
		check(t, err)
		if diff := cmp.Diff(&client.RetriedWebhooks{Object: "retried_webhooks", Retried: 7, HasMore: true}, got); diff != "" {
			t.Error(diff)
		}
	}
	if a := b.send(t, "POST", "/v1/webhook-endpoints/"+endpointID+"/retry-dead", ""); a.status != 202 {
		t.Errorf("without a body: status %d: %s", a.status, a.body)
	}
	if a := b.send(t, "POST", "/v1/webhook-endpoints/"+endpointID+"/retry-dead", `{"since":"yesterday"}`); a.status != 422 && a.status != 400 {
		t.Errorf("since yesterday: status %d: %s", a.status, a.body)
	}
	if got := b.hooks.since; len(got) != 3 || !got[0].Equal(since) || !got[1].IsZero() || !got[2].IsZero() {
		t.Errorf("since %v", got)
	}
}

func TestWhatBelongsToAnotherAppIsMissing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	stranger, err := client.New(client.Config{BaseURL: b.url, APIKey: client.Secret(b.stranger), Tries: 1})
	check(t, err)
	for name, call := range map[string]func(context.Context, *client.Client) error{
		"payment": func(ctx context.Context, c *client.Client) error { _, err := c.Payment(ctx, paymentID); return err },
		"close": func(ctx context.Context, c *client.Client) error {
			_, err := c.ClosePayment(ctx, paymentID)
			return err
		},
		"sync":   func(ctx context.Context, c *client.Client) error { _, err := c.SyncPayment(ctx, paymentID); return err },
		"refund": func(ctx context.Context, c *client.Client) error { _, err := c.Refund(ctx, refundID); return err },
		"review": func(ctx context.Context, c *client.Client) error { _, err := c.Review(ctx, reviewID); return err },
		"resolve": func(ctx context.Context, c *client.Client) error {
			_, err := c.ResolveReview(ctx, reviewID, client.ResolveReview{Action: client.ActionAcknowledge})
			return err
		},
		"endpoint": func(ctx context.Context, c *client.Client) error {
			_, err := c.WebhookEndpoint(ctx, endpointID)
			return err
		},
		"delete": func(ctx context.Context, c *client.Client) error { return c.DeleteWebhookEndpoint(ctx, endpointID) },
		"retry dead": func(ctx context.Context, c *client.Client) error {
			_, err := c.RetryDeadWebhooks(ctx, endpointID, client.RetryDeadWebhooks{})
			return err
		},
		"delivery": func(ctx context.Context, c *client.Client) error {
			_, err := c.RetryWebhookDelivery(ctx, deliveryID)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := call(t.Context(), b.client(t)); err != nil {
				t.Errorf("its own app: %v", err)
			}
			refusal, ok := errors.AsType[*client.Error](call(t.Context(), stranger))
			if !ok || refusal.Status != 404 || refusal.Code != client.CodeNotFound {
				t.Errorf("another app: %v", refusal)
			}
		})
	}
}
