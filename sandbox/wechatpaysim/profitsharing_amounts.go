package wechatpaysim

type amountsAnswer struct {
	TransactionID string `json:"transaction_id"`
	UnsplitAmount int64  `json:"unsplit_amount"`
}

// unsplitAmount answers what is left of an order to share (WeChat Pay APIv3, 查询剩余待分金额).
func (p *Provider) unsplitAmount(c *call) (any, *apiError) {
	if _, err := p.sharingOwner(c, "", ""); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.byTransaction[c.http.PathValue("transaction_id")]
	if o == nil || !o.visibleTo(c.caller) {
		return nil, invalidRequest(internalOther, "非本商户的订单不支持查询", "the merchant has no order of this transaction_id")
	}
	f := p.frozen[o.key()]
	if f == nil {
		return nil, invalidRequest(internalOrderInvalid, "非分账订单不支持此查询", "the order was placed without settle_info.profit_sharing")
	}
	return amountsAnswer{o.TransactionID, f.Left}, nil
}

type ratioAnswer struct {
	SubMchID string `json:"sub_mchid"`
	MaxRatio int64  `json:"max_ratio"`
}

// maxRatio answers how much of an order a sub-merchant lets be shared (WeChat Pay APIv3 服务商, 查询最大分账比例).
func (p *Provider) maxRatio(c *call) (any, *apiError) {
	owner, err := p.sharingOwner(c, c.http.PathValue("sub_mchid"), "uri")
	if err != nil {
		return nil, err
	}
	return ratioAnswer{owner.MchID, p.Settings().ProfitSharing.MaxRatio}, nil
}
