package redis

import (
	"context"
	"errors"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// NonceStore remembers nonces durably.
type NonceStore interface {
	UseNonce(ctx context.Context, keyID, nonce string, expiresAt time.Time) (fresh bool, err error)
}

// Nonces refuses in Redis what was used before, so that a storm of replays does not reach the database. What Redis has
// not seen the database decides: a Redis that was restarted, failed over or cut off has forgotten nonces, and a replay
// must not pass because of that.
type Nonces struct {
	client *Client
	store  NonceStore
}

// Nonces puts the client before the store that decides.
func (c *Client) Nonces(store NonceStore) Nonces { return Nonces{c, store} }

// UseNonce implements [NonceStore].
func (n Nonces) UseNonce(ctx context.Context, keyID, nonce string, expiresAt time.Time) (fresh bool, err error) {
	key := prefix + "nonce:" + keyID + ":" + nonce
	used := false
	asked := n.client.ask(ctx, useNonces, func(ctx context.Context) error {
		err := n.client.client.SetArgs(ctx, key, 1, goredis.SetArgs{Mode: "NX", ExpireAt: expiresAt}).Err()
		if errors.Is(err, goredis.Nil) {
			used, err = true, nil
		}
		return err
	})
	if used {
		return false, nil
	}
	fresh, err = n.store.UseNonce(ctx, keyID, nonce, expiresAt)
	if err != nil && asked == nil {
		// The request was not let in, so that it may come again.
		forget := context.WithoutCancel(ctx)
		_ = n.client.ask(forget, useNonces, func(ctx context.Context) error { return n.client.client.Del(ctx, key).Err() })
	}
	return fresh, err
}
