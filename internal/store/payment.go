package store

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

const paymentColumns = `app_id, id, account_id, out_trade_no, amount, currency, description, channel, metadata,
	content_hash, late_policy, status, amount_paid, amount_refunded, amount_refunding, late_paid,
	created_at, updated_at, expires_at, paid_at, closed_at, close_requested_at, sequence, version`

func scanPayment(r rows) (*payment.Payment, error) {
	p := &payment.Payment{}
	err := r.Scan(&p.AppID, &p.ID, &p.AccountID, &p.OutTradeNo, &p.Amount, &p.Currency, &p.Description, &p.Channel, jsonText(&p.Metadata),
		&p.ContentHash, &p.LatePolicy, &p.Status, &p.AmountPaid, &p.AmountRefunded, &p.AmountRefunding, &p.LatePaid,
		instant{&p.CreatedAt}, instant{&p.UpdatedAt}, instant{&p.ExpiresAt}, instant{&p.PaidAt}, instant{&p.ClosedAt}, instant{&p.CloseRequestedAt}, &p.Sequence, &p.Version)
	return p, err
}

const (
	selectAttempts = `SELECT ` + attemptColumns + ` FROM attempts WHERE app_id = $1 AND payment_id = $2 ORDER BY ordinal`
	selectRefunds  = `SELECT ` + refundColumns + ` FROM refunds WHERE app_id = $1 AND payment_id = $2 ORDER BY created_at, id`
)

// PaymentByID implements [payment.Store]. It takes one round trip: every job begins with it.
func (s *Store) PaymentByID(ctx context.Context, appID, id string) (p *payment.Payment, err error) {
	var attempts []*payment.Attempt
	var refunds []*payment.Refund
	args := []any{appID, id}
	err = s.read.batch(ctx, []statement{
		{sql: `SELECT ` + paymentColumns + ` FROM payments WHERE app_id = $1 AND id = $2`, args: args, returned: func(r rows) (err error) {
			p, err = scanPayment(r)
			return err
		}},
		{sql: selectAttempts, args: args, returned: func(r rows) error {
			a, err := scanAttempt(r)
			attempts = append(attempts, a)
			return err
		}},
		{sql: selectRefunds, args: args, returned: func(r rows) error {
			f, err := scanRefund(r)
			refunds = append(refunds, f)
			return err
		}},
	})
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, payment.ErrNotFound
	}
	p.Attempts, p.Refunds = attempts, refunds
	return p, nil
}

// PaymentByOutTradeNo implements [payment.Store]. Callers at the same time share the query that finds most numbers free.
func (s *Store) PaymentByOutTradeNo(ctx context.Context, appID, outTradeNo string) (*payment.Payment, error) {
	id, taken, err := s.byOutTradeNo.get(ctx, appID, outTradeNo)
	if err != nil {
		return nil, err
	}
	if !taken {
		return nil, payment.ErrNotFound
	}
	return s.PaymentByID(ctx, appID, id)
}

func (s *Store) paymentIDs(ctx context.Context, appID string, outTradeNos []string) (map[string]string, error) {
	return s.answers(ctx, `SELECT value, (SELECT id FROM payments WHERE app_id = $1 AND out_trade_no = asked.value) FROM `, appID, outTradeNos)
}

// PaymentByAttemptID implements [payment.Store].
func (s *Store) PaymentByAttemptID(ctx context.Context, appID, attemptID string) (*payment.Payment, error) {
	return s.payment(ctx, `SELECT `+paymentColumns+` FROM payments WHERE app_id = $1 AND id = (SELECT payment_id FROM attempts WHERE app_id = $1 AND id = $2)`, appID, attemptID)
}

// PaymentByTradeNo implements [payment.Store]. Callers at the same time share a query.
func (s *Store) PaymentByTradeNo(ctx context.Context, accountID, tradeNo string) (*payment.Payment, error) {
	p, found, err := s.byTradeNo.get(ctx, accountID, tradeNo)
	if err == nil && !found {
		err = payment.ErrNotFound
	}
	return p, err
}

// PaymentByRefundNo implements [payment.Store].
func (s *Store) PaymentByRefundNo(ctx context.Context, accountID, refundNo string) (*payment.Payment, error) {
	return s.payment(ctx, `SELECT `+paymentColumns+` FROM payments WHERE (app_id, id) IN (SELECT app_id, payment_id FROM refunds WHERE account_id = $1 AND refund_no = $2)`, accountID, refundNo)
}

// PaymentByRefundID implements [payment.Store].
func (s *Store) PaymentByRefundID(ctx context.Context, appID, refundID string) (*payment.Payment, error) {
	return s.payment(ctx, `SELECT `+paymentColumns+` FROM payments WHERE app_id = $1 AND id = (SELECT payment_id FROM refunds WHERE app_id = $1 AND id = $2)`, appID, refundID)
}

// PaymentByOutRefundNo implements [payment.Store].
func (s *Store) PaymentByOutRefundNo(ctx context.Context, appID, outRefundNo string) (*payment.Payment, error) {
	return s.payment(ctx, `SELECT `+paymentColumns+` FROM payments WHERE app_id = $1 AND id = (SELECT payment_id FROM refunds WHERE app_id = $1 AND out_refund_no = $2)`, appID, outRefundNo)
}

// payment loads one payment whole. The three reads are not one snapshot: a change between them makes the version
// stale, and whoever decides on it gets ErrConflict at commit.
func (s *Store) payment(ctx context.Context, query string, args ...any) (*payment.Payment, error) {
	p, err := one(ctx, s.read, payment.ErrNotFound, scanPayment, query, args...)
	if err != nil {
		return nil, err
	}
	if p.Attempts, err = list(ctx, s.read, func(r rows) (*payment.Attempt, error) { return scanAttempt(r) }, selectAttempts, p.AppID, p.ID); err != nil {
		return nil, err
	}
	p.Refunds, err = list(ctx, s.read, scanRefund, selectRefunds, p.AppID, p.ID)
	return p, err
}

// paymentsByTradeNo loads payments whole, on PostgreSQL in one round trip. The reads are not one snapshot; see payment.
// Subqueries of one value make PostgreSQL look each key up, by the whole index, even before it has statistics: in a
// join it would read all of the account's rows.
func (s *Store) paymentsByTradeNo(ctx context.Context, accountID string, tradeNos []string) (map[string]*payment.Payment, error) {
	const attempt = ` FROM attempts WHERE account_id = $1 AND trade_no = asked.value)`
	ids := `(SELECT (SELECT payment_id` + attempt + ` FROM ` + s.dialect.asked + `)`
	args := []any{accountID, s.dialect.list(tradeNos)}
	type id struct{ app, payment string }
	payments, byTradeNo := map[id]*payment.Payment{}, map[string]*payment.Payment{}
	err := s.read.batch(ctx, []statement{
		{sql: `SELECT ` + paymentColumns + ` FROM payments WHERE (app_id, id) IN (SELECT (SELECT app_id` + attempt + `, (SELECT payment_id` + attempt + ` FROM ` + s.dialect.asked + `)`, args: args, returned: func(r rows) error {
			p, err := scanPayment(r)
			payments[id{p.AppID, p.ID}] = p
			return err
		}},
		{sql: `SELECT app_id, payment_id, ` + attemptColumns + ` FROM attempts WHERE payment_id IN ` + ids + ` ORDER BY ordinal`, args: args, returned: func(r rows) error {
			var of id
			a, err := scanAttempt(r, &of.app, &of.payment)
			if p := payments[of]; p != nil {
				p.Attempts = append(p.Attempts, a)
				byTradeNo[a.TradeNo] = p
			}
			return err
		}},
		{sql: `SELECT ` + refundColumns + ` FROM refunds WHERE payment_id IN ` + ids + ` ORDER BY created_at, id`, args: args, returned: func(r rows) error {
			f, err := scanRefund(r)
			if p := payments[id{f.AppID, f.PaymentID}]; p != nil {
				p.Refunds = append(p.Refunds, f)
			}
			return err
		}},
	})
	return byTradeNo, err
}

// clonePayment copies whatever a use case changes in place.
func clonePayment(p *payment.Payment) *payment.Payment {
	c := *p
	c.Attempts, c.Refunds, c.Metadata = slices.Clone(p.Attempts), slices.Clone(p.Refunds), maps.Clone(p.Metadata)
	for i, a := range c.Attempts {
		own := *a
		c.Attempts[i] = &own
	}
	for i, f := range c.Refunds {
		own := *f
		c.Refunds[i] = &own
	}
	return &c
}

// TransactionOwner implements [payment.Store]. Callers at the same time share a query.
func (s *Store) TransactionOwner(ctx context.Context, accountID, transactionID string) (string, error) {
	if transactionID == "" {
		return "", nil
	}
	owner, _, err := s.byTransaction.get(ctx, accountID, transactionID)
	return owner, err
}

func (s *Store) transactionOwners(ctx context.Context, accountID string, transactionIDs []string) (map[string]string, error) {
	return s.answers(ctx, `SELECT value, (SELECT trade_no FROM attempts WHERE account_id = $1 AND transaction_id <> '' AND transaction_id = asked.value) FROM `, accountID, transactionIDs)
}

// answers asks for one text of each key. The query ends where the table of the keys comes, whose answer may be NULL.
func (s *Store) answers(ctx context.Context, query, of string, keys []string) (map[string]string, error) {
	found := map[string]string{}
	return found, s.read.batch(ctx, []statement{{
		sql:  query + s.dialect.asked,
		args: []any{of, s.dialect.list(keys)},
		returned: func(r rows) error {
			var key string
			var answer *string
			err := r.Scan(&key, &answer)
			if answer != nil {
				found[key] = *answer
			}
			return err
		},
	}})
}

func scanText(r rows) (string, error) {
	var text string
	err := r.Scan(&text)
	return text, err
}

// putPayment inserts a first version, or replaces exactly the version before.
func putPayment(p *payment.Payment) statement {
	if p.Version == 1 {
		return statement{
			sql: `INSERT INTO payments (` + paymentColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)`,
			args: []any{
				p.AppID, p.ID, p.AccountID, p.OutTradeNo, p.Amount, string(p.Currency), p.Description, string(p.Channel), text(p.Metadata),
				p.ContentHash, string(p.LatePolicy), string(p.Status), p.AmountPaid, p.AmountRefunded, p.AmountRefunding, p.LatePaid,
				millis(p.CreatedAt), millis(p.UpdatedAt), millis(p.ExpiresAt), millis(p.PaidAt), millis(p.ClosedAt), millis(p.CloseRequestedAt), p.Sequence, p.Version,
			},
		}
	}
	return statement{
		sql: `UPDATE payments SET status = $4, amount_paid = $5, amount_refunded = $6, amount_refunding = $7, late_paid = $8,
			updated_at = $9, paid_at = $10, closed_at = $11, close_requested_at = $12, sequence = $13, version = version + 1
			WHERE app_id = $1 AND id = $2 AND version = $3`,
		args: []any{
			p.AppID, p.ID, p.Version - 1, string(p.Status), p.AmountPaid, p.AmountRefunded, p.AmountRefunding, p.LatePaid,
			millis(p.UpdatedAt), millis(p.PaidAt), millis(p.ClosedAt), millis(p.CloseRequestedAt), p.Sequence,
		},
		affected: func(n int64) error {
			if n == 0 {
				return payment.ErrConflict
			}
			return nil
		},
	}
}

const attemptColumns = `id, ordinal, product, payer_openid, client_ip, return_url, trade_no, merchant_id, merchant_app_id, transaction_id, status, error, late,
	code_url, prepay_id, h5_url, credential_expires_at, placing_until, created_at, closed_at`

// scanAttempt scans attemptColumns, behind the columns of before.
func scanAttempt(r rows, before ...any) (*payment.Attempt, error) {
	a := &payment.Attempt{}
	err := r.Scan(append(before, &a.ID, &a.Ordinal, &a.Product, &a.Payer.OpenID, &a.ClientIP, &a.ReturnURL, &a.TradeNo, &a.MerchantID, &a.MerchantAppID, &a.TransactionID, &a.Status, jsonText(&a.Error), &a.Late,
		&a.Credential.CodeURL, &a.Credential.PrepayID, &a.Credential.H5URL, instant{&a.Credential.ExpiresAt}, instant{&a.PlacingUntil}, instant{&a.CreatedAt}, instant{&a.ClosedAt})...)
	return a, err
}

func putAttempt(p *payment.Payment, a *payment.Attempt) statement {
	return statement{
		sql: `INSERT INTO attempts (app_id, payment_id, account_id, ` + attemptColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)
			ON CONFLICT (app_id, id) DO UPDATE SET transaction_id = excluded.transaction_id, status = excluded.status, error = excluded.error, late = excluded.late, code_url = excluded.code_url, prepay_id = excluded.prepay_id,
			h5_url = excluded.h5_url, credential_expires_at = excluded.credential_expires_at, placing_until = excluded.placing_until, closed_at = excluded.closed_at`,
		args: []any{
			p.AppID, p.ID, p.AccountID, a.ID, a.Ordinal, string(a.Product), a.Payer.OpenID, a.ClientIP, a.ReturnURL, a.TradeNo, a.MerchantID, a.MerchantAppID, a.TransactionID, string(a.Status), text(a.Error), a.Late,
			a.Credential.CodeURL, a.Credential.PrepayID, a.Credential.H5URL, millis(a.Credential.ExpiresAt), millis(a.PlacingUntil), millis(a.CreatedAt), millis(a.ClosedAt),
		},
	}
}

// text is a value as stored JSON; a value that is nothing is stored as nothing.
func text(value any) string {
	b, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("store: a value that is no JSON: %v", err)) // unreachable: values stored this way are plain
	}
	if string(b) == "null" {
		return ""
	}
	return string(b)
}

// jsonText scans what text stored.
func jsonText(into any) *jsonScanner { return &jsonScanner{into} }

type jsonScanner struct{ into any }

func (j *jsonScanner) Scan(value any) error {
	stored, ok := value.(string)
	if !ok {
		return fmt.Errorf("store: JSON is stored as %T, not as text", value)
	}
	if stored == "" {
		return nil
	}
	return json.Unmarshal([]byte(stored), j.into)
}
