package wechatpayv2

import (
	"strconv"
	"strings"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

// SignJSAPI signs the parameters that open the cashier in the WeChat browser and in mini programs (WeChat Pay APIv2, JSAPI调起支付).
// appID must be that of the page: Config.AppID, or the sub-merchant's. Sign anew for each invocation; a prepay id lives two
// hours. What the payer's device reports proves nothing.
func (c *Client) SignJSAPI(appID, prepayID string) (wechatpay.JSAPIInvocation, error) {
	if err := checkInvocation(appID, prepayID); err != nil {
		return wechatpay.JSAPIInvocation{}, failed("sign jsapi", wechatpay.OutcomeRefused, err)
	}
	in := wechatpay.JSAPIInvocation{
		AppID: appID, TimeStamp: strconv.FormatInt(c.now().Unix(), 10), NonceStr: newNonce(),
		Package: "prepay_id=" + prepayID, SignType: string(c.signType),
	}
	in.PaySign = c.key.sign(Fields{
		"appId": in.AppID, "timeStamp": in.TimeStamp, "nonceStr": in.NonceStr, "package": in.Package, "signType": in.SignType,
	}, c.signType)
	return in, nil
}

// SignApp signs the parameters that open the cashier in an app (WeChat Pay APIv2, APP调起支付). The rules of [Client.SignJSAPI] hold;
// the order must have been placed with the same SignType.
func (c *Client) SignApp(appID, prepayID string) (wechatpay.AppInvocation, error) {
	if err := checkInvocation(appID, prepayID); err != nil {
		return wechatpay.AppInvocation{}, failed("sign app", wechatpay.OutcomeRefused, err)
	}
	in := wechatpay.AppInvocation{
		AppID: appID, PartnerID: c.mchID, PrepayID: prepayID, PackageValue: "Sign=WXPay",
		NonceStr: newNonce(), TimeStamp: strconv.FormatInt(c.now().Unix(), 10),
	}
	if c.sub.AppID != "" && appID == c.sub.AppID {
		in.PartnerID = c.sub.MchID
	}
	in.Sign = c.key.sign(Fields{
		"appid": in.AppID, "partnerid": in.PartnerID, "prepayid": in.PrepayID, "package": in.PackageValue,
		"noncestr": in.NonceStr, "timestamp": in.TimeStamp,
	}, c.signType)
	return in, nil
}

func checkInvocation(appID, prepayID string) error {
	var v validation
	v.text("appid", appID, 1, 32)
	v.text("prepay_id", prepayID, 1, 64)
	if strings.ContainsAny(appID+prepayID, "=& ") {
		v.add("prepay_id", "must be the bare id, without prepay_id=")
	}
	return v.err()
}
