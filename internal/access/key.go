package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"regexp"
	"time"

	"github.com/tongbao-pay/tongbao/internal/secret"
)

const (
	prefixKey    = "ak_"
	prefixSecret = "sk_"
)

// secretForm is how a key's secret looks: the prefix and 32 random bytes in base64url.
var secretForm = regexp.MustCompile(`^sk_[0-9A-Za-z_-]{43}$`)

// CreateKey makes an API key for an app. The secret is in this answer and never again. A zero expiresAt means never.
func (s *Service) CreateKey(ctx context.Context, appID string, expiresAt time.Time) (Key, secret.String, error) {
	if _, err := s.App(ctx, appID); err != nil {
		return Key{}, secret.String{}, err
	}
	expiresAt = expiresAt.UTC().Truncate(time.Millisecond)
	if !expiresAt.IsZero() && !expiresAt.After(s.clock()) {
		return Key{}, secret.String{}, invalid("expires_at", "lies in the past; give a later time, or none for a key that does not expire")
	}
	key, text, err := s.newKey(appID, expiresAt)
	if err != nil {
		return Key{}, secret.String{}, err
	}
	if err := s.store.InsertKey(ctx, key); err != nil {
		return Key{}, secret.String{}, err
	}
	return key, text, nil
}

func (s *Service) newKey(appID string, expiresAt time.Time) (Key, secret.String, error) {
	now := s.clock()
	raw := make([]byte, 32)
	rand.Read(raw)
	text := prefixSecret + base64.RawURLEncoding.EncodeToString(raw)
	hash := sha256.Sum256([]byte(text))
	key := Key{ID: newID(prefixKey, now), AppID: appID, SecretHash: hash[:], CreatedAt: now, ExpiresAt: expiresAt}
	var err error
	if key.SealedSecret, err = s.sealer.Seal([]byte(text), key.place()); err != nil {
		return Key{}, secret.String{}, err
	}
	return key, secret.NewString(text), nil
}

// place is what the key's secret is sealed for.
func (k Key) place() string { return "api_keys/" + k.ID + "/secret" }

// Keys lists the keys of an app, the ended ones included.
func (s *Service) Keys(ctx context.Context, appID string) ([]Key, error) {
	if _, err := s.App(ctx, appID); err != nil {
		return nil, err
	}
	return s.store.KeysOfApp(ctx, appID)
}

// RevokeKey ends a key for good: on this replica at once, on others and where a request was just being let in, within
// [CacheTTL]. Revoking a revoked key
// changes nothing.
func (s *Service) RevokeKey(ctx context.Context, id string) error {
	key, err := s.store.KeyByID(ctx, id)
	if err != nil {
		return orNotFound(err, "key", id)
	}
	if key.RevokedAt.IsZero() {
		if err := s.store.RevokeKey(ctx, id, s.clock()); err != nil {
			return orNotFound(err, "key", id)
		}
	}
	s.cache.forgetKey(id)
	return nil
}
