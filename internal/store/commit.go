package store

import (
	"context"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/trace"

	"github.com/tongbao-pay/tongbao/internal/ledger"
	"github.com/tongbao-pay/tongbao/internal/payment"
)

// Commit implements [payment.Store]: one database transaction, shared with the changes that wait at the same time. When
// ctx ends first, the answer is its error; a change that was under way then may have been committed.
func (s *Store) Commit(ctx context.Context, c *payment.Change) error {
	return s.commits.commit(ctx, &entry{
		claims: claims(c), statements: s.statements(c), jobs: slices.Clone(c.Jobs), cause: trace.SpanContextFromContext(ctx), done: make(chan struct{}),
	})
}

// statements lists what a change writes. The payment comes first: its row is the lock that makes others wait.
func (s *Store) statements(c *payment.Change) []statement {
	var all []statement
	if c.Notice != nil {
		all = append(all, putNotice(c.Notice))
	}
	if c.Payment != nil {
		all = append(all, putPayment(c.Payment))
	}
	for _, a := range c.Attempts {
		all = append(all, putAttempt(c.Payment, a))
	}
	for _, f := range c.Refunds {
		all = append(all, putRefund(c.Payment, f))
	}
	if c.Resolved != nil {
		all = append(all, resolveReview(c.Resolved))
	}
	for _, r := range c.Reviews {
		all = append(all, putReview(r))
	}
	for _, p := range c.Postings {
		all = append(all, putPosting(p))
	}
	for i := range c.Events {
		all = append(all, s.putEvent(&c.Events[i]), putWebhooks(c.Events[i]))
	}
	return all
}

func putNotice(n *payment.Notice) statement {
	return statement{
		sql: `INSERT INTO notices (account_id, notification_id, event_type, app_id, resource_id, verdict, reason, body, received_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (account_id, notification_id) DO NOTHING`,
		args: []any{n.AccountID, n.NotificationID, n.EventType, n.AppID, n.ResourceID, string(n.Verdict), n.Reason, string(n.Body), millis(n.ReceivedAt)},
		affected: func(rows int64) error {
			if rows == 0 {
				return payment.ErrDuplicate
			}
			return nil
		},
	}
}

// Noticed implements [payment.Store]. Callers at the same time share a query.
func (s *Store) Noticed(ctx context.Context, accountID, notificationID string) (bool, error) {
	_, found, err := s.byNotification.get(ctx, accountID, notificationID)
	return found, err
}

func (s *Store) noticed(ctx context.Context, accountID string, notificationIDs []string) (map[string]struct{}, error) {
	found := map[string]struct{}{}
	return found, s.read.batch(ctx, []statement{{
		sql:  `SELECT value FROM ` + s.dialect.asked + ` WHERE (SELECT 1 FROM notices WHERE account_id = $1 AND notification_id = asked.value) = 1`,
		args: []any{accountID, s.dialect.list(notificationIDs)},
		returned: func(r rows) error {
			id, err := scanText(r)
			found[id] = struct{}{}
			return err
		},
	}})
}

func putPosting(p ledger.Posting) statement {
	return statement{
		sql:  `INSERT INTO postings (app_id, source_id, kind, debit, credit, amount, currency, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		args: []any{p.AppID, p.SourceID, string(p.Kind), p.Debit, p.Credit, p.Amount, string(p.Currency), millis(p.CreatedAt)},
	}
}

// putEvent inserts an event. That of a review is inserted only if the review is: it may be open already.
func (s *Store) putEvent(e *payment.Event) statement {
	insert := `INSERT INTO events (app_id, id, type, resource_type, resource_id, sequence, created_at, object, position)
		SELECT CAST($1 AS text), CAST($2 AS text), CAST($3 AS text), CAST($4 AS text), CAST($5 AS text), CAST($6 AS bigint), CAST($7 AS bigint), CAST($8 AS text), ` + s.dialect.position
	if e.Type == payment.EventReviewOpened {
		insert += ` WHERE EXISTS (SELECT 1 FROM reviews WHERE app_id = $1 AND id = $5)`
	}
	return statement{
		sql:  insert,
		args: []any{e.AppID, e.ID, e.Type, e.ResourceType, e.ResourceID, e.Sequence, millis(e.CreatedAt), string(e.Object)},
	}
}

// putWebhooks makes one webhook for each endpoint that wants the event, and a job for each.
func putWebhooks(e payment.Event) statement {
	return statement{
		sql: `INSERT INTO webhooks (app_id, id, endpoint_id, event_id, event_type, state, next_try_at, tries, created_at, round_began)
			SELECT w.app_id, 'whk_' || substr(e.id, 5) || '_' || substr(w.id, 5), w.id, e.id, e.type, 'pending', e.created_at, 0, e.created_at, e.created_at
			FROM events e JOIN webhook_endpoints w ON w.app_id = e.app_id
			WHERE e.app_id = $1 AND e.id = $2 AND NOT w.disabled AND (w.types = '' OR w.types LIKE '%,' || e.type || ',%')
			RETURNING id, round`,
		args: []any{e.AppID, e.ID},
		jobs: func(r rows) (payment.Job, error) {
			round, err := scanRound(r)
			return payment.Job{Kind: payment.DeliverWebhook, AppID: e.AppID, ResourceID: round, At: e.CreatedAt}, err
		},
	}
}

// typeList is how the types an endpoint wants are stored: ",a,b," or "" for all.
func typeList(types []string) string {
	if len(types) == 0 {
		return ""
	}
	return "," + strings.Join(types, ",") + ","
}

func parseTypeList(stored string) []string {
	if stored == "" {
		return nil
	}
	return strings.Split(strings.Trim(stored, ","), ",")
}
