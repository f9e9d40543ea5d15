package access

import (
	"bytes"
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/secret"
)

// memory is a [Store] that keeps the interface's promises and complains when the service breaks its own.
type memory struct {
	t        *testing.T
	mu       sync.Mutex
	apps     map[string]App
	keys     map[string]Key
	accounts map[string]Account
	nonces   map[string]time.Time
	calls    []string // reads and nonces, in order
	down     error
}

func newMemory(t *testing.T) *memory {
	t.Helper()
	return &memory{t: t, apps: map[string]App{}, keys: map[string]Key{}, accounts: map[string]Account{}, nonces: map[string]time.Time{}}
}

func (m *memory) called(name string) func() {
	m.mu.Lock()
	m.calls = append(m.calls, name)
	return m.mu.Unlock
}

// took returns the calls since the last time it was asked.
func (m *memory) took() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	calls := m.calls
	m.calls = nil
	return calls
}

func (m *memory) PutApp(_ context.Context, a App) error {
	defer m.called("PutApp")()
	if !name.MatchString(a.ID) || a.LatePolicy == "" || a.CreatedAt.IsZero() {
		m.t.Errorf("an app that was not checked is stored: %+v", a)
	}
	m.apps[a.ID] = a
	return m.down
}

func (m *memory) Apps(context.Context) ([]App, error) {
	defer m.called("Apps")()
	var apps []App
	for _, a := range m.apps {
		apps = append(apps, a)
	}
	return apps, m.down
}

func (m *memory) AppByID(_ context.Context, id string) (App, error) {
	defer m.called("AppByID")()
	return found(m, m.apps, id)
}

func (m *memory) InsertKey(_ context.Context, k Key) error {
	defer m.called("InsertKey")()
	if _, exists := m.keys[k.ID]; exists || len(k.SecretHash) != 32 || len(k.SealedSecret) == 0 || bytes.Contains(k.SealedSecret, []byte(prefixSecret)) {
		m.t.Errorf("a key that must not be stored: %+v", k)
	}
	if k.CreatedAt.Location() != time.UTC || k.CreatedAt.Nanosecond()%1e6 != 0 {
		m.t.Errorf("a time the database cannot hold: %v", k.CreatedAt)
	}
	m.keys[k.ID] = k
	return m.down
}

func (m *memory) KeyByHash(_ context.Context, hash []byte) (Key, error) {
	defer m.called("KeyByHash")()
	for _, k := range m.keys {
		if bytes.Equal(k.SecretHash, hash) {
			return k, m.down
		}
	}
	return found(m, m.keys, "")
}

func (m *memory) KeyByID(_ context.Context, id string) (Key, error) {
	defer m.called("KeyByID")()
	return found(m, m.keys, id)
}

func (m *memory) KeysOfApp(_ context.Context, appID string) ([]Key, error) {
	defer m.called("KeysOfApp")()
	var keys []Key
	for _, k := range m.keys {
		if k.AppID == appID {
			keys = append(keys, k)
		}
	}
	return keys, m.down
}

func (m *memory) RevokeKey(_ context.Context, id string, at time.Time) error {
	defer m.called("RevokeKey")()
	k, err := found(m, m.keys, id)
	if err != nil {
		return err
	}
	if !k.RevokedAt.IsZero() {
		m.t.Error("a revoked key is revoked again: its time is lost")
	}
	k.RevokedAt = at
	m.keys[id] = k
	return nil
}

func (m *memory) PutAccount(_ context.Context, a Account) error {
	defer m.called("PutAccount")()
	if len(a.SealedSecrets) == 0 || bytes.Contains(a.SealedSecrets, []byte("{")) && bytes.Contains(a.SealedSecrets, []byte("}")) && strings.Contains(string(a.SealedSecrets), "key") {
		m.t.Errorf("secrets are stored in the clear: %q", a.SealedSecrets)
	}
	if old, exists := m.accounts[a.ID]; exists && old.Channel != a.Channel {
		m.t.Error("an account changed its channel")
	}
	m.accounts[a.ID] = a
	return m.down
}

func (m *memory) Accounts(context.Context) ([]Account, error) {
	defer m.called("Accounts")()
	var accounts []Account
	for _, a := range m.accounts {
		accounts = append(accounts, a)
	}
	slices.SortFunc(accounts, func(a, b Account) int { return strings.Compare(a.ID, b.ID) })
	return accounts, m.down
}

func (m *memory) AccountByID(_ context.Context, id string) (Account, error) {
	defer m.called("AccountByID")()
	return found(m, m.accounts, id)
}

func (m *memory) UseNonce(_ context.Context, keyID, nonce string, expiresAt time.Time) (bool, error) {
	defer m.called("UseNonce")()
	if m.down != nil {
		return false, m.down
	}
	_, used := m.nonces[keyID+" "+nonce]
	m.nonces[keyID+" "+nonce] = expiresAt
	return !used, nil
}

func found[T any](m *memory, rows map[string]T, id string) (T, error) {
	if m.down != nil {
		var none T
		return none, m.down
	}
	row, ok := rows[id]
	if !ok {
		return row, ErrNotFound
	}
	return row, nil
}

// keyset is a [secret.Store].
type keyset struct{ wrapped []byte }

func (k *keyset) Keyset(context.Context) ([]byte, error) { return k.wrapped, nil }

func (k *keyset) PutFirstKeyset(_ context.Context, wrapped []byte) ([]byte, error) {
	if k.wrapped == nil {
		k.wrapped = bytes.Clone(wrapped)
	}
	return k.wrapped, nil
}

// clock is moved by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

type bundle struct {
	*Service
	store  *memory
	clock  *clock
	sealer *secret.Sealer
}

func setup(t *testing.T) *bundle {
	t.Helper()
	masterKey, err := secret.LoadMasterKey(base64.StdEncoding.EncodeToString(make([]byte, 32)))
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := secret.Open(t.Context(), &keyset{}, masterKey)
	if err != nil {
		t.Fatal(err)
	}
	b := &bundle{store: newMemory(t), clock: &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.FixedZone("", 8*3600))}, sealer: sealer}
	if b.Service, err = New(Config{Store: b.store, Sealer: sealer, Now: b.clock.Now}); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bundle) app(t *testing.T, id string, settings AppSettings) App {
	t.Helper()
	app, err := b.PutApp(t.Context(), id, settings)
	if err != nil {
		t.Fatal(err)
	}
	return app
}

func (b *bundle) key(t *testing.T, appID string) (Key, string) {
	t.Helper()
	key, text, err := b.CreateKey(t.Context(), appID, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return key, text.Reveal()
}
