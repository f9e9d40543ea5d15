// Package identity makes and keeps who is who in a sandbox: merchants, the provider's keys, and a certificate authority.
//
// Everything is made at random on first start, so nothing of it can be mistaken for, or used as, a real account.
package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"time"
)

// Validity is how long the provider's and the merchant's certificates live, as the provider's do.
const Validity = 5 * 365 * 24 * time.Hour

// Certificate is a certificate with its private key.
type Certificate struct {
	Cert *x509.Certificate
	Key  crypto.Signer
}

// SerialNo returns the certificate's serial number as the provider writes it: 40 upper-case hexadecimal digits.
func (c Certificate) SerialNo() string {
	return strings.ToUpper(hex.EncodeToString(c.Cert.SerialNumber.FillBytes(make([]byte, 20))))
}

// RSA returns the private key of a merchant's or provider's certificate.
func (c Certificate) RSA() *rsa.PrivateKey { return c.Key.(*rsa.PrivateKey) }

// Merchant is an account at the sandbox's WeChat Pay with everything it signs and decrypts with.
type Merchant struct {
	MchID, AppID       string
	Name               string // 商户全称
	APIv3Key, APIv2Key string
	Certificate        Certificate // apiclient_cert.pem, apiclient_key.pem
}

// WeChatPay is the merchants at the sandbox's WeChat Pay, and that provider's own keys.
type WeChatPay struct {
	Merchant                // the first one, which most tests need alone; the service provider (服务商) of the others
	Others      []Merchant  // its sub-merchants (特约商户)
	OpenID      string      // the payer
	Platform    Certificate // the first platform certificate
	PublicKeyID string
	PublicKey   *rsa.PrivateKey // whose public half is the WeChat Pay public key
}

// Merchants returns all merchants, the first one first.
func (w WeChatPay) Merchants() []Merchant {
	return append([]Merchant{w.Merchant}, w.Others...)
}

// Identities is everything a sandbox needs to know about itself.
type Identities struct {
	CA        Certificate
	WeChatPay WeChatPay
}

// Generate makes fresh identities. It costs about a second of computing, for the RSA keys.
func Generate(now time.Time) (Identities, error) {
	ca, err := newCA(now)
	if err != nil {
		return Identities{}, err
	}
	var keys [4]*rsa.PrivateKey
	var failures [4]error
	var group sync.WaitGroup
	for i := range keys {
		group.Go(func() { keys[i], failures[i] = rsa.GenerateKey(rand.Reader, 2048) })
	}
	group.Wait()
	for _, err := range failures {
		if err != nil {
			return Identities{}, fmt.Errorf("make an RSA key: %w", err)
		}
	}
	since := now.Add(-24 * time.Hour) // a reader's clock may be behind ours
	w := WeChatPay{OpenID: "o" + random(alphanumeric, 27), PublicKey: keys[2]}
	if w.Merchant, err = ca.newMerchant("沙箱第一商贸有限公司", keys[0], since); err != nil {
		return Identities{}, err
	}
	other, err := ca.newMerchant("沙箱第二商贸有限公司", keys[3], since)
	if err != nil {
		return Identities{}, err
	}
	w.Others = []Merchant{other}
	w.PublicKeyID = "PUB_KEY_ID_01" + w.MchID + now.UTC().Format("20060102") + random(digits, 14)
	if w.Platform, err = ca.IssuePlatform(keys[1], since); err != nil {
		return Identities{}, err
	}
	return Identities{CA: ca, WeChatPay: w}, nil
}

func (c Certificate) newMerchant(name string, key *rsa.PrivateKey, since time.Time) (Merchant, error) {
	m := Merchant{
		MchID: "19" + random(digits, 8), AppID: "wx" + random(hexadecimal, 16), Name: name,
		APIv3Key: random(alphanumeric, 32), APIv2Key: random(alphanumeric, 32),
	}
	var err error
	m.Certificate, err = c.issue(key, pkix.Name{CommonName: m.MchID, Organization: []string{"Tongbao Sandbox Merchant"}}, since)
	return m, err
}

// IssuePlatform issues a certificate, valid from since, that the provider signs its answers with.
func (c Certificate) IssuePlatform(key *rsa.PrivateKey, since time.Time) (Certificate, error) {
	return c.issue(key, pkix.Name{CommonName: "Tongbao Sandbox Pay sign", Organization: []string{"Tongbao Sandbox"}}, since)
}

// IssueServer issues a TLS certificate, with a new key, for the hosts and addresses.
func (c Certificate) IssueServer(hosts []string, now time.Time) (Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Certificate{}, fmt.Errorf("make a TLS key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: newSerial(),
		Subject:      pkix.Name{CommonName: hosts[0]},
		NotBefore:    now.Add(-24 * time.Hour),
		NotAfter:     now.Add(397 * 24 * time.Hour), // browsers refuse longer ones
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
			continue
		}
		template.DNSNames = append(template.DNSNames, host)
	}
	return c.sign(template, key)
}

func newCA(now time.Time) (Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Certificate{}, fmt.Errorf("make the authority's key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber:          newSerial(),
		Subject:               pkix.Name{CommonName: "Tongbao Sandbox Root CA", Organization: []string{"Tongbao Sandbox"}},
		NotBefore:             now.Add(-24 * time.Hour),
		NotAfter:              now.Add(20 * 365 * 24 * time.Hour),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	self := Certificate{Cert: template, Key: key}
	return self.sign(template, key)
}

func (c Certificate) issue(key *rsa.PrivateKey, subject pkix.Name, since time.Time) (Certificate, error) {
	return c.sign(&x509.Certificate{
		SerialNumber: newSerial(),
		Subject:      subject,
		NotBefore:    since,
		NotAfter:     since.Add(Validity),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}, key)
}

func (c Certificate) sign(template *x509.Certificate, key crypto.Signer) (Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, c.Cert, key.Public(), c.Key)
	if err != nil {
		return Certificate{}, fmt.Errorf("issue a certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return Certificate{}, fmt.Errorf("read back a certificate: %w", err)
	}
	return Certificate{Cert: cert, Key: key}, nil
}

// newSerial returns 20 random bytes whose first is 0x10 to 0x7f, so that 40 digits are needed and the number is positive.
func newSerial() *big.Int {
	var b [20]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	b[0] = 0x10 + b[0]%0x70
	return new(big.Int).SetBytes(b[:])
}

const (
	digits       = "0123456789"
	hexadecimal  = "0123456789abcdef"
	alphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

func random(alphabet string, n int) string {
	text := make([]byte, n)
	for i := range text {
		place, err := rand.Int(rand.Reader, big.NewInt(int64(len(alphabet))))
		if err != nil {
			panic(err) // unreachable: crypto/rand.Reader does not fail
		}
		text[i] = alphabet[place.Int64()]
	}
	return string(text)
}
