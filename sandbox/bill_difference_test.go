package sandbox_test

import (
	"fmt"
	"testing"
	"time"
)

const differencesPath = "/wechatpay/bills/differences"

func (b *bundle) plant(difference object) object {
	b.t.Helper()
	return b.ok("POST", differencesPath, difference)
}

// twoPayments is a day with ORDER0001 and ORDER0002, of 10.00 yuan each and 0.40 of the first refunded.
func twoPayments(t *testing.T) (b *bundle, day string) {
	t.Helper()
	b = setup(t)
	day = b.noon()
	b.paid("ORDER0001", 1000)
	b.paid("ORDER0002", 1000)
	b.merchant.must("POST", refundsPath, b.refundBody("ORDER0001", "REFUND1", 40, 1000))
	return b, day
}

func TestPlantedDifferences(t *testing.T) {
	t.Parallel()

	t.Run("RowMissing", func(t *testing.T) {
		t.Parallel()
		b, day := twoPayments(t)
		id := b.plant(object{"kind": "missing", "out_trade_no": "ORDER0002"})["id"]
		b.plant(object{"kind": "missing", "out_refund_no": "REFUND1"})
		b.until(10, 0)
		bill := b.tradeBill(day)
		want(t, "rows", len(bill.rows), 1)
		want(t, "its order", bill.rows[0]["商户订单号"], "ORDER0001")
		want(t, "summary", bill.summary["订单总金额"], "10.00")
		want(t, "the provider's books", b.query("ORDER0002")["trade_state"], "SUCCESS")
		status, _ := b.control("DELETE", differencesPath+"/"+fmt.Sprint(id), nil)
		want(t, "removed", status, 204)
		want(t, "rows again", len(b.tradeBill(day).rows), 2)
	})

	t.Run("ExtraRow", func(t *testing.T) {
		t.Parallel()
		b, day := twoPayments(t)
		planted := b.plant(object{"kind": "extra", "amount": 777})
		want(t, "real", planted["real"], false)
		want(t, "bill_date", planted["bill_date"], day)
		b.plant(object{"kind": "extra", "amount": 888, "out_trade_no": "GHOST0001", "bill_date": "2020-01-01"})
		b.until(10, 0)
		bill := b.tradeBill(day)
		want(t, "rows", len(bill.rows), 4)
		want(t, "订单金额", bill.row(t, "商户订单号", planted["out_trade_no"].(string))["订单金额"], "7.77")
		want(t, "summary", bill.summary["订单总金额"], "27.77")
		status, _ := b.control("GET", "/wechatpay/orders/"+planted["out_trade_no"].(string), nil)
		want(t, "the order", status, 404)
		want(t, "paid", b.books()["paid"], 2000)
	})

	t.Run("OtherAmount", func(t *testing.T) {
		t.Parallel()
		b, day := twoPayments(t)
		b.plant(object{"kind": "amount", "out_trade_no": "ORDER0002", "amount": 999})
		b.plant(object{"kind": "amount", "out_refund_no": "REFUND1", "amount": 41})
		b.until(10, 0)
		bill := b.tradeBill(day)
		want(t, "订单金额", bill.row(t, "商户订单号", "ORDER0002")["订单金额"], "9.99")
		want(t, "申请退款金额", bill.row(t, "商户退款单号", "REFUND1")["申请退款金额"], "0.41")
		want(t, "summary", bill.summary["订单总金额"]+" "+bill.summary["申请退款总金额"], "19.99 0.41")
		want(t, "the provider's books", at(b.query("ORDER0002"), "amount", "total"), 1000)
	})

	t.Run("OtherState", func(t *testing.T) {
		t.Parallel()
		b, day := twoPayments(t)
		b.plant(object{"kind": "state", "out_trade_no": "ORDER0002", "state": "REVOKED"})
		b.plant(object{"kind": "state", "out_refund_no": "REFUND1", "state": "FAIL"})
		b.until(10, 0)
		bill := b.tradeBill(day)
		want(t, "交易状态", bill.row(t, "商户订单号", "ORDER0002")["交易状态"], "REVOKED")
		want(t, "退款状态", bill.row(t, "商户退款单号", "REFUND1")["退款状态"], "FAIL")
		want(t, "the provider's books", b.query("ORDER0002")["trade_state"], "SUCCESS")
	})

	t.Run("RefundFromTheMerchantConsoleIsReal", func(t *testing.T) {
		t.Parallel()
		b, day := twoPayments(t)
		planted := b.plant(object{"kind": "console_refund", "out_trade_no": "ORDER0002", "amount": 300})
		want(t, "real", planted["real"], true)
		number := planted["out_refund_no"].(string)
		b.advance(3 * time.Second)
		want(t, "query", b.merchant.must("GET", refundsPath+"/"+number, nil).text("status"), "SUCCESS")
		want(t, "order", b.query("ORDER0002")["trade_state"], "REFUND")
		want(t, "refunded", b.books()["refunded"], 340)
		for _, call := range b.journal("operation=refund") {
			if call["out_refund_no"] == number {
				t.Error("an API call made the refund")
			}
		}
		status, _ := b.control("DELETE", differencesPath+"/"+planted["id"].(string), nil)
		want(t, "removal", status, 409)
		b.until(10, 0)
		want(t, "申请退款金额", b.tradeBill(day).row(t, "商户退款单号", number)["申请退款金额"], "3.00")
		want(t, "fund flow", b.bill(b.merchant, fundFlowBillPath+"?bill_date="+day).has("业务凭证号", number), true)
		b.refusedPlant(object{"kind": "console_refund", "out_trade_no": "ORDER0002", "amount": 701})
	})

	t.Run("LatePaymentIsOnTheNextDaysBill", func(t *testing.T) {
		t.Parallel()
		b, day := twoPayments(t)
		b.plant(object{"kind": "late_payment", "out_trade_no": "ORDER0002"})
		b.until(10, 0)
		want(t, "missing on its day", b.tradeBill(day).has("商户订单号", "ORDER0002"), false)
		next := b.now().Format(time.DateOnly)
		b.until(9, 0)
		b.until(10, 0)
		bill := b.tradeBill(next)
		want(t, "rows of the next day", len(bill.rows), 1)
		want(t, "交易时间", bill.row(t, "商户订单号", "ORDER0002")["交易时间"][:10], day)
	})

	t.Run("ListedAndKeptOverARestart", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		day := b.noon()
		b.paid("ORDER0001", 1000)
		b.plant(object{"kind": "amount", "out_trade_no": "ORDER0001", "amount": 1})
		removed := b.plant(object{"kind": "missing", "out_trade_no": "ORDER0001"})
		b.control("DELETE", differencesPath+"/"+removed["id"].(string), nil)
		before := b.ok("GET", differencesPath, nil)
		want(t, "listed", len(before["differences"].([]any)), 1)
		again := b.again()
		want(t, "after the restart", again.ok("GET", differencesPath, nil), before)
		again.until(10, 0)
		want(t, "订单金额", again.tradeBill(day).rows[0]["订单金额"], "0.01")
		again.ok("POST", "/reset", nil)
		want(t, "after a reset", len(again.ok("GET", differencesPath, nil)["differences"].([]any)), 0)
	})

	t.Run("WhatCannotBePlantedIsRefused", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.paid("ORDER0001", 1000)
		b.native("ORDER0002", 1000)
		for _, wrong := range []object{
			{},
			{"kind": "nothing"},
			{"kind": "missing"},
			{"kind": "missing", "out_trade_no": "ORDER0009"},
			{"kind": "missing", "out_trade_no": "ORDER0002"}, // not paid
			{"kind": "missing", "out_refund_no": "REFUND9"},
			{"kind": "missing", "out_trade_no": "ORDER0001", "out_refund_no": "REFUND1"},
			{"kind": "amount", "out_trade_no": "ORDER0001"},
			{"kind": "state", "out_trade_no": "ORDER0001"},
			{"kind": "late_payment", "out_refund_no": "REFUND1"},
			{"kind": "extra"},
			{"kind": "extra", "amount": 1, "bill_date": "yesterday"},
			{"kind": "extra", "amount": 1, "mchid": "1"},
			{"kind": "console_refund", "out_trade_no": "ORDER0001"},
			{"kind": "console_refund", "out_trade_no": "ORDER0001", "amount": 1001},
			{"kind": "console_refund", "out_trade_no": "ORDER0002", "amount": 1},
			{"kind": "console_refund", "out_trade_no": "ORDER0009", "amount": 1},
		} {
			b.refusedPlant(wrong)
		}
		status, _ := b.control("DELETE", differencesPath+"/1", nil)
		want(t, "removal of nothing", status, 404)
		want(t, "refunded", b.books()["refunding"], 0)
	})
}

func (b *bundle) refusedPlant(difference object) {
	b.t.Helper()
	if status, answer := b.control("POST", differencesPath, difference); status != 400 || answer["error"] == "" {
		b.t.Errorf("%v: %d %v", difference, status, answer)
	}
}
