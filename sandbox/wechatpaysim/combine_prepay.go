package wechatpaysim

import "time"

// combineLifeMax is what a longer time_expire of a combined payment is lowered to.
const combineLifeMax = 7 * 24 * time.Hour

// What a combined payment may hold (WeChat Pay APIv3, 合单支付: 下单, sub_orders).
const (
	subOrdersLeast       = 2
	subOrdersMost        = 10
	partnerSubOrdersMost = 50
	subOrderTotalMost    = 1_000_000_000 // fen
)

// combineOperations are the calls of combined payments.
func combineOperations() []operation {
	prepay := func(product string) operation {
		return operation{"combine_prepay", "POST /v3/combine-transactions/" + product, combinePrepayFields(product), func(p *Provider, c *call) (any, *apiError) {
			return p.prepayCombine(product, c)
		}}
	}
	const number = " /v3/combine-transactions/out-trade-no/{combine_out_trade_no}"
	return []operation{
		prepay(JSAPI), prepay(App), prepay(H5), prepay(Native),
		{"combine_query", "GET" + number, nil, (*Provider).queryCombine},
		{"combine_close", "POST" + number + "/close", combineCloseFields(), (*Provider).closeCombine},
	}
}

// combinePrepayFields is the request of one product (WeChat Pay APIv3, 合单支付: 下单, 请求参数).
func combinePrepayFields(product string) []field {
	total := number("total_amount", 1)
	total.max = subOrderTotalMost
	subOrders := items("sub_orders",
		required(str("mchid", 32)), str("sub_mchid", 32), str("sub_appid", 32), required(str("out_trade_no", 32).between(6, tradeNoSymbols)),
		required(group("amount", required(total), required(str("currency", 8)))), required(str("attach", 128)), required(str("description", 127)),
		str("detail", 6000), str("goods_tag", 32), group("settle_info", field{name: "profit_sharing", kind: boolean}, number("subsidy_amount", 0)))
	payerInfo := group("combine_payer_info", str("openid", 128), str("sub_openid", 128))
	scene := group("scene_info", required(str("payer_client_ip", 45)), str("device_id", 16))
	switch product {
	case JSAPI:
		payerInfo = required(payerInfo)
	case H5:
		scene = required(group("scene_info", required(str("payer_client_ip", 45)), str("device_id", 32), required(h5Info())))
	}
	return []field{
		required(str("combine_appid", 32)), required(str("combine_mchid", 32)), required(str("combine_out_trade_no", 32).between(6, tradeNoSymbols)),
		scene, required(subOrders), payerInfo, str("time_start", 64), str("time_expire", 64), required(str("notify_url", 255)),
		choices("limit_pay", "no_balance", "no_credit", "no_debit", "balance_only"), // time_start, limit_pay and detail are of older pages
	}
}

type combinePrepayRequest struct {
	CombineAppID      string            `json:"combine_appid"`
	CombineMchID      string            `json:"combine_mchid"`
	CombineOutTradeNo string            `json:"combine_out_trade_no"`
	TimeExpire        string            `json:"time_expire"`
	NotifyURL         string            `json:"notify_url"`
	SubOrders         []subOrderRequest `json:"sub_orders"`
	CombinePayerInfo  struct {
		OpenID    string `json:"openid"`
		SubOpenID string `json:"sub_openid"`
	} `json:"combine_payer_info"`
	SceneInfo struct {
		PayerClientIP string `json:"payer_client_ip"`
		DeviceID      string `json:"device_id"`
	} `json:"scene_info"`
}

type subOrderRequest struct {
	MchID       string `json:"mchid"`
	SubMchID    string `json:"sub_mchid"`
	SubAppID    string `json:"sub_appid"`
	OutTradeNo  string `json:"out_trade_no"`
	Attach      string `json:"attach"`
	Description string `json:"description"`
	Amount      struct {
		TotalAmount int64  `json:"total_amount"`
		Currency    string `json:"currency"`
	} `json:"amount"`
	SettleInfo struct {
		ProfitSharing bool `json:"profit_sharing"`
	} `json:"settle_info"`
}

// key names the order that the sub order is: the receiver's, in partner mode placed by the service provider.
func (s subOrderRequest) key() merchantNo {
	if s.SubMchID != "" {
		return merchantNo{s.MchID, s.SubMchID, s.OutTradeNo}
	}
	return merchantNo{MchID: s.MchID, No: s.OutTradeNo}
}

// prepayCombine places a combined payment, or gives an unpaid one a fresh credential (WeChat Pay APIv3, 合单支付: 下单).
func (p *Provider) prepayCombine(product string, c *call) (any, *apiError) {
	var r combinePrepayRequest
	if err := c.decode(&r); err != nil {
		return nil, err
	}
	expires, err := p.checkCombine(product, r, c)
	if err != nil {
		return nil, err
	}
	parameters := repeatable(product, c.fields)

	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now()
	k := p.combineOrders[merchantNo{MchID: c.caller, No: r.CombineOutTradeNo}]
	if k == nil {
		if err := p.subOrdersTaken(r, parameters, now); err != nil {
			return nil, err
		}
		k = p.placeCombine(r, order{
			Product: product, AppID: r.CombineAppID, NotifyURL: r.NotifyURL, OpenID: r.CombinePayerInfo.OpenID, DeviceID: r.SceneInfo.DeviceID,
			Currency: "CNY", Parameters: parameters, PublicKey: c.serial == p.identity.PublicKeyID,
			CreatedAt: now, ExpiresAt: lifetime(now, expires, combineLifeMax), State: NotPay,
		})
	} else if err := p.repeatCombine(k, parameters, now); err != nil {
		return nil, err
	}
	orders := p.subOrders(k)
	p.renew(orders[0], now)
	for _, o := range orders {
		o.Credential = orders[0].Credential
		p.put(recordOrder, o.key().String(), o)
	}
	p.put(recordCombineOrder, k.key().String(), k)
	return orders[0].prepayAnswer(), nil
}

// placeCombine makes the rows of a new combined payment from what all sub orders have in common. The caller holds the lock.
func (p *Provider) placeCombine(r combinePrepayRequest, common order) *combineOrder {
	k := &combineOrder{
		CombineMchID: r.CombineMchID, CombineAppID: r.CombineAppID, CombineOutTradeNo: r.CombineOutTradeNo, SubOpenID: r.CombinePayerInfo.SubOpenID,
	}
	p.combineOrders[k.key()] = k
	for _, sub := range r.SubOrders {
		n := sub.key()
		k.SubOrders = append(k.SubOrders, combineSubOrder{n, sub.SubAppID})
		o := common
		o.SpMchID, o.MchID, o.OutTradeNo, o.Combine = n.SpMchID, n.MchID, n.No, k.key()
		o.Description, o.Attach, o.Total = sub.Description, sub.Attach, sub.Amount.TotalAmount
		o.ProfitSharing = sub.SettleInfo.ProfitSharing
		p.orders[n] = &o
	}
	return k
}

// repeatCombine says what stands against a second call under the same number. The caller holds the lock.
func (p *Provider) repeatCombine(k *combineOrder, parameters string, now time.Time) *apiError {
	err := p.subOrders(k)[0].repeat(parameters, now)
	if err != nil && err.internal == internalDifferentRepeat {
		return invalidRequest(internalDifferentRepeat, "重复下单且结算信息不一致", "the parameters differ from those of the first request under this combine_out_trade_no")
	}
	return err
}

// subOrdersTaken says which sub order's number its merchant has used before. The caller holds the lock.
func (p *Provider) subOrdersTaken(r combinePrepayRequest, parameters string, now time.Time) *apiError {
	for _, sub := range r.SubOrders {
		if o := p.find(sub.key()); o != nil {
			return o.repeat(parameters, now)
		}
	}
	return nil
}
