package wechatpaysim

import (
	"encoding/json"
	"maps"
	"net/netip"
	"strconv"
	"time"
)

func v2OrderOperations() []v2Operation {
	unified := []v2Field{
		v2Need("body", 128), v2NeedOwn("out_trade_no", 32), v2Amount("total_fee"), v2Need("spbill_create_ip", 64), v2Need("notify_url", 256),
		v2Need("trade_type", 16), v2Text("openid", 128), v2Text("sub_openid", 128), v2Text("product_id", 32), v2Text("device_info", 32),
		v2Text("detail", 6000), v2Text("attach", 127), v2Text("fee_type", 16), v2Text("time_start", 14), v2Text("time_expire", 14),
		v2Text("goods_tag", 32), v2Text("limit_pay", 32), v2Text("receipt", 8), v2Text("profit_sharing", 16), v2Text("scene_info", 256),
	}
	return []v2Operation{
		{"v2_unifiedorder", "/pay/unifiedorder", false, "prepay", unified, (*Provider).unifiedOrder},
		{"v2_orderquery", "/pay/orderquery", false, "", []v2Field{v2Text("transaction_id", 32), v2Own("out_trade_no", 32)}, (*Provider).queryOrderV2},
		{"v2_closeorder", "/pay/closeorder", false, "", []v2Field{v2NeedOwn("out_trade_no", 32)}, (*Provider).closeOrderV2},
	}
}

// unifiedOrder places an order, or gives an unpaid one a fresh credential (WeChat Pay APIv2, 统一下单).
func (p *Provider) unifiedOrder(c *v2Call) (v2Message, *v2Error) {
	m := c.message
	product, err := checkUnified(m)
	if err != nil {
		return nil, err
	}
	expires, err := v2Expiry(m["time_expire"])
	if err != nil {
		return nil, err
	}
	parameters := repeatableV2(m)

	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now()
	n := c.number(m["out_trade_no"])
	o := p.find(n)
	if o != nil {
		if err := o.repeat(parameters, now); err != nil {
			if err.internal == internalDifferentRepeat {
				return nil, &v2Error{v2OutTradeNoUsed, "商户订单号重复"}
			}
			return nil, v2ErrorOf(err)
		}
	} else {
		o = newOrderV2(c, product, now)
		o.NotifyURL, o.OpenID, o.Parameters, o.ExpiresAt = m["notify_url"], m["openid"], parameters, lifetime(now, expires, p.settings.OrderLifeMax.Std())
		p.orders[n] = o
	}
	p.renew(o, now)
	p.put(recordOrder, o.key().String(), o)
	return v2Message{
		"trade_type": m["trade_type"], "prepay_id": o.Credential.PrepayID, "code_url": o.Credential.CodeURL, "mweb_url": o.Credential.H5URL,
		"device_info": m["device_info"],
	}, nil
}

// newOrderV2 is an unpaid order as a request of APIv2 describes it.
func newOrderV2(c *v2Call, product string, now time.Time) *order {
	m := c.message
	total, _ := strconv.ParseInt(m["total_fee"], 10, 64) // checked before
	return &order{
		SpMchID: c.owner.SpMchID, MchID: c.owner.MchID, OutTradeNo: m["out_trade_no"], Product: product, AppID: m["appid"], Description: m["body"],
		Attach: m["attach"], DeviceID: m["device_info"], SubAppID: m["sub_appid"], ProfitSharing: m["profit_sharing"] == "Y", Total: total, Currency: "CNY",
		V2SignType: c.signType(), CreatedAt: now, State: NotPay,
	}
}

// checkUnified checks what a table of fields cannot say, and returns the product.
func checkUnified(m v2Message) (product string, err *v2Error) {
	product = map[string]string{"JSAPI": JSAPI, "NATIVE": Native, "APP": App, "MWEB": H5}[m["trade_type"]]
	switch {
	case product == "":
		return "", &v2Error{v2ParamError, "trade_type参数格式有误"}
	case product == JSAPI && m["openid"] == "" && m["sub_openid"] == "":
		return "", &v2Error{v2ParamError, "JSAPI支付必须传openid"}
	case product == Native && m["product_id"] == "":
		return "", &v2Error{v2ParamError, "NATIVE支付必须传product_id"}
	case product == H5 && m["scene_info"] == "":
		return "", &v2Error{v2ParamError, "MWEB支付必须传scene_info"}
	}
	if issue := checkNotifyURL(m["notify_url"]); issue != "" {
		return "", &v2Error{v2ParamError, "notify_url参数格式有误: " + issue}
	}
	return product, checkPurchaseV2(m)
}

// checkPurchaseV2 checks what every purchase has.
func checkPurchaseV2(m v2Message) *v2Error {
	if _, err := netip.ParseAddr(m["spbill_create_ip"]); err != nil {
		return &v2Error{v2ParamError, "spbill_create_ip参数格式有误"}
	}
	if fee := m["fee_type"]; fee != "" && fee != "CNY" {
		return &v2Error{v2ParamError, "fee_type参数格式有误"}
	}
	if m["total_fee"] == "0" {
		return &v2Error{v2ParamError, "total_fee参数格式有误"}
	}
	return nil
}

// v2Expiry reads time_expire; zero if there is none.
func v2Expiry(text string) (time.Time, *v2Error) {
	if text == "" {
		return time.Time{}, nil
	}
	expires, err := time.ParseInLocation("20060102150405", text, chinaZone())
	if err != nil {
		return time.Time{}, &v2Error{v2ParamError, "time_expire参数格式有误"}
	}
	return expires, nil
}

// repeatableV2 writes what must be equal in a repeated call.
func repeatableV2(m v2Message) string {
	same := maps.Clone(m)
	for _, name := range []string{"nonce_str", "sign", "sign_type", "time_start", "time_expire", "spbill_create_ip"} {
		delete(same, name)
	}
	maps.DeleteFunc(same, func(_, value string) bool { return value == "" })
	encoded, err := json.Marshal(same) // maps are written in the order of their keys
	if err != nil {
		panic(err) // unreachable: strings encode
	}
	return "v2" + string(encoded)
}

// orderV2 finds the order that a request names; transaction_id wins. The caller holds the lock.
func (p *Provider) orderV2(c *v2Call) (*order, *v2Error) {
	if c.message["transaction_id"] == "" && c.message["out_trade_no"] == "" {
		return nil, &v2Error{v2ParamError, "transaction_id和out_trade_no不能同时为空"}
	}
	var o *order
	if id := c.message["transaction_id"]; id != "" {
		if o = p.byTransaction[id]; o != nil && c.number(o.OutTradeNo) != o.key() {
			o = nil
		}
	} else {
		o = p.find(c.number(c.message["out_trade_no"]))
	}
	if o == nil {
		return nil, orderNotExistV2()
	}
	return o, nil
}

// orderAloneV2 is orderV2 for the calls that do not know the orders of combined payments (合单支付). The caller holds the lock.
func (p *Provider) orderAloneV2(c *v2Call) (*order, *v2Error) {
	o, err := p.orderV2(c)
	if err == nil && o.partOfCombine() {
		return nil, orderNotExistV2()
	}
	return o, err
}

// queryOrderV2 answers an order, whichever protocol placed it (WeChat Pay APIv2, 查询订单).
func (p *Provider) queryOrderV2(c *v2Call) (v2Message, *v2Error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o, err := p.orderAloneV2(c)
	if err != nil {
		return nil, err
	}
	answer := o.messageV2()
	answer["trade_state"], answer["trade_state_desc"] = o.State, stateText(o.State)
	return answer, nil
}

// messageV2 is the order in the words of APIv2; what is only known after payment is missing before.
func (o *order) messageV2() v2Message {
	m := v2Message{"out_trade_no": o.OutTradeNo, "total_fee": fenText(o.Total), "attach": o.Attach, "device_info": o.DeviceID}
	if o.TransactionID == "" {
		return m
	}
	maps.Copy(m, v2Message{
		"transaction_id": o.TransactionID, "openid": o.PayerOpenID, "is_subscribe": "N", "trade_type": o.tradeType(), "bank_type": o.BankType,
		"fee_type": o.Currency, "cash_fee": fenText(o.Total - o.Coupon), "cash_fee_type": o.Currency, "time_end": v2Time(o.SuccessAt),
	})
	if o.Coupon > 0 {
		maps.Copy(m, v2Message{
			"settlement_total_fee": fenText(o.Total), "coupon_fee": fenText(o.Coupon), "coupon_count": "1",
			"coupon_id_0": "109519", "coupon_type_0": "CASH", "coupon_fee_0": fenText(o.Coupon),
		})
	}
	return m
}

func fenText(amount int64) string { return strconv.FormatInt(amount, 10) }

// closeOrderV2 closes an unpaid order (WeChat Pay APIv2, 关闭订单).
func (p *Provider) closeOrderV2(c *v2Call) (v2Message, *v2Error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o, err := p.orderAloneV2(c)
	switch {
	case err != nil:
		return nil, err
	case o.Product == Codepay:
		return nil, &v2Error{v2TradeError, "付款码订单不能关闭，请调用撤销接口"}
	case o.paid():
		return nil, &v2Error{v2OrderPaid, "订单已支付"}
	case o.State == Closed:
		return nil, &v2Error{v2OrderClosed, "订单已关闭"}
	}
	o.State, o.ClosedAt = Closed, p.clock.Now()
	p.put(recordOrder, o.key().String(), o)
	return v2Message{"result_msg": "OK"}, nil
}
