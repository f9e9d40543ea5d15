package wechatpaysim

import (
	"maps"
	"strconv"
	"time"
)

// refundsPerPageV2 is how many refunds one answer holds (WeChat Pay APIv2, 查询退款: offset).
const refundsPerPageV2 = 10

func v2RefundOperations() []v2Operation {
	return []v2Operation{
		{"v2_refund", "/secapi/pay/refund", true, "refund", []v2Field{
			v2Text("transaction_id", 32), v2Own("out_trade_no", 32), v2NeedOwn("out_refund_no", 64), v2Amount("total_fee"), v2Amount("refund_fee"),
			v2Text("refund_fee_type", 8), v2Text("refund_desc", 80), v2Text("refund_account", 30), v2Text("notify_url", 256),
		}, (*Provider).createRefundV2},
		{"v2_refundquery", "/pay/refundquery", false, "refund_query", []v2Field{
			v2Text("transaction_id", 32), v2Own("out_trade_no", 32), v2Own("out_refund_no", 64), v2Text("refund_id", 32), v2Numbers("offset", 2),
		}, (*Provider).queryRefundV2},
	}
}

// createRefundV2 accepts a refund, or answers the one that its number names already (WeChat Pay APIv2, 申请退款). The rules are those
// of APIv3.
func (p *Provider) createRefundV2(c *v2Call) (v2Message, *v2Error) {
	m := c.message
	if issue := checkNotifyURL(m["notify_url"]); m["notify_url"] != "" && issue != "" {
		return nil, &v2Error{v2ParamError, "notify_url参数格式有误: " + issue}
	}
	if m["refund_fee"] == "0" {
		return nil, &v2Error{v2ParamError, "refund_fee参数格式有误"}
	}
	r := refundRequest{OutTradeNo: m["out_trade_no"], TransactionID: m["transaction_id"], OutRefundNo: m["out_refund_no"], NotifyURL: m["notify_url"]}
	r.Amount.Total, _ = strconv.ParseInt(m["total_fee"], 10, 64)   // checked before
	r.Amount.Refund, _ = strconv.ParseInt(m["refund_fee"], 10, 64) // checked before
	if m["refund_account"] == "REFUND_SOURCE_RECHARGE_FUNDS" {
		r.FundsAccount = accountAvailable
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	o, err := p.orderV2(c)
	switch {
	case err != nil && err.code == v2OrderNotExist:
		return nil, &v2Error{p.settings.V2.RefundNotFound, err.text}
	case err != nil:
		return nil, err
	}
	parameters := repeatableRefundV2(o, m)
	if made := p.refunds[o.refundKey(r.OutRefundNo)]; made != nil {
		if made.Parameters != parameters {
			return nil, &v2Error{v2ParamError, "退款单号已存在，且参数与首次请求时不一致"}
		}
		return p.refundMessageV2(o, made), nil
	}
	now := p.clock.Now()
	if err := p.refundable(o, r, now); err != nil {
		if now.Sub(o.SuccessAt) > refundWindow && o.paid() {
			return nil, &v2Error{v2TradeOverdue, "订单已经超过退款期限"}
		}
		return nil, v2ErrorOf(err)
	}
	made := p.accept(o, r, now)
	made.Parameters, made.V2SignType = parameters, c.signType()
	p.put(recordRefund, made.key().String(), made)
	p.put(recordOrder, o.key().String(), o)
	p.awaitSettlement(made)
	return p.refundMessageV2(o, made), nil
}

// repeatableRefundV2 writes what must be equal in a repeated call: everything but the account the money comes from.
func repeatableRefundV2(o *order, m v2Message) string {
	same := maps.Clone(m)
	delete(same, "refund_account")
	delete(same, "transaction_id")
	same["out_trade_no"] = o.OutTradeNo
	return repeatableV2(same)
}

// refundMessageV2 is the answer to a refund.
func (p *Provider) refundMessageV2(o *order, r *refund) v2Message {
	m := v2Message{
		"transaction_id": o.TransactionID, "out_trade_no": o.OutTradeNo, "out_refund_no": r.OutRefundNo, "refund_id": r.RefundID,
		"refund_fee": fenText(r.Amount), "settlement_refund_fee": fenText(r.Amount), "total_fee": fenText(o.Total), "settlement_total_fee": fenText(o.Total),
		"fee_type": o.Currency, "cash_fee": fenText(o.Total - o.Coupon), "cash_refund_fee": fenText(r.PayerAmount),
	}
	if back := r.Amount - r.PayerAmount; back > 0 {
		maps.Copy(m, v2Message{
			"coupon_refund_fee": fenText(back), "coupon_refund_count": "1", "coupon_refund_id_0": "109519", "coupon_type_0": "CASH", "coupon_refund_fee_0": fenText(back),
		})
	}
	return m
}

// refundStatusV2 is the refund's state in the words of APIv2.
func refundStatusV2(status string) string {
	switch status {
	case RefundAbnormal:
		return "CHANGE"
	case RefundClosed:
		return "REFUNDCLOSE"
	}
	return status
}

func refundAccountV2(account string) string {
	if account == accountAvailable {
		return "REFUND_SOURCE_RECHARGE_FUNDS"
	}
	return "REFUND_SOURCE_UNSETTLED_FUNDS"
}

// queryRefundV2 answers one refund, or those of an order ten at a time (WeChat Pay APIv2, 查询退款).
func (p *Provider) queryRefundV2(c *v2Call) (v2Message, *v2Error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o, refunds, err := p.refundsV2(c)
	if err != nil {
		return nil, err
	}
	offset, _ := strconv.Atoi(c.message["offset"]) // checked before; none is 0
	if offset >= len(refunds) {
		return nil, &v2Error{v2RefundNotExist, "退款订单查询失败"}
	}
	page := refunds[offset:min(offset+refundsPerPageV2, len(refunds))]
	m := v2Message{
		"transaction_id": o.TransactionID, "out_trade_no": o.OutTradeNo, "total_fee": fenText(o.Total), "settlement_total_fee": fenText(o.Total),
		"fee_type": o.Currency, "cash_fee": fenText(o.Total - o.Coupon), "total_refund_count": strconv.Itoa(len(refunds)), "refund_count": strconv.Itoa(len(page)),
	}
	for n, r := range page {
		maps.Copy(m, r.numberedV2("_"+strconv.Itoa(n)))
	}
	return m, nil
}

// refundsV2 finds the refunds that a request names. The caller holds the lock.
func (p *Provider) refundsV2(c *v2Call) (*order, []*refund, *v2Error) {
	r := p.byRefundID[c.message["refund_id"]]
	if r == nil && c.message["refund_id"] == "" {
		r = p.refunds[c.number(c.message["out_refund_no"])]
	}
	if r != nil && c.number(r.OutRefundNo) == r.key() {
		return p.orders[r.order()], []*refund{r}, nil
	}
	if c.message["refund_id"] != "" || c.message["out_refund_no"] != "" {
		return nil, nil, &v2Error{v2RefundNotExist, "退款订单查询失败"}
	}
	o, err := p.orderV2(c)
	if err != nil {
		return nil, nil, err
	}
	var refunds []*refund
	for _, outRefundNo := range o.Refunds {
		refunds = append(refunds, p.refunds[o.refundKey(outRefundNo)])
	}
	if len(refunds) == 0 {
		return nil, nil, &v2Error{v2RefundNotExist, "退款订单查询失败"}
	}
	return o, refunds, nil
}

// numberedV2 is the refund as one of several in a query's answer.
func (r *refund) numberedV2(n string) v2Message {
	m := v2Message{
		"out_refund_no" + n: r.OutRefundNo, "refund_id" + n: r.RefundID, "refund_channel" + n: "ORIGINAL", "refund_fee" + n: fenText(r.Amount),
		"settlement_refund_fee" + n: fenText(r.Amount), "refund_status" + n: refundStatusV2(r.Status), "refund_account" + n: refundAccountV2(r.Account),
		"refund_recv_accout" + n: r.Received, // the provider's spelling
	}
	if r.Status == RefundSuccess {
		m["refund_success_time"+n] = r.SuccessAt.In(chinaZone()).Format(time.DateTime)
	}
	if back := r.Amount - r.PayerAmount; back > 0 {
		maps.Copy(m, v2Message{
			"coupon_refund_fee" + n: fenText(back), "coupon_refund_count" + n: "1",
			"coupon_refund_id" + n + "_0": "109519", "coupon_type" + n + "_0": "CASH", "coupon_refund_fee" + n + "_0": fenText(back),
		})
	}
	return m
}
