package sandbox_test

import (
	"net/http"
	"testing"
	"time"
)

func TestUnsettled(t *testing.T) {
	t.Parallel()

	t.Run("OlderCodes", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.settings(object{"error_codes": "older"})
		b.merchant.refused("GET", b.queryPath("ORDER0001"), nil, 404, "ORDERNOTEXIST")
		b.native("ORDER0001", 1)
		b.merchant.refused("POST", nativePath, b.prepayBody("ORDER0001", 2), 403, "OUT_TRADE_NO_USED")
		b.pay(object{"out_trade_no": "ORDER0001", "result": "success"})
		b.merchant.refused("POST", nativePath, b.prepayBody("ORDER0001", 1), 403, "ORDERPAID")
		if a := b.closeOrder("ORDER0001"); a.status != 403 || a.text("code") != "ORDERPAID" {
			t.Fatalf("close: %d %s", a.status, a.body)
		}
		jsapi := b.prepayBody("ORDER0002", 1)
		jsapi["payer"] = object{"openid": "someone"}
		b.merchant.refused("POST", jsapiPath, jsapi, 500, "OPENID_MISMATCH")
		b.merchant.must("POST", refundsPath, b.refundBody("ORDER0001", "REFUND1", 1, 1))
		changed := b.refundBody("ORDER0001", "REFUND1", 1, 1)
		changed["reason"] = "another"
		b.merchant.refused("POST", refundsPath, changed, 400, "INVALID_REQUEST") // which has no older code
		b.settings(object{"rate_limits": true, "rate_limit_per_second": object{"certificates": 0.001}})
		b.merchant.must("GET", "/v3/certificates", nil)
		b.merchant.refused("GET", "/v3/certificates", nil, 429, "FREQUENCY_LIMIT")
	})

	t.Run("ClosingAgainAndTheUnknown", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.native("ORDER0001", 1)
		want(t, "first", b.closeOrder("ORDER0001").status, 204)
		want(t, "again", b.closeOrder("ORDER0001").status, 204)
		want(t, "unknown", b.closeOrder("ORDER0009").text("code"), "ORDER_NOT_EXIST")
		b.settings(object{"close_again": "order_closed", "close_unknown": "done"})
		want(t, "again", b.closeOrder("ORDER0001").text("code"), "ORDER_CLOSED")
		want(t, "unknown", b.closeOrder("ORDER0009").status, 204)
		b.native("ORDER0009", 1) // it did not burn the number
		cart := b.combineBody("CART0001", 1, 2)
		b.merchant.must("POST", "/v3/combine-transactions/native", cart)
		want(t, "first, combined", b.combineClose("CART0001", cart).status, 204)
		want(t, "again, combined", b.combineClose("CART0001", cart).text("code"), "ORDER_CLOSED")
		want(t, "unknown, combined", b.combineClose("CART0009", cart).status, 204)
	})

	t.Run("WithoutCertificates", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.settings(object{"verify_mode": "pubkey_only"})
		for code, status := range map[string]int{"RESOURCE_NOT_EXISTS": 404, "INVALID_REQUEST": 400, "NO_AUTH": 403} {
			b.settings(object{"no_certificates": code})
			b.merchant.refused("GET", "/v3/certificates", nil, status, code)
		}
	})

	t.Run("AnOlderPrepayIDMayStayUsableToItsEnd", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		order := func() string {
			body := b.prepayBody("ORDER0001", 1)
			body["payer"] = object{"openid": b.sandbox.Credentials().WeChatPay.OpenID}
			return b.merchant.must("POST", jsapiPath, body).text("prepay_id")
		}
		useless := order()
		order()
		status, _ := b.control("POST", "/wechatpay/pay", object{"prepay_id": useless, "result": "cancel"})
		want(t, "one that was replaced", status, 409)
		b.settings(object{"older_prepay_ids": true})
		older := order()
		status, _ = b.control("POST", "/wechatpay/pay", object{"prepay_id": older, "result": "cancel"})
		want(t, "the newest", status, 200)
		b.advance(time.Hour)
		order()
		b = b.again()
		status, _ = b.control("POST", "/wechatpay/pay", object{"prepay_id": older, "result": "cancel"})
		want(t, "the older one", status, 200)
		b.advance(time.Hour)
		status, answer := b.control("POST", "/wechatpay/pay", object{"prepay_id": older, "result": "success"})
		want(t, "the older one after two hours", status, 409)
		if text, _ := answer["error"].(string); text == "" {
			t.Fatal("no reason")
		}
	})

	t.Run("LongestOrder", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		lives := func(number string) time.Duration {
			body := b.prepayBody(number, 1)
			body["time_expire"] = b.sandbox.Now().Add(200 * 24 * time.Hour).Format(time.RFC3339)
			b.merchant.must("POST", nativePath, body)
			order := b.ok("GET", "/wechatpay/orders/"+number, nil)
			var at [2]time.Time
			for i, name := range []string{"created_at", "time_expire"} {
				if err := at[i].UnmarshalText([]byte(order[name].(string))); err != nil {
					t.Fatal(err)
				}
			}
			return at[1].Sub(at[0])
		}
		want(t, "by the current pages", lives("ORDER0001"), 15*24*time.Hour)
		b.settings(object{"order_life_max": "2160h"})
		want(t, "by older ones", lives("ORDER0002"), 90*24*time.Hour)
	})

	t.Run("ARepeatedNotificationMayHaveAnotherID", func(t *testing.T) {
		t.Parallel()
		for changes, wanted := range map[bool]bool{false: true, true: false} {
			b := setup(t)
			b.settings(object{"notification_id_changes": changes})
			b.receiver.answer(http.StatusInternalServerError)
			b.paid("ORDER0001", 1)
			b.settledAfter("ORDER0001", 1)
			b.advance(15 * time.Second)
			got := b.receiver.wait(1)
			want(t, "same id", got[0].id == got[1].id, wanted)
		}
	})

	t.Run("ValuesAreChecked", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for field, value := range map[string]any{
			"error_codes": "newer", "close_again": "refused", "close_unknown": "", "no_certificates": "SIGN_ERROR", "order_life_max": "1s",
		} {
			status, answer := b.control("POST", "/wechatpay/settings", object{field: value})
			want(t, field+": status", status, 400)
			want(t, "field", answer["field"], field)
		}
	})
}
