package store

import (
	"context"
	"errors"
	"time"

	"github.com/tongbao-pay/tongbao/internal/access"
	"github.com/tongbao-pay/tongbao/internal/idempotency"
)

const idempotencyColumns = `app_id, key, request_hash, locked_until, done, status, content_type, location, body, created_at`

func scanIdempotency(r rows) (idempotency.Record, error) {
	var i idempotency.Record
	err := r.Scan(&i.AppID, &i.Key, &i.RequestHash, instant{&i.LockedUntil}, &i.Done, &i.Status, &i.ContentType, &i.Location, base64Text{&i.Body}, instant{&i.CreatedAt})
	return i, err
}

// Begin implements [idempotency.Store].
func (s *Store) Begin(ctx context.Context, r idempotency.Record, now time.Time) (current idempotency.Record, started bool, err error) {
	for {
		current, started, err = s.claim(ctx, r, now)
		if !errors.Is(err, access.ErrNotFound) { // forgotten between the two statements: it is free
			return current, started, err
		}
	}
}

func (s *Store) claim(ctx context.Context, r idempotency.Record, now time.Time) (current idempotency.Record, started bool, err error) {
	n, err := s.write(ctx, `INSERT INTO idempotency_keys (`+idempotencyColumns+`) VALUES ($1, $2, $3, $4, $5, 0, '', '', '', $6)
		ON CONFLICT (app_id, key) DO UPDATE SET locked_until = excluded.locked_until
		WHERE NOT idempotency_keys.done AND idempotency_keys.locked_until < $6 AND idempotency_keys.request_hash = excluded.request_hash`,
		r.AppID, r.Key, r.RequestHash, millis(r.LockedUntil), false, millis(now))
	if err != nil || n == 1 {
		return r, n == 1, err
	}
	current, err = one(ctx, s.read, access.ErrNotFound, scanIdempotency, `SELECT `+idempotencyColumns+` FROM idempotency_keys WHERE app_id = $1 AND key = $2`, r.AppID, r.Key)
	return current, false, err
}

// Finish implements [idempotency.Store].
func (s *Store) Finish(ctx context.Context, r idempotency.Record) error {
	_, err := s.write(ctx, `UPDATE idempotency_keys SET done = $3, status = $4, content_type = $5, location = $6, body = $7 WHERE app_id = $1 AND key = $2 AND NOT done`,
		r.AppID, r.Key, true, r.Status, r.ContentType, r.Location, encodeBytes(r.Body))
	return err
}

// Forget implements [idempotency.Store].
func (s *Store) Forget(ctx context.Context, appID, key string) error {
	_, err := s.write(ctx, `DELETE FROM idempotency_keys WHERE app_id = $1 AND key = $2 AND NOT done`, appID, key)
	return err
}
