package wechatpaysim

// combineCloseFields is the request (WeChat Pay APIv3, 合单支付: 关闭合单订单, 请求参数).
func combineCloseFields() []field {
	return []field{
		required(str("combine_appid", 32)),
		required(items("sub_orders", required(str("mchid", 32)), required(str("out_trade_no", 32).between(6, tradeNoSymbols)), str("sub_mchid", 32), str("sub_appid", 32))),
	}
}

type combineCloseRequest struct {
	CombineAppID string            `json:"combine_appid"`
	SubOrders    []subOrderRequest `json:"sub_orders"`
}

// closeCombine closes all sub orders of an unpaid combined payment; closing a closed one succeeds again. The request lists exactly
// the sub orders that were placed (WeChat Pay APIv3, 合单支付: 关闭合单订单).
func (p *Provider) closeCombine(c *call) (any, *apiError) {
	var r combineCloseRequest
	if err := c.decode(&r); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	k := p.combineOrders[merchantNo{MchID: c.caller, No: c.http.PathValue("combine_out_trade_no")}]
	switch {
	case k == nil && p.settings.CloseUnknown == closeDone:
		return nil, nil
	case k == nil:
		return nil, orderNotExist()
	}
	if r.CombineAppID != k.CombineAppID || !k.lists(r.SubOrders) {
		if p.settings.CombineCloseMismatch == codeSystem {
			return nil, systemError()
		}
		return nil, invalidRequest(internalIllegalParameter, "子单信息与下单时不一致", "combine_appid and sub_orders must be exactly those that were placed")
	}
	orders := p.subOrders(k)
	switch {
	case orders[0].paid():
		return nil, orderPaid()
	case orders[0].State == Closed && p.settings.CloseAgain == closeRefused:
		return nil, orderClosed()
	}
	for _, o := range orders {
		if o.State == NotPay {
			o.State, o.ClosedAt = Closed, p.clock.Now()
			p.put(recordOrder, o.key().String(), o)
		}
	}
	return nil, nil
}

// lists reports whether the sub orders are all that were placed, each once and in any order. A sub_appid may be left out.
func (k *combineOrder) lists(subOrders []subOrderRequest) bool {
	placed := map[merchantNo]string{}
	for _, sub := range k.SubOrders {
		placed[sub.Order] = sub.SubAppID
	}
	for _, sub := range subOrders {
		appID, found := placed[sub.key()]
		if !found || (sub.SubAppID != "" && sub.SubAppID != appID) {
			return false
		}
		delete(placed, sub.key())
	}
	return len(placed) == 0
}
