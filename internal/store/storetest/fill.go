package storetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tongbao-pay/tongbao/internal/store"
)

// Fill puts payments into an empty store with all that comes with them, as a quarter of a year would: of four apps, one of
// which has most; nearly all of them at their end; a little of it old enough to be pruned.
func Fill(tb testing.TB, s *store.Store, payments int) {
	tb.Helper()
	const quarter = 91 * day
	words := strings.NewReplacer(
		"{app}", `CASE WHEN i % 10 < 7 THEN '`+appID+`' ELSE 'app_' || (i % 10 - 5) END`,
		"{account}", `'`+accountID+`'`,
		"{n}", `CAST(100000000 + i AS text)`,
		"{at}", fmt.Sprintf("%d + CAST(i AS bigint) * %d", epoch.Add(-quarter).UnixMilli(), quarter.Milliseconds()/int64(payments)),
		"{status}", fmt.Sprintf(`CASE WHEN i %% 100 < 80 THEN 'succeeded' WHEN i %% 100 < 95 THEN 'closed' WHEN i %% 100 < 98 THEN 'refunded'
			WHEN i %% 100 < 99 THEN 'failed' WHEN i > %d THEN 'pending' ELSE 'closed' END`, payments*99/100),
	)
	for _, f := range []struct {
		table, row string
		rows       int
	}{
		{"payments", `{app}, 'pay_' || {n}, {account}, 'order-' || {n}, 8800, 'CNY', 'coffee', 'wechat', '', 'hash', 'refund', {status},
			8800, 0, 0, false, {at}, {at}, {at} + 7200000, {at}, 0, 0, 2, 3`, payments},
		{"attempts", `{app}, 'att_' || {n}, 'pay_' || {n}, {account}, 1, 'native', '', '', '', 'T' || {n}, '1900000001', 'wx1', '42' || {n}, 'paid', '', false, 'weixin://wxpay/' || {n}, '', '', 0, 0, {at}, 0`, payments},
		{"refunds", `{app}, 'rfd_' || {n}, 'pay_' || {n}, {account}, 'refund-' || {n}, 'R' || {n}, '50' || {n}, 'T' || {n}, 100, 'CNY', '', 'succeeded', '', {at}, {at}, {at}, 2`, payments / 20},
		{"events", `{app}, 'evt_' || {n} || 'P1', 'payment.created', 'payment', 'pay_' || {n}, 1, {at}, '{"object":"payment"}', i`, payments},
		{"events", `{app}, 'evt_' || {n} || 'P2', 'payment.succeeded', 'payment', 'pay_' || {n}, 2, {at}, '{"object":"payment"}', i`, payments},
		{"postings", `{app}, 'att_' || {n}, 'collect', 'a', 'b', 8800, 'CNY', {at}`, payments},
		{"notices", `{account}, 'EV-' || {n}, 'TRANSACTION.SUCCESS', {app}, 'pay_' || {n}, 'applied', '', '{}', {at}`, payments},
		{"reviews", `{app}, 'rvw_' || {n}, {account}, 'late_paid', 'pay_' || {n}, '', '{}', {at}, CASE WHEN i % 10 = 0 THEN 0 ELSE {at} END, '', '', ''`, payments / 1000},
		{"webhooks", `{app}, 'whk_' || {n} || 'P2_1', 'whe_1', 'evt_' || {n} || 'P2', 'payment.succeeded', CASE WHEN i % 1000 = 0 THEN 'dead' ELSE 'delivered' END, 0, 1, 0, {at}, {at}`, payments},
		{"webhook_deliveries", `{app}, 'dlv_' || {n}, 'whk_' || {n} || 'P2_1', 'whe_1', 'evt_' || {n} || 'P2', 'payment.succeeded', 1, true, 200, '', 20, {at}`, payments},
		{"idempotency_keys", `{app}, 'key-' || {n}, 'hash', {at}, true, 201, 'application/json', '', '', {at}`, payments},
		{"request_nonces", `'ak_1', 'nonce-' || {n}, {at}`, payments / 100},
	} {
		statement := fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT INTO %s SELECT %s FROM n`, max(f.rows, 1), f.table, words.Replace(f.row))
		var err error
		if pool := s.Postgres(); pool != nil {
			_, err = pool.Exec(tb.Context(), statement)
		} else {
			_, err = s.SQLite().ExecContext(tb.Context(), statement)
		}
		if err != nil {
			tb.Fatalf("fill %s: %v", f.table, err)
		}
	}
}
