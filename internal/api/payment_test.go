package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tongbao-pay/tongbao/client"
	"github.com/tongbao-pay/tongbao/internal/payment"
)

func TestCreatePayment(t *testing.T) {
	t.Parallel()
	t.Run("EveryFieldReachesTheDomain", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		expires := time.Date(2026, 1, 31, 4, 0, 0, 0, time.UTC)
		_, err := b.client(t).CreatePayment(t.Context(), client.CreatePayment{
			OutTradeNo: "order-1", Amount: 1, Currency: "CNY", Description: "noodles", Channel: "wechat", Product: "jsapi",
			Payer: &client.Payer{OpenID: "o1"}, ClientIP: "203.0.113.7", ExpiresAt: expires, ReturnURL: "https://shop.example.com/back",
			Metadata: map[string]string{"Table": "7"}, Account: "main",
		})
		check(t, err)
		want := payment.CreateRequest{
			OutTradeNo: "order-1", Amount: 1, Currency: "CNY", Description: "noodles", Channel: "wechat", Product: "jsapi",
			Payer: payment.Payer{OpenID: "o1"}, ClientIP: "203.0.113.7", ExpiresAt: expires, ReturnURL: "https://shop.example.com/back",
			Metadata: map[string]string{"Table": "7"}, Account: "main",
		}
		if diff := cmp.Diff(want, b.domain.creates[0]); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("ExpiresInIsSeconds", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.send(t, "POST", "/v1/payments", strings.Replace(goodPayment, "{", `{"expires_in":90,`, 1))
		if got := b.domain.creates[0].ExpiresIn; got != 90*time.Second {
			t.Errorf("it became %s", got)
		}
	})
	t.Run("AnswersCreatedThenOKWithTheCredential", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for _, want := range []int{http.StatusCreated, http.StatusOK} {
			a := b.send(t, "POST", "/v1/payments", goodPayment)
			if a.status != want || a.header.Get("Location") != "/v1/payments/"+paymentID {
				t.Errorf("status %d, Location %q, want %d", a.status, a.header.Get("Location"), want)
			}
			var p client.Payment
			check(t, json.Unmarshal(a.body, &p))
			if p.Credential == nil || p.Credential.PrepayID != "wx-prepay" || string(p.Credential.Invoke) != `{"package":"prepay_id=wx-prepay"}` {
				t.Errorf("the credential is not complete: %s", a.body)
			}
		}
	})
	t.Run("AnswersAcceptedWhileTheOutcomeIsNotKnown", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.domain.create = func(context.Context, payment.CreateRequest) (*payment.Created, error) {
			p := samplePayment(b.now.Now())
			p.Status = payment.Processing
			return &payment.Created{Payment: p, New: true}, nil
		}
		a := b.send(t, "POST", "/v1/payments", goodPayment)
		if a.status != http.StatusAccepted || a.header.Get("Retry-After") != "1" || !strings.Contains(string(a.body), `"status":"processing"`) {
			t.Errorf("status %d, Retry-After %q: %s", a.status, a.header.Get("Retry-After"), a.body)
		}
	})
	t.Run("RefusalShowsTheProvidersWordsAndThePayment", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.domain.create = func(context.Context, payment.CreateRequest) (*payment.Created, error) {
			return nil, &payment.Error{
				Code: payment.CodeChannelRefused, Detail: "mend it", Payment: samplePayment(b.now.Now()),
				Channel: &payment.ChannelError{Outcome: payment.Refused, Code: "NO_AUTH", Message: "no permission", Cause: errors.New("inner words")},
			}
		}
		_, err := b.client(t).CreatePayment(t.Context(), client.CreatePayment{OutTradeNo: "order-1", Amount: 1, Description: "x", Channel: "wechat", Product: "native"})
		refusal, ok := errors.AsType[*client.Error](err)
		if !ok {
			t.Fatalf("not a refusal: %v", err)
		}
		want := &client.Error{
			Status: 422, Code: client.CodeChannelRefused, Title: "Unprocessable Entity", Detail: "mend it", RequestID: refusal.RequestID,
			PaymentID: paymentID, ChannelError: &client.ChannelError{Code: "NO_AUTH", Message: "no permission"},
		}
		if diff := cmp.Diff(want, refusal); diff != "" {
			t.Error(diff)
		}
		if refusal.Retryable() {
			t.Error("a refusal for good counts as retryable")
		}
	})
}

func TestEveryCodeOfTheDomainHasItsStatus(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for code, status := range map[payment.Code]int{
		payment.CodeInvalid: 400, payment.CodeNotFound: 404, payment.CodeNumberConflict: 409, payment.CodeInProgress: 409,
		payment.CodeAccount: 422, payment.CodeAttemptLimit: 422, payment.CodeChannelRefused: 422, payment.CodeChannelUnavailable: 503, payment.CodeNotClosable: 409,
		payment.CodeNotRefundable: 409, payment.CodeRefundExceeds: 422, payment.CodeRefundLimit: 422, payment.CodeReviewResolved: 409, payment.CodeReviewAction: 422,
	} {
		b.domain.create = func(context.Context, payment.CreateRequest) (*payment.Created, error) {
			return nil, &payment.Error{Code: code, Field: "amount", Detail: "because"}
		}
		a := b.send(t, "POST", "/v1/payments", goodPayment)
		p := a.problem(t)
		if a.status != status || p.Code != code || a.locations(t) != "body.amount" || p.Errors[0].Message != "because" {
			t.Errorf("%s: status %d, want %d: %s", code, a.status, status, a.body)
		}
		if retry := a.header.Get("Retry-After") != ""; retry != (code == payment.CodeInProgress || code == payment.CodeChannelUnavailable) {
			t.Errorf("%s: Retry-After is %q", code, a.header.Get("Retry-After"))
		}
	}
}

func TestUnforeseenError(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func() error{
		"Error": func() error { return errors.New("dial tcp 10.0.0.5: password=hunter2") },
		"Panic": func() error { panic("dial tcp 10.0.0.5: password=hunter2") },
	} {
		t.Run(name+"IsInternalOutsideAndWholeInTheLogOnce", func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.domain.create = func(context.Context, payment.CreateRequest) (*payment.Created, error) { return nil, fail() }
			a := b.send(t, "POST", "/v1/payments", goodPayment)
			if a.status != 500 || a.problem(t).Code != "internal" || strings.Contains(string(a.body), "hunter2") {
				t.Errorf("status %d: %s", a.status, a.body)
			}
			log := b.log.String()
			if strings.Count(log, "hunter2") != 1 || !strings.Contains(log, a.problem(t).RequestID) {
				t.Errorf("the log is:\n%s", log)
			}
		})
	}
	t.Run("TimeoutAsksToComeAgain", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.domain.create = func(context.Context, payment.CreateRequest) (*payment.Created, error) {
			return nil, context.DeadlineExceeded
		}
		if a := b.send(t, "POST", "/v1/payments", goodPayment); a.status != 503 || a.problem(t).Code != "timeout" || a.header.Get("Retry-After") == "" {
			t.Errorf("status %d: %s", a.status, a.body)
		}
	})
}

func TestClosePayment(t *testing.T) {
	t.Parallel()
	b := setup(t)
	t.Run("ClosedIsOK", func(t *testing.T) {
		p, err := b.client(t).ClosePayment(t.Context(), paymentID)
		check(t, err)
		if p.Status != client.PaymentClosed {
			t.Errorf("it is %s", p.Status)
		}
	})
	t.Run("AnEmptyObjectAsBodyIsTaken", func(t *testing.T) {
		if a := b.send(t, "POST", "/v1/payments/"+paymentID+"/close", "{}"); a.status != 200 {
			t.Errorf("status %d: %s", a.status, a.body)
		}
	})
	t.Run("BeingClosedIsAccepted", func(t *testing.T) {
		b.domain.close = func() (*payment.Payment, error) { return samplePayment(b.now.Now()), nil }
		if a := b.send(t, "POST", "/v1/payments/"+paymentID+"/close", ""); a.status != 202 || a.header.Get("Retry-After") != "1" {
			t.Errorf("status %d: %s", a.status, a.body)
		}
	})
}

func TestSyncPaymentWithoutAnAnswerFromTheProviderIsUnavailable(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.domain.sync = func() (*payment.Payment, error) {
		return nil, &payment.Error{Code: payment.CodeChannelUnavailable, Payment: samplePayment(b.now.Now()), Detail: "no answer", Channel: &payment.ChannelError{}}
	}
	a := b.send(t, "POST", "/v1/payments/"+paymentID+"/sync", "")
	if a.status != 503 || a.problem(t).PaymentID != paymentID || a.problem(t).ChannelError != nil {
		t.Errorf("status %d: %s", a.status, a.body)
	}
}

func TestACallThatWasHeldBackSaysWhenToComeAgain(t *testing.T) {
	t.Parallel()
	for wait, want := range map[time.Duration]string{
		0: "3", 10 * time.Millisecond: "3", 3*time.Second + time.Millisecond: "4", 6 * time.Second: "6", time.Hour: "60",
	} {
		b := setup(t)
		b.domain.sync = func() (*payment.Payment, error) {
			return nil, &payment.Error{Code: payment.CodeChannelUnavailable, Payment: samplePayment(b.now.Now()), Detail: "no answer", Channel: &payment.ChannelError{Message: "not sent", Wait: wait}}
		}
		a := b.send(t, "POST", "/v1/payments/"+paymentID+"/sync", "")
		if got := a.header.Get("Retry-After"); a.status != 503 || got != want || a.problem(t).ChannelError.Message != "not sent" {
			t.Errorf("held for %s: status %d, Retry-After %s, want %s: %s", wait, a.status, got, want, a.body)
		}
	}
}

func TestListPayments(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.lists.items = 45
	t.Run("WalksEveryPage", func(t *testing.T) {
		n := 0
		for _, err := range b.client(t).Payments(t.Context(), client.PaymentQuery{Limit: 10}) {
			check(t, err)
			n++
		}
		if n != 45 {
			t.Errorf("%d of 45 payments came", n)
		}
	})
	t.Run("NarrowsByWhatIsAsked", func(t *testing.T) {
		b.lists.payments = nil
		from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.FixedZone("UTC+8", 8*3600))
		_, err := b.client(t).ListPayments(t.Context(), client.PaymentQuery{OutTradeNo: "order-1", Status: "pending", Channel: "wechat", CreatedFrom: from})
		check(t, err)
		want := []payment.PaymentFilter{{AppID: shop, OutTradeNo: "order-1", Status: payment.Pending, Channel: payment.WeChat, CreatedFrom: from.UTC()}}
		if diff := cmp.Diff(want, b.lists.payments); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("AnEmptyListIsAList", func(t *testing.T) {
		a := b.send(t, "GET", "/v1/payments", "", header("Authorization", "Bearer "+b.stranger))
		if strings.TrimSpace(string(a.body)) != `{"data":[]}` {
			t.Errorf("it is %s", a.body)
		}
	})
	t.Run("ACursorThatWasNeverGivenOutIsNamed", func(t *testing.T) {
		if a := b.send(t, "GET", "/v1/payments?cursor=made-up", ""); a.status != 400 || a.locations(t) != "query.cursor" {
			t.Errorf("status %d: %s", a.status, a.body)
		}
	})
}
