package wechatpaysim

import (
	"encoding/json"
	"maps"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// prepayFields is the request of one product (WeChat Pay APIv3, 下单: 请求参数).
func prepayFields(product string, partner bool) []field {
	scene := []field{
		required(str("payer_client_ip", 45)), str("device_id", 32),
		group("store_info", required(str("id", 32)), str("name", 256), str("area_code", 32), str("address", 512)),
	}
	fields := append(partyFields(partner),
		required(str("description", 127)),
		required(str("out_trade_no", 32).between(6, tradeNoSymbols)), str("time_expire", 64),
		str("attach", 128).between(0, ""), required(str("notify_url", 255)), str("goods_tag", 32),
		choices("limit_pay", "no_balance", "no_credit", "no_debit", "balance_only"), // of older pages; the official Go SDK still has it
		field{name: "support_fapiao", kind: boolean},
		required(group("amount", required(number("total", 1)), str("currency", 16))),
		group("detail", number("cost_price", 0), str("invoice_id", 32),
			items("goods_detail", required(str("merchant_goods_id", 32).between(1, "_-")), str("wechatpay_goods_id", 32), str("goods_name", 256),
				required(number("quantity", 1)), required(number("unit_price", 0)))),
		group("settle_info", field{name: "profit_sharing", kind: boolean}),
	)
	switch product {
	case JSAPI:
		fields = append(fields, payerField(partner), group("scene_info", scene...))
	case H5:
		fields = append(fields, required(group("scene_info", append(scene, required(h5Info()))...)))
	default:
		fields = append(fields, group("scene_info", scene...))
	}
	return fields
}

// h5Info describes the page or app that opens the cashier.
func h5Info() field {
	return group("h5_info", required(enum("type", "iOS", "Android", "Wap")), str("app_name", 64), str("app_url", 128), str("bundle_id", 128), str("package_name", 128))
}

// detailBytesMax is the largest encoded detail object.
const detailBytesMax = 6144

type prepayRequest struct {
	parties
	Description string `json:"description"`
	OutTradeNo  string `json:"out_trade_no"`
	TimeExpire  string `json:"time_expire"`
	Attach      string `json:"attach"`
	NotifyURL   string `json:"notify_url"`
	Amount      struct {
		Total    int64  `json:"total"`
		Currency string `json:"currency"`
	} `json:"amount"`
	Payer     payer `json:"payer"`
	SceneInfo struct {
		PayerClientIP string `json:"payer_client_ip"`
		DeviceID      string `json:"device_id"`
	} `json:"scene_info"`
	SettleInfo struct {
		ProfitSharing bool `json:"profit_sharing"`
	} `json:"settle_info"`
}

type prepayAnswer struct {
	PrepayID string `json:"prepay_id,omitempty"`
	CodeURL  string `json:"code_url,omitempty"`
	H5URL    string `json:"h5_url,omitempty"`
}

// prepay places an order, or gives an unpaid one a fresh credential (WeChat Pay APIv3, 下单).
func (p *Provider) prepay(product string, c *call) (any, *apiError) {
	var r prepayRequest
	if err := c.decode(&r); err != nil {
		return nil, err
	}
	n, err := p.owner(c, r.parties, "body")
	if err != nil {
		return nil, err
	}
	expires, err := p.checkPrepay(product, r, c)
	if err != nil {
		return nil, err
	}
	parameters := repeatable(product, c.fields)

	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now()
	n.No = r.OutTradeNo
	o := p.find(n)
	if o != nil {
		if err := o.repeat(parameters, now); err != nil {
			return nil, err
		}
	} else {
		o = &order{
			SpMchID: n.SpMchID, MchID: n.MchID, OutTradeNo: n.No, Product: product, AppID: r.app(), SubAppID: r.SubAppID, Description: r.Description, Attach: r.Attach,
			NotifyURL: r.NotifyURL, OpenID: r.Payer.OpenID + r.Payer.SpOpenID, SubOpenID: r.Payer.SubOpenID, DeviceID: r.SceneInfo.DeviceID, ProfitSharing: r.SettleInfo.ProfitSharing,
			Total: r.Amount.Total, Currency: "CNY", Parameters: parameters, PublicKey: c.serial == p.identity.PublicKeyID,
			CreatedAt: now, ExpiresAt: lifetime(now, expires, p.settings.OrderLifeMax.Std()), State: NotPay,
		}
		p.orders[n] = o
	}
	p.renew(o, now)
	p.put(recordOrder, o.key().String(), o)
	return o.prepayAnswer(), nil
}

// prepayAnswer shows the credential of the order's product.
func (o *order) prepayAnswer() prepayAnswer {
	switch o.Product {
	case Native:
		return prepayAnswer{CodeURL: o.Credential.CodeURL}
	case H5:
		return prepayAnswer{H5URL: o.Credential.H5URL}
	}
	return prepayAnswer{PrepayID: o.Credential.PrepayID}
}

// repeat says what stands against a second call under the same number.
func (o *order) repeat(parameters string, now time.Time) *apiError {
	switch {
	case o.State == Closed:
		return orderClosed()
	case o.paid():
		return orderPaid()
	case o.Parameters != parameters:
		return invalidRequest(internalDifferentRepeat, "请求重入时，参数与首次请求时不一致", "the parameters differ from those of the first request under this out_trade_no")
	case !now.Before(o.ExpiresAt):
		return invalidRequest(internalOrderInvalid, "订单已过期", "the order's time_expire has passed")
	}
	return nil
}

// renew gives the order a fresh credential, which makes the earlier ones useless by default. The caller holds the lock.
func (p *Provider) renew(o *order, now time.Time) {
	k := credential{
		PrepayID:  unused(p.byCredential, func() string { return p.newPrepayID(now) }),
		ExpiresAt: now.Add(credentialLife),
	}
	p.byCredential[k.PrepayID] = o.key()
	switch o.Product {
	case Native:
		k.CodeURL = unused(p.byCredential, p.newCodeURL)
		p.byCredential[k.CodeURL] = o.key()
	case H5:
		k.H5URL = p.h5URL(k.PrepayID)
		k.ExpiresAt = now.Add(h5Life)
	}
	if p.settings.OlderPrepayIDs && o.Credential.PrepayID != "" && o.Product != Native { // an older code_url is invalid at once
		o.Older = append(o.Older, o.Credential)
	}
	o.Credential = k
}

// checkPrepay checks what a table of fields cannot say. It returns the requested expiry, or zero.
func (p *Provider) checkPrepay(product string, r prepayRequest, c *call) (time.Time, *apiError) {
	refuse := func(field string, value any, issue string) *apiError {
		return paramError(internalIllegalParameter, fieldDetail{Field: field, Value: value, Issue: issue, Location: "body"})
	}
	if err := p.checkApps(c, r.parties); err != nil {
		return time.Time{}, err
	}
	if r.Amount.Currency != "" && r.Amount.Currency != "CNY" {
		return time.Time{}, refuse("/amount/currency", r.Amount.Currency, "Currency code is invalid")
	}
	if issue := checkNotifyURL(r.NotifyURL); issue != "" {
		return time.Time{}, refuse("/notify_url", r.NotifyURL, issue)
	}
	if detail, ok := c.fields["detail"]; ok && len(encode(detail)) > detailBytesMax {
		return time.Time{}, refuse("/detail", nil, "the object may have 6144 bytes")
	}
	if ip := r.SceneInfo.PayerClientIP; ip != "" {
		if _, err := netip.ParseAddr(ip); err != nil {
			return time.Time{}, refuse("/scene_info/payer_client_ip", ip, "not an IP address")
		}
	}
	if product == JSAPI {
		if err := p.checkPayer(r, c); err != nil {
			return time.Time{}, err
		}
	}
	return requestedExpiry(r.TimeExpire)
}

// openIDShaped reports whether the text looks like an openid: "o" and 27 more characters.
func openIDShaped(openID string) bool { return len(openID) == 28 && openID[0] == 'o' }

// requestedExpiry reads time_expire, or returns zero if there is none.
func requestedExpiry(timeExpire string) (time.Time, *apiError) {
	if timeExpire == "" {
		return time.Time{}, nil
	}
	expires, err := time.Parse(time.RFC3339, timeExpire)
	if err != nil {
		return time.Time{}, paramError(internalIllegalParameter, fieldDetail{
			Field: "/time_expire", Value: timeExpire, Issue: "not RFC 3339, such as 2018-06-08T10:34:56+08:00", Location: "body",
		})
	}
	return expires, nil
}

// checkPayer checks the openids of who is to pay.
func (p *Provider) checkPayer(r prepayRequest, c *call) *apiError {
	if c.isPartner() && r.Payer == (payer{}) {
		return paramError(internalNoOpenID, fieldDetail{Field: "/payer", Issue: "give sp_openid or sub_openid", Location: "body"})
	}
	if r.Payer.SubOpenID != "" && r.SubAppID == "" {
		return paramError(internalIllegalParameter, fieldDetail{Field: "/payer/sub_openid", Issue: "give sub_appid, whose openid it is", Location: "body"})
	}
	if !p.Settings().StrictOpenID {
		return nil
	}
	for _, id := range []struct{ name, value string }{{"openid", r.Payer.OpenID}, {"sp_openid", r.Payer.SpOpenID}, {"sub_openid", r.Payer.SubOpenID}} {
		if id.value != "" && !openIDShaped(id.value) {
			return paramError(internalNoOpenID, fieldDetail{Field: "/payer/" + id.name, Value: id.value, Issue: "not an openid of this appid", Location: "body"})
		}
	}
	return nil
}

// lifetime turns the requested expiry into the real one, at most longest from now.
func lifetime(now, requested time.Time, longest time.Duration) time.Time {
	if requested.IsZero() {
		return now.Add(orderLifeDefault)
	}
	earliest, latest := now.Add(orderLifeMin), now.Add(longest)
	switch {
	case requested.Before(earliest):
		return earliest
	case requested.After(latest):
		return latest
	}
	return requested.UTC()
}

// repeatable writes what must be equal in a repeated call: everything but time_expire, which only the first call sets.
func repeatable(product string, fields map[string]any) string {
	same := maps.Clone(fields)
	delete(same, "time_expire")
	if amount, ok := same["amount"].(map[string]any); ok {
		same["amount"] = map[string]any{"total": amount["total"], "currency": "CNY"}
	}
	encoded, err := json.Marshal(same) // maps are written in the order of their keys
	if err != nil {
		panic(err) // unreachable: the value came out of JSON
	}
	return product + string(encoded)
}

// checkNotifyURL returns what is wrong with the address, or nothing (WeChat Pay APIv3, 通知地址规则). Unlike the provider,
// the sandbox calls loopback and private addresses.
func checkNotifyURL(address string) string {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return "give an absolute https:// or http:// URL"
	case strings.Contains(address, "?") || strings.Contains(address, "#"):
		return "the URL must not have a query string or fragment"
	case u.User != nil:
		return "the URL must not hold a user or password"
	case strings.Trim(u.Path, "/") == "":
		return "the URL needs a path"
	}
	return ""
}
