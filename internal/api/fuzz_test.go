package api_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tongbao-pay/tongbao/internal/money"
)

// FuzzCreatePayment sends any body. What passes is exactly what encoding/json reads of it, within every limit.
func FuzzCreatePayment(f *testing.F) {
	for _, seed := range []string{
		goodPayment, with("amount", "1e3"), with("amount", "1.0"), with("amount", "9223372036854775808"), with("amount", "null"), with("AMOUNT", "1"),
		with("metadata", `{"a":"\ud800"}`), with("expires_at", `"2026-02-01T00:00:00Z"`), with("payer", `{"openid":"o"}`), `{"amount":1,"amount":2}`,
		"[]", "{}", "null", "{", "\xff", goodPayment + " ", goodPayment + "1", strings.Repeat("[", 10000),
	} {
		f.Add([]byte(seed))
	}
	b := setup(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		b.domain.mu.Lock()
		b.domain.creates = nil
		b.domain.mu.Unlock()
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/payments", strings.NewReader(string(body)))
		r.Header.Set("Authorization", "Bearer "+b.secret)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		b.handler.ServeHTTP(w, r)
		switch w.Code {
		case 400, 413, 415:
			if len(b.domain.creates) != 0 {
				t.Fatalf("refused with %d, yet executed", w.Code)
			}
		case 201:
			var sent struct {
				Amount     json.Number `json:"amount"`
				OutTradeNo string      `json:"out_trade_no"`
			}
			if err := json.Unmarshal(body, &sent); err != nil {
				t.Fatalf("accepted, but no JSON: %v", err)
			}
			amount, err := sent.Amount.Int64()
			got := b.domain.creates[0]
			if err != nil || got.Amount != amount || amount < 1 || amount > money.AmountMax || got.OutTradeNo != sent.OutTradeNo {
				t.Fatalf("%s became %+v", body, got)
			}
		default:
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
	})
}

// FuzzTarget sends any path and query: whatever it is, the answer is one of ours, and never a failure.
func FuzzTarget(f *testing.F) {
	for _, seed := range []string{
		"/v1/payments", "/v1/payments?limit=1", "/v1/payments/%00", "/v1/payments/a%2Fb/close", "/v1/events?types=,,,", "/v1/payments?created_from=0000-01-01T00:00:00Z",
		"/v1/payments?cursor=2", "/v1/payments?;", "/v1//payments", "/docs/../v1/payments", "/v1/payments?limit=%31&limit", "/v1/reviews?state=OPEN", "/v1/payments?created_to=9999-12-31T23:59:59%2B14:00",
	} {
		f.Add(seed)
	}
	b := setup(f)
	f.Fuzz(func(t *testing.T, target string) {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		u, err := r.URL.Parse(target)
		if err != nil || u.Host != r.URL.Host || u.Opaque != "" || !strings.HasPrefix(u.Path, "/") {
			return // not a target that a server hands to its handler
		}
		r.URL, r.RequestURI = u, u.RequestURI()
		r.Header.Set("Authorization", "Bearer "+b.secret)
		w := httptest.NewRecorder()
		b.handler.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Fatalf("%q: status %d: %s", target, w.Code, w.Body)
		}
		if w.Code >= 400 && w.Header().Get("Content-Type") != "application/problem+json" {
			t.Fatalf("%q: status %d is no problem: %s", target, w.Code, w.Body)
		}
	})
}
