package api_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/client"
	"github.com/tongbao-pay/tongbao/internal/access"
	"github.com/tongbao-pay/tongbao/internal/api"
	"github.com/tongbao-pay/tongbao/internal/idempotency/idempotencytest"
	"github.com/tongbao-pay/tongbao/internal/secret"
)

// testBundle is the face on fakes, served over HTTP, with two apps' keys.
type testBundle struct {
	url      string
	handler  http.Handler
	domain   *domain
	lists    *lists
	hooks    *hooks
	keyring  *keyring
	limiter  *limiter
	access   *access.Service
	answers  *idempotencytest.Memory
	key      access.Key
	secret   string // of the shop's key
	stranger string // of another app's key
	now      *clock
	log      *logbook
}

// clock stands until it is moved.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// logbook keeps what was logged.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func setup(t testing.TB) *testBundle {
	t.Helper()
	b := &testBundle{now: &clock{at: time.Date(2026, 1, 31, 2, 0, 0, 0, time.UTC)}, log: &logbook{}, answers: &idempotencytest.Memory{}}
	b.domain = &domain{now: b.now.Now}
	b.lists = &lists{now: b.now.Now, items: 3}
	b.hooks = &hooks{now: b.now.Now, items: 3}
	b.limiter = &limiter{}
	b.keyring = &keyring{apps: map[string]access.App{}, keys: map[string]access.Key{}, nonces: map[string]bool{}}

	masterKey, err := secret.LoadMasterKey(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32)))
	check(t, err)
	sealer, err := secret.Open(t.Context(), &keyset{}, masterKey)
	check(t, err)
	b.access, err = access.New(access.Config{Store: b.keyring, Sealer: sealer, Now: b.now.Now})
	check(t, err)
	b.key, b.secret = b.newKey(t, shop)
	_, b.stranger = b.newKey(t, "other")

	handler, err := api.New(api.Config{
		Limiter:  b.limiter,
		Payments: b.domain, Lists: b.lists, Webhooks: b.hooks, Authenticator: b.access, Idempotency: b.answers, Sealer: sealer,
		Logger: slog.New(slog.NewJSONHandler(b.log, nil)), Now: b.now.Now,
	})
	check(t, err)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	b.url, b.handler = server.URL, handler
	return b
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (b *testBundle) newKey(t testing.TB, app string) (access.Key, string) {
	t.Helper()
	if _, err := b.access.PutApp(t.Context(), app, access.AppSettings{}); err != nil {
		t.Fatal(err)
	}
	key, text, err := b.access.CreateKey(t.Context(), app, time.Time{})
	check(t, err)
	return key, text.Reveal()
}

func (b *testBundle) client(t testing.TB) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{BaseURL: b.url, APIKey: client.Secret(b.secret), Tries: 1})
	check(t, err)
	return c
}

// answer is a response, read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) problem(t testing.TB) api.Problem {
	t.Helper()
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type is %q, not that of a problem", got)
	}
	var p api.Problem
	if err := json.Unmarshal(a.body, &p); err != nil {
		t.Fatalf("the problem is no JSON: %v\n%s", err, a.body)
	}
	if p.Status != a.status || p.Code == "" || p.Title == "" || p.Detail == "" || p.RequestID == "" || p.RequestID != a.header.Get("X-Request-Id") {
		t.Errorf("the problem is not complete: status %d\n%s", a.status, a.body)
	}
	return p
}

// locations are where the problem's mistakes lie.
func (a answer) locations(t testing.TB) string {
	t.Helper()
	var l []string
	for _, f := range a.problem(t).Errors {
		l = append(l, f.Location)
	}
	return strings.Join(l, " ")
}

// send makes a request as the shop, unless edit says otherwise.
func (b *testBundle) send(t testing.TB, method, target, body string, edit ...func(*http.Request)) answer {
	t.Helper()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, b.url+target, content)
	check(t, err)
	r.Header.Set("Authorization", "Bearer "+b.secret)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, e := range edit {
		e(r)
	}
	w, err := http.DefaultClient.Do(r)
	check(t, err)
	defer w.Body.Close()
	content2, err := io.ReadAll(w.Body)
	check(t, err)
	return answer{status: w.StatusCode, header: w.Header, body: content2}
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

const goodPayment = `{"out_trade_no":"order-1","amount":8800,"description":"noodles","channel":"wechat","product":"native"}`

func TestNewNamesEverythingThatIsMissing(t *testing.T) {
	t.Parallel()
	_, err := api.New(api.Config{})
	if err == nil {
		t.Fatal("an empty configuration was accepted")
	}
	for _, name := range []string{"Payments", "Lists", "Webhooks", "Authenticator", "Idempotency", "Sealer", "Limiter"} {
		if !strings.Contains(err.Error(), "Config."+name) {
			t.Errorf("%s is not named in: %v", name, err)
		}
	}
}

func TestEveryAnswer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, a := range map[string]answer{
		"success": b.send(t, "GET", "/v1/payments/"+paymentID, ""),
		"refusal": b.send(t, "GET", "/v1/payments/pay_nobody", ""),
		"nowhere": b.send(t, "GET", "/elsewhere", ""),
	} {
		t.Run("IsNotStoredNorFramedNorSniffed/"+name, func(t *testing.T) {
			for header, want := range map[string]string{
				"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
				"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
			} {
				if got := a.header.Get(header); got != want {
					t.Errorf("%s is %q, want %q", header, got, want)
				}
			}
			if a.header.Get("X-Request-Id") == "" {
				t.Error("there is no X-Request-Id")
			}
		})
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	b := setup(t)
	t.Run("OfTheCallerIsKept", func(t *testing.T) {
		a := b.send(t, "GET", "/v1/payments/nobody", "", header("X-Request-Id", "trace-0123456789"))
		if got := a.problem(t).RequestID; got != "trace-0123456789" {
			t.Errorf("it is %q", got)
		}
		if !strings.Contains(b.log.String(), `"request_id":"trace-0123456789"`) {
			t.Error("the log does not have it")
		}
	})
	for _, bad := range []string{"short", "with space in it", `quote"and{brace`, strings.Repeat("x", 129)} {
		t.Run("ThatIsNotPlainIsReplaced", func(t *testing.T) {
			a := b.send(t, "GET", "/v1/payments/nobody", "", header("X-Request-Id", bad))
			if got := a.problem(t).RequestID; !strings.HasPrefix(got, "req_") {
				t.Errorf("it is %q", got)
			}
		})
	}
}

func TestLog(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.send(t, "POST", "/v1/payments?card=6222-hidden", goodPayment)
	b.send(t, "POST", "/v1/payments", strings.Replace(goodPayment, "noodles", "private-words", 1), header("Idempotency-Key", "key-hidden"))
	b.send(t, "GET", "/v1/payments", "", header("Authorization", "Bearer sk_hidden"))
	log := b.log.String()
	t.Run("HasNoSecretsNorBodiesNorQueryValues", func(t *testing.T) {
		for _, word := range []string{b.secret, "hidden", "private-words", "noodles"} {
			if strings.Contains(log, word) {
				t.Errorf("%q is in it:\n%s", word, log)
			}
		}
	})
	t.Run("TellsWhoAndWhatAndWhy", func(t *testing.T) {
		for _, word := range []string{`"app_id":"shop"`, `"key_id":"` + b.key.ID, `"route":"POST /v1/payments"`, `"status":201`, `"code":"invalid_request"`, `"reason":"unknown_key"`} {
			if !strings.Contains(log, word) {
				t.Errorf("%s is not in it:\n%s", word, log)
			}
		}
	})
}
