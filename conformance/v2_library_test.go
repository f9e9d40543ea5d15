package conformance_test

import (
	"crypto/tls"
	"errors"
	"testing"
	"time"

	"github.com/go-pay/gopay"
	gopayv2 "github.com/go-pay/gopay/wechat"

	"github.com/tongbao-pay/tongbao/wechatpay"
	wechatpayv2 "github.com/tongbao-pay/tongbao/wechatpay/v2"
)

func codePaymentOfOurs(outTradeNo, authCode string) wechatpayv2.MicroPayRequest {
	return wechatpayv2.MicroPayRequest{OutTradeNo: outTradeNo, AuthCode: authCode, Body: "一杯咖啡 <大> & 小", TotalFee: 1000, SpbillCreateIP: "203.0.113.8"}
}

// TestV2LibraryIsReadByGopay judges what our library writes and signs, and what it reads, by gopay.
func TestV2LibraryIsReadByGopay(t *testing.T) {
	t.Parallel()
	v := readVectors(t)
	for _, signType := range []string{gopayv2.SignType_MD5, gopayv2.SignType_HMAC_SHA256} {
		server := gopayProvider(t, signType, map[string]gopay.BodyMap{
			"/pay/micropay": {"out_trade_no": "ORDER0001", "transaction_id": "4200001", "total_fee": 1000, "attach": "<a> & b", "time_end": "20240601080030"},
			"/pay/orderquery": {
				"out_trade_no": "ORDER0001", "trade_state": "SUCCESS", "transaction_id": "4200001", "total_fee": 1000,
				"coupon_count": 1, "coupon_id_0": "1", "coupon_type_0": "CASH", "coupon_fee_0": 100,
			},
			"/pay/refundquery": {
				"out_trade_no": "ORDER0001", "refund_count": 1, "out_refund_no_0": "R1", "refund_id_0": "5031", "refund_fee_0": 300, "refund_status_0": "SUCCESS",
				"refund_success_time_0": "2024-06-01 08:10:00",
			},
			"/pay/unifiedorder": {"trade_type": "JSAPI", "prepay_id": "wx2024"},
			"/pay/closeorder":   {},
		})
		client, err := wechatpayv2.New(wechatpayv2.Config{
			MchID: v.Meta.MchID, AppID: v.Meta.AppID, APIv2Key: v.Meta.APIv2Key, SignType: wechatpayv2.SignType(signType), BaseURL: server.URL,
		})
		must(t, "make a client", err)
		paid, err := client.MicroPay(t.Context(), codePaymentOfOurs("ORDER0001", "130000000000000000"))
		must(t, "micropay", err)
		want(t, "attach", paid.Attach, "<a> & b")
		order, err := client.QueryOrder(t.Context(), wechatpayv2.OrderQuery{OutTradeNo: "ORDER0001"})
		must(t, "query", err)
		want(t, "coupons", order.Coupons, "[{1 CASH 100}]")
		refunds, err := client.QueryRefund(t.Context(), wechatpayv2.RefundQuery{OutRefundNo: "R1"})
		must(t, "query the refund", err)
		want(t, "refund", refunds.Refunds[0].RefundFee, 300)
		placed, err := client.PlaceUnifiedOrder(t.Context(), wechatpayv2.UnifiedOrderRequest{
			TradeType: wechatpayv2.TradeTypeJSAPI, OutTradeNo: "ORDER0002", Body: "一杯咖啡", TotalFee: 1, SpbillCreateIP: "203.0.113.8",
			NotifyURL: "https://shop.example/notify", OpenID: "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
		})
		must(t, "unified order", err)
		must(t, "close", client.CloseOrder(t.Context(), "ORDER0002"))

		js, err := client.SignJSAPI(v.Meta.AppID, placed.PrepayID)
		must(t, "sign for JSAPI", err)
		want(t, "paySign", js.PaySign, gopayv2.GetJsapiPaySign(v.Meta.AppID, js.NonceStr, js.Package, signType, js.TimeStamp, v.Meta.APIv2Key))
		app, err := client.SignApp(v.Meta.AppID, placed.PrepayID)
		must(t, "sign for an app", err)
		want(t, "sign", app.Sign, gopayv2.GetAppPaySign(v.Meta.AppID, v.Meta.MchID, app.NonceStr, placed.PrepayID, signType, app.TimeStamp, v.Meta.APIv2Key))
	}
}

// v2Library is our client of the sandbox, with a till's times shortened.
func (b *bundle) v2Library() *wechatpayv2.Client {
	b.t.Helper()
	w := b.wechatpay()
	transport := wechatpay.NewTransport()
	config := tlsFor(b.t, b.sandbox.Credentials())
	transport.TLSClientConfig.RootCAs = config.RootCAs
	client, err := wechatpayv2.New(wechatpayv2.Config{
		MchID: w.MchID, AppID: w.AppID, APIv2Key: w.APIv2Key, BaseURL: w.MutualTLSURL, Transport: transport,
		Certificate: &tls.Certificate{Certificate: config.Certificates[0].Certificate, PrivateKey: config.Certificates[0].PrivateKey},
		PollEvery:   10 * time.Millisecond, PollTimeout: 50 * time.Millisecond, ReverseAfter: time.Millisecond,
	})
	must(b.t, "make a client", err)
	b.t.Cleanup(client.CloseIdleConnections)
	return client
}

func TestV2LibraryTakesAPaymentFromTheSandbox(t *testing.T) {
	t.Parallel()
	b := setup(t)
	client := b.v2Library()
	order, err := client.MicroPayToEnd(t.Context(), codePaymentOfOurs("ORDER0001", b.authCode("success")))
	must(t, "pay", err)
	want(t, "payer", order.OpenID, b.wechatpay().OpenID)

	refund := wechatpayv2.RefundRequest{TransactionID: order.TransactionID, OutRefundNo: "R1", TotalFee: 1000, RefundFee: 300, NotifyURL: b.receiver.url()}
	accepted, err := client.CreateRefund(t.Context(), refund)
	must(t, "refund", err)
	again, err := client.CreateRefund(t.Context(), refund)
	must(t, "refund again", err)
	want(t, "the same refund", again.RefundID, accepted.RefundID)
	b.advance(time.Minute)
	list, err := client.QueryRefund(t.Context(), wechatpayv2.RefundQuery{RefundID: accepted.RefundID})
	must(t, "query the refund", err)
	want(t, "status", list.Refunds[0].RefundStatus, "SUCCESS")
	n, err := client.ParseNotification(b.receiver.wait().request())
	must(t, "parse the notification", err)
	notified, _ := n.Refund()
	want(t, "notified", notified.RefundID, accepted.RefundID)

	if _, err := client.MicroPayToEnd(t.Context(), codePaymentOfOurs("ORDER0002", b.authCode("not_enough"))); wechatpayv2.CodeOf(err) != wechatpayv2.CodeNotEnough {
		t.Errorf("no money: got %v", err)
	}
}

func TestV2LibraryFollowsAPaymentToItsEnd(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.settings(object{"reverse_after": "0s", "v2": object{"reverse_recalls": 2, "answer_sign_type": "MD5", "notification_sign_type": true}})
	client := b.v2Library()

	_, err := client.MicroPayToEnd(t.Context(), codePaymentOfOurs("ORDER0001", b.authCode("userpaying")))
	if !errors.Is(err, wechatpayv2.ErrReversed) || wechatpayv2.OutcomeOf(err) != wechatpay.OutcomeRefused {
		t.Errorf("a payer who never types: got %v", err)
	}
	order, err := client.QueryOrder(t.Context(), wechatpayv2.OrderQuery{OutTradeNo: "ORDER0001"})
	must(t, "query", err)
	want(t, "state", order.TradeState, "REVOKED")

	for effect, request := range map[string]wechatpayv2.MicroPayRequest{
		"lose_answer":   codePaymentOfOurs("ORDER0002", b.authCode("success")),
		"truncate":      codePaymentOfOurs("ORDER0003", b.authCode("success")),
		"bad_signature": codePaymentOfOurs("ORDER0004", b.authCode("success")),
	} {
		b.fault("v2_micropay", effect)
		if order, err := client.MicroPayToEnd(t.Context(), request); err != nil || order.OutTradeNo != request.OutTradeNo {
			t.Errorf("%s: got %v", effect, err)
		}
	}
	// The request was lost: nobody knows the order, and the reverse that follows does not either.
	b.fault("v2_micropay", "lose_request")
	if _, err := client.MicroPayToEnd(t.Context(), codePaymentOfOurs("ORDER0005", b.authCode("success"))); wechatpayv2.OutcomeOf(err) != wechatpay.OutcomeRefused || wechatpayv2.CodeOf(err) != wechatpayv2.CodeOrderNotExist {
		t.Errorf("a lost request: got %v", err)
	}
}

func TestV2LibraryDownloadsTheBill(t *testing.T) {
	t.Parallel()
	b := setup(t)
	client := b.v2Library()
	_, err := client.MicroPayToEnd(t.Context(), codePaymentOfOurs("ORDER0001", b.authCode("success")))
	must(t, "pay", err)
	day := b.sandbox.Now()
	b.advance(48 * time.Hour)
	for _, tarType := range []string{"", wechatpay.TarTypeGZIP} {
		bill, err := client.DownloadBill(t.Context(), wechatpay.TradeBillRequest{BillDate: wechatpay.BillDateOf(day), TarType: tarType})
		must(t, "download", err)
		read := wechatpay.ReadTradeBill(bill)
		for row, err := range read.Rows() {
			must(t, "read", err)
			want(t, "row", row.OutTradeNo, "ORDER0001")
		}
		must(t, "check the summary", read.CheckSummary())
		must(t, "close", bill.Close())
	}
	if _, err := client.DownloadBill(t.Context(), wechatpay.TradeBillRequest{BillDate: wechatpay.BillDateOf(day.Add(-24 * time.Hour))}); wechatpayv2.CodeOf(err) != "20002" {
		t.Errorf("an empty day: got %v", err)
	}
}
