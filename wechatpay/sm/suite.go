package sm

import (
	"crypto"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/sm4"
	"github.com/emmansun/gmsm/smx509"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

// The provider's names for the SM algorithms (WeChat Pay APIv3, 国密).
const (
	SignatureType = "WECHATPAY2-SM2-WITH-SM3"
	aead          = "AEAD_SM4_GCM"
	algorithmType = "SM2"
)

// userID is the distinguishing identifier that the provider signs under; it is also the usual one (GM/T 0009).
const userID = "1234567812345678"

// sm4KeyBytes is how much of the digest of the APIv3 key is the key of SM4.
const sm4KeyBytes = 16

var errNotSM2 = errors.New("must be an SM2 key")

// Suite is SM2 with SM3 and SM4, for wechatpay's Config.Suite. The zero value is ready and safe for concurrent use.
type Suite struct {
	// SignType is the signType of front-end invocations. Zero: SM2. The provider publishes no value; its Java SDK lets
	// the caller choose.
	SignType string
}

var _ wechatpay.Suite = Suite{}

// Names are the provider's names for the SM algorithms.
func (s Suite) Names() wechatpay.SuiteNames {
	names := wechatpay.SuiteNames{SignatureType: SignatureType, SignType: s.SignType, AEAD: aead, AlgorithmType: algorithmType}
	if names.SignType == "" {
		names.SignType = "SM2"
	}
	return names
}

// CheckKey wants an *ecdsa.PublicKey on the curve of SM2.
func (Suite) CheckKey(public crypto.PublicKey) error {
	_, err := sm2Key(public)
	return err
}

func sm2Key(public crypto.PublicKey) (*ecdsa.PublicKey, error) {
	key, ok := public.(*ecdsa.PublicKey)
	if !ok || key == nil || key.Curve != sm2.P256() {
		return nil, errNotSM2
	}
	return key, nil
}

// ParseCertificate reads a certificate that holds an SM2 key, which the standard library refuses.
func (Suite) ParseCertificate(der []byte) (*x509.Certificate, error) {
	certificate, err := smx509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return certificate.ToX509(), nil
}

// Sign signs SM3(Z ‖ text) by SM2; the signature is the DER of r and s.
func (Suite) Sign(signer crypto.Signer, text wechatpay.SignedText) ([]byte, error) {
	sum, err := digest(signer.Public(), text)
	if err != nil {
		return nil, err
	}
	return signer.Sign(rand.Reader, sum, crypto.Hash(0))
}

// Verify is the counterpart of Sign.
func (Suite) Verify(public crypto.PublicKey, text wechatpay.SignedText, signature []byte) bool {
	key, err := sm2Key(public)
	if err != nil {
		return false
	}
	sum, err := digest(key, text)
	return err == nil && sm2.VerifyASN1(key, sum, signature)
}

// digest is SM3(Z ‖ text), where Z binds user id, curve and public key.
func digest(public crypto.PublicKey, text wechatpay.SignedText) ([]byte, error) {
	key, err := sm2Key(public)
	if err != nil {
		return nil, err
	}
	hash, err := sm2.NewHashWithUserID(key, []byte(userID))
	if err != nil {
		return nil, err
	}
	if err := text.HashTo(hash); err != nil {
		return nil, err
	}
	return hash.Sum(nil), nil
}

// Encrypt is SM2 in the DER of C1C3C2.
func (Suite) Encrypt(public crypto.PublicKey, plaintext []byte) ([]byte, error) {
	key, err := sm2Key(public)
	if err != nil {
		return nil, err
	}
	if len(plaintext) == 0 {
		return nil, errors.New("must not be empty: SM2 encrypts at least one byte")
	}
	return sm2.EncryptASN1(rand.Reader, key, plaintext)
}

// Decrypt is the counterpart of Encrypt.
func (Suite) Decrypt(decrypter crypto.Decrypter, ciphertext []byte) ([]byte, error) {
	return decrypter.Decrypt(rand.Reader, ciphertext, sm2.ASN1DecrypterOpts)
}

// NewAEAD is SM4-GCM under the first 16 bytes of the APIv3 key's SM3.
func (Suite) NewAEAD(apiV3Key []byte) (cipher.AEAD, error) {
	sum := sm3.Sum(apiV3Key)
	block, err := sm4.NewCipher(sum[:sm4KeyBytes])
	if err != nil {
		return nil, fmt.Errorf("SM4: %w", err)
	}
	return cipher.NewGCM(block)
}
