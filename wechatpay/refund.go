package wechatpay

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

const (
	refundsTarget = "/v3/refund/domestic/refunds"
	// outRefundNoFurther are the characters an out_refund_no may hold besides letters and digits.
	outRefundNoFurther = "_-|*@"
	currencyCNY        = "CNY"
)

// RefundStatus is the state of a refund (WeChat Pay APIv3, status, refund_status). The list is open.
type RefundStatus string

const (
	RefundStatusProcessing RefundStatus = "PROCESSING"
	RefundStatusSuccess    RefundStatus = "SUCCESS"
	RefundStatusClosed     RefundStatus = "CLOSED"   // a new refund under a new number is legitimate
	RefundStatusAbnormal   RefundStatus = "ABNORMAL" // the money cannot reach the payer: a person must act
)

// RefundRequest asks for a refund (WeChat Pay APIv3, 退款申请). Repeat a failed one with the same
// OutRefundNo: a new number is a second refund.
type RefundRequest struct {
	// TransactionID or OutTradeNo names the order.
	TransactionID string `json:"transaction_id,omitempty"`
	OutTradeNo    string `json:"out_trade_no,omitempty"`
	// OutRefundNo is the merchant's number of the refund; 1-64 of letters, digits and _ - | * @.
	OutRefundNo string `json:"out_refund_no"`
	// Reason is shown to the payer; at most 80 characters.
	Reason string `json:"reason,omitempty"`
	// NotifyURL is as in [NativeRequest]. Zero: the address set in the merchant console, if any.
	NotifyURL string `json:"notify_url,omitempty"`
	// FundsAccount is where the money comes from, such as AVAILABLE. Zero: unsettled funds.
	FundsAccount string              `json:"funds_account,omitempty"`
	Amount       RefundAmount        `json:"amount"`
	GoodsDetail  []RefundGoodsDetail `json:"goods_detail,omitempty"`
}

// RefundAmount is what to give back, in fen.
type RefundAmount struct {
	// Refund is at least 1 and at most what is left of Total.
	Refund int64 `json:"refund"`
	// Total is the order's total.
	Total int64 `json:"total"`
	// Currency is CNY. Zero: CNY.
	Currency string `json:"currency"`
	// From splits Refund over accounts, where the merchant may; not together with FundsAccount.
	From []RefundFrom `json:"from,omitempty"`
}

// RefundFrom is one account's part of a refund, in fen.
type RefundFrom struct {
	Account string `json:"account"` // AVAILABLE or UNAVAILABLE
	Amount  int64  `json:"amount"`
}

// RefundGoodsDetail is one article of a refund; amounts in fen.
type RefundGoodsDetail struct {
	MerchantGoodsID  string `json:"merchant_goods_id"`
	WechatpayGoodsID string `json:"wechatpay_goods_id,omitempty"`
	GoodsName        string `json:"goods_name,omitempty"`
	UnitPrice        int64  `json:"unit_price"`
	RefundAmount     int64  `json:"refund_amount"`
	RefundQuantity   int64  `json:"refund_quantity"`
}

// Refund is a refund as the provider sees it.
type Refund struct {
	RefundID            string            `json:"refund_id"`
	OutRefundNo         string            `json:"out_refund_no"`
	TransactionID       string            `json:"transaction_id,omitempty"`
	OutTradeNo          string            `json:"out_trade_no,omitempty"`
	Channel             string            `json:"channel,omitempty"` // ORIGINAL, BALANCE, OTHER_BALANCE, OTHER_BANKCARD
	UserReceivedAccount string            `json:"user_received_account,omitempty"`
	SuccessTime         time.Time         `json:"success_time,omitzero"` // zero until the money arrived
	CreateTime          time.Time         `json:"create_time,omitzero"`
	Status              RefundStatus      `json:"status"`
	FundsAccount        string            `json:"funds_account,omitempty"`
	Amount              RefundedAmount    `json:"amount,omitzero"`
	PromotionDetail     []RefundPromotion `json:"promotion_detail,omitempty"`
	// SubMchID is the sub-merchant of a partner refund (服务商); empty where the provider does not say.
	SubMchID string `json:"sub_mchid,omitempty"`
}

// RefundedAmount is a refund's money in fen.
type RefundedAmount struct {
	Total            int64        `json:"total"`
	Refund           int64        `json:"refund"`
	From             []RefundFrom `json:"from,omitempty"`
	PayerTotal       int64        `json:"payer_total,omitempty"`
	PayerRefund      int64        `json:"payer_refund,omitempty"`
	SettlementRefund int64        `json:"settlement_refund,omitempty"`
	SettlementTotal  int64        `json:"settlement_total,omitempty"`
	DiscountRefund   int64        `json:"discount_refund,omitempty"`
	RefundFee        int64        `json:"refund_fee,omitempty"`
	Currency         string       `json:"currency,omitempty"`
}

// RefundPromotion is one coupon's part of a refund; amounts in fen.
type RefundPromotion struct {
	PromotionID  string              `json:"promotion_id,omitempty"`
	Scope        string              `json:"scope,omitempty"`
	Type         string              `json:"type,omitempty"`
	Amount       int64               `json:"amount,omitempty"`
	RefundAmount int64               `json:"refund_amount,omitempty"`
	GoodsDetail  []RefundGoodsDetail `json:"goods_detail,omitempty"`
}

// CreateRefund asks for a refund. An answer means accepted, not that the money is back: settle by
// notification or [Client.QueryRefund]. The same request again returns the same refund. A number that has a refund with
// other parameters ([Error.ParametersDiffer]) is OutcomeUnknown: query it.
func (c *Client) CreateRefund(ctx context.Context, request RefundRequest) (*Refund, error) {
	const name = "create refund"
	request.Amount.Currency = orDefault(request.Amount.Currency, currencyCNY)
	if err := request.validate(); err != nil {
		return nil, failed(name, OutcomeRefused, err)
	}
	body, err := json.Marshal(struct {
		SubMchID string `json:"sub_mchid,omitempty"` // 服务商模式
		RefundRequest
	}{c.sub.MchID, request})
	if err != nil {
		return nil, failed(name, OutcomeRefused, fmt.Errorf("encode: %w", err))
	}
	refund, err := c.refund(ctx, request.OutRefundNo, call{
		name: name, method: http.MethodPost, target: refundsTarget, body: body, write: true, timeout: c.writeTimeout,
	})
	if err != nil {
		return nil, takenIsUnknown(err)
	}
	return refund, nil
}

// QueryRefund asks for a refund by the merchant's number (WeChat Pay APIv3, 查询单笔退款). An unknown number is
// an *[Error] with [Error.NotExist].
func (c *Client) QueryRefund(ctx context.Context, outRefundNo string) (*Refund, error) {
	const name = "query refund"
	var v validation
	v.number("out_refund_no", outRefundNo, 1, 64, outRefundNoFurther)
	if err := v.err(); err != nil {
		return nil, failed(name, OutcomeRefused, err)
	}
	return c.refund(ctx, outRefundNo, call{
		name: name, method: http.MethodGet, timeout: c.queryTimeout,
		target: refundsTarget + "/" + url.PathEscape(outRefundNo) + c.subMerchantQuery(),
	})
}

// refund runs a call that answers with the refund of the given number.
func (c *Client) refund(ctx context.Context, outRefundNo string, k call) (*Refund, error) {
	var refund *Refund
	k.decode = func(body []byte) (err error) {
		refund, err = decodeRefund(body)
		if err != nil {
			return err
		}
		// A signature does not bind an answer to its request. Not every answer names the sub-merchant.
		if refund.OutRefundNo != outRefundNo || refund.SubMchID != "" && refund.SubMchID != c.sub.MchID {
			return fmt.Errorf("%w: answer is about another refund", ErrMalformed)
		}
		return nil
	}
	if err := c.do(ctx, k); err != nil {
		return nil, err
	}
	return refund, nil
}

func decodeRefund(body []byte) (*Refund, error) {
	var wire struct {
		Refund
		SuccessTime wireTime `json:"success_time"`
		CreateTime  wireTime `json:"create_time"`
	}
	if err := decodeJSON(body, &wire); err != nil {
		return nil, err
	}
	wire.Refund.SuccessTime, wire.Refund.CreateTime = wire.SuccessTime.Time, wire.CreateTime.Time
	if wire.RefundID == "" || wire.OutRefundNo == "" || wire.Status == "" {
		return nil, fmt.Errorf("%w: refund without refund_id, out_refund_no or status", ErrMalformed)
	}
	return &wire.Refund, nil
}

func (r *RefundRequest) validate() error {
	var v validation
	if r.TransactionID == "" && r.OutTradeNo == "" {
		v.add("transaction_id", "or out_trade_no is required")
	}
	if r.TransactionID != "" {
		v.number("transaction_id", r.TransactionID, 1, 32, "_-")
	}
	if r.OutTradeNo != "" {
		v.number("out_trade_no", r.OutTradeNo, 6, 32, outTradeNoFurther)
	}
	v.number("out_refund_no", r.OutRefundNo, 1, 64, outRefundNoFurther)
	v.text("reason", r.Reason, 0, 80)
	v.notifyURL(r.NotifyURL, false, 256)
	v.text("funds_account", r.FundsAccount, 0, 32)
	v.refundAmount(&r.Amount)
	if r.FundsAccount != "" && len(r.Amount.From) > 0 {
		v.add("funds_account", "must be empty when amount.from is given")
	}
	for i, goods := range r.GoodsDetail {
		at := fmt.Sprintf("goods_detail[%d].", i)
		v.number(at+"merchant_goods_id", goods.MerchantGoodsID, 1, 32, "_-")
		v.text(at+"wechatpay_goods_id", goods.WechatpayGoodsID, 0, 32)
		v.text(at+"goods_name", goods.GoodsName, 0, 256)
		v.atLeast(at+"unit_price", goods.UnitPrice, 0)
		v.atLeast(at+"refund_amount", goods.RefundAmount, 0)
		v.atLeast(at+"refund_quantity", goods.RefundQuantity, 1)
	}
	return v.err()
}

func (v *validation) refundAmount(amount *RefundAmount) {
	v.atLeast("amount.refund", amount.Refund, 1)
	v.atLeast("amount.total", amount.Total, 1)
	if amount.Refund > amount.Total {
		v.add("amount.refund", "must not exceed amount.total")
	}
	v.text("amount.currency", amount.Currency, 1, 16)
	left := amount.Refund
	for i, from := range amount.From {
		at := fmt.Sprintf("amount.from[%d].", i)
		v.text(at+"account", from.Account, 1, 32)
		v.atLeast(at+"amount", from.Amount, 1)
		left -= from.Amount
	}
	if len(amount.From) > 0 && left != 0 {
		v.add("amount.from", "must add up to amount.refund")
	}
}
