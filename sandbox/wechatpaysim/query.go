package wechatpaysim

// checkMchID checks the query parameter that every query needs.
func (p *Provider) checkMchID(c *call) *apiError {
	switch mchID := c.query.Get("mchid"); mchID {
	case c.caller:
		return nil
	case "":
		return paramError(internalIllegalParameter, fieldDetail{Field: "mchid", Issue: "the parameter is required", Location: "query"})
	default:
		return otherMerchant("query", "mchid", mchID)
	}
}

// queryByOutTradeNo answers the order (WeChat Pay APIv3, 商户订单号查询订单).
func (p *Provider) queryByOutTradeNo(c *call) (any, *apiError) {
	if err := p.checkMchID(c); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.findAlone(merchantNo{MchID: c.caller, No: c.http.PathValue("out_trade_no")})
	if o == nil {
		return nil, orderNotExist()
	}
	return p.transaction(o), nil
}

// queryByTransactionID answers a paid order; before the payment there is no such number
// (WeChat Pay APIv3, 微信支付订单号查询订单).
func (p *Provider) queryByTransactionID(c *call) (any, *apiError) {
	if err := p.checkMchID(c); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.byTransaction[c.http.PathValue("transaction_id")]
	if o == nil || !o.visibleTo(c.caller) || o.partOfCombine() {
		return nil, orderNotExist()
	}
	return p.transaction(o), nil
}
