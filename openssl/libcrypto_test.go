//go:build cgo && (linux || darwin)

package openssl

import (
	"errors"
	"strings"
	"testing"
)

func TestMissingLibraryIsSaidPlainly(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"libcrypto.so.none": "libcrypto.so.none", "libm.so.6": "OPENSSL_version_major"} {
		err := loadFrom(name)
		if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "install OpenSSL 3") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := load(); err != nil {
		t.Errorf("the system's library after that: %v", err)
	}
}

func TestBytesThatAreNoKeyAreRefused(t *testing.T) {
	t.Parallel()
	for _, private := range []bool{true, false} {
		if _, err := newHandle([]byte("no key"), private); err == nil || errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "error:") {
			t.Errorf("private %t: got %v", private, err)
		}
	}
}
