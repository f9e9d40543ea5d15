package direct

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// bodyBytesMax is the largest request that is sent here: it goes out in one write, its headers included.
	bodyBytesMax = 64 << 10
	// Of http.Transport, where the base sets none.
	defaultIdlePerHost    = 2
	defaultHeaderBytesMax = 10 << 20
)

// Transport is an [http.RoundTripper] for many concurrent callers.
type Transport struct {
	base *http.Transport
	tls  *tls.Config
	// byBase is set when base has something that is not done here, such as a way of its own to make TLS connections: it then
	// gets every request.
	byBase bool

	mu      sync.Mutex
	idle    map[address][]*conn // the one used last is the last
	reaping bool
}

// address is where connections lead.
type address struct{ scheme, host string }

// New returns a Transport with the dialer, TLS configuration, limits and timeouts of base, which must not change any more.
// base gets the requests that Transport does not handle itself: through proxies, with large bodies, with upgrades or trailers.
// It gets all of them if it sets what is not done here: DialTLSContext, DialTLS, Dial, ResponseHeaderTimeout or MaxConnsPerHost.
func New(base *http.Transport) *Transport {
	t := &Transport{base: base, tls: &tls.Config{MinVersion: tls.VersionTLS12}, idle: make(map[address][]*conn)}
	t.byBase = base.DialTLSContext != nil || base.ResponseHeaderTimeout > 0 || base.MaxConnsPerHost > 0 ||
		base.DialTLS != nil || base.Dial != nil //nolint:staticcheck // deprecated, and still a way to choose the connection
	if base.TLSClientConfig != nil {
		t.tls = base.TLSClientConfig.Clone()
	}
	t.tls.NextProtos = nil // HTTP/1.1 only
	return t
}

// RoundTrip sends the request once. Its error is the context's when that has ended, and wraps what the connection said else.
// The answer's body must be read to its end, so that the connection is kept, or closed.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if handled, err := t.handles(r); err != nil || !handled {
		if err != nil {
			closeBody(r)
			return nil, err
		}
		return t.base.RoundTrip(r)
	}
	defer closeBody(r)
	c, err := t.connect(r)
	if err != nil {
		return nil, err
	}
	if c.message, err = appendRequest(c.message[:0], r); err != nil {
		t.keep(c) // untouched
		return nil, err
	}
	return c.exchange(r)
}

// CloseIdleConnections closes the connections that no request is using.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	idle := t.idle
	t.idle = make(map[address][]*conn)
	t.mu.Unlock()
	for _, conns := range idle {
		for _, c := range conns {
			c.close()
		}
	}
	t.base.CloseIdleConnections()
}

func (t *Transport) handles(r *http.Request) (bool, error) {
	if t.byBase || r.URL == nil || r.URL.Host == "" || r.URL.Scheme != "https" && r.URL.Scheme != "http" || r.Close || r.Method == http.MethodConnect ||
		r.ContentLength > bodyBytesMax || r.ContentLength < 0 || len(r.TransferEncoding) > 0 || len(r.Trailer) > 0 {
		return false, nil
	}
	for _, name := range [...]string{"Connection", "Expect", "Upgrade", "Te", "Trailer", "Transfer-Encoding"} {
		if len(r.Header[name]) > 0 {
			return false, nil
		}
	}
	if t.base.Proxy == nil {
		return true, nil
	}
	proxy, err := t.base.Proxy(r)
	return proxy == nil, err
}

// connect takes a kept connection that is still good, or opens one.
func (t *Transport) connect(r *http.Request) (*conn, error) {
	to := address{r.URL.Scheme, r.URL.Host}
	for {
		c := t.take(to)
		if c == nil {
			return t.open(r.Context(), to)
		}
		if c.alive() {
			return c, nil
		}
		c.close()
	}
}

func (t *Transport) take(to address) *conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	conns := t.idle[to]
	if len(conns) == 0 {
		return nil
	}
	c := conns[len(conns)-1]
	conns[len(conns)-1] = nil
	t.idle[to] = conns[:len(conns)-1]
	return c
}

// keep takes a connection back after an exchange.
func (t *Transport) keep(c *conn) {
	most := t.base.MaxIdleConnsPerHost
	if most == 0 {
		most = defaultIdlePerHost
	}
	c.idleSince = time.Now()
	t.mu.Lock()
	full := t.base.DisableKeepAlives || len(t.idle[c.to]) >= most
	if !full {
		t.idle[c.to] = append(t.idle[c.to], c)
		t.reapLater()
	}
	t.mu.Unlock()
	if full {
		c.close()
	}
}

// reapLater closes idle connections in time, and goes on while there are any. The mutex is held.
func (t *Transport) reapLater() {
	if timeout := t.base.IdleConnTimeout; timeout > 0 && !t.reaping {
		t.reaping = true
		time.AfterFunc(timeout, t.reap)
	}
}

func (t *Transport) reap() {
	var expired []*conn
	t.mu.Lock()
	t.reaping = false
	for to, conns := range t.idle {
		n := 0 // the ones that waited longest are first
		for n < len(conns) && time.Since(conns[n].idleSince) >= t.base.IdleConnTimeout {
			n++
		}
		expired = append(expired, conns[:n]...)
		if n == len(conns) {
			delete(t.idle, to)
			continue
		}
		t.idle[to] = append([]*conn(nil), conns[n:]...)
		t.reapLater()
	}
	t.mu.Unlock()
	for _, c := range expired {
		c.close()
	}
}

func (t *Transport) open(ctx context.Context, to address) (*conn, error) {
	dial := t.base.DialContext
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	raw, err := dial(ctx, "tcp", hostPort(to))
	if err != nil {
		return nil, err
	}
	if to.scheme == "http" {
		return newConn(t, to, raw, raw), nil
	}
	config := t.tls
	if config.ServerName == "" {
		config = config.Clone()
		config.ServerName = hostname(to)
	}
	if timeout := t.base.TLSHandshakeTimeout; timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	secured := tls.Client(raw, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, fmt.Errorf("TLS handshake with %s: %w", to.host, err)
	}
	return newConn(t, to, raw, secured), nil
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		r.Body.Close()
	}
}
