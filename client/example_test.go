package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/tongbao-pay/tongbao/client"
)

// fakeGateway stands in for a gateway, so that the examples run anywhere.
func fakeGateway(status int, mediaType, body string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", mediaType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
}

func Example() {
	gateway := fakeGateway(201, "application/json", `{"id":"pay_1","status":"pending","credential":{"code_url":"weixin://wxpay/bizpayurl?pr=abc"}}`)
	defer gateway.Close()

	c, err := client.New(client.Config{BaseURL: gateway.URL, APIKey: "sk_test"})
	if err != nil {
		panic(err)
	}
	p, err := c.CreatePayment(context.Background(), client.CreatePayment{
		OutTradeNo: "order-1", Amount: 8800, Description: "two bowls of noodles", Channel: "wechat", Product: "native",
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(p.Status, p.Credential.CodeURL)
	// Output: pending weixin://wxpay/bizpayurl?pr=abc
}

func ExampleError() {
	gateway := fakeGateway(422, "application/problem+json", `{"code":"refund_exceeds_payment","detail":"9000 is more than the 8800 left","request_id":"req_1"}`)
	defer gateway.Close()

	c, err := client.New(client.Config{BaseURL: gateway.URL, APIKey: "sk_test"})
	if err != nil {
		panic(err)
	}
	_, err = c.CreateRefund(context.Background(), client.CreateRefund{PaymentID: "pay_1", OutRefundNo: "refund-1", Amount: 9000})
	if refusal, ok := errors.AsType[*client.Error](err); ok {
		fmt.Println(refusal.Code, refusal.Retryable())
	}
	// Output: refund_exceeds_payment false
}

func ExampleClient_Payments() {
	gateway := fakeGateway(200, "application/json", `{"data":[{"id":"pay_2"},{"id":"pay_1"}]}`)
	defer gateway.Close()

	c, err := client.New(client.Config{BaseURL: gateway.URL, APIKey: "sk_test"})
	if err != nil {
		panic(err)
	}
	for p, err := range c.Payments(context.Background(), client.PaymentQuery{Status: client.PaymentSucceeded}) {
		if err != nil {
			panic(err)
		}
		fmt.Println(p.ID)
	}
	// Output:
	// pay_2
	// pay_1
}

func ExampleVerifyWebhook() {
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" // as the endpoint's creation showed it
	receive := func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, client.WebhookBodyMax))
		if err != nil {
			http.Error(w, "too large", http.StatusBadRequest)
			return
		}
		event, err := client.VerifyWebhook([]string{secret}, r.Header, body, time.Now())
		if err != nil {
			http.Error(w, "not ours", http.StatusUnauthorized)
			return
		}
		fmt.Println("handle", event.Type, event.Sequence) // durably, once per event.ID, before answering
	}

	w := httptest.NewRecorder()
	receive(w, httptest.NewRequest(http.MethodPost, "/webhooks", nil)) // a stranger
	fmt.Println(w.Code)
	// Output: 401
}
