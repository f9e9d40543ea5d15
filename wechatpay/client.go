package wechatpay

import (
	"crypto/cipher"
	"crypto/rsa"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"
)

// Client speaks to WeChat Pay for one merchant, or for one of its sub-merchants ([Client.ForSubMerchant]). It is
// safe for concurrent use; make one and keep it, so that connections and keys are shared.
type Client struct {
	*core
	sub SubMerchant // zero: merchant mode
}

// core is what all Clients of one merchant share.
type core struct {
	merchant  merchantKey
	aead      cipher.AEAD // of the APIv3 key; nil without one
	hosts     *hosts
	transport http.RoundTripper
	userAgent string
	backoff   func(try int, cause error) time.Duration
	now       func() time.Time
	log       *slog.Logger

	queryTimeout        time.Duration
	writeTimeout        time.Duration
	notificationBodyMax int64

	publicKeys           map[string]*rsa.PublicKey
	publicKeyID          string
	keys                 atomic.Pointer[keySet] // replaced whole, read without a lock
	downloadEnabled      bool
	certificateRefresh   time.Duration
	unknownSerialRefresh time.Duration
	downloads            downloads
}

// New checks the whole configuration and returns a Client, or every mistake at once as joined
// *[FieldError] values. It opens no connection.
func New(config Config) (*Client, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, failed("configuration", OutcomeRefused, err)
	}
	var aead cipher.AEAD
	if config.APIv3Key != "" {
		var err error
		if aead, err = newAEAD(config.APIv3Key); err != nil {
			return nil, err
		}
	}
	certificates := make([]*verificationKey, 0, len(config.PlatformCertificates))
	for _, certificate := range config.PlatformCertificates {
		key, err := certificateKey(serialText(certificate), certificate)
		if err != nil {
			return nil, err
		}
		certificates = append(certificates, key)
	}

	c := &Client{core: &core{
		merchant:  merchantKey{mchID: config.MchID, serialNo: config.SerialNo, signer: config.Signer},
		aead:      aead,
		hosts:     newHosts(config.BaseURL, config.BackupURL),
		transport: config.Transport,
		userAgent: config.UserAgent,
		backoff:   config.Backoff,
		now:       config.Now,
		log:       config.Logger,

		queryTimeout:        config.QueryTimeout,
		writeTimeout:        config.WriteTimeout,
		notificationBodyMax: config.NotificationBodyMax,

		publicKeys:           config.PublicKeys,
		publicKeyID:          config.PublicKeyID,
		downloadEnabled:      config.DownloadCertificates,
		certificateRefresh:   config.CertificateRefresh,
		unknownSerialRefresh: config.UnknownSerialRefresh,
	}}
	c.keys.Store(newKeySet(c.publicKeys, c.publicKeyID, certificates))
	return c, nil
}

// CloseIdleConnections closes connections that no call is using, if the transport can. The Client stays
// usable.
func (c *Client) CloseIdleConnections() {
	if closer, ok := c.transport.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}
