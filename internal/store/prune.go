package store

import (
	"context"
	"time"
)

// Prune deletes what has no meaning any more: nonces of requests whose timestamps are too old by now.
func (s *Store) Prune(ctx context.Context, now time.Time) error {
	_, err := s.write(ctx, `DELETE FROM request_nonces WHERE expires_at < $1`, millis(now))
	return err
}
