package store

import (
	"context"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/webhook"
)

const endpointColumns = `app_id, id, url, types, description, sealed_secrets, disabled, disabled_why, created_at, updated_at, version`

func scanEndpoint(r rows) (webhook.Endpoint, error) {
	var e webhook.Endpoint
	var types string
	err := r.Scan(&e.AppID, &e.ID, &e.URL, &types, &e.Description, jsonText(&e.SealedSecrets), &e.Disabled, &e.DisabledWhy, instant{&e.CreatedAt}, instant{&e.UpdatedAt}, &e.Version)
	e.Types = parseTypeList(types)
	return e, err
}

// PutEndpoint implements [webhook.Store].
func (s *Store) PutEndpoint(ctx context.Context, e webhook.Endpoint) error {
	if e.Version == 0 {
		_, err := s.write(ctx, `INSERT INTO webhook_endpoints (`+endpointColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1)`,
			e.AppID, e.ID, e.URL, typeList(e.Types), e.Description, text(e.SealedSecrets), e.Disabled, e.DisabledWhy, millis(e.CreatedAt), millis(e.UpdatedAt))
		if isUniqueViolation(err) {
			return webhook.ErrConflict
		}
		return err
	}
	n, err := s.write(ctx, `UPDATE webhook_endpoints SET url = $4, types = $5, description = $6, sealed_secrets = $7, disabled = $8, disabled_why = $9, updated_at = $10, version = version + 1
		WHERE app_id = $1 AND id = $2 AND version = $3`,
		e.AppID, e.ID, e.Version, e.URL, typeList(e.Types), e.Description, text(e.SealedSecrets), e.Disabled, e.DisabledWhy, millis(e.UpdatedAt))
	if err == nil && n == 0 {
		return webhook.ErrConflict
	}
	return err
}

// EndpointByID implements [webhook.Store].
func (s *Store) EndpointByID(ctx context.Context, appID, id string) (webhook.Endpoint, error) {
	return one(ctx, s.read, webhook.ErrNotFound, scanEndpoint, `SELECT `+endpointColumns+` FROM webhook_endpoints WHERE app_id = $1 AND id = $2`, appID, id)
}

// EndpointsOfApp implements [webhook.Store].
func (s *Store) EndpointsOfApp(ctx context.Context, appID string) ([]webhook.Endpoint, error) {
	return list(ctx, s.read, scanEndpoint, `SELECT `+endpointColumns+` FROM webhook_endpoints WHERE app_id = $1 ORDER BY created_at, id`, appID)
}

// DeleteEndpoint implements [webhook.Store].
func (s *Store) DeleteEndpoint(ctx context.Context, appID, id string) error {
	n, err := s.write(ctx, `DELETE FROM webhook_endpoints WHERE app_id = $1 AND id = $2`, appID, id)
	if err == nil && n == 0 {
		return webhook.ErrNotFound
	}
	return err
}

// WebhookByID implements [webhook.Store].
func (s *Store) WebhookByID(ctx context.Context, appID, id string) (webhook.Webhook, error) {
	var e payment.Event
	w, err := one(ctx, s.read, webhook.ErrNotFound, func(r rows) (webhook.Webhook, error) {
		var w webhook.Webhook
		var object string
		err := r.Scan(&w.AppID, &w.ID, &w.EndpointID, &w.EventID, &w.EventType, &w.State, &w.Round, instant{&w.RoundBegan}, &w.Tries, instant{&w.NextTryAt}, instant{&w.CreatedAt},
			&e.ResourceType, &e.ResourceID, &e.Sequence, instant{&e.CreatedAt}, &object)
		e.Object = []byte(object)
		return w, err
	}, `SELECT w.app_id, w.id, w.endpoint_id, w.event_id, w.event_type, w.state, w.round, w.round_began, w.tries, w.next_try_at, w.created_at, e.resource_type, e.resource_id, e.sequence, e.created_at, e.object
		FROM webhooks w JOIN events e ON e.app_id = w.app_id AND e.id = w.event_id WHERE w.app_id = $1 AND w.id = $2`, appID, id)
	if err != nil {
		return w, err
	}
	e.AppID, e.ID, e.Type = w.AppID, w.EventID, w.EventType
	w.Body = e.Body()
	w.Endpoint, err = s.EndpointByID(ctx, appID, w.EndpointID)
	return w, err
}

const deliveryColumns = `app_id, id, webhook_id, endpoint_id, event_id, event_type, try, success, status_code, error, duration_ms, at`

// RecordDelivery implements [webhook.Store].
func (s *Store) RecordDelivery(ctx context.Context, d webhook.Delivery, round int64, state webhook.State, nextTryAt time.Time) (moved bool, err error) {
	err = s.inTx(ctx, func(tx *Tx) error {
		return tx.batch(ctx, []statement{
			{
				sql: `INSERT INTO webhook_deliveries (` + deliveryColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
				args: []any{
					d.AppID, d.ID, d.WebhookID, d.EndpointID, d.EventID, d.EventType, d.Try, d.Success, d.StatusCode, d.Error, d.Duration.Milliseconds(), millis(d.At),
				},
			},
			{
				sql:  `UPDATE webhooks SET state = $4, tries = $5, next_try_at = $6 WHERE app_id = $1 AND id = $2 AND round = $3 AND state <> 'delivered'`,
				args: []any{d.AppID, d.WebhookID, round, string(state), d.Try, millis(nextTryAt)},
				affected: func(rows int64) error {
					moved = rows > 0
					return nil
				},
			},
		})
	})
	return moved && err == nil, err
}

// The webhook is asked for row by row: a join of the two tables would read both for a page.
const (
	webhookState   = `(SELECT w.state FROM webhooks w WHERE w.app_id = d.app_id AND w.id = d.webhook_id)`
	listedDelivery = `SELECT ` + deliveryColumns + `, ` + webhookState + `, (SELECT w.next_try_at FROM webhooks w WHERE w.app_id = d.app_id AND w.id = d.webhook_id) FROM webhook_deliveries d`
)

func scanDelivery(r rows) (webhook.Delivery, error) {
	var d webhook.Delivery
	var ms int64
	err := r.Scan(&d.AppID, &d.ID, &d.WebhookID, &d.EndpointID, &d.EventID, &d.EventType, &d.Try, &d.Success, &d.StatusCode, &d.Error, &ms, instant{&d.At}, &d.WebhookState, instant{&d.NextTryAt})
	d.Duration = time.Duration(ms) * time.Millisecond
	return d, err
}

// Deliveries implements [webhook.Store].
func (s *Store) Deliveries(ctx context.Context, df webhook.DeliveryFilter) ([]webhook.Delivery, error) {
	var f filter
	f.add("d.app_id = ?", df.AppID)
	f.text("d.endpoint_id", df.EndpointID)
	f.text("d.event_id", df.EventID)
	if df.State == webhook.Dead { // these are few, and have an index
		f.conditions = append(f.conditions, `(d.event_id, d.webhook_id) IN (SELECT event_id, id FROM webhooks WHERE app_id = $1 AND state = 'dead')`)
	} else {
		f.text(webhookState, string(df.State))
	}
	if df.Cursor != "" { // the id of the last one seen: ids are in order of time
		f.add("d.id < ?", df.Cursor)
	}
	f.args = append(f.args, df.Limit)
	return list(ctx, s.read, scanDelivery, listedDelivery+f.where()+` ORDER BY d.id DESC LIMIT $`+strconv.Itoa(len(f.args)), f.args...)
}

// DeliveryByID implements [webhook.Store].
func (s *Store) DeliveryByID(ctx context.Context, appID, id string) (webhook.Delivery, error) {
	return one(ctx, s.read, webhook.ErrNotFound, scanDelivery, listedDelivery+` WHERE d.app_id = $1 AND d.id = $2`, appID, id)
}

// Retry implements [webhook.Store].
func (s *Store) Retry(ctx context.Context, appID, webhookID string, at time.Time) error {
	n, err := s.retry(ctx, appID, at, `id = $3`, webhookID)
	if err == nil && n == 0 {
		return webhook.ErrNotFound
	}
	return err
}

// RetryDead implements [webhook.Store].
func (s *Store) RetryDead(ctx context.Context, appID, endpointID string, since, at time.Time, limit int) (int, error) {
	// The state is asked for twice: where two retry at once, the one that waited for the other's rows must find them changed.
	return s.retry(ctx, appID, at, `state = 'dead' AND id IN (SELECT id FROM webhooks
		WHERE app_id = $1 AND endpoint_id = $3 AND state = 'dead' AND created_at >= $4 ORDER BY created_at, id LIMIT $5)`, endpointID, millis(since), limit)
}

// retry begins the next round of the app's webhooks that fit, and commits a job for each. which goes on after $2.
func (s *Store) retry(ctx context.Context, appID string, at time.Time, which string, args ...any) (retried int, err error) {
	err = s.inTx(ctx, func(tx *Tx) error {
		all, err := list(ctx, tx, scanRound, `UPDATE webhooks SET state = 'pending', round = round + 1, round_began = $2, tries = 0, next_try_at = $2
			WHERE app_id = $1 AND `+which+` RETURNING id, round`, append([]any{appID, millis(at)}, args...)...)
		if err != nil || len(all) == 0 {
			return err
		}
		jobs := make([]Job, len(all))
		for i, round := range all {
			jobs[i] = Job{Job: payment.Job{Kind: payment.DeliverWebhook, AppID: appID, ResourceID: round, At: at}, Cause: trace.SpanContextFromContext(ctx)}
		}
		retried = len(all)
		return s.queue.EnqueueTx(ctx, tx, jobs)
	})
	if err != nil {
		return 0, err
	}
	return retried, nil
}

// scanRound scans a webhook's id and round.
func scanRound(r rows) (string, error) {
	var id string
	var round int64
	err := r.Scan(&id, &round)
	return webhook.JobOf(id, round), err
}

// DeadLetters sums up the dead webhooks of every app's endpoints; endpoints without any are left out.
func (s *Store) DeadLetters(ctx context.Context) ([]webhook.DeadLetters, error) {
	return list(ctx, s.read, func(r rows) (webhook.DeadLetters, error) {
		var d webhook.DeadLetters
		err := r.Scan(&d.AppID, &d.EndpointID, &d.URL, &d.Count, instant{&d.Oldest}, instant{&d.Newest})
		return d, err
	}, `SELECT e.app_id, e.id, e.url, COUNT(*), MIN(w.created_at), MAX(w.created_at) FROM webhooks w JOIN webhook_endpoints e ON e.app_id = w.app_id AND e.id = w.endpoint_id
		WHERE w.state = 'dead' GROUP BY e.app_id, e.id, e.url ORDER BY e.app_id, e.id`)
}
