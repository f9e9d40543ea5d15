package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

const (
	upstreamCommand = "upstream"
	providerHost    = "api.mch.weixin.qq.com"
	// signatures are made ahead of the requests and renewed in time: everybody refuses those of five minutes ago.
	signedAnew = time.Minute
)

// upstreamStart is the first line that the upstream reads.
type upstreamStart struct {
	Key    string `json:"key"`    // the provider's, PEM
	Record bool   `json:"record"` // whether it remembers the orders, for who pays them
}

// upstreamReady is the first line that the upstream writes. At each further line that it reads it writes one: its counts,
// or the orders since it was asked last.
type upstreamReady struct {
	Address     string `json:"address"`
	Certificate []byte `json:"certificate"` // DER, trusted by the callers
}

const askOrders, askCounts = "orders", "counts"

type counts struct {
	Connections int64 `json:"connections"`
	Requests    int64 `json:"requests"`
}

// placed is an order as the provider knows it.
type placed struct {
	MchID      string `json:"mchid"`
	OutTradeNo string `json:"out_trade_no"`
}

// serveUpstream is the provider, in a process of its own so that its CPU time is not counted: every order gets the same
// answer, signed beforehand. It ends with its input.
func serveUpstream(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	in, out := bufio.NewScanner(stdin), json.NewEncoder(stdout)
	if !in.Scan() {
		return fmt.Errorf("read the provider's key: %w", in.Err())
	}
	var begin upstreamStart
	if err := json.Unmarshal(in.Bytes(), &begin); err != nil {
		return fmt.Errorf("read the provider's key: %w", err)
	}
	provider, err := wechatpay.ParsePrivateKey([]byte(begin.Key))
	if err != nil {
		return err
	}
	certificate, err := newCertificate()
	if err != nil {
		return err
	}
	d := &desk{provider: provider, record: begin.Record}
	if err := d.renew(); err != nil {
		return err
	}

	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	counted := &countingListener{Listener: listener}
	server := &http.Server{
		Handler:           d,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		TLSConfig:         &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}},
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){}, // HTTP/1.1, as the provider
	}
	failed := make(chan error, 1)
	go func() { failed <- server.ServeTLS(counted, "", "") }()
	defer server.Close()

	lines := make(chan string)
	go func() {
		defer close(lines)
		for in.Scan() {
			lines <- in.Text()
		}
	}()
	if err := out.Encode(upstreamReady{Address: listener.Addr().String(), Certificate: certificate.Certificate[0]}); err != nil {
		return err
	}
	ticker := time.NewTicker(signedAnew)
	defer ticker.Stop()
	for {
		select {
		case err := <-failed:
			return err
		case <-ticker.C:
			if err := d.renew(); err != nil {
				return err
			}
		case line, more := <-lines:
			if !more {
				return nil
			}
			var said any = counts{Connections: counted.accepted.Load(), Requests: d.requests.Load()}
			if line == askOrders {
				said = d.take()
			}
			if err := out.Encode(said); err != nil {
				return err
			}
		}
	}
}

// desk answers orders.
type desk struct {
	provider *rsa.PrivateKey
	record   bool
	requests atomic.Int64
	answer   atomic.Pointer[signed]

	mu     sync.Mutex
	placed []placed
}

func (d *desk) renew() error {
	fresh, err := sign(d.provider, prepayAnswer)
	d.answer.Store(fresh)
	return err
}

// take returns the orders since it was called last.
func (d *desk) take() []placed {
	d.mu.Lock()
	defer d.mu.Unlock()
	taken := d.placed
	d.placed = nil
	return taken
}

const orderPath = "/v3/pay/transactions/out-trade-no/"

func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.requests.Add(1)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	switch {
	case r.Header.Get("Authorization") == "":
		w.WriteHeader(http.StatusUnauthorized)
	case r.Method == http.MethodPost && r.URL.Path == "/v3/pay/transactions/native":
		d.remember(body)
		writeSigned(w, d.answer.Load())
	case r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, orderPath):
		d.answerQuery(w, r)
	default:
		w.WriteHeader(http.StatusBadRequest)
	}
}

func (d *desk) remember(body []byte) {
	if !d.record {
		return
	}
	var p placed
	if err := json.Unmarshal(body, &p); err != nil {
		return // and its payment will be missed
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.placed = append(d.placed, p)
}

// answerQuery says that nobody has paid yet. It is asked only about orders that are left open for long, so it signs when it
// is asked.
func (d *desk) answerQuery(w http.ResponseWriter, r *http.Request) {
	body, err := json.Marshal(map[string]string{
		"appid": appID, "mchid": r.URL.Query().Get("mchid"), "out_trade_no": strings.TrimPrefix(r.URL.Path, orderPath),
		"trade_state": "NOTPAY", "trade_state_desc": "订单未支付", "trade_type": "NATIVE",
	})
	if err == nil {
		var answer *signed
		if answer, err = sign(d.provider, string(body)); err == nil {
			writeSigned(w, answer)
			return
		}
	}
	w.WriteHeader(http.StatusInternalServerError)
}

func writeSigned(w http.ResponseWriter, answer *signed) {
	maps.Copy(w.Header(), answer.header)
	_, _ = io.WriteString(w, answer.body) // a caller that went away counts as failed on its own side
}

// countingListener counts the connections that callers open.
type countingListener struct {
	net.Listener
	accepted atomic.Int64
}

func (l *countingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		l.accepted.Add(1)
	}
	return conn, err
}

func newCertificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make the upstream's key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: providerHost}, DNSNames: []string{providerHost}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make the upstream's certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// upstream is the running process, seen from the measuring one.
type upstream struct {
	ready   upstreamReady
	roots   *x509.CertPool
	command *exec.Cmd
	in      io.WriteCloser
	out     *json.Decoder
}

func startUpstream(ctx context.Context, p *parties, record bool) (*upstream, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	u := &upstream{command: exec.CommandContext(ctx, program, upstreamCommand), roots: x509.NewCertPool()}
	u.command.Stderr = os.Stderr
	if u.in, err = u.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := u.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	u.out = json.NewDecoder(out)
	if err := u.command.Start(); err != nil {
		return nil, fmt.Errorf("start the upstream: %w", err)
	}
	if err := u.introduce(p, record); err != nil {
		u.stop()
		return nil, fmt.Errorf("start the upstream: %w", err)
	}
	return u, nil
}

func (u *upstream) introduce(p *parties, record bool) error {
	text, err := privatePEM(p.provider)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(u.in).Encode(upstreamStart{Key: text, Record: record}); err != nil {
		return err
	}
	if err := u.out.Decode(&u.ready); err != nil {
		return err
	}
	certificate, err := x509.ParseCertificate(u.ready.Certificate)
	if err != nil {
		return err
	}
	u.roots.AddCert(certificate)
	return nil
}

func (u *upstream) counts() (c counts, err error) {
	err = u.ask(askCounts, &c)
	return c, err
}

// orders are those placed since it was called last.
func (u *upstream) orders() (all []placed, err error) {
	err = u.ask(askOrders, &all)
	return all, err
}

func (u *upstream) ask(what string, answer any) error {
	_, err := io.WriteString(u.in, what+"\n")
	if err == nil {
		err = u.out.Decode(answer)
	}
	if err != nil {
		return fmt.Errorf("ask the upstream for its %s: %w", what, err)
	}
	return nil
}

func (u *upstream) stop() {
	_ = u.in.Close() // it ends with its input
	_ = u.command.Wait()
}

// reach leads a transport to the upstream under the provider's name, and changes nothing else of it.
func (u *upstream) reach() func(*http.Transport) *http.Transport {
	return reach(u.ready.Address, u.roots)
}

func reach(upstream string, roots *x509.CertPool) func(*http.Transport) *http.Transport {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	return func(t *http.Transport) *http.Transport {
		t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			if address != providerHost+":443" {
				return nil, fmt.Errorf("%s is not the provider", address)
			}
			return dialer.DialContext(ctx, network, upstream)
		}
		if t.TLSClientConfig == nil {
			t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		t.TLSClientConfig.RootCAs = roots
		return t
	}
}
