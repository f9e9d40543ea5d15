package webhook

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

func mustAnswer(t *testing.T, err error, code payment.Code, field string) {
	t.Helper()
	answer, ok := errors.AsType[*payment.Error](err)
	if !ok || answer.Code != code || answer.Field != field {
		t.Fatalf("got %v, want %s about %q", err, code, field)
	}
}

func at(url string) EndpointSettings { return EndpointSettings{URL: &url} }

func (b *bundle) create(t *testing.T, settings EndpointSettings) (Endpoint, string) {
	t.Helper()
	e, text, err := b.CreateEndpoint(t.Context(), shop, settings)
	if err != nil {
		t.Fatal(err)
	}
	return e, text.Reveal()
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	const shopURL = "https://shop.example.com/webhooks"

	t.Run("SecretIsShownOnceAndStoredSealed", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		e, text := b.create(t, at(shopURL))
		raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "whsec_"))
		if err != nil || len(raw) != 32 || !strings.HasPrefix(text, "whsec_") {
			t.Errorf("a secret of %d bytes, %v", len(raw), err)
		}
		stored, err := b.Endpoint(t.Context(), shop, e.ID)
		if diff := cmp.Diff(e, stored); err != nil || diff != "" {
			t.Error(err, diff)
		}
		printed, _ := json.Marshal(b.store.endpoints)
		if strings.Contains(string(printed)+fmt.Sprintf("%+v", stored), text) {
			t.Error("the secret can be read where it must not")
		}
		if !strings.HasPrefix(e.ID, "whe_") || e.Disabled || len(e.Types) != 0 {
			t.Errorf("got %+v", e)
		}
	})

	t.Run("SealedSecretOfOneEndpointDoesNotSignForAnother", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		one, _ := b.create(t, at(shopURL))
		two, _ := b.create(t, at(shopURL))
		two.SealedSecrets = one.SealedSecrets
		if signature, err := b.sign(two, "evt_1", b.clock.Now(), []byte("{}")); err == nil {
			t.Errorf("signs %s", signature)
		}
	})

	t.Run("TypesAreKnownOnesEachOnce", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		settings := at(shopURL)
		settings.Types = &[]string{payment.EventRefundSucceeded, payment.EventPaymentSucceeded, payment.EventRefundSucceeded}
		e, _ := b.create(t, settings)
		if diff := cmp.Diff([]string{payment.EventPaymentSucceeded, payment.EventRefundSucceeded}, e.Types); diff != "" {
			t.Error(diff)
		}
		for _, unknown := range []string{"payment.*", "", "payment", "Payment.Succeeded"} {
			settings.Types = &[]string{unknown}
			_, _, err := b.CreateEndpoint(t.Context(), shop, settings)
			mustAnswer(t, err, payment.CodeInvalid, "types")
		}
		all := slices.Clone(payment.EventTypes)
		settings.Types = &all
		b.create(t, settings)
		if diff := cmp.Diff(payment.EventTypes, all); diff != "" {
			t.Errorf("the caller's list was changed: %s", diff)
		}
	})

	t.Run("BadSettingsAreRefusedByField", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		_, _, err := b.CreateEndpoint(t.Context(), shop, EndpointSettings{})
		mustAnswer(t, err, payment.CodeInvalid, "url")
		_, _, err = b.CreateEndpoint(t.Context(), shop, at("http://shop.example.com/"))
		mustAnswer(t, err, payment.CodeInvalid, "url")
		long, settings := strings.Repeat("长", DescriptionMax+1), at(shopURL)
		settings.Description = &long
		_, _, err = b.CreateEndpoint(t.Context(), shop, settings)
		mustAnswer(t, err, payment.CodeInvalid, "description")
		if len(b.store.endpoints) != 0 {
			t.Error("something was stored")
		}
	})

	t.Run("TwentyPerAppAndNoMore", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		for range EndpointsMax {
			b.create(t, at(shopURL))
		}
		_, _, err := b.CreateEndpoint(t.Context(), shop, at(shopURL))
		mustAnswer(t, err, payment.CodeInvalid, "")
		if _, _, err := b.CreateEndpoint(t.Context(), "other", at(shopURL)); err != nil {
			t.Errorf("another app: %v", err)
		}
		if list, err := b.Endpoints(t.Context(), shop); err != nil || len(list) != EndpointsMax {
			t.Errorf("%d endpoints, %v", len(list), err)
		}
	})

	t.Run("UpdateChangesWhatItNamesAlone", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		settings := at(shopURL)
		settings.Types = &[]string{payment.EventPaymentSucceeded}
		e, _ := b.create(t, settings)
		b.clock.advance(time.Hour)
		b.store.conflicts = 2
		words := "the shop"
		updated, err := b.UpdateEndpoint(t.Context(), shop, e.ID, EndpointSettings{Description: &words})
		if err != nil {
			t.Fatal(err)
		}
		want := e
		want.Description, want.UpdatedAt, want.Version = words, b.clock.Now(), 2
		if diff := cmp.Diff(want, updated); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(want, b.store.endpoints[e.ID]); diff != "" {
			t.Error(diff)
		}
	})

	t.Run("DisablingSaysWhyAndEnablingForgetsIt", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		e, _ := b.create(t, at(shopURL))
		yes, no := true, false
		off, err := b.UpdateEndpoint(t.Context(), shop, e.ID, EndpointSettings{Disabled: &yes})
		if err != nil || !off.Disabled || off.DisabledWhy == "" {
			t.Errorf("got %+v, %v", off, err)
		}
		on, err := b.UpdateEndpoint(t.Context(), shop, e.ID, EndpointSettings{Disabled: &no})
		if err != nil || on.Disabled || on.DisabledWhy != "" {
			t.Errorf("got %+v, %v", on, err)
		}
	})

	t.Run("EndlessConflictIsGivenUp", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		e, _ := b.create(t, at(shopURL))
		b.store.conflicts = 100
		if _, err := b.UpdateEndpoint(t.Context(), shop, e.ID, at(shopURL)); !errors.Is(err, ErrConflict) {
			t.Errorf("got %v", err)
		}
	})

	t.Run("AnotherAppsEndpointIsNotFound", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		e, _ := b.create(t, at(shopURL))
		_, err := b.Endpoint(t.Context(), "other", e.ID)
		mustAnswer(t, err, payment.CodeNotFound, "")
		_, err = b.UpdateEndpoint(t.Context(), "other", e.ID, at(shopURL))
		mustAnswer(t, err, payment.CodeNotFound, "")
		_, _, err = b.RotateSecret(t.Context(), "other", e.ID, 0)
		mustAnswer(t, err, payment.CodeNotFound, "")
		mustAnswer(t, b.DeleteEndpoint(t.Context(), "other", e.ID), payment.CodeNotFound, "")
		if err := b.DeleteEndpoint(t.Context(), shop, e.ID); err != nil {
			t.Error(err)
		}
	})
}

func TestRotateSecret(t *testing.T) {
	t.Parallel()

	rotate := func(t *testing.T, b *bundle, e Endpoint, overlap time.Duration) string {
		t.Helper()
		_, text, err := b.RotateSecret(t.Context(), shop, e.ID, overlap)
		if err != nil {
			t.Fatal(err)
		}
		return text.Reveal()
	}
	send := func(t *testing.T, a *app, b *bundle, e Endpoint) received {
		t.Helper()
		b.deliver(t, b.webhook(e))
		got := a.requests()
		return got[len(got)-1]
	}

	t.Run("OldSecretSignsToTheEndOfTheOverlapAndNoLonger", func(t *testing.T) {
		t.Parallel()
		a, b := newApp(t, nil), setup(t, nil)
		e, old := b.create(t, at(a.URL))
		fresh := rotate(t, b, e, OverlapDefault)
		b.clock.advance(OverlapDefault - time.Millisecond)
		r := send(t, a, b, e)
		if !verifies(t, old, r) || !verifies(t, fresh, r) {
			t.Errorf("within the overlap not both verify: %s", r.header.Get("Webhook-Signature"))
		}
		first, _, _ := strings.Cut(r.header.Get("Webhook-Signature"), " ")
		if only := r; !strings.HasPrefix(first, "v1,") {
			t.Errorf("got %s", first)
		} else if only.header.Set("Webhook-Signature", first); !verifies(t, fresh, only) {
			t.Error("the newest secret does not sign first")
		}
		b.clock.advance(time.Millisecond)
		if r := send(t, a, b, e); verifies(t, old, r) || !verifies(t, fresh, r) {
			t.Error("after the overlap the old secret signs, or the new one does not")
		}
	})

	t.Run("OverlapOfZeroEndsEveryOldSecretNow", func(t *testing.T) {
		t.Parallel()
		a, b := newApp(t, nil), setup(t, nil)
		e, first := b.create(t, at(a.URL))
		second := rotate(t, b, e, OverlapDefault)
		third := rotate(t, b, e, 0)
		if r := send(t, a, b, e); verifies(t, first, r) || verifies(t, second, r) || !verifies(t, third, r) {
			t.Error("a leaked secret goes on signing")
		}
		if n := len(b.store.endpoints[e.ID].SealedSecrets); n != 1 {
			t.Errorf("%d secrets are kept", n)
		}
	})

	t.Run("LaterRotationDoesNotLengthenAnEarlierEnd", func(t *testing.T) {
		t.Parallel()
		a, b := newApp(t, nil), setup(t, nil)
		e, first := b.create(t, at(a.URL))
		rotate(t, b, e, time.Hour)
		rotate(t, b, e, OverlapMax)
		b.clock.advance(time.Hour)
		if r := send(t, a, b, e); verifies(t, first, r) {
			t.Error("the first secret outlives its end")
		}
	})

	t.Run("SecretsThatSignAreBounded", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		e, _ := b.create(t, at("https://shop.example.com/"))
		for range secretsMax - 1 {
			rotate(t, b, e, OverlapDefault)
		}
		_, _, err := b.RotateSecret(t.Context(), shop, e.ID, OverlapDefault)
		mustAnswer(t, err, payment.CodeInvalid, "overlap")
		b.clock.advance(OverlapDefault)
		rotate(t, b, e, OverlapDefault)
		for range 10 {
			rotate(t, b, e, 0)
		}
	})

	t.Run("OverlapOutOfRangeIsRefused", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		e, _ := b.create(t, at("https://shop.example.com/"))
		for _, overlap := range []time.Duration{-1, OverlapMax + 1} {
			_, _, err := b.RotateSecret(t.Context(), shop, e.ID, overlap)
			mustAnswer(t, err, payment.CodeInvalid, "overlap")
		}
	})

	t.Run("ConflictingRotationKeepsTheOldSecretsRight", func(t *testing.T) {
		t.Parallel()
		a, b := newApp(t, nil), setup(t, nil)
		e, old := b.create(t, at(a.URL))
		b.store.conflicts = 2
		fresh := rotate(t, b, e, OverlapDefault)
		if r := send(t, a, b, e); !verifies(t, old, r) || !verifies(t, fresh, r) || len(b.store.endpoints[e.ID].SealedSecrets) != 2 {
			t.Errorf("got %+v", b.store.endpoints[e.ID].SealedSecrets)
		}
	})
}

func TestRetry(t *testing.T) {
	t.Parallel()

	t.Run("DeadWebhookIsTriedAgainNowWithANewSchedule", func(t *testing.T) {
		t.Parallel()
		a, b := newApp(t, status(500)), setup(t, nil)
		e, _ := b.endpoint(t, a.URL)
		id := b.webhook(e)
		var last Delivery
		for b.state(id) == Pending {
			var again time.Time
			last, again = b.deliver(t, id)
			if !again.IsZero() {
				b.clock.set(again)
			}
		}
		if err := b.Retry(t.Context(), shop, last.ID); err != nil {
			t.Fatal(err)
		}
		d, again := b.deliver(t, id)
		if wait := again.Sub(b.clock.Now()); d.Try != 1 || wait < 5*time.Second || wait > 6*time.Second {
			t.Errorf("try %d waits %v", d.Try, wait)
		}
		list, err := b.Deliveries(t.Context(), DeliveryFilter{AppID: shop})
		if err != nil || len(list) != 11 || list[0].ID != d.ID {
			t.Errorf("%d deliveries, %v", len(list), err)
		}
	})

	for name, before := range map[string]int{"ATry": 1, "TheLastTry": 9} {
		t.Run("RetryDuring"+name+"IsNotLost", func(t *testing.T) {
			t.Parallel()
			a, b := newApp(t, status(500)), setup(t, nil)
			e, _ := b.endpoint(t, a.URL)
			id := b.webhook(e)
			var d Delivery
			for range before {
				var again time.Time
				d, again = b.deliver(t, id)
				b.clock.set(again)
			}
			a.answers(func(w http.ResponseWriter, _ *http.Request) {
				if err := b.Retry(t.Context(), shop, d.ID); err != nil {
					t.Error(err)
				}
				w.WriteHeader(http.StatusInternalServerError)
			})
			late, again := b.deliver(t, id)
			if late.Try != before+1 || !again.IsZero() {
				t.Errorf("try %d, again %v; the retry has a job of its own", late.Try, again)
			}
			if heard := b.observer.all[before]; heard.state != Pending {
				t.Errorf("the observer heard that the webhook is %s", heard.state)
			}
			if w := b.store.webhooks[id]; w.State != Pending || w.Tries != 0 || w.Round != 1 || !w.NextTryAt.Equal(b.clock.Now()) {
				t.Errorf("the retry was lost: %+v", w)
			}
		})
	}

	t.Run("JobOfTheRoundBeforeEnds", func(t *testing.T) {
		t.Parallel()
		a, b := newApp(t, status(500)), setup(t, nil)
		e, _ := b.endpoint(t, a.URL)
		id := b.webhook(e)
		d, _ := b.deliver(t, JobOf(id, 0))
		if err := b.Retry(t.Context(), shop, d.ID); err != nil {
			t.Fatal(err)
		}
		_, again := b.deliver(t, JobOf(id, 1))
		for _, at := range []time.Time{b.clock.Now(), again} { // the next try is not due, and is
			b.clock.set(at)
			if again, err := b.Deliver(t.Context(), shop, JobOf(id, 0)); err != nil || !again.IsZero() {
				t.Errorf("the job of the round before comes again at %v, %v", again, err)
			}
		}
		if d, again := b.deliver(t, JobOf(id, 1)); d.Try != 2 || again.IsZero() || len(a.requests()) != 3 {
			t.Errorf("try %d, again %v, %d requests", d.Try, again, len(a.requests()))
		}
	})

	t.Run("RetryReachesAnEndpointThatKeepsFailingAtOnce", func(t *testing.T) {
		t.Parallel()
		a, b := newApp(t, status(500)), setup(t, nil)
		e, _ := b.endpoint(t, a.URL)
		var d Delivery
		for range breakAfter {
			d, _ = b.deliver(t, b.webhook(e))
		}
		waiting := b.webhook(e)
		if again, err := b.Deliver(t.Context(), shop, waiting); err != nil || again.Sub(b.clock.Now()) < probeDelay || b.store.webhooks[waiting].Tries != 0 {
			t.Errorf("another webhook waits until %v, %v", again, err)
		}
		a.answers(nil)
		if err := b.Retry(t.Context(), shop, d.ID); err != nil {
			t.Fatal(err)
		}
		if d, _ := b.deliver(t, d.WebhookID); !d.Success {
			t.Errorf("got %+v", d)
		}
		if d, _ := b.deliver(t, waiting); !d.Success {
			t.Errorf("success did not close the breaker: %+v", d)
		}
	})

	t.Run("DisabledEndpointIsEnabledFirst", func(t *testing.T) {
		t.Parallel()
		a, b := newApp(t, status(410)), setup(t, nil)
		e, _ := b.endpoint(t, a.URL)
		d, _ := b.deliver(t, b.webhook(e))
		mustAnswer(t, b.Retry(t.Context(), shop, d.ID), payment.CodeInvalid, "")
		no := false
		if _, err := b.UpdateEndpoint(t.Context(), shop, e.ID, EndpointSettings{Disabled: &no}); err != nil {
			t.Fatal(err)
		}
		if err := b.Retry(t.Context(), shop, d.ID); err != nil || b.state(d.WebhookID) != Pending {
			t.Errorf("%v, %s", err, b.state(d.WebhookID))
		}
	})

	t.Run("UnknownAndForeignDeliveriesAreNotFound", func(t *testing.T) {
		t.Parallel()
		a, b := newApp(t, nil), setup(t, nil)
		e, _ := b.endpoint(t, a.URL)
		d, _ := b.deliver(t, b.webhook(e))
		mustAnswer(t, b.Retry(t.Context(), shop, "dlv_x"), payment.CodeNotFound, "")
		mustAnswer(t, b.Retry(t.Context(), "other", d.ID), payment.CodeNotFound, "")
		if err := b.DeleteEndpoint(t.Context(), shop, e.ID); err != nil {
			t.Fatal(err)
		}
		mustAnswer(t, b.Retry(t.Context(), shop, d.ID), payment.CodeNotFound, "")
	})
}
