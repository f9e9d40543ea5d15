package storetest

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/store"
	"github.com/tongbao-pay/tongbao/internal/webhook"
)

var pruneTests = map[string]func(*testing.T, *bundle){
	"PruneForgetsOnlyExpiredNonces":          pruneForgetsOnlyExpiredNonces,
	"WhatNobodyWaitsForIsPrunedInItsTime":    whatNobodyWaitsForIsPrunedInItsTime,
	"AnOpenPaymentKeepsItsTraces":            anOpenPaymentKeepsItsTraces,
	"AnOpenRefundKeepsItsTraces":             anOpenRefundKeepsItsTraces,
	"AnOpenReviewKeepsItsTraces":             anOpenReviewKeepsItsTraces,
	"AWebhookThatMayBeRetriedKeepsItsTraces": aWebhookThatMayBeRetriedKeepsItsTraces,
	"WhoHasReadEveryEventKeepsItsPlace":      whoHasReadEveryEventKeepsItsPlace,
	"PruningGoesInSmallTransactions":         pruningGoesInSmallTransactions,
}

const day = 24 * time.Hour

var retention = store.Retention{Traffic: 90 * day, History: 400 * day}

// prune prunes some days after the epoch and returns how many rows of each table are left, with those that have other
// fates than the books of payments.
func (b *bundle) prune(days int) map[string]int64 {
	b.t.Helper()
	before := b.sizes()
	if err := b.Prune(b.t.Context(), retention, epoch.Add(time.Duration(days)*day)); err != nil {
		b.t.Fatal(err)
	}
	left := b.sizes()
	for _, table := range []string{"payments", "attempts", "refunds", "postings", "reviews", "enqueued"} {
		if left[table] != before[table] {
			b.t.Errorf("%s: %d rows, before %d", table, left[table], before[table])
		}
		delete(left, table)
	}
	for _, table := range []string{"webhook_deliveries", "idempotency_keys"} {
		left[table] = b.count(`SELECT COUNT(*) FROM ` + table)
	}
	maps.DeleteFunc(left, func(_ string, rows int64) bool { return rows == 0 })
	return left
}

func (b *bundle) expectLeft(days int, want map[string]int64) {
	b.t.Helper()
	same(b.t, fmt.Sprintf("left after %d days", days), b.prune(days), want)
}

// settled stores a payment that was paid, with a notice, and a webhook for each event to an endpoint, all delivered, and
// an idempotency key.
func (b *bundle) settled() *payment.Payment {
	b.t.Helper()
	AddApp(b.t, b.Store, appID)
	b.endpoint("whe_1")
	p := newPayment(1)
	b.commit(created(p))
	c := paid(p)
	c.Notice = notice(1)
	b.commit(c)
	for n, event := range []string{"0001P1", "0001P2"} {
		d := delivery(n + 1)
		d.WebhookID, d.EventID, d.Success = "whk_"+event+"_1", "evt_"+event, true
		b.record(d, webhook.Delivered, time.Time{})
	}
	r := record()
	b.begin(r, epoch)
	r.Done, r.Status = true, 201
	b.finish(r)
	return p
}

func whatNobodyWaitsForIsPrunedInItsTime(t *testing.T, b *bundle) {
	b.settled()
	b.expectLeft(89, map[string]int64{"notices": 1, "webhooks": 2, "webhook_deliveries": 2, "events": 2, "idempotency_keys": 1})
	b.expectLeft(91, map[string]int64{"events": 2, "idempotency_keys": 1})
	b.expectLeft(399, map[string]int64{"events": 2, "idempotency_keys": 1})
	b.expectLeft(401, map[string]int64{"events": 1})
}

func anOpenPaymentKeepsItsTraces(t *testing.T, b *bundle) {
	p := b.settled()
	b.exec(`UPDATE payments SET status = 'processing'`)
	b.expectLeft(1000, map[string]int64{"notices": 1, "events": 2})
	b.exec(`UPDATE payments SET status = '` + string(p.Status) + `'`)
	b.expectLeft(1000, map[string]int64{"events": 1})
}

func anOpenRefundKeepsItsTraces(t *testing.T, b *bundle) {
	p := b.settled()
	c := addRefund(p, 1, 100)
	c.Notice = notice(2)
	c.Notice.ResourceID = c.Refunds[0].ID
	b.commit(c)
	b.commit(&payment.Change{Events: []payment.Event{{
		ID: "evt_9", AppID: appID, Type: payment.EventPaymentCreated, ResourceType: "payment", ResourceID: "pay_9", Sequence: 1, CreatedAt: epoch, Object: []byte(`{}`),
	}}}) // the newest stays anyway
	b.exec(`UPDATE webhooks SET state = 'delivered'`)
	b.expectLeft(1000, map[string]int64{"notices": 1, "events": 2})
	b.exec(`UPDATE refunds SET status = 'succeeded'`)
	b.expectLeft(1000, map[string]int64{"events": 1})
}

func anOpenReviewKeepsItsTraces(t *testing.T, b *bundle) {
	p := b.settled()
	b.commit(review("rvw_1", p.ID))
	b.exec(`UPDATE webhooks SET state = 'delivered'`)
	b.expectLeft(1000, map[string]int64{"notices": 1, "events": 3})
	b.exec(`UPDATE reviews SET subject_id = 'notification-1'`)
	b.expectLeft(1000, map[string]int64{"notices": 1, "events": 1})
	b.exec(`UPDATE reviews SET resolved_at = 1`)
	b.expectLeft(1000, map[string]int64{"events": 1})
}

func aWebhookThatMayBeRetriedKeepsItsTraces(t *testing.T, b *bundle) {
	b.settled()
	for _, state := range []webhook.State{webhook.Pending, webhook.Dead} {
		b.exec(`UPDATE webhooks SET state = '` + string(state) + `' WHERE id = 'whk_0001P1_1'`)
		b.expectLeft(1000, map[string]int64{"webhooks": 1, "webhook_deliveries": 1, "events": 2})
	}
	b.exec(`DELETE FROM webhook_deliveries`) // as if it was never tried
	b.expectLeft(1000, map[string]int64{"webhooks": 1, "events": 2})
	if err := b.DeleteEndpoint(t.Context(), appID, "whe_1"); err != nil {
		t.Fatal(err)
	}
	b.expectLeft(1000, map[string]int64{"events": 1})
}

func whoHasReadEveryEventKeepsItsPlace(t *testing.T, b *bundle) {
	AddApp(t, b.Store, appID)
	all := AddEvents(t, b.Store, appID, 0, 5)
	b.prune(1000)
	if left := b.events(payment.EventFilter{AppID: appID}, 1); left[0].ID != all[4] {
		t.Errorf("left is %s", left[0].ID)
	}
	added := AddEvents(t, b.Store, appID, 5, 7)
	for i, e := range b.events(payment.EventFilter{AppID: appID, After: all[4]}, len(added)) {
		if e.ID != added[i] {
			t.Errorf("after the last: %s, want %s", e.ID, added[i])
		}
	}
}

// prunings counts what an observer hears.
type prunings struct {
	rows, most int64
}

func (*prunings) Grouped(int) {}

func (p *prunings) Pruned(_ string, rows int64) {
	p.rows += rows
	p.most = max(p.most, rows)
}

func pruningGoesInSmallTransactions(t *testing.T, b *bundle) {
	var heard prunings
	b.UseObserver(&heard)
	p := newPayment(1)
	b.commit(created(p))
	const many = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT INTO notices
		SELECT 'acc', '%s' || i, 'TRANSACTION.SUCCESS', 'app_1', '%s', 'applied', '', '{}', %d + i FROM n`
	b.exec(fmt.Sprintf(many, 700, "kept", p.ID, epoch.Add(-day).UnixMilli()))
	b.exec(fmt.Sprintf(many, 1300, "old", "pay_other", epoch.UnixMilli()))
	b.exec(fmt.Sprintf(many, 100, "young", "pay_other", epoch.Add(2*day).UnixMilli()))
	b.expectLeft(91, map[string]int64{"notices": 800, "events": 1})
	if heard.rows != 1300 || heard.most > 500 {
		t.Errorf("heard of %d rows, at most %d at once", heard.rows, heard.most)
	}
}

func pruneForgetsOnlyExpiredNonces(t *testing.T, b *bundle) {
	ctx := t.Context()
	for nonce, expires := range map[string]time.Time{"old": epoch.Add(-time.Second), "now": epoch, "new": epoch.Add(time.Second)} {
		must(b.UseNonce(ctx, "ak_1", nonce, expires))(t)
	}
	if err := b.Prune(ctx, retention, epoch); err != nil {
		t.Fatal(err)
	}
	for nonce, want := range map[string]bool{"old": true, "now": false, "new": false} {
		if got := must(b.UseNonce(ctx, "ak_1", nonce, epoch.Add(time.Hour)))(t); got != want {
			t.Errorf("%s: fresh is %v, want %v", nonce, got, want)
		}
	}
}
