package wechatpayv2

import (
	"bytes"
	"crypto/tls"
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

	"github.com/tongbao-pay/tongbao/wechatpay"
)

// The provider's two access points: the same API behind both (跨城冗灾).
const (
	defaultBaseURL   = "https://api.mch.weixin.qq.com"
	defaultBackupURL = "https://api2.mch.weixin.qq.com"
)

const (
	defaultUserAgent                 = "tongbao-wechatpay-v2/1 (Go)"
	defaultQueryTimeout              = 10 * time.Second
	defaultWriteTimeout              = 30 * time.Second
	defaultBillTimeout               = 2 * time.Minute
	defaultNotificationBodyMax int64 = 64 << 10

	// The code payment's own times (付款码支付, 场景介绍: 查询, 撤销).
	defaultPollEvery      = 5 * time.Second
	defaultPollTimeout    = 30 * time.Second
	defaultReverseAfter   = 15 * time.Second
	defaultReverseTimeout = time.Minute

	apiV2KeyBytes = 32
)

// Config says who the merchant is. [New] checks all of it at once. A Config prints, logs and marshals without its secrets.
type Config struct {
	// MchID is the merchant number (商户号), digits; in partner mode the service provider's.
	MchID string
	// AppID is the app all calls are made for, wx...; in partner mode the service provider's.
	AppID string
	// APIv2Key is the merchant's APIv2 key (APIv2密钥), exactly 32 bytes. It is not the APIv3 key.
	APIv2Key string
	// SignType is how requests are signed; answers are then signed alike. Zero: [SignTypeHMACSHA256].
	SignType SignType
	// Certificate is the merchant API certificate with its private key, as [tls.X509KeyPair] reads apiclient_cert.pem and
	// apiclient_key.pem. Reverse and refund need it in the TLS handshake; without it they are refused here.
	Certificate *tls.Certificate

	// BaseURL and BackupURL are scheme and host of the provider's two access points. Both zero: the provider's. BaseURL alone: no
	// backup. http is refused unless the host is a loopback address.
	BaseURL, BackupURL string
	// Transport sends one request and must not follow redirects. Zero: [wechatpay.NewTransport]. If it is an *[http.Transport], a copy
	// of it presents Certificate where that is needed; any other presents it by itself.
	Transport http.RoundTripper
	// UserAgent is sent with every request. Zero: this package's.
	UserAgent string
	// QueryTimeout bounds a whole query, all tries included; the context may shorten it. Zero: 10 s.
	QueryTimeout time.Duration
	// WriteTimeout bounds every other call but the download of a bill likewise. Zero: 30 s.
	WriteTimeout time.Duration
	// BillTimeout bounds the download of a bill, the reading included. Zero: 2 minutes.
	BillTimeout time.Duration
	// Backoff is the pause after the given failed try (1, 2) and its error. Zero: full jitter, up to 200 ms doubling; for
	// FREQUENCY_LIMITED 1 s and more.
	Backoff func(try int, cause error) time.Duration
	// NotificationBodyMax bounds the body of a notification in bytes. Zero: 64 KiB.
	NotificationBodyMax int64

	// PollEvery is the pause between two queries, and between two reverses, of [Client.MicroPayToEnd]. Zero: 5 s.
	PollEvery time.Duration
	// PollTimeout is how long MicroPayToEnd queries for the payer's password before it reverses. Zero: 30 s.
	PollTimeout time.Duration
	// ReverseAfter is the least time from the payment to its reverse. Zero: 15 s, as the provider asks.
	ReverseAfter time.Duration
	// ReverseTimeout bounds [Client.ReverseToEnd]. Zero: 1 minute.
	ReverseTimeout time.Duration

	// Now is the clock of timestamps. Zero: [time.Now].
	Now func() time.Time
	// Logger receives failed tries that were repeated. Nil discards.
	Logger *slog.Logger
}

// Format writes the configuration without its secrets, whatever the verb.
func (c Config) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "wechatpayv2.Config{MchID:%s AppID:%s}", c.MchID, c.AppID)
}

// LogValue is the configuration without its secrets.
func (c Config) LogValue() slog.Value {
	return slog.GroupValue(slog.String("mch_id", c.MchID), slog.String("appid", c.AppID))
}

// MarshalJSON writes the configuration without its secrets.
func (c Config) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"mch_id": c.MchID, "appid": c.AppID})
}

func (c Config) withDefaults() Config {
	if c.BaseURL == "" && c.BackupURL == "" {
		c.BaseURL, c.BackupURL = defaultBaseURL, defaultBackupURL
	}
	if c.Transport == nil {
		c.Transport = wechatpay.NewTransport()
	}
	c.SignType = orDefault(c.SignType, SignTypeHMACSHA256)
	c.UserAgent = orDefault(c.UserAgent, defaultUserAgent)
	c.QueryTimeout = orDefault(c.QueryTimeout, defaultQueryTimeout)
	c.WriteTimeout = orDefault(c.WriteTimeout, defaultWriteTimeout)
	c.BillTimeout = orDefault(c.BillTimeout, defaultBillTimeout)
	c.NotificationBodyMax = orDefault(c.NotificationBodyMax, defaultNotificationBodyMax)
	c.PollEvery = orDefault(c.PollEvery, defaultPollEvery)
	c.PollTimeout = orDefault(c.PollTimeout, defaultPollTimeout)
	c.ReverseAfter = orDefault(c.ReverseAfter, defaultReverseAfter)
	c.ReverseTimeout = orDefault(c.ReverseTimeout, defaultReverseTimeout)
	if c.Backoff == nil {
		c.Backoff = fullJitter
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
	v.text("AppID", c.AppID, 1, 32)
	if len(c.APIv2Key) != apiV2KeyBytes {
		v.add("APIv2Key", fmt.Sprintf("must be %d bytes, has %d", apiV2KeyBytes, len(c.APIv2Key)))
	}
	if c.SignType != SignTypeMD5 && c.SignType != SignTypeHMACSHA256 {
		v.add("SignType", "must be MD5 or HMAC-SHA256")
	}
	if c.Certificate != nil {
		v.addErr("Certificate", c.checkCertificate())
	}
	if c.BaseURL == "" {
		v.add("BaseURL", "set it too when BackupURL is set")
	} else {
		v.addErr("BaseURL", checkHostURL(c.BaseURL))
	}
	if c.BackupURL != "" {
		v.addErr("BackupURL", checkHostURL(c.BackupURL))
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"QueryTimeout", c.QueryTimeout},
		{"WriteTimeout", c.WriteTimeout},
		{"BillTimeout", c.BillTimeout},
		{"PollEvery", c.PollEvery},
		{"PollTimeout", c.PollTimeout},
		{"ReverseAfter", c.ReverseAfter},
		{"ReverseTimeout", c.ReverseTimeout},
	} {
		if d.value < 0 {
			v.add(d.name, "must not be negative")
		}
	}
	if c.NotificationBodyMax < 0 {
		v.add("NotificationBodyMax", "must not be negative")
	}
	if strings.ContainsAny(c.UserAgent, "\r\n") {
		v.add("UserAgent", "must be one line")
	}
	return v.err()
}

func (c Config) checkCertificate() error {
	if len(c.Certificate.Certificate) == 0 || c.Certificate.PrivateKey == nil {
		return errors.New("must hold a certificate and its private key")
	}
	leaf, err := x509.ParseCertificate(c.Certificate.Certificate[0])
	if err != nil {
		return errors.New("is not an X.509 certificate")
	}
	if c.Certificate.Leaf != nil && !bytes.Equal(c.Certificate.Leaf.Raw, leaf.Raw) {
		return errors.New("has a Leaf that is not its first certificate")
	}
	if cn := leaf.Subject.CommonName; isDigits(cn) && cn != c.MchID {
		return errors.New("belongs to merchant " + cn)
	}
	if c.Now().After(leaf.NotAfter) {
		return errors.New("expired on " + leaf.NotAfter.UTC().Format(time.RFC3339) + "; get a new one from the merchant console")
	}
	return nil
}

// checkHostURL wants scheme and host and nothing more: the path is the provider's.
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
