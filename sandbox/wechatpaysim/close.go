package wechatpaysim

// close closes an unpaid order; closing a closed one succeeds again (WeChat Pay APIv3, 关闭订单).
func (p *Provider) close(c *call) (any, *apiError) {
	var r parties
	if err := c.decode(&r); err != nil {
		return nil, err
	}
	n, err := p.owner(c, r, "body")
	if err != nil {
		return nil, err
	}
	n.No = c.http.PathValue("out_trade_no")
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.findAlone(n)
	switch {
	case o == nil && p.settings.CloseUnknown == closeDone:
		return nil, nil
	case o == nil:
		return nil, orderNotExist()
	case o.Product == Codepay:
		return nil, invalidRequest(internalReverseOnly, "付款码支付订单不支持关单，请使用撤销", "an order paid by a payment code cannot be closed; reverse it")
	case o.State == Closed && p.settings.CloseAgain == closeRefused:
		return nil, orderClosed()
	case o.paid():
		return nil, orderPaid()
	case o.State == NotPay:
		o.State, o.ClosedAt = Closed, p.clock.Now()
		p.put(recordOrder, o.key().String(), o)
	}
	return nil, nil
}
