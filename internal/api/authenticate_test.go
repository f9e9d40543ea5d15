package api_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/client"
	"github.com/tongbao-pay/tongbao/internal/access"
)

func TestWhoHoldsNoGoodKeyIsRefusedAlike(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, revoked := b.newKey(t, shop)
	revokedID := ""
	for id := range b.keyring.keys {
		if id != b.key.ID && b.keyring.keys[id].AppID == shop {
			revokedID = id
		}
	}
	check(t, b.access.RevokeKey(t.Context(), revokedID))
	_, expiring, err := b.access.CreateKey(t.Context(), shop, b.now.Now().Add(time.Minute))
	check(t, err)
	b.now.advance(time.Hour)

	texts := map[string]string{}
	for name, authorization := range map[string][]string{
		"No":        nil,
		"Empty":     {""},
		"Wrong":     {"Bearer sk_" + strings.Repeat("A", 43)},
		"Short":     {"Bearer sk_"},
		"Long":      {"Bearer sk_" + strings.Repeat("A", 10000)},
		"Expired":   {"Bearer " + expiring.Reveal()},
		"Revoked":   {"Bearer " + revoked},
		"KeyID":     {"Bearer " + b.key.ID},
		"Basic":     {"Basic " + b.secret},
		"Bare":      {b.secret},
		"Twice":     {"Bearer " + b.secret, "Bearer " + b.secret},
		"HalfSign":  {`TONGBAO-HMAC-SHA256 key_id="` + b.key.ID + `"`},
		"Injection": {"Bearer ' OR 1=1 --"},
	} {
		a := b.send(t, "GET", "/v1/payments/"+paymentID, "", func(r *http.Request) {
			r.Header["Authorization"] = authorization
			r.Header.Set("X-Request-Id", "the-same-for-all")
		})
		if a.status != 401 || a.problem(t).Code != "unauthenticated" || !strings.Contains(a.header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%s: status %d: %s", name, a.status, a.body)
		}
		texts[string(a.body)] = name
	}
	if len(texts) != 1 {
		t.Errorf("the answers differ: %v", texts)
	}
}

func TestStrangersLearnNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	nobody := header("Authorization", "")
	for _, c := range []struct{ method, target, body string }{
		{"GET", "/v1/payments/" + paymentID, ""},
		{"GET", "/v1/payments/pay_nobody", ""},
		{"GET", "/v1/nowhere", ""},
		{"PUT", "/v1/payments", ""},
		{"POST", "/v1/payments", "{"},
		{"GET", "/v1/payments?x=1", ""},
	} {
		if a := b.send(t, c.method, c.target, c.body, nobody); a.status != 401 {
			t.Errorf("%s %s: status %d: %s", c.method, c.target, a.status, a.body)
		}
	}
}

func TestKeyOfOneAppOnAPaymentOfAnotherReadsLikeAMissingOne(t *testing.T) {
	t.Parallel()
	b := setup(t)
	as := []func(*http.Request){header("Authorization", "Bearer "+b.stranger), header("X-Request-Id", "the-same-for-all")}
	foreign := b.send(t, "GET", "/v1/payments/"+paymentID, "", as...)
	missing := b.send(t, "GET", "/v1/payments/pay_01K9ZQ4T3M8W6V5R2N7X1Y0XXX", "", as...)
	if foreign.status != 404 || strings.ReplaceAll(string(foreign.body), "ABC", "XXX") != string(missing.body) {
		t.Errorf("foreign: %d %s\nmissing: %d %s", foreign.status, foreign.body, missing.status, missing.body)
	}
}

func TestDatabaseFailureIsNotARefusal(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.keyring.down = errors.New("connection refused")
	if a := b.send(t, "GET", "/v1/payments", ""); a.status != 500 || a.problem(t).Code != "internal" {
		t.Errorf("status %d: %s", a.status, a.body)
	}
}

func signature(secret, method, target, timestamp, nonce, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%s\n%s\n%s\n%s\n%s\n", method, target, timestamp, nonce, body)
	return hex.EncodeToString(mac.Sum(nil))
}

func TestSignedRequest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	sign := func(timestamp time.Time, nonce, target, body string) func(*http.Request) {
		at := strconv.FormatInt(timestamp.Unix(), 10)
		return header("Authorization", fmt.Sprintf(`TONGBAO-HMAC-SHA256 key_id="%s",timestamp="%s",nonce="%s",signature="%s"`,
			b.key.ID, at, nonce, signature(b.secret, "POST", target, at, nonce, body)))
	}
	t.Run("PassesOnceAndIsHandedOnWhole", func(t *testing.T) {
		as := sign(b.now.Now(), "nonce-0000000001", "/v1/payments", goodPayment)
		if a := b.send(t, "POST", "/v1/payments", goodPayment, as); a.status != 201 || b.domain.created() != 1 {
			t.Fatalf("status %d: %s", a.status, a.body)
		}
		if a := b.send(t, "POST", "/v1/payments", goodPayment, as); a.status != 401 {
			t.Errorf("replayed within the window: status %d", a.status)
		}
		b.now.advance(time.Hour)
		if a := b.send(t, "POST", "/v1/payments", goodPayment, as); a.status != 401 {
			t.Errorf("replayed after the window: status %d", a.status)
		}
		if n := b.domain.created(); n != 1 {
			t.Errorf("%d requests reached the domain", n)
		}
	})
	for name, as := range map[string]func(*http.Request){
		"OverAnotherBody":   sign(b.now.Now(), "nonce-0000000002", "/v1/payments", goodPayment+" "),
		"OverAnotherTarget": sign(b.now.Now(), "nonce-0000000003", "/v1/refunds", goodPayment),
		"TooOld":            sign(b.now.Now().Add(-301*time.Second), "nonce-0000000004", "/v1/payments", goodPayment),
		"TooNew":            sign(b.now.Now().Add(301*time.Second), "nonce-0000000005", "/v1/payments", goodPayment),
		"ShortNonce":        sign(b.now.Now(), "nonce", "/v1/payments", goodPayment),
	} {
		t.Run(name+"IsRefused", func(t *testing.T) {
			if a := b.send(t, "POST", "/v1/payments", goodPayment, as); a.status != 401 {
				t.Errorf("status %d: %s", a.status, a.body)
			}
		})
	}
	t.Run("OfTheClientPassesWhereBearerDoesNot", func(t *testing.T) {
		_, err := b.access.PutApp(t.Context(), shop, access.AppSettings{RequireSignature: true})
		check(t, err)
		bearer := b.client(t)
		signed, err := client.New(client.Config{BaseURL: b.url, APIKey: client.Secret(b.secret), KeyID: b.key.ID, Now: b.now.Now, Tries: 1})
		check(t, err)
		b.now.advance(time.Minute) // past what is remembered of the app
		if _, err := bearer.Payment(t.Context(), paymentID); err == nil {
			t.Error("bearer passes")
		}
		_, err = signed.CreatePayment(t.Context(), client.CreatePayment{OutTradeNo: "order-1", Amount: 1, Description: "面", Channel: "wechat", Product: "native"})
		check(t, err)
		_, err = signed.ListPayments(t.Context(), client.PaymentQuery{Status: "pending", CreatedFrom: b.now.Now()})
		check(t, err)
	})
}

func TestUnauthenticatedAnswersAreProblemsToo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.send(t, "GET", "/v1/payments", "", header("Authorization", ""))
	var fields map[string]any
	check(t, json.Unmarshal(a.body, &fields))
	for _, name := range []string{"title", "status", "code", "detail", "request_id"} {
		if fields[name] == nil {
			t.Errorf("%s is missing: %s", name, a.body)
		}
	}
}

func TestALimitedRequestIsToldWhenToComeAgain(t *testing.T) {
	t.Parallel()
	t.Run("OfAKeyThatSendsTooMuch", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.limiter.key = 1200 * time.Millisecond
		a := b.send(t, "POST", "/v1/payments", goodPayment)
		if a.status != 429 || a.problem(t).Code != "rate_limited" || a.header.Get("Retry-After") != "2" || a.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("status %d, headers %v: %s", a.status, a.header, a.body)
		}
		if len(b.limiter.keys) != 1 || b.limiter.keys[0] != b.key.ID {
			t.Errorf("limited were %v, want the key %s", b.limiter.keys, b.key.ID)
		}
		if b.domain.created() != 0 {
			t.Error("a limited request was begun")
		}
	})
	t.Run("OfAnAddressThatIsHeldBack", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.limiter.stranger = time.Millisecond
		b.keyring.down = errors.New("was asked")
		a := b.send(t, "GET", "/v1/payments", "", header("Authorization", "Bearer sk_wrong"))
		if a.status != 429 || a.problem(t).Code != "rate_limited" || a.header.Get("Retry-After") != "1" {
			t.Errorf("status %d, headers %v: %s", a.status, a.header, a.body)
		}
		if len(b.limiter.refused)+len(b.limiter.admitted) != 0 {
			t.Error("the request was looked at")
		}
	})
	t.Run("AndTheFirstOneIsNotStoredUnderItsIdempotencyKey", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.limiter.key = time.Second
		as := header("Idempotency-Key", "order-1")
		if a := b.send(t, "POST", "/v1/payments", goodPayment, as); a.status != 429 {
			t.Fatalf("status %d: %s", a.status, a.body)
		}
		b.limiter.key = 0
		if a := b.send(t, "POST", "/v1/payments", goodPayment, as); a.status != 201 {
			t.Errorf("repeated later: status %d: %s", a.status, a.body)
		}
	})
}

func TestWhereARequestComesFrom(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		peer      string
		forwarded []string
		want      string
	}{
		"IsThePeer":                                {"203.0.113.7:1", nil, "203.0.113.7"},
		"IsThePeerWhateverAStrangerSays":           {"203.0.113.7:1", []string{"198.51.100.1"}, "203.0.113.7"},
		"IsWhatTheProxyBesideUsSaw":                {"127.0.0.1:1", []string{"198.51.100.1"}, "198.51.100.1"},
		"IsWhatAProxyOnAPrivateNetworkSawLast":     {"10.0.0.1:1", []string{"192.0.2.1", "192.0.2.2, 198.51.100.1"}, "198.51.100.1"},
		"IsTheProxyThatSaysNothingOfUse":           {"[::1]:1", []string{"unknown"}, "::1"},
		"IsThePeerInTheFormOfItsOwnAddressVersion": {"[::ffff:203.0.113.7]:1", nil, "203.0.113.7"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			for _, authorization := range []string{"", "Bearer " + b.secret} {
				r := httptest.NewRequestWithContext(t.Context(), "GET", "/v1/payments", http.NoBody)
				r.RemoteAddr = c.peer
				r.Header.Set("Authorization", authorization)
				r.Header["X-Forwarded-For"] = c.forwarded
				b.handler.ServeHTTP(httptest.NewRecorder(), r)
			}
			want := []netip.Addr{netip.MustParseAddr(c.want)}
			if !slices.Equal(b.limiter.refused, want) || !slices.Equal(b.limiter.admitted, want) {
				t.Errorf("refused %v, admitted %v, want %v", b.limiter.refused, b.limiter.admitted, want)
			}
		})
	}
}
