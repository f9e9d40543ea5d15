package wechatpay

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// JSAPIInvocation is what the front end passes on to open the cashier: WeixinJSBridge takes all of it,
// wx.requestPayment of a mini program all but appId, wx.chooseWXPay the same with timeStamp under the
// name timestamp. Its result on the front end never proves payment.
type JSAPIInvocation struct {
	AppID     string `json:"appId"`
	TimeStamp string `json:"timeStamp"` // Unix seconds
	NonceStr  string `json:"nonceStr"`
	Package   string `json:"package"` // prepay_id=...
	SignType  string `json:"signType"`
	PaySign   string `json:"paySign"`
}

// AppInvocation is the PayReq of the app's OpenSDK.
type AppInvocation struct {
	AppID        string `json:"appId"`
	PartnerID    string `json:"partnerId"`
	PrepayID     string `json:"prepayId"`
	PackageValue string `json:"packageValue"` // Sign=WXPay
	NonceStr     string `json:"nonceStr"`
	TimeStamp    string `json:"timeStamp"` // Unix seconds
	Sign         string `json:"sign"`
}

// SignJSAPI signs the parameters that open the cashier in the WeChat browser and in mini programs
// (WeChat Pay APIv3, JSAPI调起支付, 小程序调起支付). appID must be that of the prepay call: in partner mode the service
// provider's where the page is its own, the sub-merchant's where it is the sub-merchant's. Sign anew for each
// invocation; a prepay id lives two hours.
func (c *Client) SignJSAPI(appID, prepayID string) (JSAPIInvocation, error) {
	if err := checkInvocation(appID, prepayID); err != nil {
		return JSAPIInvocation{}, failed("sign jsapi", OutcomeRefused, err)
	}
	return c.signJSAPI(appID, prepayID, c.now().Unix(), newNonce())
}

func (c *Client) signJSAPI(appID, prepayID string, timestamp int64, nonce string) (JSAPIInvocation, error) {
	in := JSAPIInvocation{
		AppID: appID, TimeStamp: strconv.FormatInt(timestamp, 10), NonceStr: nonce,
		Package: "prepay_id=" + prepayID, SignType: c.signType,
	}
	sign, err := c.signLines(in.AppID, in.TimeStamp, in.NonceStr, in.Package)
	if err != nil {
		return JSAPIInvocation{}, failed("sign jsapi", OutcomeRetry, err)
	}
	in.PaySign = sign
	return in, nil
}

// SignApp signs the parameters that open the cashier in an app (WeChat Pay APIv3, APP调起支付). The
// rules of [Client.SignJSAPI] hold; here the bare prepay id is signed. The partnerId is of the merchant whose app
// appID is.
func (c *Client) SignApp(appID, prepayID string) (AppInvocation, error) {
	if err := checkInvocation(appID, prepayID); err != nil {
		return AppInvocation{}, failed("sign app", OutcomeRefused, err)
	}
	return c.signApp(appID, prepayID, c.now().Unix(), newNonce())
}

func (c *Client) signApp(appID, prepayID string, timestamp int64, nonce string) (AppInvocation, error) {
	partnerID := c.merchant.mchID
	if c.isPartner() && appID == c.sub.AppID {
		partnerID = c.sub.MchID
	}
	in := AppInvocation{
		AppID: appID, PartnerID: partnerID, PrepayID: prepayID, PackageValue: "Sign=WXPay",
		NonceStr: nonce, TimeStamp: strconv.FormatInt(timestamp, 10),
	}
	sign, err := c.signLines(in.AppID, in.TimeStamp, in.NonceStr, in.PrepayID)
	if err != nil {
		return AppInvocation{}, failed("sign app", OutcomeRetry, err)
	}
	in.Sign = sign
	return in, nil
}

func (c *Client) signLines(lines ...string) (string, error) {
	signature, err := c.merchant.sign(SignedText{Body: []byte(strings.Join(lines, "\n"))})
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(signature), nil
}

func checkInvocation(appID, prepayID string) error {
	var v validation
	v.text("appid", appID, 1, 32)
	v.text("prepay_id", prepayID, 1, 64)
	if strings.ContainsAny(appID+prepayID, "\n= ") {
		v.add("prepay_id", "must be the bare id, without prepay_id=")
	}
	return v.err()
}
