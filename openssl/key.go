package openssl

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"runtime"
)

// ErrUnavailable says that there is no OpenSSL 3 to work with; the error around it says what to do.
var ErrUnavailable = errors.New("openssl is not available")

// errUnsupported is about options that payments have no use for.
var errUnsupported = errors.New("openssl: only SHA-256 with PKCS#1 v1.5 is signed, and only OAEP with SHA-1 or SHA-256 and without a label is decrypted; use crypto/rsa for anything else")

// PrivateKey signs and decrypts. It is a [crypto.Signer] and a [crypto.Decrypter].
type PrivateKey struct {
	public rsa.PublicKey
	handle *handle
}

// NewPrivateKey copies the key into OpenSSL's memory. It fails with [ErrUnavailable], or for a key that is not valid.
func NewPrivateKey(key *rsa.PrivateKey) (*PrivateKey, error) {
	if key == nil {
		return nil, errors.New("openssl: no private key")
	}
	if err := key.Validate(); err != nil {
		return nil, fmt.Errorf("openssl: private key: %w", err)
	}
	der := x509.MarshalPKCS1PrivateKey(key)
	defer clear(der)
	h, err := newHandle(der, true)
	if err != nil {
		return nil, err
	}
	return &PrivateKey{public: key.PublicKey, handle: h}, nil
}

// Public is the key's public half, an *rsa.PublicKey.
func (k *PrivateKey) Public() crypto.PublicKey {
	public := k.public
	return &public
}

// Sign signs a SHA-256 digest with PKCS#1 v1.5, which needs no random numbers. opts is [crypto.SHA256].
func (k *PrivateKey) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if _, pss := opts.(*rsa.PSSOptions); pss || opts == nil || opts.HashFunc() != crypto.SHA256 {
		return nil, errUnsupported
	}
	if len(digest) != crypto.SHA256.Size() {
		return nil, fmt.Errorf("openssl: a SHA-256 digest has %d bytes, not %d", crypto.SHA256.Size(), len(digest))
	}
	signature := make([]byte, k.public.Size())
	n, err := k.handle.sign(digest, signature)
	runtime.KeepAlive(k)
	if err != nil {
		return nil, err
	}
	return signature[:n], nil
}

// Decrypt opens what was encrypted under the public half with OAEP. opts is an *[rsa.OAEPOptions] with SHA-1 or SHA-256.
// A ciphertext that does not open is [rsa.ErrDecryption].
func (k *PrivateKey) Decrypt(_ io.Reader, ciphertext []byte, opts crypto.DecrypterOpts) ([]byte, error) {
	oaep, ok := opts.(*rsa.OAEPOptions)
	if !ok || len(oaep.Label) > 0 || oaep.Hash != crypto.SHA1 && oaep.Hash != crypto.SHA256 || oaep.MGFHash != 0 && oaep.MGFHash != oaep.Hash {
		return nil, errUnsupported
	}
	if len(ciphertext) != k.public.Size() {
		return nil, rsa.ErrDecryption
	}
	plaintext := make([]byte, k.public.Size())
	n, ok := k.handle.decrypt(ciphertext, plaintext, oaep.Hash == crypto.SHA256)
	runtime.KeepAlive(k)
	if !ok {
		return nil, rsa.ErrDecryption
	}
	return plaintext[:n], nil
}

// PublicKey verifies.
type PublicKey struct {
	size   int
	handle *handle
}

// NewPublicKey copies the key into OpenSSL's memory. It fails with [ErrUnavailable], or for a key that is not valid.
func NewPublicKey(key *rsa.PublicKey) (*PublicKey, error) {
	if key == nil {
		return nil, errors.New("openssl: no public key")
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("openssl: public key: %w", err)
	}
	h, err := newHandle(der, false)
	if err != nil {
		return nil, err
	}
	return &PublicKey{size: key.Size(), handle: h}, nil
}

// Verify checks a signature over a SHA-256 digest with PKCS#1 v1.5. One that does not fit is [rsa.ErrVerification].
func (k *PublicKey) Verify(digest, signature []byte) error {
	if len(digest) != crypto.SHA256.Size() || len(signature) != k.size {
		return rsa.ErrVerification
	}
	ok := k.handle.verify(digest, signature)
	runtime.KeepAlive(k)
	if !ok {
		return rsa.ErrVerification
	}
	return nil
}
