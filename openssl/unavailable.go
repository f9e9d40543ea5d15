//go:build !cgo || !(linux || darwin)

package openssl

import "fmt"

// handle is never made here.
type handle struct{}

func newHandle([]byte, bool) (*handle, error) {
	return nil, fmt.Errorf("%w: this program was built without cgo, or for a system other than Linux and macOS; "+
		"build with CGO_ENABLED=1, or sign with the *rsa.PrivateKey itself", ErrUnavailable)
}

func (*handle) sign([]byte, []byte) (int, error)         { return 0, ErrUnavailable }
func (*handle) verify([]byte, []byte) bool               { return false }
func (*handle) decrypt([]byte, []byte, bool) (int, bool) { return 0, false }
