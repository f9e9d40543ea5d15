package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tongbao-pay/tongbao/client"
)

const (
	apiKey      = "sk_0123456789"
	paymentJSON = `{"id":"pay_1","object":"payment","status":"pending","amount":8800}`
)

func TestNew(t *testing.T) {
	t.Parallel()
	t.Run("NamesEveryMistake", func(t *testing.T) {
		t.Parallel()
		_, err := client.New(client.Config{BaseURL: "pay.example.com", APIKey: "secret-words", KeyID: "x", Tries: -1})
		if err == nil {
			t.Fatal("it was accepted")
		}
		for _, name := range []string{"BaseURL", "APIKey", "KeyID", "tries"} {
			if !strings.Contains(err.Error(), name) {
				t.Errorf("%s is not named: %v", name, err)
			}
		}
		if strings.Contains(err.Error(), "secret-words") {
			t.Errorf("the key is shown: %v", err)
		}
	})
	for _, base := range []string{"", "ftp://x", "http://", "http://user:pass@x", "http://x?a=1", "http://x#a", "://"} {
		t.Run("RefusesBaseURL", func(t *testing.T) {
			t.Parallel()
			if _, err := client.New(client.Config{BaseURL: base, APIKey: apiKey}); err == nil {
				t.Errorf("%q was accepted", base)
			}
		})
	}
}

func TestSecretDoesNotShowItself(t *testing.T) {
	t.Parallel()
	s := client.Secret("sk_hidden")
	encoded, err := json.Marshal(client.WebhookEndpoint{Secret: s})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", s, "config", client.Config{APIKey: s})
	for _, text := range []string{fmt.Sprintf("%v %s %+v %#v %q", s, s, client.Config{APIKey: s}, client.Config{APIKey: s}, s), string(encoded), log.String()} {
		if strings.Contains(text, "hidden") {
			t.Errorf("it does: %s", text)
		}
	}
	var e client.WebhookEndpoint
	if err := json.Unmarshal([]byte(`{"secret":"whsec_1"}`), &e); err != nil || e.Secret != "whsec_1" {
		t.Errorf("it cannot be received: %q, %v", string(e.Secret), err)
	}
}

// gateway answers the tries of a call one after the other.
type gateway struct {
	tries   atomic.Int64
	answers []func(http.ResponseWriter, *http.Request)
	headers []http.Header
	bodies  []string
}

func (g *gateway) RoundTrip(r *http.Request) (*http.Response, error) {
	i := int(g.tries.Add(1)) - 1
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	g.headers, g.bodies = append(g.headers, r.Header), append(g.bodies, string(body))
	w := httptest.NewRecorder()
	answer := g.answers[min(i, len(g.answers)-1)]
	if answer == nil {
		return nil, &net.OpError{Op: "read", Err: errors.New("connection reset by peer")}
	}
	answer(w, r)
	return w.Result(), nil
}

func reply(status int, mediaType, body string, headers ...string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", mediaType)
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func refuse(status int, code string, headers ...string) func(http.ResponseWriter, *http.Request) {
	return reply(status, "application/problem+json", fmt.Sprintf(`{"status":%d,"code":%q,"detail":"do this","request_id":"req_1"}`, status, code), headers...)
}

func (g *gateway) client(t *testing.T, c client.Config) *client.Client {
	t.Helper()
	c.BaseURL, c.APIKey, c.HTTPClient = "http://gateway.test/prefix/", apiKey, &http.Client{Transport: g}
	made, err := client.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestRepeating(t *testing.T) {
	t.Parallel()
	good := reply(200, "application/json", paymentJSON)
	for name, first := range map[string]func(http.ResponseWriter, *http.Request){
		"LostConnection":  nil,
		"Internal":        refuse(500, "internal"),
		"Unavailable":     refuse(503, "channel_unavailable", "Retry-After", "2"),
		"BadGatewayHTML":  reply(502, "text/html", "<html>"),
		"TooManyRequests": reply(429, "text/plain", "slow down", "Retry-After", "1"),
		"KeyInUse":        refuse(409, "idempotency_key_in_use"),
	} {
		t.Run(name+"IsRepeated", func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := &gateway{answers: []func(http.ResponseWriter, *http.Request){first, first, good}}
				p, err := g.client(t, client.Config{}).CreatePayment(t.Context(), client.CreatePayment{OutTradeNo: "order-1"})
				if err != nil || p.ID != "pay_1" || g.tries.Load() != 3 {
					t.Errorf("%v after %d tries", err, g.tries.Load())
				}
				if g.bodies[0] == "" || g.bodies[0] != g.bodies[2] {
					t.Errorf("the tries sent %q", g.bodies)
				}
			})
		})
	}
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request){
		"Invalid":  refuse(400, "invalid_request"),
		"Key":      refuse(401, "unauthenticated"),
		"Conflict": refuse(409, "number_conflict"),
		"Refused":  refuse(422, "channel_refused"),
		"Redirect": reply(307, "text/html", "", "Location", "http://elsewhere.test/"),
	} {
		t.Run(name+"IsNotRepeated", func(t *testing.T) {
			t.Parallel()
			g := &gateway{answers: []func(http.ResponseWriter, *http.Request){answer}}
			_, err := g.client(t, client.Config{}).Payment(t.Context(), "pay_1")
			if refusal, ok := errors.AsType[*client.Error](err); !ok || refusal.Retryable() || g.tries.Load() != 1 {
				t.Errorf("%v after %d tries", err, g.tries.Load())
			}
		})
	}
	t.Run("EndsAfterTheTriesWithTheLastError", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			g := &gateway{answers: []func(http.ResponseWriter, *http.Request){nil, refuse(500, "internal")}}
			_, err := g.client(t, client.Config{Tries: 3}).Payment(t.Context(), "pay_1")
			if refusal, ok := errors.AsType[*client.Error](err); !ok || !refusal.Retryable() || g.tries.Load() != 3 {
				t.Errorf("%v after %d tries", err, g.tries.Load())
			}
		})
	})
	t.Run("HeedsRetryAfterWithinItsBound", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			g := &gateway{answers: []func(http.ResponseWriter, *http.Request){refuse(503, "timeout", "Retry-After", "3"), refuse(503, "timeout", "Retry-After", "86400"), good}}
			began := time.Now()
			_, err := g.client(t, client.Config{}).Payment(t.Context(), "pay_1")
			if took := time.Since(began); err != nil || took < 8*time.Second || took > 9*time.Second {
				t.Errorf("it took %s: %v", took, err)
			}
		})
	})
	t.Run("DoesNotWaitForWhatTheContextWillNotSee", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			g := &gateway{answers: []func(http.ResponseWriter, *http.Request){refuse(503, "timeout", "Retry-After", "3")}}
			began := time.Now()
			_, err := g.client(t, client.Config{}).Payment(ctx, "pay_1")
			if refusal, ok := errors.AsType[*client.Error](err); !ok || refusal.RetryAfter != 3*time.Second || time.Since(began) != 0 {
				t.Errorf("%v after %s", err, time.Since(began))
			}
		})
	})
	t.Run("EndsWithTheContext", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			g := &gateway{answers: []func(http.ResponseWriter, *http.Request){func(w http.ResponseWriter, r *http.Request) {
				cancel()
				refuse(500, "internal")(w, r)
			}}}
			if _, err := g.client(t, client.Config{}).Payment(ctx, "pay_1"); err == nil || g.tries.Load() != 1 {
				t.Errorf("%v after %d tries", err, g.tries.Load())
			}
		})
	})
	t.Run("OfWhatHasNoNumberCarriesOneKey", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			g := &gateway{answers: []func(http.ResponseWriter, *http.Request){nil, reply(201, "application/json", "{}")}}
			c := g.client(t, client.Config{})
			for range 2 {
				if _, err := c.CreateWebhookEndpoint(t.Context(), client.CreateWebhookEndpoint{}); err != nil {
					t.Fatal(err)
				}
			}
			keys := []string{}
			for _, h := range g.headers {
				keys = append(keys, h.Get("Idempotency-Key"))
			}
			if len(keys) != 3 || keys[0] == "" || keys[0] != keys[1] || keys[1] == keys[2] {
				t.Errorf("the tries carried %q", keys)
			}
		})
	})
	t.Run("SignsEachTryAnew", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			g := &gateway{answers: []func(http.ResponseWriter, *http.Request){nil, good}}
			if _, err := g.client(t, client.Config{KeyID: "ak_1"}).Payment(t.Context(), "pay_1"); err != nil {
				t.Fatal(err)
			}
			first, second := g.headers[0].Get("Authorization"), g.headers[1].Get("Authorization")
			if !strings.HasPrefix(first, `TONGBAO-HMAC-SHA256 key_id="ak_1",timestamp="`) || first == second || strings.Contains(first, apiKey) {
				t.Errorf("%s\n%s", first, second)
			}
		})
	})
}

func TestRequest(t *testing.T) {
	t.Parallel()
	var seen *http.Request
	g := &gateway{answers: []func(http.ResponseWriter, *http.Request){func(w http.ResponseWriter, r *http.Request) {
		seen = r
		reply(200, "application/json", paymentJSON)(w, r)
	}}}
	c := g.client(t, client.Config{})
	if _, err := c.Payment(t.Context(), "../pay 1?x"); err != nil {
		t.Fatal(err)
	}
	if got := seen.URL.RequestURI(); got != "/prefix/v1/payments/..%2Fpay%201%3Fx" {
		t.Errorf("an id leaves its place in the path: %s", got)
	}
	if seen.Header.Get("Authorization") != "Bearer "+apiKey || seen.Header.Get("User-Agent") != "tongbao-go" || seen.Header.Get("Content-Type") != "" {
		t.Errorf("the headers are %v", seen.Header)
	}
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request){
		"NotJSON":  reply(200, "text/html", "<html>"),
		"TooLarge": reply(200, "application/json", `{"id":"`+strings.Repeat("x", 17<<20)+`"}`),
		"Empty":    reply(200, "application/json", ""),
	} {
		t.Run(name+"IsAnError", func(t *testing.T) {
			t.Parallel()
			g := &gateway{answers: []func(http.ResponseWriter, *http.Request){answer}}
			if p, err := g.client(t, client.Config{Tries: 1}).Payment(t.Context(), "pay_1"); err == nil {
				t.Errorf("it became %+v", p)
			}
		})
	}
	t.Run("RefusalTellsAll", func(t *testing.T) {
		t.Parallel()
		g := &gateway{answers: []func(http.ResponseWriter, *http.Request){reply(400, "application/problem+json; charset=utf-8",
			`{"status":400,"code":"invalid_request","detail":"mend it","request_id":"req_1","errors":[{"location":"body.amount","message":"is required"}],"channel_error":{"code":"X","message":"y"}}`)}}
		_, err := g.client(t, client.Config{}).Payment(t.Context(), "pay_1")
		if got, want := err.Error(), "tongbao: 400 invalid_request: mend it; body.amount is required (provider: X y) [request req_1]"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
	t.Run("RefusalByAProxyKeepsItsStatus", func(t *testing.T) {
		t.Parallel()
		g := &gateway{answers: []func(http.ResponseWriter, *http.Request){reply(403, "text/html", "<html>", "X-Request-Id", "edge-1")}}
		_, err := g.client(t, client.Config{}).Payment(t.Context(), "pay_1")
		if refusal, ok := errors.AsType[*client.Error](err); !ok || refusal.Status != 403 || refusal.Code != "" || refusal.RequestID != "edge-1" {
			t.Errorf("%v", err)
		}
	})
}

func TestList(t *testing.T) {
	t.Parallel()
	pages := []func(http.ResponseWriter, *http.Request){
		reply(200, "application/json", `{"data":[{"id":"pay_1"},{"id":"pay_2"}],"next_cursor":"two"}`),
		reply(200, "application/json", `{"data":[{"id":"pay_3"}]}`),
	}
	t.Run("EndsWhereTheCallerStops", func(t *testing.T) {
		t.Parallel()
		g := &gateway{answers: pages}
		for p, err := range g.client(t, client.Config{}).Payments(t.Context(), client.PaymentQuery{}) {
			if err != nil || p.ID != "pay_1" {
				t.Errorf("%+v, %v", p, err)
			}
			break
		}
		if g.tries.Load() != 1 {
			t.Errorf("%d pages were asked for", g.tries.Load())
		}
	})
	t.Run("EndsWithTheFirstError", func(t *testing.T) {
		t.Parallel()
		g := &gateway{answers: []func(http.ResponseWriter, *http.Request){pages[0], refuse(400, "invalid_request")}}
		ids, failures := 0, 0
		for _, err := range g.client(t, client.Config{}).Payments(t.Context(), client.PaymentQuery{}) {
			if err != nil {
				failures++
				continue
			}
			ids++
		}
		if ids != 2 || failures != 1 {
			t.Errorf("%d payments, %d errors", ids, failures)
		}
	})
}

func TestEventOpensOnlyWhatItIsAbout(t *testing.T) {
	t.Parallel()
	e := client.Event{ID: "evt_1", Type: "payment.succeeded", Data: client.EventData{Object: json.RawMessage(`{"id":"pay_1","object":"payment","amount":1}`)}}
	if p, err := e.Payment(); err != nil || p.ID != "pay_1" {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := e.Refund(); err == nil {
		t.Error("a payment passed for a refund")
	}
	if _, err := e.Review(); err == nil {
		t.Error("a payment passed for a review")
	}
	e.Data.Object = nil
	if _, err := e.Payment(); err == nil {
		t.Error("nothing passed for a payment")
	}
}
