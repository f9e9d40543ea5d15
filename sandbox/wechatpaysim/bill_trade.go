package wechatpaysim

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Values of a trade bill's bill_type. The last four are of older documents and of merchants this provider does not have.
const (
	billAll     = "ALL"
	billSuccess = "SUCCESS"
	billRefund  = "REFUND"
)

func tradeBillTypes() []string {
	return []string{billAll, billSuccess, billRefund, "RECHARGE_REFUND", "ALL_SPECIAL", "SUC_SPECIAL", "REF_SPECIAL"}
}

// tradeRow is a payment, a refund or a reversal as its bill shows it. Amounts are in fen.
type tradeRow struct {
	at           time.Time
	order        *order
	back         bool    // money that went back: a refund or a reversal (撤销)
	refund       *refund // nil of the others
	state        string  // 交易状态
	refundStatus string
	total        int64 // 订单金额; zero of refunds
	refunded     int64 // 申请退款金额
	couponBack   int64 // of it, what goes back to the coupon, which is of the kind the merchant is paid for (充值型)
	fee          int64
}

// applyTradeBill offers a day's payments and refunds (WeChat Pay APIv3, 申请交易账单).
func (p *Provider) applyTradeBill(c *call) (any, *apiError) {
	q, sheet, err := p.tradeBill(c)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.offerBill(c, q, sheet)
}

// tradeBill makes the bill that the query asks for.
func (p *Provider) tradeBill(c *call) (billQuery, billSheet, *apiError) {
	q, err := p.readBillQuery(c)
	if err != nil {
		return billQuery{}, billSheet{}, err
	}
	billType, err := billWord(c, "bill_type", billAll, tradeBillTypes()...)
	if err != nil {
		return billQuery{}, billSheet{}, err
	}
	subMchID, err := p.billSubMerchant(c)
	if err != nil {
		return billQuery{}, billSheet{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	rows := p.tradeRows(q.day)
	rows = slices.DeleteFunc(rows, func(row tradeRow) bool {
		return !row.isIn(billType) || !row.order.isInBillOf(c.caller, subMchID)
	})
	return q, p.tradeSheet(billType, rows), nil
}

// isInBillOf says whose bill an order is in: its merchant's own, and its service provider's, who may ask for one sub-merchant alone.
func (o *order) isInBillOf(mchID, subMchID string) bool {
	if subMchID != "" {
		return o.SpMchID == mchID && o.MchID == subMchID
	}
	return o.MchID == mchID || o.SpMchID == mchID
}

func (r tradeRow) isIn(billType string) bool {
	switch billType {
	case billAll:
		return true
	case billSuccess:
		return r.state == Success
	case billRefund:
		return r.back
	}
	return false
}

// tradeRows are the day's rows of all merchants, as the books held them when the bill was frozen, and with the differences that were
// asked for. The caller holds the lock.
func (p *Provider) tradeRows(day billDay) []tradeRow {
	var rows []tradeRow
	for _, e := range p.postings {
		if row, ok := p.tradeRow(e, day.frozenAt()); ok && p.billedOn(row).Equal(day.Time) {
			rows = append(rows, row)
		}
	}
	return p.differ(rows, day)
}

// id is the provider's number of what the row is about; a reversal has none of its own.
func (r tradeRow) id() string {
	switch {
	case r.refund != nil:
		return r.refund.RefundID
	case r.back:
		return ""
	}
	return r.order.TransactionID
}

// tradeRow is the row that a posting makes, if it makes one.
func (p *Provider) tradeRow(e posting, frozenAt time.Time) (tradeRow, bool) {
	switch e.Kind {
	case postPayment:
		o := p.byTransaction[e.Ref]
		if o == nil {
			return tradeRow{}, false
		}
		return tradeRow{at: e.At, order: o, state: Success, total: o.Total, fee: o.Fee}, true
	case postRefund:
		r := p.byRefundID[e.Ref]
		if r == nil {
			return tradeRow{}, false
		}
		return tradeRow{
			at: e.At, order: p.orders[r.order()], back: true, refund: r, state: Refund, refundStatus: r.statusAt(frozenAt),
			refunded: r.Amount, couponBack: r.Amount - r.PayerAmount, fee: p.shownFee(r.FeeBack),
		}, true
	case postReverse:
		o := p.byTransaction[e.Ref]
		if o == nil {
			return tradeRow{}, false
		}
		return tradeRow{
			at: e.At, order: o, back: true, state: Revoked, refundStatus: RefundSuccess, refunded: o.Total, couponBack: o.Coupon, fee: p.shownFee(o.Fee),
		}, true
	}
	return tradeRow{}, false
}

// shownFee is the fee given back as the settings want it.
func (p *Provider) shownFee(back int64) int64 {
	switch p.settings.Bills.RefundFee {
	case FeePositive:
		return back
	case FeeZero:
		return 0
	}
	return -back
}

// statusAt is the refund's status at a moment. Bills call a refund that cannot reach the payer CHANGE and a closed one FAIL.
func (r *refund) statusAt(at time.Time) string {
	status := RefundProcessing
	for _, change := range r.Changes {
		if !change.At.After(at) {
			status = change.Status
		}
	}
	switch status {
	case RefundAbnormal:
		return "CHANGE"
	case RefundClosed:
		return "FAIL"
	}
	return status
}

// tradeColumns are the columns of the three bills: SUCCESS has fewer than ALL, REFUND two more.
func tradeColumns(billType string) []string {
	all := []string{
		"交易时间", "公众账号ID", "商户号", "特约商户号", "设备号", "微信订单号", "商户订单号", "用户标识", "交易类型", "交易状态", "付款银行", "货币种类",
		"应结订单金额", "代金券金额", "微信退款单号", "商户退款单号", "退款金额", "充值券退款金额", "退款类型", "退款状态", "商品名称", "商户数据包", "手续费", "费率",
		"订单金额", "申请退款金额", "费率备注",
	}
	switch billType {
	case billSuccess:
		return slices.DeleteFunc(all, func(name string) bool {
			return slices.Contains([]string{"微信退款单号", "商户退款单号", "退款金额", "充值券退款金额", "退款类型", "退款状态", "申请退款金额"}, name)
		})
	case billRefund:
		return slices.Insert(all, slices.Index(all, "代金券金额")+1, "退款申请时间", "退款成功时间")
	}
	return all
}

func (p *Provider) tradeSheet(billType string, rows []tradeRow) billSheet {
	sheet := billSheet{header: tradeColumns(billType)}
	var sum tradeRow
	for _, row := range rows {
		cells := p.tradeCells(row)
		line := make([]string, len(sheet.header))
		for i, name := range sheet.header {
			line[i] = cells[name]
		}
		sheet.rows = append(sheet.rows, line)
		sum.total += row.total
		sum.refunded += row.refunded
		sum.fee += row.fee
		sum.couponBack += row.couponBack
	}
	count := strconv.Itoa(len(rows))
	if billType == billSuccess {
		sheet.sums = []string{"总交易单数", "应结订单总金额", "手续费总金额", "订单总金额"}
		sheet.summary = []string{count, yuan(sum.total), feeYuan(sum.fee), yuan(sum.total)}
		return sheet
	}
	sheet.sums = []string{"总交易单数", "应结订单总金额", "退款总金额", "充值券退款总金额", "手续费总金额", "订单总金额", "申请退款总金额"}
	sheet.summary = []string{count, yuan(sum.total), yuan(sum.refunded), yuan(sum.couponBack), feeYuan(sum.fee), yuan(sum.total), yuan(sum.refunded)}
	return sheet
}

// tradeCells are a row's cells by the names of their columns.
func (p *Provider) tradeCells(row tradeRow) map[string]string {
	o := row.order
	merchant, sub := o.MchID, "0"
	if o.SpMchID != "" {
		merchant, sub = o.SpMchID, o.MchID
	}
	cells := map[string]string{
		"交易时间": billTime(row.at), "公众账号ID": o.AppID, "商户号": merchant, "特约商户号": sub, "设备号": o.DeviceID, "微信订单号": o.TransactionID,
		"商户订单号": o.OutTradeNo, "用户标识": o.PayerOpenID, "交易类型": o.tradeType(), "交易状态": row.state, "付款银行": o.BankType, "货币种类": o.Currency,
		"应结订单金额": yuan(row.total), "代金券金额": yuan(0), "微信退款单号": "0", "商户退款单号": "0", "退款金额": yuan(row.refunded), "充值券退款金额": yuan(row.couponBack),
		"商品名称": o.Description, "商户数据包": o.Attach, "手续费": feeYuan(row.fee), "费率": rateText(o.FeeRate), "订单金额": yuan(row.total), "申请退款金额": yuan(row.refunded),
	}
	if !row.back {
		cells["代金券金额"] = yuan(o.Coupon)
		return cells
	}
	cells["退款类型"], cells["退款状态"] = "ORIGINAL", row.refundStatus
	cells["退款申请时间"], cells["退款成功时间"] = billTime(row.at), billTime(row.at)
	if row.refund == nil { // reversed, under no number of its own
		return cells
	}
	cells["微信退款单号"], cells["商户退款单号"] = row.refund.RefundID, row.refund.OutRefundNo
	cells["退款成功时间"] = ""
	if row.refundStatus == RefundSuccess {
		cells["退款成功时间"] = billTime(row.refund.SuccessAt)
	}
	return cells
}

// rateText writes a rate in 1/10000 as a percentage.
func rateText(rate int64) string { return fmt.Sprintf("%d.%02d%%", rate/100, rate%100) }
