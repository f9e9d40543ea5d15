package wechatpayv2

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

// TradeType is where an order is paid (WeChat Pay APIv2, trade_type).
type TradeType string

const (
	TradeTypeJSAPI  TradeType = "JSAPI" // the WeChat browser and mini programs
	TradeTypeNative TradeType = "NATIVE"
	TradeTypeApp    TradeType = "APP"
	TradeTypeH5     TradeType = "MWEB"
)

// UnifiedOrderRequest is an order that the payer opens by itself (WeChat Pay APIv2, 统一下单). New integrations take APIv3 for it.
// Lengths are in characters of at most three UTF-8 bytes.
type UnifiedOrderRequest struct {
	TradeType      TradeType
	OutTradeNo     string // the merchant's number, unique for ever; 1-32 of letters, digits and _ - | * @
	Body           string // shown to the payer; 1-128 characters
	TotalFee       int64  // fen, at least 1
	SpbillCreateIP string // the payer's address
	NotifyURL      string // absolute, with a path and without query; at most 256 characters
	OpenID         string // the payer within AppID; JSAPI, unless SubOpenID is given
	SubOpenID      string // the payer within the sub-merchant's app
	ProductID      string // NATIVE; at most 32 characters
	SceneInfo      string // the page or app, JSON; required for MWEB; at most 256 characters

	FeeType       string    // zero: CNY
	DeviceInfo    string    // at most 32 characters
	Detail        string    // goods, JSON, for coupons on single items; at most 6000 characters
	Attach        string    // returned in queries and notifications; at most 127 characters
	GoodsTag      string    // coupon tag; at most 32 characters
	LimitPay      string    // no_credit: no credit cards
	TimeStart     time.Time // zero: left out
	TimeExpire    time.Time // last moment to pay; zero: the provider's default
	Receipt       bool      // offers the payer an e-invoice
	ProfitSharing bool      // freezes the money until it is shared (分账)
}

// UnifiedOrder is a placed order.
type UnifiedOrder struct {
	// PrepayID opens the cashier through [Client.SignJSAPI] or [Client.SignApp]; it lives two hours.
	PrepayID string
	// CodeURL is to be shown as a QR code; NATIVE only.
	CodeURL string
	// MwebURL is to be navigated to within five minutes; MWEB only.
	MwebURL string
}

// PlaceUnifiedOrder places an order. The same request again returns a fresh credential.
func (c *Client) PlaceUnifiedOrder(ctx context.Context, request UnifiedOrderRequest) (*UnifiedOrder, error) {
	const name = "unified order"
	if err := request.validate(); err != nil {
		return nil, failed(name, wechatpay.OutcomeRefused, err)
	}
	order := &UnifiedOrder{}
	err := c.do(ctx, call{
		name: name, path: "/pay/unifiedorder", fields: request.fields(), write: true, timeout: c.writeTimeout,
		decode: func(fields Fields) error {
			*order = UnifiedOrder{PrepayID: fields["prepay_id"], CodeURL: fields["code_url"], MwebURL: fields["mweb_url"]}
			credential := map[TradeType]string{TradeTypeNative: order.CodeURL, TradeTypeH5: order.MwebURL}
			need, special := credential[request.TradeType]
			if !special {
				need = order.PrepayID
			}
			if need == "" {
				return fmt.Errorf("%w: answer holds no credential", wechatpay.ErrMalformed)
			}
			return answers(fields, Fields{"trade_type": string(request.TradeType)})
		},
	})
	if err != nil {
		return nil, err
	}
	return order, nil
}

func (r *UnifiedOrderRequest) validate() error {
	var v validation
	switch r.TradeType {
	case TradeTypeJSAPI:
		if r.OpenID == "" && r.SubOpenID == "" {
			v.add("openid", "or sub_openid is required for JSAPI")
		}
	case TradeTypeNative:
		v.text("product_id", r.ProductID, 1, 32)
	case TradeTypeH5:
		v.text("scene_info", r.SceneInfo, 1, 256)
	case TradeTypeApp:
	default:
		v.add("trade_type", "must be JSAPI, NATIVE, APP or MWEB")
	}
	v.number("out_trade_no", r.OutTradeNo, 32)
	v.text("body", r.Body, 1, 128)
	v.atLeast("total_fee", r.TotalFee, 1)
	v.ip("spbill_create_ip", r.SpbillCreateIP)
	v.notifyURL(r.NotifyURL, true)
	v.text("openid", r.OpenID, 0, 128)
	v.text("sub_openid", r.SubOpenID, 0, 128)
	v.text("fee_type", r.FeeType, 0, 16)
	v.text("device_info", r.DeviceInfo, 0, 32)
	v.text("detail", r.Detail, 0, 6000)
	v.text("attach", r.Attach, 0, 127)
	v.text("goods_tag", r.GoodsTag, 0, 32)
	v.text("limit_pay", r.LimitPay, 0, 32)
	return v.err()
}

func (r *UnifiedOrderRequest) fields() Fields {
	return Fields{
		"trade_type": string(r.TradeType), "out_trade_no": r.OutTradeNo, "body": r.Body, "total_fee": strconv.FormatInt(r.TotalFee, 10),
		"spbill_create_ip": r.SpbillCreateIP, "notify_url": r.NotifyURL, "openid": r.OpenID, "sub_openid": r.SubOpenID,
		"product_id": r.ProductID, "scene_info": r.SceneInfo, "fee_type": r.FeeType, "device_info": r.DeviceInfo, "detail": r.Detail,
		"attach": r.Attach, "goods_tag": r.GoodsTag, "limit_pay": r.LimitPay, "time_start": beijingText(r.TimeStart),
		"time_expire": beijingText(r.TimeExpire), "receipt": yes(r.Receipt), "profit_sharing": yes(r.ProfitSharing),
	}
}
