// Package access knows who may use the gateway: apps with their API keys, and the merchant's accounts at providers.
package access

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

// App is an application of the merchant's that calls the API.
type App struct {
	ID               string // "app_..." or the name a configuration file gives it
	Name             string
	LatePolicy       payment.LatePolicy
	RequireSignature bool // bearer keys are refused; every request must be signed
	Disabled         bool
	CreatedAt        time.Time
}

// Key is an API key of an app. The secret itself is stored sealed, for signed requests, and as a hash, for bearer ones.
type Key struct {
	ID           string // "ak_..."
	AppID        string
	SecretHash   []byte // SHA-256
	SealedSecret []byte
	CreatedAt    time.Time
	ExpiresAt    time.Time // zero: never
	RevokedAt    time.Time // zero: not revoked
}

// Account is the merchant's account at a provider. Settings are its public part, SealedSecrets its keys; both are
// JSON that the channel's adapter defines.
type Account struct {
	ID            string
	Channel       payment.Channel
	Settings      json.RawMessage
	SealedSecrets []byte
	Disabled      bool
	UpdatedAt     time.Time
}

// Store keeps apps, keys and accounts. It is safe for concurrent use.
type Store interface {
	PutApp(context.Context, App) error // inserts or replaces
	Apps(context.Context) ([]App, error)
	AppByID(ctx context.Context, id string) (App, error)

	InsertKey(context.Context, Key) error
	KeyByHash(ctx context.Context, secretHash []byte) (Key, error)
	KeyByID(ctx context.Context, id string) (Key, error)
	KeysOfApp(ctx context.Context, appID string) ([]Key, error)
	RevokeKey(ctx context.Context, id string, at time.Time) error

	PutAccount(context.Context, Account) error // inserts or replaces
	Accounts(context.Context) ([]Account, error)
	AccountByID(ctx context.Context, id string) (Account, error)

	Nonces
}

// Nonces remembers, for every replica, what may be used once.
type Nonces interface {
	// UseNonce remembers a nonce until expiresAt; false means that the key has used it before.
	UseNonce(ctx context.Context, keyID, nonce string, expiresAt time.Time) (fresh bool, err error)
}

// ErrNotFound is what a [Store] answers where there is no such row.
var ErrNotFound = errors.New("access: not found")
