package shop

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/client"
)

const webhookSecret = "whsec_c2hvcC10ZXN0LXNlY3JldC0wMTIzNDU2Nzg5"

// bundle is a shop before a fake gateway, with a clock that tests move.
type bundle struct {
	t       *testing.T
	shop    *Shop
	gateway *fakeGateway
	log     *lockedBuffer

	mu  sync.Mutex
	now time.Time
}

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{t: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), log: &lockedBuffer{}}
	b.gateway = newFakeGateway(t, b.clock)
	gateway, err := client.New(client.Config{BaseURL: b.gateway.server.URL, APIKey: "sk_test", Tries: 1})
	if err != nil {
		t.Fatal(err)
	}
	b.shop, err = New(Config{
		Gateway: gateway, WebhookSecret: webhookSecret, Now: b.clock,
		PhoneURL:   func(code string) string { return "http://phone.test/pay?code_url=" + url.QueryEscape(code) },
		SandboxURL: "http://phone.test/", DocsURL: "http://gateway.test/docs",
		Logger: slog.New(slog.NewTextHandler(b.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bundle) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bundle) advance(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

func (b *bundle) get(path string) *httptest.ResponseRecorder {
	b.t.Helper()
	w := httptest.NewRecorder()
	b.shop.ServeHTTP(w, httptest.NewRequestWithContext(b.t.Context(), http.MethodGet, path, http.NoBody))
	return w
}

// page is a page that must be there.
func (b *bundle) page(path string) string {
	b.t.Helper()
	w := b.get(path)
	if w.Code != http.StatusOK {
		b.t.Fatalf("GET %s: %d", path, w.Code)
	}
	return w.Body.String()
}

// press sends a form as a browser on the shop's own page does.
func (b *bundle) press(path string, form url.Values) *httptest.ResponseRecorder {
	b.t.Helper()
	r := httptest.NewRequestWithContext(b.t.Context(), http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	w := httptest.NewRecorder()
	b.shop.ServeHTTP(w, r)
	return w
}

// pressed presses what must lead back to the order's page.
func (b *bundle) pressed(path string, form url.Values) string {
	b.t.Helper()
	w := b.press(path, form)
	if w.Code != http.StatusSeeOther {
		b.t.Fatalf("POST %s: %d %s", path, w.Code, w.Body)
	}
	return w.Header().Get("Location")
}

// buy orders a product and returns the order's number.
func (b *bundle) buy(product string) (no string) {
	b.t.Helper()
	return strings.TrimPrefix(b.pressed("/orders", url.Values{"product": {product}}), "/orders/")
}

// paid is an order of tea that the payer has paid.
func (b *bundle) paid() (no string) {
	b.t.Helper()
	no = b.buy("tea")
	b.event("evt_paid_"+no, client.EventPaymentSucceeded, 2, b.succeeded(no))
	return no
}

func (b *bundle) succeeded(no string) object {
	return with(b.gateway.payment(no), object{
		"status": "succeeded", "amount_paid": 88, "transaction_id": "4200001234",
		"paid_at": b.clock().Truncate(time.Second).Format(time.RFC3339), "credential": nil,
	})
}

// refunded is a refund of the order that arrived.
func (b *bundle) refunded(no string, changes object) object {
	return with(object{
		"id": "rfd_1", "object": "refund", "app_id": "shop", "payment_id": b.gateway.payment(no)["id"], "out_refund_no": no + "-r1", "refund_no": "R1",
		"status": "succeeded", "amount": 44, "currency": "CNY", "created_at": b.clock().Format(time.RFC3339), "succeeded_at": b.clock().Format(time.RFC3339),
	}, changes)
}

// event delivers a signed webhook and fails unless it is accepted.
func (b *bundle) event(id, eventType string, sequence int64, resource object) {
	b.t.Helper()
	if w := b.webhook(b.signed(id, eventType, sequence, resource)); w.Code != http.StatusNoContent {
		b.t.Fatalf("webhook %s was answered %d %s", id, w.Code, w.Body)
	}
}

func (b *bundle) webhook(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	b.shop.ServeHTTP(w, r)
	return w
}

func (b *bundle) signed(id, eventType string, sequence int64, resource object) *http.Request {
	b.t.Helper()
	body, err := json.Marshal(object{
		"id": id, "type": eventType, "created_at": b.clock().Add(-30 * time.Millisecond).Format(time.RFC3339Nano), "sequence": sequence,
		"data": object{"object": resource},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return b.sign(id, body)
}

// sign signs a body by the Standard Webhooks specification ("Signature scheme").
func (b *bundle) sign(id string, body []byte) *http.Request {
	b.t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(webhookSecret, "whsec_"))
	if err != nil {
		b.t.Fatal(err)
	}
	timestamp := strconv.FormatInt(b.clock().Unix(), 10)
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, timestamp, body)
	r := httptest.NewRequestWithContext(b.t.Context(), http.MethodPost, "/webhooks", bytes.NewReader(body))
	r.Header.Set("Webhook-Id", id)
	r.Header.Set("Webhook-Timestamp", timestamp)
	r.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return r
}

var stateAttribute = regexp.MustCompile(`data-state="(\w+)" data-title`)

// state is the order's state as its page says it.
func (b *bundle) state(no string) string {
	b.t.Helper()
	m := stateAttribute.FindStringSubmatch(b.page("/orders/" + no))
	if m == nil {
		b.t.Fatal("the page says no state")
	}
	return m[1]
}

func (b *bundle) wantState(no, want string) {
	b.t.Helper()
	if got := b.state(no); got != want {
		b.t.Fatalf("the order is %s, not %s", got, want)
	}
}

func shows(t *testing.T, page string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(page, text) {
			t.Errorf("the page does not show %q:\n%s", text, page)
		}
	}
}

func hides(t *testing.T, page string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(page, text) {
			t.Errorf("the page shows %q", text)
		}
	}
}

// lockedBuffer is a log that tests read while handlers write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
