package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
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

// upstreamReady is the first line that the upstream writes; counts is every further one, at each line it reads.
type upstreamReady struct {
	Address     string `json:"address"`
	Certificate []byte `json:"certificate"` // DER, trusted by the callers
}

type counts struct {
	Connections int64 `json:"connections"`
	Requests    int64 `json:"requests"`
}

// serveUpstream is the provider, in a process of its own so that its CPU time is not counted: every order gets the same
// answer, signed beforehand. It ends with its input.
func serveUpstream(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	in, out := bufio.NewScanner(stdin), json.NewEncoder(stdout)
	if !in.Scan() {
		return fmt.Errorf("read the provider's key: %w", in.Err())
	}
	var text string
	if err := json.Unmarshal(in.Bytes(), &text); err != nil {
		return fmt.Errorf("read the provider's key: %w", err)
	}
	provider, err := wechatpay.ParsePrivateKey([]byte(text))
	if err != nil {
		return err
	}
	certificate, err := newCertificate()
	if err != nil {
		return err
	}
	var answer atomic.Pointer[signed]
	renew := func() error {
		fresh, err := sign(provider, prepayAnswer)
		answer.Store(fresh)
		return err
	}
	if err := renew(); err != nil {
		return err
	}

	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	counted := &countingListener{Listener: listener}
	var requests atomic.Int64
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			answerOrder(w, r, answer.Load())
		}),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		TLSConfig:         &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}},
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){}, // HTTP/1.1, as the provider
	}
	failed := make(chan error, 1)
	go func() { failed <- server.ServeTLS(counted, "", "") }()
	defer server.Close()

	lines := make(chan struct{})
	go func() {
		defer close(lines)
		for in.Scan() {
			lines <- struct{}{}
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
			if err := renew(); err != nil {
				return err
			}
		case _, more := <-lines:
			if !more {
				return nil
			}
			if err := out.Encode(counts{Connections: counted.accepted.Load(), Requests: requests.Load()}); err != nil {
				return err
			}
		}
	}
}

func answerOrder(w http.ResponseWriter, r *http.Request, answer *signed) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return
	}
	if r.Method != http.MethodPost || r.URL.Path != "/v3/pay/transactions/native" || r.Header.Get("Authorization") == "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
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
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: providerHost}, DNSNames: []string{providerHost},
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

func startUpstream(ctx context.Context, p *parties) (*upstream, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	u := &upstream{command: exec.CommandContext(ctx, program, upstreamCommand), roots: x509.NewCertPool()} //nolint:gosec // this very program
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
	if err := u.introduce(p); err != nil {
		u.stop()
		return nil, fmt.Errorf("start the upstream: %w", err)
	}
	return u, nil
}

func (u *upstream) introduce(p *parties) error {
	text, err := privatePEM(p.provider)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(u.in).Encode(text); err != nil {
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
	if _, err = io.WriteString(u.in, "counts\n"); err == nil {
		err = u.out.Decode(&c)
	}
	if err != nil {
		return c, fmt.Errorf("ask the upstream for its counts: %w", err)
	}
	return c, nil
}

func (u *upstream) stop() {
	_ = u.in.Close() // it ends with its input
	_ = u.command.Wait()
}

// reach leads a transport to the upstream under the provider's name, and changes nothing else of it.
func (u *upstream) reach() func(*http.Transport) *http.Transport {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	return func(t *http.Transport) *http.Transport {
		t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			if address != providerHost+":443" {
				return nil, fmt.Errorf("%s is not the provider", address)
			}
			return dialer.DialContext(ctx, network, u.ready.Address)
		}
		if t.TLSClientConfig == nil {
			t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		t.TLSClientConfig.RootCAs = u.roots
		return t
	}
}
