package main

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/tongbao-pay/tongbao/bench/tutorial"
	"github.com/tongbao-pay/tongbao/wechatpay"
)

const tutorialCommand = "tutorial"

// tutorialStart is the line that the tutorial's process reads.
type tutorialStart struct {
	Merchant    string `json:"merchant"` // keys, PEM
	Provider    string `json:"provider"`
	Upstream    string `json:"upstream"`
	Certificate []byte `json:"certificate"`
	Database    string `json:"database"`
	Redis       string `json:"redis"`
	Tuned       bool   `json:"tuned"`
}

// serveTutorial is the tutorial app in a process of its own. It writes its URL, and ends with its input.
func serveTutorial(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	in := bufio.NewReader(stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read what to serve: %w", err)
	}
	var begin tutorialStart
	if err := json.Unmarshal(line, &begin); err != nil {
		return fmt.Errorf("read what to serve: %w", err)
	}
	merchant, err := wechatpay.ParsePrivateKey([]byte(begin.Merchant))
	if err != nil {
		return err
	}
	provider, err := wechatpay.ParsePublicKey([]byte(begin.Provider))
	if err != nil {
		return err
	}
	certificate, err := x509.ParseCertificate(begin.Certificate)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	routes, err := tutorial.New(ctx, tutorial.Config{
		Merchant: tutorial.Merchant{
			MchID: mchID, AppID: appID, SerialNo: serialNo, APIv3Key: apiV3Key, PublicKeyID: publicKeyID, Private: merchant, Provider: provider,
		},
		NotifyURL: notifyURL, Database: begin.Database, Redis: begin.Redis, Tuned: begin.Tuned, Reach: reach(begin.Upstream, roots),
	})
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: routes, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	defer server.Close()
	fmt.Fprintf(stdout, "http://%s\n", listener.Addr())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, in) // until whoever started it ends
	}()
	select {
	case err := <-failed:
		return err
	case <-ended:
		return nil
	}
}

func startTutorial(database, redis string, tuned bool, p *parties, up *upstream) (*service, error) {
	merchant, err := privatePEM(p.merchant)
	if err != nil {
		return nil, err
	}
	provider, err := publicPEM(&p.provider.PublicKey)
	if err != nil {
		return nil, err
	}
	begin, err := json.Marshal(tutorialStart{
		Merchant: merchant, Provider: string(provider), Upstream: up.ready.Address, Certificate: up.ready.Certificate,
		Database: database, Redis: redis, Tuned: tuned,
	})
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.Command(self, tutorialCommand) //nolint:noctx // stop ends it, also when the run is cancelled
	in, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	started, err := start(command)
	if err != nil {
		return nil, err
	}
	s := &service{child: started, name: tutorialName, configured: "Gin, wechatpay-go, GORM, go-redis, as their documents show", shop: shopClient()}
	if tuned {
		s.name, s.configured = tutorialTunedName, "the same with 64 connections kept to PostgreSQL and 256 to the provider; on SQLite a synced write-ahead log and one connection"
	}
	if redis == "" {
		s.configured += "; without Redis, which is not installed"
	}
	_, err = in.Write(append(begin, '\n'))
	if err == nil {
		s.url, err = s.line(func(text string) bool { return strings.HasPrefix(text, "http://") })
	}
	if err != nil {
		s.stop(syscall.SIGKILL)
		return nil, errors.Join(err, errors.New(s.said.String()))
	}
	s.drain()
	s.order = func(i int64) (string, any) {
		return "/orders", map[string]any{"out_trade_no": fmt.Sprintf("bench%d", i), "amount": totalFen, "description": description}
	}
	s.door = func(string) string { return "/notify" }
	return s, nil
}

// startRedis is nil where Redis is not installed.
func startRedis(ctx context.Context, folder string) (*child, string, error) {
	path, _ := exec.LookPath("redis-server")
	if path == "" {
		return nil, "", nil
	}
	port, err := freePort(ctx)
	if err != nil {
		return nil, "", err
	}
	command := exec.CommandContext(context.WithoutCancel(ctx), path, "--bind", "127.0.0.1", "--port", fmt.Sprint(port), "--save", "", "--dir", folder)
	c, err := start(command)
	if err != nil {
		return nil, "", err
	}
	c.drain()
	address := fmt.Sprintf("127.0.0.1:%d", port)
	err = waitFor(ctx, "wait for Redis", func() error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	})
	if err != nil {
		c.stop(syscall.SIGTERM)
		return nil, "", err
	}
	return c, address, nil
}
