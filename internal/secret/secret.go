// Package secret keeps secrets sealed at rest and out of everything that is printed.
package secret

import "context"

// Store keeps the one wrapped keyset of an installation.
type Store interface {
	// Keyset returns the wrapped keyset, or nil where none was stored yet.
	Keyset(context.Context) ([]byte, error)
	// PutFirstKeyset stores the keyset unless another replica was first, and returns the stored one.
	PutFirstKeyset(ctx context.Context, wrapped []byte) ([]byte, error)
}
