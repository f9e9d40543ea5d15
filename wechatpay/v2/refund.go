package wechatpayv2

import (
	"context"
	"fmt"
	"strconv"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

// RefundRequest asks for a refund (WeChat Pay APIv2, 申请退款). Repeat a failed one with the same OutRefundNo: a new number is a second
// refund.
type RefundRequest struct {
	// TransactionID or OutTradeNo names the order.
	TransactionID string
	OutTradeNo    string
	// OutRefundNo is the merchant's number of the refund; 1-64 of letters, digits and _ - | * @.
	OutRefundNo string
	// TotalFee is the order's total in fen; RefundFee is what to give back, at least 1 and at most what is left of it.
	TotalFee, RefundFee int64
	// RefundFeeType is zero for CNY.
	RefundFeeType string
	// RefundDesc is shown to the payer; at most 80 characters.
	RefundDesc string
	// RefundAccount is where the money comes from: REFUND_SOURCE_UNSETTLED_FUNDS or REFUND_SOURCE_RECHARGE_FUNDS. Zero: the former.
	RefundAccount string
	// NotifyURL is absolute, with a path and without query. Zero: the address set in the merchant console, if any.
	NotifyURL string
}

// Refund is an accepted refund; amounts in fen.
type Refund struct {
	TransactionID       string
	OutTradeNo          string
	OutRefundNo         string
	RefundID            string
	RefundFee           int64
	SettlementRefundFee int64 // zero: RefundFee
	TotalFee            int64
	CashFee             int64
	CashRefundFee       int64
	CouponRefundFee     int64
	Coupons             []Coupon
	// Fields is every field received.
	Fields Fields
}

// CreateRefund asks for a refund; it needs the merchant's certificate. An answer means accepted, not that the money is back: settle
// by [Client.QueryRefund]. The same request again returns the same refund. A refusal says that this request did nothing, not that an
// earlier one under the number did nothing: of other parameters no code of its own tells. Query before you take another number.
func (c *Client) CreateRefund(ctx context.Context, request RefundRequest) (*Refund, error) {
	const name = "create refund"
	if err := request.validate(); err != nil {
		return nil, failed(name, wechatpay.OutcomeRefused, err)
	}
	var refund *Refund
	err := c.do(ctx, call{
		name: name, path: "/secapi/pay/refund", mutual: true, write: true, topUp: true, timeout: c.writeTimeout, fields: request.fields(),
		decode: func(fields Fields) (err error) {
			if refund, err = decodeRefund(fields); err != nil {
				return err
			}
			return answers(fields, Fields{"out_refund_no": request.OutRefundNo})
		},
	})
	if err != nil {
		return nil, err
	}
	return refund, nil
}

func decodeRefund(fields Fields) (*Refund, error) {
	s := scan{fields: fields}
	refund := &Refund{
		TransactionID: fields["transaction_id"], OutTradeNo: fields["out_trade_no"],
		OutRefundNo: fields["out_refund_no"], RefundID: fields["refund_id"],
		RefundFee: s.number("refund_fee"), SettlementRefundFee: s.number("settlement_refund_fee"), TotalFee: s.number("total_fee"),
		CashFee: s.number("cash_fee"), CashRefundFee: s.number("cash_refund_fee"), CouponRefundFee: s.number("coupon_refund_fee"),
		Coupons: s.coupons("coupon_refund_count", "coupon_refund_id_", "coupon_type_", "coupon_refund_fee_"), Fields: fields,
	}
	if s.err == nil && (refund.RefundID == "" || refund.OutRefundNo == "") {
		s.err = fmt.Errorf("%w: refund without refund_id or out_refund_no", wechatpay.ErrMalformed)
	}
	return refund, s.err
}

func (r *RefundRequest) validate() error {
	var v validation
	v.order(r.TransactionID, r.OutTradeNo)
	v.number("out_refund_no", r.OutRefundNo, 64)
	v.atLeast("total_fee", r.TotalFee, 1)
	v.atLeast("refund_fee", r.RefundFee, 1)
	if r.RefundFee > r.TotalFee {
		v.add("refund_fee", "must not exceed total_fee")
	}
	v.text("refund_fee_type", r.RefundFeeType, 0, 8)
	v.text("refund_desc", r.RefundDesc, 0, 80)
	v.text("refund_account", r.RefundAccount, 0, 30)
	v.notifyURL(r.NotifyURL, false)
	return v.err()
}

func (r *RefundRequest) fields() Fields {
	return Fields{
		"transaction_id": r.TransactionID, "out_trade_no": r.OutTradeNo, "out_refund_no": r.OutRefundNo,
		"total_fee": strconv.FormatInt(r.TotalFee, 10), "refund_fee": strconv.FormatInt(r.RefundFee, 10),
		"refund_fee_type": r.RefundFeeType, "refund_desc": r.RefundDesc, "refund_account": r.RefundAccount, "notify_url": r.NotifyURL,
	}
}
