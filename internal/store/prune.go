package store

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Retention is how long rows are kept that nobody waits for any more. Payments, attempts, refunds, postings and reviews
// are the books: they stay.
type Retention struct {
	Traffic time.Duration // what went over the wire: notifications, webhooks and their deliveries
	History time.Duration // what apps come back to: events, and the answers of idempotency keys
	Stream  bool          // there is an event stream: what it does not have yet stays
}

// pruneBatch bounds how many rows one database transaction of [Store.Prune] looks at, pruneFor how long it goes on: what
// is left then waits for the next time.
const (
	pruneBatch = 500
	pruneFor   = 40 * time.Second
)

// aged is a table whose rows get old.
type aged struct {
	table string
	time  string        // the column that says how old a row is
	kept  time.Duration // how long it stays
	// byID walks the rows app by app in the order of their ids, which is that of time, so that no index is needed for it;
	// else they are walked by their time, which has one.
	byID bool
	// unless are conditions under which an old row still means something to somebody. An offset makes PostgreSQL look them
	// up row by row, where it would else join whole tables for a batch.
	unless []string
}

// forgotten lists what is pruned, in this order: a webhook goes after its deliveries, an event after its webhooks.
func forgotten(keep Retention) []aged {
	var unsent []string
	if keep.Stream {
		// The last one sent stays too: from it the stream goes on.
		unsent = []string{`NOT EXISTS (SELECT 1 FROM stream_cursors c JOIN events sent ON sent.app_id = c.app_id AND sent.id = c.event_id
			WHERE c.app_id = events.app_id AND sent.position > events.position LIMIT 1 OFFSET 0)`}
	}
	return []aged{
		{table: "request_nonces", time: "expires_at"},
		{table: "notices", time: "received_at", kept: keep.Traffic, unless: append(
			open("notices"), `EXISTS (SELECT 1 FROM reviews v WHERE v.app_id = notices.app_id AND v.subject_id = notices.notification_id AND v.resolved_at = 0 LIMIT 1 OFFSET 0)`,
		)},
		{table: "webhook_deliveries", time: "at", kept: keep.Traffic, byID: true, unless: []string{
			`EXISTS (SELECT 1 FROM webhooks w JOIN webhook_endpoints n ON n.app_id = w.app_id AND n.id = w.endpoint_id
				WHERE w.app_id = webhook_deliveries.app_id AND w.id = webhook_deliveries.webhook_id AND w.state <> 'delivered' LIMIT 1 OFFSET 0)`,
		}},
		{table: "webhooks", time: "created_at", kept: keep.Traffic, byID: true, unless: []string{
			`state <> 'delivered' AND EXISTS (SELECT 1 FROM webhook_endpoints n WHERE n.app_id = webhooks.app_id AND n.id = webhooks.endpoint_id LIMIT 1 OFFSET 0)`,
			`EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.app_id = webhooks.app_id AND d.event_id = webhooks.event_id AND d.webhook_id = webhooks.id LIMIT 1 OFFSET 0)`,
		}},
		{table: "events", time: "created_at", kept: keep.History, byID: true, unless: append(
			append(open("events"), unsent...),
			`EXISTS (SELECT 1 FROM reviews v WHERE v.app_id = events.app_id AND v.id = events.resource_id AND v.resolved_at = 0 LIMIT 1 OFFSET 0)`,
			`EXISTS (SELECT 1 FROM webhooks w WHERE w.app_id = events.app_id AND w.event_id = events.id LIMIT 1 OFFSET 0)`,
			`position = (SELECT MAX(e.position) FROM events e WHERE e.app_id = events.app_id)`, // from which who has read everything goes on
		)},
		{table: "idempotency_keys", time: "created_at", kept: keep.History},
	}
}

// open is when a row's resource is not at its end, or waits for a person.
func open(table string) []string {
	return []string{
		`EXISTS (SELECT 1 FROM payments p WHERE p.app_id = ` + table + `.app_id AND p.id = ` + table + `.resource_id AND p.status IN ('pending', 'processing') LIMIT 1 OFFSET 0)`,
		`EXISTS (SELECT 1 FROM refunds f WHERE f.app_id = ` + table + `.app_id AND f.id = ` + table + `.resource_id AND f.status IN ('pending', 'processing', 'abnormal') LIMIT 1 OFFSET 0)`,
		`EXISTS (SELECT 1 FROM reviews v WHERE v.app_id = ` + table + `.app_id AND v.subject_id = ` + table + `.resource_id AND v.resolved_at = 0 LIMIT 1 OFFSET 0)`,
	}
}

// Prune deletes what has no meaning any more, in small database transactions: nonces of requests whose timestamps are
// too old by now, and what is older than it is to be kept. What a payment or a person may still need stays, however old.
func (s *Store) Prune(ctx context.Context, keep Retention, now time.Time) error {
	limited, cancel := context.WithTimeout(ctx, pruneFor)
	defer cancel()
	err := s.prune(limited, keep, now)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return nil // the rest has time
	}
	return err
}

func (s *Store) prune(ctx context.Context, keep Retention, now time.Time) error {
	apps, err := s.Apps(ctx)
	if err != nil {
		return err
	}
	for _, a := range forgotten(keep) {
		before := millis(now.Add(-a.kept))
		if !a.byID {
			if err := walk(ctx, s, a, int64(-1), before, "", nil); err != nil {
				return err
			}
			continue
		}
		for _, app := range apps {
			if err := walk(ctx, s, a, "", before, `app_id = $4 AND `, []any{app.ID}); err != nil {
				return err
			}
		}
	}
	return nil
}

// walk prunes the rows after a place, batch by batch, until those come that are too young. within narrows them, by
// arguments that come after the first three.
func walk[K string | int64](ctx context.Context, s *Store, a aged, after K, before int64, within string, args []any) error {
	key := a.time
	if a.byID {
		key = "id"
	}
	var unless strings.Builder
	for _, u := range a.unless {
		unless.WriteString(` AND NOT (` + u + `)`)
	}
	type place struct {
		key K
		at  int64
	}
	page := fmt.Sprintf(`SELECT %s, %s FROM %s WHERE %s%s > $1 ORDER BY %s LIMIT %d`, key, a.time, a.table, strings.ReplaceAll(within, "$4", "$2"), key, key, pruneBatch)
	prune := fmt.Sprintf(`DELETE FROM %s WHERE %s%s > $1 AND %s <= $2 AND %s < $3%s`, a.table, within, key, key, a.time, unless.String())
	for {
		batch, err := list(ctx, s.read, func(r rows) (p place, err error) { err = r.Scan(&p.key, &p.at); return p, err }, page, append([]any{after}, args...)...)
		if err != nil {
			return fmt.Errorf("store: look for what is old in %s: %w", a.table, err)
		}
		old := 0
		for _, p := range batch {
			if p.at < before {
				old++
			}
		}
		if old == 0 {
			return nil
		}
		last := batch[len(batch)-1].key
		n, err := s.write(ctx, prune, append([]any{after, last, before}, args...)...)
		if err != nil {
			return fmt.Errorf("store: prune %s: %w", a.table, err)
		}
		if s.observer != nil && n > 0 {
			s.observer.Pruned(a.table, n)
		}
		if len(batch) < pruneBatch {
			return nil
		}
		after = last
	}
}
