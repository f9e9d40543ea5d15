package sandbox_test

import (
	"fmt"
	"net/url"
	"testing"
	"time"
)

// shared shares 200 fen of an order of 1000 with the other merchant, and 50 with a person.
func (s *sharer) shared(outTradeNo, outOrderNo string) (transactionID string) {
	s.t.Helper()
	transactionID = s.shareable(outTradeNo, 1000)
	s.share(transactionID, outOrderNo, s.toMerchant(200), s.toPerson(50))
	s.advance(3 * time.Second)
	return transactionID
}

func (s *sharer) returnBody(outOrderNo, outReturnNo string, amount int64) object {
	return object{
		"out_order_no": outOrderNo, "out_return_no": outReturnNo, "return_mchid": s.other.MchID, "amount": amount, "description": "用户退款",
	}
}

func (s *sharer) giveBack(outOrderNo, outReturnNo string, amount int64) object {
	s.t.Helper()
	return s.decode(s.merchant.must("POST", sharingPath+"return-orders", s.returnBody(outOrderNo, outReturnNo, amount)).body)
}

func (s *sharer) returnRefused(body object, status int, code string) {
	s.t.Helper()
	s.merchant.refused("POST", sharingPath+"return-orders", body, status, code)
}

func TestProfitSharingReturn(t *testing.T) {
	t.Parallel()

	t.Run("MoneyComesBackAtOnceAndIsNotFrozenAgain", func(t *testing.T) {
		t.Parallel()
		s := setupSharing(t)
		transaction := s.shared("ORDER0001", "SHARE1")
		made := s.giveBack("SHARE1", "BACK@1", 120)
		want(t, "result", made["result"], "SUCCESS")
		want(t, "available", s.balance(s.self, "available"), 120)
		want(t, "the other merchant's", s.balance(s.other.MchID, "available"), 80)
		want(t, "left to share", s.unsplit(transaction), 744)
		queried := s.decode(s.merchant.must("GET", sharingPath+"return-orders/"+url.PathEscape("BACK@1")+"?out_order_no=SHARE1", nil).body)
		want(t, "queried", queried, made)
	})

	t.Run("ReturnsTogetherNeverExceedThePart", func(t *testing.T) {
		t.Parallel()
		s := setupSharing(t)
		s.shared("ORDER0001", "SHARE1")
		s.shared("ORDER0002", "SHARE2") // the other merchant has more than the part
		s.giveBack("SHARE1", "BACK1", 150)
		s.returnRefused(s.returnBody("SHARE1", "BACK2", 51), 400, "INVALID_REQUEST")
		s.giveBack("SHARE1", "BACK2", 50)
		s.returnRefused(s.returnBody("SHARE1", "BACK3", 1), 400, "INVALID_REQUEST")
	})

	t.Run("SameNumberReturnsTheSameAndOtherParametersAreRefused", func(t *testing.T) {
		t.Parallel()
		s := setupSharing(t)
		s.shared("ORDER0001", "SHARE1")
		first := s.giveBack("SHARE1", "BACK1", 100)
		want(t, "again", s.giveBack("SHARE1", "BACK1", 100), first)
		body := s.returnBody("SHARE1", "BACK1", 100)
		delete(body, "out_order_no")
		body["order_id"] = first["order_id"]
		want(t, "by the other number", s.merchant.must("POST", sharingPath+"return-orders", body).text("return_id"), first["return_id"])
		s.returnRefused(s.returnBody("SHARE1", "BACK1", 99), 400, "INVALID_REQUEST")
		want(t, "available", s.balance(s.self, "available"), 100)
	})

	t.Run("ReceiverWithTooLittleFailsOrIsRefused", func(t *testing.T) {
		t.Parallel()
		s := setupSharing(t)
		s.shared("ORDER0001", "SHARE1")
		s.ok("POST", "/wechatpay/funds", object{"action": "withdraw", "amount": 150, "mchid": s.other.MchID})
		made := s.giveBack("SHARE1", "BACK1", 60)
		want(t, "result", made["result"], "FAILED")
		want(t, "fail_reason", made["fail_reason"], "BALANCE_NOT_ENOUGH")
		s.sharingSettings(object{"return_short": "NOT_ENOUGH"})
		s.returnRefused(s.returnBody("SHARE1", "BACK2", 60), 403, "NOT_ENOUGH")
		s.ok("POST", "/wechatpay/funds", object{"action": "top_up", "amount": 10, "mchid": s.other.MchID})
		want(t, "result after topping up", s.giveBack("SHARE1", "BACK2", 60)["result"], "SUCCESS")
		want(t, "the failed one stays so", s.giveBack("SHARE1", "BACK1", 60)["result"], "FAILED")
	})

	t.Run("EachReasonToFail", func(t *testing.T) {
		t.Parallel()
		s := setupSharing(t)
		s.shared("ORDER0001", "SHARE1")
		for n, reason := range []string{"ACCOUNT_ABNORMAL", "BALANCE_NOT_ENOUGH", "TIME_OUT_CLOSED", "PAYER_ACCOUNT_ABNORMAL", "INVALID_REQUEST"} {
			s.sharingSettings(object{"return_outcome": reason})
			made := s.giveBack("SHARE1", fmt.Sprintf("BACK%d", n), 200)
			want(t, "result", made["result"], "FAILED")
			want(t, "fail_reason", made["fail_reason"], reason)
		}
		want(t, "available", s.balance(s.self, "available"), 0)
	})

	t.Run("ProcessedUntilSettledOrForFiveDays", func(t *testing.T) {
		t.Parallel()
		s := setupSharing(t)
		s.shared("ORDER0001", "SHARE1")
		s.sharingSettings(object{"return_outcome": "PROCESSING"})
		want(t, "result", s.giveBack("SHARE1", "BACK1", 150)["result"], "PROCESSING")
		s.returnRefused(s.returnBody("SHARE1", "BACK2", 51), 400, "INVALID_REQUEST") // the first may still succeed
		s.giveBack("SHARE1", "BACK2", 50)
		s.ok("POST", "/wechatpay/profitsharing/returns/BACK2/settle", object{"outcome": "SUCCESS"})
		want(t, "settled", s.giveBack("SHARE1", "BACK2", 50)["result"], "SUCCESS")
		s.advance(5 * 24 * time.Hour)
		want(t, "fail_reason", s.giveBack("SHARE1", "BACK1", 150)["fail_reason"], "TIME_OUT_CLOSED")
		want(t, "available", s.balance(s.self, "available"), 50)
	})

	t.Run("FiftyReturnsOfASharingAndNotOneMore", func(t *testing.T) {
		t.Parallel()
		s := setupSharing(t)
		s.shared("ORDER0001", "SHARE1")
		for n := range 50 {
			s.giveBack("SHARE1", fmt.Sprintf("BACK%d", n), 1)
		}
		s.returnRefused(s.returnBody("SHARE1", "BACK50", 1), 403, "RULE_LIMIT")
	})

	t.Run("WhatIsRefused", func(t *testing.T) {
		t.Parallel()
		s := setupSharing(t)
		s.shared("ORDER0001", "SHARE1")
		changed := func(change func(object)) object {
			body := s.returnBody("SHARE1", "BACK1", 1)
			change(body)
			return body
		}
		for _, c := range []struct {
			name   string
			body   object
			status int
			code   string
		}{
			{"NoOrder", changed(func(o object) { delete(o, "out_order_no") }), 400, "PARAM_ERROR"},
			{"TwoOrders", changed(func(o object) { o["order_id"] = "3008" }), 400, "PARAM_ERROR"},
			{"UnknownSharing", changed(func(o object) { o["out_order_no"] = "NONE" }), 404, "RESOURCE_NOT_EXISTS"},
			{"Person", changed(func(o object) { o["return_mchid"] = s.person }), 400, "INVALID_REQUEST"},
			{"MerchantItself", changed(func(o object) { o["return_mchid"] = s.self }), 400, "INVALID_REQUEST"},
			{"Nothing", changed(func(o object) { o["amount"] = 0 }), 400, "PARAM_ERROR"},
		} {
			s.merchant.refused("POST", sharingPath+"return-orders", c.body, c.status, c.code)
		}
		s.merchant.refused("GET", sharingPath+"return-orders/BACK1?out_order_no=SHARE1", nil, 404, "RESOURCE_NOT_EXISTS")
		s.merchant.refused("GET", sharingPath+"return-orders/BACK1", nil, 400, "PARAM_ERROR")
		s.sharingSettings(object{"return_allowed": false})
		s.returnRefused(s.returnBody("SHARE1", "BACK1", 1), 403, "NO_AUTH")
		s.sharingSettings(object{"return_allowed": true})
		s.advance(180*24*time.Hour + time.Second)
		s.returnRefused(s.returnBody("SHARE1", "BACK1", 1), 400, "INVALID_REQUEST")
	})

	t.Run("ClosedPartCannotBeReturned", func(t *testing.T) {
		t.Parallel()
		s := setupSharing(t)
		s.sharingSettings(object{"outcome": "ACCOUNT_ABNORMAL"})
		s.shared("ORDER0001", "SHARE1")
		s.returnRefused(s.returnBody("SHARE1", "BACK1", 1), 400, "INVALID_REQUEST")
	})
}

func TestRefundOfAnOrderForSharing(t *testing.T) {
	t.Parallel()
	refundOf := func(s *sharer, outRefundNo string, amount int64) object {
		s.t.Helper()
		return s.decode(s.merchant.must("POST", refundsPath, s.refundBody("ORDER0001", outRefundNo, amount, 1000)).body)
	}

	t.Run("TakesFromWhatIsFrozen", func(t *testing.T) {
		t.Parallel()
		s := setupSharing(t)
		transaction := s.shareable("ORDER0001", 1000)
		refundOf(s, "REFUND1", 400)
		want(t, "left to share", s.unsplit(transaction), 596) // the fee comes back: 994 - 400 + 2
		want(t, "frozen", s.books()["frozen"], 596)
		s.advance(time.Minute)
		refundOf(s, "REFUND2", 600)
		want(t, "left to share", s.unsplit(transaction), 0)
		s.advance(time.Minute)
		want(t, "refunded", s.books()["refunded"], 1000)
		s.merchant.refused("POST", sharingPath+"orders/unfreeze", unfreezeBody(transaction, "FREE1"), 403, "NOT_ENOUGH")
	})

	t.Run("AfterASharingAtMostWhatIsLeftFrozen", func(t *testing.T) {
		t.Parallel()
		s := setupSharing(t)
		s.shared("ORDER0001", "SHARE1")
		s.ok("POST", "/wechatpay/funds", object{"action": "top_up", "amount": 5000}) // of no help
		s.merchant.refused("POST", refundsPath, s.refundBody("ORDER0001", "REFUND1", 1000, 1000), 403, "NOT_ENOUGH")
		refundOf(s, "REFUND1", 700)
	})

	t.Run("AfterTheReleaseFromTheAvailableBalance", func(t *testing.T) {
		t.Parallel()
		s := setupSharing(t)
		transaction := s.shared("ORDER0001", "SHARE1")
		s.giveBack("SHARE1", "BACK1", 200)
		s.merchant.must("POST", sharingPath+"orders/unfreeze", unfreezeBody(transaction, "FREE1"))
		s.advance(3 * time.Second)
		s.merchant.refused("POST", refundsPath, s.refundBody("ORDER0001", "REFUND1", 1000, 1000), 403, "NOT_ENOUGH") // 50 are with a person
		s.ok("POST", "/wechatpay/funds", object{"action": "top_up", "amount": 50})
		want(t, "funds_account", refundOf(s, "REFUND1", 1000)["funds_account"], "AVAILABLE")
		want(t, "available", s.balance(s.self, "available"), 0)
	})

	t.Run("ClosedRefundIsFrozenAgainUnlessReleasedMeanwhile", func(t *testing.T) {
		t.Parallel()
		s := setupSharing(t)
		transaction := s.shareable("ORDER0001", 1000)
		s.settings(object{"refund_outcome": "PROCESSING"})
		refundOf(s, "REFUND1", 400)
		s.ok("POST", "/wechatpay/refunds/REFUND1/settle", object{"outcome": "CLOSED"})
		want(t, "left to share", s.unsplit(transaction), 994)
		s.advance(time.Minute)
		refundOf(s, "REFUND2", 400)
		s.merchant.must("POST", sharingPath+"orders/unfreeze", unfreezeBody(transaction, "FREE1"))
		s.advance(3 * time.Second)
		s.ok("POST", "/wechatpay/refunds/REFUND2/settle", object{"outcome": "CLOSED"})
		want(t, "available", s.balance(s.self, "available"), 994)
		want(t, "frozen", s.books()["frozen"], 0)
	})
}
