package journeys_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/client"
	"github.com/tongbao-pay/tongbao/internal/config"
	"github.com/tongbao-pay/tongbao/internal/server"
	"github.com/tongbao-pay/tongbao/internal/store"
	"github.com/tongbao-pay/tongbao/sandbox"
	"github.com/tongbao-pay/tongbao/sandbox/control"
)

// The apps that every gateway of a journey has; they differ by what happens to late money, and by how they must call.
const (
	shopApp   = "shop"   // gives late money back
	keeperApp = "keeper" // takes it all the same
	askerApp  = "asker"  // asks a person
	signerApp = "signer" // must sign its requests
	accountID = "wechat-main"
)

// world is what a journey happens in: the provider, a gateway, and an app with its webhook endpoint.
type world struct {
	t        *testing.T
	engine   engine
	config   config.Config
	sandbox  *sandbox.Sandbox
	provider provider
	gateway  *gateway       // in this process; nil where it is a process of its own
	store    *store.Store   // the gateway's database
	client   *client.Client // the shop's; it repeats by itself
	once     *client.Client // the shop's; it shows every answer
	inbox    *inbox         // the shop's
	front    *front         // before whoever a fault is to happen to; nil in most journeys
}

// gateway is a server that is serving.
type gateway struct {
	*server.Server
	stop func()
}

// open makes a world; change alters the gateway before it opens.
func open(t *testing.T, e engine, change ...func(*server.Options)) *world {
	t.Helper()
	w := openProvider(t, e)
	w.config = w.configure(w.engine.database(t), anyPort)
	w.gateway = w.serve(change...)
	w.store = w.gateway.Store
	w.client, w.once = w.clientOf(shopApp, 0), w.clientOf(shopApp, 1)
	w.inbox = openInbox(t, w.client)
	return w
}

// openProvider makes a world without a gateway.
func openProvider(t *testing.T, e engine) *world {
	t.Helper()
	w := &world{t: t, engine: e}
	var err error
	if w.sandbox, err = sandbox.Open(sandboxConfig(prepared.sandboxDir(t))); err != nil {
		t.Fatal(err)
	}
	w.provider = provider{t: t, Client: control.Client{URL: w.sandbox.ControlURL(), HTTP: http.DefaultClient}}
	w.background("sandbox", w.sandbox.Serve)
	return w
}

// background runs serve until the end of the test, or until the returned function is called.
func (w *world) background(name string, serve func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	served := make(chan error, 1)
	go func() { served <- serve(ctx) }()
	stopped := false
	stop = func() {
		w.t.Helper()
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-served; err != nil {
			w.t.Errorf("%s: %v", name, err)
		}
	}
	w.t.Cleanup(stop)
	return stop
}

const anyPort = "127.0.0.1:0"

// configure writes the gateway's configuration as a merchant would, and reads it. Its master key is in the same folder.
func (w *world) configure(dsn, listen string) config.Config {
	w.t.Helper()
	c, err := config.Load(w.configurationFile(dsn, listen), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) configurationFile(dsn, listen string) (path string) {
	w.t.Helper()
	dir := w.t.TempDir()
	key := make([]byte, 32)
	rand.Read(key)
	credentials := w.sandbox.Credentials()
	p := credentials.WeChatPay
	text := fmt.Sprintf(configuration, listen, anyPort, dsn, shopApp, keeperApp, askerApp, signerApp, accountID,
		p.MchID, p.AppID, p.MerchantSerialNo, credentials.Path(p.MerchantPrivateKeyFile), p.APIv3Key,
		p.PublicKeyID, credentials.Path(p.PublicKeyFile), p.BaseURL, p.BackupURL)
	for name, content := range map[string]string{"tongbao.yaml": text, "master.key": base64.StdEncoding.EncodeToString(key) + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	return filepath.Join(dir, "tongbao.yaml")
}

const configuration = `listen: %q
admin_listen: %q
database: %q
master_key_file: master.key
log: {level: debug, format: json}
webhooks:
  allow_private: ["127.0.0.0/8"]
shutdown: {delay: 0s, timeout: 10s}
apps:
  - {id: %q, late_payment: refund}
  - {id: %q, late_payment: accept}
  - {id: %q, late_payment: review}
  - {id: %q, require_signature: true}
accounts:
  - id: %q
    channel: wechat
    mchid: %q
    appid: %q
    merchant_serial_no: %q
    private_key_file: %q
    api_v3_key: %q
    public_key_id: %q
    public_key_file: %q
    platform_certificates: true
    base_url: %q
    backup_url: %q
`

// serve starts a gateway on the world's configuration.
func (w *world) serve(change ...func(*server.Options)) *gateway {
	w.t.Helper()
	log := &lines{}
	o := server.Options{Config: w.config, Version: "journey", Logger: server.NewLogger(log, config.Log{Level: "warn", Format: "text"})}
	for _, c := range change {
		c(&o)
	}
	s, err := server.Open(w.t.Context(), o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if w.t.Failed() {
			w.t.Logf("the gateway's warnings:\n%s", log)
		}
	})
	return &gateway{Server: s, stop: w.background("gateway", s.Serve)}
}

// clientOf is a client with a new key of the app; tries as in [client.Config].
func (w *world) clientOf(app string, tries int) *client.Client {
	w.t.Helper()
	_, secret := w.key(app)
	return w.newClient(client.Config{APIKey: secret, Tries: tries})
}

func (w *world) key(app string) (id string, secret client.Secret) {
	w.t.Helper()
	key, text, err := w.gateway.Access.CreateKey(w.t.Context(), app, time.Time{})
	if err != nil {
		w.t.Fatal(err)
	}
	return key.ID, client.Secret(text.Reveal())
}

// newClient is a client of the world's gateway.
func (w *world) newClient(c client.Config) *client.Client {
	w.t.Helper()
	if c.BaseURL == "" {
		c.BaseURL = w.gateway.URL()
	}
	made, err := client.New(c)
	if err != nil {
		w.t.Fatal(err)
	}
	return made
}

// number is a new number of an app's.
func number(prefix string) string { return prefix + "-" + strings.ToLower(rand.Text()[:16]) }

// order is a request for a native payment.
func order(amount int64) client.CreatePayment {
	return client.CreatePayment{OutTradeNo: number("order"), Amount: amount, Description: "通宝茶 Tongbao tea", Channel: "wechat", Product: "native"}
}

// create places a native payment that waits for its payer.
func (w *world) create(amount int64) *client.Payment {
	w.t.Helper()
	p, err := w.client.CreatePayment(w.t.Context(), order(amount))
	if err != nil {
		w.t.Fatal(err)
	}
	if p.Status != client.PaymentPending || p.Credential == nil || p.Credential.CodeURL == "" {
		w.t.Fatalf("the new payment is %s with credential %v", p.Status, p.Credential)
	}
	return p
}

// paid creates a native payment and sees it through to the webhook that tells of its success.
func (w *world) paid(amount int64) *client.Payment {
	w.t.Helper()
	p := w.create(amount)
	w.provider.pays(p.TradeNo)
	w.inbox.wait(client.EventPaymentSucceeded, p.ID)
	return w.show(p.ID, client.PaymentSucceeded)
}

// show asks the API for a payment, which must have the status.
func (w *world) show(id, status string) *client.Payment {
	w.t.Helper()
	p, err := w.client.Payment(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	if p.Status != status {
		w.t.Fatalf("payment %s is %s, want %s", id, p.Status, status)
	}
	return p
}

// refund asks for a part of a payment, which the provider accepts.
func (w *world) refund(p *client.Payment, amount int64) *client.Refund {
	w.t.Helper()
	r, err := w.client.CreateRefund(w.t.Context(), client.CreateRefund{PaymentID: p.ID, OutRefundNo: number("refund"), Amount: amount, Reason: "too much tea"})
	if err != nil {
		w.t.Fatal(err)
	}
	if r.Status != client.RefundProcessing {
		w.t.Fatalf("the new refund is %s, want processing", r.Status)
	}
	return r
}

// settled moves the provider's clock until the refund is through and its webhook has come.
func (w *world) settled(r *client.Refund) {
	w.t.Helper()
	w.provider.advance(refundSettles)
	w.inbox.wait(client.EventRefundSucceeded, r.ID)
}

// eventually asks until there is no error, for as long as patience lasts.
func eventually(t *testing.T, ask func() error) {
	t.Helper()
	if err := until(t.Context(), ask); err != nil {
		t.Fatal(err)
	}
}

// until is eventually for goroutines, which must not end a test.
func until(ctx context.Context, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("still not after %s: %w", patience, err)
		case <-tick.C:
		}
	}
}

// lines is a log that many write and a test reads.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
