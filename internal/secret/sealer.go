package secret

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// keysetContext binds the wrapped keyset to its purpose.
const keysetContext = "tongbao/keyset"

// ErrMasterKey is what [Open] answers when the master key and the stored keyset do not belong together.
var ErrMasterKey = errors.New("secret: this master key does not open the keyset stored in the database")

// Sealer seals and opens secrets with an installation's keyset. It is safe for concurrent use.
type Sealer struct{ keyset tink.AEAD }

// Open unwraps the installation's keyset with the master key; the first start of an installation makes and stores it.
// A keyset that is there is never replaced: where the master key does not open it, the error is [ErrMasterKey].
func Open(ctx context.Context, store Store, key MasterKey) (*Sealer, error) {
	if key.raw.IsZero() {
		return nil, errors.New("secret: no master key; give one by file or by environment variable")
	}
	wrapper, err := subtle.NewAESGCM([]byte(key.raw.Reveal()))
	if err != nil {
		return nil, fmt.Errorf("secret: use the master key: %w", err)
	}
	wrapped, err := store.Keyset(ctx)
	if err != nil {
		return nil, fmt.Errorf("secret: read the keyset: %w", err)
	}
	if wrapped == nil {
		if wrapped, err = createKeyset(ctx, store, wrapper); err != nil {
			return nil, err
		}
	}
	handle, err := keyset.ReadWithAssociatedData(keyset.NewBinaryReader(bytes.NewReader(wrapped)), wrapper, []byte(keysetContext))
	if err != nil {
		return nil, fmt.Errorf("%w: either it is another key than the one this installation was started with, or the keyset was damaged. "+
			"Nothing was changed. Start again with the original master key (its file or environment variable, from your backup), "+
			"or with the backup of the database that belongs to this key", ErrMasterKey)
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, fmt.Errorf("secret: use the keyset: %w", err)
	}
	return &Sealer{keyset: primitive}, nil
}

// createKeyset returns the stored keyset, which is another replica's if that one was faster.
func createKeyset(ctx context.Context, store Store, wrapper tink.AEAD) ([]byte, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("secret: make a keyset: %w", err)
	}
	var wrapped bytes.Buffer
	if err := handle.WriteWithAssociatedData(keyset.NewBinaryWriter(&wrapped), wrapper, []byte(keysetContext)); err != nil {
		return nil, fmt.Errorf("secret: wrap the keyset: %w", err)
	}
	stored, err := store.PutFirstKeyset(ctx, wrapped.Bytes())
	if err != nil {
		return nil, fmt.Errorf("secret: store the keyset: %w", err)
	}
	return stored, nil
}

// Seal encrypts plaintext for one place, named "table/id/column": elsewhere it does not open. The same plaintext
// seals differently each time.
func (s *Sealer) Seal(plaintext []byte, place string) ([]byte, error) {
	if place == "" {
		return nil, errors.New("secret: sealing needs the place it is for")
	}
	sealed, err := s.keyset.Encrypt(plaintext, []byte(place))
	if err != nil {
		return nil, fmt.Errorf("secret: seal %s: %w", place, err)
	}
	return sealed, nil
}

// Open decrypts what was sealed for the same place.
func (s *Sealer) Open(sealed []byte, place string) ([]byte, error) {
	plaintext, err := s.keyset.Decrypt(sealed, []byte(place))
	if err != nil || place == "" {
		return nil, fmt.Errorf("secret: %q does not open: it was sealed for another place or by another keyset, or was damaged; enter that secret again, or restore the database", place)
	}
	return plaintext, nil
}
