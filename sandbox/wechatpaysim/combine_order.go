package wechatpaysim

import (
	"encoding/json"

	"github.com/tongbao-pay/tongbao/sandbox/record"
)

// combineOrder is a combined payment (合单支付): orders that are paid all together or not at all. Its sub orders are ordinary
// orders of their merchants, with a state, a credential and a transaction_id each; what they share is equal in all of them, so
// that a combined payment needs no state of its own.
type combineOrder struct {
	CombineMchID      string // the initiator
	CombineAppID      string
	CombineOutTradeNo string
	SubOpenID         string // partner mode: who must pay, within a sub order's app
	SubOrders         []combineSubOrder
}

// combineSubOrder is an order's place in a combined payment.
type combineSubOrder struct {
	Order    merchantNo
	SubAppID string // partner mode
}

func (k *combineOrder) key() merchantNo {
	return merchantNo{MchID: k.CombineMchID, No: k.CombineOutTradeNo}
}

// partOfCombine reports whether the order is a sub order.
func (o *order) partOfCombine() bool { return o.Combine != merchantNo{} }

// subOrders returns the orders of a combined payment as they are at this moment; there is at least one. The caller holds the lock.
func (p *Provider) subOrders(k *combineOrder) []*order {
	orders := make([]*order, len(k.SubOrders))
	for i, sub := range k.SubOrders {
		orders[i] = p.find(sub.Order)
	}
	return orders
}

// findAlone is find for the calls that do not know the orders of combined payments (WeChat Pay APIv3, 合单支付: 查询和关闭使用合单接口).
// The caller holds the lock.
func (p *Provider) findAlone(n merchantNo) *order {
	if o := p.find(n); o != nil && !o.partOfCombine() {
		return o
	}
	return nil
}

// findCombineAnywhere finds a combined payment by its number alone, as the control API does; of several the first merchant's wins.
// The caller holds the lock.
func (p *Provider) findCombineAnywhere(combineOutTradeNo string) *combineOrder {
	for _, m := range p.identity.Merchants() {
		if k := p.combineOrders[merchantNo{MchID: m.MchID, No: combineOutTradeNo}]; k != nil {
			return k
		}
	}
	return nil
}

func (p *Provider) restoreCombineOrder(r record.Record) error {
	var k combineOrder
	if err := json.Unmarshal(r.Value, &k); err != nil {
		return err
	}
	p.combineOrders[k.key()] = &k
	return nil
}

// combineTransaction is a combined payment as queries and notifications show it (WeChat Pay APIv3, 合单支付: 查询合单订单).
type combineTransaction struct {
	CombineAppID      string           `json:"combine_appid"`
	CombineMchID      string           `json:"combine_mchid"`
	CombineOutTradeNo string           `json:"combine_out_trade_no"`
	CombinePayerInfo  *payer           `json:"combine_payer_info,omitempty"`
	SceneInfo         *sceneInfo       `json:"scene_info,omitempty"`
	SubOrders         []subTransaction `json:"sub_orders"`
}

// subTransaction is a sub order in it; the names in amount are not those of a single order.
type subTransaction struct {
	MchID           string      `json:"mchid"`
	SubMchID        string      `json:"sub_mchid,omitempty"`
	SubAppID        string      `json:"sub_appid,omitempty"`
	SubOpenID       string      `json:"sub_openid,omitempty"`
	OutTradeNo      string      `json:"out_trade_no"`
	TransactionID   string      `json:"transaction_id,omitempty"`
	TradeType       string      `json:"trade_type,omitempty"`
	TradeState      string      `json:"trade_state"`
	BankType        string      `json:"bank_type,omitempty"`
	Attach          string      `json:"attach"`
	SuccessTime     string      `json:"success_time,omitempty"`
	Amount          subAmount   `json:"amount"`
	PromotionDetail []promotion `json:"promotion_detail,omitempty"`
}

type subAmount struct {
	TotalAmount   int64  `json:"total_amount"`
	PayerAmount   *int64 `json:"payer_amount,omitempty"`
	Currency      string `json:"currency"`
	PayerCurrency string `json:"payer_currency,omitempty"`
}

// combineTransaction shows the combined payment. The caller holds the lock.
func (p *Provider) combineTransaction(k *combineOrder) combineTransaction {
	orders := p.subOrders(k)
	t := combineTransaction{CombineAppID: k.CombineAppID, CombineMchID: k.CombineMchID, CombineOutTradeNo: k.CombineOutTradeNo}
	if first := orders[0]; first.paid() {
		t.CombinePayerInfo = &payer{OpenID: first.PayerOpenID}
	}
	if device := orders[0].DeviceID; device != "" {
		t.SceneInfo = &sceneInfo{device}
	}
	for i, o := range orders {
		single := p.transaction(o)
		sub := subTransaction{
			MchID: o.MchID, SubAppID: k.SubOrders[i].SubAppID, OutTradeNo: o.OutTradeNo, TransactionID: single.TransactionID,
			TradeType: single.TradeType, TradeState: o.State, BankType: single.BankType, Attach: o.Attach, SuccessTime: single.SuccessTime,
			Amount: subAmount{o.Total, single.Amount.PayerTotal, o.Currency, single.Amount.PayerCurrency}, PromotionDetail: single.PromotionDetail,
		}
		if o.SpMchID != "" {
			sub.MchID, sub.SubMchID = o.SpMchID, o.MchID
		}
		if o.paid() && sub.SubAppID != "" {
			sub.SubOpenID = k.SubOpenID
		}
		t.SubOrders = append(t.SubOrders, sub)
	}
	return t
}

// halfPaid lists the combined payments of which some sub orders are paid and others are not, which must not be. The caller holds
// the lock.
func (p *Provider) halfPaid() []string {
	var problems []string
	for _, k := range p.combineOrders {
		paid := 0
		for _, sub := range k.SubOrders {
			if p.orders[sub.Order].paid() {
				paid++
			}
		}
		if paid != 0 && paid != len(k.SubOrders) {
			problems = append(problems, "combined payment "+k.CombineOutTradeNo+": some sub orders are paid and others are not")
		}
	}
	return problems
}
