package wechatpay

import (
	"context"
	"io"
	"slices"
	"time"
)

// What a trade bill lists (WeChat Pay APIv3, bill_type).
const (
	BillTypeAll     = "ALL"     // payments and refunds
	BillTypeSuccess = "SUCCESS" // payments
	BillTypeRefund  = "REFUND"  // refunds
)

// TradeBillRequest asks for a day's trade bill (WeChat Pay APIv3, 申请交易账单), ready from 10 in the morning of the next
// day and for three months. With a Client of [Client.ForSubMerchant] it is the sub-merchant's, else the merchant's
// own; a service provider's own holds all its sub-merchants.
type TradeBillRequest struct {
	BillDate string // yyyy-MM-dd, a day in China
	BillType string // BillTypeAll and the others; zero: all
	TarType  string // TarTypeGZIP; zero: plain text
}

// ApplyTradeBill asks where the bill is. What the errors of a bill that cannot be had mean, [Error.StatementCreating]
// and [Error.NoStatementExist] tell.
func (c *Client) ApplyTradeBill(ctx context.Context, request TradeBillRequest) (BillFile, error) {
	const name = "apply trade bill"
	var v validation
	query := c.billQuery(&v, request.BillDate, request.TarType)
	v.billWord("bill_type", request.BillType)
	if err := v.err(); err != nil {
		return BillFile{}, failed(name, OutcomeRefused, err)
	}
	if request.BillType != "" {
		query.Set("bill_type", request.BillType)
	}
	return c.applyBill(ctx, name, "/v3/bill/tradebill", query)
}

// OpenTradeBill applies for the bill and opens it. Range over its rows, then Close it.
func (c *Client) OpenTradeBill(ctx context.Context, request TradeBillRequest) (*TradeBill, error) {
	file, err := c.ApplyTradeBill(ctx, request)
	if err != nil {
		return nil, err
	}
	text, err := c.DownloadBill(ctx, file)
	if err != nil {
		return nil, err
	}
	return ReadTradeBill(text), nil
}

// TradeBill is a trade bill while it is read.
type TradeBill = Bill[TradeBillRow, TradeBillSummary]

// TradeBillRow is one payment or one refund. Amounts are in fen. Columns that the bill does not have are zero, see
// [Bill.Columns]. Match OrderAmount and RefundAmount, the gross amounts, with your own records.
type TradeBillRow struct {
	TradeTime         time.Time         // 交易时间
	AppID             string            // 公众账号ID
	MchID             string            // 商户号
	SubMchID          string            // 特约商户号; empty without
	DeviceInfo        string            // 设备号
	TransactionID     string            // 微信订单号
	OutTradeNo        string            // 商户订单号
	OpenID            string            // 用户标识
	TradeType         string            // 交易类型: JSAPI, NATIVE, ...
	TradeState        TradeState        // 交易状态: SUCCESS, REFUND or REVOKED
	BankType          string            // 付款银行
	Currency          string            // 货币种类
	SettlementAmount  int64             // 应结订单金额: OrderAmount less coupons that are not settled; zero of refunds
	CouponAmount      int64             // 代金券金额: of recharge coupons (充值型)
	RefundRequestTime time.Time         // 退款申请时间; refund bills only
	RefundSuccessTime time.Time         // 退款成功时间; refund bills only
	RefundID          string            // 微信退款单号; empty of payments
	OutRefundNo       string            // 商户退款单号; empty of payments
	SettlementRefund  int64             // 退款金额: RefundAmount less coupons that are not settled
	CouponRefund      int64             // 充值券退款金额
	RefundChannel     string            // 退款类型: ORIGINAL, BALANCE, ...
	RefundStatus      RefundStatus      // 退款状态: as of the bill's making, never updated
	Description       string            // 商品名称
	Attach            string            // 商户数据包
	FeeMilliFen       int64             // 手续费 in 1/1000 fen, the bill's five decimals of a yuan; of refunds the part given back
	FeeRate           string            // 费率, such as 0.60%
	OrderAmount       int64             // 订单金额; zero of refunds
	RefundAmount      int64             // 申请退款金额
	FeeRateNote       string            // 费率备注
	Other             map[string]string // columns that are not known here, by name; nil without
}

// IsRefund tells money that went back, by a refund or by the reversal of a code payment (撤销), from a payment.
func (r *TradeBillRow) IsRefund() bool {
	return r.RefundID != "" || r.TradeState == TradeStateRefund || r.TradeState == TradeStateRevoked
}

// TradeBillSummary is the last line of a trade bill, amounts in fen. A bill of payments only has no refund columns.
type TradeBillSummary struct {
	Count            int64 // 总交易单数: rows, refunds included
	SettlementAmount int64 // 应结订单总金额
	SettlementRefund int64 // 退款总金额
	CouponRefund     int64 // 充值券退款总金额
	FeeMilliFen      int64 // 手续费总金额 in 1/1000 fen
	OrderAmount      int64 // 订单总金额
	RefundAmount     int64 // 申请退款总金额
}

// ReadTradeBill reads the text of a trade bill from r, such as a file kept of [Client.DownloadBill]. If r is an
// [io.Closer], [Bill.Close] closes it.
func ReadTradeBill(r io.Reader) *TradeBill {
	return newBill(r, billLayout[TradeBillRow, TradeBillSummary]{
		columns: tradeBillColumns(), summary: tradeBillSummary,
		other: func(row *TradeBillRow) *map[string]string { return &row.Other },
		add: func(s *TradeBillSummary, row *TradeBillRow) {
			s.Count++
			s.SettlementAmount += row.SettlementAmount
			s.SettlementRefund += row.SettlementRefund
			s.CouponRefund += row.CouponRefund
			s.FeeMilliFen += row.FeeMilliFen
			s.OrderAmount += row.OrderAmount
			s.RefundAmount += row.RefundAmount
		},
	})
}

const (
	tradeCount    = "总交易单数"
	tradeRefundID = "微信退款单号"
)

// tradeBillColumns are those of WeChat Pay APIv3, 下载交易账单. Required is what tells a
// row's money and whose it is: a zero in its place would be believed.
func tradeBillColumns() []billColumn[TradeBillRow] {
	type row = TradeBillRow
	return []billColumn[row]{
		timeColumn("交易时间", func(r *row) *time.Time { return &r.TradeTime }).must(),
		textColumn("公众账号ID", func(r *row) *string { return &r.AppID }),
		textColumn("商户号", func(r *row) *string { return &r.MchID }),
		textColumn("特约商户号", func(r *row) *string { return &r.SubMchID }).zeroIsNone(),
		textColumn("设备号", func(r *row) *string { return &r.DeviceInfo }),
		textColumn("微信订单号", func(r *row) *string { return &r.TransactionID }).must(),
		textColumn("商户订单号", func(r *row) *string { return &r.OutTradeNo }).must(),
		textColumn("用户标识", func(r *row) *string { return &r.OpenID }),
		textColumn("交易类型", func(r *row) *string { return &r.TradeType }),
		textColumn("交易状态", func(r *row) *TradeState { return &r.TradeState }).must(),
		textColumn("付款银行", func(r *row) *string { return &r.BankType }),
		textColumn("货币种类", func(r *row) *string { return &r.Currency }),
		amountColumn("应结订单金额", fenDecimals, func(r *row) *int64 { return &r.SettlementAmount }),
		amountColumn("代金券金额", fenDecimals, func(r *row) *int64 { return &r.CouponAmount }),
		timeColumn("退款申请时间", func(r *row) *time.Time { return &r.RefundRequestTime }).zeroIsNone(),
		timeColumn("退款成功时间", func(r *row) *time.Time { return &r.RefundSuccessTime }).zeroIsNone(),
		textColumn(tradeRefundID, func(r *row) *string { return &r.RefundID }).zeroIsNone(),
		textColumn("商户退款单号", func(r *row) *string { return &r.OutRefundNo }).zeroIsNone(),
		amountColumn("退款金额", fenDecimals, func(r *row) *int64 { return &r.SettlementRefund }),
		amountColumn("充值券退款金额", fenDecimals, func(r *row) *int64 { return &r.CouponRefund }),
		textColumn("退款类型", func(r *row) *string { return &r.RefundChannel }),
		textColumn("退款状态", func(r *row) *RefundStatus { return &r.RefundStatus }),
		textColumn("商品名称", func(r *row) *string { return &r.Description }),
		textColumn("商户数据包", func(r *row) *string { return &r.Attach }),
		amountColumn("手续费", feeDecimals, func(r *row) *int64 { return &r.FeeMilliFen }),
		textColumn("费率", func(r *row) *string { return &r.FeeRate }),
		amountColumn("订单金额", fenDecimals, func(r *row) *int64 { return &r.OrderAmount }).must(),
		amountColumn("申请退款金额", fenDecimals, func(r *row) *int64 { return &r.RefundAmount }).mustBeside(tradeRefundID),
		textColumn("费率备注", func(r *row) *string { return &r.FeeRateNote }),
	}
}

func tradeBillSummary(names []string) []billColumn[TradeBillSummary] {
	if !slices.Contains(names, tradeCount) {
		return nil
	}
	type sum = TradeBillSummary
	return []billColumn[sum]{
		amountColumn(tradeCount, countDecimals, func(s *sum) *int64 { return &s.Count }).must(),
		amountColumn("应结订单总金额", fenDecimals, func(s *sum) *int64 { return &s.SettlementAmount }),
		amountColumn("退款总金额", fenDecimals, func(s *sum) *int64 { return &s.SettlementRefund }),
		amountColumn("充值券退款总金额", fenDecimals, func(s *sum) *int64 { return &s.CouponRefund }),
		amountColumn("手续费总金额", feeDecimals, func(s *sum) *int64 { return &s.FeeMilliFen }),
		amountColumn("订单总金额", fenDecimals, func(s *sum) *int64 { return &s.OrderAmount }),
		amountColumn("申请退款总金额", fenDecimals, func(s *sum) *int64 { return &s.RefundAmount }),
	}
}
