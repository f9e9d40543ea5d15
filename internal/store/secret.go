package store

import (
	"context"
	"errors"

	"github.com/tongbao-pay/tongbao/internal/access"
)

// Keyset implements [secret.Store].
func (s *Store) Keyset(ctx context.Context) ([]byte, error) {
	wrapped, err := one(ctx, s.read, access.ErrNotFound, scanBytes, `SELECT wrapped FROM keysets WHERE id = 1`)
	if errors.Is(err, access.ErrNotFound) {
		return nil, nil
	}
	return wrapped, err
}

// PutFirstKeyset implements [secret.Store].
func (s *Store) PutFirstKeyset(ctx context.Context, wrapped []byte) ([]byte, error) {
	if _, err := s.write(ctx, `INSERT INTO keysets (id, wrapped) VALUES (1, $1) ON CONFLICT DO NOTHING`, encodeBytes(wrapped)); err != nil {
		return nil, err
	}
	return s.Keyset(ctx)
}

func scanBytes(r rows) ([]byte, error) {
	var b []byte
	err := r.Scan(base64Text{&b})
	return b, err
}
