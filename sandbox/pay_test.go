package sandbox_test

import (
	"strings"
	"testing"
	"time"
)

func TestPayment(t *testing.T) {
	t.Parallel()

	t.Run("NativeOrderIsPaidAndNotified", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		codeURL := b.native("ORDER0001", 1234)
		if !strings.HasPrefix(codeURL, "weixin://wxpay/bizpayurl/up?pr=") {
			t.Fatalf("code_url %q", codeURL)
		}
		unpaid := b.query("ORDER0001")
		want(t, "state", unpaid["trade_state"], "NOTPAY")
		want(t, "transaction_id before the payment", unpaid["transaction_id"], nil)

		order := b.pay(object{"code_url": codeURL, "result": "success"})
		want(t, "state", order["trade_state"], "SUCCESS")
		got := b.receiver.wait(1)[0]
		if got.verified != nil || got.opened != nil {
			t.Fatalf("notification: signature %v, decryption %v", got.verified, got.opened)
		}
		want(t, "event", got.event, "TRANSACTION.SUCCESS")
		paid := b.query("ORDER0001")
		for _, name := range []string{"transaction_id", "trade_state", "success_time", "trade_type", "mchid", "appid"} {
			want(t, name, got.content[name], paid[name])
		}
		want(t, "total", at(paid, "amount", "total"), 1234)
		want(t, "payer_total", at(paid, "amount", "payer_total"), 1234)
		want(t, "trade_type", paid["trade_type"], "NATIVE")
		id := paid["transaction_id"].(string)
		if len(id) != 28 || !strings.HasPrefix(id, "4200") {
			t.Fatalf("transaction_id %q", id)
		}
		byID := b.merchant.must("GET", "/v3/pay/transactions/id/"+id+"?mchid="+b.sandbox.Credentials().WeChatPay.MchID, nil)
		want(t, "out_trade_no", byID.text("out_trade_no"), "ORDER0001")
		b.books()
	})

	t.Run("JSAPIBelongsToItsOpenID", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		body := b.prepayBody("ORDER0002", 1)
		openID := b.sandbox.Credentials().WeChatPay.OpenID
		body["payer"] = object{"openid": openID}
		prepayID := b.merchant.must("POST", jsapiPath, body).text("prepay_id")
		if len(prepayID) != 36 || !strings.HasPrefix(prepayID, "wx") {
			t.Fatalf("prepay_id %q", prepayID)
		}
		status, _ := b.control("POST", "/wechatpay/pay", object{"prepay_id": prepayID, "openid": "oSomebodyElse000000000000000", "result": "success"})
		want(t, "status for another payer", status, 409)
		order := b.pay(object{"prepay_id": prepayID, "result": "success"})
		want(t, "payer", at(order, "payer", "openid"), openID)
		want(t, "trade_type", order["trade_type"], "JSAPI")
	})

	t.Run("H5NeedsItsScene", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		body := b.prepayBody("ORDER0003", 1)
		a := b.merchant.refused("POST", h5Path, body, 400, "PARAM_ERROR")
		want(t, "field", at(b.decode(a.body), "detail", "field"), "/scene_info")
		body["scene_info"] = object{"payer_client_ip": "203.0.113.8", "h5_info": object{"type": "Wap"}}
		h5URL := b.merchant.must("POST", h5Path, body).text("h5_url")
		if !strings.HasPrefix(h5URL, b.sandbox.PhoneURL()+"/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=wx") {
			t.Fatalf("h5_url %q", h5URL)
		}
		b.settings(object{"h5_to_phone": false})
		h5URL = b.merchant.must("POST", h5Path, body).text("h5_url")
		if !strings.HasPrefix(h5URL, "https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=wx") {
			t.Fatalf("h5_url %q", h5URL)
		}
		want(t, "trade_type", b.pay(object{"h5_url": h5URL, "result": "success"})["trade_type"], "MWEB")
	})

	t.Run("FailAndCancelLeaveTheOrderPayable", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.native("ORDER0004", 5)
		for _, result := range []string{"fail", "cancel"} {
			want(t, result, b.pay(object{"out_trade_no": "ORDER0004", "result": result})["trade_state"], "NOTPAY")
		}
		want(t, "state", b.pay(object{"out_trade_no": "ORDER0004", "result": "success"})["trade_state"], "SUCCESS")
		status, why := b.control("POST", "/wechatpay/pay", object{"out_trade_no": "ORDER0004", "result": "success"})
		want(t, "paying twice", status, 409)
		want(t, "reason", why["error"], "the order is paid already")
	})

	t.Run("CouponLowersWhatThePayerPays", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.native("ORDER0005", 100)
		order := b.pay(object{"out_trade_no": "ORDER0005", "result": "success", "coupon": 30})
		want(t, "total", at(order, "amount", "total"), 100)
		want(t, "payer_total", at(order, "amount", "payer_total"), 70)
	})
}

func TestPrepayAgain(t *testing.T) {
	t.Parallel()

	t.Run("SameOrderGetsAFreshCredentialAndTheOldOneDies", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		first, second := b.native("ORDER0001", 1), b.native("ORDER0001", 1)
		if first == second {
			t.Fatal("the credential is the same")
		}
		status, why := b.control("POST", "/wechatpay/pay", object{"code_url": first, "result": "success"})
		want(t, "status", status, 409)
		want(t, "reason", why["error"], "the code was replaced by a newer one; use the newest")
		b.pay(object{"code_url": second, "result": "success"})
	})

	t.Run("OtherParametersAreRefused", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.native("ORDER0001", 1)
		a := b.merchant.refused("POST", nativePath, b.prepayBody("ORDER0001", 2), 400, "INVALID_REQUEST")
		if id := a.header.Get("Request-ID"); !strings.HasSuffix(id, "-268498688") {
			t.Fatalf("Request-ID %q", id)
		}
		body := b.prepayBody("ORDER0001", 1)
		b.merchant.refused("POST", appPath, body, 400, "INVALID_REQUEST") // another product
	})

	t.Run("TimeExpireIsTakenFromTheFirstCallOnly", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		body := b.prepayBody("ORDER0001", 1)
		body["time_expire"] = time.Now().Add(10 * time.Minute).Format(time.RFC3339)
		b.merchant.must("POST", nativePath, body)
		before := b.ok("GET", "/wechatpay/orders/ORDER0001", nil)["time_expire"]
		body["time_expire"] = time.Now().Add(time.Hour).Format(time.RFC3339)
		b.merchant.must("POST", nativePath, body)
		want(t, "time_expire", b.ok("GET", "/wechatpay/orders/ORDER0001", nil)["time_expire"], before)
	})

	t.Run("PaidAndClosedOrdersAreRefused", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.paid("ORDER0001", 1)
		b.merchant.refused("POST", nativePath, b.prepayBody("ORDER0001", 1), 400, "INVALID_REQUEST")
		b.native("ORDER0002", 1)
		want(t, "close", b.closeOrder("ORDER0002").status, 204)
		b.merchant.refused("POST", nativePath, b.prepayBody("ORDER0002", 1), 400, "ORDER_CLOSED")
	})
}

func TestClose(t *testing.T) {
	t.Parallel()

	t.Run("ClosingIsSignedAndReentrant", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.native("ORDER0001", 1)
		for range 2 {
			a := b.closeOrder("ORDER0001")
			if a.status != 204 || len(a.body) != 0 || a.verified != nil {
				t.Fatalf("%d %s %v", a.status, a.body, a.verified)
			}
		}
		want(t, "state", b.query("ORDER0001")["trade_state"], "CLOSED")
		status, _ := b.control("POST", "/wechatpay/pay", object{"out_trade_no": "ORDER0001", "result": "success"})
		want(t, "paying a closed order", status, 409)
	})

	t.Run("PaidAndUnknownOrdersAreRefused", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.paid("ORDER0001", 1)
		a := b.closeOrder("ORDER0001")
		want(t, "code", a.text("code"), "INVALID_REQUEST")
		a = b.closeOrder("ORDER0009")
		want(t, "code", a.text("code"), "ORDER_NOT_EXIST")
	})

	t.Run("LatePaymentLandsAfterTheClose", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.native("ORDER0001", 7)
		b.closeOrder("ORDER0001")
		order := b.pay(object{"out_trade_no": "ORDER0001", "result": "success", "late": true})
		want(t, "state", order["trade_state"], "SUCCESS")
		want(t, "event", b.receiver.wait(1)[0].event, "TRANSACTION.SUCCESS")
		b.books()
	})
}

func TestExpiry(t *testing.T) {
	t.Parallel()

	t.Run("CodesLiveTwoHoursAndARepeatedPrepayRenewsThem", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.native("ORDER0001", 1)
		b.advance(2 * time.Hour)
		status, why := b.control("POST", "/wechatpay/pay", object{"out_trade_no": "ORDER0001", "result": "success"})
		want(t, "status", status, 409)
		if !strings.Contains(why["error"].(string), "expired") {
			t.Fatalf("reason %v", why)
		}
		want(t, "state", b.query("ORDER0001")["trade_state"], "NOTPAY")
		b.native("ORDER0001", 1)
		b.pay(object{"out_trade_no": "ORDER0001", "result": "success"})
	})

	t.Run("H5LivesFiveMinutes", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		body := b.prepayBody("ORDER0001", 1)
		body["scene_info"] = object{"payer_client_ip": "203.0.113.8", "h5_info": object{"type": "Wap"}}
		h5URL := b.merchant.must("POST", h5Path, body).text("h5_url")
		b.advance(5 * time.Minute)
		status, _ := b.control("POST", "/wechatpay/pay", object{"h5_url": h5URL, "result": "success"})
		want(t, "status", status, 409)
	})

	t.Run("TimeExpireStopsPaymentButTheOrderStaysOpenUntilClosed", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		body := b.prepayBody("ORDER0001", 1)
		body["time_expire"] = b.sandbox.Now().Add(10 * time.Minute).Format(time.RFC3339)
		b.merchant.must("POST", nativePath, body)
		b.advance(10 * time.Minute)
		status, _ := b.control("POST", "/wechatpay/pay", object{"out_trade_no": "ORDER0001", "result": "success"})
		want(t, "status", status, 409)
		want(t, "state", b.query("ORDER0001")["trade_state"], "NOTPAY")
		want(t, "close", b.closeOrder("ORDER0001").status, 204)
	})

	t.Run("UnpaidOrderClosesItselfAfterSevenDays", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.native("ORDER0001", 1)
		b.advance(7*24*time.Hour - time.Minute)
		want(t, "before", b.query("ORDER0001")["trade_state"], "NOTPAY")
		b.advance(time.Minute)
		want(t, "after", b.query("ORDER0001")["trade_state"], "CLOSED")
	})
}
