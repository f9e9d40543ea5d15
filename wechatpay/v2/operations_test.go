package wechatpayv2

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

func refundRequest() RefundRequest {
	return RefundRequest{OutTradeNo: "VECM20240601000001", OutRefundNo: "VECR20240601000001", TotalFee: 88, RefundFee: 40, RefundDesc: "退货"}
}

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestRefundIsTheOneAskedFor(t *testing.T) {
	t.Parallel()
	outRefundNo := "VECR20240601000001"
	p := newProvider(t, func(r request, _ int) (Fields, error) {
		if r.path != "/secapi/pay/refund" || r.fields["refund_fee"] != "40" || r.fields["total_fee"] != "88" {
			t.Errorf("got %s %v", r.path, r.fields)
		}
		return done(r, Fields{
			"out_refund_no": outRefundNo, "refund_id": "50300002222024060112345678902", "refund_fee": "40", "total_fee": "88", "cash_refund_fee": "30",
			"coupon_refund_fee": "10", "coupon_refund_count": "1", "coupon_refund_id_0": "1", "coupon_type_0": "CASH", "coupon_refund_fee_0": "10",
		}), nil
	})
	client := newClient(t, testConfig(p))
	refund, err := client.CreateRefund(t.Context(), refundRequest())
	if err != nil {
		t.Fatal(err)
	}
	if refund.RefundFee != 40 || refund.CashRefundFee != 30 || len(refund.Coupons) != 1 || refund.Coupons[0] != (Coupon{"1", "CASH", 10}) {
		t.Errorf("got %+v", refund)
	}
	outRefundNo = "VECR2"
	if _, err := client.CreateRefund(t.Context(), refundRequest()); !errors.Is(err, wechatpay.ErrMalformed) || OutcomeOf(err) != wechatpay.OutcomeUnknown {
		t.Errorf("another refund: got %v", err)
	}
}

// The merchant tops up and repeats the same number; a payer's empty purse is a refusal.
func TestNotEnoughRefusesAPaymentButNotARefund(t *testing.T) {
	t.Parallel()
	client := newClient(t, testConfig(newProvider(t, func(r request, _ int) (Fields, error) { return refused(r, "NOTENOUGH"), nil })))
	if _, err := client.CreateRefund(t.Context(), refundRequest()); OutcomeOf(err) != wechatpay.OutcomeRetry {
		t.Errorf("refund: got %v", err)
	}
	if _, err := client.MicroPay(t.Context(), microPayRequest()); OutcomeOf(err) != wechatpay.OutcomeRefused {
		t.Errorf("payment: got %v", err)
	}
}

func TestRefundsAreReadFromNumberedFields(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(r request, _ int) (Fields, error) {
		return done(r, Fields{
			"out_trade_no": "VECM20240601000001", "transaction_id": "4200002222202406011234567893", "total_fee": "88", "cash_fee": "88",
			"total_refund_count": "12", "refund_count": "2",
			"out_refund_no_0": "R1", "refund_id_0": "5031", "refund_fee_0": "40", "refund_status_0": "SUCCESS", "refund_channel_0": "ORIGINAL",
			"refund_recv_accout_0": "支付用户零钱", "refund_success_time_0": "2024-06-01 08:10:00",
			"coupon_refund_count_0": "2", "coupon_refund_id_0_0": "1", "coupon_type_0_0": "CASH", "coupon_refund_fee_0_0": "3",
			"coupon_refund_id_0_1": "2", "coupon_type_0_1": "NO_CASH", "coupon_refund_fee_0_1": "4",
			"out_refund_no_1": "R2", "refund_id_1": "5032", "refund_fee_1": "8", "refund_status_1": "CHANGE",
		}), nil
	})
	client := newClient(t, testConfig(p))
	list, err := client.QueryRefund(t.Context(), RefundQuery{OutTradeNo: "VECM20240601000001", Offset: 10})
	if err != nil {
		t.Fatal(err)
	}
	if list.TotalRefundCount != 12 || len(list.Refunds) != 2 || p.received()[0].fields["offset"] != "10" {
		t.Fatalf("got %+v", list)
	}
	first, second := list.Refunds[0], list.Refunds[1]
	if first.RefundFee != 40 || first.RefundRecvAccount != "支付用户零钱" || len(first.Coupons) != 2 || first.Coupons[1] != (Coupon{"2", "NO_CASH", 4}) ||
		!first.RefundSuccessTime.Equal(time.Date(2024, 6, 1, 0, 10, 0, 0, time.UTC)) {
		t.Errorf("got %+v", first)
	}
	if second.RefundStatus != RefundStatusChange || !second.RefundSuccessTime.IsZero() {
		t.Errorf("got %+v", second)
	}
	if _, err := client.QueryRefund(t.Context(), RefundQuery{OutRefundNo: "R3"}); !errors.Is(err, wechatpay.ErrMalformed) {
		t.Errorf("another refund: got %v", err)
	}
	if _, err := client.QueryRefund(t.Context(), RefundQuery{}); OutcomeOf(err) != wechatpay.OutcomeRefused {
		t.Errorf("nothing named: got %v", err)
	}
}

func TestUnifiedOrderHoldsTheCredentialOfItsKind(t *testing.T) {
	t.Parallel()
	answer := Fields{"prepay_id": "wx2024"}
	client := newClient(t, testConfig(newProvider(t, func(r request, _ int) (Fields, error) {
		answer["trade_type"] = r.fields["trade_type"]
		return done(r, answer), nil
	})))
	request := UnifiedOrderRequest{
		TradeType: TradeTypeApp, OutTradeNo: "VEC1", Body: "一杯茶", TotalFee: 1, SpbillCreateIP: "203.0.113.8",
		NotifyURL: "https://pay.example.com/notify", ProductID: "1", SceneInfo: "{}", OpenID: "o",
	}
	if order, err := client.PlaceUnifiedOrder(t.Context(), request); err != nil || order.PrepayID != "wx2024" {
		t.Errorf("got %v, %v", order, err)
	}
	request.TradeType = TradeTypeNative
	if _, err := client.PlaceUnifiedOrder(t.Context(), request); !errors.Is(err, wechatpay.ErrMalformed) {
		t.Errorf("NATIVE without code_url: got %v", err)
	}
	answer["code_url"] = "weixin://wxpay/bizpayurl?pr=1"
	if order, err := client.PlaceUnifiedOrder(t.Context(), request); err != nil || order.CodeURL == "" {
		t.Errorf("got %v, %v", order, err)
	}
}

func TestRequestsThatCannotBeRightAreNotSent(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(request, int) (Fields, error) { return nil, errLost })
	client := newClient(t, testConfig(p))
	for name, send := range map[string]func() error{
		"micropay": func() error { _, err := client.MicroPay(t.Context(), MicroPayRequest{}); return err },
		"emoji": func() error {
			r := microPayRequest()
			r.Body = "🍵"
			_, err := client.MicroPayToEnd(t.Context(), r)
			return err
		},
		"query":   func() error { _, err := client.QueryOrder(t.Context(), OrderQuery{}); return err },
		"reverse": func() error { return client.ReverseToEnd(t.Context(), "") },
		"refund more than the total": func() error {
			r := refundRequest()
			r.RefundFee = 89
			_, err := client.CreateRefund(t.Context(), r)
			return err
		},
		"unified order": func() error { _, err := client.PlaceUnifiedOrder(t.Context(), UnifiedOrderRequest{}); return err },
		"close":         func() error { return client.CloseOrder(t.Context(), "a b") },
		"openid":        func() error { _, err := client.AuthCodeToOpenID(t.Context(), ""); return err },
		"bill": func() error {
			_, err := client.DownloadBill(t.Context(), wechatpay.TradeBillRequest{TarType: "ZIP"})
			return err
		},
	} {
		err := send()
		if _, ok := errors.AsType[*wechatpay.FieldError](err); !ok || OutcomeOf(err) != wechatpay.OutcomeRefused {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if n := len(p.received()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestClosingAClosedOrderIsNoError(t *testing.T) {
	t.Parallel()
	code := "ORDERCLOSED"
	client := newClient(t, testConfig(newProvider(t, func(r request, _ int) (Fields, error) { return refused(r, code), nil })))
	if err := client.CloseOrder(t.Context(), "VEC1"); err != nil {
		t.Error(err)
	}
	code = "ORDERPAID"
	provider, ok := errors.AsType[*Error](client.CloseOrder(t.Context(), "VEC1"))
	if !ok || !provider.OrderPaid() {
		t.Errorf("got %v", provider)
	}
}

func TestFrontEndParametersAreSigned(t *testing.T) {
	t.Parallel()
	for _, signType := range []SignType{SignTypeMD5, SignTypeHMACSHA256} {
		config := testConfig(newProvider(t, nil))
		config.SignType, config.Now = signType, func() time.Time { return time.Unix(1717200000, 0) }
		client := newClient(t, config)
		js, err := client.SignJSAPI(testAppID, "wx2024")
		if err != nil {
			t.Fatal(err)
		}
		want := client.key.sign(Fields{
			"appId": testAppID, "timeStamp": "1717200000", "nonceStr": js.NonceStr, "package": "prepay_id=wx2024", "signType": string(signType),
		}, signType)
		if js.PaySign != want || js.SignType != string(signType) || js.Package != "prepay_id=wx2024" {
			t.Errorf("got %+v", js)
		}
		app, err := client.SignApp(testAppID, "wx2024")
		if err != nil {
			t.Fatal(err)
		}
		want = client.key.sign(Fields{
			"appid": testAppID, "partnerid": testMchID, "prepayid": "wx2024", "package": "Sign=WXPay", "noncestr": app.NonceStr, "timestamp": "1717200000",
		}, signType)
		if app.Sign != want || app.PartnerID != testMchID {
			t.Errorf("got %+v", app)
		}
	}
	client := newClient(t, testConfig(newProvider(t, nil)))
	if _, err := client.SignJSAPI(testAppID, "prepay_id=wx2024"); OutcomeOf(err) != wechatpay.OutcomeRefused {
		t.Errorf("got %v", err)
	}
}

func TestNotificationsThatAreRefused(t *testing.T) {
	t.Parallel()
	client := newClient(t, testConfig(newProvider(t, nil)))
	payment := signed(Fields{
		"return_code": "SUCCESS", "result_code": "SUCCESS", "mch_id": testMchID, "out_trade_no": "VEC1", "total_fee": "1", "transaction_id": "42",
	})
	change := func(name, value string) string {
		fields := maps.Clone(payment)
		fields[name] = value
		return writeXML(fields)
	}
	refund := readVectors(t).Refund
	for name, c := range map[string]struct {
		body string
		want error
	}{
		"changed amount":            {change("total_fee", "100"), wechatpay.ErrSignature},
		"added field":               {change("coupon_fee", "1"), wechatpay.ErrSignature},
		"no sign":                   {change("sign", ""), wechatpay.ErrSignature},
		"another merchant":          {writeXML(signed(Fields{"return_code": "SUCCESS", "result_code": "SUCCESS", "mch_id": "1"})), wechatpay.ErrMalformed},
		"no merchant":               {writeXML(signed(Fields{"return_code": "SUCCESS", "result_code": "SUCCESS"})), wechatpay.ErrMalformed},
		"not taken":                 {writeXML(Fields{"return_code": "FAIL"}), wechatpay.ErrMalformed},
		"no XML":                    {"{}", wechatpay.ErrMalformed},
		"entity":                    {`<!DOCTYPE a [<!ENTITY e "1">]>` + writeXML(payment), wechatpay.ErrMalformed},
		"too large":                 {strings.Repeat(" ", 64<<10) + writeXML(payment), wechatpay.ErrBodyTooLarge},
		"refund of another":         {strings.Replace(refund.XML, testMchID, "1900009192", 1), wechatpay.ErrMalformed},
		"refund without whole ends": {strings.Replace(refund.XML, "8duA", "", 1), wechatpay.ErrDecrypt},
		"refund that is no base64":  {strings.Replace(refund.XML, "8duA", "****", 1), wechatpay.ErrMalformed},
		"refund with a lost block":  {strings.Replace(refund.XML, refund.ReqInfo, refund.ReqInfo[64:], 1), wechatpay.ErrDecrypt},
	} {
		n, err := client.ParseNotification(notificationRequest(c.body))
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, %v", name, n, err)
		}
		w := httptest.NewRecorder()
		AnswerNotification(w, err)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "<return_code><![CDATA[FAIL]]></return_code>") {
			t.Errorf("%s: answered %d %s", name, w.Code, w.Body)
		}
	}
	other := testConfig(newProvider(t, nil))
	other.APIv2Key = strings.Repeat("k", 32)
	if _, err := newClient(t, other).ParseNotification(notificationRequest(refund.XML)); !errors.Is(err, wechatpay.ErrDecrypt) {
		t.Errorf("another key: got %v", err)
	}
}

// The signature's text does not show where a value ends: who may write the attach of an order of one fen can cut a genuine
// notification into other fields, without the key.
func TestNotificationThatCanBeCutIntoOtherFieldsIsRefused(t *testing.T) {
	t.Parallel()
	genuine := Fields{
		"appid": testAppID, "attach": "a&mch_id=" + testMchID + "&out_trade_no=VICTIM&result_code=SUCCESS&return_code=SUCCESS&total_fee=9900&transaction_id=42&z=",
		"bank_type": "OTHERS", "cash_fee": "1", "mch_id": testMchID, "nonce_str": "n", "out_trade_no": "MINE", "result_code": "SUCCESS",
		"return_code": "SUCCESS", "total_fee": "1", "transaction_id": "4200002222202406011234567893",
	}
	text := func(f Fields) string {
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(f)) {
			parts = append(parts, name+"="+f[name])
		}
		return strings.Join(parts, "&")
	}
	forged := Fields{
		"appid": testAppID, "attach": "a", "mch_id": testMchID, "out_trade_no": "VICTIM", "result_code": "SUCCESS", "return_code": "SUCCESS",
		"total_fee": "9900", "transaction_id": "42",
	}
	_, rest, _ := strings.Cut(text(genuine), "&z=")
	forged["z"] = rest
	if text(forged) != text(genuine) || len(genuine["attach"]) > 127 {
		t.Fatalf("the texts differ, or no order can have the attach:\n%s\n%s", text(forged), text(genuine))
	}
	forged["sign"] = signed(genuine)["sign"] // the provider's
	n, err := newClient(t, testConfig(newProvider(t, nil))).ParseNotification(notificationRequest(writeXML(forged)))
	if !errors.Is(err, wechatpay.ErrSignature) {
		t.Errorf("got %v, %v", n, err)
	}
	harmless := maps.Clone(genuine)
	harmless["attach"] = "shop=1&table=2"
	if _, err := newClient(t, testConfig(newProvider(t, nil))).ParseNotification(notificationRequest(writeXML(signed(harmless)))); err != nil {
		t.Errorf("an attach that is like a query: %v", err)
	}
}

func TestPaymentNotificationUnderHMACWithoutSignType(t *testing.T) {
	t.Parallel()
	fields := signed(Fields{
		"return_code": "SUCCESS", "result_code": "SUCCESS", "mch_id": testMchID, "out_trade_no": "VEC1", "total_fee": "1", "transaction_id": "42",
	})
	fields["sign"] = key(testAPIv2Key).sign(fields, SignTypeHMACSHA256)
	n, err := newClient(t, testConfig(newProvider(t, nil))).ParseNotification(notificationRequest(writeXML(fields)))
	if err != nil {
		t.Fatal(err)
	}
	if order, ok := n.Order(); !ok || order.OutTradeNo != "VEC1" {
		t.Errorf("got %v", n)
	}
}

func TestFailedPaymentIsNoOrder(t *testing.T) {
	t.Parallel()
	body := writeXML(signed(Fields{"return_code": "SUCCESS", "result_code": "FAIL", "err_code": "SYSTEMERROR", "mch_id": testMchID}))
	n, err := newClient(t, testConfig(newProvider(t, nil))).ParseNotification(notificationRequest(body))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := n.Order(); ok {
		t.Error("a failure is called a payment")
	}
	if failure, ok := n.Failure(); !ok || failure.Code != CodeSystemError {
		t.Errorf("got %v", failure)
	}
}

// The merchant's certificate is shown where it is needed and nowhere else.
func TestCertificateIsForReverseAndRefundAlone(t *testing.T) {
	t.Parallel()
	p := newProvider(t, nil)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := len(r.TLS.PeerCertificates) > 0; got != strings.HasPrefix(r.URL.Path, "/secapi/") {
			t.Errorf("%s: certificate shown: %t", r.URL.Path, got)
		}
		body := make([]byte, r.ContentLength)
		_, _ = r.Body.Read(body)
		received := request{fields: readXML(t, body)}
		_, _ = w.Write([]byte(writeXML(done(received, Fields{
			"recall": "N", "out_trade_no": "VEC1", "trade_state": "NOTPAY", "out_refund_no": "VECR20240601000001", "refund_id": "1",
		}))))
	}))
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: tls.RequestClientCert}
	server.StartTLS()
	t.Cleanup(server.Close)

	certificate, err := tls.X509KeyPair(readFile(t, "merchant_cert.pem"), readFile(t, "merchant_private_key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	transport := wechatpay.NewTransport()
	transport.TLSClientConfig.RootCAs = x509.NewCertPool()
	transport.TLSClientConfig.RootCAs.AddCert(server.Certificate())
	config := testConfig(p)
	config.Transport, config.BaseURL, config.BackupURL, config.Certificate = transport, server.URL, "", &certificate
	client := newClient(t, config)
	if _, err := client.QueryOrder(t.Context(), OrderQuery{OutTradeNo: "VEC1"}); err != nil {
		t.Error(err)
	}
	if _, err := client.Reverse(t.Context(), OrderQuery{OutTradeNo: "VEC1"}); err != nil {
		t.Error(err)
	}
	if _, err := client.CreateRefund(t.Context(), refundRequest()); err != nil {
		t.Error(err)
	}
	client.CloseIdleConnections()

	config.Certificate = nil
	_, err = newClient(t, config).CreateRefund(t.Context(), refundRequest())
	if field, ok := errors.AsType[*wechatpay.FieldError](err); !ok || field.Field != "Certificate" || OutcomeOf(err) != wechatpay.OutcomeRefused {
		t.Errorf("without a certificate: got %v", err)
	}
	config.Certificate, config.MchID = &certificate, "1900009192"
	if _, err := New(config); err == nil || !strings.Contains(err.Error(), "belongs to merchant 1900009191") {
		t.Errorf("another merchant's certificate: got %v", err)
	}
}
