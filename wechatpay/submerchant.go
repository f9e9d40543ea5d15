package wechatpay

// SubMerchant is a merchant that a service provider acts for (服务商模式: 特约商户, 子商户).
type SubMerchant struct {
	// MchID is the sub-merchant's number, sub_mchid; required.
	MchID string
	// AppID is the sub-merchant's own app, sub_appid. Zero: it has none, or uses the service provider's.
	AppID string
}

// ForSubMerchant returns a Client that makes every call in partner mode (服务商模式) for the sub-merchant: the Config's
// merchant is then the service provider (sp_mchid), whose key signs, and a request's AppID is sp_appid. Keys,
// connections and limits are shared with c. An unusable SubMerchant is an error of the first call.
func (c *Client) ForSubMerchant(sub SubMerchant) *Client {
	return &Client{core: c.core, sub: sub}
}
