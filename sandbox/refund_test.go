package sandbox_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net/url"
	"testing"
	"time"
)

func TestRefund(t *testing.T) {
	t.Parallel()

	t.Run("AcceptedThenSettledOnTheClockThenNotified", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.paid("ORDER0001", 1000)
		made := b.decode(b.merchant.must("POST", refundsPath, b.refundBody("ORDER0001", "REFUND@1", 300, 1000)).body)
		want(t, "status", made["status"], "PROCESSING")
		want(t, "order becomes REFUND at acceptance", b.query("ORDER0001")["trade_state"], "REFUND")
		want(t, "refunding", b.books()["refunding"], 300)
		b.advance(3 * time.Second)
		got := b.receiver.wait(1)[1]
		want(t, "event", got.event, "REFUND.SUCCESS")
		want(t, "refund_status", got.content["refund_status"], "SUCCESS")
		want(t, "refund", at(got.content, "amount", "refund"), 300)
		queried := b.decode(b.merchant.must("GET", refundsPath+"/"+url.PathEscape("REFUND@1"), nil).body)
		want(t, "status", queried["status"], "SUCCESS")
		want(t, "refund_id", queried["refund_id"], got.content["refund_id"])
		want(t, "success_time", queried["success_time"], got.content["success_time"])
		want(t, "refunded", b.books()["refunded"], 300)
	})

	t.Run("SameNumberReturnsTheSameRefundAndOtherParametersAreRefused", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		order := b.paid("ORDER0001", 1000)
		body := b.refundBody("ORDER0001", "REFUND1", 300, 1000)
		first := b.merchant.must("POST", refundsPath, body).text("refund_id")
		want(t, "refund_id", b.merchant.must("POST", refundsPath, body).text("refund_id"), first)
		delete(body, "out_trade_no")
		body["transaction_id"] = order["transaction_id"]
		want(t, "refund_id by the other number", b.merchant.must("POST", refundsPath, body).text("refund_id"), first)
		b.merchant.refused("POST", refundsPath, b.refundBody("ORDER0001", "REFUND1", 301, 1000), 400, "INVALID_REQUEST")
		want(t, "refunding", b.books()["refunding"], 300)
	})

	t.Run("RefundsTogetherNeverExceedThePayment", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.settings(object{"refund_interval": "0s"})
		b.paid("ORDER0001", 1000)
		b.merchant.must("POST", refundsPath, b.refundBody("ORDER0001", "REFUND1", 600, 1000))
		b.merchant.refused("POST", refundsPath, b.refundBody("ORDER0001", "REFUND2", 401, 1000), 400, "INVALID_REQUEST")
		b.merchant.must("POST", refundsPath, b.refundBody("ORDER0001", "REFUND3", 400, 1000))
		b.advance(3 * time.Second)
		books := b.books()
		want(t, "refunded", books["refunded"], 1000)
		want(t, "balance", books["balance"], 0)
		want(t, "fees", books["fees"], 0)
	})

	t.Run("RulesAreKept", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.native("ORDER0001", 1000)
		b.merchant.refused("POST", refundsPath, b.refundBody("ORDER0001", "REFUND1", 1, 1000), 400, "INVALID_REQUEST")     // unpaid
		b.merchant.refused("POST", refundsPath, b.refundBody("ORDER0009", "REFUND1", 1, 1000), 404, "RESOURCE_NOT_EXISTS") // unknown
		b.pay(object{"out_trade_no": "ORDER0001", "result": "success"})
		b.merchant.refused("POST", refundsPath, b.refundBody("ORDER0001", "REFUND1", 1, 999), 400, "INVALID_REQUEST") // other total
		b.merchant.refused("POST", refundsPath, b.refundBody("ORDER0001", "REFUND1", 0, 1000), 400, "PARAM_ERROR")
		b.merchant.must("POST", refundsPath, b.refundBody("ORDER0001", "REFUND1", 1, 1000))
		b.merchant.refused("POST", refundsPath, b.refundBody("ORDER0001", "REFUND2", 1, 1000), 429, "FREQUENCY_LIMITED") // within a minute
		b.advance(time.Minute)
		b.merchant.must("POST", refundsPath, b.refundBody("ORDER0001", "REFUND2", 1, 1000))
		b.advance(366 * 24 * time.Hour)
		b.merchant.refused("POST", refundsPath, b.refundBody("ORDER0001", "REFUND3", 1, 1000), 400, "INVALID_REQUEST") // a year is over
		b.merchant.refused("GET", refundsPath+"/REFUND3", nil, 404, "RESOURCE_NOT_EXISTS")
	})

	t.Run("FiftyRefundsAreTheMost", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.settings(object{"refund_interval": "0s", "refund_delay": "0s"})
		b.paid("ORDER0001", 1000)
		for i := range 50 {
			made := b.merchant.must("POST", refundsPath, b.refundBody("ORDER0001", fmt.Sprintf("REFUND%d", i), 1, 1000))
			want(t, "status without a delay", made.text("status"), "SUCCESS")
		}
		b.merchant.refused("POST", refundsPath, b.refundBody("ORDER0001", "REFUND51", 1, 1000), 400, "INVALID_REQUEST")
	})

	t.Run("OrderMayBecomeRefundOnlyAtSuccess", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.settings(object{"order_becomes_refund": "success"})
		b.paid("ORDER0001", 10)
		b.merchant.must("POST", refundsPath, b.refundBody("ORDER0001", "REFUND1", 1, 10))
		want(t, "accepted", b.query("ORDER0001")["trade_state"], "SUCCESS")
		b.advance(3 * time.Second)
		want(t, "settled", b.query("ORDER0001")["trade_state"], "REFUND")
	})

	t.Run("CouponSharesTheRefund", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.settings(object{"refund_interval": "0s"})
		b.native("ORDER0001", 100)
		b.pay(object{"out_trade_no": "ORDER0001", "result": "success", "coupon": 33})
		sum := 0.0
		for i, amount := range []int64{33, 33, 34} {
			made := b.decode(b.merchant.must("POST", refundsPath, b.refundBody("ORDER0001", fmt.Sprintf("REFUND%d", i), amount, 100)).body)
			sum += at(made, "amount", "payer_refund").(float64)
			want(t, "parts", at(made, "amount", "payer_refund").(float64)+at(made, "amount", "discount_refund").(float64), amount)
		}
		want(t, "payer_refund in all", sum, 67)
	})
}

func TestRefundOutcomes(t *testing.T) {
	t.Parallel()

	t.Run("ClosedGivesTheMoneyBack", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.settings(object{"refund_outcome": "CLOSED", "refund_interval": "0s"})
		b.paid("ORDER0001", 1000)
		before := b.books()["balance"]
		b.merchant.must("POST", refundsPath, b.refundBody("ORDER0001", "REFUND1", 1000, 1000))
		b.advance(3 * time.Second)
		want(t, "event", b.receiver.wait(1)[1].event, "REFUND.CLOSED")
		want(t, "balance", b.books()["balance"], before)
		b.settings(object{"refund_outcome": "SUCCESS"})
		b.merchant.must("POST", refundsPath, b.refundBody("ORDER0001", "REFUND2", 1000, 1000))
	})

	t.Run("AbnormalIsRepairedByAnEncryptedCard", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.settings(object{"refund_outcome": "ABNORMAL"})
		b.paid("ORDER0001", 1000)
		id := b.merchant.must("POST", refundsPath, b.refundBody("ORDER0001", "REFUND1", 1000, 1000)).text("refund_id")
		path := refundsPath + "/" + id + "/apply-abnormal-refund"
		body := object{"out_refund_no": "REFUND1", "type": "USER_BANK_CARD", "bank_type": "ICBC_DEBIT"}
		b.merchant.refused("POST", path, object{"out_refund_no": "REFUND1", "type": "MERCHANT_BANK_CARD"}, 400, "INVALID_REQUEST") // not abnormal yet
		b.advance(3 * time.Second)
		want(t, "event", b.receiver.wait(1)[1].event, "REFUND.ABNORMAL")
		b.merchant.refused("POST", path, body, 400, "PARAM_ERROR") // no card
		w := b.sandbox.Credentials().WeChatPay
		body["bank_account"] = seal(t, b.merchant.keys[w.PublicKeyID], "6222020000000000123")
		body["real_name"] = seal(t, b.merchant.keys[w.PublicKeyID], "张三")
		b.merchant.refused("POST", path, body, 400, "INVALID_REQUEST") // key not named
		b.merchant.serial = w.PlatformSerialNo
		b.merchant.refused("POST", path, body, 400, "PARAM_ERROR") // another key named
		b.merchant.serial = w.PublicKeyID
		made := b.decode(b.merchant.must("POST", path, body).body)
		want(t, "status", made["status"], "PROCESSING")
		want(t, "account", made["user_received_account"], "ICBC_DEBIT0123")
		b.advance(3 * time.Second)
		want(t, "event", b.receiver.wait(1)[2].event, "REFUND.SUCCESS")
		b.books()
	})

	t.Run("NotEnoughUntilTheAvailableBalanceIsNamed", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.paid("ORDER0001", 1000)
		b.ok("POST", "/wechatpay/funds", object{"action": "settle", "amount": 994})
		body := b.refundBody("ORDER0001", "REFUND1", 1000, 1000)
		b.merchant.refused("POST", refundsPath, body, 403, "NOT_ENOUGH")
		body["funds_account"] = "AVAILABLE"
		made := b.decode(b.merchant.must("POST", refundsPath, body).body)
		want(t, "account", made["funds_account"], "AVAILABLE")
		want(t, "available", b.books()["available"], 0)
	})

	t.Run("NotEnoughOnDemand", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.paid("ORDER0001", 1000)
		b.settings(object{"refund_outcome": "NOT_ENOUGH"})
		b.merchant.refused("POST", refundsPath, b.refundBody("ORDER0001", "REFUND1", 1, 1000), 403, "NOT_ENOUGH")
		want(t, "refunds", b.books()["refunds"], 0)
	})

	t.Run("ProcessingWaitsForTheControlAPI", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.settings(object{"refund_outcome": "PROCESSING"})
		b.paid("ORDER0001", 1000)
		b.merchant.must("POST", refundsPath, b.refundBody("ORDER0001", "REFUND1", 1, 1000))
		b.advance(24 * time.Hour)
		want(t, "status", b.ok("GET", "/wechatpay/refunds/REFUND1", nil)["status"], "PROCESSING")
		want(t, "status", b.ok("POST", "/wechatpay/refunds/REFUND1/settle", object{"outcome": "SUCCESS"})["status"], "SUCCESS")
		status, _ := b.control("POST", "/wechatpay/refunds/REFUND1/settle", object{"outcome": "CLOSED"})
		want(t, "settling twice", status, 409)
	})

	t.Run("WithoutAnAddressThereIsNoNotification", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.settings(object{"refund_interval": "0s"})
		b.paid("ORDER0001", 1000)
		body := b.refundBody("ORDER0001", "REFUND1", 1, 1000)
		delete(body, "notify_url")
		b.merchant.must("POST", refundsPath, body)
		b.advance(3 * time.Second)
		want(t, "notifications", len(b.settled("ORDER0001")), 1)
		b.settings(object{"refund_notify_url": b.receiver.url("/console")})
		body["out_refund_no"] = "REFUND2"
		b.merchant.must("POST", refundsPath, body)
		b.advance(3 * time.Second)
		want(t, "event at the console's address", b.receiver.wait(1)[1].event, "REFUND.SUCCESS")
	})
}

func seal(t *testing.T, key *rsa.PublicKey, plaintext string) string {
	t.Helper()
	ciphertext, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, key, []byte(plaintext), nil)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(ciphertext)
}
