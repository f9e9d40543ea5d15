package wechatpaysim

import "strconv"

func v2CodeOperations() []v2Operation {
	micropay := []v2Field{
		v2Need("body", 128), v2NeedOwn("out_trade_no", 32), v2Amount("total_fee"), v2Need("spbill_create_ip", 64), v2Need("auth_code", 128),
		v2Text("attach", 127), v2Text("detail", 6000), v2Text("goods_tag", 32), v2Text("limit_pay", 32), v2Text("time_start", 14), v2Text("time_expire", 14),
		v2Text("receipt", 8), v2Text("profit_sharing", 16), v2Text("scene_info", 256), v2Text("device_info", 32), v2Text("fee_type", 16),
	}
	return []v2Operation{
		{"v2_micropay", "/pay/micropay", false, "codepay", micropay, (*Provider).microPay},
		{"v2_reverse", "/secapi/pay/reverse", true, "", []v2Field{v2Text("transaction_id", 32), v2Own("out_trade_no", 32)}, (*Provider).reverseV2},
		{"v2_authcodetoopenid", "/tools/authcodetoopenid", false, "", []v2Field{v2Need("auth_code", 128)}, (*Provider).openIDOfCode},
	}
}

// microPay takes money by a payment code (WeChat Pay APIv2, 付款码支付).
func (p *Provider) microPay(c *v2Call) (v2Message, *v2Error) {
	m := c.message
	if err := checkPurchaseV2(m); err != nil {
		return nil, err
	}
	if !isAuthCode(m["auth_code"]) {
		return nil, &v2Error{v2AuthCodeError, "付款码不正确"}
	}
	total, _ := strconv.ParseInt(m["total_fee"], 10, 64) // checked before
	p.mu.Lock()
	defer p.mu.Unlock()
	o, why := p.takeByCode(codeOrder{
		owner: c.number(m["out_trade_no"]), appID: m["appid"], subAppID: m["sub_appid"], description: m["body"], attach: m["attach"],
		deviceID: m["device_info"], authCode: m["auth_code"], total: total, profitSharing: m["profit_sharing"] == "Y", parameters: repeatableV2(m),
	})
	switch {
	case why != "":
		return nil, why.v2Error()
	case o.State == UserPaying:
		return nil, &v2Error{v2UserPaying, "需要用户输入支付密码"}
	case !o.paid():
		return nil, &v2Error{v2TradeError, "交易失败，请用户换一种支付方式"}
	}
	return o.messageV2(), nil
}

// isAuthCode tells a payment code by its shape: 18 digits that begin with 10 to 15.
func isAuthCode(code string) bool {
	n, err := strconv.ParseUint(code, 10, 64)
	const unit = 1e16
	return err == nil && len(code) == 18 && n/unit >= 10 && n/unit <= 15
}

// reverseV2 ends a payment by code that came to no end (WeChat Pay APIv2, 撤销订单).
func (p *Provider) reverseV2(c *v2Call) (v2Message, *v2Error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o, err := p.orderAloneV2(c)
	if err != nil {
		return v2Message{"recall": "N"}, err
	}
	if o.Product == Codepay && o.V2Recalls < p.settings.V2.ReverseRecalls {
		o.V2Recalls++
		p.put(recordOrder, o.key().String(), o)
		return v2Message{"recall": "Y"}, nil
	}
	switch why := p.reverse(o); why {
	case "":
		return v2Message{"recall": "N"}, nil
	case reverseTooEarly:
		return v2Message{"recall": "Y"}, why.v2Error()
	default:
		return v2Message{"recall": "N"}, why.v2Error()
	}
}

// openIDOfCode tells who shows a code, without using it up (WeChat Pay APIv2, 付款码查询openid).
func (p *Provider) openIDOfCode(c *v2Call) (v2Message, *v2Error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	code := p.paymentCodes[c.message["auth_code"]]
	switch {
	case code == nil:
		return nil, codeNotKnown.v2Error()
	case !p.clock.Now().Before(code.ExpiresAt):
		return nil, codeHasExpired.v2Error()
	}
	return v2Message{"openid": code.OpenID}, nil
}

// v2Error is the refusal in APIv2's words.
func (why codeRefusal) v2Error() *v2Error {
	switch why {
	case codeNotKnown:
		return &v2Error{v2AuthCodeInvalid, "请扫描微信支付被扫条码/二维码"}
	case codeHasExpired, codeIsUsed:
		return &v2Error{v2AuthCodeExpire, "二维码已过期，请用户在微信上刷新后再试"}
	case codeShort:
		return &v2Error{v2NotEnough, "余额不足"}
	case numberPaid:
		return &v2Error{v2OrderPaid, "商户订单已支付"}
	case numberReversed:
		return &v2Error{v2OrderReversed, "当前订单已经被撤销"}
	case numberUsed:
		return &v2Error{v2OutTradeNoUsed, "商户订单号重复"}
	case reverseTooLate:
		return &v2Error{v2ReverseExpire, "订单无法撤销，超过7天"}
	case reverseShortFunds:
		return &v2Error{v2NotEnough, "商户余额不足，撤销失败"}
	case reverseNotCode:
		return &v2Error{v2InvalidRequest, "只有付款码支付的订单可以撤销"}
	}
	return &v2Error{v2TradeError, "订单不可撤销"}
}
