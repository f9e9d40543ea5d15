package wechatpaysim

import "github.com/tongbao-pay/tongbao/sandbox/identity"

// merchantNo is a merchant's own number of an order, a refund or a like: unique for ever for one merchant, and in partner mode
// (服务商模式) for a service provider and its sub-merchant together.
type merchantNo struct {
	SpMchID string // the service provider; empty: the merchant acts for itself
	MchID   string // whose money it is
	No      string
}

// String is the number's id among the records.
func (n merchantNo) String() string {
	owner := n.MchID
	if n.SpMchID != "" {
		owner = n.SpMchID + "/" + n.MchID
	}
	return owner + "/" + n.No
}

// agent is who acts: the service provider where there is one.
func (n merchantNo) agent() string {
	if n.SpMchID != "" {
		return n.SpMchID
	}
	return n.MchID
}

// merchant returns the account of the mchid, and false if the provider has none.
func (p *Provider) merchant(mchID string) (identity.Merchant, bool) {
	for _, m := range p.identity.Merchants() {
		if m.MchID == mchID {
			return m, true
		}
	}
	return identity.Merchant{}, false
}

// subMerchant reports whether spMchID may act for mchID (特约商户: 受理关系). The first merchant of the sandbox is the service
// provider of the others.
func (p *Provider) subMerchant(spMchID, mchID string) bool {
	_, known := p.merchant(mchID)
	return known && spMchID == p.identity.MchID && mchID != spMchID
}

// bound reports whether the app is bound to the merchant (绑定). The first merchant's app is bound to all of them, so that it
// can start a combined payment; each other's only to itself.
func (p *Provider) bound(appID, mchID string) bool {
	m, known := p.merchant(mchID)
	return known && (appID == m.AppID || appID == p.identity.AppID)
}

// owners are all whose numbers there can be, the first merchant's own first.
func (p *Provider) owners() []merchantNo {
	var own, partner []merchantNo
	for _, m := range p.identity.Merchants() {
		own = append(own, merchantNo{MchID: m.MchID})
		if p.subMerchant(p.identity.MchID, m.MchID) {
			partner = append(partner, merchantNo{SpMchID: p.identity.MchID, MchID: m.MchID})
		}
	}
	return append(own, partner...)
}

// findAnywhere finds an order by its number alone, as the control API does; of several the first merchant's own wins. The
// caller holds the lock.
func (p *Provider) findAnywhere(outTradeNo string) *order {
	for _, owner := range p.owners() {
		owner.No = outTradeNo
		if o := p.find(owner); o != nil {
			return o
		}
	}
	return nil
}

// findRefundAnywhere is findAnywhere for refunds.
func (p *Provider) findRefundAnywhere(outRefundNo string) *refund {
	for _, owner := range p.owners() {
		owner.No = outRefundNo
		if r := p.refunds[owner]; r != nil {
			return r
		}
	}
	return nil
}
