package webhook

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// roundTrip is an [http.RoundTripper] in place of the network.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func instead(f roundTrip) func(*Config) {
	return func(c *Config) { c.Instrument = func(http.RoundTripper) http.RoundTripper { return f } }
}

// drip is a body that never ends before its request does.
type drip struct{ end <-chan struct{} }

func (d drip) Read([]byte) (int, error) {
	<-d.end
	return 0, io.ErrUnexpectedEOF
}

func (drip) Close() error { return nil }

func TestHostileReceivers(t *testing.T) {
	t.Parallel()

	for name, network := range map[string]roundTrip{
		"SilentReceiver": func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		},
		"AnswerThatNeverEnds": func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Body: drip{r.Context().Done()}}, nil
		},
	} {
		t.Run(name+"IsAFailureAfterFifteenSeconds", func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := setup(t, func(c *Config) { instead(network)(c); c.Now = time.Now })
				b.clock.set(time.Now())
				e, _ := b.endpoint(t, "https://shop.example.com/")
				id := b.webhook(e)
				began := time.Now()
				d, again := b.deliver(t, id)
				if d.Success || time.Since(began) != 15*time.Second || d.Duration != 15*time.Second || again.IsZero() {
					t.Errorf("after %v: %+v", time.Since(began), d)
				}
				if !strings.Contains(d.Error, "within 15 s") {
					t.Errorf("the error is %q", d.Error)
				}
			})
		})
	}

	t.Run("AnswerOfManyGigabytesIsCutOffAndAFailure", func(t *testing.T) {
		t.Parallel()
		cut := make(chan bool, 1)
		a, b := newApp(t, func(w http.ResponseWriter, _ *http.Request) {
			chunk := make([]byte, 1<<20)
			for range 10 << 10 {
				if _, err := w.Write(chunk); err != nil {
					cut <- true
					return
				}
			}
			cut <- false
		}), setup(t, nil)
		e, _ := b.endpoint(t, a.URL)
		d, _ := b.deliver(t, b.webhook(e))
		if d.Success || d.StatusCode != http.StatusOK || !strings.Contains(d.Error, "64 KiB") {
			t.Errorf("got %+v", d)
		}
		if !<-cut {
			t.Error("all of it was read")
		}
	})

	t.Run("AnswerOfExactlyTheLimitIsSuccess", func(t *testing.T) {
		t.Parallel()
		a, b := newApp(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, answerMax)) }), setup(t, nil)
		e, _ := b.endpoint(t, a.URL)
		if d, _ := b.deliver(t, b.webhook(e)); !d.Success {
			t.Errorf("got %+v", d)
		}
	})

	for name, answer := range map[string]func(io.Writer) error{
		"HeadersWithoutEnd": func(w io.Writer) error {
			_, err := io.WriteString(w, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n")
			for i := 0; err == nil && i < 1<<10; i++ { // they do end after all, so that only our limit can refuse them
				_, err = io.WriteString(w, "X-Hunter2: hunter2hunter2hunter2hunter2hunter2hunter2hunter2\r\n")
			}
			_, _ = io.WriteString(w, "\r\n")
			return err
		},
		"NotHTTP": func(w io.Writer) error {
			_, err := io.WriteString(w, "220 hunter2 ESMTP\r\n")
			return err
		},
		"CutInHalf": func(w io.Writer) error {
			_, err := io.WriteString(w, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhunter2")
			return err
		},
		"EarlyHintsWithoutEnd": func(w io.Writer) error {
			for range 1 << 10 { // an answer follows after all, so that only our limit can refuse them
				if _, err := io.WriteString(w, "HTTP/1.1 103 Early Hints\r\nLink: <https://hunter2.example/a.css>; rel=preload; as=style; nopush\r\n\r\n"); err != nil {
					return err
				}
			}
			_, err := io.WriteString(w, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			return err
		},
		"SwitchingProtocols": func(w io.Writer) error {
			_, err := io.WriteString(w, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: hunter2\r\nConnection: Upgrade\r\n\r\n")
			return err
		},
	} {
		t.Run(name+"IsAFailureThatQuotesNothing", func(t *testing.T) {
			t.Parallel()
			b := setup(t, nil)
			e, _ := b.endpoint(t, "http://"+raw(t, answer)+"/?token=hunter2")
			d, again := b.deliver(t, b.webhook(e))
			if d.Success || d.Error == "" || again.IsZero() {
				t.Errorf("got %+v", d)
			}
			if strings.Contains(strings.ToLower(d.Error), "hunter2") || strings.Contains(d.Error, "127.0.0.1") {
				t.Errorf("the error quotes the receiver: %s", d.Error)
			}
		})
	}

	t.Run("PackedAnswerIsNeitherAskedForNorUnpacked", func(t *testing.T) {
		t.Parallel()
		asked := make(chan string, 1)
		a, b := newApp(t, func(w http.ResponseWriter, r *http.Request) {
			asked <- r.Header.Get("Accept-Encoding")
			w.Header().Set("Content-Encoding", "gzip")
			zip := gzip.NewWriter(w)
			_, _ = zip.Write(make([]byte, 16*answerMax)) // far below the limit on the wire, far above it in memory
			_ = zip.Close()
		}), setup(t, nil)
		e, _ := b.endpoint(t, a.URL)
		if d, _ := b.deliver(t, b.webhook(e)); !d.Success {
			t.Errorf("it was unpacked: %+v", d)
		}
		if encoding := <-asked; encoding != "" {
			t.Errorf("asked for %q", encoding)
		}
	})

	t.Run("FiveHundredForThreeDaysIsADeadLetterThatCanBeRetried", func(t *testing.T) {
		t.Parallel()
		a, b := newApp(t, status(500)), setup(t, nil)
		e, _ := b.endpoint(t, a.URL)
		id := b.webhook(e)
		began := b.clock.Now()
		for b.state(id) == Pending {
			if _, again := b.deliver(t, id); !again.IsZero() {
				b.clock.set(again)
			}
		}
		if took := b.clock.Now().Sub(began); b.state(id) != Dead || took < 72*time.Hour || took > roundMax {
			t.Fatalf("%s after %v", b.state(id), took)
		}
		if last := b.observer.all[len(b.observer.all)-1]; last.state != Dead {
			t.Errorf("who watches heard %+v", last)
		}
		a.answers(nil)
		if n, _, err := b.RetryDead(t.Context(), shop, e.ID, began); err != nil || n != 1 {
			t.Fatalf("%d retried, %v", n, err)
		}
		if d, _ := b.deliver(t, id); !d.Success || b.state(id) != Delivered {
			t.Errorf("got %+v", d)
		}
	})

	t.Run("ErrorsTellNeitherURLNorBodyNorAddress", func(t *testing.T) {
		t.Parallel()
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		closed := listener.Addr().String()
		_ = listener.Close()
		a, b := newApp(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "hunter2", http.StatusInternalServerError) }), setup(t, nil)
		for _, url := range []string{a.URL + "/?token=hunter2", "http://" + closed + "/?token=hunter2", strings.Replace(a.URL, "http:", "https:", 1) + "/?token=hunter2"} {
			e, _ := b.endpoint(t, url)
			d, _ := b.deliver(t, b.webhook(e))
			if d.Success || strings.Contains(d.Error, "hunter2") || strings.Contains(d.Error, "127.0.0.1") {
				t.Errorf("got %q", d.Error)
			}
		}
	})

	t.Run("StoppingProcessCountsNoTry", func(t *testing.T) {
		t.Parallel()
		ctx, stop := context.WithCancel(t.Context())
		b := setup(t, instead(func(r *http.Request) (*http.Response, error) {
			stop()
			<-r.Context().Done()
			return nil, r.Context().Err()
		}))
		e, _ := b.endpoint(t, "https://shop.example.com/")
		id := b.webhook(e)
		if _, err := b.Deliver(ctx, shop, id); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if len(b.store.deliveries) != 0 || b.state(id) != Pending {
			t.Errorf("recorded %+v", b.store.deliveries)
		}
	})

	t.Run("SuccessIsRecordedAlthoughTheProcessIsStopping", func(t *testing.T) {
		t.Parallel()
		ctx, stop := context.WithCancel(t.Context())
		b := setup(t, instead(func(*http.Request) (*http.Response, error) {
			stop()
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
		}))
		e, _ := b.endpoint(t, "https://shop.example.com/")
		id := b.webhook(e)
		if _, err := b.Deliver(ctx, shop, id); err != nil || b.state(id) != Delivered {
			t.Errorf("%v, %s", err, b.state(id))
		}
	})

	t.Run("URLThatIsNoLongerAllowedIsNotCalled", func(t *testing.T) {
		t.Parallel()
		a, b := newApp(t, nil), setup(t, func(c *Config) { c.AllowPrivate = nil })
		e, _ := b.endpoint(t, a.URL)
		d, _ := b.deliver(t, b.webhook(e))
		if d.Success || len(a.requests()) != 0 || !strings.Contains(d.Error, "not allowed") {
			t.Errorf("got %+v", d)
		}
	})
}

// raw answers every connection with bytes of its own, and closes it.
func raw(t *testing.T, answer func(io.Writer) error) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				r, err := http.ReadRequest(bufio.NewReader(conn))
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, r.Body)
				_ = answer(conn)
			}()
		}
	}()
	return listener.Addr().String()
}

func TestTransport(t *testing.T) {
	t.Parallel()

	secure := func(t *testing.T, version uint16) (*httptest.Server, *x509.CertPool) {
		t.Helper()
		server := httptest.NewUnstartedServer(status(204))
		server.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: version}
		server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
		server.StartTLS()
		t.Cleanup(server.Close)
		pool := x509.NewCertPool()
		pool.AddCert(server.Certificate())
		return server, pool
	}

	t.Run("TrustedTLSIsDelivered", func(t *testing.T) {
		t.Parallel()
		server, pool := secure(t, tls.VersionTLS12)
		b := setup(t, func(c *Config) { c.RootCAs = pool })
		e, _ := b.endpoint(t, server.URL)
		if d, _ := b.deliver(t, b.webhook(e)); !d.Success {
			t.Errorf("got %+v", d)
		}
	})

	t.Run("UntrustedCertificateIsAFailureThatSaysSo", func(t *testing.T) {
		t.Parallel()
		server, _ := secure(t, tls.VersionTLS13)
		b := setup(t, nil)
		e, _ := b.endpoint(t, server.URL)
		if d, _ := b.deliver(t, b.webhook(e)); d.Success || !strings.Contains(d.Error, "certificate is not trusted") {
			t.Errorf("got %+v", d)
		}
	})

	t.Run("CertificateWhoseNamesAreNoTextIsAFailureInPlainText", func(t *testing.T) {
		t.Parallel()
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"shop\x00\x1b[31m"}}
		certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		a := httptest.NewUnstartedServer(nil)
		a.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
		a.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{certificate}, PrivateKey: key}}}
		a.StartTLS()
		t.Cleanup(a.Close)
		b := setup(t, nil)
		e, _ := b.endpoint(t, strings.Replace(a.URL, "127.0.0.1", "localhost", 1))
		if d, _ := b.deliver(t, b.webhook(e)); d.Success || !strings.Contains(d.Error, "valid for shop??[31m,") {
			t.Errorf("got %+v", d)
		}
	})

	t.Run("OldTLSIsAFailure", func(t *testing.T) {
		t.Parallel()
		server, pool := secure(t, tls.VersionTLS11)
		b := setup(t, func(c *Config) { c.RootCAs = pool })
		e, _ := b.endpoint(t, server.URL)
		if d, _ := b.deliver(t, b.webhook(e)); d.Success || !strings.Contains(d.Error, "TLS 1.2") {
			t.Errorf("got %+v", d)
		}
	})

	t.Run("ConnectionsAreReused", func(t *testing.T) {
		t.Parallel()
		port, arrived := receiver(t)
		b := setup(t, nil)
		e, _ := b.endpoint(t, "http://127.0.0.1:"+port)
		for range 10 {
			if d, _ := b.deliver(t, b.webhook(e)); !d.Success {
				t.Fatalf("got %+v", d)
			}
		}
		if n := arrived.Load(); n != 1 {
			t.Errorf("%d connections for 10 deliveries", n)
		}
	})

	t.Run("EnvironmentChoosesNoProxy", func(t *testing.T) {
		t.Parallel()
		if newTransport(Config{}, guard{}).Proxy != nil {
			t.Error("a proxy of the environment would dial what the guard forbids")
		}
	})

	t.Run("ConfiguredProxyIsUsed", func(t *testing.T) {
		t.Parallel()
		var asked atomic.Value
		proxy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked.Store(r.URL.String()) }))
		t.Cleanup(proxy.Close)
		b := setup(t, func(c *Config) {
			var err error
			if c.Proxy, err = url.Parse(proxy.URL); err != nil {
				t.Fatal(err)
			}
			c.AllowHTTP, c.AllowPrivate = true, nil
		})
		e, _ := b.endpoint(t, "http://shop.example.com/hook")
		if d, _ := b.deliver(t, b.webhook(e)); !d.Success || asked.Load() != "http://shop.example.com/hook" {
			t.Errorf("the proxy was asked %v: %+v", asked.Load(), d)
		}
	})
}
