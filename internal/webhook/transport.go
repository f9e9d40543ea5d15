package webhook

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

const (
	tryMax          = 15 * time.Second // one try, from the name's resolution to the answer's last byte
	answerMax       = 64 << 10         // bytes of an answer's body
	answerHeaderMax = 32 << 10         // bytes of an answer's headers
)

// newTransport connects where the guard allows, follows nothing and unpacks nothing.
func newTransport(c Config, g guard) *http.Transport {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second, Resolver: c.Resolver, Control: g.control}
	t := &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.RootCAs},
		TLSHandshakeTimeout:    5 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxConnsPerHost:        32,
		MaxIdleConns:           256,
		MaxIdleConnsPerHost:    8,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: answerHeaderMax,
		// A packed answer could be small on the wire and endless in memory.
		DisableCompression: true,
	}
	if c.Proxy != nil {
		// Only the proxy is dialed then, and it usually has a private address.
		dialer.Control = nil
		t.Proxy = http.ProxyURL(c.Proxy)
	}
	return t
}
