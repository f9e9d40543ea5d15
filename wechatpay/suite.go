package wechatpay

import (
	"crypto"
	"crypto/cipher"
	"crypto/x509"
	"io"
)

// Suite is the set of algorithms by which a merchant and the provider sign and encrypt. This package has one, RSA
// with SHA-256 and AES, which a nil Config.Suite means; the package sm has SM2, SM3 and SM4 (国密). A Suite holds
// no keys: Config.Signer, Config.Certificate and the platform certificates are then keys of its kind. It is safe
// for concurrent use.
type Suite interface {
	// Names are the provider's words for the algorithms; always the same.
	Names() SuiteNames
	// CheckKey says why a public key is not of the suite's kind, as in "must be an RSA key of 2048 bits".
	CheckKey(public crypto.PublicKey) error
	// ParseCertificate reads a platform certificate from its DER bytes.
	ParseCertificate(der []byte) (*x509.Certificate, error)
	// Sign signs with the merchant's private key, whose public key passed CheckKey.
	Sign(signer crypto.Signer, text SignedText) ([]byte, error)
	// Verify checks the provider's signature by a key that passed CheckKey. Signature is any bytes.
	Verify(public crypto.PublicKey, text SignedText, signature []byte) bool
	// Encrypt encrypts a sensitive field for the provider (敏感信息加密), by a key that passed CheckKey.
	Encrypt(public crypto.PublicKey, plaintext []byte) ([]byte, error)
	// Decrypt opens a sensitive field of an answer. Ciphertext is any bytes.
	Decrypt(decrypter crypto.Decrypter, ciphertext []byte) ([]byte, error)
	// NewAEAD encrypts notifications and certificates under the APIv3 key, 32 bytes.
	NewAEAD(apiV3Key []byte) (cipher.AEAD, error)
}

// SuiteNames are the provider's words for a Suite's algorithms.
type SuiteNames struct {
	// SignatureType is the scheme of Authorization and the Wechatpay-Signature-Type, such as
	// WECHATPAY2-SHA256-RSA2048.
	SignatureType string
	// SignType is the signType of front-end invocations, such as RSA.
	SignType string
	// AEAD is the algorithm of what the APIv3 key encrypts, such as AEAD_AES_256_GCM.
	AEAD string
	// AlgorithmType asks for the suite's certificates in the certificate list. Zero: the provider's default, RSA.
	AlgorithmType string
}

// SignedText is what a signature is over: Lines, Body and one newline, in this order and unchanged (WeChat Pay APIv3,
// 构造签名串). It comes in two parts so that no body is copied to be signed.
type SignedText struct {
	Lines, Body []byte
}

// HashTo writes the text to a hash.
func (t SignedText) HashTo(hash io.Writer) error {
	for _, part := range [...][]byte{t.Lines, t.Body, {'\n'}} {
		if _, err := hash.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// apiV3Cipher opens what the provider encrypted with the APIv3 key.
type apiV3Cipher struct {
	cipher.AEAD
	algorithm string
}
