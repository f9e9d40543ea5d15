package wechatpay

import (
	"fmt"
	"time"
)

// CombineOutTradeNo is the merchant's number of a combined payment (合单商户订单号, combine_out_trade_no): 6-32 of
// letters, digits and _ - | *, unique per initiator. It is a type of its own because no other endpoint knows
// the number: as an out_trade_no it is an order that does not exist (WeChat Pay APIv3, 合单支付: 查询合单订单).
type CombineOutTradeNo string

// CombineOrder is a combined payment as the provider sees it, from a query or a notification (WeChat Pay
// APIv3, 合单支付: 查询合单订单, 支付通知). Its sub orders are paid all together or not at all. Before acting on it
// compare CombineMchID, CombineOutTradeNo and every sub order with your own record, and store all of them at once.
type CombineOrder struct {
	CombineAppID      string            `json:"combine_appid,omitempty"`
	CombineMchID      string            `json:"combine_mchid,omitempty"` // the initiator
	CombineOutTradeNo CombineOutTradeNo `json:"combine_out_trade_no"`
	// CombinePayerInfo is who paid; zero before payment.
	CombinePayerInfo CombinePayerInfo `json:"combine_payer_info,omitzero"`
	SceneInfo        OrderSceneInfo   `json:"scene_info,omitzero"`
	// SubOrders are all of them; never empty.
	SubOrders []SubOrder `json:"sub_orders"`
}

// SubOrder is one order of a [CombineOrder]. It is refunded and shared by itself, by its merchant, with its
// own numbers: give OutTradeNo or TransactionID to [Client.CreateRefund].
type SubOrder struct {
	MchID      string `json:"mchid,omitempty"`      // the receiver; in partner mode the service provider
	SubMchID   string `json:"sub_mchid,omitempty"`  // the receiver in partner mode
	SubAppID   string `json:"sub_appid,omitempty"`  // partner mode
	SubOpenID  string `json:"sub_openid,omitempty"` // partner mode
	OutTradeNo string `json:"out_trade_no"`
	// TransactionID is the sub order's own; empty before payment.
	TransactionID string     `json:"transaction_id,omitempty"`
	TradeType     string     `json:"trade_type,omitempty"` // NATIVE, JSAPI, APP or MWEB; empty before payment
	TradeState    TradeState `json:"trade_state"`
	BankType      string     `json:"bank_type,omitempty"`
	Attach        string     `json:"attach,omitempty"`
	// SuccessTime is when it was paid; zero before.
	SuccessTime     time.Time         `json:"success_time,omitzero"`
	Amount          SubOrderAmount    `json:"amount,omitzero"`
	PromotionDetail []PromotionDetail `json:"promotion_detail,omitempty"`
}

// SubOrderAmount is a sub order's money in fen; the provider names it otherwise than an [OrderAmount].
// Compare TotalAmount with your own record; PayerAmount is less where coupons helped.
type SubOrderAmount struct {
	TotalAmount    int64  `json:"total_amount"`
	PayerAmount    int64  `json:"payer_amount,omitempty"`
	Currency       string `json:"currency,omitempty"`
	PayerCurrency  string `json:"payer_currency,omitempty"`
	SettlementRate int64  `json:"settlement_rate,omitempty"` // in 1/10^8, of payments in another currency
}

// decodeCombineOrder reads a combined payment and wants what every one has, of every sub order: half of
// it must not be stored.
func decodeCombineOrder(body []byte) (*CombineOrder, error) {
	var wire struct {
		CombineOrder
		SubOrders []struct {
			SubOrder
			SuccessTime wireTime `json:"success_time"`
		} `json:"sub_orders"`
	}
	if err := decodeJSON(body, &wire); err != nil {
		return nil, err
	}
	order := wire.CombineOrder
	if order.CombineOutTradeNo == "" || len(wire.SubOrders) == 0 {
		return nil, fmt.Errorf("%w: combined payment without combine_out_trade_no or sub_orders", ErrMalformed)
	}
	order.SubOrders = make([]SubOrder, len(wire.SubOrders))
	for i, sub := range wire.SubOrders {
		if sub.OutTradeNo == "" || sub.TradeState == "" {
			return nil, fmt.Errorf("%w: sub order without out_trade_no or trade_state", ErrMalformed)
		}
		sub.SubOrder.SuccessTime = sub.SuccessTime.Time
		order.SubOrders[i] = sub.SubOrder
	}
	return &order, nil
}
