package api_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tongbao-pay/tongbao/internal/access"
	"github.com/tongbao-pay/tongbao/internal/payment"
)

// handled is send without a network: when it returns, the log has its line.
func (b *testBundle) handled(t *testing.T, method, target, body, requestID string) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	r.Header.Set("X-Request-Id", requestID)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if b.secret != "" {
		r.Header.Set("Authorization", "Bearer "+b.secret)
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	return answer{status: w.Code, header: w.Header(), body: w.Body.Bytes()}
}

// lineOf is the log's line about a request.
func lineOf(t *testing.T, b *testBundle, requestID string) string {
	t.Helper()
	for line := range strings.Lines(b.log.String()) {
		if strings.Contains(line, `"request_id":"`+requestID+`"`) {
			return line
		}
	}
	t.Fatalf("the log has no line of %s:\n%s", requestID, b.log.String())
	return ""
}

func TestLogLineNamesWhatTheRequestIsAbout(t *testing.T) {
	t.Parallel()
	payments, refunds := `"payment_id":"`+paymentID+`"`, `"refund_id":"`+refundID+`"`
	for name, c := range map[string]struct{ method, target, body, want, never string }{
		"CreatePayment": {"POST", "/v1/payments", goodPayment, payments, "refund_id"},
		"GetPayment":    {"GET", "/v1/payments/" + paymentID, "", payments, "refund_id"},
		"ClosePayment":  {"POST", "/v1/payments/" + paymentID + "/close", "", payments, "refund_id"},
		"SyncPayment":   {"POST", "/v1/payments/" + paymentID + "/sync", "", payments, "refund_id"},
		"PaymentEvents": {"GET", "/v1/payments/" + paymentID + "/events", "", payments, "refund_id"},
		"CreateRefund":  {"POST", "/v1/refunds", goodRefund(), payments + "," + refunds, "error"},
		"GetRefund":     {"GET", "/v1/refunds/" + refundID, "", payments + "," + refunds, "error"},
		"ListPayments":  {"GET", "/v1/payments", "", `"route":"GET /v1/payments"`, "payment_id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.handled(t, c.method, c.target, c.body, "about-"+name)
			if line := lineOf(t, b, "about-"+name); !strings.Contains(line, c.want) || strings.Contains(line, c.never) {
				t.Errorf("want %s and no %s in %s", c.want, c.never, line)
			}
		})
	}
	t.Run("ARefusalNamesThePaymentItSpeaksOf", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.domain.create = func(context.Context, payment.CreateRequest) (*payment.Created, error) {
			return nil, &payment.Error{Code: payment.CodeNumberConflict, Detail: "taken", Payment: samplePayment(b.now.Now())}
		}
		b.handled(t, "POST", "/v1/payments", goodPayment, "refused-0")
		if line := lineOf(t, b, "refused-0"); !strings.Contains(line, payments) {
			t.Errorf("it is %s", line)
		}
	})
}

func TestLogTellsAForgottenHeaderFromAWrongKey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for id, c := range map[string]struct{ secret, reason string }{
		"forgotten": {"", "missing_header"},
		"wrong-key": {"sk_" + strings.Repeat("A", 43), string(access.UnknownKey)},
	} {
		b.secret = c.secret
		a := b.handled(t, "GET", "/v1/payments", "", id)
		if line := lineOf(t, b, id); !strings.Contains(line, `"reason":"`+c.reason+`"`) {
			t.Errorf("want %s in %s", c.reason, line)
		}
		if detail := a.problem(t).Detail; !strings.Contains(detail, "Authorization: Bearer sk_...") {
			t.Errorf("%s: the answer is %q", id, detail)
		}
	}
}
