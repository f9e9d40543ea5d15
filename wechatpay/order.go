package wechatpay

import (
	"fmt"
	"strings"
	"time"
)

// TradeState is the state of an order (WeChat Pay APIv3, trade_state). The list is open: hold what you do
// not know, never take it for a failure.
type TradeState string

const (
	TradeStateNotPay     TradeState = "NOTPAY"
	TradeStateSuccess    TradeState = "SUCCESS"
	TradeStateRefund     TradeState = "REFUND" // some of it was refunded; the refunds say how much
	TradeStateClosed     TradeState = "CLOSED"
	TradeStateRevoked    TradeState = "REVOKED"
	TradeStateUserPaying TradeState = "USERPAYING"
	TradeStatePayError   TradeState = "PAYERROR"
)

// Order is an order as the provider sees it, from a query or a notification (WeChat Pay APIv3, 查询订单,
// 支付通知). Before acting on it compare AppID, MchID, OutTradeNo, Amount.Total, Amount.Currency
// and TradeState with your own record.
type Order struct {
	AppID          string     `json:"appid,omitempty"`
	MchID          string     `json:"mchid,omitempty"`
	OutTradeNo     string     `json:"out_trade_no"`
	TransactionID  string     `json:"transaction_id,omitempty"` // empty before payment
	TradeType      string     `json:"trade_type,omitempty"`     // JSAPI, NATIVE, APP, MWEB, ...; empty before payment
	TradeState     TradeState `json:"trade_state"`
	TradeStateDesc string     `json:"trade_state_desc,omitempty"`
	BankType       string     `json:"bank_type,omitempty"`
	Attach         string     `json:"attach,omitempty"`
	// SuccessTime is when it was paid; zero before.
	SuccessTime     time.Time         `json:"success_time,omitzero"`
	Payer           OrderPayer        `json:"payer,omitzero"`
	Amount          OrderAmount       `json:"amount,omitzero"`
	SceneInfo       OrderSceneInfo    `json:"scene_info,omitzero"`
	PromotionDetail []PromotionDetail `json:"promotion_detail,omitempty"`

	// Of partner orders (服务商), in place of AppID and MchID.
	SpAppID  string `json:"sp_appid,omitempty"`
	SpMchID  string `json:"sp_mchid,omitempty"`
	SubAppID string `json:"sub_appid,omitempty"`
	SubMchID string `json:"sub_mchid,omitempty"`
}

// OrderPayer is who paid; empty before payment.
type OrderPayer struct {
	OpenID    string `json:"openid,omitempty"`
	SpOpenID  string `json:"sp_openid,omitempty"`
	SubOpenID string `json:"sub_openid,omitempty"`
}

// OrderAmount is an order's money in fen. Compare Total with your own record; PayerTotal is less where
// coupons helped.
type OrderAmount struct {
	Total         int64  `json:"total"`
	PayerTotal    int64  `json:"payer_total,omitempty"`
	Currency      string `json:"currency,omitempty"`
	PayerCurrency string `json:"payer_currency,omitempty"`
}

// OrderSceneInfo is where it was paid.
type OrderSceneInfo struct {
	DeviceID string `json:"device_id,omitempty"`
}

// PromotionDetail is one coupon used; amounts in fen.
type PromotionDetail struct {
	CouponID            string           `json:"coupon_id,omitempty"`
	Name                string           `json:"name,omitempty"`
	Scope               string           `json:"scope,omitempty"` // GLOBAL or SINGLE
	Type                string           `json:"type,omitempty"`  // CASH or NOCASH
	Amount              int64            `json:"amount,omitempty"`
	StockID             string           `json:"stock_id,omitempty"`
	WechatpayContribute int64            `json:"wechatpay_contribute,omitempty"`
	MerchantContribute  int64            `json:"merchant_contribute,omitempty"`
	OtherContribute     int64            `json:"other_contribute,omitempty"`
	Currency            string           `json:"currency,omitempty"`
	GoodsDetail         []PromotionGoods `json:"goods_detail,omitempty"`
}

// PromotionGoods is one article a coupon was for; amounts in fen.
type PromotionGoods struct {
	GoodsID        string `json:"goods_id,omitempty"`
	Quantity       int64  `json:"quantity,omitempty"`
	UnitPrice      int64  `json:"unit_price,omitempty"`
	DiscountAmount int64  `json:"discount_amount,omitempty"`
	GoodsRemark    string `json:"goods_remark,omitempty"`
}

// wireOrder is an [Order] as it travels.
type wireOrder struct {
	Order
	SuccessTime wireTime `json:"success_time"`
}

// decodeOrder reads an order and wants what every order has.
func decodeOrder(body []byte) (*Order, error) {
	var wire wireOrder
	if err := decodeJSON(body, &wire); err != nil {
		return nil, err
	}
	return wire.order()
}

func (w *wireOrder) order() (*Order, error) {
	w.Order.SuccessTime = w.SuccessTime.Time
	if w.OutTradeNo == "" || w.TradeState == "" {
		return nil, fmt.Errorf("%w: order without out_trade_no or trade_state", ErrMalformed)
	}
	return &w.Order, nil
}

// wireTime reads RFC 3339. An empty or unreadable time is zero: it must not make a payment unreadable.
type wireTime struct{ time.Time }

func (t *wireTime) UnmarshalJSON(text []byte) error {
	t.read(strings.Trim(string(text), `"`))
	return nil
}

func (t *wireTime) read(text string) {
	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil {
		parsed = time.Time{}
	}
	t.Time = parsed
}
