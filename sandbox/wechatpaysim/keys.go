package wechatpaysim

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // OAEP with SHA-1 is the provider's rule for sensitive fields
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/identity"
)

// platformKey is a platform certificate and when it is in use, on the sandbox's clock.
type platformKey struct {
	identity.Certificate
	publishedAt    time.Time // in the list of /v3/certificates from here
	signsFrom      time.Time // signs from here, a growing share until it signs alone
	signsAloneFrom time.Time // no older one signs from here
	dropAt         time.Time // gone from here; zero: stays
}

// signingShare is the share of signatures that the newest certificate makes: the provider moves to it gradually
// (WeChat Pay APIv3, 平台证书更换).
func (k platformKey) signingShare(now time.Time) float64 {
	switch {
	case now.Before(k.signsFrom):
		return 0
	case !now.Before(k.signsAloneFrom):
		return 1
	}
	return float64(now.Sub(k.signsFrom)) / float64(k.signsAloneFrom.Sub(k.signsFrom))
}

// signingKey is a private key and the serial number it is known by.
type signingKey struct {
	serial string
	key    *rsa.PrivateKey
}

// published returns the platform certificates in force, oldest first. The caller holds the lock.
func (p *Provider) published(now time.Time) []platformKey {
	var keys []platformKey
	for _, k := range p.platform {
		if !now.Before(k.publishedAt) && (k.dropAt.IsZero() || now.Before(k.dropAt)) {
			keys = append(keys, k)
		}
	}
	return keys
}

// platformSigner returns the platform certificate for one signature, the newer one as often as its share says. The caller
// holds the lock.
func (p *Provider) platformSigner(now time.Time) signingKey {
	signer := p.platform[0]
	for _, k := range p.published(now) {
		if p.chance.Happens(k.signingShare(now)) {
			signer = k
		}
	}
	return signingKey{signer.SerialNo(), signer.RSA()}
}

func (p *Provider) publicKeySigner() signingKey {
	return signingKey{p.identity.PublicKeyID, p.identity.PublicKey}
}

// answerKey chooses what an answer is signed with (WeChat Pay APIv3, 灰度切换: 应答). The caller holds the lock.
func (p *Provider) answerKey(requested string) signingKey {
	switch p.settings.VerifyMode {
	case PubkeyOnly:
		return p.publicKeySigner()
	case Switching:
		if requested == p.identity.PublicKeyID {
			return p.publicKeySigner()
		}
	}
	return p.platformSigner(p.clock.Now())
}

// rampPercent is the share of notifications signed with the public key on each day of the switch
// (WeChat Pay APIv3, 灰度切换: 回调).
func rampPercent(day int) float64 {
	ramp := [...]float64{0.1, 1, 5, 10, 20, 50, 100}
	return ramp[min(max(day, 1), len(ramp))-1]
}

// notificationKey chooses what a notification is signed with. The caller holds the lock.
func (p *Provider) notificationKey(requestedPublicKey bool) signingKey {
	s := p.settings
	now := p.clock.Now()
	public := s.VerifyMode == PubkeyOnly
	if s.VerifyMode == Switching && s.SwitchDay == 0 {
		public = requestedPublicKey
	}
	if s.ramping() {
		public = p.chance.Happens(rampPercent(s.day(now)) / 100)
	}
	if public {
		return p.publicKeySigner()
	}
	return p.platformSigner(now)
}

// decryptionKey returns the private key that a merchant's request names for its sensitive fields.
// The caller holds the lock.
func (p *Provider) decryptionKey(serial string) (*rsa.PrivateKey, bool) {
	if serial == p.identity.PublicKeyID {
		return p.identity.PublicKey, p.settings.VerifyMode != CertOnly
	}
	if p.settings.VerifyMode == PubkeyOnly {
		return nil, false
	}
	for _, k := range p.published(p.clock.Now()) {
		if strings.EqualFold(serial, k.SerialNo()) {
			return k.RSA(), true
		}
	}
	return nil, false
}

// signature is one set of the Wechatpay-* headers.
type signature struct {
	timestamp, nonce, serial, value string
}

// sign signs the provider's three lines (WeChat Pay APIv3, 签名验证). It is slow; no lock is held.
func (p *Provider) sign(k signingKey, at time.Time, body []byte) (signature, error) {
	s := signature{timestamp: strconv.FormatInt(at.Unix(), 10), nonce: p.chance.Alphanumeric(32), serial: k.serial}
	digest := sha256.Sum256([]byte(s.timestamp + "\n" + s.nonce + "\n" + string(body) + "\n"))
	raw, err := rsa.SignPKCS1v15(rand.Reader, k.key, crypto.SHA256, digest[:])
	if err != nil {
		return signature{}, err
	}
	s.value = base64.StdEncoding.EncodeToString(raw)
	return s, nil
}

// probePrefix marks a signature that is wrong on purpose (WeChat Pay APIv3, 签名探测流量).
const probePrefix = "WECHATPAY/SIGNTEST/"

// probe turns the signature into one that a receiver who verifies must refuse.
func (s signature) probe() signature {
	s.value = probePrefix + s.value[len(probePrefix):]
	return s
}

// encrypted is AEAD_AES_256_GCM as the provider writes it.
type encrypted struct {
	Algorithm      string `json:"algorithm"`
	Nonce          string `json:"nonce"`
	AssociatedData string `json:"associated_data"`
	Ciphertext     string `json:"ciphertext"`
}

// seal encrypts under a 32-byte APIv3 key with a fresh nonce of 12 characters.
func (p *Provider) seal(apiV3Key string, plaintext []byte, associated string) (encrypted, error) {
	block, err := aes.NewCipher([]byte(apiV3Key))
	if err != nil {
		return encrypted{}, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return encrypted{}, err
	}
	nonce := p.chance.Alphanumeric(gcm.NonceSize())
	sealed := gcm.Seal(nil, []byte(nonce), plaintext, []byte(associated))
	return encrypted{"AEAD_AES_256_GCM", nonce, associated, base64.StdEncoding.EncodeToString(sealed)}, nil
}

// openField decrypts a sensitive field of a request (WeChat Pay APIv3, 敏感信息加解密: RSAES-OAEP, SHA-1).
func openField(key *rsa.PrivateKey, field string) (string, bool) {
	ciphertext, err := base64.StdEncoding.DecodeString(field)
	if err != nil {
		return "", false
	}
	plaintext, err := rsa.DecryptOAEP(sha1.New(), nil, key, ciphertext, nil) //nolint:gosec // see the import
	return string(plaintext), err == nil
}

// sealField encrypts a sensitive field of an answer for the merchant who asked.
func (p *Provider) sealField(mchID, plaintext string) (string, error) {
	merchant, known := p.merchant(mchID)
	if !known {
		return "", fmt.Errorf("encrypt a field: there is no merchant %s", mchID)
	}
	public := merchant.Certificate.Cert.PublicKey.(*rsa.PublicKey)
	ciphertext, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, public, []byte(plaintext), nil) //nolint:gosec // see the import
	return base64.StdEncoding.EncodeToString(ciphertext), err
}
