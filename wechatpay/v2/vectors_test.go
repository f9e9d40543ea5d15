package wechatpayv2

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// vectors are self-made but for the first signature, which the provider published.
type vectors struct {
	Sign []struct {
		Name   string
		Params Fields
		Key    string
		MD5    string `json:"md5"`
		HMAC   string `json:"hmac_sha256"`
	} `json:"v2_sign"`
	Payment struct {
		XML     string
		Success string `json:"success_answer"`
	} `json:"v2_pay_notification"`
	Refund struct {
		XML       string
		ReqInfo   string `json:"req_info"`
		Decrypted string
	} `json:"v2_refund_notification"`
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	var v vectors
	if err := json.Unmarshal(readFile(t, "wechatpay.json"), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func notificationRequest(body string) *http.Request {
	return httptest.NewRequest(http.MethodPost, "/notify", strings.NewReader(body))
}

func TestVectorsSign(t *testing.T) {
	t.Parallel()
	cases := readVectors(t).Sign
	if len(cases) != 2 {
		t.Fatalf("got %d cases", len(cases))
	}
	for _, c := range cases {
		if got := key(c.Key).sign(c.Params, SignTypeMD5); got != c.MD5 {
			t.Errorf("%s: MD5 %s, want %s", c.Name, got, c.MD5)
		}
		if got := key(c.Key).sign(c.Params, SignTypeHMACSHA256); got != c.HMAC {
			t.Errorf("%s: HMAC-SHA256 %s, want %s", c.Name, got, c.HMAC)
		}
	}
}

func TestVectorsPaymentNotification(t *testing.T) {
	t.Parallel()
	client := newClient(t, testConfig(newProvider(t, nil)))
	n, err := client.ParseNotification(notificationRequest(readVectors(t).Payment.XML))
	if err != nil {
		t.Fatal(err)
	}
	order, ok := n.Order()
	if !ok {
		t.Fatal("no order")
	}
	if order.OutTradeNo != "VEC20240601000002" || order.TotalFee != 100 || order.TradeState != "SUCCESS" || order.OpenID != "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o" {
		t.Errorf("got %+v", order)
	}
	if want := time.Date(2024, 6, 1, 0, 0, 30, 0, time.UTC); !order.TimeEnd.Equal(want) {
		t.Errorf("paid at %s, want %s", order.TimeEnd, want)
	}
	if order.Fields["unknown_future_field"] != "1" {
		t.Error("a field was lost")
	}
	w := httptest.NewRecorder()
	AnswerNotification(w, nil)
	if got := w.Body.String(); got != readVectors(t).Payment.Success {
		t.Errorf("answered %s", got)
	}
}

func TestVectorsRefundNotification(t *testing.T) {
	t.Parallel()
	client := newClient(t, testConfig(newProvider(t, nil)))
	v := readVectors(t).Refund
	n, err := client.ParseNotification(notificationRequest(v.XML))
	if err != nil {
		t.Fatal(err)
	}
	refund, ok := n.Refund()
	if !ok {
		t.Fatal("no refund")
	}
	if refund.OutRefundNo != "VECR20240601000002" || refund.RefundFee != 40 || refund.TotalFee != 100 || refund.RefundStatus != RefundStatusSuccess ||
		refund.RefundRecvAccount != "支付用户零钱" || refund.RefundID != "50300002222024060112345678902" {
		t.Errorf("got %+v", refund)
	}
	if want := time.Date(2024, 6, 1, 0, 10, 0, 0, time.UTC); !refund.SuccessTime.Equal(want) {
		t.Errorf("arrived at %s, want %s", refund.SuccessTime, want)
	}
	if _, ok := n.Order(); ok {
		t.Error("a refund is called a payment")
	}
	decrypted, err := decode([]byte(v.Decrypted), "root")
	if err != nil || len(decrypted) != len(refund.Fields) {
		t.Errorf("got %d fields of %d, %v", len(refund.Fields), len(decrypted), err)
	}
}
