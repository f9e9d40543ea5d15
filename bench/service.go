package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// service is a payment service under measurement, as the shops and the provider see it.
type service struct {
	*child

	name, configured string
	url              string
	shop             *http.Client
	header           http.Header // of what shops send
	// order is the i-th order of this run: where it is posted and what.
	order func(i int64) (path string, body any)
	// door is where the provider sends a merchant's notifications.
	door func(mchID string) string

	placed int64 // orders
}

// The names in the table.
const (
	gatewayName       = "tongbao"
	acceleratedName   = "tongbao, boringcrypto"
	tutorialName      = "tutorial"
	tutorialTunedName = "tutorial, tuned"
)

// accounts is how many merchant accounts the gateway has. It keeps each below the rate that the provider allows a merchant,
// 500 orders a second, which is not what is measured here.
const accounts = 3

func merchantNumber(account int) string { return fmt.Sprint(1900009191 + account) }

// program builds the gateway as its users do, and with an accelerated RSA.
func program(ctx context.Context, folder string, accelerated bool) (string, error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/tongbao-pay/tongbao").Output()
	if err != nil {
		return "", fmt.Errorf("find the gateway's module; run this in the folder bench: %w", err)
	}
	path := filepath.Join(folder, "tongbao")
	build := exec.CommandContext(ctx, "go", "build", "-o", path, "./cmd/tongbao")
	build.Dir = strings.TrimSpace(string(root))
	if accelerated {
		build.Env = append(os.Environ(), "CGO_ENABLED=1", "GOEXPERIMENT=boringcrypto")
	}
	if said, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the gateway: %w\n%s", err, said)
	}
	return path, nil
}

var (
	servedAt = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)
	firstKey = regexp.MustCompile(`sk_\S+`)
)

// startGateway runs `tongbao serve` in a folder of its own.
func startGateway(ctx context.Context, name, program, folder, database string, p *parties, up *upstream) (*service, error) {
	if err := writeGatewayFiles(folder, p, up); err != nil {
		return nil, err
	}
	command := exec.CommandContext(context.WithoutCancel(ctx), program, "serve", "--config", filepath.Join(folder, "tongbao.yaml"))
	command.Dir = folder
	command.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + folder, "SSL_CERT_FILE=" + filepath.Join(folder, "provider.pem"),
		"TONGBAO_DATABASE=" + database, "TONGBAO_MASTER_KEY=" + masterKey(),
	}
	started, err := start(command)
	if err != nil {
		return nil, err
	}
	s := &service{child: started, name: name, configured: "tongbao serve, as it comes", shop: shopClient()}
	if err := s.introduce(ctx); err != nil {
		s.stop(syscall.SIGTERM)
		return nil, fmt.Errorf("%w: %s", err, s.said)
	}
	s.order = func(i int64) (string, any) {
		return "/v1/payments", map[string]any{
			"out_trade_no": fmt.Sprintf("bench-%d", i), "amount": totalFen, "description": description,
			"channel": "wechat", "product": "native", "account": fmt.Sprintf("wechat-%d", i%accounts),
		}
	}
	s.door = func(mchID string) string {
		for i := range accounts {
			if merchantNumber(i) == mchID {
				return fmt.Sprintf("/notify/wechat/wechat-%d", i)
			}
		}
		return ""
	}
	return s, nil
}

func masterKey() string {
	var key [32]byte
	_, _ = rand.Read(key[:]) // it never fails
	return base64.StdEncoding.EncodeToString(key[:])
}

// introduce reads what a first start prints.
func (s *service) introduce(ctx context.Context) error {
	key, err := s.line(firstKey.MatchString)
	if err != nil {
		return err
	}
	url, err := s.line(servedAt.MatchString)
	if err != nil {
		return err
	}
	s.drain()
	s.url, s.header = servedAt.FindString(url), http.Header{"Authorization": {"Bearer " + firstKey.FindString(key)}}
	return waitFor(ctx, "wait for the gateway", func() error { return s.send(ctx, http.MethodGet, "/readyz", nil, nil) })
}

func writeGatewayFiles(folder string, p *parties, up *upstream) error {
	private, err := privatePEM(p.merchant)
	if err != nil {
		return err
	}
	public, err := publicPEM(&p.provider.PublicKey)
	if err != nil {
		return err
	}
	var text strings.Builder
	text.WriteString("listen: 127.0.0.1:0\nadmin_listen: 127.0.0.1:0\nshutdown: {delay: 0s, timeout: 10s}\nwebhooks: {allow_private: [127.0.0.0/8]}\naccounts:\n")
	for i := range accounts {
		fmt.Fprintf(&text, "  - {id: wechat-%d, channel: wechat, mchid: %q, appid: %s, merchant_serial_no: %q, private_key_file: merchant.pem, "+
			"api_v3_key: %s, public_key_id: %s, public_key_file: public.pem, base_url: %q}\n",
			i, merchantNumber(i), appID, serialNo, apiV3Key, publicKeyID, "https://"+up.ready.Address)
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: up.ready.Certificate})
	for name, content := range map[string]string{
		"tongbao.yaml": text.String(), "merchant.pem": private, "public.pem": string(public), "provider.pem": string(certificate),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// shopClient keeps as many connections as there are callers.
func shopClient() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1024}, Timeout: time.Minute}
}

// createNext places the next order. The answer must have a code to show.
func (s *service) createNext(ctx context.Context, i int64) error {
	path, content := s.order(i)
	body, err := json.Marshal(content)
	if err != nil {
		return err
	}
	var answer bytes.Buffer
	if err := s.send(ctx, http.MethodPost, path, body, &answer); err != nil {
		return err
	}
	if !bytes.Contains(answer.Bytes(), []byte("weixin://wxpay/bizpayurl")) {
		return fmt.Errorf("an order without a code: %s", answer.Bytes())
	}
	return nil
}

// send is for what succeeds with a 2xx.
func (s *service) send(ctx context.Context, method, path string, body []byte, answer io.Writer) error {
	r, err := http.NewRequestWithContext(ctx, method, s.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	maps.Copy(r.Header, s.header)
	return s.exchange(r, answer)
}

// notify sends a notification as the provider does.
func (s *service) notify(ctx context.Context, n notice) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+s.door(n.mchID), strings.NewReader(n.signed.body))
	if err != nil {
		return err
	}
	r.Header = n.signed.header.Clone()
	return s.exchange(r, nil)
}

func (s *service) exchange(r *http.Request, answer io.Writer) error {
	response, err := s.shop.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		text, err := io.ReadAll(io.LimitReader(response.Body, 500))
		return errors.Join(fmt.Errorf("%s %s: %s: %s", r.Method, r.URL.Path, response.Status, text), err)
	}
	if answer == nil {
		answer = io.Discard
	}
	_, err = io.Copy(answer, response.Body)
	return err
}
