package wechatpay

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

const (
	connectTimeout       = 4 * time.Second
	handshakeTimeout     = 5 * time.Second
	idleConnsPerHost     = 256
	tlsSessionsKept      = 64
	answerHeaderBytesMax = 64 << 10
	// idleTimeout ends a connection before the provider does (Keep-Alive: timeout=8): a request written
	// into a connection that is just being closed has an unknown outcome.
	idleTimeout = 7 * time.Second
)

// NewTransport is the transport a [Client] uses by itself: connections are kept for many concurrent
// callers, TLS 1.2 at least, answers are not decompressed. It honours the proxy variables of the
// environment.
func NewTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: connectTimeout}
	return &http.Transport{
		Proxy:       http.ProxyFromEnvironment,
		DialContext: dialer.DialContext,
		TLSClientConfig: &tls.Config{
			MinVersion:         tls.VersionTLS12,
			ClientSessionCache: tls.NewLRUClientSessionCache(tlsSessionsKept),
		},
		TLSHandshakeTimeout:    handshakeTimeout,
		MaxIdleConnsPerHost:    idleConnsPerHost,
		IdleConnTimeout:        idleTimeout,
		DisableCompression:     true,
		MaxResponseHeaderBytes: answerHeaderBytesMax,
	}
}
