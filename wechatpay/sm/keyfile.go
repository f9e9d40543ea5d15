package sm

import (
	"crypto/x509"
	"encoding/pem"
	"errors"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"
)

// ParsePrivateKey reads the merchant's SM2 private key from PEM text, PKCS#8. The key is a [crypto.Signer] and a
// [crypto.Decrypter], for wechatpay's Config.Signer.
func ParsePrivateKey(text []byte) (*sm2.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, errors.New("sm: not a PEM PRIVATE KEY; bring the key to PKCS#8 with `openssl pkcs8 -topk8 -nocrypt`")
	}
	parsed, err := smx509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(*sm2.PrivateKey)
	if err != nil || !ok {
		return nil, errors.New("sm: not an SM2 private key in PKCS#8; an RSA key is for a client without Config.Suite")
	}
	return key, nil
}

// ParseCertificate reads a merchant or platform certificate of the SM2 kind from PEM text.
func ParseCertificate(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("sm: certificate is not a PEM CERTIFICATE")
	}
	certificate, err := Suite{}.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, errors.New("sm: certificate cannot be read")
	}
	if err := (Suite{}).CheckKey(certificate.PublicKey); err != nil {
		return nil, errors.New("sm: the certificate holds no SM2 key; an RSA certificate is for a client without Config.Suite")
	}
	return certificate, nil
}
