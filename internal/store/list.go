package store

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

// A cursor is the sort key of the last row a caller saw, opaque to it.
func encodeCursor(at time.Time, id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(at.UnixMilli(), 10) + " " + id))
}

// idShape is what every id looks like; a cursor that holds anything else was not made here.
var idShape = regexp.MustCompile(`^[a-z]{3}_[0-9A-Z]{1,32}$`)

func decodeCursor(cursor string) (ms int64, id string, err error) {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		text, after, found := strings.Cut(string(b), " ")
		if ms, err = strconv.ParseInt(text, 10, 64); err == nil && found && idShape.MatchString(after) {
			return ms, after, nil
		}
	}
	return 0, "", payment.UnknownCursor("cursor")
}

// filter builds the conditions of a list from fixed column names; values only ever travel as arguments.
type filter struct {
	conditions []string
	args       []any
}

func (f *filter) add(condition string, value any) {
	f.args = append(f.args, value)
	f.conditions = append(f.conditions, strings.ReplaceAll(condition, "?", "$"+strconv.Itoa(len(f.args))))
}

func (f *filter) text(column, value string) {
	if value != "" {
		f.add(column+" = ?", value)
	}
}

// page adds the cursor and returns the query's tail. One row more than the limit is asked for, to know if there
// is a next page.
func (f *filter) page(timeColumn string, p payment.Page) (tail string, err error) {
	if p.Cursor != "" {
		ms, id, err := decodeCursor(p.Cursor)
		if err != nil {
			return "", err
		}
		f.args = append(f.args, ms, id)
		f.conditions = append(f.conditions, fmt.Sprintf("(%s, id) < ($%d, $%d)", timeColumn, len(f.args)-1, len(f.args)))
	}
	return fmt.Sprintf(" ORDER BY %s DESC, id DESC LIMIT %d", timeColumn, p.Limit+1), nil
}

func (f *filter) where() string { return " WHERE " + strings.Join(f.conditions, " AND ") }

// cut returns at most limit rows and the cursor of the last, if more follow.
func cut[T any](all []T, limit int, cursor func(T) string) ([]T, string) {
	if len(all) <= limit {
		return all, ""
	}
	return all[:limit], cursor(all[limit-1])
}

// Payments lists an app's payments, newest first, without their refunds. next is empty at the end.
func (s *Store) Payments(ctx context.Context, pf payment.PaymentFilter, page payment.Page) (payments []*payment.Payment, next string, err error) {
	var f filter
	f.add("app_id = ?", pf.AppID)
	f.text("out_trade_no", pf.OutTradeNo)
	f.text("status", string(pf.Status))
	f.text("channel", string(pf.Channel))
	if !pf.CreatedFrom.IsZero() {
		f.add("created_at >= ?", millis(pf.CreatedFrom))
	}
	if !pf.CreatedTo.IsZero() {
		f.add("created_at < ?", millis(pf.CreatedTo))
	}
	tail, err := f.page("created_at", page)
	if err != nil {
		return nil, "", err
	}
	if pf.OutTradeNo != "" {
		tail = "" // there is one at most; asked for an order, the database would walk the app's payments in it
	}
	all, err := list(ctx, s.read, scanPayment, `SELECT `+paymentColumns+` FROM payments`+f.where()+tail, f.args...)
	if err != nil {
		return nil, "", err
	}
	all, next = cut(all, page.Limit, func(p *payment.Payment) string { return encodeCursor(p.CreatedAt, p.ID) })
	return all, next, s.addAttempts(ctx, all)
}

// addAttempts completes a page of one app's payments with one query.
func (s *Store) addAttempts(ctx context.Context, payments []*payment.Payment) error {
	if len(payments) == 0 {
		return nil
	}
	byID := make(map[string]*payment.Payment, len(payments))
	args := []any{payments[0].AppID}
	places := make([]string, len(payments))
	for i, p := range payments {
		byID[p.ID] = p
		args = append(args, p.ID)
		places[i] = "$" + strconv.Itoa(i+2)
	}
	type owned struct {
		paymentID string
		attempt   *payment.Attempt
	}
	scan := func(r rows) (owned, error) {
		var o owned
		a, err := scanAttempt(prefixed{r, &o.paymentID})
		o.attempt = a
		return o, err
	}
	all, err := list(ctx, s.read, scan, `SELECT payment_id, `+attemptColumns+` FROM attempts WHERE app_id = $1 AND payment_id IN (`+strings.Join(places, ", ")+`) ORDER BY ordinal`, args...)
	for _, o := range all {
		byID[o.paymentID].Attempts = append(byID[o.paymentID].Attempts, o.attempt)
	}
	return err
}

// prefixed scans one more column before those that the wrapped scan knows.
type prefixed struct {
	rows
	first any
}

func (p prefixed) Scan(dest ...any) error { return p.rows.Scan(append([]any{p.first}, dest...)...) }

// Refunds lists an app's refunds, newest first. next is empty at the end.
func (s *Store) Refunds(ctx context.Context, rf payment.RefundFilter, page payment.Page) (refunds []*payment.Refund, next string, err error) {
	var f filter
	f.add("app_id = ?", rf.AppID)
	f.text("payment_id", rf.PaymentID)
	f.text("out_refund_no", rf.OutRefundNo)
	f.text("status", string(rf.Status))
	tail, err := f.page("created_at", page)
	if err != nil {
		return nil, "", err
	}
	all, err := list(ctx, s.read, scanRefund, `SELECT `+refundColumns+` FROM refunds`+f.where()+tail, f.args...)
	if err != nil {
		return nil, "", err
	}
	all, next = cut(all, page.Limit, func(r *payment.Refund) string { return encodeCursor(r.CreatedAt, r.ID) })
	return all, next, nil
}

// Events lists an app's events in the order in which they became visible, oldest first. A reader who continues
// after the last event it saw misses none, whatever was being committed meanwhile.
func (s *Store) Events(ctx context.Context, ef payment.EventFilter, limit int) ([]payment.Event, error) {
	var f filter
	f.add("app_id = ?", ef.AppID)
	f.conditions = append(f.conditions, s.dialect.settled)
	f.text("resource_id", ef.ResourceID)
	if len(ef.Types) > 0 {
		places := make([]string, len(ef.Types))
		for i, t := range ef.Types {
			f.args = append(f.args, t)
			places[i] = "$" + strconv.Itoa(len(f.args))
		}
		f.conditions = append(f.conditions, "type IN ("+strings.Join(places, ", ")+")")
	}
	if ef.After != "" {
		after, err := one(ctx, s.read, payment.ErrNotFound, scanInteger,
			`SELECT position FROM events WHERE app_id = $1 AND id = $2`, ef.AppID, ef.After)
		if errors.Is(err, payment.ErrNotFound) {
			return nil, payment.UnknownCursor("after")
		}
		if err != nil {
			return nil, err
		}
		f.args = append(f.args, after, ef.After)
		f.conditions = append(f.conditions, fmt.Sprintf("(position, id) > ($%d, $%d)", len(f.args)-1, len(f.args)))
	}
	return list(ctx, s.read, scanEvent, `SELECT `+eventColumns+` FROM events`+f.where()+fmt.Sprintf(" ORDER BY position, id LIMIT %d", limit), f.args...)
}

const eventColumns = `app_id, id, type, resource_type, resource_id, sequence, created_at, object`

func scanEvent(r rows) (payment.Event, error) {
	var e payment.Event
	var object string
	err := r.Scan(&e.AppID, &e.ID, &e.Type, &e.ResourceType, &e.ResourceID, &e.Sequence, instant{&e.CreatedAt}, &object)
	e.Object = []byte(object)
	return e, err
}

func scanInteger(r rows) (int64, error) {
	var n int64
	err := r.Scan(&n)
	return n, err
}
