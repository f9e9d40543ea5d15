package wechatpay

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"testing"
)

// refusedWell wants one of the errors a caller can test.
func refusedWell(t *testing.T, err error) {
	t.Helper()
	for _, sentinel := range []error{ErrSignature, ErrTimestamp, ErrUnknownSerial, ErrCertificateExpired, ErrDecrypt, ErrMalformed} {
		if errors.Is(err, sentinel) {
			return
		}
	}
	t.Errorf("got %v, none of the package's errors", err)
}

func FuzzNotificationEnvelope(f *testing.F) {
	client := vectorClient(f)
	for _, c := range readVectors(f).Notifications {
		f.Add([]byte(c.Body))
	}
	f.Add([]byte(`{"id":"1","event_type":"A.B","resource":{"algorithm":"AEAD_AES_256_GCM","nonce":"","ciphertext":""}}`))
	f.Add([]byte(`{"id":"1","event_type":"A.B","resource":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := decodeEnvelope(body)
		if err != nil {
			refusedWell(t, err)
			return
		}
		plaintext, err := e.Resource.open(client.aead)
		if err != nil {
			refusedWell(t, err)
			return
		}
		if _, err := newNotification(e, body, plaintext); err != nil {
			refusedWell(t, err)
		}
	})
}

// What is read without encoding/json has the meaning it has there.
func FuzzPlainEnvelope(f *testing.F) {
	for _, c := range readVectors(f).Notifications {
		f.Add([]byte(c.Body))
	}
	for _, c := range envelopes {
		f.Add([]byte(c.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var plain, want envelope
		if !plain.readPlain(body) {
			return
		}
		if err := json.Unmarshal(body, &want); err != nil {
			t.Fatalf("%q is no JSON and was read: %v", body, err)
		}
		if !reflect.DeepEqual(plain, want) {
			t.Errorf("%q: got %+v, want %+v", body, plain, want)
		}
	})
}

func FuzzCredential(f *testing.F) {
	for _, c := range credentials {
		f.Add([]byte(c.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var got, want NativeResponse
		gotErr, wantErr := decodeCredential(&got)(body), decodeJSON(body, &want)
		if wantErr != nil || want.CodeURL == "" {
			if gotErr == nil {
				t.Fatalf("%q: got %+v where encoding/json has none: %v", body, got, wantErr)
			}
			refusedWell(t, gotErr)
			return
		}
		if gotErr != nil || got != want {
			t.Errorf("%q: got %+v, %v, want %+v", body, got, gotErr, want)
		}
	})
}

func FuzzNotificationPlaintext(f *testing.F) {
	for _, c := range readVectors(f).Notifications {
		f.Add("transaction", c.Decrypted)
		f.Add("refund", c.Decrypted)
		f.Add("mch_payment", c.Decrypted)
	}
	f.Add("", `{"out_trade_no":"1","trade_state":"SUCCESS","success_time":"never"}`)
	f.Add("transaction", `null`)
	f.Fuzz(func(t *testing.T, originalType, plaintext string) {
		e := &envelope{ID: "1", EventType: "REFUND.SUCCESS"}
		e.Resource.OriginalType = originalType
		n, err := newNotification(e, nil, []byte(plaintext))
		if err != nil {
			refusedWell(t, err)
			return
		}
		if order, ok := n.Order(); ok && (order.OutTradeNo == "" || order.TradeState == "") {
			t.Errorf("an order without number or state: %+v", order)
		}
		if order, ok := n.CombineOrder(); ok && (order.CombineOutTradeNo == "" || len(order.SubOrders) == 0) {
			t.Errorf("a combined payment without number or sub orders: %+v", order)
		}
		if refund, ok := n.Refund(); ok && (refund.OutRefundNo == "" || refund.RefundStatus == "") {
			t.Errorf("a refund without number or status: %+v", refund)
		}
		if transfer, ok := n.Transfer(); ok && (transfer.OutBillNo == "" || transfer.TransferBillNo == "" || transfer.State == "") {
			t.Errorf("a transfer without numbers or state: %+v", transfer)
		}
	})
}

// Nothing but the signed bytes themselves may verify.
func FuzzSignatureHeaders(f *testing.F) {
	client := vectorClient(f)
	cases := readVectors(f).Answers
	good := cases[0]
	for _, c := range cases {
		f.Add(c.Headers[headerTimestamp], c.Headers[headerNonce], c.Headers[headerSignature], c.Headers[headerSerial], c.Headers[headerSignatureType], c.Body)
	}
	f.Add("-1", "\n", "WECHATPAY/SIGNTEST/", "pub_key_id_", "", "")
	valid := map[string]bool{}
	for _, c := range cases {
		if c.SignatureValid {
			valid[c.Headers[headerTimestamp]+"\n"+c.Headers[headerNonce]+"\n"+c.Body+"\n"] = true
		}
	}
	f.Fuzz(func(t *testing.T, timestamp, nonce, signature, serial, signatureType, body string) {
		h := http.Header{
			headerTimestamp: {timestamp}, headerNonce: {nonce}, headerSignature: {signature}, headerSerial: {serial},
			headerSignatureType: {signatureType},
		}
		if signatureType == "" {
			delete(h, headerSignatureType)
		}
		if err := client.verify(t.Context(), h, []byte(body)); err != nil {
			refusedWell(t, err)
			return
		}
		if !valid[timestamp+"\n"+nonce+"\n"+body+"\n"] {
			t.Errorf("a forgery verified: %q %q %q, not %q", timestamp, nonce, body, good.Body)
		}
	})
}

func FuzzCertificateList(f *testing.F) {
	client := vectorClient(f)
	f.Add([]byte(readVectors(f).Certificates.Body))
	f.Add([]byte(certificateList(f, map[string][]byte{"00": []byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")})))
	f.Add([]byte(`{"data":[]}`))
	f.Add([]byte(`{"data":[null]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		keys, err := openCertificates(body, client.aead, rsaSuite{})
		if err != nil {
			refusedWell(t, err)
			return
		}
		for _, key := range keys {
			if key.serial == "" || key.public == nil || !key.isCertificate() {
				t.Errorf("an unusable key: %+v", key)
			}
		}
	})
}

// Without a code of the provider's nothing counts as refused.
func FuzzErrorBody(f *testing.F) {
	f.Add(400, "08C6AADAAF0120BF1F28E3BE04-268498688", []byte(`{"code":"PARAM_ERROR","message":"参数错误","detail":{"field":"/amount/currency","value":"XYZ","issue":"invalid","location":"body"}}`))
	f.Add(401, "", []byte(`{"code":"SIGN_ERROR","detail":{"detail":{"issue":"sign not match"},"field":"signature","location":"authorization"},"message":"错误的签名，验签失败"}`))
	f.Add(404, "-", []byte(`{"code":"ORDERNOTEXIST","detail":null}`))
	f.Add(502, "", []byte(`<html>`))
	f.Add(400, "", []byte(`{"code":1,"detail":"text"}`))
	f.Fuzz(func(t *testing.T, status int, requestID string, body []byte) {
		e := readError(status, requestID, body)
		if e.Error() == "" || (e.Detail != nil && !json.Valid(e.Detail)) {
			t.Errorf("got %#v", e)
		}
		if OutcomeOf(e) == OutcomeRefused && (e.Code == "" || status < 400 || status >= 500) {
			t.Errorf("refused by %#v", e)
		}
	})
}

func FuzzOrder(f *testing.F) {
	for _, c := range readVectors(f).Notifications {
		f.Add([]byte(c.Decrypted))
	}
	f.Add([]byte(orderAnswer("VEC1")))
	f.Fuzz(func(t *testing.T, body []byte) { decodesTwiceAlike(t, body, decodeOrder) })
}

func FuzzCombineOrder(f *testing.F) {
	for _, c := range readVectors(f).Notifications {
		f.Add([]byte(c.Decrypted))
	}
	f.Add([]byte(combineAnswer("VECC20240601000001")))
	f.Add([]byte(`{"combine_out_trade_no":"1","sub_orders":[null]}`))
	f.Fuzz(func(t *testing.T, body []byte) { decodesTwiceAlike(t, body, decodeCombineOrder) })
}

func FuzzRefund(f *testing.F) {
	f.Add([]byte(refundAnswer))
	f.Add([]byte(`{"refund_id":"1","out_refund_no":"1","status":"SUCCESS","success_time":"2024-06-01T08:00:00+08:00","amount":{"from":[{"account":"AVAILABLE","amount":1}]}}`))
	f.Fuzz(func(t *testing.T, body []byte) { decodesTwiceAlike(t, body, decodeRefund) })
}

// decodesTwiceAlike wants what was accepted to come back the same after encoding.
func decodesTwiceAlike[T any](t *testing.T, body []byte, decode func([]byte) (*T, error)) {
	t.Helper()
	first, err := decode(body)
	if err != nil {
		refusedWell(t, err)
		return
	}
	text, err := json.Marshal(first)
	if err != nil {
		return // a year that RFC 3339 cannot write
	}
	second, err := decode(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	again, err := json.Marshal(second)
	if err != nil || !reflect.DeepEqual(text, again) {
		t.Errorf("%s became %s, %v", text, again, err)
	}
}
