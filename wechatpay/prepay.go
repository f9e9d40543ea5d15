package wechatpay

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// outTradeNoFurther are the characters an out_trade_no may hold besides letters and digits.
const outTradeNoFurther = "_-|*"

// Amount is an amount of money to ask for.
type Amount struct {
	// Total is in fen (1/100 yuan), at least 1.
	Total int64 `json:"total"`
	// Currency is CNY; zero: the provider's default, CNY.
	Currency string `json:"currency,omitempty"`
}

// Payer is who may pay.
type Payer struct {
	// OpenID is the payer's identity within the request's AppID; in partner mode it travels as sp_openid.
	OpenID string `json:"openid"`
	// SubOpenID is the payer's identity within [SubMerchant].AppID, sub_openid; in partner mode, in place of OpenID.
	SubOpenID string `json:"sub_openid,omitempty"`
}

// NativeRequest is an order paid by scanning a QR code (WeChat Pay APIv3, Native下单). Lengths are in
// characters of at most three UTF-8 bytes.
type NativeRequest struct {
	AppID       string       // wx..., bound to the merchant number; required
	Description string       // shown to the payer; 1-127 characters
	OutTradeNo  string       // the merchant's number, unique for ever; 6-32 of letters, digits and _ - | *
	NotifyURL   string       // absolute, with a path and without query; at most 255 characters
	Amount      Amount       // required
	TimeExpire  time.Time    // last moment to pay; zero: the provider's default, 7 days. Fixed by the first call
	Attach      string       // returned in queries and notifications; at most 128 characters
	GoodsTag    string       // coupon tag; at most 32 characters
	Detail      *OrderDetail // goods, for coupons on single items
	SceneInfo   *SceneInfo   // where the payer is
	SettleInfo  *SettleInfo  // profit sharing
	// SupportFapiao offers the payer an e-invoice.
	SupportFapiao bool
	// LimitPay keeps ways to pay out: no_balance, no_credit, no_debit, balance_only. The provider's newer pages leave it out.
	LimitPay []string
}

// AppRequest is an order paid in an app (WeChat Pay APIv3, APP下单); the fields of [NativeRequest].
type AppRequest NativeRequest

// JSAPIRequest is an order paid in the WeChat browser or a mini program (WeChat Pay APIv3, JSAPI下单,
// 小程序下单); the fields of [NativeRequest] and the payer.
type JSAPIRequest struct {
	AppID         string
	Description   string
	OutTradeNo    string
	NotifyURL     string
	Amount        Amount
	Payer         Payer // required
	TimeExpire    time.Time
	Attach        string
	GoodsTag      string
	Detail        *OrderDetail
	SceneInfo     *SceneInfo
	SettleInfo    *SettleInfo
	SupportFapiao bool
	LimitPay      []string
}

// H5Request is an order paid from another mobile browser (WeChat Pay APIv3, H5下单); the fields of
// [NativeRequest], with a scene.
type H5Request struct {
	AppID         string
	Description   string
	OutTradeNo    string
	NotifyURL     string
	Amount        Amount
	SceneInfo     H5SceneInfo // required
	TimeExpire    time.Time
	Attach        string
	GoodsTag      string
	Detail        *OrderDetail
	SettleInfo    *SettleInfo
	SupportFapiao bool
	LimitPay      []string
}

// OrderDetail lists goods; at most 6144 bytes as JSON.
type OrderDetail struct {
	CostPrice   int64         `json:"cost_price,omitempty"` // original price in fen
	InvoiceID   string        `json:"invoice_id,omitempty"`
	GoodsDetail []GoodsDetail `json:"goods_detail,omitempty"`
}

// GoodsDetail is one article of an order.
type GoodsDetail struct {
	MerchantGoodsID  string `json:"merchant_goods_id"` // 1-32 of letters, digits, _ and -
	WechatpayGoodsID string `json:"wechatpay_goods_id,omitempty"`
	GoodsName        string `json:"goods_name,omitempty"`
	Quantity         int64  `json:"quantity"`   // at least 1
	UnitPrice        int64  `json:"unit_price"` // fen
}

// SceneInfo says where the payer is.
type SceneInfo struct {
	PayerClientIP string     `json:"payer_client_ip"` // required
	DeviceID      string     `json:"device_id,omitempty"`
	StoreInfo     *StoreInfo `json:"store_info,omitempty"`
}

// H5SceneInfo is a [SceneInfo] with the kind of browser.
type H5SceneInfo struct {
	PayerClientIP string     `json:"payer_client_ip"` // required
	DeviceID      string     `json:"device_id,omitempty"`
	StoreInfo     *StoreInfo `json:"store_info,omitempty"`
	H5Info        H5Info     `json:"h5_info"`
}

// H5Info is the page or app that opens the cashier.
type H5Info struct {
	Type        string `json:"type"` // iOS, Android or Wap
	AppName     string `json:"app_name,omitempty"`
	AppURL      string `json:"app_url,omitempty"`
	BundleID    string `json:"bundle_id,omitempty"`
	PackageName string `json:"package_name,omitempty"`
}

// StoreInfo is the merchant's shop.
type StoreInfo struct {
	ID       string `json:"id"`
	Name     string `json:"name,omitempty"`
	AreaCode string `json:"area_code,omitempty"`
	Address  string `json:"address,omitempty"`
}

// SettleInfo is how the money is settled.
type SettleInfo struct {
	// ProfitSharing freezes the money until it is shared (分账).
	ProfitSharing bool `json:"profit_sharing"`
}

// NativeResponse is a placed Native order.
type NativeResponse struct {
	// CodeURL is to be shown as a QR code; it lives two hours.
	CodeURL string `json:"code_url"`
}

// JSAPIResponse is a placed JSAPI or mini program order.
type JSAPIResponse struct {
	// PrepayID opens the cashier through [Client.SignJSAPI]; it lives two hours.
	PrepayID string `json:"prepay_id"`
}

// AppResponse is a placed APP order.
type AppResponse struct {
	// PrepayID opens the cashier through [Client.SignApp]; it lives two hours.
	PrepayID string `json:"prepay_id"`
}

// H5Response is a placed H5 order.
type H5Response struct {
	// H5URL is to be navigated to within five minutes, from the registered domain.
	H5URL string `json:"h5_url"`
}

// PrepayNative places an order and returns the text of its QR code. The same request again returns a
// fresh one; other data under the same number is refused ([Error.ParametersDiffer]).
func (c *Client) PrepayNative(ctx context.Context, request NativeRequest) (*NativeResponse, error) {
	answer := &NativeResponse{}
	if err := c.prepay(ctx, "native", request.body(), answer); err != nil {
		return nil, err
	}
	return answer, nil
}

// PrepayApp places an order to be paid in an app. Repeating is safe as for [Client.PrepayNative].
func (c *Client) PrepayApp(ctx context.Context, request AppRequest) (*AppResponse, error) {
	answer := &AppResponse{}
	if err := c.prepay(ctx, "app", NativeRequest(request).body(), answer); err != nil {
		return nil, err
	}
	return answer, nil
}

// PrepayJSAPI places an order to be paid in the WeChat browser or a mini program. Repeating is safe as
// for [Client.PrepayNative].
func (c *Client) PrepayJSAPI(ctx context.Context, request JSAPIRequest) (*JSAPIResponse, error) {
	answer := &JSAPIResponse{}
	if err := c.prepay(ctx, "jsapi", request.body(), answer); err != nil {
		return nil, err
	}
	return answer, nil
}

// PrepayH5 places an order to be paid from another mobile browser. Repeating is safe as for
// [Client.PrepayNative].
func (c *Client) PrepayH5(ctx context.Context, request H5Request) (*H5Response, error) {
	answer := &H5Response{}
	if err := c.prepay(ctx, "h5", request.body(), answer); err != nil {
		return nil, err
	}
	return answer, nil
}

// prepay places an order of the given kind.
func (c *Client) prepay(ctx context.Context, kind string, order *prepayBody, answer prepayAnswer) error {
	name := "prepay " + kind
	order.parties = c.parties(order.appID)
	body, err := order.encode()
	if err != nil {
		return failed(name, OutcomeRefused, err)
	}
	return c.do(ctx, call{
		name: name, method: http.MethodPost, target: c.transactionsTarget() + kind,
		body: body, write: true, timeout: c.writeTimeout,
		decode: decodeCredential(answer),
	})
}

// prepayAnswer is a placed order: one credential that opens the cashier.
type prepayAnswer interface {
	// credential is its name in JSON and where it belongs.
	credential() (name string, value *string)
}

func (r *NativeResponse) credential() (string, *string) { return "code_url", &r.CodeURL }
func (r *JSAPIResponse) credential() (string, *string)  { return "prepay_id", &r.PrepayID }
func (r *AppResponse) credential() (string, *string)    { return "prepay_id", &r.PrepayID }
func (r *H5Response) credential() (string, *string)     { return "h5_url", &r.H5URL }

// decodeCredential reads answer, whose credential must not stay empty.
func decodeCredential(answer prepayAnswer) func(body []byte) error {
	name, value := answer.credential()
	return func(body []byte) error {
		*value = "" // of an earlier try nothing may stay
		if !readPlainMember(body, name, value) {
			*value = "" // nor may what was read before the failure stay
			if err := decodeJSON(body, answer); err != nil {
				return err
			}
		}
		if *value == "" {
			return fmt.Errorf("%w: answer holds no credential", ErrMalformed)
		}
		return nil
	}
}

// prepayBody is what travels for every kind; nil and empty fields stay away, null is refused by the
// provider.
type prepayBody struct {
	parties
	Description   string          `json:"description"`
	OutTradeNo    string          `json:"out_trade_no"`
	TimeExpire    string          `json:"time_expire,omitempty"`
	Attach        string          `json:"attach,omitempty"`
	NotifyURL     string          `json:"notify_url"`
	GoodsTag      string          `json:"goods_tag,omitempty"`
	SupportFapiao bool            `json:"support_fapiao,omitempty"`
	Amount        Amount          `json:"amount"`
	Payer         *prepayPayer    `json:"payer,omitempty"`
	Detail        json.RawMessage `json:"detail,omitempty"`
	SceneInfo     any             `json:"scene_info,omitempty"`
	SettleInfo    *SettleInfo     `json:"settle_info,omitempty"`
	LimitPay      []string        `json:"limit_pay,omitempty"`

	appID  string
	payer  *Payer
	detail *OrderDetail
}

// prepayPayer is a Payer on the wire: openid, or in partner mode sp_openid and sub_openid.
type prepayPayer struct {
	OpenID    string `json:"openid,omitempty"`
	SpOpenID  string `json:"sp_openid,omitempty"`
	SubOpenID string `json:"sub_openid,omitempty"`
}

func (r NativeRequest) body() *prepayBody {
	order := &prepayBody{
		appID: r.AppID, Description: r.Description, OutTradeNo: r.OutTradeNo, NotifyURL: r.NotifyURL,
		Amount: r.Amount, TimeExpire: expireText(r.TimeExpire), Attach: r.Attach, GoodsTag: r.GoodsTag,
		SettleInfo: r.SettleInfo, SupportFapiao: r.SupportFapiao, LimitPay: r.LimitPay, detail: r.Detail,
	}
	if r.SceneInfo != nil {
		order.SceneInfo = *r.SceneInfo
	}
	return order
}

func (r JSAPIRequest) body() *prepayBody {
	order := NativeRequest{
		AppID: r.AppID, Description: r.Description, OutTradeNo: r.OutTradeNo, NotifyURL: r.NotifyURL,
		Amount: r.Amount, TimeExpire: r.TimeExpire, Attach: r.Attach, GoodsTag: r.GoodsTag,
		Detail: r.Detail, SceneInfo: r.SceneInfo, SettleInfo: r.SettleInfo, SupportFapiao: r.SupportFapiao,
		LimitPay: r.LimitPay,
	}.body()
	order.payer = &r.Payer
	return order
}

func (r H5Request) body() *prepayBody {
	order := NativeRequest{
		AppID: r.AppID, Description: r.Description, OutTradeNo: r.OutTradeNo, NotifyURL: r.NotifyURL,
		Amount: r.Amount, TimeExpire: r.TimeExpire, Attach: r.Attach, GoodsTag: r.GoodsTag,
		Detail: r.Detail, SettleInfo: r.SettleInfo, SupportFapiao: r.SupportFapiao,
		LimitPay: r.LimitPay,
	}.body()
	order.SceneInfo = r.SceneInfo
	return order
}

// expireText is the provider's RFC 3339 in China's time zone.
func expireText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(time.FixedZone("", 8*60*60)).Format(time.RFC3339)
}
