package wechatpayv2

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

// refundsMax is the most refunds an order can have (申请退款: 一笔交易最多50次).
const refundsMax = 50

// RefundStatus is the state of a refund (WeChat Pay APIv2, refund_status). The list is open.
type RefundStatus string

const (
	RefundStatusProcessing RefundStatus = "PROCESSING"
	RefundStatusSuccess    RefundStatus = "SUCCESS"
	RefundStatusClosed     RefundStatus = "REFUNDCLOSE" // a new refund under a new number is legitimate
	RefundStatusChange     RefundStatus = "CHANGE"      // the money cannot reach the payer: a person must act
)

// RefundQuery names refunds: one by OutRefundNo or RefundID, or all of an order by TransactionID or OutTradeNo.
type RefundQuery struct {
	RefundID      string
	OutRefundNo   string
	TransactionID string
	OutTradeNo    string
	// Offset skips refunds of an order with more than the provider puts into one answer, 10.
	Offset int
}

// RefundList is the provider's answer to a refund query; amounts in fen.
type RefundList struct {
	TransactionID string
	OutTradeNo    string
	TotalFee      int64
	CashFee       int64
	// TotalRefundCount is how many refunds the order has; zero if the provider does not say.
	TotalRefundCount int
	// Refunds are those of this answer.
	Refunds []RefundItem
	// Fields is every field received.
	Fields Fields
}

// RefundItem is one refund of a [RefundList]; amounts in fen.
type RefundItem struct {
	OutRefundNo         string
	RefundID            string
	RefundChannel       string // ORIGINAL, BALANCE, OTHER_BALANCE, OTHER_BANKCARD
	RefundFee           int64
	SettlementRefundFee int64 // zero: RefundFee
	CouponRefundFee     int64
	Coupons             []Coupon
	RefundStatus        RefundStatus
	RefundAccount       string
	RefundRecvAccount   string    // where it went, such as 支付用户零钱
	RefundSuccessTime   time.Time // zero until the money arrived
}

// QueryRefund asks for refunds (WeChat Pay APIv2, 查询退款). An unknown number is an *[Error] with [Error.NotExist].
func (c *Client) QueryRefund(ctx context.Context, query RefundQuery) (*RefundList, error) {
	const name = "query refund"
	if err := query.validate(); err != nil {
		return nil, failed(name, wechatpay.OutcomeRefused, err)
	}
	var list *RefundList
	err := c.do(ctx, call{
		name: name, path: "/pay/refundquery", timeout: c.queryTimeout, fields: query.fields(),
		decode: func(fields Fields) (err error) {
			if list, err = decodeRefundList(fields); err != nil {
				return err
			}
			return query.isAnsweredBy(list)
		},
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// isAnsweredBy refuses refunds other than those asked for.
func (q *RefundQuery) isAnsweredBy(list *RefundList) error {
	if q.OutRefundNo == "" && q.RefundID == "" {
		return answers(list.Fields, Fields{"transaction_id": q.TransactionID, "out_trade_no": q.OutTradeNo})
	}
	for _, item := range list.Refunds {
		if (q.RefundID != "" && item.RefundID == q.RefundID) || (q.RefundID == "" && item.OutRefundNo == q.OutRefundNo) {
			return nil
		}
	}
	return fmt.Errorf("%w: answer is about another refund", wechatpay.ErrMalformed)
}

func decodeRefundList(fields Fields) (*RefundList, error) {
	s := scan{fields: fields}
	list := &RefundList{
		TransactionID: fields["transaction_id"], OutTradeNo: fields["out_trade_no"], TotalFee: s.number("total_fee"), CashFee: s.number("cash_fee"),
		TotalRefundCount: s.count("total_refund_count", refundsMax), Fields: fields,
	}
	for n := range s.count("refund_count", refundsMax) {
		i := "_" + strconv.Itoa(n)
		item := RefundItem{
			OutRefundNo: fields["out_refund_no"+i], RefundID: fields["refund_id"+i], RefundChannel: fields["refund_channel"+i],
			RefundFee: s.number("refund_fee" + i), SettlementRefundFee: s.number("settlement_refund_fee" + i), CouponRefundFee: s.number("coupon_refund_fee" + i),
			Coupons:      s.coupons("coupon_refund_count"+i, "coupon_refund_id"+i+"_", "coupon_type"+i+"_", "coupon_refund_fee"+i+"_"),
			RefundStatus: RefundStatus(fields["refund_status"+i]), RefundAccount: fields["refund_account"+i],
			RefundRecvAccount: fields["refund_recv_accout"+i], // the provider's spelling
			RefundSuccessTime: beijingTime(time.DateTime, fields["refund_success_time"+i]),
		}
		if s.err == nil && (item.RefundID == "" || item.OutRefundNo == "" || item.RefundStatus == "") {
			s.err = fmt.Errorf("%w: refund%s without refund_id, out_refund_no or refund_status", wechatpay.ErrMalformed, i)
		}
		list.Refunds = append(list.Refunds, item)
	}
	if s.err == nil && len(list.Refunds) == 0 {
		s.err = fmt.Errorf("%w: no refund in the answer", wechatpay.ErrMalformed)
	}
	return list, s.err
}

func (q *RefundQuery) validate() error {
	var v validation
	switch {
	case q.OutRefundNo != "":
		v.number("out_refund_no", q.OutRefundNo, 64)
	case q.RefundID != "":
		v.number("refund_id", q.RefundID, 32)
	default:
		v.order(q.TransactionID, q.OutTradeNo)
	}
	v.atLeast("offset", int64(q.Offset), 0)
	return v.err()
}

func (q *RefundQuery) fields() Fields {
	fields := Fields{"refund_id": q.RefundID, "out_refund_no": q.OutRefundNo, "transaction_id": q.TransactionID, "out_trade_no": q.OutTradeNo}
	if q.Offset > 0 {
		fields["offset"] = strconv.Itoa(q.Offset)
	}
	return fields
}
