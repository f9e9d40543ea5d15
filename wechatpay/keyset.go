package wechatpay

import (
	"cmp"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

var errNoCurrentKey = errors.New("no WeChat Pay key is known yet: call RefreshCertificates, or set Config.PublicKeys")

// verificationKey is one key of the provider's: a public key, or a platform certificate's.
type verificationKey struct {
	serial              string
	public              crypto.PublicKey
	suite               Suite     // of public
	notBefore, notAfter time.Time // zero for a public key, which does not expire
}

func (k *verificationKey) isCertificate() bool { return !k.notAfter.IsZero() }

// validAt allows the clock window before notBefore: a certificate may be used the second it is made.
func (k *verificationKey) validAt(now time.Time) bool {
	return !k.isCertificate() || !now.Add(clockWindow).Before(k.notBefore) && !now.After(k.notAfter)
}

// keySet is an immutable set of the provider's keys, public keys and certificates together: during the
// switch from one to the other (灰度切换) both sign. Each signature names its key.
type keySet struct {
	bySerial map[string]*verificationKey
	// preferred encrypts, best first: the current public key, then certificates, latest first.
	preferred []*verificationKey
}

// newKeySet joins the configured public keys, RSA all of them, with certificates.
func newKeySet(publicKeys map[string]*rsa.PublicKey, currentID string, certificates []*verificationKey) *keySet {
	set := &keySet{bySerial: make(map[string]*verificationKey, len(publicKeys)+len(certificates))}
	for id, public := range publicKeys {
		key := &verificationKey{serial: id, public: public, suite: rsaSuite{}}
		set.bySerial[strings.ToUpper(id)] = key
		if id == currentID || len(publicKeys) == 1 {
			set.preferred = append(set.preferred, key)
		}
	}
	latestFirst := slices.SortedFunc(slices.Values(certificates), func(a, b *verificationKey) int {
		return cmp.Or(b.notBefore.Compare(a.notBefore), cmp.Compare(a.serial, b.serial))
	})
	for _, certificate := range latestFirst {
		set.bySerial[strings.ToUpper(certificate.serial)] = certificate
	}
	set.preferred = append(set.preferred, latestFirst...)
	return set
}

// find compares serial numbers as upper-case text: as a number, the prefix of a public key's id and
// leading zeros would be lost.
func (s *keySet) find(serial string, now time.Time) (*verificationKey, error) {
	key, known := s.bySerial[strings.ToUpper(serial)]
	if !known {
		return nil, fmt.Errorf("%w: it is none of the %d known keys", ErrUnknownSerial, len(s.bySerial))
	}
	if !key.validAt(now) {
		return nil, fmt.Errorf("%w: serial number %s", ErrCertificateExpired, key.serial)
	}
	return key, nil
}

// current is the key to encrypt with and to name in requests; nil if none is valid.
func (s *keySet) current(now time.Time) *verificationKey {
	for _, key := range s.preferred {
		if key.validAt(now) {
			return key
		}
	}
	return nil
}

func certificateKey(suite Suite, serial string, certificate *x509.Certificate) (*verificationKey, error) {
	if err := suite.CheckKey(certificate.PublicKey); err != nil {
		return nil, fmt.Errorf("%w: the key of a platform certificate %v", ErrMalformed, err)
	}
	return &verificationKey{
		serial: serial, public: certificate.PublicKey, suite: suite,
		notBefore: certificate.NotBefore, notAfter: certificate.NotAfter,
	}, nil
}

// serialText is the serial number as the provider writes it: 40 hex digits, upper case.
func serialText(certificate *x509.Certificate) string {
	return fmt.Sprintf("%040X", certificate.SerialNumber)
}

func sameSerial(text string, certificate *x509.Certificate) bool {
	return strings.TrimLeft(strings.ToUpper(text), "0") == strings.TrimLeft(serialText(certificate), "0")
}

// VerificationKey describes a key of the provider's that the Client trusts.
type VerificationKey struct {
	// Serial is a platform certificate's serial number, or a public key's whole id.
	Serial string
	// NotBefore and NotAfter bound a platform certificate's validity; both are zero for a public key.
	NotBefore, NotAfter time.Time
}

// VerificationKeys lists the keys trusted at this moment, by serial; to watch their expiry.
func (c *Client) VerificationKeys() []VerificationKey {
	set := c.keys.Load()
	keys := make([]VerificationKey, 0, len(set.bySerial))
	for _, key := range set.bySerial {
		keys = append(keys, VerificationKey{Serial: key.serial, NotBefore: key.notBefore, NotAfter: key.notAfter})
	}
	slices.SortFunc(keys, func(a, b VerificationKey) int { return cmp.Compare(a.Serial, b.Serial) })
	return keys
}
