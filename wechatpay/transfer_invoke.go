package wechatpay

import "net/url"

// TransferInvocation is what the front end passes on to open the page where the user confirms a transfer: to
// WeixinJSBridge and wx of a mini program under the name requestMerchantTransfer. It carries no signature; Package is
// the credential. Its result on the front end never proves that the user has the money.
type TransferInvocation struct {
	MchID    string `json:"mchId"`
	SubMchID string `json:"subMchId,omitempty"`
	AppID    string `json:"appId,omitempty"`
	SubAppID string `json:"subAppId,omitempty"`
	Package  string `json:"package"`
}

// Query is the invocation as the query of WXOpenBusinessView, which an app's OpenSDK opens with the business type
// requestMerchantTransfer (WeChat Pay APIv3, APP调起用户确认收款).
func (i TransferInvocation) Query() string {
	values := url.Values{"mchId": {i.MchID}, "package": {i.Package}}
	for name, value := range map[string]string{"subMchId": i.SubMchID, "appId": i.AppID, "subAppId": i.SubAppID} {
		if value != "" {
			values.Set(name, value)
		}
	}
	return values.Encode()
}

// InvokeTransfer gives the parameters that open the page (WeChat Pay APIv3, JSAPI调起用户确认收款). appID must be that of
// [Client.CreateTransfer], packageInfo what it answered. The page may be opened again, with the same, until the transfer
// is final. In partner mode the sub-merchant is named, and appID too where it is the sub-merchant's.
func (c *Client) InvokeTransfer(appID, packageInfo string) (TransferInvocation, error) {
	var v validation
	v.text("appid", appID, 1, 32)
	v.text("package_info", packageInfo, 1, 4096)
	if err := v.err(); err != nil {
		return TransferInvocation{}, failed("invoke transfer", OutcomeRefused, err)
	}
	in := TransferInvocation{MchID: c.merchant.mchID, SubMchID: c.sub.MchID, AppID: appID, Package: packageInfo}
	if appID == c.sub.AppID {
		in.AppID, in.SubAppID = "", appID
	}
	return in, nil
}
