package wechatpaysim

import "net/http"

// codepayFields is the request of a payment by code (WeChat Pay APIv3, 付款码支付: 请求参数).
func codepayFields(partner bool) []field {
	return append(partyFields(partner),
		required(str("description", 127)), required(str("out_trade_no", 32).between(6, tradeNoSymbols)),
		str("attach", 128).between(0, ""), str("goods_tag", 32), field{name: "support_fapiao", kind: boolean},
		required(group("payer", required(str("auth_code", 32)))),
		required(group("amount", required(number("total", 1)), str("currency", 16))),
		required(group("scene_info", required(group("store_info", str("id", 32), str("out_id", 32))), str("device_id", 32), str("device_ip", 45))),
		group("detail", number("cost_price", 0), str("invoice_id", 32),
			items("goods_detail", required(str("merchant_goods_id", 32).between(1, "_-")), str("wxpay_goods_id", 32), str("goods_name", 256),
				required(number("quantity", 1)), required(number("unit_price", 0)))),
		group("settle_info", field{name: "profit_sharing", kind: boolean}),
	)
}

type codepayRequest struct {
	parties
	Description string `json:"description"`
	OutTradeNo  string `json:"out_trade_no"`
	Attach      string `json:"attach"`
	Payer       struct {
		AuthCode string `json:"auth_code"`
	} `json:"payer"`
	Amount struct {
		Total    int64  `json:"total"`
		Currency string `json:"currency"`
	} `json:"amount"`
	SceneInfo struct {
		DeviceID string `json:"device_id"`
	} `json:"scene_info"`
	SettleInfo struct {
		ProfitSharing bool `json:"profit_sharing"`
	} `json:"settle_info"`
}

// codepay takes money by a payment code (WeChat Pay APIv3, 付款码支付下单). The provider permits it to few merchants.
func (p *Provider) codepay(c *call) (any, *apiError) {
	var r codepayRequest
	if err := c.decode(&r); err != nil {
		return nil, err
	}
	owner, err := p.codepayOwner(c, r.parties)
	if err != nil {
		return nil, err
	}
	if r.Amount.Currency != "" && r.Amount.Currency != "CNY" {
		return nil, paramError(internalIllegalParameter, fieldDetail{Field: "/amount/currency", Value: r.Amount.Currency, Issue: "Currency code is invalid", Location: "body"})
	}
	owner.No = r.OutTradeNo
	p.mu.Lock()
	defer p.mu.Unlock()
	o, why := p.takeByCode(codeOrder{
		owner: owner, appID: r.app(), subAppID: r.SubAppID, description: r.Description, attach: r.Attach, deviceID: r.SceneInfo.DeviceID,
		authCode: r.Payer.AuthCode, total: r.Amount.Total, profitSharing: r.SettleInfo.ProfitSharing,
		parameters: repeatable(Codepay, c.fields), publicKey: c.serial == p.identity.PublicKeyID,
	})
	if why != "" {
		return nil, why.apiError()
	}
	if o.State == UserPaying && p.settings.CodepayAccepted {
		return nil, &apiError{http.StatusAccepted, codeUserPaying, "用户支付中，需要输入密码", "the payer types the password; query the order", internalOther, nil}
	}
	return p.transaction(o), nil
}

// codepayOwner checks who asks, and that he may.
func (p *Provider) codepayOwner(c *call, of parties) (merchantNo, *apiError) {
	if !p.Settings().CodepayV3 {
		return merchantNo{}, &apiError{
			http.StatusForbidden, codeNoAuth, "商户未开通该产品权限", "payment by code over APIv3 is by permission; switch codepay_v3 on, or use /pay/micropay",
			internalOther, nil,
		}
	}
	owner, err := p.owner(c, of, "body")
	if err != nil {
		return merchantNo{}, err
	}
	return owner, p.checkApps(c, of)
}

// reverseOrder ends a payment by code that came to no end (WeChat Pay APIv3, 撤销订单).
func (p *Provider) reverseOrder(c *call) (any, *apiError) {
	var r parties
	if err := c.decode(&r); err != nil {
		return nil, err
	}
	owner, err := p.codepayOwner(c, r)
	if err != nil {
		return nil, err
	}
	owner.No = c.http.PathValue("out_trade_no")
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.find(owner)
	if o == nil {
		return nil, orderNotExist()
	}
	if why := p.reverse(o); why != "" {
		return nil, why.apiError()
	}
	return struct {
		parties
		OutTradeNo string `json:"out_trade_no"`
	}{o.parties(), o.OutTradeNo}, nil
}

// apiError is the refusal in APIv3's words.
func (why codeRefusal) apiError() *apiError {
	switch why {
	case codeShort:
		return &apiError{http.StatusForbidden, codeNotEnough, "用户账号余额不足", string(why), internalOther, nil}
	case numberPaid:
		return orderPaid()
	case numberReversed:
		return invalidRequest(internalOrderInvalid, "订单已撤销", string(why))
	case numberUsed:
		return &apiError{http.StatusForbidden, codeOutTradeNoUsed, "商户订单号重复", string(why), internalDifferentRepeat, nil}
	case codeNotKnown, codeHasExpired, codeIsUsed:
		return invalidRequest(internalIllegalParameter, "付款码无效，请扫描微信支付付款码", string(why))
	case reverseShortFunds:
		return &apiError{http.StatusForbidden, codeNotEnough, "商户余额不足，撤销失败", string(why), internalOther, nil}
	}
	return invalidRequest(internalOrderInvalid, "订单不可撤销", string(why))
}
