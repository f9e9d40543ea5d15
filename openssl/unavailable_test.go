//go:build !cgo

package openssl_test

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"testing"

	"github.com/tongbao-pay/tongbao/openssl"
)

func TestWithoutCgoNothingIsPretended(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openssl.NewPrivateKey(key); !errors.Is(err, openssl.ErrUnavailable) {
		t.Errorf("private key: got %v", err)
	}
	if _, err := openssl.NewPublicKey(&key.PublicKey); !errors.Is(err, openssl.ErrUnavailable) {
		t.Errorf("public key: got %v", err)
	}
}
