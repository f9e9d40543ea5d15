package wechatpaysim

func closeFields() []field { return []field{required(str("mchid", 32))} }

// close closes an unpaid order; closing a closed one succeeds again (WeChat Pay APIv3, 关闭订单).
func (p *Provider) close(c *call) (any, *apiError) {
	var r struct {
		MchID string `json:"mchid"`
	}
	if err := c.decode(&r); err != nil {
		return nil, err
	}
	if r.MchID != c.caller {
		return nil, otherMerchant("body", "/mchid", r.MchID)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.findAlone(merchantNo{MchID: c.caller, No: c.http.PathValue("out_trade_no")})
	switch {
	case o == nil:
		return nil, orderNotExist()
	case o.paid():
		return nil, orderPaid()
	case o.State == NotPay:
		o.State, o.ClosedAt = Closed, p.clock.Now()
		p.put(recordOrder, o.key().String(), o)
	}
	return nil, nil
}
