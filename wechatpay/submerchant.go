package wechatpay

import "net/url"

// SubMerchant is a merchant that a service provider acts for (服务商模式: 特约商户, 子商户).
type SubMerchant struct {
	// MchID is the sub-merchant's number, sub_mchid, digits; required.
	MchID string
	// AppID is the sub-merchant's own app, sub_appid. Zero: it has none, or uses the service provider's.
	AppID string
}

// ForSubMerchant returns a Client that makes every call in partner mode (服务商模式) for the sub-merchant: the Config's
// merchant is then the service provider (sp_mchid), whose key signs, and a request's AppID is sp_appid. Keys,
// connections and limits are shared with c, so a Client may be made for each call. Mistakes are joined
// *[FieldError] values.
func (c *Client) ForSubMerchant(sub SubMerchant) (*Client, error) {
	var v validation
	v.digits("SubMerchant.MchID", sub.MchID, 1, 32)
	if sub.MchID == c.merchant.mchID { // 服务商模式: sub_mchid 不能与 sp_mchid 相同
		v.add("SubMerchant.MchID", "must not be the service provider's own number")
	}
	v.text("SubMerchant.AppID", sub.AppID, 0, 32)
	if err := v.err(); err != nil {
		return nil, failed("sub-merchant", OutcomeRefused, err)
	}
	return &Client{core: c.core, sub: sub}, nil
}

// isPartner reports partner mode.
func (c *Client) isPartner() bool { return c.sub.MchID != "" }

// parties are the apps and merchants of a request or an answer: appid and mchid, or in partner mode the service
// provider's and the sub-merchant's (WeChat Pay APIv3, 服务商模式).
type parties struct {
	AppID    string `json:"appid,omitempty"`
	MchID    string `json:"mchid,omitempty"`
	SpAppID  string `json:"sp_appid,omitempty"`
	SpMchID  string `json:"sp_mchid,omitempty"`
	SubAppID string `json:"sub_appid,omitempty"`
	SubMchID string `json:"sub_mchid,omitempty"`
}

func (p *parties) isPartner() bool { return p.SubMchID != "" }

// appID wants the caller's app under the name it has in the mode.
func (v *validation) appID(p *parties) {
	if p.isPartner() {
		v.text("sp_appid", p.SpAppID, 1, 32)
		return
	}
	v.text("appid", p.AppID, 1, 32)
}

// parties are those of a request that names the caller's app.
func (c *Client) parties(appID string) parties {
	if !c.isPartner() {
		return parties{AppID: appID, MchID: c.merchant.mchID}
	}
	return parties{SpAppID: appID, SpMchID: c.merchant.mchID, SubAppID: c.sub.AppID, SubMchID: c.sub.MchID}
}

// merchants are the parties of a request without apps.
func (c *Client) merchants() parties {
	if !c.isPartner() {
		return parties{MchID: c.merchant.mchID}
	}
	return parties{SpMchID: c.merchant.mchID, SubMchID: c.sub.MchID}
}

// merchantsQuery is merchants as a query string.
func (c *Client) merchantsQuery() string {
	if !c.isPartner() {
		return "?mchid=" + url.QueryEscape(c.merchant.mchID)
	}
	return "?sp_mchid=" + url.QueryEscape(c.merchant.mchID) + "&sub_mchid=" + url.QueryEscape(c.sub.MchID)
}

// subMerchantQuery names the sub-merchant to endpoints whose path is the same in both modes; empty in merchant mode.
func (c *Client) subMerchantQuery() string {
	if !c.isPartner() {
		return ""
	}
	return "?sub_mchid=" + url.QueryEscape(c.sub.MchID)
}

// transactionsTarget is where orders are placed, queried and closed.
func (c *Client) transactionsTarget() string {
	if !c.isPartner() {
		return "/v3/pay/transactions/"
	}
	return "/v3/pay/partner/transactions/"
}

// hasMerchantsOf reports that order belongs to the merchants this Client speaks for.
func (c *Client) hasMerchantsOf(order *Order) bool {
	if !c.isPartner() {
		return order.MchID == c.merchant.mchID
	}
	return order.SpMchID == c.merchant.mchID && order.SubMchID == c.sub.MchID
}
