package api_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	key := header("Idempotency-Key", "key-1")
	endpoint := `{"url":"https://shop.example.com/hooks"}`

	t.Run("RepeatGetsTheFirstAnswerByteForByte", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		first := b.send(t, "POST", "/v1/webhook-endpoints", endpoint, key)
		again := b.send(t, "POST", "/v1/webhook-endpoints", endpoint, key)
		if first.status != 201 || again.status != 201 || !bytes.Equal(first.body, again.body) || again.header.Get("Content-Type") != "application/json" {
			t.Errorf("first %d %s\nagain %d %s", first.status, first.body, again.status, again.body)
		}
		if first.header.Get("Idempotent-Replayed") != "" || again.header.Get("Idempotent-Replayed") != "true" {
			t.Error("the repeat is not marked, or the first is")
		}
		if n := len(b.hooks.settings); n != 1 {
			t.Errorf("it executed %d times", n)
		}
	})
	t.Run("ARepeatSaysWhereTheResourceIsAsTheFirstDid", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		first := b.send(t, "POST", "/v1/payments", goodPayment, key)
		again := b.send(t, "POST", "/v1/payments", goodPayment, key)
		where := first.header.Get("Location")
		if where == "" || again.header.Get("Location") != where || again.header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("first at %q, again %v", where, again.header)
		}
	})
	t.Run("StoredAnswerIsSealed", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.send(t, "POST", "/v1/webhook-endpoints", endpoint, key)
		if r, ok := b.answers.Record(shop, "key-1"); !ok || !r.Done || strings.Contains(string(r.Body), "whsec_") {
			t.Errorf("it is stored as %+v", r)
		}
	})
	t.Run("KeysOfDifferentAppsNeverMeet", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.send(t, "POST", "/v1/payments", goodPayment, key)
		if a := b.send(t, "POST", "/v1/payments", goodPayment, key, header("Authorization", "Bearer "+b.stranger)); a.header.Get("Idempotent-Replayed") != "" {
			t.Errorf("another app got %s", a.body)
		}
	})
	t.Run("AnotherBodyOrPathIsRefused", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.send(t, "POST", "/v1/payments", goodPayment, key)
		for target, body := range map[string]string{"/v1/payments": strings.Replace(goodPayment, "8800", "8801", 1), "/v1/refunds": goodPayment} {
			if a := b.send(t, "POST", target, body, key); a.status != 422 || a.problem(t).Code != "idempotency_key_reused" {
				t.Errorf("%s: status %d: %s", target, a.status, a.body)
			}
		}
	})
	t.Run("WhileTheFirstExecutesTheSecondIsToldToWait", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		began, end := make(chan struct{}), make(chan struct{})
		b.domain.create = func(context.Context, payment.CreateRequest) (*payment.Created, error) {
			close(began)
			<-end
			return &payment.Created{Payment: samplePayment(b.now.Now()), New: true}, nil
		}
		first := make(chan answer)
		go func() { first <- b.send(t, "POST", "/v1/payments", goodPayment, key) }()
		<-began
		a := b.send(t, "POST", "/v1/payments", goodPayment, key)
		if a.status != 409 || a.problem(t).Code != "idempotency_key_in_use" || a.header.Get("Retry-After") == "" {
			t.Errorf("status %d: %s", a.status, a.body)
		}
		close(end)
		if a := <-first; a.status != 201 {
			t.Errorf("the first: status %d: %s", a.status, a.body)
		}
	})
	t.Run("RefusalsOfTheExecutionAreKept", func(t *testing.T) {
		t.Parallel()
		for _, err := range []error{
			&payment.Error{Code: payment.CodeNumberConflict, Detail: "taken"}, &payment.Error{Code: payment.CodeChannelRefused, Detail: "no"},
		} {
			b := setup(t)
			b.domain.create = func(context.Context, payment.CreateRequest) (*payment.Created, error) { return nil, err }
			first := b.send(t, "POST", "/v1/payments", goodPayment, key)
			b.domain.create = nil
			again := b.send(t, "POST", "/v1/payments", goodPayment, key)
			if first.status < 400 || !bytes.Equal(first.body, again.body) || again.header.Get("Idempotent-Replayed") != "true" || again.header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("first %d %s\nagain %d %s", first.status, first.body, again.status, again.body)
			}
		}
	})
	t.Run("OurOwnFailureAsksToBeRepeatedAndIsNotKept", func(t *testing.T) {
		t.Parallel()
		for name, fail := range map[string]func() error{"an error": func() error { return errors.New("broken") }, "a panic": func() error { panic("bug") }} {
			b := setup(t)
			b.domain.create = func(context.Context, payment.CreateRequest) (*payment.Created, error) { return nil, fail() }
			if a := b.send(t, "POST", "/v1/payments", goodPayment, key); a.status != 500 || a.header.Get("Retry-After") == "" {
				t.Errorf("%s: status %d: %s", name, a.status, a.body)
			}
			b.domain.create = nil
			if a := b.send(t, "POST", "/v1/payments", goodPayment, key); a.status >= 300 || a.header.Get("Idempotent-Replayed") != "" {
				t.Errorf("%s: again: status %d: %s", name, a.status, a.body)
			}
		}
	})
	t.Run("WhatDidNotExecuteIsForgotten", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for name, refuse := range map[string]func() answer{
			"by the schema": func() answer { return b.send(t, "POST", "/v1/payments", with("amount", "0"), key) },
			"by the route":  func() answer { return b.send(t, "POST", "/v1/nowhere", goodPayment, key) },
			"by the key":    func() answer { return b.send(t, "POST", "/v1/payments", goodPayment, key, header("Authorization", "")) },
			"by the body": func() answer {
				return b.send(t, "POST", "/v1/payments", goodPayment, key, header("Content-Type", "text/plain"))
			},
			"by the parameter": func() answer { return b.send(t, "POST", "/v1/payments?x=1", goodPayment, key) },
			"by the domain": func() answer {
				b.domain.create = func(context.Context, payment.CreateRequest) (*payment.Created, error) {
					return nil, &payment.Error{Code: payment.CodeInvalid, Field: "client_ip", Detail: "is required"}
				}
				defer func() { b.domain.create = nil }()
				return b.send(t, "POST", "/v1/payments", goodPayment, key)
			},
		} {
			if a := refuse(); a.status < 400 {
				t.Errorf("%s: status %d", name, a.status)
			}
			if r, known := b.answers.Record(shop, "key-1"); known {
				t.Errorf("refused %s, yet stored: %+v", name, r)
			}
		}
		if a := b.send(t, "POST", "/v1/payments", goodPayment, key); a.status/100 != 2 {
			t.Errorf("the mended request: status %d: %s", a.status, a.body)
		}
	})
	t.Run("AnAnswerThatAsksToComeAgainDoesNotStandInTheWay", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.domain.create = func(context.Context, payment.CreateRequest) (*payment.Created, error) {
			return nil, &payment.Error{Code: payment.CodeChannelUnavailable, Detail: "repeat"}
		}
		if a := b.send(t, "POST", "/v1/payments", goodPayment, key); a.status != 503 {
			t.Errorf("status %d: %s", a.status, a.body)
		}
		b.domain.create = nil
		if a := b.send(t, "POST", "/v1/payments", goodPayment, key); a.status != 200 {
			t.Errorf("the repeat: status %d: %s", a.status, a.body)
		}
	})
	t.Run("BadKeysAreRefused", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for _, keys := range [][]string{{""}, {strings.Repeat("k", 256)}, {"ключ"}, {"tab\tkey"}, {"a", "b"}} {
			a := b.send(t, "POST", "/v1/payments", goodPayment, func(r *http.Request) { r.Header["Idempotency-Key"] = keys })
			if a.status != 400 || a.locations(t) != "header.Idempotency-Key" {
				t.Errorf("%q: status %d: %s", keys, a.status, a.body)
			}
		}
		if b.domain.created() != 0 {
			t.Error("one was executed")
		}
	})
	t.Run("OfOtherMethodsIsIgnored", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for range 2 {
			if a := b.send(t, "GET", "/v1/payments", "", key); a.status != 200 || a.header.Get("Idempotent-Replayed") != "" {
				t.Errorf("status %d", a.status)
			}
		}
	})
}
