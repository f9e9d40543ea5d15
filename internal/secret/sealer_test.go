package secret_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/tongbao-pay/tongbao/internal/secret"
)

// memory is a [secret.Store] whose keyset, once stored, never changes.
type memory struct {
	mu      sync.Mutex
	wrapped []byte
	puts    int
	blind   bool // answers "no keyset" although there is one, like a read just before another replica's write
	down    error
}

func (m *memory) Keyset(context.Context) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.blind {
		return nil, m.down
	}
	return bytes.Clone(m.wrapped), m.down
}

func (m *memory) PutFirstKeyset(_ context.Context, wrapped []byte) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.puts++
	if m.wrapped == nil {
		m.wrapped = bytes.Clone(wrapped)
	}
	return bytes.Clone(m.wrapped), m.down
}

func masterKey(t *testing.T, fill byte) secret.MasterKey {
	t.Helper()
	key, err := secret.LoadMasterKey(keyText(fill))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func open(t *testing.T, store secret.Store, key secret.MasterKey) *secret.Sealer {
	t.Helper()
	sealer, err := secret.Open(t.Context(), store, key)
	if err != nil {
		t.Fatal(err)
	}
	return sealer
}

func seal(t *testing.T, s *secret.Sealer, plaintext, place string) []byte {
	t.Helper()
	sealed, err := s.Seal([]byte(plaintext), place)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestOpen(t *testing.T) {
	t.Parallel()

	t.Run("SecretsSurviveARestart", func(t *testing.T) {
		t.Parallel()
		store := &memory{}
		sealed := seal(t, open(t, store, masterKey(t, 'a')), hidden, "accounts/wx/secrets")
		got, err := open(t, store, masterKey(t, 'a')).Open(sealed, "accounts/wx/secrets")
		if err != nil || string(got) != hidden {
			t.Errorf("Open() = %q, %v", got, err)
		}
		if store.puts != 1 {
			t.Errorf("the keyset was stored %d times, want 1", store.puts)
		}
	})

	t.Run("ReplicaThatCameSecondUsesTheFirstOnesKeyset", func(t *testing.T) {
		t.Parallel()
		store := &memory{}
		first := open(t, store, masterKey(t, 'a'))
		store.blind = true
		second := open(t, store, masterKey(t, 'a'))
		got, err := second.Open(seal(t, first, hidden, "a/b/c"), "a/b/c")
		if err != nil || string(got) != hidden {
			t.Errorf("Open() = %q, %v", got, err)
		}
	})

	t.Run("WrongMasterKeyIsNamedWithTheRemedyAndChangesNothing", func(t *testing.T) {
		t.Parallel()
		store := &memory{}
		open(t, store, masterKey(t, 'a'))
		before := bytes.Clone(store.wrapped)
		_, err := secret.Open(t.Context(), store, masterKey(t, 'b'))
		if !errors.Is(err, secret.ErrMasterKey) {
			t.Fatalf("error %v, want ErrMasterKey", err)
		}
		for _, words := range []string{"original master key", "backup", "Nothing was changed"} {
			if !strings.Contains(err.Error(), words) {
				t.Errorf("the error does not speak of %q: %v", words, err)
			}
		}
		if !bytes.Equal(store.wrapped, before) || store.puts != 1 {
			t.Error("the stored keyset was touched")
		}
	})

	t.Run("WrongMasterKeyOfASecondReplicaIsFoundWhenItStartsTogetherWithTheFirst", func(t *testing.T) {
		t.Parallel()
		store := &memory{}
		open(t, store, masterKey(t, 'a'))
		store.blind = true
		if _, err := secret.Open(t.Context(), store, masterKey(t, 'b')); !errors.Is(err, secret.ErrMasterKey) {
			t.Errorf("error %v, want ErrMasterKey", err)
		}
	})

	t.Run("DamagedKeysetIsNeverReplaced", func(t *testing.T) {
		t.Parallel()
		for _, damaged := range [][]byte{{}, {0}, []byte("garbage"), bytes.Repeat([]byte{0xff}, 100)} {
			store := &memory{wrapped: damaged}
			if _, err := secret.Open(t.Context(), store, masterKey(t, 'a')); !errors.Is(err, secret.ErrMasterKey) {
				t.Errorf("error %v, want ErrMasterKey", err)
			}
			if store.puts != 0 {
				t.Error("a new keyset was written over it")
			}
		}
	})

	t.Run("StoreThatIsDownIsNotAnEmptyStore", func(t *testing.T) {
		t.Parallel()
		store := &memory{down: errors.New("connection refused")}
		if _, err := secret.Open(t.Context(), store, masterKey(t, 'a')); !errors.Is(err, store.down) || errors.Is(err, secret.ErrMasterKey) {
			t.Errorf("error %v, want the store's", err)
		}
		if store.puts != 0 {
			t.Error("a keyset was written")
		}
	})

	t.Run("NoMasterKeyIsRefused", func(t *testing.T) {
		t.Parallel()
		if _, err := secret.Open(t.Context(), &memory{}, secret.MasterKey{}); err == nil {
			t.Error("accepted")
		}
	})

	t.Run("StoredKeysetShowsNothingUsable", func(t *testing.T) {
		t.Parallel()
		store := &memory{}
		open(t, store, masterKey(t, 'a'))
		if bytes.Contains(store.wrapped, []byte(strings.Repeat("a", 32))) {
			t.Error("the master key lies beside what it opens")
		}
	})
}

func TestSealer(t *testing.T) {
	t.Parallel()
	sealer := open(t, &memory{}, masterKey(t, 'a'))

	t.Run("MovedToAnotherRowOrColumnDoesNotOpen", func(t *testing.T) {
		t.Parallel()
		sealed := seal(t, sealer, hidden, "accounts/a/secrets")
		for _, place := range []string{"accounts/b/secrets", "accounts/a/settings", "apps/a/secrets", "", "accounts/a/secrets "} {
			if got, err := sealer.Open(sealed, place); err == nil || got != nil {
				t.Errorf("opens at %q", place)
			}
		}
	})

	t.Run("ChangedAnywhereDoesNotOpen", func(t *testing.T) {
		t.Parallel()
		sealed := seal(t, sealer, hidden, "a/b/c")
		for i := range sealed {
			changed := bytes.Clone(sealed)
			changed[i] ^= 1
			if _, err := sealer.Open(changed, "a/b/c"); err == nil {
				t.Errorf("opens with byte %d changed", i)
			}
			if _, err := sealer.Open(sealed[:i], "a/b/c"); err == nil {
				t.Errorf("opens cut to %d bytes", i)
			}
		}
	})

	t.Run("ForeignKeysetDoesNotOpen", func(t *testing.T) {
		t.Parallel()
		foreign := open(t, &memory{}, masterKey(t, 'a'))
		if _, err := foreign.Open(seal(t, sealer, hidden, "a/b/c"), "a/b/c"); err == nil {
			t.Error("opens")
		}
	})

	t.Run("SealedHidesTheTextAndDiffersEachTime", func(t *testing.T) {
		t.Parallel()
		one, two := seal(t, sealer, hidden, "a/b/c"), seal(t, sealer, hidden, "a/b/c")
		if bytes.Contains(one, []byte(hidden)) || bytes.Equal(one, two) {
			t.Error("the ciphertext tells about the text")
		}
	})

	t.Run("PlaceIsRequired", func(t *testing.T) {
		t.Parallel()
		if _, err := sealer.Seal([]byte(hidden), ""); err == nil {
			t.Error("accepted")
		}
	})

	t.Run("EmptyTextIsATextToo", func(t *testing.T) {
		t.Parallel()
		got, err := sealer.Open(seal(t, sealer, "", "a/b/c"), "a/b/c")
		if err != nil || len(got) != 0 {
			t.Errorf("Open() = %q, %v", got, err)
		}
	})
}
