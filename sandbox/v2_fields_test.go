package sandbox_test

import "testing"

func TestV2AmountsHaveOneSpelling(t *testing.T) {
	t.Parallel()
	b, m := setupV2(t)
	for _, total := range []string{"0", "00", "+0", "-0", "007", "+100", "1e2", " 1", "1.0"} {
		order := b.unifiedOrder("ORDER0001", b.receiver.url("/notify"))
		order["total_fee"] = total
		want(t, "total_fee "+total, m.refused(v2Unified, order), "PARAM_ERROR")
	}
	m.must(v2MicroPay, codePayment("ORDER0002", b.authCode("success")))
	for _, refund := range []string{"0", "00", "+0", "-0", "01"} {
		want(t, "refund_fee "+refund, m.refused(v2Refund, fields{
			"out_trade_no": "ORDER0002", "out_refund_no": "R1", "total_fee": "100", "refund_fee": refund,
		}), "PARAM_ERROR")
	}
	b.books()
}

func TestV2NumbersHoldOnlyWhatTheProviderTakes(t *testing.T) {
	t.Parallel()
	b, m := setupV2(t)
	for _, no := range []string{"订单0001", "ORDER 1", "ORDER/1", "ORDER.1", "ORDER#1"} {
		order := b.unifiedOrder(no, b.receiver.url("/notify"))
		want(t, "out_trade_no "+no, m.refused(v2Unified, order), "PARAM_ERROR")
		want(t, "payment by code "+no, m.refused(v2MicroPay, codePayment(no, b.authCode("success"))), "PARAM_ERROR")
	}
	m.must(v2MicroPay, codePayment("_-|*@1", b.authCode("success")))
	refund := fields{"out_trade_no": "_-|*@1", "out_refund_no": "R 1", "total_fee": "100", "refund_fee": "1"}
	want(t, "out_refund_no", m.refused(v2Refund, refund), "PARAM_ERROR")
	refund["out_refund_no"] = "_-|*@1"
	m.must(v2Refund, refund)
}
