package wechatpayv2

import (
	"crypto/tls"
	"log/slog"
	"net/http"
	"time"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

// Client speaks APIv2 for one merchant, or for one of its sub-merchants ([Client.ForSubMerchant]). It is safe for concurrent use;
// make one and keep it, so that connections are shared.
type Client struct {
	*core
	sub wechatpay.SubMerchant // zero: merchant mode
}

// core is what all Clients of one merchant share.
type core struct {
	mchID           string
	appID           string
	key             key
	signType        SignType
	hosts           *hosts
	transport       http.RoundTripper
	mutualTransport http.RoundTripper // nil without a certificate
	userAgent       string
	backoff         func(try int, cause error) time.Duration
	now             func() time.Time
	log             *slog.Logger

	queryTimeout        time.Duration
	writeTimeout        time.Duration
	billTimeout         time.Duration
	pollEvery           time.Duration
	pollTimeout         time.Duration
	reverseAfter        time.Duration
	reverseTimeout      time.Duration
	notificationBodyMax int64
}

// New checks the whole configuration and returns a Client, or every mistake at once as joined *[wechatpay.FieldError] values. It
// opens no connection.
func New(config Config) (*Client, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, failed("configuration", wechatpay.OutcomeRefused, err)
	}
	return &Client{core: &core{
		mchID:           config.MchID,
		appID:           config.AppID,
		key:             key(config.APIv2Key),
		signType:        config.SignType,
		hosts:           newHosts(config.BaseURL, config.BackupURL),
		transport:       config.Transport,
		mutualTransport: mutualTransport(config.Transport, config.Certificate),
		userAgent:       config.UserAgent,
		backoff:         config.Backoff,
		now:             config.Now,
		log:             config.Logger,

		queryTimeout:        config.QueryTimeout,
		writeTimeout:        config.WriteTimeout,
		billTimeout:         config.BillTimeout,
		pollEvery:           config.PollEvery,
		pollTimeout:         config.PollTimeout,
		reverseAfter:        config.ReverseAfter,
		reverseTimeout:      config.ReverseTimeout,
		notificationBodyMax: config.NotificationBodyMax,
	}}, nil
}

// ForSubMerchant returns a Client that makes every call in partner mode (服务商模式) for the sub-merchant: the Config's merchant and
// app are then the service provider's, whose key signs. Connections are shared with c. An unusable SubMerchant is an error of
// the first call.
func (c *Client) ForSubMerchant(sub wechatpay.SubMerchant) *Client {
	return &Client{core: c.core, sub: sub}
}

func (c *Client) checkSubMerchant() error {
	if c.sub == (wechatpay.SubMerchant{}) {
		return nil
	}
	var v validation
	v.digits("sub_mch_id", c.sub.MchID, 1, 32)
	v.text("sub_appid", c.sub.AppID, 0, 32)
	return v.err()
}

// CloseIdleConnections closes connections that no call is using, if the transport can. The Client stays usable.
func (c *Client) CloseIdleConnections() {
	for _, transport := range []http.RoundTripper{c.transport, c.mutualTransport} {
		if closer, ok := transport.(interface{ CloseIdleConnections() }); ok {
			closer.CloseIdleConnections()
		}
	}
}

// mutualTransport is the transport of calls that need the merchant's certificate: a copy of an *http.Transport that presents it. Any
// other transport presents it by itself. Connections of the two are never mixed: the certificate is for these calls alone.
func mutualTransport(transport http.RoundTripper, certificate *tls.Certificate) http.RoundTripper {
	ordinary, ok := transport.(*http.Transport)
	if !ok {
		return transport
	}
	if certificate == nil {
		return nil
	}
	mutual := ordinary.Clone()
	if mutual.TLSClientConfig == nil {
		mutual.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	mutual.TLSClientConfig.Certificates = []tls.Certificate{*certificate}
	if mutual.TLSClientConfig.ClientSessionCache != nil {
		mutual.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	}
	return mutual
}
