package direct_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/wechatpay/direct"
)

// server is an HTTP server that counts its connections.
type server struct {
	*httptest.Server
	opened atomic.Int64
	closed chan struct{} // one for each connection closed
}

func serve(t testing.TB, secured bool, handler http.HandlerFunc) *server {
	t.Helper()
	s := &server{Server: httptest.NewUnstartedServer(handler), closed: make(chan struct{}, 1000)}
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			s.opened.Add(1)
		case http.StateClosed:
			s.closed <- struct{}{}
		case http.StateActive, http.StateIdle, http.StateHijacked:
		}
	}
	if secured {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

// transportTo is a Transport that trusts the server.
func transportTo(t testing.TB, s *server) *direct.Transport {
	t.Helper()
	base := s.Client().Transport.(*http.Transport).Clone() //nolint:forcetypeassert // httptest says so
	base.MaxIdleConnsPerHost = 64
	transport := direct.New(base)
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// scripted is a server that writes just what it is told, one answer for each request.
func scripted(t *testing.T, answers ...string) (url string, connections *atomic.Int64) {
	t.Helper()
	var next atomic.Int64
	address, connections := listening(t, func(conn net.Conn) {
		for reader := bufio.NewReader(conn); readRequest(reader) == nil; {
			i := int(next.Add(1)) - 1
			if i >= len(answers) {
				return
			}
			if _, err := io.WriteString(conn, answers[i]); err != nil || strings.Contains(answers[i], "close") || answers[i] == "" {
				return
			}
		}
	})
	return "http://" + address, connections
}

// scriptedTLS is a server that writes the records in one piece to its first request, and "second" to every other.
func scriptedTLS(t *testing.T, config *tls.Config, records ...string) (url string, connections *atomic.Int64) {
	t.Helper()
	var answered atomic.Bool
	address, connections := listening(t, func(raw net.Conn) {
		gathered := &gatheringConn{Conn: raw}
		secured := tls.Server(gathered, config)
		for reader := bufio.NewReader(secured); readRequest(reader) == nil; {
			answers := []string{"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond"}
			if answered.CompareAndSwap(false, true) {
				answers = records
			}
			gathered.gathers = true
			for _, record := range answers {
				if record == "" {
					_ = secured.CloseWrite()
					continue
				}
				_, _ = io.WriteString(secured, record)
			}
			if gathered.release() != nil {
				return
			}
		}
	})
	return "https://" + address, connections
}

// listening is a server that serves each connection as it is told, until the end of the test.
func listening(t *testing.T, serve func(net.Conn)) (address string, connections *atomic.Int64) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	connections = &atomic.Int64{}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			serving.Go(func() {
				defer conn.Close()
				serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		serving.Wait()
	})
	return listener.Addr().String(), connections
}

func readRequest(reader *bufio.Reader) error {
	r, err := http.ReadRequest(reader)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r.Body)
	return err
}

// gatheringConn keeps what is written until it is released.
type gatheringConn struct {
	net.Conn
	gathers bool
	held    bytes.Buffer
}

func (c *gatheringConn) Write(piece []byte) (int, error) {
	if c.gathers {
		return c.held.Write(piece)
	}
	return c.Conn.Write(piece)
}

func (c *gatheringConn) release() error {
	c.gathers = false
	if err := c.SetWriteDeadline(time.Time{}); err != nil { // CloseWrite leaves one
		return err
	}
	_, err := c.held.WriteTo(c.Conn)
	return err
}

func request(ctx context.Context, t testing.TB, method, url, body string) *http.Request {
	t.Helper()
	var from io.Reader
	if body != "" {
		from = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(ctx, method, url, from)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ask sends and reads the whole answer.
func ask(transport http.RoundTripper, r *http.Request) (status int, body string, err error) {
	response, err := transport.RoundTrip(r)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	return response.StatusCode, string(raw), err
}

func mustAsk(t *testing.T, transport http.RoundTripper, r *http.Request) string {
	t.Helper()
	status, body, err := ask(transport, r)
	if err != nil || status != http.StatusOK {
		t.Fatalf("got %d, %q, %v", status, body, err)
	}
	return body
}

// notBytes is a body of unknown length.
type notBytes struct{ io.Reader }

var errBody = errors.New("the caller's body broke")

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errBody }
