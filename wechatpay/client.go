package wechatpay

import (
	"context"
	"crypto/rsa"
	"fmt"
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
	signType  string       // the suite's, of front-end invocations
	aead      *apiV3Cipher // of the APIv3 key; nil without one
	hosts     *hosts
	transport http.RoundTripper
	userAgent string
	language  string // of messages; empty: the provider's default
	backoff   func(try int, cause error) time.Duration
	mayRepeat func(context.Context) bool
	now       func() time.Time
	log       *slog.Logger

	queryTimeout        time.Duration
	writeTimeout        time.Duration
	notificationBodyMax int64
	billTimeout         time.Duration
	billBytesMax        int64
	sealedBillBytesMax  int64
	codepayV3           bool

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
	names := config.Suite.Names()
	var aead *apiV3Cipher
	if config.APIv3Key != "" {
		of, err := config.Suite.NewAEAD([]byte(config.APIv3Key))
		if err != nil {
			return nil, fmt.Errorf("wechatpay: APIv3Key: %w", err)
		}
		aead = &apiV3Cipher{AEAD: of, algorithm: names.AEAD}
	}
	certificates := make([]*verificationKey, 0, len(config.PlatformCertificates))
	for _, certificate := range config.PlatformCertificates {
		key, err := certificateKey(config.Suite, serialText(certificate), certificate)
		if err != nil {
			return nil, err
		}
		certificates = append(certificates, key)
	}

	c := &Client{core: &core{
		merchant: merchantKey{
			mchID: config.MchID, serialNo: config.SerialNo, signer: config.Signer,
			suite: config.Suite, scheme: names.SignatureType,
		},
		signType:  names.SignType,
		aead:      aead,
		hosts:     newHosts(config.BaseURL, config.BackupURL),
		transport: config.Transport,
		userAgent: config.UserAgent,
		language:  config.AcceptLanguage,
		backoff:   config.Backoff,
		mayRepeat: config.AllowRepeat,
		now:       config.Now,
		log:       config.Logger,

		queryTimeout:        config.QueryTimeout,
		writeTimeout:        config.WriteTimeout,
		notificationBodyMax: config.NotificationBodyMax,
		billTimeout:         config.BillTimeout,
		billBytesMax:        config.BillBytesMax,
		sealedBillBytesMax:  config.SealedBillBytesMax,
		codepayV3:           config.CodepayV3,

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
