package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/webhook"
)

var fanOutTests = map[string]func(*testing.T, *bundle){
	"AnEventGoesToEveryEndpointThatWantsIt": anEventGoesToEveryEndpointThatWantsIt,
	"WebhooksRollBackWithTheirEvent":        webhooksRollBackWithTheirEvent,
}

var webhookTests = map[string]func(*testing.T, *bundle){
	"EndpointsAreStoredWhole":             endpointsAreStoredWhole,
	"AStaleEndpointIsAConflict":           aStaleEndpointIsAConflict,
	"DeletedEndpointsAreGone":             deletedEndpointsAreGone,
	"AWebhookComesWithItsBodyAndEndpoint": aWebhookComesWithItsBodyAndEndpoint,
	"ADeliveryMovesItsWebhook":            aDeliveryMovesItsWebhook,
	"DeliveriesArePagedAndFiltered":       deliveriesArePagedAndFiltered,
	"ARetryStartsTheScheduleAnewWithAJob": aRetryStartsTheScheduleAnewWithAJob,
	"DeadWebhooksAreRetriedTogetherOnce":  deadWebhooksAreRetriedTogetherOnce,
	"DeadWebhooksRetriedByManyAtOnce":     deadWebhooksRetriedByManyAtOnce,
	"DeadLettersAreCountedByEndpoint":     deadLettersAreCountedByEndpoint,
	"ATryOfTheRoundBeforeChangesNothing":  aTryOfTheRoundBeforeChangesNothing,
	"ATryAfterTheDeliveryChangesNothing":  aTryAfterTheDeliveryChangesNothing,
	"WebhooksOfOthersAreNotFound":         webhooksOfOthersAreNotFound,
}

func newEndpoint(id string, types ...string) webhook.Endpoint {
	return webhook.Endpoint{
		ID: id, AppID: appID, URL: "https://shop.example/" + id, Types: types, Description: "the shop", CreatedAt: epoch, UpdatedAt: epoch,
		SealedSecrets: []webhook.SealedSecret{{Sealed: []byte{0, 1, 255}}, {Sealed: []byte{2}, ExpiresAt: epoch.Add(time.Hour)}},
	}
}

// endpoint stores an endpoint; without types it wants everything.
func (b *bundle) endpoint(id string, types ...string) {
	b.t.Helper()
	b.putEndpoint(newEndpoint(id, types...))
}

func (b *bundle) putEndpoint(e webhook.Endpoint) {
	b.t.Helper()
	if err := b.PutEndpoint(b.t.Context(), e); err != nil {
		b.t.Fatal(err)
	}
}

func anEventGoesToEveryEndpointThatWantsIt(t *testing.T, b *bundle) {
	b.endpoint("whe_all")
	b.endpoint("whe_one", payment.EventPaymentCreated)
	b.endpoint("whe_two", payment.EventRefundCreated, payment.EventPaymentCreated, payment.EventRefundClosed)
	b.endpoint("whe_no", payment.EventPaymentClosed, "payment.created.v2", "xpayment.created")
	disabled := newEndpoint("whe_off")
	disabled.Disabled, disabled.DisabledWhy = true, "gone"
	b.putEndpoint(disabled)
	foreign := newEndpoint("whe_foreign")
	foreign.AppID = "app_2"
	b.putEndpoint(foreign)

	b.commit(created(newPayment(1)))
	for _, endpoint := range []string{"all", "one", "two"} {
		w := must(b.WebhookByID(t.Context(), appID, "whk_0001P1_"+endpoint))(t)
		if w.EndpointID != "whe_"+endpoint || w.EventID != "evt_0001P1" || w.State != webhook.Pending {
			t.Errorf("webhook %+v", w)
		}
		if n := b.count(fmt.Sprintf(`SELECT COUNT(*) FROM enqueued WHERE kind = 'deliver_webhook' AND resource_id = 'whk_0001P1_%s@0' AND at = %d`, endpoint, epoch.UnixMilli())); n != 1 {
			t.Errorf("%d jobs for %s, want one that is due", n, endpoint)
		}
	}
	if sizes := b.sizes(); sizes["webhooks"] != 3 || sizes["enqueued"] != 4 {
		t.Errorf("rows: %v", sizes)
	}
}

func webhooksRollBackWithTheirEvent(t *testing.T, b *bundle) {
	b.endpoint("whe_1")
	b.commit(created(newPayment(1)))
	before := b.sizes()
	p := newPayment(2)
	p.OutTradeNo = "order-0001"
	b.refused(created(p), payment.ErrConflict)
	same(t, "rows", b.sizes(), before)
}

func endpointsAreStoredWhole(t *testing.T, b *bundle) {
	all, some := newEndpoint("whe_2"), newEndpoint("whe_1", payment.EventPaymentCreated, payment.EventReviewOpened)
	b.putEndpoint(all)
	b.putEndpoint(some)
	all.Version, some.Version = 1, 1
	same(t, "for all", must(b.EndpointByID(t.Context(), appID, "whe_2"))(t), all)
	same(t, "for some", must(b.EndpointByID(t.Context(), appID, "whe_1"))(t), some)
	same(t, "list", must(b.EndpointsOfApp(t.Context(), appID))(t), []webhook.Endpoint{some, all})

	some.URL, some.Types, some.Description, some.SealedSecrets = "https://new.example", nil, "", some.SealedSecrets[:1]
	some.Disabled, some.DisabledWhy, some.UpdatedAt = true, "410", epoch.Add(time.Minute)
	b.putEndpoint(some)
	some.Version = 2
	same(t, "replaced", must(b.EndpointByID(t.Context(), appID, "whe_1"))(t), some)
}

func aStaleEndpointIsAConflict(t *testing.T, b *bundle) {
	b.endpoint("whe_1")
	e := newEndpoint("whe_1")
	if err := b.PutEndpoint(t.Context(), e); !errors.Is(err, webhook.ErrConflict) {
		t.Errorf("inserted twice: %v", err)
	}
	e.Version = 1
	b.putEndpoint(e)
	if err := b.PutEndpoint(t.Context(), e); !errors.Is(err, webhook.ErrConflict) {
		t.Errorf("replaced twice: %v", err)
	}
	e.AppID, e.Version = "app_2", 2
	if err := b.PutEndpoint(t.Context(), e); !errors.Is(err, webhook.ErrConflict) {
		t.Errorf("another app's: %v", err)
	}
}

func deletedEndpointsAreGone(t *testing.T, b *bundle) {
	ctx := t.Context()
	b.endpoint("whe_1")
	b.commit(created(newPayment(1)))
	if err := b.DeleteEndpoint(ctx, "app_2", "whe_1"); !errors.Is(err, webhook.ErrNotFound) {
		t.Errorf("another app's: %v", err)
	}
	if err := b.DeleteEndpoint(ctx, appID, "whe_1"); err != nil {
		t.Fatal(err)
	}
	if err := b.DeleteEndpoint(ctx, appID, "whe_1"); !errors.Is(err, webhook.ErrNotFound) {
		t.Errorf("deleted twice: %v", err)
	}
	if _, err := b.EndpointByID(ctx, appID, "whe_1"); !errors.Is(err, webhook.ErrNotFound) {
		t.Errorf("endpoint: %v", err)
	}
	if _, err := b.WebhookByID(ctx, appID, "whk_0001P1_1"); !errors.Is(err, webhook.ErrNotFound) {
		t.Errorf("its webhook: %v", err)
	}
	b.commit(created(newPayment(2)))
	if n := b.count(`SELECT COUNT(*) FROM webhooks`); n != 1 {
		t.Errorf("%d webhooks", n)
	}
}

func aWebhookComesWithItsBodyAndEndpoint(t *testing.T, b *bundle) {
	b.endpoint("whe_1")
	c := created(newPayment(1))
	b.commit(c)
	e := newEndpoint("whe_1")
	e.Version = 1
	same(t, "webhook", must(b.WebhookByID(t.Context(), appID, "whk_0001P1_1"))(t), webhook.Webhook{
		ID: "whk_0001P1_1", AppID: appID, EndpointID: "whe_1", EventID: "evt_0001P1", EventType: payment.EventPaymentCreated,
		State: webhook.Pending, NextTryAt: epoch, CreatedAt: epoch, RoundBegan: epoch, Body: c.Events[0].Body(), Endpoint: e,
	})
}

func delivery(n int) webhook.Delivery {
	return webhook.Delivery{
		ID: fmt.Sprintf("dlv_%d", n), AppID: appID, WebhookID: "whk_0001P1_1", EndpointID: "whe_1", EventID: "evt_0001P1", EventType: payment.EventPaymentCreated,
		Try: n, StatusCode: 500, Error: "the endpoint answered 500", Duration: 12 * time.Millisecond, At: epoch.Add(time.Duration(n) * time.Second),
	}
}

// record commits a try of the webhook's first round, which must move the webhook.
func (b *bundle) record(d webhook.Delivery, state webhook.State, next time.Time) {
	b.t.Helper()
	if moved, err := b.RecordDelivery(b.t.Context(), d, 0, state, next); err != nil || !moved {
		b.t.Fatalf("moved %t, %v", moved, err)
	}
}

func aDeliveryMovesItsWebhook(t *testing.T, b *bundle) {
	b.endpoint("whe_1")
	b.commit(created(newPayment(1)))
	first, second := delivery(1), delivery(2)
	b.record(first, webhook.Pending, epoch.Add(5*time.Second))
	w := must(b.WebhookByID(t.Context(), appID, "whk_0001P1_1"))(t)
	if w.Tries != 1 || w.State != webhook.Pending || !w.NextTryAt.Equal(epoch.Add(5*time.Second)) {
		t.Errorf("after a failure: %+v", w)
	}
	second.Success, second.StatusCode, second.Error = true, 204, ""
	b.record(second, webhook.Delivered, time.Time{})
	w = must(b.WebhookByID(t.Context(), appID, "whk_0001P1_1"))(t)
	if w.Tries != 2 || w.State != webhook.Delivered || !w.NextTryAt.IsZero() {
		t.Errorf("after success: %+v", w)
	}
	second.WebhookState = webhook.Delivered
	same(t, "delivery", must(b.DeliveryByID(t.Context(), appID, "dlv_2"))(t), second)

	if moved, err := b.RecordDelivery(t.Context(), first, 0, webhook.Dead, time.Time{}); err == nil || moved {
		t.Errorf("one try was recorded twice; moved %t", moved)
	}
	if w := must(b.WebhookByID(t.Context(), appID, "whk_0001P1_1"))(t); w.State != webhook.Delivered {
		t.Errorf("a try that was not recorded moved the webhook to %s", w.State)
	}
}

func deliveriesArePagedAndFiltered(t *testing.T, b *bundle) {
	b.endpoint("whe_1")
	b.endpoint("whe_2")
	b.commit(created(newPayment(1)))
	for n := 1; n <= 4; n++ {
		b.record(delivery(n), webhook.Pending, epoch)
	}
	other := delivery(5)
	other.WebhookID, other.EndpointID = "whk_0001P1_2", "whe_2"
	b.record(other, webhook.Dead, time.Time{})
	ids := func(f webhook.DeliveryFilter) (ids []string) {
		f.AppID, f.Limit = appID, 3
		for _, d := range must(b.Deliveries(t.Context(), f))(t) {
			ids = append(ids, d.ID)
		}
		return ids
	}
	same(t, "all", ids(webhook.DeliveryFilter{}), []string{"dlv_5", "dlv_4", "dlv_3"})
	same(t, "next page", ids(webhook.DeliveryFilter{Cursor: "dlv_3"}), []string{"dlv_2", "dlv_1"})
	same(t, "by endpoint", ids(webhook.DeliveryFilter{EndpointID: "whe_2"}), []string{"dlv_5"})
	same(t, "by state", ids(webhook.DeliveryFilter{State: webhook.Dead}), []string{"dlv_5"})
	same(t, "by event", ids(webhook.DeliveryFilter{EventID: "evt_x"}), []string(nil))
	if all := must(b.Deliveries(t.Context(), webhook.DeliveryFilter{AppID: "app_2", Limit: 9}))(t); len(all) > 0 {
		t.Errorf("another app sees %v", all)
	}
}

func aRetryStartsTheScheduleAnewWithAJob(t *testing.T, b *bundle) {
	b.endpoint("whe_1")
	b.commit(created(newPayment(1)))
	b.record(delivery(1), webhook.Dead, time.Time{})
	at := epoch.Add(time.Hour)
	if err := b.Retry(t.Context(), appID, "whk_0001P1_1", at); err != nil {
		t.Fatal(err)
	}
	w := must(b.WebhookByID(t.Context(), appID, "whk_0001P1_1"))(t)
	if w.State != webhook.Pending || w.Round != 1 || w.Tries != 0 || !w.NextTryAt.Equal(at) || !w.RoundBegan.Equal(at) {
		t.Errorf("webhook %+v", w)
	}
	if n := b.count(fmt.Sprintf(`SELECT COUNT(*) FROM enqueued WHERE resource_id = 'whk_0001P1_1@1' AND at = %d`, at.UnixMilli())); n != 1 {
		t.Errorf("%d jobs", n)
	}
}

// die kills the webhook to whe_1 of the nth payment's creation, which came about n minutes after the epoch.
func (b *bundle) die(n int) (webhookID string) {
	b.t.Helper()
	c := created(newPayment(n))
	at := epoch.Add(time.Duration(n) * time.Minute)
	c.Events[0].CreatedAt = at
	b.commit(c)
	d := delivery(n)
	d.EventID, d.WebhookID = c.Events[0].ID, "whk_"+c.Events[0].ID[4:]+"_1"
	b.record(d, webhook.Dead, time.Time{})
	return d.WebhookID
}

func deadWebhooksAreRetriedTogetherOnce(t *testing.T, b *bundle) {
	ctx := t.Context()
	b.endpoint("whe_1")
	b.endpoint("whe_2", payment.EventRefundCreated)
	before, first, second, third := b.die(1), b.die(2), b.die(3), b.die(4)
	b.commit(created(newPayment(5))) // its webhook is pending
	at, jobs := epoch.Add(time.Hour), b.sizes()["enqueued"]

	retry := func(appID, endpointID string, limit, want int) {
		t.Helper()
		if n, err := b.RetryDead(ctx, appID, endpointID, epoch.Add(2*time.Minute), at, limit); err != nil || n != want {
			t.Errorf("%s of %s: %d retried, want %d: %v", endpointID, appID, n, want, err)
		}
	}
	retry("app_2", "whe_1", 9, 0)
	retry(appID, "whe_2", 9, 0)
	retry(appID, "whe_1", 2, 2)
	for id, want := range map[string]webhook.State{before: webhook.Dead, first: webhook.Pending, second: webhook.Pending, third: webhook.Dead} {
		w := must(b.WebhookByID(ctx, appID, id))(t)
		retried := w.Round == 1 && w.Tries == 0 && w.NextTryAt.Equal(at) && w.RoundBegan.Equal(at)
		if w.State != want || retried != (want == webhook.Pending) {
			t.Errorf("webhook %+v", w)
		}
	}
	retry(appID, "whe_1", 9, 1)
	retry(appID, "whe_1", 9, 0)
	if n := b.sizes()["enqueued"] - jobs; n != 3 {
		t.Errorf("%d jobs for 3 retries", n)
	}
	if n := b.count(fmt.Sprintf(`SELECT COUNT(DISTINCT resource_id) FROM enqueued WHERE kind = 'deliver_webhook' AND at = %d`, at.UnixMilli())); n != 3 {
		t.Errorf("jobs for %d webhooks", n)
	}
}

func deadWebhooksRetriedByManyAtOnce(t *testing.T, b *bundle) {
	b.endpoint("whe_1")
	const dead = 6
	for n := 1; n <= dead; n++ {
		b.die(n)
	}
	jobs := b.sizes()["enqueued"]
	var retried atomic.Int64
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			n, err := b.RetryDead(t.Context(), appID, "whe_1", time.Time{}, epoch.Add(time.Hour), dead)
			if err != nil {
				t.Error(err)
			}
			retried.Add(int64(n))
		})
	}
	callers.Wait()
	if n := b.sizes()["enqueued"] - jobs; n != dead || retried.Load() != dead {
		t.Errorf("%d retried and %d jobs, want %d", retried.Load(), n, dead)
	}
}

func deadLettersAreCountedByEndpoint(t *testing.T, b *bundle) {
	b.endpoint("whe_1")
	b.endpoint("whe_2")
	if none := must(b.DeadLetters(t.Context()))(t); len(none) > 0 {
		t.Errorf("before any: %+v", none)
	}
	b.die(1)
	b.die(3)
	same(t, "dead letters", must(b.DeadLetters(t.Context()))(t), []webhook.DeadLetters{{
		AppID: appID, EndpointID: "whe_1", URL: "https://shop.example/whe_1", Count: 2, Oldest: epoch.Add(time.Minute), Newest: epoch.Add(3 * time.Minute),
	}})
	if err := b.DeleteEndpoint(t.Context(), appID, "whe_1"); err != nil {
		t.Fatal(err)
	}
	if none := must(b.DeadLetters(t.Context()))(t); len(none) > 0 {
		t.Errorf("of a deleted endpoint: %+v", none)
	}
}

func aTryOfTheRoundBeforeChangesNothing(t *testing.T, b *bundle) {
	ctx := t.Context()
	b.endpoint("whe_1")
	b.commit(created(newPayment(1)))
	b.record(delivery(1), webhook.Pending, epoch.Add(5*time.Second))
	if err := b.Retry(ctx, appID, "whk_0001P1_1", epoch.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	retried := must(b.WebhookByID(ctx, appID, "whk_0001P1_1"))(t)

	success := delivery(4)
	success.Success, success.StatusCode, success.Error = true, 204, ""
	for state, d := range map[webhook.State]webhook.Delivery{webhook.Pending: delivery(2), webhook.Dead: delivery(3), webhook.Delivered: success} {
		if moved, err := b.RecordDelivery(ctx, d, 0, state, time.Time{}); err != nil || moved {
			t.Errorf("%s: moved %t, %v", state, moved, err)
		}
		same(t, "webhook", must(b.WebhookByID(ctx, appID, "whk_0001P1_1"))(t), retried)
		d.WebhookState, d.NextTryAt = webhook.Pending, retried.NextTryAt
		same(t, "delivery", must(b.DeliveryByID(ctx, appID, d.ID))(t), d)
	}
	if moved, err := b.RecordDelivery(ctx, delivery(5), retried.Round, webhook.Dead, time.Time{}); err != nil || !moved {
		t.Errorf("a try of this round: moved %t, %v", moved, err)
	}
}

func aTryAfterTheDeliveryChangesNothing(t *testing.T, b *bundle) {
	b.endpoint("whe_1")
	b.commit(created(newPayment(1)))
	success := delivery(1)
	success.Success, success.StatusCode, success.Error = true, 204, ""
	b.record(success, webhook.Delivered, time.Time{})
	if moved, err := b.RecordDelivery(t.Context(), delivery(2), 0, webhook.Dead, time.Time{}); err != nil || moved {
		t.Errorf("moved %t, %v", moved, err)
	}
	if w := must(b.WebhookByID(t.Context(), appID, "whk_0001P1_1"))(t); w.State != webhook.Delivered || w.Tries != 1 {
		t.Errorf("webhook %+v", w)
	}
	must(b.DeliveryByID(t.Context(), appID, "dlv_2"))(t)
}

func webhooksOfOthersAreNotFound(t *testing.T, b *bundle) {
	ctx := t.Context()
	b.endpoint("whe_1")
	b.commit(created(newPayment(1)))
	b.record(delivery(1), webhook.Dead, time.Time{})
	before := b.sizes()
	if _, err := b.WebhookByID(ctx, "app_2", "whk_0001P1_1"); !errors.Is(err, webhook.ErrNotFound) {
		t.Errorf("webhook: %v", err)
	}
	if _, err := b.EndpointByID(ctx, "app_2", "whe_1"); !errors.Is(err, webhook.ErrNotFound) {
		t.Errorf("endpoint: %v", err)
	}
	if _, err := b.DeliveryByID(ctx, "app_2", "dlv_1"); !errors.Is(err, webhook.ErrNotFound) {
		t.Errorf("delivery: %v", err)
	}
	if err := b.Retry(ctx, "app_2", "whk_0001P1_1", epoch); !errors.Is(err, webhook.ErrNotFound) {
		t.Errorf("retry: %v", err)
	}
	same(t, "rows", b.sizes(), before)
}
