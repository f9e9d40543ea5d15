package wechatpay

import (
	"context"
	"net/http"
	"time"
)

const combineTarget = "/v3/combine-transactions/"

// CombineNativeRequest is a combined payment by scanning a QR code (WeChat Pay APIv3, 合单支付: Native下单).
// Its mode is that of its sub orders: with SubMchID it is in partner mode (服务商模式).
type CombineNativeRequest struct {
	CombineAppID      string            // wx..., bound to the initiator and to every receiver; required
	CombineOutTradeNo CombineOutTradeNo // required
	NotifyURL         string            // as in [NativeRequest]; one notification tells all sub orders
	SubOrders         []SubOrderRequest // 2-10, in partner mode 1-50
	TimeExpire        time.Time         // last moment to pay, at most 7 days ahead; zero: the provider's default
	SceneInfo         *CombineSceneInfo // where the payer is
}

// CombineAppRequest is a combined payment in an app (WeChat Pay APIv3, 合单支付: APP下单); the fields of
// [CombineNativeRequest].
type CombineAppRequest CombineNativeRequest

// CombineJSAPIRequest is a combined payment in the WeChat browser or a mini program (WeChat Pay APIv3,
// 合单支付: JSAPI下单, 小程序下单); the fields of [CombineNativeRequest] and the payer.
type CombineJSAPIRequest struct {
	CombineAppID      string
	CombineOutTradeNo CombineOutTradeNo
	NotifyURL         string
	SubOrders         []SubOrderRequest
	CombinePayerInfo  CombinePayerInfo // required
	TimeExpire        time.Time
	SceneInfo         *CombineSceneInfo
}

// CombineH5Request is a combined payment from another mobile browser (WeChat Pay APIv3, 合单支付: H5下单); the
// fields of [CombineNativeRequest], with a scene.
type CombineH5Request struct {
	CombineAppID      string
	CombineOutTradeNo CombineOutTradeNo
	NotifyURL         string
	SubOrders         []SubOrderRequest
	SceneInfo         CombineH5SceneInfo // required
	TimeExpire        time.Time
}

// SubOrderRequest is one order of a combined payment. Several may be of the same merchant, and the initiator
// may be one of them.
type SubOrderRequest struct {
	// MchID is the receiver, with the permission to receive combined payments (接收合单支付). In partner mode the
	// service provider; zero there: the Client's merchant.
	MchID string `json:"mchid"`
	// SubMchID is the receiver in partner mode: of all sub orders or of none.
	SubMchID    string        `json:"sub_mchid,omitempty"`
	SubAppID    string        `json:"sub_appid,omitempty"` // SubMchID's own app
	OutTradeNo  string        `json:"out_trade_no"`        // unique for ever per receiver; 6-32 of letters, digits and _ - | *
	Amount      CombineAmount `json:"amount"`
	Attach      string        `json:"attach"`      // required here, unlike elsewhere; 1-128 characters
	Description string        `json:"description"` // shown to the payer; 1-127 characters
	GoodsTag    string        `json:"goods_tag,omitempty"`
	SettleInfo  *SettleInfo   `json:"settle_info,omitempty"` // profit sharing of this sub order
}

// CombineAmount is what a sub order costs.
type CombineAmount struct {
	// TotalAmount is in fen, 1 to 1,000,000,000.
	TotalAmount int64 `json:"total_amount"`
	// Currency is CNY. Zero: CNY.
	Currency string `json:"currency"`
}

// CombinePayerInfo is who may pay, and who paid.
type CombinePayerInfo struct {
	// OpenID is the payer's identity within CombineAppID.
	OpenID string `json:"openid,omitempty"`
	// SubOpenID is the payer's identity within a sub order's SubAppID: partner mode, in place of OpenID.
	SubOpenID string `json:"sub_openid,omitempty"`
}

// CombineSceneInfo says where the payer is.
type CombineSceneInfo struct {
	PayerClientIP string `json:"payer_client_ip"`     // required
	DeviceID      string `json:"device_id,omitempty"` // at most 16 characters
}

// CombineH5SceneInfo is a [CombineSceneInfo] with the kind of browser.
type CombineH5SceneInfo struct {
	PayerClientIP string `json:"payer_client_ip"`     // required
	DeviceID      string `json:"device_id,omitempty"` // at most 32 characters; some of the provider's pages require it
	H5Info        H5Info `json:"h5_info"`
}

// PrepayCombineNative places a combined payment and returns the text of its QR code. The same request again
// returns a fresh one; other data under the same number is refused.
func (c *Client) PrepayCombineNative(ctx context.Context, request CombineNativeRequest) (*NativeResponse, error) {
	answer := &NativeResponse{}
	if err := c.prepayCombine(ctx, "native", request.body(), answer); err != nil {
		return nil, err
	}
	return answer, nil
}

// PrepayCombineApp places a combined payment to be paid in an app. Give CombineAppID to [Client.SignApp].
// Repeating is safe as for [Client.PrepayCombineNative].
func (c *Client) PrepayCombineApp(ctx context.Context, request CombineAppRequest) (*AppResponse, error) {
	answer := &AppResponse{}
	if err := c.prepayCombine(ctx, "app", CombineNativeRequest(request).body(), answer); err != nil {
		return nil, err
	}
	return answer, nil
}

// PrepayCombineJSAPI places a combined payment to be paid in the WeChat browser or a mini program. Give
// CombineAppID to [Client.SignJSAPI]. Repeating is safe as for [Client.PrepayCombineNative].
func (c *Client) PrepayCombineJSAPI(ctx context.Context, request CombineJSAPIRequest) (*JSAPIResponse, error) {
	answer := &JSAPIResponse{}
	if err := c.prepayCombine(ctx, "jsapi", request.body(), answer); err != nil {
		return nil, err
	}
	return answer, nil
}

// PrepayCombineH5 places a combined payment to be paid from another mobile browser. Repeating is safe as
// for [Client.PrepayCombineNative].
func (c *Client) PrepayCombineH5(ctx context.Context, request CombineH5Request) (*H5Response, error) {
	answer := &H5Response{}
	if err := c.prepayCombine(ctx, "h5", request.body(), answer); err != nil {
		return nil, err
	}
	return answer, nil
}

// prepayCombine is prepay for a combined payment.
func (c *Client) prepayCombine(ctx context.Context, kind string, order *combineBody, answer prepayAnswer) error {
	name := "prepay combine " + kind
	order.CombineMchID = c.merchant.mchID
	for i := range order.SubOrders {
		sub := &order.SubOrders[i]
		sub.Amount.Currency = orDefault(sub.Amount.Currency, currencyCNY)
		if sub.SubMchID != "" {
			sub.MchID = orDefault(sub.MchID, c.merchant.mchID)
		}
	}
	body, err := order.encode(c.sub)
	if err != nil {
		return failed(name, OutcomeRefused, err)
	}
	return c.do(ctx, call{
		name: name, method: http.MethodPost, target: combineTarget + kind,
		body: body, write: true, timeout: c.writeTimeout, decode: decodeCredential(answer),
	})
}

// combineBody is what travels for every kind.
type combineBody struct {
	CombineAppID      string            `json:"combine_appid"`
	CombineMchID      string            `json:"combine_mchid"`
	CombineOutTradeNo CombineOutTradeNo `json:"combine_out_trade_no"`
	SceneInfo         any               `json:"scene_info,omitempty"`
	SubOrders         []SubOrderRequest `json:"sub_orders"`
	CombinePayerInfo  *CombinePayerInfo `json:"combine_payer_info,omitempty"`
	TimeExpire        string            `json:"time_expire,omitempty"`
	NotifyURL         string            `json:"notify_url"`
}

func (r CombineNativeRequest) body() *combineBody {
	order := &combineBody{
		CombineAppID: r.CombineAppID, CombineOutTradeNo: r.CombineOutTradeNo, NotifyURL: r.NotifyURL,
		SubOrders: append([]SubOrderRequest(nil), r.SubOrders...), TimeExpire: expireText(r.TimeExpire),
	}
	if r.SceneInfo != nil {
		order.SceneInfo = *r.SceneInfo
	}
	return order
}

func (r CombineJSAPIRequest) body() *combineBody {
	order := CombineNativeRequest{
		CombineAppID: r.CombineAppID, CombineOutTradeNo: r.CombineOutTradeNo, NotifyURL: r.NotifyURL,
		SubOrders: r.SubOrders, TimeExpire: r.TimeExpire, SceneInfo: r.SceneInfo,
	}.body()
	order.CombinePayerInfo = &r.CombinePayerInfo
	return order
}

func (r CombineH5Request) body() *combineBody {
	order := CombineNativeRequest{
		CombineAppID: r.CombineAppID, CombineOutTradeNo: r.CombineOutTradeNo, NotifyURL: r.NotifyURL,
		SubOrders: r.SubOrders, TimeExpire: r.TimeExpire,
	}.body()
	order.SceneInfo = r.SceneInfo
	return order
}
