package wechatpaysim

import (
	"net/http"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/control"
)

// payCombine lets the payer act on a combined payment: on all sub orders or on none. It returns the first of them. The caller
// holds the lock.
func (p *Provider) payCombine(k *combineOrder, code string, r PayRequest, now time.Time) (Order, error) {
	orders := p.subOrders(k)
	if reason := p.unpayable(orders[0], code, r, now); reason != "" {
		return Order{}, refused(reason)
	}
	var total int64
	for _, o := range orders {
		total += o.Total
	}
	if r.Coupon < 0 || r.Coupon > total {
		return Order{}, &Refused{http.StatusBadRequest, control.Problem{Error: "give 0 to the amount of all sub orders, in fen", Field: "coupon"}}
	}
	if r.Result == PaySuccess {
		p.landCombine(k, orders, r, now)
	}
	return p.view(orders[0]), nil
}

// landCombine books the payment of every sub order and tells the initiator once. A coupon pays for the first sub orders first.
// The caller holds the lock, so that nobody sees half of it, and a restart does not either.
func (p *Provider) landCombine(k *combineOrder, orders []*order, r PayRequest, now time.Time) {
	coupon := r.Coupon
	for _, o := range orders {
		r.Coupon = min(coupon, o.Total)
		coupon -= r.Coupon
		p.collect(o, r, now)
	}
	p.notifyCombine(k, orders[0])
}

func (p *Provider) notifyCombine(k *combineOrder, first *order) {
	p.notify(&notification{
		Operation: notifyCombine, EventType: "TRANSACTION.SUCCESS", OriginalType: "transaction", Summary: "支付成功",
		MchID: k.CombineMchID, URL: first.NotifyURL, Resource: encode(p.combineTransaction(k)), Combine: k.key(), OutTradeNo: k.CombineOutTradeNo,
		PublicKey: first.PublicKey,
	})
}

// firstSubAmount changes the sums of a combined payment's first sub order; other contents have none.
func firstSubAmount(content map[string]any, change func(map[string]any)) {
	subOrders, ok := content["sub_orders"].([]any)
	if !ok || len(subOrders) == 0 {
		return
	}
	if first, ok := subOrders[0].(map[string]any); ok {
		if amount, ok := first["amount"].(map[string]any); ok {
			change(amount)
		}
	}
}

// CheckoutSubOrder is one part of a combined payment as the payer's phone shows it.
type CheckoutSubOrder struct {
	Merchant    string
	Description string
	Amount      int64 // fen
}

// checkoutCombine adds what a combined payment shows beside a single order. The caller holds the lock.
func (p *Provider) checkoutCombine(k *combineOrder, c *Checkout) {
	c.Amount = 0
	for _, o := range p.subOrders(k) {
		c.Amount += o.Total
		c.SubOrders = append(c.SubOrders, CheckoutSubOrder{p.shownName(o.MchID), o.Description, o.Total})
	}
	c.Merchant = p.shownName(k.CombineMchID)
}

// shownName is the merchant's name for the payer.
func (p *Provider) shownName(mchID string) string {
	if mchID == p.identity.MchID {
		return p.settings.MerchantName
	}
	m, _ := p.merchant(mchID)
	return m.Name
}
