package wechatpay

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Once each of many concurrent callers had a connection, no further one is opened, whatever the answers are.
func TestConnectionsAreReused(t *testing.T) {
	t.Parallel()
	const callers = 64
	var opened, arrived atomic.Int64
	all := make(chan struct{}) // closed when every caller's first request has arrived
	p := &provider{t: t, merchant: &privateKey(t, "merchant_private_key.pem").PublicKey}
	p.answer = func(w http.ResponseWriter, r receivedRequest, _ int) {
		// Nobody is answered before all have a connection, so that it is known how many there are.
		if arrived.Add(1) == callers {
			close(all)
		}
		<-all
		if r.Method == http.MethodGet { // an error's body must be drained too
			refuse(w, http.StatusNotFound, "ORDER_NOT_EXIST")
			return
		}
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"code":"PARAM_ERROR"}`))
	}
	p.Server = httptest.NewUnstartedServer(p)
	p.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	p.Start()
	t.Cleanup(p.Close)
	transport := NewTransport()
	transport.IdleConnTimeout = 0 // a slow machine is not the matter here, nor are its timeouts
	client := clientOf(t, p, func(c *Config) {
		c.Transport, c.QueryTimeout, c.WriteTimeout = transport, time.Hour, time.Hour
	})

	inRounds(callers, 1, func() { _, _ = client.QueryOrderByOutTradeNo(t.Context(), "VEC1") })
	if got := opened.Load(); got != callers {
		t.Fatalf("%d connections for %d callers at once", got, callers)
	}
	inRounds(callers, 4, func() {
		_, _ = client.QueryOrderByOutTradeNo(t.Context(), "VEC1")
		_, _ = client.PrepayNative(t.Context(), nativeRequest())
	})
	// net/http gives a connection up whose answer was there 50 ms before its own goroutine said that it had asked, which
	// happens where nothing gets a processor for as long.
	if again, calls := opened.Load()-callers, arrived.Load()-callers; again*100 > calls*3 {
		t.Errorf("%d further connections for %d calls", again, calls)
	}
}

// inRounds lets many callers begin at once, again and again.
func inRounds(callers, rounds int, call func()) {
	for range rounds {
		var ready, calls sync.WaitGroup
		ready.Add(callers)
		for range callers {
			calls.Go(func() {
				ready.Done()
				ready.Wait()
				call()
			})
		}
		calls.Wait()
	}
}

// The standard transport would send a GET again, signature and all, when a kept connection breaks.
func TestQueryOnABrokenConnectionIsSignedAnew(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, n int) {
		if n == 2 {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_ = conn.Close()
			return
		}
		p.reply(w, http.StatusOK, orderAnswer("VEC1"))
	})
	client := clientOf(t, p)
	for range 2 {
		if _, err := client.QueryOrderByOutTradeNo(t.Context(), "VEC1"); err != nil {
			t.Fatal(err)
		}
	}
	requests := p.received()
	if len(requests) != 3 {
		t.Fatalf("got %d requests", len(requests))
	}
	if requests[1].authorization["nonce_str"] == requests[2].authorization["nonce_str"] {
		t.Error("a nonce was used twice")
	}
	for _, r := range requests {
		if r.ContentLength > 0 || len(r.TransferEncoding) > 0 || len(r.body) > 0 {
			t.Errorf("a query has a body: %d, %v", r.ContentLength, r.TransferEncoding)
		}
	}
}

func TestTransportRefusesOldTLS(t *testing.T) {
	t.Parallel()
	if got := NewTransport().TLSClientConfig.MinVersion; got != tls.VersionTLS12 {
		t.Errorf("got %x", got)
	}
	if NewTransport().TLSClientConfig.InsecureSkipVerify {
		t.Error("certificates are not verified")
	}
}

func TestUntrustedServerIsNotSpokenTo(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request arrived") }))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	config := testConfig(t)
	config.BaseURL = server.URL
	if _, err := newClient(t, config).PrepayNative(t.Context(), nativeRequest()); err == nil {
		t.Error("got no error")
	}
}
