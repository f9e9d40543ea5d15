package wechatpay

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
)

// ParsePrivateKey reads the merchant's private key from the PEM text of apiclient_key.pem (PKCS#8, or
// the older PKCS#1).
func ParsePrivateKey(text []byte) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("wechatpay: private key is not PEM; take apiclient_key.pem")
	}
	if block.Type == "RSA PRIVATE KEY" {
		key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		if err != nil {
			return nil, errors.New("wechatpay: private key cannot be read; take apiclient_key.pem")
		}
		return key, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(*rsa.PrivateKey)
	if err != nil || !ok {
		return nil, errors.New("wechatpay: not an RSA private key in PKCS#8; take apiclient_key.pem")
	}
	return key, nil
}

// ParsePublicKey reads a WeChat Pay public key from the PEM text of pub_key.pem.
func ParsePublicKey(text []byte) (*rsa.PublicKey, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, errors.New("wechatpay: public key is not a PEM PUBLIC KEY; take pub_key.pem")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	key, ok := parsed.(*rsa.PublicKey)
	if err != nil || !ok {
		return nil, errors.New("wechatpay: not an RSA public key; take pub_key.pem")
	}
	return key, nil
}

// ParseCertificate reads a merchant or platform certificate from PEM text.
func ParseCertificate(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("wechatpay: certificate is not a PEM CERTIFICATE; take apiclient_cert.pem")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, errors.New("wechatpay: certificate cannot be read")
	}
	return certificate, nil
}
