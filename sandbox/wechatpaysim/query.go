package wechatpaysim

// queryByOutTradeNo answers the order (WeChat Pay APIv3, 商户订单号查询订单).
func (p *Provider) queryByOutTradeNo(c *call) (any, *apiError) {
	n, err := p.owner(c, queried(c.query), "query")
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	n.No = c.http.PathValue("out_trade_no")
	o := p.findAlone(n)
	if o == nil {
		return nil, orderNotExist()
	}
	return p.transaction(o), nil
}

// queryByTransactionID answers a paid order; before the payment there is no such number
// (WeChat Pay APIv3, 微信支付订单号查询订单).
func (p *Provider) queryByTransactionID(c *call) (any, *apiError) {
	n, err := p.owner(c, queried(c.query), "query")
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.byTransaction[c.http.PathValue("transaction_id")]
	if o == nil || !o.ownedBy(n) || o.partOfCombine() {
		return nil, orderNotExist()
	}
	return p.transaction(o), nil
}
