package sandbox_test

import (
	"testing"
	"time"
)

func TestTradeBillOfAServiceProvider(t *testing.T) {
	t.Parallel()
	b := setup(t)
	day := b.noon()
	sub, _ := b.shop()
	b.paid("ORDER0001", 1000)
	b.merchant.must("POST", spTransactions+"/native", b.spBody("ORDER0002", 500))
	b.pay(object{"out_trade_no": "ORDER0002", "result": "success"})
	b.until(10, 0)
	target := tradeBillPath + "?bill_date=" + day

	all := b.bill(b.merchant, target)
	want(t, "rows without sub_mchid", len(all.rows), 2)
	want(t, "特约商户号 of its own", all.row(t, "商户订单号", "ORDER0001")["特约商户号"], 0)
	row := b.bill(b.merchant, target+"&sub_mchid="+sub).row(t, "商户订单号", "ORDER0002")
	want(t, "商户号", row["商户号"], b.merchant.c.WeChatPay.MchID)
	want(t, "特约商户号", row["特约商户号"], sub)
	own := b.bill(b.asShop(), target)
	want(t, "rows of the sub-merchant's own bill", len(own.rows), 1)
	want(t, "its row", own.rows[0], row)

	b.merchant.refused("GET", target+"&sub_mchid=1900000000", nil, 403, "NO_AUTH")
	b.asShop().refused("GET", target+"&sub_mchid="+b.merchant.c.WeChatPay.MchID, nil, 403, "NO_AUTH")
}

func TestReversedOrderIsARowOfItsOwn(t *testing.T) {
	t.Parallel()
	b := setupCodepay(t)
	day := b.noon()
	b.merchant.must("POST", codepayPath, b.codepayBody("ORDER0001", b.code("success"), 1000))
	b.advance(time.Minute)
	if a := b.reverse("ORDER0001"); a.status >= 300 {
		t.Fatalf("reverse: %d %s", a.status, a.body)
	}
	b.until(10, 0)
	bill := b.tradeBill(day)
	want(t, "rows", len(bill.rows), 2)
	want(t, "payment", bill.rows[0]["交易状态"]+" "+bill.rows[0]["订单金额"], "SUCCESS 10.00")
	reversal := bill.rows[1]
	want(t, "reversal", reversal["交易状态"]+" "+reversal["订单金额"]+" "+reversal["申请退款金额"]+" "+reversal["手续费"], "REVOKED 0.00 10.00 -0.06000")
	want(t, "payments alone", len(b.bill(b.merchant, tradeBillPath+"?bill_date="+day+"&bill_type=SUCCESS").rows), 1)
	want(t, "closing balance", checkFlow(t, b.bill(b.merchant, fundFlowBillPath+"?bill_date="+day), 0), 0)
}

func TestProfitSharingBill(t *testing.T) {
	t.Parallel()
	s := setupSharing(t)
	s.noon()
	day := s.now().Format(time.DateOnly)
	transaction := s.shareable("ORDER0001", 10_000)
	s.share(transaction, "SHARE1", s.toMerchant(500), s.toPerson(100))
	s.advance(3 * time.Second)
	s.merchant.must("POST", sharingPath+"return-orders", object{
		"out_order_no": "SHARE1", "out_return_no": "RETURN1", "return_mchid": s.other.MchID, "amount": 200, "description": "退货",
	})
	s.until(10, 0)

	bill := s.bill(s.merchant, "/v3/profitsharing/bills?bill_date="+day)
	want(t, "rows", len(bill.rows), 3)
	part := bill.row(t, "分账接收方", s.person)
	for column, cell := range map[string]any{
		"分账发起方": s.self, "分账方": s.self, "微信订单号": transaction, "商户分账/回退单号": "SHARE1", "订单金额": "100.00", "金额": "1.00", "业务类型": "分账",
	} {
		want(t, column, part[column], cell)
	}
	back := bill.row(t, "商户分账/回退单号", "RETURN1")
	want(t, "return", back["业务类型"]+" "+back["金额"], "分账回退 2.00")
	want(t, "summary", bill.summary, map[string]string{"总笔数": "3", "总金额": "8.00"})

	b := s.bundle
	own := s.bill(s.merchant, fundFlowBillPath+"?bill_date="+day)
	want(t, "shares in the fund flow bill", own.has("业务类型", "分账"), true)
	want(t, "closing balance", checkFlow(t, own, 0), b.balance(s.self, "available")+b.balance(s.self, "unsettled")+b.balance(s.self, "frozen"))
	other := s.bill(s.asShop(), fundFlowBillPath+"?bill_date="+day)
	want(t, "receiver's closing balance", checkFlow(t, other, 0), 300)
	s.asShop().refused("GET", "/v3/profitsharing/bills?bill_date="+day, nil, 400, "NO_STATEMENT_EXIST")
}
