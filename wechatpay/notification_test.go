package wechatpay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func publicKeyMode(t testing.TB) signingKey {
	t.Helper()
	return signingKey{testPublicKeyID, privateKey(t, "wechatpay_pubkey_mode_private_key.pem")}
}

func TestNotificationOfAPayment(t *testing.T) {
	t.Parallel()
	client := newClient(t, testConfig(t))
	n, err := client.ParseNotification(notificationRequest(t, publicKeyMode(t), time.Now(), EventTransactionSuccess, "transaction", orderAnswer("VEC1")))
	if err != nil {
		t.Fatal(err)
	}
	order, ok := n.Order()
	if !ok || order.OutTradeNo != "VEC1" || order.Amount.Total != 100 || n.EventType() != EventTransactionSuccess || n.OriginalType() != "transaction" ||
		n.Summary() != "支付成功" || n.CreateTime().IsZero() {
		t.Errorf("got %v, %+v", n, order)
	}
	order.Amount.Total, n.Plaintext()[0] = 1, 'x'
	if again, _ := n.Order(); again.Amount.Total != 100 || n.Plaintext()[0] != '{' {
		t.Error("a notification was changed from outside")
	}
	if _, ok := n.Refund(); ok {
		t.Error("a payment is a refund")
	}
	if text := fmt.Sprintf("%+v", n); strings.Contains(text, "oUpF8uMuAJO") {
		t.Errorf("the payer is printed: %s", text)
	}
}

func TestNotificationOfARefund(t *testing.T) {
	t.Parallel()
	client := newClient(t, testConfig(t))
	const plaintext = `{"mchid":"1900009191","out_trade_no":"VEC1","transaction_id":"42","out_refund_no":"R1","refund_id":"50","refund_status":"ABNORMAL","success_time":"","user_received_account":"x","amount":{"total":100,"refund":10,"payer_total":100,"payer_refund":10}}`
	for _, originalType := range []string{"refund", ""} {
		n, err := client.ParseNotification(notificationRequest(t, publicKeyMode(t), time.Now(), EventRefundAbnormal, originalType, plaintext))
		if err != nil {
			t.Fatal(err)
		}
		refund, ok := n.Refund()
		if !ok || refund.RefundStatus != RefundStatusAbnormal || refund.Amount.Refund != 10 || !refund.SuccessTime.IsZero() || refund.MchID != testMchID {
			t.Errorf("got %+v", refund)
		}
	}
}

// What is authentic but unknown stays a raw event: it is for a person to look at.
func TestNotificationOfUnknownShapeIsRaw(t *testing.T) {
	t.Parallel()
	client := newClient(t, testConfig(t))
	for name, c := range map[string]struct{ event, original, plaintext string }{
		"UnknownType":        {"COUPON.USE", "coupon", `{"stock_id":"1"}`},
		"NoOriginalType":     {"PAYSCORE.USER_PAID", "", `{"out_order_no":"1"}`},
		"Combined":           {EventTransactionSuccess, "transaction", `{"combine_out_trade_no":"1","sub_orders":[]}`},
		"AmountOfOtherShape": {EventTransactionSuccess, "transaction", `{"out_trade_no":"1","trade_state":"SUCCESS","amount":{"total":1.5}}`},
		"AmountAsText":       {EventTransactionSuccess, "transaction", `{"out_trade_no":"1","trade_state":"SUCCESS","amount":{"total":"100"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, err := client.ParseNotification(notificationRequest(t, publicKeyMode(t), time.Now(), c.event, c.original, c.plaintext))
			if err != nil {
				t.Fatal(err)
			}
			_, isOrder := n.Order()
			_, isRefund := n.Refund()
			if isOrder || isRefund || string(n.Plaintext()) != c.plaintext {
				t.Errorf("got order %v, refund %v, %s", isOrder, isRefund, n.Plaintext())
			}
		})
	}
}

func TestNotificationsThatAreRefused(t *testing.T) {
	t.Parallel()
	key := publicKeyMode(t)
	good := func(t *testing.T) *http.Request {
		return notificationRequest(t, key, time.Now(), EventTransactionSuccess, "transaction", orderAnswer("VEC1"))
	}
	header := func(change func(http.Header)) func(*testing.T) *http.Request {
		return func(t *testing.T) *http.Request {
			r := good(t)
			change(r.Header)
			return r
		}
	}
	signedBody := func(body string) func(*testing.T) *http.Request {
		return func(t *testing.T) *http.Request { return signedNotification(t, key, time.Now(), []byte(body)) }
	}
	withNonce := func(nonce string) func(*testing.T) *http.Request {
		return signedBody(`{"id":"1","event_type":"TRANSACTION.SUCCESS","resource":{"algorithm":"AEAD_AES_256_GCM","ciphertext":"AAAAAAAAAAAAAAAAAAAAAAAA","associated_data":"","nonce":"` + nonce + `"}}`)
	}
	cases := []struct {
		name    string
		request func(*testing.T) *http.Request
		is      error
		status  int
	}{
		{"NoSignature", header(func(h http.Header) { h.Del("Wechatpay-Signature") }), ErrSignature, 401},
		{"NoSerial", header(func(h http.Header) { h.Del("Wechatpay-Serial") }), ErrSignature, 401},
		{"NoHeaders", header(func(h http.Header) { clear(h) }), ErrSignature, 401},
		{"TwoSignatures", header(func(h http.Header) { h.Add("Wechatpay-Signature", h.Get("Wechatpay-Signature")) }), ErrSignature, 401},
		{"TwoTimestamps", header(func(h http.Header) { h.Add("Wechatpay-Timestamp", "1") }), ErrSignature, 401},
		{"NonceWithNewline", header(func(h http.Header) { h["Wechatpay-Nonce"] = []string{"a\nb"} }), ErrSignature, 401},
		{"FoldedSignature", header(func(h http.Header) { h.Set("Wechatpay-Signature", h.Get("Wechatpay-Signature")[:9]+" x") }), ErrSignature, 401},
		{"OtherAlgorithm", header(func(h http.Header) { h.Set("Wechatpay-Signature-Type", "WECHATPAY2-SM2-WITH-SM3") }), ErrSignature, 401},
		{"Probe", header(func(h http.Header) {
			h.Set("Wechatpay-Signature", "WECHATPAY/SIGNTEST/"+h.Get("Wechatpay-Signature"))
		}), ErrSignature, 401},
		{"UndecodableProbe", header(func(h http.Header) { h.Set("Wechatpay-Signature", "WECHATPAY/SIGNTEST/#") }), ErrSignature, 401},
		{"ShortSignature", header(func(h http.Header) { h.Set("Wechatpay-Signature", "AAAA") }), ErrSignature, 401},
		{"TimestampOfLetters", header(func(h http.Header) { h.Set("Wechatpay-Timestamp", "soon") }), ErrTimestamp, 401},
		{"SignedTimestamp", header(func(h http.Header) { h.Set("Wechatpay-Timestamp", "+1717200000") }), ErrTimestamp, 401},
		{"HugeTimestamp", header(func(h http.Header) { h.Set("Wechatpay-Timestamp", "9223372036854775807") }), ErrTimestamp, 401},
		{"SerialOfTheOtherKey", header(func(h http.Header) { h.Set("Wechatpay-Serial", testPlatform) }), ErrSignature, 401},
		{"SerialWithoutPrefix", header(func(h http.Header) {
			h.Set("Wechatpay-Serial", strings.TrimPrefix(testPublicKeyID, publicKeyIDPrefix))
		}), ErrUnknownSerial, 401},
		{"ReserialisedBody", func(t *testing.T) *http.Request {
			r := good(t)
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if err := json.Indent(&out, body, "", " "); err != nil {
				t.Fatal(err)
			}
			r.Body = io.NopCloser(&out)
			return r
		}, ErrSignature, 401},
		{"DeclaredTooLarge", func(t *testing.T) *http.Request {
			r := good(t)
			r.ContentLength = 1 << 30
			return r
		}, ErrBodyTooLarge, 413},
		{"TooLarge", func(t *testing.T) *http.Request {
			r := good(t)
			r.ContentLength, r.Body = -1, io.NopCloser(strings.NewReader(strings.Repeat("x", 64<<10+1)))
			return r
		}, ErrBodyTooLarge, 413},
		{"NoBody", func(t *testing.T) *http.Request {
			r := good(t)
			r.Body = nil
			return r
		}, ErrSignature, 401},
		{"BodyThatBreaks", func(t *testing.T) *http.Request {
			r := good(t)
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader("{"), brokenReader{}))
			return r
		}, ErrMalformed, 400},
		{"SignedPage", signedBody(`<html>`), ErrMalformed, 400},
		{"NoID", signedBody(`{"event_type":"A.B","resource":{}}`), ErrMalformed, 400},
		{"OtherCipher", signedBody(`{"id":"1","event_type":"A.B","resource":{"algorithm":"AEAD_SM4_GCM"}}`), ErrMalformed, 400},
		{"EmptyNonce", withNonce(""), ErrMalformed, 400},
		{"NonceOf11", withNonce("12345678901"), ErrMalformed, 400},
		{"NonceOf13", withNonce("1234567890123"), ErrMalformed, 400},
		{"NonceOf60000", withNonce(strings.Repeat("n", 60000)), ErrMalformed, 400},
		{"CiphertextShorterThanATag", signedBody(`{"id":"1","event_type":"A.B","resource":{"algorithm":"AEAD_AES_256_GCM","nonce":"123456789012","ciphertext":"AAAA"}}`), ErrDecrypt, 500},
		{"CiphertextNotBase64", signedBody(`{"id":"1","event_type":"A.B","resource":{"algorithm":"AEAD_AES_256_GCM","nonce":"123456789012","ciphertext":"#"}}`), ErrMalformed, 400},
		{"PlaintextNotJSON", func(t *testing.T) *http.Request {
			return notificationRequest(t, key, time.Now(), EventTransactionSuccess, "transaction", "hello")
		}, ErrMalformed, 400},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n, err := newClient(t, testConfig(t)).ParseNotification(c.request(t))
			if !errors.Is(err, c.is) || n != nil {
				t.Fatalf("got %v, want %v", err, c.is)
			}
			w := httptest.NewRecorder()
			AnswerNotification(w, err)
			if w.Code != c.status {
				t.Errorf("answered %d, want %d", w.Code, c.status)
			}
		})
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestNotificationOfAnotherMerchantIsRefused(t *testing.T) {
	t.Parallel()
	config := testConfig(t)
	config.APIv3Key = strings.Repeat("k", 32)
	r := notificationRequest(t, publicKeyMode(t), time.Now(), EventTransactionSuccess, "transaction", orderAnswer("VEC1"))
	if _, err := newClient(t, config).ParseNotification(r); !errors.Is(err, ErrDecrypt) {
		t.Errorf("got %v", err)
	}
	config.APIv3Key = ""
	r = notificationRequest(t, publicKeyMode(t), time.Now(), EventTransactionSuccess, "transaction", orderAnswer("VEC1"))
	if _, err := newClient(t, config).ParseNotification(r); !errors.Is(err, ErrDecrypt) || !strings.Contains(err.Error(), "APIv3Key") {
		t.Errorf("got %v", err)
	}
}

func TestClockWindowIsSymmetric(t *testing.T) {
	t.Parallel()
	signedAt := time.Unix(1717200000, 0)
	for offset, want := range map[time.Duration]error{
		-301 * time.Second: ErrTimestamp, -300 * time.Second: ErrTimestamp, -299 * time.Second: nil, 0: nil,
		299 * time.Second: nil, 300 * time.Second: ErrTimestamp, 301 * time.Second: ErrTimestamp,
	} {
		config := testConfig(t)
		config.Now = func() time.Time { return signedAt.Add(offset) }
		r := notificationRequest(t, publicKeyMode(t), signedAt, EventTransactionSuccess, "transaction", orderAnswer("VEC1"))
		if _, err := newClient(t, config).ParseNotification(r); !errors.Is(err, want) {
			t.Errorf("%s away: got %v, want %v", offset, err, want)
		}
	}
}

func TestAnswersToTheProvider(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	AnswerNotification(w, nil)
	if w.Code != http.StatusNoContent || w.Body.Len() != 0 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	w = httptest.NewRecorder()
	AnswerNotification(w, errors.New("password of the database is 4711"))
	var answer struct{ Code, Message string }
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 500 || answer.Code != "FAIL" || strings.Contains(answer.Message, "4711") {
		t.Errorf("got %d %s, %v", w.Code, w.Body, err)
	}
}

// endlessReader is a sender that never stops; it complains when somebody reads on for a megabyte.
type endlessReader struct{ read int }

func (r *endlessReader) Read(p []byte) (int, error) {
	if r.read += len(p); r.read > 1<<20 {
		return 0, errors.New("read on and on")
	}
	return len(p), nil
}

func TestNotificationBodyIsNotReadBeyondItsLimit(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodPost, "/notify", nil)
	r.ContentLength, r.Body = -1, io.NopCloser(&endlessReader{})
	if _, err := newClient(t, testConfig(t)).ParseNotification(r); !errors.Is(err, ErrBodyTooLarge) {
		t.Errorf("got %v", err)
	}
}
