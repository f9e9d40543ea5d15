package sandbox_test

import (
	"maps"
	"strings"
	"testing"
	"time"
)

const codepayPath = "/v3/pay/transactions/codepay"

// setupCodepay is a sandbox whose merchant may take payment codes over APIv3.
func setupCodepay(t *testing.T) *bundle {
	t.Helper()
	b := setup(t)
	b.settings(object{"codepay_v3": true})
	return b
}

// code is what the payer's phone shows.
func (b *bundle) code(outcome string) string {
	b.t.Helper()
	return b.ok("POST", "/wechatpay/auth_code", object{"outcome": outcome})["auth_code"].(string)
}

func (b *bundle) codepayBody(outTradeNo, authCode string, total int64) object {
	w := b.merchant.c.WeChatPay
	return object{
		"appid": w.AppID, "mchid": w.MchID, "description": "一杯咖啡", "out_trade_no": outTradeNo, "payer": object{"auth_code": authCode},
		"amount": object{"total": total}, "scene_info": object{"store_info": object{"out_id": "S1"}},
	}
}

func (b *bundle) reverse(outTradeNo string) answer {
	b.t.Helper()
	w := b.merchant.c.WeChatPay
	return b.merchant.call("POST", "/v3/pay/transactions/out-trade-no/"+outTradeNo+"/reverse", object{"appid": w.AppID, "mchid": w.MchID})
}

func TestCodepay(t *testing.T) {
	t.Parallel()

	t.Run("PaidAtOnceAndNobodyIsNotified", func(t *testing.T) {
		t.Parallel()
		b := setupCodepay(t)
		paid := b.decode(b.merchant.must("POST", codepayPath, b.codepayBody("ORDER0001", b.code("success"), 1000)).body)
		want(t, "state", paid["trade_state"], "SUCCESS")
		want(t, "type", paid["trade_type"], "MICROPAY")
		want(t, "payer", at(paid, "payer", "openid"), b.merchant.c.WeChatPay.OpenID)
		want(t, "query", b.query("ORDER0001")["transaction_id"], paid["transaction_id"])
		want(t, "notifications", len(b.settled("ORDER0001")), 0)
		b.merchant.must("POST", refundsPath, object{
			"out_trade_no": "ORDER0001", "out_refund_no": "R1", "amount": object{"refund": 1, "total": 1000, "currency": "CNY"},
		})
		b.books()
	})

	t.Run("ThePasswordDecides", func(t *testing.T) {
		t.Parallel()
		b := setupCodepay(t)
		for number, c := range map[string]struct{ result, state string }{
			"ORDER0001": {"success", "SUCCESS"}, "ORDER0002": {"fail", "PAYERROR"}, "ORDER0003": {"cancel", "PAYERROR"},
		} {
			body := b.codepayBody(number, b.code("userpaying"), 10)
			want(t, "asked", b.merchant.must("POST", codepayPath, body).text("trade_state"), "USERPAYING")
			want(t, "asked again", b.merchant.must("POST", codepayPath, body).text("trade_state"), "USERPAYING")
			want(t, "queried", b.query(number)["trade_state"], "USERPAYING")
			b.pay(object{"out_trade_no": number, "result": c.result})
			want(t, c.result, b.query(number)["trade_state"], c.state)
		}
		b.books()
	})

	t.Run("UserPayingInOlderWords", func(t *testing.T) {
		t.Parallel()
		b := setupCodepay(t)
		b.settings(object{"codepay_accepted": true})
		a := b.merchant.call("POST", codepayPath, b.codepayBody("ORDER0001", b.code("userpaying"), 10))
		want(t, "status", a.status, 202)
		want(t, "code", a.text("code"), "USERPAYING")
		want(t, "signed", a.verified, nil)
	})

	t.Run("CodesThatFail", func(t *testing.T) {
		t.Parallel()
		b := setupCodepay(t)
		want(t, "fail", b.merchant.must("POST", codepayPath, b.codepayBody("ORDER0001", b.code("fail"), 10)).text("trade_state"), "PAYERROR")
		b.merchant.refused("POST", codepayPath, b.codepayBody("ORDER0002", b.code("not_enough"), 10), 403, "NOT_ENOUGH")
		want(t, "state", b.query("ORDER0002")["trade_state"], "PAYERROR")
		b.merchant.refused("POST", codepayPath, b.codepayBody("ORDER0003", "131234567890123456", 10), 400, "INVALID_REQUEST")
		code := b.code("success")
		b.advance(time.Minute)
		b.merchant.refused("POST", codepayPath, b.codepayBody("ORDER0004", code, 10), 400, "INVALID_REQUEST")
		b.merchant.refused("GET", b.queryPath("ORDER0004"), nil, 404, "ORDER_NOT_EXIST")
		code = b.code("success")
		b.merchant.must("POST", codepayPath, b.codepayBody("ORDER0005", code, 10))
		b.merchant.refused("POST", codepayPath, b.codepayBody("ORDER0006", code, 10), 400, "INVALID_REQUEST")
		b.books()
	})

	t.Run("ANumberServesOnePayment", func(t *testing.T) {
		t.Parallel()
		b := setupCodepay(t)
		body := b.codepayBody("ORDER0001", b.code("success"), 10)
		b.merchant.must("POST", codepayPath, body)
		b.merchant.refused("POST", codepayPath, body, 400, "INVALID_REQUEST") // paid
		b.merchant.refused("POST", codepayPath, b.codepayBody("ORDER0001", b.code("success"), 10), 403, "OUT_TRADE_NO_USED")
		b.merchant.must("POST", codepayPath, b.codepayBody("ORDER0002", b.code("fail"), 10))
		b.merchant.refused("POST", codepayPath, b.codepayBody("ORDER0002", b.code("success"), 10), 403, "OUT_TRADE_NO_USED")
		b.native("ORDER0003", 10)
		b.merchant.refused("POST", codepayPath, b.codepayBody("ORDER0003", b.code("success"), 10), 403, "OUT_TRADE_NO_USED")
		want(t, "paid", b.books()["paid"], 10)
	})

	t.Run("ByPermissionOnly", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.merchant.refused("POST", codepayPath, b.codepayBody("ORDER0001", b.code("success"), 10), 403, "NO_AUTH")
		want(t, "reverse", b.reverse("ORDER0001").text("code"), "NO_AUTH")
	})

	t.Run("ForASubMerchant", func(t *testing.T) {
		t.Parallel()
		b := setupCodepay(t)
		subMchID, _ := b.shop()
		of := object{"sp_appid": b.merchant.c.WeChatPay.AppID, "sp_mchid": b.merchant.c.WeChatPay.MchID, "sub_mchid": subMchID}
		body := b.codepayBody("ORDER0001", b.code("success"), 1000)
		delete(body, "appid")
		delete(body, "mchid")
		maps.Copy(body, of)
		paid := b.decode(b.merchant.must("POST", spTransactions+"/codepay", body).body)
		want(t, "sub_mchid", paid["sub_mchid"], subMchID)
		want(t, "balance", b.balance(subMchID, "unsettled"), 994)
		b.advance(15 * time.Second)
		b.merchant.must("POST", spTransactions+"/out-trade-no/ORDER0001/reverse", of)
		want(t, "balance", b.balance(subMchID, "unsettled"), 0)
	})
}

func TestReverse(t *testing.T) {
	t.Parallel()

	t.Run("PaidMoneyGoesBackInFull", func(t *testing.T) {
		t.Parallel()
		b := setupCodepay(t)
		b.merchant.must("POST", codepayPath, b.codepayBody("ORDER0001", b.code("success"), 1000))
		want(t, "paid", b.books()["paid"], 1000)
		b.advance(15 * time.Second)
		for range 2 { // reversed again without effect
			a := b.reverse("ORDER0001")
			want(t, "out_trade_no", a.text("out_trade_no"), "ORDER0001")
			want(t, "appid", a.text("appid"), b.merchant.c.WeChatPay.AppID)
		}
		want(t, "state", b.query("ORDER0001")["trade_state"], "REVOKED")
		books := b.books()
		want(t, "paid", books["paid"], 0)
		want(t, "fees", books["fees"], 0)
		want(t, "balance", books["balance"], 0)
		b.merchant.refused("POST", refundsPath, b.refundBody("ORDER0001", "R1", 1, 1000), 400, "INVALID_REQUEST")
	})

	t.Run("SettledMoneyGoesBackToo", func(t *testing.T) {
		t.Parallel()
		b := setupCodepay(t)
		b.merchant.must("POST", codepayPath, b.codepayBody("ORDER0001", b.code("success"), 1000))
		b.advance(15 * time.Second)
		b.ok("POST", "/wechatpay/funds", object{"action": "settle", "amount": 994})
		want(t, "reverse", b.reverse("ORDER0001").status, 200)
		want(t, "balance", b.books()["balance"], 0)
	})

	t.Run("MoneyThatIsGoneCannotGoBack", func(t *testing.T) {
		t.Parallel()
		b := setupCodepay(t)
		b.merchant.must("POST", codepayPath, b.codepayBody("ORDER0001", b.code("success"), 1000))
		b.advance(15 * time.Second)
		b.ok("POST", "/wechatpay/funds", object{"action": "settle", "amount": 994})
		b.ok("POST", "/wechatpay/funds", object{"action": "withdraw", "amount": 1})
		want(t, "reverse", b.reverse("ORDER0001").text("code"), "NOT_ENOUGH")
		want(t, "state", b.query("ORDER0001")["trade_state"], "SUCCESS")
		b.books()
	})

	t.Run("UnpaidOrderCannotBePaidAnyMore", func(t *testing.T) {
		t.Parallel()
		b := setupCodepay(t)
		body := b.codepayBody("ORDER0001", b.code("userpaying"), 1000)
		b.merchant.must("POST", codepayPath, body)
		b.advance(15 * time.Second)
		want(t, "reverse", b.reverse("ORDER0001").status, 200)
		status, _ := b.control("POST", "/wechatpay/pay", object{"out_trade_no": "ORDER0001", "result": "success"})
		want(t, "paying", status, 409)
		b.merchant.refused("POST", codepayPath, body, 400, "INVALID_REQUEST")
		want(t, "paid", b.books()["paid"], 0)
	})

	t.Run("NotWithinFifteenSecondsUnlessTheSettingSays", func(t *testing.T) {
		t.Parallel()
		b := setupCodepay(t)
		b.merchant.must("POST", codepayPath, b.codepayBody("ORDER0001", b.code("userpaying"), 1000))
		want(t, "early", b.reverse("ORDER0001").text("code"), "INVALID_REQUEST")
		want(t, "state", b.query("ORDER0001")["trade_state"], "USERPAYING")
		b.settings(object{"reverse_after": "0s"})
		want(t, "early", b.reverse("ORDER0001").status, 200)
	})

	t.Run("NotAfterSevenDays", func(t *testing.T) {
		t.Parallel()
		b := setupCodepay(t)
		b.merchant.must("POST", codepayPath, b.codepayBody("ORDER0001", b.code("success"), 1000))
		b.advance(7*24*time.Hour + time.Second)
		want(t, "late", b.reverse("ORDER0001").text("code"), "INVALID_REQUEST")
		b.books()
	})

	t.Run("OnlyUnrefundedCodePayments", func(t *testing.T) {
		t.Parallel()
		b := setupCodepay(t)
		b.paid("ORDER0001", 10)
		b.merchant.must("POST", codepayPath, b.codepayBody("ORDER0002", b.code("success"), 10))
		b.merchant.must("POST", refundsPath, b.refundBody("ORDER0002", "R1", 1, 10))
		b.advance(15 * time.Second)
		want(t, "of a code_url", b.reverse("ORDER0001").text("code"), "INVALID_REQUEST")
		want(t, "refunded", b.reverse("ORDER0002").text("code"), "INVALID_REQUEST")
		want(t, "unknown", b.reverse("ORDER0009").text("code"), "ORDER_NOT_EXIST")
		b.books()
	})

	t.Run("ACodePaymentIsNotClosed", func(t *testing.T) {
		t.Parallel()
		b := setupCodepay(t)
		b.merchant.must("POST", codepayPath, b.codepayBody("ORDER0001", b.code("userpaying"), 10))
		a := b.closeOrder("ORDER0001")
		want(t, "code", a.text("code"), "INVALID_REQUEST")
		if id := a.header.Get("Request-ID"); !strings.HasSuffix(id, "-268449641") {
			t.Errorf("Request-ID %q", id)
		}
	})
}

func TestPaymentCodes(t *testing.T) {
	t.Parallel()

	t.Run("LookLikeAPhonesAndNameTheirOwner", func(t *testing.T) {
		t.Parallel()
		b := setupCodepay(t)
		openID := "o" + strings.Repeat("x", 27)
		code := b.ok("POST", "/wechatpay/auth_code", object{"openid": openID})
		if text := code["auth_code"].(string); len(text) != 18 || text[:2] != "13" {
			t.Errorf("auth_code %q", text)
		}
		paid := b.decode(b.merchant.must("POST", codepayPath, b.codepayBody("ORDER0001", code["auth_code"].(string), 10)).body)
		want(t, "payer", at(paid, "payer", "openid"), openID)
		status, why := b.control("POST", "/wechatpay/auth_code", object{"outcome": "perhaps"})
		want(t, "status", status, 400)
		want(t, "field", why["field"], "outcome")
	})

	t.Run("SurviveARestart", func(t *testing.T) {
		t.Parallel()
		b := setupCodepay(t)
		used, unused := b.code("userpaying"), b.code("success")
		b.merchant.must("POST", codepayPath, b.codepayBody("ORDER0001", used, 10))
		next := b.again()
		next.merchant.refused("POST", codepayPath, next.codepayBody("ORDER0002", used, 10), 400, "INVALID_REQUEST")
		next.merchant.must("POST", codepayPath, next.codepayBody("ORDER0003", unused, 10))
		next.pay(object{"out_trade_no": "ORDER0001", "result": "success"})
		want(t, "paid", next.books()["paid"], 20)
		status, _ := next.control("POST", "/wechatpay/pay", object{"prepay_id": " ", "result": "success"})
		want(t, "no order without a credential", status, 404)
	})
}

func TestReverseOfASharingOrder(t *testing.T) {
	t.Parallel()
	pay := func(t *testing.T) (*sharer, string) {
		s := setupSharing(t)
		s.settings(object{"codepay_v3": true})
		body := s.codepayBody("ORDER0001", s.code("success"), 1000)
		body["settle_info"] = object{"profit_sharing": true}
		transactionID := s.decode(s.merchant.must("POST", codepayPath, body).body)["transaction_id"].(string)
		s.advance(time.Minute)
		return s, transactionID
	}

	t.Run("FrozenMoneyGoesBackAndIsSharedNoMore", func(t *testing.T) {
		t.Parallel()
		s, transactionID := pay(t)
		s.paid("ORDER0002", 5000) // other money, which is not this order's to give
		want(t, "reverse", s.reverse("ORDER0001").status, 200)
		books := s.books()
		want(t, "frozen", books["frozen"], 0)
		want(t, "unsettled", books["unsettled"], 4970)
		s.shareRefused(transactionID, "SHARE1", 400, "INVALID_REQUEST", s.toPerson(100))
		s.merchant.refused("POST", sharingPath+"orders/unfreeze", unfreezeBody(transactionID, "FREE1"), 403, "NOT_ENOUGH")
		want(t, "left to share", s.unsplit(transactionID), 0)
		s.advance(31 * 24 * time.Hour)
		s.books()
	})

	t.Run("ReleasedMoneyGoesBackFromTheAvailableBalance", func(t *testing.T) {
		t.Parallel()
		s, transactionID := pay(t)
		s.merchant.must("POST", sharingPath+"orders/unfreeze", unfreezeBody(transactionID, "FREE1"))
		s.advance(time.Minute)
		want(t, "reverse", s.reverse("ORDER0001").status, 200)
		want(t, "balance", s.books()["balance"], 0)
	})

	t.Run("SharedMoneyCannotGoBack", func(t *testing.T) {
		t.Parallel()
		s, transactionID := pay(t)
		s.paid("ORDER0002", 5000)
		s.share(transactionID, "SHARE1", s.toPerson(100))
		want(t, "while it is shared", s.reverse("ORDER0001").text("code"), "NOT_ENOUGH")
		s.advance(time.Minute)
		want(t, "after it was shared", s.reverse("ORDER0001").text("code"), "NOT_ENOUGH")
		want(t, "state", s.query("ORDER0001")["trade_state"], "SUCCESS")
		s.books()
	})
}
