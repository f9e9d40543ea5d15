package notify_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/channel"
	"github.com/tongbao-pay/tongbao/internal/notify"
	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/pgtest"
	"github.com/tongbao-pay/tongbao/internal/store"
	"github.com/tongbao-pay/tongbao/sandbox"
	"github.com/tongbao-pay/tongbao/wechatpay"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// provider is a sandbox with the keys with which it signs, so that a test can send what a provider never would.
type provider struct {
	sandbox  *sandbox.Sandbox
	platform *rsa.PrivateKey
	public   *rsa.PrivateKey
}

func startProvider(t testing.TB) *provider {
	t.Helper()
	const free = "127.0.0.1:0"
	s, err := sandbox.Open(sandbox.Config{Listen: free, Backup: free, Control: free, Phone: free})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("sandbox: %v", err)
		}
	})
	p := &provider{sandbox: s}
	for file, key := range map[string]**rsa.PrivateKey{"provider/wechatpay_key.pem": &p.platform, "provider/wechatpay_pub_private_key.pem": &p.public} {
		if *key, err = wechatpay.ParsePrivateKey(s.Credentials().PEM(file)); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// bundle is the door of a gateway with one pending payment of 1,000 fen.
type bundle struct {
	t        testing.TB
	provider *provider
	store    *store.Store
	payments *payment.Service
	door     http.Handler
	heard    *results
	log      *bytes.Buffer
	p        *payment.Payment

	mu  sync.Mutex
	now time.Time
}

// results is an observer.
type results struct {
	mu  sync.Mutex
	all map[string]int

	inFlight int
}

func (r *results) Notified(_ context.Context, _ payment.Channel, result string, _ time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all[result]++
}

func (r *results) NotificationsInFlight(change int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inFlight += change
}

// inHouse is how many notifications are taken in and not answered.
func (r *results) inHouse() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.inFlight
}

func (r *results) count(result string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all[result]
}

// ChannelAccounts makes the bundle the source of its two accounts: the sandbox's merchant, and one that shares
// everything with it but the APIv3 key.
func (b *bundle) ChannelAccounts(context.Context) ([]channel.Account, error) {
	c := b.provider.sandbox.Credentials()
	w := c.WeChatPay
	settings, err := json.Marshal(channel.WeChatSettings{
		MchID: w.MchID, AppID: w.AppID, MerchantSerialNo: w.MerchantSerialNo, PublicKeyID: w.PublicKeyID, PublicKey: string(c.PEM(w.PublicKeyFile)),
		PlatformCertificates: true, BaseURL: w.BaseURL,
	})
	if err != nil {
		return nil, err
	}
	var all []channel.Account
	for id, key := range map[string]string{"main": w.APIv3Key, "other": "another-merchants-key-0123456789"} {
		secrets, err := json.Marshal(channel.WeChatSecrets{PrivateKey: string(c.PEM(w.MerchantPrivateKeyFile)), APIv3Key: key})
		if err != nil {
			return nil, err
		}
		all = append(all, channel.Account{ID: id, Channel: payment.WeChat, Settings: settings, Secrets: secrets})
	}
	return all, nil
}

func newBundle(t testing.TB, p *provider, s *store.Store) *bundle {
	t.Helper()
	b := &bundle{t: t, provider: p, store: s, heard: &results{all: map[string]int{}}, log: &bytes.Buffer{}, now: time.Now()}
	s.UseQueue(noJobs{})
	registry := channel.New(channel.Config{Source: b, PublicURL: "http://127.0.0.1:1", Now: b.clock})
	b.payments = payment.New(payment.Config{Store: s, Providers: registry, Now: time.Now})
	b.door = notify.New(notify.Config{Doors: registry, Payments: b.payments, Observer: b.heard, Logger: slog.New(slog.NewTextHandler(b.log, nil))})
	b.p = b.order("order")
	return b
}

type noJobs struct{}

func (noJobs) EnqueueTx(context.Context, *store.Tx, []store.Job) error { return nil }

func (b *bundle) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bundle) setClock(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = now
}

func (b *bundle) order(outTradeNo string) *payment.Payment {
	b.t.Helper()
	created, err := b.payments.Create(b.t.Context(), payment.Applicant{AppID: "app", LatePolicy: payment.LateRefund}, payment.CreateRequest{
		OutTradeNo: outTradeNo, Amount: 1000, Description: "coffee", Channel: payment.WeChat, Product: payment.Native, Account: "main",
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return created.Payment
}

// object is JSON.
type object = map[string]any

// paid is the content of a true notification about the payment.
func (b *bundle) paid(p *payment.Payment) object {
	w := b.provider.sandbox.Credentials().WeChatPay
	return object{
		"mchid": w.MchID, "appid": w.AppID, "out_trade_no": p.Current().TradeNo, "transaction_id": "42000" + p.Current().TradeNo[:20], "trade_type": "NATIVE",
		"trade_state": "SUCCESS", "trade_state_desc": "支付成功", "bank_type": "OTHERS", "attach": "", "success_time": time.Now().Format(time.RFC3339),
		"payer": object{"openid": w.OpenID}, "amount": object{"total": 1000, "payer_total": 1000, "currency": "CNY", "payer_currency": "CNY"},
	}
}

// message is a notification on its way, open to change before and after it is signed.
type message struct {
	id, eventType, originalType string
	content                     object
	apiV3Key, nonce             string
	account                     string
	at                          time.Time
	serial                      string
	key                         *rsa.PrivateKey
	edit                        func(envelope object)        // before it is signed
	tamper                      func(r *http.Request) []byte // after: returns the body to send, nil for the signed one
}

func (b *bundle) message(id string) message {
	w := b.provider.sandbox.Credentials().WeChatPay
	return message{
		id: id, eventType: "TRANSACTION.SUCCESS", originalType: "transaction", content: b.paid(b.p), apiV3Key: w.APIv3Key, nonce: rand.Text()[:12], account: "main",
		at: b.clock(), serial: w.PublicKeyID, key: b.provider.public,
	}
}

func (b *bundle) request(m message) *http.Request {
	b.t.Helper()
	plaintext, err := json.Marshal(m.content)
	if err != nil {
		b.t.Fatal(err)
	}
	block, err := aes.NewCipher([]byte(m.apiV3Key))
	if err != nil {
		b.t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		b.t.Fatal(err)
	}
	envelope := object{
		"id": m.id, "create_time": m.at.Format(time.RFC3339), "resource_type": "encrypt-resource", "event_type": m.eventType, "summary": "支付成功",
		"resource": object{
			"algorithm": "AEAD_AES_256_GCM", "original_type": m.originalType, "associated_data": m.originalType, "nonce": m.nonce,
			"ciphertext": base64.StdEncoding.EncodeToString(gcm.Seal(nil, []byte(m.nonce), plaintext, []byte(m.originalType))),
		},
	}
	if m.edit != nil {
		m.edit(envelope)
	}
	body, err := json.Marshal(envelope)
	if err != nil {
		b.t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(b.t.Context(), http.MethodPost, "/notify/wechat/"+m.account, nil)
	timestamp, nonce := strconv.FormatInt(m.at.Unix(), 10), rand.Text()
	digest := sha256.Sum256([]byte(timestamp + "\n" + nonce + "\n" + string(body) + "\n"))
	signature, err := rsa.SignPKCS1v15(nil, m.key, crypto.SHA256, digest[:])
	if err != nil {
		b.t.Fatal(err)
	}
	maps.Copy(r.Header, http.Header{
		"Wechatpay-Timestamp": {timestamp}, "Wechatpay-Nonce": {nonce}, "Wechatpay-Serial": {m.serial}, "Content-Type": {"application/json"},
		"Wechatpay-Signature": {base64.StdEncoding.EncodeToString(signature)}, "Wechatpay-Signature-Type": {"WECHATPAY2-SHA256-RSA2048"},
	})
	if m.tamper != nil {
		original := body
		r.Body = http.NoBody
		if changed := m.tamper(withBody(r, original)); changed != nil {
			body = changed
		}
	}
	return withBody(r, body)
}

func withBody(r *http.Request, body []byte) *http.Request {
	fresh := httptest.NewRequest(r.Method, r.URL.String(), bytes.NewReader(body)).WithContext(r.Context())
	fresh.Header = r.Header
	return fresh
}

func (b *bundle) send(r *http.Request) int {
	answer := httptest.NewRecorder()
	b.door.ServeHTTP(answer, r)
	return answer.Code
}

// rows counts what notifications leave behind.
func (b *bundle) rows(table string) (n int) {
	b.t.Helper()
	query := `SELECT COUNT(*) FROM ` + table
	var err error
	if pool := b.store.Postgres(); pool != nil {
		err = pool.QueryRow(b.t.Context(), query).Scan(&n)
	} else {
		err = b.store.SQLite().QueryRowContext(b.t.Context(), query).Scan(&n)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

func (b *bundle) status(p *payment.Payment) payment.Status {
	b.t.Helper()
	got, err := b.payments.Payment(b.t.Context(), "app", p.ID)
	if err != nil {
		b.t.Fatal(err)
	}
	return got.Status
}

// refuses wants a notification to be answered with the status, and nothing to have changed.
func (b *bundle) refuses(r *http.Request, status int) {
	b.t.Helper()
	notices, reviews, before := b.rows("notices"), b.rows("reviews"), b.heard.count("refused")
	if got := b.send(r); got != status {
		b.t.Errorf("answered %d, want %d", got, status)
	}
	if b.rows("notices") != notices || b.rows("reviews") != reviews || b.status(b.p) != payment.Pending {
		b.t.Error("a refused notification left something behind")
	}
	if b.heard.count("refused") != before+1 {
		b.t.Error("the refusal was not counted")
	}
	if !bytes.Contains(b.log.Bytes(), []byte("reason=")) {
		b.t.Errorf("the reason is not logged: %s", b.log)
	}
	b.log.Reset()
}

// holds wants a notification to be stored and acknowledged, a review to be open, and the payment not to have moved.
func (b *bundle) holds(m message, kind payment.ReviewKind) {
	b.t.Helper()
	notices := b.rows("notices")
	if got := b.send(b.request(m)); got != http.StatusNoContent {
		b.t.Fatalf("answered %d, want 204", got)
	}
	if b.rows("notices") != notices+1 || b.status(b.p) != payment.Pending || b.heard.count("held") == 0 {
		b.t.Errorf("%d notices, payment %s, heard %v", b.rows("notices"), b.status(b.p), b.heard.all)
	}
	open, err := b.store.OpenReviews(b.t.Context())
	if err != nil || open[kind] == 0 {
		b.t.Errorf("open reviews %v (%v), want %s", open, err, kind)
	}
}

// applies wants a notification to move the payment.
func (b *bundle) applies(m message) {
	b.t.Helper()
	if got := b.send(b.request(m)); got != http.StatusNoContent || b.status(b.p) != payment.Succeeded {
		b.t.Fatalf("answered %d, payment %s; log: %s", got, b.status(b.p), b.log)
	}
}
