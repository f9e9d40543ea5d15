package wechatpayv2

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

// MicroPayRequest is a payment by the code that the payer shows (WeChat Pay APIv2, 付款码支付). Lengths are in characters of at most
// three UTF-8 bytes.
type MicroPayRequest struct {
	// OutTradeNo is the merchant's number, unique for ever; 1-32 of letters, digits and _ - | * @. A new code needs a new one.
	OutTradeNo string
	// AuthCode is what the scanner read: 18 digits that begin with 10 to 15. It is good once, for about a minute.
	AuthCode string
	// Body is shown to the payer; 1-128 characters.
	Body string
	// TotalFee is in fen, at least 1.
	TotalFee int64
	// SpbillCreateIP is the address of the device that calls.
	SpbillCreateIP string

	FeeType       string    // zero: CNY
	DeviceInfo    string    // till or shop; at most 32 characters
	Detail        string    // goods, JSON, for coupons on single items; at most 6000 characters
	Attach        string    // returned in queries; at most 127 characters
	GoodsTag      string    // coupon tag; at most 32 characters
	LimitPay      string    // no_credit: no credit cards
	TimeStart     time.Time // zero: left out
	TimeExpire    time.Time // last moment to pay; zero: left out
	Receipt       bool      // offers the payer an e-invoice
	ProfitSharing bool      // freezes the money until it is shared (分账)
	SceneInfo     string    // the shop, JSON; at most 256 characters
}

// MicroPay takes a payment by code, in one call that is sent once. nil means paid; [wechatpay.OutcomeUnknown] and above all
// USERPAYING, the payer types a password, mean that the end is still to come: [Client.MicroPayToEnd] does all that follows,
// and is what a till wants. There is no notification.
func (c *Client) MicroPay(ctx context.Context, request MicroPayRequest) (*Order, error) {
	const name = "micropay"
	if err := request.validate(); err != nil {
		return nil, failed(name, wechatpay.OutcomeRefused, err)
	}
	var order *Order
	err := c.do(ctx, call{
		name: name, path: "/pay/micropay", fields: request.fields(), write: true, once: true, timeout: c.writeTimeout,
		decode: func(fields Fields) (err error) {
			if order, err = decodePaid(fields); err != nil {
				return err
			}
			return request.isPaidBy(order)
		},
	})
	if err != nil {
		return nil, err
	}
	return order, nil
}

// isPaidBy wants the order to be the one asked for, at its price.
func (r *MicroPayRequest) isPaidBy(order *Order) error {
	if order.OutTradeNo != r.OutTradeNo {
		return fmt.Errorf("%w: answer is about another out_trade_no", wechatpay.ErrMalformed)
	}
	if order.TotalFee != r.TotalFee {
		return fmt.Errorf("%w: the order's total_fee is %d, not %d", wechatpay.ErrMalformed, order.TotalFee, r.TotalFee)
	}
	return nil
}

func (r *MicroPayRequest) validate() error {
	var v validation
	v.number("out_trade_no", r.OutTradeNo, 32)
	v.text("auth_code", r.AuthCode, 1, 128)
	v.text("body", r.Body, 1, 128)
	v.atLeast("total_fee", r.TotalFee, 1)
	v.ip("spbill_create_ip", r.SpbillCreateIP)
	v.text("fee_type", r.FeeType, 0, 16)
	v.text("device_info", r.DeviceInfo, 0, 32)
	v.text("detail", r.Detail, 0, 6000)
	v.text("attach", r.Attach, 0, 127)
	v.text("goods_tag", r.GoodsTag, 0, 32)
	v.text("limit_pay", r.LimitPay, 0, 32)
	v.text("scene_info", r.SceneInfo, 0, 256)
	return v.err()
}

func (r *MicroPayRequest) fields() Fields {
	return Fields{
		"out_trade_no": r.OutTradeNo, "auth_code": r.AuthCode, "body": r.Body, "total_fee": strconv.FormatInt(r.TotalFee, 10),
		"spbill_create_ip": r.SpbillCreateIP, "fee_type": r.FeeType, "device_info": r.DeviceInfo, "detail": r.Detail, "attach": r.Attach,
		"goods_tag": r.GoodsTag, "limit_pay": r.LimitPay, "time_start": beijingText(r.TimeStart), "time_expire": beijingText(r.TimeExpire),
		"receipt": yes(r.Receipt), "profit_sharing": yes(r.ProfitSharing), "scene_info": r.SceneInfo,
	}
}

// yes is the provider's Y; what is not is left out.
func yes(set bool) string {
	if set {
		return "Y"
	}
	return ""
}
