package wechatpaysim

// queryCombine answers a combined payment to its initiator (WeChat Pay APIv3, 合单支付: 查询合单订单).
func (p *Provider) queryCombine(c *call) (any, *apiError) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := p.combineOrders[merchantNo{MchID: c.caller, No: c.http.PathValue("combine_out_trade_no")}]
	if k == nil {
		return nil, orderNotExist()
	}
	return p.combineTransaction(k), nil
}
