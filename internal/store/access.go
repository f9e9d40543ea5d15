package store

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/tongbao-pay/tongbao/internal/access"
)

const appColumns = `id, name, late_policy, require_signature, disabled, created_at`

func scanApp(r rows) (access.App, error) {
	var a access.App
	err := r.Scan(&a.ID, &a.Name, &a.LatePolicy, &a.RequireSignature, &a.Disabled, instant{&a.CreatedAt})
	return a, err
}

// PutApp implements [access.Store].
func (s *Store) PutApp(ctx context.Context, a access.App) error {
	_, err := s.write(ctx, `INSERT INTO apps (`+appColumns+`) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, late_policy = excluded.late_policy, require_signature = excluded.require_signature, disabled = excluded.disabled`,
		a.ID, a.Name, string(a.LatePolicy), a.RequireSignature, a.Disabled, millis(a.CreatedAt))
	return err
}

// Apps implements [access.Store].
func (s *Store) Apps(ctx context.Context) ([]access.App, error) {
	return list(ctx, s.read, scanApp, `SELECT `+appColumns+` FROM apps ORDER BY id`)
}

// AppByID implements [access.Store].
func (s *Store) AppByID(ctx context.Context, id string) (access.App, error) {
	return one(ctx, s.read, access.ErrNotFound, scanApp, `SELECT `+appColumns+` FROM apps WHERE id = $1`, id)
}

const keyColumns = `id, app_id, secret_hash, sealed_secret, created_at, expires_at, revoked_at`

func scanKey(r rows) (access.Key, error) {
	var k access.Key
	err := r.Scan(&k.ID, &k.AppID, hexText{&k.SecretHash}, base64Text{&k.SealedSecret}, instant{&k.CreatedAt}, instant{&k.ExpiresAt}, instant{&k.RevokedAt})
	return k, err
}

// InsertKey implements [access.Store].
func (s *Store) InsertKey(ctx context.Context, k access.Key) error {
	_, err := s.write(ctx, `INSERT INTO api_keys (`+keyColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		k.ID, k.AppID, hex.EncodeToString(k.SecretHash), encodeBytes(k.SealedSecret), millis(k.CreatedAt), millis(k.ExpiresAt), millis(k.RevokedAt))
	return err
}

// KeyByHash implements [access.Store].
func (s *Store) KeyByHash(ctx context.Context, secretHash []byte) (access.Key, error) {
	return one(ctx, s.read, access.ErrNotFound, scanKey, `SELECT `+keyColumns+` FROM api_keys WHERE secret_hash = $1`, hex.EncodeToString(secretHash))
}

// KeyByID implements [access.Store].
func (s *Store) KeyByID(ctx context.Context, id string) (access.Key, error) {
	return one(ctx, s.read, access.ErrNotFound, scanKey, `SELECT `+keyColumns+` FROM api_keys WHERE id = $1`, id)
}

// KeysOfApp implements [access.Store].
func (s *Store) KeysOfApp(ctx context.Context, appID string) ([]access.Key, error) {
	return list(ctx, s.read, scanKey, `SELECT `+keyColumns+` FROM api_keys WHERE app_id = $1 ORDER BY created_at, id`, appID)
}

// RevokeKey implements [access.Store].
func (s *Store) RevokeKey(ctx context.Context, id string, at time.Time) error {
	n, err := s.write(ctx, `UPDATE api_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at = 0`, id, millis(at))
	if err == nil && n == 0 {
		_, err = s.KeyByID(ctx, id) // revoked before is done already
	}
	return err
}

const accountColumns = `id, channel, settings, sealed_secrets, disabled, updated_at`

func scanAccount(r rows) (access.Account, error) {
	var a access.Account
	var settings string
	err := r.Scan(&a.ID, &a.Channel, &settings, base64Text{&a.SealedSecrets}, &a.Disabled, instant{&a.UpdatedAt})
	a.Settings = []byte(settings)
	return a, err
}

// PutAccount implements [access.Store].
func (s *Store) PutAccount(ctx context.Context, a access.Account) error {
	_, err := s.write(ctx, `INSERT INTO accounts (`+accountColumns+`) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (id) DO UPDATE SET channel = excluded.channel, settings = excluded.settings, sealed_secrets = excluded.sealed_secrets, disabled = excluded.disabled, updated_at = excluded.updated_at`,
		a.ID, string(a.Channel), string(a.Settings), encodeBytes(a.SealedSecrets), a.Disabled, millis(a.UpdatedAt))
	return err
}

// Accounts implements [access.Store].
func (s *Store) Accounts(ctx context.Context) ([]access.Account, error) {
	return list(ctx, s.read, scanAccount, `SELECT `+accountColumns+` FROM accounts ORDER BY id`)
}

// AccountByID implements [access.Store].
func (s *Store) AccountByID(ctx context.Context, id string) (access.Account, error) {
	return one(ctx, s.read, access.ErrNotFound, scanAccount, `SELECT `+accountColumns+` FROM accounts WHERE id = $1`, id)
}

// UseNonce implements [access.Store].
func (s *Store) UseNonce(ctx context.Context, keyID, nonce string, expiresAt time.Time) (bool, error) {
	n, err := s.write(ctx, `INSERT INTO request_nonces (key_id, nonce, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, keyID, nonce, millis(expiresAt))
	return n == 1, err
}
