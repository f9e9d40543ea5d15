package wechatpay

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // OAEP with SHA-1 is what the provider prescribes
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
)

// signatureScheme names the signature of the suite rsaSuite. A signature without a type is one of these.
const signatureScheme = "WECHATPAY2-SHA256-RSA2048"

const (
	rsaBits = 2048
	// sensitiveBytesMax is what OAEP with SHA-1 leaves of a 2048-bit key.
	sensitiveBytesMax = 214
)

// rsaSuite is SHA-256 with RSA, PKCS#1 v1.5, RSA-OAEP and AES-256-GCM (WeChat Pay APIv3, 签名生成, 敏感信息加解密, 回调和平台证书报文解密).
type rsaSuite struct{}

func (rsaSuite) Names() SuiteNames {
	return SuiteNames{SignatureType: signatureScheme, SignType: "RSA", AEAD: "AEAD_AES_256_GCM"}
}

func (rsaSuite) CheckKey(public crypto.PublicKey) error {
	key, ok := public.(*rsa.PublicKey)
	if !ok || key == nil || key.N == nil || key.N.BitLen() != rsaBits {
		return errors.New("must be an RSA key of 2048 bits")
	}
	return nil
}

func (rsaSuite) ParseCertificate(der []byte) (*x509.Certificate, error) {
	return x509.ParseCertificate(der)
}

func (rsaSuite) Sign(signer crypto.Signer, text SignedText) ([]byte, error) {
	sum := digest(text.Lines, text.Body)
	return signer.Sign(rand.Reader, sum[:], crypto.SHA256)
}

func (rsaSuite) Verify(public crypto.PublicKey, text SignedText, signature []byte) bool {
	key, ok := public.(*rsa.PublicKey)
	if !ok {
		return false
	}
	sum := digest(text.Lines, text.Body)
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil
}

func (rsaSuite) Encrypt(public crypto.PublicKey, plaintext []byte) ([]byte, error) {
	key, ok := public.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("encrypt: not an RSA key")
	}
	if len(plaintext) > sensitiveBytesMax {
		return nil, fmt.Errorf("must have at most %d bytes to be encrypted", sensitiveBytesMax)
	}
	return rsa.EncryptOAEP(sha1.New(), rand.Reader, key, plaintext, nil) //nolint:gosec // see import
}

func (rsaSuite) Decrypt(decrypter crypto.Decrypter, ciphertext []byte) ([]byte, error) {
	return decrypter.Decrypt(rand.Reader, ciphertext, &rsa.OAEPOptions{Hash: crypto.SHA1})
}

func (rsaSuite) NewAEAD(apiV3Key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(apiV3Key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// joinedMax is up to where text is joined on the stack, which costs less than a hash in parts.
const joinedMax = 1024

// digest hashes lines, body and the newline that ends the body's line, without copying a large body.
func digest(lines, body []byte) (sum [sha256.Size]byte) {
	if len(lines)+len(body) < joinedMax {
		text := make([]byte, 0, joinedMax)
		return sha256.Sum256(append(append(append(text, lines...), body...), '\n'))
	}
	h := sha256.New()
	h.Write(lines)
	h.Write(body)
	h.Write([]byte{'\n'})
	h.Sum(sum[:0])
	return sum
}
