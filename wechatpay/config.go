package wechatpay

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// The provider's two access points: the same API behind both (WeChat Pay APIv3, 跨城冗灾).
const (
	defaultBaseURL   = "https://api.mch.weixin.qq.com"
	defaultBackupURL = "https://api2.mch.weixin.qq.com"
)

const (
	defaultUserAgent                  = "tongbao-wechatpay/1 (Go)"
	defaultQueryTimeout               = 10 * time.Second
	defaultWriteTimeout               = 30 * time.Second
	defaultCertificateRefresh         = 12 * time.Hour
	defaultUnknownSerialRefresh       = time.Minute
	defaultNotificationBodyMax  int64 = 64 << 10
	defaultBillTimeout                = 2 * time.Minute
	defaultBillBytesMax         int64 = 4 << 30
	defaultSealedBillBytesMax   int64 = 64 << 20

	publicKeyIDPrefix = "PUB_KEY_ID_"
	apiV3KeyBytes     = 32
)

// Config says who the merchant is and whom it trusts. [New] checks all of it at once.
// A Config prints, logs and marshals without its secrets.
type Config struct {
	// MchID is the merchant number (商户号), digits.
	MchID string
	// SerialNo is the serial number of the merchant API certificate (商户API证书序列号), hex.
	// It is not the platform certificate's serial and not a PUB_KEY_ID_.
	SerialNo string
	// Suite is the set of algorithms. Nil: RSA with SHA-256 and AES. Package sm has the SM algorithms (国密).
	Suite Suite
	// Signer holds the merchant's private key, RSA-2048 or the Suite's; an HSM or a KMS fits. Requests and
	// front-end invocations are signed with it, concurrently. If it is also a [crypto.Decrypter],
	// [Client.DecryptSensitive] works.
	Signer crypto.Signer
	// Certificate is the merchant API certificate. Optional: when given, New checks that it belongs to
	// Signer, SerialNo and MchID and is valid now.
	Certificate *x509.Certificate

	// APIv3Key is the merchant's APIv3 key (APIv3密钥), exactly 32 bytes. Required to read
	// notifications and to download certificates; without it both are refused.
	APIv3Key string
	// PublicKeys are the WeChat Pay public keys (微信支付公钥) by their whole id, PUB_KEY_ID_ included. They are
	// RSA keys, and refused with another Suite.
	PublicKeys map[string]*rsa.PublicKey
	// PublicKeyID names the key of PublicKeys that encrypts sensitive fields and that answers should
	// be signed with. Zero: the only one; required when there are several.
	PublicKeyID string
	// PlatformCertificates are platform certificates (微信支付平台证书) already at hand. With
	// DownloadCertificates they serve until the first download, which then replaces them.
	PlatformCertificates []*x509.Certificate
	// DownloadCertificates fetches the platform certificates when none is known, when an unknown serial
	// number arrives, and when the list is older than CertificateRefresh. For merchants on the platform
	// certificate and during the switch to the public key.
	DownloadCertificates bool
	// CertificateRefresh is the age at which downloaded certificates are fetched again, in the
	// background of the call that notices. Zero: 12 hours, as the provider asks.
	CertificateRefresh time.Duration
	// UnknownSerialRefresh is the least time between two downloads that unknown serial numbers may
	// cause, so that forged ones start no storm. Zero: 1 minute.
	UnknownSerialRefresh time.Duration

	// BaseURL and BackupURL are scheme and host of the provider's two access points. Both zero: the
	// provider's. BaseURL alone: no backup. http is refused unless the host is a loopback address.
	BaseURL, BackupURL string
	// Transport sends one request and must not follow redirects. Zero: [NewTransport].
	Transport http.RoundTripper
	// AcceptLanguage is the language of [Error.Message]: en, zh-CN, zh-HK or zh-TW. Zero: the provider's default, zh-CN.
	AcceptLanguage string
	// UserAgent is sent with every request; the provider refuses requests without. Zero: this package's.
	UserAgent string
	// QueryTimeout bounds a whole query, all tries included; the context may shorten it. Zero: 10 s.
	QueryTimeout time.Duration
	// WriteTimeout bounds a whole prepay, close or refund call likewise. Zero: 30 s.
	WriteTimeout time.Duration
	// Backoff is the pause after the given failed try (1, 2) and its error. Zero: full jitter, up to
	// 200 ms doubling; for [OutcomeRetry] at the provider's wish (429), 1 s and more.
	Backoff func(try int, cause error) time.Duration
	// AllowRepeat is asked before each further try of a call, with the call's context. False ends the call with the
	// outcome it has, so that a caller of many calls can keep their repeats within a budget. Zero: every repeat is
	// allowed. It must be safe for concurrent use and not block.
	AllowRepeat func(context.Context) bool
	// NotificationBodyMax bounds the body of a notification in bytes. Zero: 64 KiB.
	NotificationBodyMax int64
	// BillTimeout bounds the time a bill's download may wait for the provider, all tries together; the time a
	// caller takes between two reads does not count. Zero: 2 minutes.
	BillTimeout time.Duration
	// BillBytesMax bounds a bill in bytes after decompression, so that a small file cannot grow without end.
	// Zero: 4 GiB.
	BillBytesMax int64
	// SealedBillBytesMax bounds an encrypted bill file in bytes as downloaded: unlike others it must be held in
	// memory whole. Zero: 64 MiB.
	SealedBillBytesMax int64

	// CodepayV3 says that the provider lets this merchant take payment codes (付款码支付) over APIv3, which needs its
	// permission. Without it [Client.CodePay] refuses; most merchants use the older API, package wechatpay/v2.
	CodepayV3 bool

	// Now is the clock of signatures, windows and validity. Zero: [time.Now].
	Now func() time.Time
	// Logger receives failed tries that were repeated, and certificate changes. Nil discards.
	Logger *slog.Logger
}

// Format writes the configuration without its secrets, whatever the verb.
func (c Config) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "wechatpay.Config{MchID:%s SerialNo:%s}", c.MchID, c.SerialNo)
}

// LogValue is the configuration without its secrets.
func (c Config) LogValue() slog.Value {
	return slog.GroupValue(slog.String("mchid", c.MchID), slog.String("serial_no", c.SerialNo))
}

// MarshalJSON writes the configuration without its secrets.
func (c Config) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"mchid": c.MchID, "serial_no": c.SerialNo})
}

func (c Config) withDefaults() Config {
	if c.BaseURL == "" && c.BackupURL == "" {
		c.BaseURL, c.BackupURL = defaultBaseURL, defaultBackupURL
	}
	if c.Suite == nil {
		c.Suite = rsaSuite{}
	}
	if c.Transport == nil {
		c.Transport = NewTransport()
	}
	if c.UserAgent == "" {
		c.UserAgent = defaultUserAgent
	}
	c.CertificateRefresh = orDefault(c.CertificateRefresh, defaultCertificateRefresh)
	c.UnknownSerialRefresh = orDefault(c.UnknownSerialRefresh, defaultUnknownSerialRefresh)
	c.QueryTimeout = orDefault(c.QueryTimeout, defaultQueryTimeout)
	c.WriteTimeout = orDefault(c.WriteTimeout, defaultWriteTimeout)
	c.NotificationBodyMax = orDefault(c.NotificationBodyMax, defaultNotificationBodyMax)
	c.BillTimeout = orDefault(c.BillTimeout, defaultBillTimeout)
	c.BillBytesMax = orDefault(c.BillBytesMax, defaultBillBytesMax)
	c.SealedBillBytesMax = orDefault(c.SealedBillBytesMax, defaultSealedBillBytesMax)
	if c.Backoff == nil {
		c.Backoff = fullJitter
	}
	if c.AllowRepeat == nil {
		c.AllowRepeat = func(context.Context) bool { return true }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func orDefault[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// validate reports every mistake of a configuration that has its defaults.
func (c Config) validate() error {
	var v validation
	v.digits("MchID", c.MchID, 1, 32)
	c.validateMerchantKey(&v)
	c.validateProviderKeys(&v)

	if c.BaseURL == "" {
		v.add("BaseURL", "set it too when BackupURL is set")
	} else {
		v.addErr("BaseURL", checkHostURL(c.BaseURL))
	}
	if c.BackupURL != "" {
		v.addErr("BackupURL", checkHostURL(c.BackupURL))
	}
	for name, d := range map[string]time.Duration{
		"CertificateRefresh": c.CertificateRefresh, "UnknownSerialRefresh": c.UnknownSerialRefresh,
		"QueryTimeout": c.QueryTimeout, "WriteTimeout": c.WriteTimeout, "BillTimeout": c.BillTimeout,
	} {
		if d < 0 {
			v.add(name, "must not be negative")
		}
	}
	for name, n := range map[string]int64{
		"NotificationBodyMax": c.NotificationBodyMax, "BillBytesMax": c.BillBytesMax, "SealedBillBytesMax": c.SealedBillBytesMax,
	} {
		if n < 0 {
			v.add(name, "must not be negative")
		}
	}
	if strings.ContainsFunc(c.UserAgent, isControl) {
		v.add("UserAgent", "must be one line without control characters")
	}
	if !isVisibleASCII(c.AcceptLanguage) {
		v.add("AcceptLanguage", "must be a language such as en or zh-CN")
	}
	return v.err()
}

func (c Config) validateMerchantKey(v *validation) {
	if !isHex(c.SerialNo) || len(c.SerialNo) > 64 {
		v.add("SerialNo", "must be the hex serial number of the merchant API certificate")
	}
	if c.Signer == nil {
		v.add("Signer", "set the merchant's private key")
		return
	}
	if err := c.Suite.CheckKey(c.Signer.Public()); err != nil {
		v.addErr("Signer", err)
		return
	}
	if c.Certificate == nil {
		return
	}
	if !sameKey(c.Certificate.PublicKey, c.Signer.Public()) {
		v.add("Certificate", "does not belong to the private key in Signer")
	}
	if !sameSerial(c.SerialNo, c.Certificate) {
		v.add("SerialNo", "is not the serial number of Certificate, "+serialText(c.Certificate))
	}
	if cn := c.Certificate.Subject.CommonName; isDigits(cn) && cn != c.MchID {
		v.add("Certificate", "belongs to merchant "+cn)
	}
	if now := c.Now(); now.After(c.Certificate.NotAfter) {
		v.add("Certificate", "expired on "+c.Certificate.NotAfter.UTC().Format(time.RFC3339)+
			"; get a new one from the merchant console")
	}
}

func (c Config) validateProviderKeys(v *validation) {
	if c.APIv3Key != "" && len(c.APIv3Key) != apiV3KeyBytes {
		v.add("APIv3Key", fmt.Sprintf("must be 32 bytes, has %d", len(c.APIv3Key)))
	}
	if c.DownloadCertificates && c.APIv3Key == "" {
		v.add("APIv3Key", "is needed to download certificates")
	}
	if len(c.PublicKeys) == 0 && len(c.PlatformCertificates) == 0 && !c.DownloadCertificates {
		v.add("PublicKeys", "set them, or PlatformCertificates, or DownloadCertificates: no answer could be verified")
	}
	if _, isRSA := c.Suite.(rsaSuite); !isRSA && len(c.PublicKeys) > 0 {
		v.add("PublicKeys", "are RSA keys; with another Suite use PlatformCertificates or DownloadCertificates")
	}
	for id, key := range c.PublicKeys {
		switch {
		case !strings.HasPrefix(id, publicKeyIDPrefix) || !isDigits(id[len(publicKeyIDPrefix):]):
			v.add("PublicKeys", fmt.Sprintf("%q is not the whole id, PUB_KEY_ID_ and digits", id))
		case rsaSuite{}.CheckKey(key) != nil:
			v.add("PublicKeys", id+" must be an RSA key of 2048 bits")
		case c.Signer != nil && key.Equal(c.Signer.Public()):
			v.add("PublicKeys", id+" is the merchant's own key; take pub_key.pem from the merchant console")
		}
	}
	if _, known := c.PublicKeys[c.PublicKeyID]; c.PublicKeyID != "" && !known {
		v.add("PublicKeyID", "is not among PublicKeys")
	}
	if c.PublicKeyID == "" && len(c.PublicKeys) > 1 {
		v.add("PublicKeyID", "name the current one of several PublicKeys")
	}
	for i, certificate := range c.PlatformCertificates {
		v.addErr(fmt.Sprintf("PlatformCertificates[%d]", i), c.checkPlatformCertificate(certificate))
	}
}

func (c Config) checkPlatformCertificate(certificate *x509.Certificate) error {
	if certificate == nil {
		return errors.New("must not be nil")
	}
	if err := c.Suite.CheckKey(certificate.PublicKey); err != nil {
		return fmt.Errorf("its key %w", err)
	}
	if c.Signer != nil && sameKey(certificate.PublicKey, c.Signer.Public()) {
		return errors.New("is the merchant's own certificate")
	}
	if c.Certificate != nil && bytes.Equal(certificate.Raw, c.Certificate.Raw) {
		return errors.New("is the merchant's own certificate")
	}
	return nil
}

// checkHostURL wants scheme and host and nothing more: the path is the provider's and is signed.
func checkHostURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return errors.New("must be scheme and host, such as https://api.mch.weixin.qq.com")
	}
	if u.User != nil || (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return errors.New("must be scheme and host only, without user, path, query or fragment")
	}
	switch {
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	case u.Scheme == "http":
		return errors.New("must be https; http is for loopback addresses only")
	}
	return errors.New("must begin with https://")
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// sameKey is false for kinds of keys that cannot be compared.
func sameKey(a, b crypto.PublicKey) bool {
	key, ok := a.(interface {
		Equal(other crypto.PublicKey) bool
	})
	return ok && key.Equal(b)
}
