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
)

func TestConnectionsAreReused(t *testing.T) {
	t.Parallel()
	const callers = 64
	var opened atomic.Int64
	p := &provider{t: t, merchant: &privateKey(t, "merchant_private_key.pem").PublicKey}
	p.answer = func(w http.ResponseWriter, r receivedRequest, _ int) {
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
	client := clientOf(t, p)

	round := func() {
		var ready, calls sync.WaitGroup
		ready.Add(callers)
		for range callers {
			calls.Go(func() {
				ready.Done()
				ready.Wait()
				_, _ = client.QueryOrderByOutTradeNo(t.Context(), "VEC1")
				_, _ = client.PrepayNative(t.Context(), nativeRequest())
			})
		}
		calls.Wait()
	}
	const rounds = 4
	for range rounds {
		round()
	}
	// One for each caller, and a few that were dialled while another came free.
	if total := opened.Load(); total > callers+callers/4 {
		t.Errorf("%d connections for %d calls of %d callers", total, rounds*2*callers, callers)
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
