package journeys_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tongbao-pay/tongbao/client"
	"github.com/tongbao-pay/tongbao/internal/config"
	"github.com/tongbao-pay/tongbao/internal/server"
)

// tape keeps what an HTTP client sent, so that somebody else can send it again.
type tape struct {
	sent   *http.Request
	body   []byte
	answer string // all answers, one after the other
}

func (r *tape) RoundTrip(request *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	request.Body = io.NopCloser(bytes.NewReader(body))
	r.sent, r.body = request, body
	answer, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(answer.Body)
	r.answer += string(text) + "\n"
	answer.Body = io.NopCloser(bytes.NewReader(text))
	return answer, err
}

// again sends the last request once more, byte for byte.
func (r *tape) again(t *testing.T) (status int, header http.Header, body string) {
	t.Helper()
	request := r.sent.Clone(t.Context())
	request.Body = io.NopCloser(bytes.NewReader(r.body))
	answer, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, string(text)
}

func TestSignedRequestsPassOnceAndBearerKeysNotWhereSignaturesAreRequired(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		w := open(t, e)
		id, secret := w.key(signerApp)
		recorded := &tape{}
		signed := w.newClient(client.Config{KeyID: id, APIKey: secret, Tries: 1, HTTPClient: &http.Client{Transport: recorded}})
		p, err := signed.CreatePayment(t.Context(), order(100))
		if err != nil || p.AppID != signerApp {
			t.Fatalf("signed: %v, %v", p, err)
		}
		if status, _, _ := recorded.again(t); status != http.StatusUnauthorized {
			t.Errorf("the same signed request again: %d", status)
		}
		if strings.Contains(recorded.sent.Header.Get("Authorization"), string(secret)) {
			t.Error("a signed request carries the secret")
		}
		if _, err := signed.Payment(t.Context(), p.ID); err != nil {
			t.Errorf("signed anew: %v", err)
		}

		_, err = w.newClient(client.Config{APIKey: secret, Tries: 1}).Payment(t.Context(), p.ID)
		if refusal := refusalOf(t, err, http.StatusUnauthorized, client.CodeUnauthenticated); !strings.Contains(refusal.Detail, "signed") {
			t.Errorf("the owner of the key is not told what to do: %v", refusal)
		}
		_, wrong := w.key(shopApp)
		_, err = w.newClient(client.Config{KeyID: id, APIKey: wrong, Tries: 1}).Payment(t.Context(), p.ID)
		refusalOf(t, err, http.StatusUnauthorized, client.CodeUnauthenticated)
	})
}

func TestAnAppSeesItsOwnAlone(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		w := open(t, e)
		p := w.paid(100)
		stranger := w.clientOf(keeperApp, 1)
		_, err := stranger.Payment(t.Context(), p.ID)
		refusalOf(t, err, http.StatusNotFound, client.CodeNotFound)
		_, err = stranger.ClosePayment(t.Context(), p.ID)
		refusalOf(t, err, http.StatusNotFound, client.CodeNotFound)
		_, err = stranger.SyncPayment(t.Context(), p.ID)
		refusalOf(t, err, http.StatusNotFound, client.CodeNotFound)
		_, err = stranger.CreateRefund(t.Context(), client.CreateRefund{PaymentID: p.ID, OutRefundNo: number("refund"), Amount: 1})
		refusalOf(t, err, http.StatusNotFound, client.CodeNotFound)
		payments, err := stranger.ListPayments(t.Context(), client.PaymentQuery{})
		if err != nil || len(payments.Data) != 0 {
			t.Errorf("it lists %+v, %v", payments, err)
		}
		events, err := stranger.ListEvents(t.Context(), client.EventQuery{})
		if err != nil || len(events.Data) != 0 {
			t.Errorf("it reads %+v, %v", events, err)
		}
		own, err := stranger.CreatePayment(t.Context(), client.CreatePayment{
			OutTradeNo: p.OutTradeNo, Amount: 200, Description: "another app's number is another number", Channel: "wechat", Product: "native",
		})
		if err != nil || own.ID == p.ID {
			t.Errorf("the same out_trade_no of another app: %+v, %v", own, err)
		}
	})
}

func TestARevokedKeyIsRefusedWithinSecondsEverywhere(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		w := open(t, e)
		id, secret := w.key(shopApp)
		app := w.newClient(client.Config{APIKey: secret, Tries: 1})
		if _, err := app.ListWebhookEndpoints(t.Context()); err != nil {
			t.Fatal(err)
		}
		// As 'tongbao key revoke' does in a process of its own.
		elsewhere, err := server.OpenFoundation(t.Context(), server.Options{Config: w.config, Logger: server.NewLogger(io.Discard, config.Log{})})
		if err != nil {
			t.Fatal(err)
		}
		if err := elsewhere.Access.RevokeKey(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if err := elsewhere.Close(); err != nil {
			t.Fatal(err)
		}
		revoked := time.Now()
		var last error
		eventually(t, func() error {
			if _, last = app.ListWebhookEndpoints(t.Context()); last == nil {
				return io.ErrNoProgress
			}
			return nil
		})
		refusalOf(t, last, http.StatusUnauthorized, client.CodeUnauthenticated)
		if took := time.Since(revoked); took > 10*time.Second {
			t.Errorf("the key was good for another %s", took)
		}
	})
}

func TestAnIdempotencyKeyReplaysTheFirstAnswer(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		w := open(t, e)
		recorded := &tape{}
		app := w.newClient(client.Config{APIKey: w.secretOf(shopApp), Tries: 1, HTTPClient: &http.Client{Transport: recorded}})
		request := order(100)
		request.IdempotencyKey = number("key")
		first, err := app.CreatePayment(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		status, header, body := recorded.again(t)
		if status != http.StatusCreated || header.Get("Idempotent-Replayed") != "true" || strings.TrimSpace(body) != strings.TrimSpace(recorded.answer) {
			t.Errorf("replayed: %d %v\n%s\nfirst:\n%s", status, header, body, recorded.answer)
		}
		second, err := app.CreatePayment(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, second); diff != "" {
			t.Errorf("the replay is another answer:\n%s", diff)
		}
		other := order(100)
		other.IdempotencyKey = request.IdempotencyKey
		_, err = app.CreatePayment(t.Context(), other)
		refusalOf(t, err, http.StatusUnprocessableEntity, "idempotency_key_reused")
		if n := len(w.provider.journal("operation", "prepay")); n != 1 {
			t.Errorf("the provider was asked %d times", n)
		}
		w.reconcile()
	})
}

func TestTheSameNumberWithOtherContentIsAConflict(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		w := open(t, e)
		p := w.paid(1000)
		_, err := w.client.CreatePayment(t.Context(), client.CreatePayment{OutTradeNo: p.OutTradeNo, Amount: 999, Description: p.Description, Channel: "wechat", Product: "native"})
		refusalOf(t, err, http.StatusConflict, client.CodeNumberConflict)
		r := w.refund(p, 100)
		_, err = w.client.CreateRefund(t.Context(), client.CreateRefund{PaymentID: p.ID, OutRefundNo: r.OutRefundNo, Amount: 101, Reason: r.Reason})
		refusalOf(t, err, http.StatusConflict, client.CodeNumberConflict)
		w.settled(r)
		w.reconcile()
	})
}
