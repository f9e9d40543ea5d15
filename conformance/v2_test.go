package conformance_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-pay/gopay"
	gopayv2 "github.com/go-pay/gopay/wechat"

	"github.com/tongbao-pay/tongbao/sandbox"
)

// eachSignType runs the test with both signatures of APIv2.
func eachSignType(t *testing.T, test func(t *testing.T, b *bundle, signType string)) {
	for _, signType := range []string{gopayv2.SignType_MD5, gopayv2.SignType_HMAC_SHA256} {
		t.Run(signType, func(t *testing.T) {
			t.Parallel()
			test(t, setup(t), signType)
		})
	}
}

// tlsFor trusts the sandbox's authority, and shows the merchant's certificate.
func tlsFor(t *testing.T, c sandbox.Credentials) *tls.Config {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(c.PEM(c.CAFile)) {
		t.Fatal("the sandbox's authority is not PEM")
	}
	pair, err := tls.X509KeyPair(c.PEM(c.WeChatPay.MerchantCertificateFile), c.PEM(c.WeChatPay.MerchantPrivateKeyFile))
	must(t, "read the merchant's certificate", err)
	return &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
}

// gopayOf is gopay's client of APIv2. Its own way to add a certificate trusts every server, so its transports are configured here.
func (b *bundle) gopayOf() *gopayv2.Client {
	b.t.Helper()
	w := b.wechatpay()
	client := gopayv2.NewClient(w.AppID, w.MchID, w.APIv2Key, true)
	client.BaseURL = w.MutualTLSURL + "/"
	config := tlsFor(b.t, b.sandbox.Credentials())
	client.GetTLSHttpClient().SetHttpTLSConfig(config)
	config = config.Clone()
	config.Certificates = nil
	client.GetHttpClient().SetHttpTLSConfig(config)
	b.t.Cleanup(func() {
		client.GetHttpClient().HttpClient.CloseIdleConnections()
		client.GetTLSHttpClient().HttpClient.CloseIdleConnections()
	})
	return client
}

func (b *bundle) authCode(outcome string) string {
	b.t.Helper()
	return b.control("POST", "/wechatpay/auth_code", object{"outcome": outcome})["auth_code"].(string)
}

func codePayment(signType, outTradeNo, authCode string) gopay.BodyMap {
	bm := gopay.BodyMap{}
	return bm.Set("nonce_str", "5K8264ILTKCH16CQ2502SI8ZNMTM67VS").Set("sign_type", signType).Set("body", "一杯咖啡 <大> & 小").
		Set("out_trade_no", outTradeNo).Set("total_fee", 1000).Set("spbill_create_ip", "203.0.113.8").Set("auth_code", authCode)
}

func ask(signType, name, value string) gopay.BodyMap {
	bm := gopay.BodyMap{}
	return bm.Set("nonce_str", "5K8264ILTKCH16CQ2502SI8ZNMTM67VS").Set("sign_type", signType).Set(name, value)
}

// verified wants an answer of success that gopay's own verification accepts.
func (b *bundle) verified(what, signType string, answer gopay.BodyMap) {
	b.t.Helper()
	ok, err := gopayv2.VerifySign(b.wechatpay().APIv2Key, signType, answer)
	if err != nil || !ok {
		b.t.Errorf("%s: the signature does not verify: %v, %v", what, err, answer)
	}
}

func TestGopayPaymentByCode(t *testing.T) {
	t.Parallel()
	eachSignType(t, func(t *testing.T, b *bundle, signType string) {
		client := b.gopayOf()
		paid, err := client.Micropay(t.Context(), codePayment(signType, "ORDER0001", b.authCode("success")))
		must(t, "micropay", err)
		want(t, "result", paid.ReturnCode+paid.ResultCode+paid.TradeType+paid.TotalFee, "SUCCESSSUCCESSMICROPAY1000")
		_, order, err := client.QueryOrder(t.Context(), ask(signType, "transaction_id", paid.TransactionId))
		must(t, "query", err)
		want(t, "state", order.GetString("trade_state"), "SUCCESS")
		b.verified("query", signType, order)

		waiting, err := client.Micropay(t.Context(), codePayment(signType, "ORDER0002", b.authCode("userpaying")))
		must(t, "micropay of a payer with a password", err)
		want(t, "code", waiting.ErrCode, "USERPAYING")
		early, err := client.Reverse(t.Context(), ask(signType, "out_trade_no", "ORDER0002"))
		must(t, "reverse at once", err)
		want(t, "recall", early.Recall, "Y")
		b.advance(15 * time.Second)
		reversed, err := client.Reverse(t.Context(), ask(signType, "out_trade_no", "ORDER0002"))
		must(t, "reverse", err)
		want(t, "result", reversed.ResultCode+reversed.Recall, "SUCCESSN")
		_, order, err = client.QueryOrder(t.Context(), ask(signType, "out_trade_no", "ORDER0002"))
		must(t, "query", err)
		want(t, "state", order.GetString("trade_state"), "REVOKED")
		b.verified("query", signType, order)

		who, err := client.AuthCodeToOpenId(t.Context(), ask(signType, "auth_code", b.authCode("success")))
		must(t, "auth code to openid", err)
		want(t, "openid", who.Openid, b.wechatpay().OpenID)
	})
}

func TestGopayRefundOverMutualTLS(t *testing.T) {
	t.Parallel()
	eachSignType(t, func(t *testing.T, b *bundle, signType string) {
		client := b.gopayOf()
		_, err := client.Micropay(t.Context(), codePayment(signType, "ORDER0001", b.authCode("success")))
		must(t, "micropay", err)
		request := ask(signType, "out_trade_no", "ORDER0001").Set("out_refund_no", "REFUND@1").Set("total_fee", 1000).Set("refund_fee", 300).
			Set("notify_url", b.receiver.url())
		accepted, answer, err := client.Refund(t.Context(), request)
		must(t, "refund", err)
		want(t, "refund", accepted.ResultCode+accepted.RefundFee, "SUCCESS300")
		b.verified("refund", signType, answer)
		b.advance(time.Minute)

		notice, err := gopayv2.ParseRefundNotify(b.receiver.wait().request())
		must(t, "parse the notification", err)
		refund, err := gopayv2.DecryptRefundNotifyReqInfo(notice.ReqInfo, b.wechatpay().APIv2Key)
		must(t, "decrypt the notification", err)
		want(t, "notified", refund.OutRefundNo+refund.RefundStatus+refund.RefundFee, "REFUND@1SUCCESS300")

		settled, answer, err := client.QueryRefund(t.Context(), ask(signType, "out_refund_no", "REFUND@1"))
		must(t, "query the refund", err)
		want(t, "count", settled.RefundCount, "1")
		want(t, "status", answer.GetString("refund_status_0"), "SUCCESS")
		b.verified("query the refund", signType, answer)
	})
}

// A certificate is wanted where the protocol says so, and only there.
func TestGopayWithoutCertificateCannotRefund(t *testing.T) {
	t.Parallel()
	b := setup(t)
	client := b.gopayOf()
	client.SetTLSHttpClient(client.GetHttpClient())
	_, err := client.Micropay(t.Context(), codePayment("MD5", "ORDER0001", b.authCode("success")))
	must(t, "micropay", err)
	request := ask("MD5", "out_trade_no", "ORDER0001").Set("out_refund_no", "REFUND1").Set("total_fee", 1000).Set("refund_fee", 300)
	if _, _, err := client.Refund(t.Context(), request); err == nil || !strings.Contains(err.Error(), "400") {
		t.Errorf("got %v", err)
	}
}

func TestGopayUnifiedOrderAndItsNotification(t *testing.T) {
	t.Parallel()
	eachSignType(t, func(t *testing.T, b *bundle, signType string) {
		client := b.gopayOf()
		order := ask(signType, "out_trade_no", "ORDER0001").Set("body", "一杯咖啡").Set("total_fee", 1000).Set("spbill_create_ip", "203.0.113.8").
			Set("notify_url", b.receiver.url()).Set("trade_type", "NATIVE").Set("product_id", "1")
		placed, err := client.UnifiedOrder(t.Context(), order)
		must(t, "unified order", err)
		if !strings.HasPrefix(placed.CodeUrl, "weixin://wxpay/") {
			t.Errorf("got %+v", placed)
		}
		b.control("POST", "/wechatpay/pay", object{"code_url": placed.CodeUrl, "result": "success"})
		told, err := gopayv2.ParseNotifyToBodyMap(b.receiver.wait().request())
		must(t, "parse the notification", err)
		want(t, "notified", told.GetString("out_trade_no")+told.GetString("total_fee"), "ORDER00011000")
		b.verified("notification", signType, told)

		order.Set("out_trade_no", "ORDER0002").Remove("sign")
		_, err = client.UnifiedOrder(t.Context(), order)
		must(t, "unified order", err)
		closed, err := client.CloseOrder(t.Context(), ask(signType, "out_trade_no", "ORDER0002"))
		must(t, "close", err)
		want(t, "closed", closed.ResultCode, "SUCCESS")
	})
}

func TestGopayWithTheWrongKeyIsNotTaken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	client := b.gopayOf()
	wrong := gopayv2.NewClient(client.AppId, client.MchId, strings.Repeat("k", 32), true)
	wrong.BaseURL = client.BaseURL
	wrong.SetHttpClient(client.GetHttpClient())
	answer, err := wrong.Micropay(t.Context(), codePayment("MD5", "ORDER0001", b.authCode("success")))
	must(t, "micropay", err)
	want(t, "taken", answer.ReturnCode+answer.Sign, "FAIL")
}

// gopayProvider is the provider's side played by gopay: it reads and verifies what our library sends, and writes and signs what
// our library must accept.
func gopayProvider(t *testing.T, signType string, answers map[string]gopay.BodyMap) *httptest.Server {
	t.Helper()
	v := readVectors(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request, err := gopayv2.ParseNotifyToBodyMap(r)
		if err != nil {
			t.Errorf("%s: gopay cannot read the request: %v", r.URL.Path, err)
			return
		}
		if request.GetString("sign_type") != signType {
			t.Errorf("%s: sign_type %s", r.URL.Path, request.GetString("sign_type"))
		}
		if ok, err := gopayv2.VerifySign(v.Meta.APIv2Key, signType, request); err != nil || !ok {
			t.Errorf("%s: gopay does not accept the signature: %v %v", r.URL.Path, err, request)
		}
		answer := gopay.BodyMap{}
		for name, value := range answers[r.URL.Path] {
			answer.Set(name, value)
		}
		answer.Set("return_code", "SUCCESS").Set("result_code", "SUCCESS").Set("appid", v.Meta.AppID).Set("mch_id", v.Meta.MchID).Set("nonce_str", "1")
		answer.Set("sign", gopayv2.GetReleaseSign(v.Meta.APIv2Key, signType, answer))
		_, _ = w.Write([]byte(gopayv2.GenerateXml(answer)))
	}))
	t.Cleanup(server.Close)
	return server
}
