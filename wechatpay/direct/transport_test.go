package direct_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tongbao-pay/tongbao/wechatpay/direct"
)

// The server of the standard library reads what is sent, and net/http sends the same request beside it.
func TestRequestsArriveAsNetHTTPSendsThem(t *testing.T) {
	t.Parallel()
	s := serve(t, true, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %d %v %q %q %q %q %v", r.Method, r.RequestURI, r.Host, r.ContentLength, r.TransferEncoding,
			r.Header["Authorization"], r.Header["X-Two"], r.Header["Content-Type"], body, err)
	})
	transport := transportTo(t, s)
	for name, fresh := range map[string]func() *http.Request{
		"Post": func() *http.Request {
			return request(t.Context(), t, http.MethodPost, s.URL+"/v3/pay/transactions/native", `{"a":"一"}`)
		},
		"Get": func() *http.Request {
			return request(t.Context(), t, http.MethodGet, s.URL+"/v3/x?mchid=1&note=%7C%2A*", "")
		},
		"EmptyPost": func() *http.Request { return request(t.Context(), t, http.MethodPost, s.URL+"/v3/close", "") },
		"Escaped":   func() *http.Request { return request(t.Context(), t, http.MethodGet, s.URL+"/v3/a%2Fb/%E4%B8%80?", "") },
		"NoPath":    func() *http.Request { return request(t.Context(), t, http.MethodGet, s.URL, "") },
		"Delete":    func() *http.Request { return request(t.Context(), t, http.MethodDelete, s.URL+"/v3/x", "") },
		"Large": func() *http.Request {
			return request(t.Context(), t, http.MethodPost, s.URL+"/v3/x", strings.Repeat("x", 60<<10))
		},
		"OverTheMax": func() *http.Request {
			return request(t.Context(), t, http.MethodPost, s.URL+"/v3/x", strings.Repeat("x", 70<<10))
		},
		"NoLengthNoBody": func() *http.Request {
			r := request(t.Context(), t, http.MethodGet, s.URL+"/v3/x", "")
			r.Body = io.NopCloser(notBytes{strings.NewReader("")})
			return r
		},
	} {
		fill := func(r *http.Request) *http.Request {
			r.Header.Set("Authorization", `WECHATPAY2-SHA256-RSA2048 mchid="1",signature="a=="`)
			r.Header["X-Two"] = []string{"one", "two"}
			r.Header.Set("Content-Type", "application/json")
			return r
		}
		want := mustAsk(t, s.Client().Transport, fill(fresh()))
		if got := mustAsk(t, transport, fill(fresh())); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
}

func TestBodyWithoutALengthArrives(t *testing.T) {
	t.Parallel()
	s := serve(t, false, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	r := request(t.Context(), t, http.MethodPost, s.URL, "")
	r.Body = io.NopCloser(notBytes{strings.NewReader("said late")})
	if got := mustAsk(t, transportTo(t, s), r); got != "said late" {
		t.Errorf("got %q", got)
	}
}

func TestConnectionsAreReused(t *testing.T) {
	t.Parallel()
	const callers, rounds = 32, 20
	s := serve(t, true, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	transport := transportTo(t, s)
	var group sync.WaitGroup
	for caller := range callers {
		group.Go(func() {
			for i := range rounds {
				want := fmt.Sprintf("caller %d, round %d", caller, i)
				if _, got, err := ask(transport, request(t.Context(), t, http.MethodPost, s.URL, want)); err != nil || got != want {
					t.Errorf("got %q, %v, want %q", got, err, want)
				}
			}
		})
	}
	group.Wait()
	if opened := s.opened.Load(); opened > callers {
		t.Errorf("%d connections for %d callers", opened, callers)
	}
}

func TestEveryKindOfAnswerIsRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer, want string
		status       int
		kept         bool
	}{
		"Length":           {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", 200, true},
		"Chunked":          {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n", "ok", 200, true},
		"NoContent":        {"HTTP/1.1 204 No Content\r\n\r\n", "", 204, true},
		"Empty":            {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "", 404, true},
		"UntilTheEnd":      {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok", "ok", 200, false},
		"AskedToClose":     {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", "ok", 200, false},
		"Old":              {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", 200, false},
		"AfterContinue":    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", 200, true},
		"FollowedByMore":   {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", "ok", 200, false},
		"ErrorWithAMember": {"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\n{}", "{}", 500, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at, connections := scripted(t, c.answer, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond")
			transport := direct.New(&http.Transport{})
			t.Cleanup(transport.CloseIdleConnections)
			status, got, err := ask(transport, request(t.Context(), t, http.MethodPost, at, "x"))
			if err != nil || status != c.status || got != c.want {
				t.Fatalf("got %d, %q, %v", status, got, err)
			}
			if got := mustAsk(t, transport, request(t.Context(), t, http.MethodPost, at, "x")); got != "second" {
				t.Errorf("the next answer is %q", got)
			}
			if kept := connections.Load() == 1; kept != c.kept {
				t.Errorf("connection kept: %t, want %t", kept, c.kept)
			}
		})
	}
}

// TLS reads ahead of what it hands out, and what it holds is on no socket any more.
func TestWhatTLSHoldsIsNoAnswer(t *testing.T) {
	t.Parallel()
	s := serve(t, true, func(http.ResponseWriter, *http.Request) {})
	const size = 9000 // is read around the connection's buffer
	small, evil := "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
	large := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat("x", size))
	for name, c := range map[string]struct {
		records []string
		kept    bool
	}{
		"NothingMore":    {[]string{small}, true},
		"Parts":          {[]string{small[:20], small[20:39], small[39:]}, true},
		"AnotherAnswer":  {[]string{small, evil}, false},
		"NoContent":      {[]string{"HTTP/1.1 204 No Content\r\n\r\n", evil}, false},
		"SameRecord":     {[]string{large + evil}, false},
		"EndOfTheStream": {[]string{small, ""}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at, connections := scriptedTLS(t, s.TLS, c.records...)
			transport := transportTo(t, s)
			response, err := transport.RoundTrip(request(t.Context(), t, http.MethodPost, at, "x"))
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if _, err := io.ReadFull(response.Body, make([]byte, max(0, response.ContentLength))); err != nil {
				t.Fatal(err)
			}
			if n, err := response.Body.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
				t.Fatalf("after the body: %d bytes, %v", n, err)
			}
			if got := mustAsk(t, transport, request(t.Context(), t, http.MethodPost, at, "x")); got != "second" {
				t.Errorf("the next answer is %q", got)
			}
			if kept := connections.Load() == 1; kept != c.kept {
				t.Errorf("connection kept: %t, want %t", kept, c.kept)
			}
		})
	}
}

func TestBrokenAnswersAreErrors(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"Nothing":         "",
		"HeadCutOff":      "HTTP/1.1 200 OK\r\nContent-Length: 2, close",
		"BodyCutOff":      "HTTP/1.1 200 OK\r\nX: close\r\nContent-Length: 20\r\n\r\nok",
		"ChunkCutOff":     "HTTP/1.1 200 OK\r\nX: close\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nok",
		"NotHTTP":         "SSH-2.0-close\r\n\r\n",
		"TwoLengths":      "HTTP/1.1 200 OK\r\nX: close\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk",
		"Switching":       "HTTP/1.1 101 Switching Protocols\r\nUpgrade: close\r\n\r\n",
		"OnlyContinue":    strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 20),
		"HeadersTooLarge": "HTTP/1.1 200 OK\r\nX: close" + strings.Repeat("x", 70<<10) + "\r\n\r\n",
		"HeadersTooMany":  "HTTP/1.1 200 OK\r\nX: close" + strings.Repeat("\r\nX: y", 20<<10) + "\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at, _ := scripted(t, answer, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond")
			transport := direct.New(&http.Transport{MaxResponseHeaderBytes: 64 << 10})
			t.Cleanup(transport.CloseIdleConnections)
			if status, body, err := ask(transport, request(t.Context(), t, http.MethodPost, at, "x")); err == nil {
				t.Fatalf("got %d, %q", status, body)
			}
			if got := mustAsk(t, transport, request(t.Context(), t, http.MethodPost, at, "x")); got != "second" {
				t.Errorf("the next answer is %q", got)
			}
		})
	}
}

// A request into a connection that is closed already would have an unknown outcome.
func TestClosedConnectionIsNotUsed(t *testing.T) {
	t.Parallel()
	for name, secured := range map[string]bool{"TLS": true, "Plain": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, secured, func(http.ResponseWriter, *http.Request) {})
			transport := transportTo(t, s)
			mustAsk(t, transport, request(t.Context(), t, http.MethodPost, s.URL, "x"))
			for range 3 {
				s.CloseClientConnections()
				<-s.closed
				mustAsk(t, transport, request(t.Context(), t, http.MethodPost, s.URL, "x"))
			}
		})
	}
}

func TestNothingIsSentTwice(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	arrived := 0
	s := serve(t, false, func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		arrived++
		mu.Unlock()
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		conn.Close()
	})
	transport := transportTo(t, s)
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		if _, _, err := ask(transport, request(t.Context(), t, method, s.URL, "")); !errors.Is(err, io.EOF) {
			t.Errorf("%s: got %v", method, err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if arrived != 2 {
		t.Errorf("%d requests arrived, 2 were sent", arrived)
	}
}

func TestContextEndsAnExchange(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := serve(t, true, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
		}
		if r.URL.Path != "/fast" {
			<-release
		}
	})
	defer close(release)
	transport := transportTo(t, s)
	for _, path := range []string{"/head", "/body"} {
		canceled, cancel := context.WithCancel(t.Context())
		timer := time.AfterFunc(20*time.Millisecond, cancel)
		if _, _, err := ask(transport, request(canceled, t, http.MethodPost, s.URL+path, "x")); !errors.Is(err, context.Canceled) {
			t.Errorf("%s, canceled: got %v", path, err)
		}
		timer.Stop()
		cancel()
		late, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if _, _, err := ask(transport, request(late, t, http.MethodPost, s.URL+path, "x")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s, late: got %v", path, err)
		}
		cancel()
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := ask(transport, request(ended, t, http.MethodPost, s.URL+"/fast", "x")); !errors.Is(err, context.Canceled) {
		t.Errorf("ended before: got %v", err)
	}
	// A deadline that has passed does not stay on a connection, nor does a context that ends after its answer.
	for range 3 {
		short, cancel := context.WithTimeout(t.Context(), time.Minute)
		mustAsk(t, transport, request(short, t, http.MethodPost, s.URL+"/fast", "x"))
		cancel()
	}
	mustAsk(t, transport, request(context.WithoutCancel(t.Context()), t, http.MethodPost, s.URL+"/fast", "x"))
}

func TestUnreadAnswerGivesUpItsConnection(t *testing.T) {
	t.Parallel()
	s := serve(t, false, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 9000)) })
	transport := transportTo(t, s)
	for range 2 {
		response, err := transport.RoundTrip(request(t.Context(), t, http.MethodGet, s.URL, ""))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := response.Body.Read(make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := response.Body.Close(); err != nil {
				t.Error(err)
			}
		}
		if _, err := response.Body.Read(make([]byte, 10)); !errors.Is(err, http.ErrBodyReadAfterClose) {
			t.Errorf("after Close: got %v", err)
		}
	}
	if got := s.opened.Load(); got != 2 {
		t.Errorf("%d connections", got)
	}
}

func TestInjectedLinesAreRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, false, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("a request arrived: %s", r.URL) })
	transport := transportTo(t, s)
	for name, change := range map[string]func(*http.Request){
		"Method":      func(r *http.Request) { r.Method = "GET / HTTP/1.1\r\nX: y\r\n\r\n" },
		"Host":        func(r *http.Request) { r.Host = "a\r\nX: y" },
		"HeaderName":  func(r *http.Request) { r.Header["X: y\r\nZ"] = []string{"v"} },
		"HeaderValue": func(r *http.Request) { r.Header["X"] = []string{"v\r\nZ: y"} },
		"HeaderNUL":   func(r *http.Request) { r.Header["X"] = []string{"v\x00"} },
		"Framing":     func(r *http.Request) { r.Header["transfer-encoding"] = []string{"chunked"} },
		"Target":      func(r *http.Request) { r.URL.Opaque = "/a b\r\nX: y" },
		"LongerBody":  func(r *http.Request) { r.ContentLength, r.Body = 3, io.NopCloser(strings.NewReader("four")) },
		"ShorterBody": func(r *http.Request) { r.ContentLength, r.Body = 5, io.NopCloser(strings.NewReader("four")) },
		"EndlessBody": func(r *http.Request) { r.Body = io.NopCloser(notBytes{strings.NewReader(strings.Repeat("x", 65<<10))}) },
		"BrokenBody":  func(r *http.Request) { r.ContentLength, r.Body = 5, io.NopCloser(broken{}) },
	} {
		r := request(t.Context(), t, http.MethodPost, s.URL, "")
		change(r)
		if status, _, err := ask(transport, r); err == nil {
			t.Errorf("%s: got %d", name, status)
		}
	}
}

func TestServerOfAnotherAuthorityIsNotSpokenTo(t *testing.T) {
	t.Parallel()
	s := serve(t, true, func(http.ResponseWriter, *http.Request) { t.Error("a request arrived") })
	s.Config.ErrorLog = nil
	for name, config := range map[string]*tls.Config{
		"Unknown":   {RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12},
		"OtherName": {RootCAs: s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, ServerName: "other.example", MinVersion: tls.VersionTLS12}, //nolint:forcetypeassert // httptest says so
		"Nil":       nil,
	} {
		transport := direct.New(&http.Transport{TLSClientConfig: config})
		if _, _, err := ask(transport, request(t.Context(), t, http.MethodPost, s.URL, "x")); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

func TestUnreachableServerIsADialError(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := "http://" + listener.Addr().String()
	listener.Close()
	_, _, err = ask(direct.New(&http.Transport{}), request(t.Context(), t, http.MethodPost, at, "x"))
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "dial" {
		t.Errorf("got %v", err)
	}
}

func TestProxiedRequestsGoToTheBase(t *testing.T) {
	t.Parallel()
	proxy := serve(t, false, func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "proxy for %s", r.URL) })
	through, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport := direct.New(&http.Transport{Proxy: http.ProxyURL(through)})
	t.Cleanup(transport.CloseIdleConnections)
	if got := mustAsk(t, transport, request(t.Context(), t, http.MethodGet, "http://provider.example/v3/x", "")); got != "proxy for http://provider.example/v3/x" {
		t.Errorf("got %q", got)
	}
	refusing := direct.New(&http.Transport{Proxy: func(*http.Request) (*url.URL, error) { return nil, errBody }})
	if _, _, err := ask(refusing, request(t.Context(), t, http.MethodGet, "http://provider.example/v3/x", "")); !errors.Is(err, errBody) {
		t.Errorf("got %v", err)
	}
}

// A base that pins the provider's key in its own dialer, or bounds what is not bounded here, is not passed by.
func TestWhatOnlyTheBaseDoesIsDoneByIt(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := serve(t, true, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-release
		}
	})
	defer close(release)
	for name, c := range map[string]struct {
		change func(*http.Transport)
		path   string
	}{
		"DialTLSContext": {
			func(base *http.Transport) {
				base.DialTLSContext = func(context.Context, string, string) (net.Conn, error) { return nil, errBody }
			}, "/",
		},
		"DialTLS": {
			func(base *http.Transport) {
				base.DialTLS = func(string, string) (net.Conn, error) { return nil, errBody } //nolint:staticcheck // see New
			}, "/",
		},
		"Dial": {
			func(base *http.Transport) {
				base.DialContext = nil
				base.Dial = func(string, string) (net.Conn, error) { return nil, errBody } //nolint:staticcheck // see New
			}, "/",
		},
		"ResponseHeaderTimeout": {
			func(base *http.Transport) { base.ResponseHeaderTimeout = time.Millisecond }, "/slow",
		},
	} {
		t.Run(name, func(t *testing.T) {
			base := s.Client().Transport.(*http.Transport).Clone() //nolint:forcetypeassert // httptest says so
			c.change(base)
			transport := direct.New(base)
			t.Cleanup(transport.CloseIdleConnections)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			_, _, err := ask(transport, request(ctx, t, http.MethodPost, s.URL+c.path, "x"))
			if timeout, ok := errors.AsType[net.Error](err); ctx.Err() != nil || !errors.Is(err, errBody) && (!ok || !timeout.Timeout()) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestIdleConnectionsAreClosedInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan time.Time, 1)
		dial := func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			go func() {
				defer server.Close()
				buffer := make([]byte, 4096)
				if _, err := server.Read(buffer); err != nil {
					return
				}
				_, _ = io.WriteString(server, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				_, _ = server.Read(buffer) // until it ends
				ended <- time.Now()
			}()
			return client, nil
		}
		transport := direct.New(&http.Transport{DialContext: dial, IdleConnTimeout: 7 * time.Second})
		mustAsk(t, transport, request(t.Context(), t, http.MethodGet, "http://provider.example", ""))
		started := time.Now()
		if waited := (<-ended).Sub(started); waited != 7*time.Second {
			t.Errorf("closed after %s", waited)
		}
	})
}
