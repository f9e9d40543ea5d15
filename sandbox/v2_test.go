package sandbox_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/aes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox"
)

// fields is a message of APIv2.
type fields map[string]string

// merchantV2 calls the sandbox over APIv2, with its own few lines of signing and reading.
type merchantV2 struct {
	t        testing.TB
	w        sandbox.WeChatPayCredentials
	base     string
	signType string
	client   *http.Client
}

// setupV2 is setup with the port of APIv2, and a merchant who shows its certificate there.
func setupV2(t *testing.T) (*bundle, *merchantV2) {
	t.Helper()
	c := config(newDir(t))
	c.TLS, c.MutualTLS = ":0", ":0"
	b := run(t, c)
	credentials := b.sandbox.Credentials()
	m := &merchantV2{t: t, w: credentials.WeChatPay, base: b.sandbox.MutualTLSURL(), signType: "HMAC-SHA256"}
	m.client = clientWith(t, credentials, credentials.WeChatPay.MerchantCertificateFile, credentials.WeChatPay.MerchantPrivateKeyFile)
	return b, m
}

// clientWith trusts the sandbox and shows the certificate of the files; none if they are empty.
func clientWith(t *testing.T, c sandbox.Credentials, certificate, key string) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(c.PEM(c.CAFile))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true}
	if certificate != "" {
		pair, err := tls.X509KeyPair(c.PEM(certificate), c.PEM(key))
		if err != nil {
			t.Fatal(err)
		}
		transport.TLSClientConfig.Certificates = []tls.Certificate{pair}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

func (m *merchantV2) sign(f fields) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(f)) {
		if name != "sign" && f[name] != "" {
			parts = append(parts, name+"="+f[name])
		}
	}
	text := []byte(strings.Join(append(parts, "key="+m.w.APIv2Key), "&"))
	if m.signType == "HMAC-SHA256" {
		mac := hmac.New(sha256.New, []byte(m.w.APIv2Key))
		mac.Write(text)
		return strings.ToUpper(hex.EncodeToString(mac.Sum(nil)))
	}
	sum := md5.Sum(text)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// post sends a signed message and returns what came back: nothing but a status if that is no message.
func (m *merchantV2) post(path string, f fields) (int, fields) {
	m.t.Helper()
	full := fields{"appid": m.w.AppID, "mch_id": m.w.MchID, "nonce_str": "5K8264ILTKCH16CQ2502SI8ZNMTM67VS", "sign_type": m.signType}
	maps.Copy(full, f)
	if full["sign"] == "" {
		full["sign"] = m.sign(full)
	}
	status, body := m.send(path, writeV2(full))
	return status, readV2(m.t, body)
}

func (m *merchantV2) send(path, body string) (int, []byte) {
	m.t.Helper()
	response, err := m.client.Post(m.base+path, "text/xml", strings.NewReader(body))
	if err != nil {
		m.t.Fatalf("%s: %v", path, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		m.t.Fatal(err)
	}
	return response.StatusCode, answer
}

// must is post for calls that have to succeed, under a signature of the request's kind.
func (m *merchantV2) must(path string, f fields) fields {
	m.t.Helper()
	status, got := m.post(path, f)
	if status != http.StatusOK || got["return_code"] != "SUCCESS" || got["result_code"] != "SUCCESS" || got["sign"] != m.sign(got) {
		m.t.Fatalf("%s: %d %v", path, status, got)
	}
	return got
}

// refused is post for calls that the provider takes and refuses.
func (m *merchantV2) refused(path string, f fields) string {
	m.t.Helper()
	status, got := m.post(path, f)
	if status != http.StatusOK || got["return_code"] != "SUCCESS" || got["result_code"] != "FAIL" || got["sign"] != m.sign(got) {
		m.t.Fatalf("%s: %d %v", path, status, got)
	}
	return got["err_code"]
}

func writeV2(f fields) string {
	var b strings.Builder
	b.WriteString("<xml>")
	for name, value := range f {
		b.WriteString("<" + name + "><![CDATA[" + value + "]]></" + name + ">")
	}
	b.WriteString("</xml>")
	return b.String()
}

func readV2(t testing.TB, body []byte) fields {
	t.Helper()
	if !bytes.HasPrefix(body, []byte("<xml>")) && !bytes.HasPrefix(body, []byte("<root>")) {
		return nil
	}
	var message struct {
		Fields []struct {
			XMLName xml.Name
			Value   string `xml:",chardata"`
		} `xml:",any"`
	}
	if err := xml.Unmarshal(body, &message); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	f := fields{}
	for _, field := range message.Fields {
		f[field.XMLName.Local] = field.Value
	}
	return f
}

const (
	v2MicroPay = "/pay/micropay"
	v2Query    = "/pay/orderquery"
	v2Reverse  = "/secapi/pay/reverse"
	v2Refund   = "/secapi/pay/refund"
	v2Unified  = "/pay/unifiedorder"
)

func (b *bundle) authCode(outcome string) string {
	b.t.Helper()
	return b.ok("POST", "/wechatpay/auth_code", object{"outcome": outcome})["auth_code"].(string)
}

func codePayment(outTradeNo, authCode string) fields {
	return fields{"body": "一杯咖啡", "out_trade_no": outTradeNo, "total_fee": "100", "spbill_create_ip": "192.0.2.1", "auth_code": authCode}
}

func (b *bundle) unifiedOrder(outTradeNo string, notifyURL string) fields {
	return fields{
		"body": "一杯咖啡", "out_trade_no": outTradeNo, "total_fee": "100", "spbill_create_ip": "192.0.2.1", "notify_url": notifyURL,
		"trade_type": "NATIVE", "product_id": "1",
	}
}

func TestV2PaymentByCode(t *testing.T) {
	t.Parallel()
	b, m := setupV2(t)
	for _, signType := range []string{"MD5", "HMAC-SHA256"} {
		m.signType = signType
		no := "CODE" + signType[:3]
		paid := m.must(v2MicroPay, codePayment(no, b.authCode("success")))
		want(t, "trade_type", paid["trade_type"], "MICROPAY")
		want(t, "total_fee", paid["total_fee"], "100")
		want(t, "openid", paid["openid"], m.w.OpenID)
		order := m.must(v2Query, fields{"transaction_id": paid["transaction_id"]})
		want(t, "trade_state", order["trade_state"], "SUCCESS")
		want(t, "out_trade_no", order["out_trade_no"], no)
		want(t, "the same order in APIv3", b.query(no)["trade_state"], "SUCCESS")
	}
	b.books()
}

func TestV2PayerWithAPasswordAndWithoutMoney(t *testing.T) {
	t.Parallel()
	b, m := setupV2(t)
	want(t, "a payer who types a password", m.refused(v2MicroPay, codePayment("ORDER1", b.authCode("userpaying"))), "USERPAYING")
	want(t, "state", m.must(v2Query, fields{"out_trade_no": "ORDER1"})["trade_state"], "USERPAYING")
	b.pay(object{"out_trade_no": "ORDER1", "result": "success"})
	want(t, "state after the password", m.must(v2Query, fields{"out_trade_no": "ORDER1"})["trade_state"], "SUCCESS")
	want(t, "the same request again", m.refused(v2MicroPay, codePayment("ORDER1", b.authCode("success"))), "OUT_TRADE_NO_USED")

	want(t, "no money", m.refused(v2MicroPay, codePayment("ORDER2", b.authCode("not_enough"))), "NOTENOUGH")
	want(t, "state", m.must(v2Query, fields{"out_trade_no": "ORDER2"})["trade_state"], "PAYERROR")
	used := b.authCode("success")
	m.must(v2MicroPay, codePayment("ORDER3", used))
	want(t, "a used code", m.refused(v2MicroPay, codePayment("ORDER4", used)), "AUTHCODEEXPIRE")
	want(t, "a code of nobody", m.refused(v2MicroPay, codePayment("ORDER5", "130000000000000000")), "AUTH_CODE_INVALID")
	want(t, "no code at all", m.refused(v2MicroPay, codePayment("ORDER6", "1234")), "AUTH_CODE_ERROR")
	want(t, "an order nobody placed", m.refused(v2Query, fields{"out_trade_no": "ORDER7"}), "ORDERNOTEXIST")
	old := b.authCode("success")
	b.advance(2 * time.Minute)
	want(t, "an old code", m.refused(v2MicroPay, codePayment("ORDER8", old)), "AUTHCODEEXPIRE")
	b.books()
}

func TestV2CodeTellsItsPayer(t *testing.T) {
	t.Parallel()
	b, m := setupV2(t)
	code := b.authCode("success")
	want(t, "openid", m.must("/tools/authcodetoopenid", fields{"auth_code": code})["openid"], m.w.OpenID)
	m.must(v2MicroPay, codePayment("ORDER1", code)) // asking did not use it up
}

func TestV2Reverse(t *testing.T) {
	t.Parallel()
	b, m := setupV2(t)
	m.must(v2MicroPay, codePayment("ORDER1", b.authCode("success")))
	status, early := m.post(v2Reverse, fields{"out_trade_no": "ORDER1"})
	if status != http.StatusOK || early["result_code"] != "FAIL" || early["recall"] != "Y" {
		t.Errorf("too early: %v", early)
	}
	b.advance(15 * time.Second)
	want(t, "recall", m.must(v2Reverse, fields{"out_trade_no": "ORDER1"})["recall"], "N")
	want(t, "state", m.must(v2Query, fields{"out_trade_no": "ORDER1"})["trade_state"], "REVOKED")
	want(t, "recall of the repeat", m.must(v2Reverse, fields{"out_trade_no": "ORDER1"})["recall"], "N")
	want(t, "balance", b.books()["balance"], 0)
	want(t, "the number again", m.refused(v2MicroPay, codePayment("ORDER1", b.authCode("success"))), "OUT_TRADE_NO_USED")

	m.must(v2Unified, b.unifiedOrder("ORDER2", b.receiver.url("/notify")))
	want(t, "an order without a code", m.refused(v2Reverse, fields{"out_trade_no": "ORDER2"}), "INVALID_REQUEST")
	want(t, "closing an order with one", m.refused("/pay/closeorder", fields{"out_trade_no": "ORDER1"}), "TRADE_ERROR")
	m.must(v2MicroPay, codePayment("ORDER3", b.authCode("success")))
	b.advance(8 * 24 * time.Hour)
	want(t, "after a week", m.refused(v2Reverse, fields{"out_trade_no": "ORDER3"}), "REVERSE_EXPIRE")
}

// Only these calls look at the certificate, and it must be the merchant's own.
func TestV2SecapiWantsTheMerchantsCertificate(t *testing.T) {
	t.Parallel()
	b, m := setupV2(t)
	m.must(v2MicroPay, codePayment("ORDER1", b.authCode("success")))
	b.advance(time.Minute)
	credentials := b.sandbox.Credentials()
	own := m.client

	m.client = clientWith(t, credentials, "", "")
	status, answer := m.post(v2Reverse, fields{"out_trade_no": "ORDER1"})
	if status != http.StatusBadRequest || answer != nil {
		t.Errorf("without a certificate: %d %v", status, answer)
	}
	m.must(v2Query, fields{"out_trade_no": "ORDER1"})

	sub := credentials.WeChatPay.SubMerchants[0]
	m.client = clientWith(t, credentials, sub.MerchantCertificateFile, sub.MerchantPrivateKeyFile)
	want(t, "another merchant's certificate", m.refused(v2Reverse, fields{"out_trade_no": "ORDER1"}), "CERT_ERROR")

	m.client, m.base = http.DefaultClient, b.sandbox.URL()
	if status, _ = m.post(v2Refund, fields{"out_trade_no": "ORDER1"}); status != http.StatusBadRequest {
		t.Errorf("in the clear: %d", status)
	}
	m.must(v2Query, fields{"out_trade_no": "ORDER1"})
	want(t, "state", b.query("ORDER1")["trade_state"], "SUCCESS")

	m.client, m.base = own, b.sandbox.MutualTLSURL()
	m.must(v2Reverse, fields{"out_trade_no": "ORDER1"})
	m.base = credentials.TLSURL // takes it too
	m.must(v2Reverse, fields{"out_trade_no": "ORDER1"})
}

func TestV2RequestsThatAreNotTaken(t *testing.T) {
	t.Parallel()
	b, m := setupV2(t)
	order := b.unifiedOrder("ORDER1", b.receiver.url("/notify"))
	for name, change := range map[string]fields{
		"wrong signature":   {"sign": strings.Repeat("0", 64)},
		"unknown merchant":  {"mch_id": "1900000000"},
		"no nonce":          {"nonce_str": ""},
		"unknown algorithm": {"sign_type": "RSA"},
	} {
		f := maps.Clone(order)
		maps.Copy(f, change)
		if _, got := m.post(v2Unified, f); got["return_code"] != "FAIL" || got["return_msg"] == "" || got["sign"] != "" {
			t.Errorf("%s: %v", name, got)
		}
	}
	for name, body := range map[string]string{
		"nothing": "", "JSON": "{}", "a document type": "<!DOCTYPE a><xml><a>1</a></xml>", "nesting": "<xml><a><b>1</b></a></xml>",
		"a name twice": "<xml><a>1</a><a>1</a></xml>", "not UTF-8": "<xml><a>\xff</a></xml>", "another root": "<root><a>1</a></root>",
	} {
		if _, answer := m.send(v2Unified, body); readV2(t, answer)["return_code"] != "FAIL" {
			t.Errorf("%s: %s", name, answer)
		}
	}
	for name, c := range map[string]struct {
		change fields
		want   string
	}{
		"another app":           {fields{"appid": "wx0000000000000000"}, "APPID_MCHID_NOT_MATCH"},
		"no body":               {fields{"body": ""}, "LACK_PARAMS"},
		"an amount of nothing":  {fields{"total_fee": "0"}, "PARAM_ERROR"},
		"an amount of words":    {fields{"total_fee": "1.00"}, "PARAM_ERROR"},
		"dollars":               {fields{"fee_type": "USD"}, "PARAM_ERROR"},
		"no address":            {fields{"spbill_create_ip": "here"}, "PARAM_ERROR"},
		"no kind":               {fields{"trade_type": "QR"}, "PARAM_ERROR"},
		"native without goods":  {fields{"product_id": ""}, "PARAM_ERROR"},
		"a query to notify":     {fields{"notify_url": "https://shop.example/notify?a=1"}, "PARAM_ERROR"},
		"a long number":         {fields{"out_trade_no": strings.Repeat("1", 33)}, "PARAM_ERROR"},
		"a stranger's merchant": {fields{"sub_mch_id": "1900000000"}, "NOAUTH"},
	} {
		f := maps.Clone(order)
		maps.Copy(f, c.change)
		want(t, name, m.refused(v2Unified, f), c.want)
	}
	want(t, "orders", b.books()["orders"], 0)
}

func TestV2OrderIsThatOfAPIv3(t *testing.T) {
	t.Parallel()
	b, m := setupV2(t)
	placed := m.must(v2Unified, b.unifiedOrder("ORDER1", b.receiver.url("/notify")))
	if !strings.HasPrefix(placed["prepay_id"], "wx") || !strings.HasPrefix(placed["code_url"], "weixin://") {
		t.Errorf("got %v", placed)
	}
	again := m.must(v2Unified, b.unifiedOrder("ORDER1", b.receiver.url("/notify")))
	if again["code_url"] == placed["code_url"] {
		t.Error("the repeat brought no fresh code")
	}
	other := b.unifiedOrder("ORDER1", b.receiver.url("/notify"))
	other["total_fee"] = "101"
	want(t, "another amount", m.refused(v2Unified, other), "OUT_TRADE_NO_USED")
	want(t, "state in APIv3", b.query("ORDER1")["trade_state"], "NOTPAY")
	m.must("/pay/closeorder", fields{"out_trade_no": "ORDER1"})
	want(t, "closed again", m.refused("/pay/closeorder", fields{"out_trade_no": "ORDER1"}), "ORDERCLOSED")
	want(t, "placed again", m.refused(v2Unified, b.unifiedOrder("ORDER1", b.receiver.url("/notify"))), "ORDERCLOSED")

	b.native("ORDER2", 100) // over APIv3
	want(t, "state in APIv2", m.must(v2Query, fields{"out_trade_no": "ORDER2"})["trade_state"], "NOTPAY")
	want(t, "transaction before payment", m.refused(v2Query, fields{"transaction_id": "4200000000000000000000000000"}), "ORDERNOTEXIST")
	b.pay(object{"out_trade_no": "ORDER2", "result": "success", "coupon": 30})
	b.receiver.wait(1)
	paid := m.must(v2Query, fields{"out_trade_no": "ORDER2"})
	want(t, "cash_fee", paid["cash_fee"], "70")
	want(t, "coupon_fee_0", paid["coupon_fee_0"], "30")
	want(t, "closing what is paid", m.refused("/pay/closeorder", fields{"out_trade_no": "ORDER2"}), "ORDERPAID")
}

func TestV2SubMerchantHasItsOwnOrders(t *testing.T) {
	t.Parallel()
	b, m := setupV2(t)
	sub := m.w.SubMerchants[0]
	f := codePayment("ORDER1", b.authCode("success"))
	f["sub_mch_id"], f["sub_appid"] = sub.MchID, sub.AppID
	paid := m.must(v2MicroPay, f)
	want(t, "sub_mch_id", paid["sub_mch_id"], sub.MchID)
	want(t, "asked for as one's own", m.refused(v2Query, fields{"out_trade_no": "ORDER1"}), "ORDERNOTEXIST")
	want(t, "state", m.must(v2Query, fields{"out_trade_no": "ORDER1", "sub_mch_id": sub.MchID})["trade_state"], "SUCCESS")
}

func TestV2RefundsAreListedByNumber(t *testing.T) {
	t.Parallel()
	b, m := setupV2(t)
	m.must(v2MicroPay, codePayment("ORDER1", b.authCode("success")))
	refund := fields{"out_trade_no": "ORDER1", "out_refund_no": "R@1", "total_fee": "100", "refund_fee": "40"}
	accepted := m.must(v2Refund, refund)
	want(t, "refund_fee", accepted["refund_fee"], "40")
	want(t, "the same again", m.must(v2Refund, refund)["refund_id"], accepted["refund_id"])
	refund["refund_fee"] = "41"
	want(t, "another amount", m.refused(v2Refund, refund), "PARAM_ERROR")
	want(t, "too soon", m.refused(v2Refund, fields{"out_trade_no": "ORDER1", "out_refund_no": "R2", "total_fee": "100", "refund_fee": "10"}), "FREQUENCY_LIMITED")
	b.advance(time.Minute)
	want(t, "too much", m.refused(v2Refund, fields{"out_trade_no": "ORDER1", "out_refund_no": "R2", "total_fee": "100", "refund_fee": "61"}), "INVALID_REQUEST")
	b.settings(object{"refund_outcome": "NOT_ENOUGH"})
	want(t, "no money", m.refused(v2Refund, fields{"out_trade_no": "ORDER1", "out_refund_no": "R2", "total_fee": "100", "refund_fee": "10"}), "NOTENOUGH")
	b.settings(object{"refund_outcome": "ABNORMAL"})
	m.must(v2Refund, fields{"out_trade_no": "ORDER1", "out_refund_no": "R2", "total_fee": "100", "refund_fee": "10"})
	b.advance(time.Minute)

	list := m.must("/pay/refundquery", fields{"out_trade_no": "ORDER1"})
	want(t, "refund_count", list["refund_count"], "2")
	want(t, "first", list["out_refund_no_0"]+list["refund_status_0"], "R@1SUCCESS")
	want(t, "second", list["out_refund_no_1"]+list["refund_status_1"], "R2CHANGE")
	if list["refund_success_time_0"] == "" || list["refund_success_time_1"] != "" || list["refund_recv_accout_0"] == "" {
		t.Errorf("got %v", list)
	}
	second := m.must("/pay/refundquery", fields{"out_trade_no": "ORDER1", "offset": "1"})
	want(t, "from the second", second["refund_count"]+second["out_refund_no_0"], "1R2")
	one := m.must("/pay/refundquery", fields{"out_refund_no": "R@1"})
	want(t, "by refund_id", m.must("/pay/refundquery", fields{"refund_id": one["refund_id_0"]})["out_refund_no_0"], "R@1")
	want(t, "unknown", m.refused("/pay/refundquery", fields{"out_refund_no": "R3"}), "REFUNDNOTEXIST")
	want(t, "an order nobody placed", m.refused(v2Refund, fields{"out_trade_no": "ORDER2", "out_refund_no": "R4", "total_fee": "1", "refund_fee": "1"}), "ORDERNOTEXIST")
	b.advance(366 * 24 * time.Hour)
	want(t, "after a year", m.refused(v2Refund, fields{"out_trade_no": "ORDER1", "out_refund_no": "R5", "total_fee": "100", "refund_fee": "1"}), "TRADE_OVERDUE")
	b.books()
}

// receiverV2 is a notification endpoint that answers what it is told to.
func receiverV2(t *testing.T, answers func(n int) string) (url string, arrived chan fields) {
	t.Helper()
	arrived = make(chan fields, 100)
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		io.WriteString(w, answers(int(n.Add(1))))
		arrived <- readV2(t, body)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/notify", arrived
}

const (
	v2Received = "<xml><return_code><![CDATA[SUCCESS]]></return_code><return_msg><![CDATA[OK]]></return_msg></xml>"
	v2Refused  = "<xml><return_code><![CDATA[FAIL]]></return_code></xml>"
)

func next(t *testing.T, arrived chan fields) fields {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	select {
	case f := <-arrived:
		return f
	case <-ctx.Done():
		t.Fatal("no notification arrived")
		return nil
	}
}

// The status is 200 each time: the body decides.
func TestV2PaymentNotificationIsRepeatedUntilTheBodySaysSuccess(t *testing.T) {
	t.Parallel()
	b, m := setupV2(t)
	url, arrived := receiverV2(t, func(n int) string {
		return []string{"", v2Refused, "SUCCESS", v2Received}[min(n, 3)]
	})
	for _, signType := range []string{"HMAC-SHA256", "MD5"} {
		m.signType = signType
		no := "ORDER" + signType[:1]
		m.must(v2Unified, b.unifiedOrder(no, url))
		b.pay(object{"out_trade_no": no, "result": "success"})
		first := next(t, arrived)
		if first["sign"] != m.sign(first) || first["out_trade_no"] != no || first["total_fee"] != "100" || first["trade_state"] != "" || first["mch_id"] != m.w.MchID {
			t.Errorf("got %v", first)
		}
		if signType == "MD5" {
			continue
		}
		b.settled(no)
		b.advance(time.Minute)
		next(t, arrived)
		next(t, arrived)
		b.settled(no)
		b.advance(time.Hour)
		if len(arrived) != 0 {
			t.Error("sent again after SUCCESS")
		}
	}
	for _, n := range b.settled("ORDERH") {
		want(t, "state", at(n, "state"), "delivered")
	}
}

func TestV2RefundNotificationIsEncryptedAndNotSigned(t *testing.T) {
	t.Parallel()
	b, m := setupV2(t)
	url, arrived := receiverV2(t, func(int) string { return v2Received })
	m.must(v2MicroPay, codePayment("ORDER1", b.authCode("success")))
	m.must(v2Refund, fields{"out_trade_no": "ORDER1", "out_refund_no": "R1", "total_fee": "100", "refund_fee": "40", "notify_url": url})
	b.advance(time.Minute)
	got := next(t, arrived)
	if got["sign"] != "" || got["mch_id"] != m.w.MchID || got["return_code"] != "SUCCESS" {
		t.Errorf("got %v", got)
	}
	refund := readV2(t, openV2(t, m.w.APIv2Key, got["req_info"]))
	want(t, "refund", refund["out_refund_no"]+refund["refund_status"]+refund["refund_fee"], "R1SUCCESS40")
}

func openV2(t *testing.T, key, sealed string) []byte {
	t.Helper()
	text, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		t.Fatal(err)
	}
	sum := md5.Sum([]byte(key))
	block, err := aes.NewCipher([]byte(hex.EncodeToString(sum[:])))
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(text); at += aes.BlockSize {
		block.Decrypt(text[at:], text[at:at+aes.BlockSize])
	}
	return text[:len(text)-int(text[len(text)-1])]
}

func TestV2FaultyNotificationsShowIt(t *testing.T) {
	t.Parallel()
	b, m := setupV2(t)
	url, arrived := receiverV2(t, func(int) string { return v2Received })
	for effect, shows := range map[string]func(f fields) bool{
		"bad_signature": func(f fields) bool { return f["sign"] != m.sign(f) },
		"other_key":     func(f fields) bool { return f["sign"] != m.sign(f) },
		"wrong_amount":  func(f fields) bool { return f["sign"] == m.sign(f) && f["total_fee"] == "101" },
		"wrong_mchid":   func(f fields) bool { return f["sign"] == m.sign(f) && f["mch_id"] == "1900000000" },
		"wrong_appid":   func(f fields) bool { return f["sign"] == m.sign(f) && f["appid"] == "wx0000000000000000" },
	} {
		no := strings.ReplaceAll(effect, "_", "-") + "-1"
		b.fault(object{"operation": "notify/payment", "effect": effect, "times": 1, "match": object{"out_trade_no": no}})
		m.must(v2Unified, b.unifiedOrder(no, url))
		b.pay(object{"out_trade_no": no, "result": "success"})
		if f := next(t, arrived); !shows(f) {
			t.Errorf("%s: %v", effect, f)
		}
	}
}

func TestV2Faults(t *testing.T) {
	t.Parallel()
	b, m := setupV2(t)
	f := fields{"out_trade_no": "ORDER1"}
	m.must(v2MicroPay, codePayment("ORDER1", b.authCode("success")))

	b.fault(object{"operation": "v2_orderquery", "effect": "bad_signature", "times": 1})
	if _, got := m.post(v2Query, f); got["sign"] == m.sign(got) {
		t.Error("the signature is right")
	}
	b.fault(object{"operation": "v2_orderquery", "effect": "status", "status": 502, "times": 1})
	if status, got := m.post(v2Query, f); status != http.StatusBadGateway || got != nil {
		t.Errorf("got %d %v", status, got)
	}
	b.fault(object{"operation": "v2_orderquery", "effect": "rate_limit", "times": 1})
	want(t, "too fast", m.refused(v2Query, f), "FREQUENCY_LIMITED")
	b.fault(object{"operation": "v2_micropay", "effect": "status", "code": "SYSTEMERROR", "executed": true, "times": 1})
	want(t, "done, and answered as unknown", m.refused(v2MicroPay, codePayment("ORDER2", b.authCode("success"))), "SYSTEMERROR")
	want(t, "state", m.must(v2Query, fields{"out_trade_no": "ORDER2"})["trade_state"], "SUCCESS")
	b.fault(object{"operation": "v2_micropay", "effect": "lose_answer", "times": 1})
	full := codePayment("ORDER3", b.authCode("success"))
	maps.Copy(full, fields{"appid": m.w.AppID, "mch_id": m.w.MchID, "nonce_str": "1", "sign_type": m.signType})
	full["sign"] = m.sign(full)
	if response, err := m.client.Post(m.base+v2MicroPay, "text/xml", strings.NewReader(writeV2(full))); err == nil {
		response.Body.Close()
		t.Error("the answer arrived")
	}
	want(t, "state", m.must(v2Query, fields{"out_trade_no": "ORDER3"})["trade_state"], "SUCCESS")

	entries := b.journal("operation=v2_micropay&out_trade_no=ORDER2")
	want(t, "entries", len(entries), 1)
	want(t, "journal", entries[0]["code"].(string)+entries[0]["signature"].(string)+entries[0]["fault"].(string), "SYSTEMERRORvalidstatus")
}

func TestV2StateOutlivesARestart(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	c := config(dir)
	c.MutualTLS = ":0"
	b := run(t, c)
	credentials := b.sandbox.Credentials()
	client := clientWith(t, credentials, credentials.WeChatPay.MerchantCertificateFile, credentials.WeChatPay.MerchantPrivateKeyFile)
	m := &merchantV2{t: t, w: credentials.WeChatPay, base: b.sandbox.MutualTLSURL(), signType: "MD5", client: client}
	url, arrived := receiverV2(t, func(int) string { return v2Received })
	m.must(v2Unified, b.unifiedOrder("ORDER1", url))
	b.stop()
	b = run(t, c)
	m.base = b.sandbox.MutualTLSURL()
	b.pay(object{"out_trade_no": "ORDER1", "result": "success"})
	if f := next(t, arrived); f["sign"] != m.sign(f) {
		t.Errorf("got %v", f)
	}
}

func TestV2BillIsTheTextItself(t *testing.T) {
	t.Parallel()
	b, m := setupV2(t)
	m.must(v2MicroPay, codePayment("ORDER1", b.authCode("success")))
	today := b.sandbox.Now().In(time.FixedZone("", 8*60*60)).Format("20060102")
	bill := func(f fields) []byte {
		full := fields{"appid": m.w.AppID, "mch_id": m.w.MchID, "nonce_str": "1", "sign_type": m.signType, "bill_date": today}
		maps.Copy(full, f)
		full["sign"] = m.sign(full)
		status, body := m.send("/pay/downloadbill", writeV2(full))
		want(t, "status", status, http.StatusOK)
		return body
	}
	early := readV2(t, bill(nil))
	want(t, "today", early["return_code"]+early["return_msg"]+early["sign"], "FAILBill Creating")
	b.advance(48 * time.Hour)
	text := bill(fields{"bill_type": "ALL"})
	if !bytes.Contains(text, []byte("`ORDER1")) || bytes.Contains(text, []byte("<xml>")) {
		t.Errorf("got %s", text)
	}
	packed, err := gzip.NewReader(bytes.NewReader(bill(fields{"tar_type": "GZIP"})))
	if err != nil {
		t.Fatal(err)
	}
	if unpacked, err := io.ReadAll(packed); err != nil || !bytes.Equal(unpacked, text) {
		t.Errorf("got %s, %v", unpacked, err)
	}
	empty := readV2(t, bill(fields{"bill_type": "REFUND"}))
	want(t, "no refunds", empty["error_code"]+empty["return_msg"], "20002No Bill Exist")
	want(t, "no day", readV2(t, bill(fields{"bill_date": "today"}))["error_code"], "20001")
}

func TestV2SharesThePublishedLimits(t *testing.T) {
	t.Parallel()
	b, m := setupV2(t)
	b.settings(object{"rate_limits": true, "rate_limit_per_second": object{"codepay": 1}})
	m.must(v2MicroPay, codePayment("ORDER1", b.authCode("success")))
	want(t, "the second in a second", m.refused(v2MicroPay, codePayment("ORDER2", b.authCode("success"))), "FREQUENCY_LIMITED")
	b.advance(2 * time.Second)
	m.must(v2MicroPay, codePayment("ORDER3", b.authCode("success")))
}

func TestV2Knobs(t *testing.T) {
	t.Parallel()
	b, m := setupV2(t)
	b.settings(object{"reverse_after": "0s", "v2": object{
		"reverse_recalls": 2, "answer_sign_type": "MD5", "notification_sign_type": true, "refund_not_found": "INVALID_TRANSACTIONID",
	}})
	_, paid := m.post(v2MicroPay, codePayment("ORDER1", b.authCode("success")))
	want(t, "length of an answer's signature", len(paid["sign"]), 32)
	asked := *m // what it sends is signed as before
	m.signType = "MD5"
	want(t, "the answer's signature", paid["sign"], m.sign(paid))
	for _, recall := range []string{"Y", "Y", "N"} {
		_, reversed := asked.post(v2Reverse, fields{"out_trade_no": "ORDER1"})
		want(t, "recall", reversed["result_code"]+reversed["recall"], "SUCCESS"+recall)
	}
	want(t, "state", b.query("ORDER1")["trade_state"], "REVOKED")
	want(t, "a refund of nothing", m.refused(v2Refund, fields{"out_trade_no": "ORDER2", "out_refund_no": "R1", "total_fee": "1", "refund_fee": "1"}), "INVALID_TRANSACTIONID")
	url, arrived := receiverV2(t, func(int) string { return v2Received })
	m.must(v2Unified, b.unifiedOrder("ORDER3", url))
	b.pay(object{"out_trade_no": "ORDER3", "result": "success"})
	want(t, "sign_type", next(t, arrived)["sign_type"], "MD5")
	for field, value := range map[string]any{"reverse_recalls": -1, "answer_sign_type": "RSA", "refund_not_found": "NOTENOUGH"} {
		status, answer := b.control("POST", "/wechatpay/settings", object{"v2": object{field: value}})
		want(t, field, fmt.Sprintf("%d %v", status, answer["field"]), "400 v2."+field)
	}
}
