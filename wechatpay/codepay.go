package wechatpay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// TradeTypeMicropay is the trade_type of an order paid by a payment code.
const TradeTypeMicropay = "MICROPAY"

var errNoCodepay = errors.New("payment codes over APIv3 need the provider's permission: set Config.CodepayV3 if you have it, " +
	"else use the package wechatpay/v2")

// CodePayRequest takes money by the payment code that the payer shows (WeChat Pay APIv3, 付款码支付下单). Lengths are as in
// [NativeRequest].
type CodePayRequest struct {
	AppID       string
	Description string
	// OutTradeNo is the merchant's number. Another try with a new code needs a new number.
	OutTradeNo string
	// AuthCode is what the scanner read: 18 digits, the first two 10 to 15. It lives a minute and serves once.
	AuthCode  Sensitive
	Amount    Amount
	SceneInfo CodePaySceneInfo // required
	Attach    string
	GoodsTag  string
	Detail    *CodePayDetail
	// SettleInfo is profit sharing.
	SettleInfo    *SettleInfo
	SupportFapiao bool
}

// CodePaySceneInfo is where the code was scanned.
type CodePaySceneInfo struct {
	StoreInfo CodePayStoreInfo `json:"store_info"` // required
	DeviceID  string           `json:"device_id,omitempty"`
	DeviceIP  string           `json:"device_ip,omitempty"`
}

// CodePayStoreInfo is the shop, by the provider's number or the merchant's own; one is required.
type CodePayStoreInfo struct {
	ID    string `json:"id,omitempty"`
	OutID string `json:"out_id,omitempty"`
}

// CodePayDetail lists goods, as [OrderDetail] does; at most 6144 bytes as JSON.
type CodePayDetail struct {
	CostPrice   int64                `json:"cost_price,omitempty"`
	InvoiceID   string               `json:"invoice_id,omitempty"`
	GoodsDetail []CodePayGoodsDetail `json:"goods_detail,omitempty"`
}

// CodePayGoodsDetail is one article. It is a [GoodsDetail] but for the provider's name of one key, wxpay_goods_id.
type CodePayGoodsDetail struct {
	MerchantGoodsID string `json:"merchant_goods_id"`
	WxpayGoodsID    string `json:"wxpay_goods_id,omitempty"`
	GoodsName       string `json:"goods_name,omitempty"`
	Quantity        int64  `json:"quantity"`
	UnitPrice       int64  `json:"unit_price"`
}

type codePayBody struct {
	parties
	Description   string           `json:"description"`
	OutTradeNo    string           `json:"out_trade_no"`
	Attach        string           `json:"attach,omitempty"`
	GoodsTag      string           `json:"goods_tag,omitempty"`
	SupportFapiao bool             `json:"support_fapiao,omitempty"`
	Payer         codePayPayer     `json:"payer"`
	Amount        Amount           `json:"amount"`
	SceneInfo     CodePaySceneInfo `json:"scene_info"`
	Detail        *CodePayDetail   `json:"detail,omitempty"`
	SettleInfo    *SettleInfo      `json:"settle_info,omitempty"`
}

type codePayPayer struct {
	AuthCode string `json:"auth_code"`
}

// CodePay takes the money of one payment code, for merchants with Config.CodepayV3. The order returned says in its
// TradeState whether it is paid: SUCCESS, USERPAYING while the payer types the password, PAYERROR. There is no
// notification: unless it is SUCCESS or the error is [OutcomeRefused], query the order and in the end reverse it, as
// [Client.PayByCode] does. The request is not repeated inside the call: query instead.
func (c *Client) CodePay(ctx context.Context, request CodePayRequest) (*Order, error) {
	const name = "codepay"
	if !c.codepayV3 {
		return nil, failed(name, OutcomeRefused, errNoCodepay)
	}
	body, err := request.encode(c.parties(request.AppID))
	if err != nil {
		return nil, failed(name, OutcomeRefused, err)
	}
	var order *Order
	err = c.do(ctx, call{
		name: name, method: http.MethodPost, target: c.transactionsTarget() + "codepay",
		body: body, write: true, once: true, timeout: c.writeTimeout,
		decode: func(body []byte) (err error) {
			order, err = decodeOrder(body)
			if err != nil {
				return err
			}
			if order.OutTradeNo != request.OutTradeNo || !c.hasMerchantsOf(order) {
				return fmt.Errorf("%w: answer is about another order", ErrMalformed)
			}
			return nil
		},
	})
	switch CodeOf(err) {
	case CodeUserPaying: // older pages answer so (202) where newer ones answer with the order
		return c.userPaying(&request), nil
	case CodeNotEnough: // it is the payer's balance that is short: not for the same code
		return nil, failed(name, OutcomeRefused, errors.Unwrap(err))
	}
	if err != nil {
		return nil, err
	}
	return order, nil
}

func (c *Client) userPaying(request *CodePayRequest) *Order {
	of := c.parties(request.AppID)
	return &Order{
		AppID: of.AppID, MchID: of.MchID, SpAppID: of.SpAppID, SpMchID: of.SpMchID, SubAppID: of.SubAppID, SubMchID: of.SubMchID,
		OutTradeNo: request.OutTradeNo, TradeType: TradeTypeMicropay, TradeState: TradeStateUserPaying,
		Amount: OrderAmount{Total: request.Amount.Total, Currency: request.Amount.Currency},
	}
}

// encode checks the request and writes it once.
func (r *CodePayRequest) encode(of parties) ([]byte, error) {
	var v validation
	v.appID(&of)
	v.text("description", r.Description, 1, 127)
	v.number("out_trade_no", r.OutTradeNo, 6, 32, outTradeNoFurther)
	v.authCode(r.AuthCode)
	v.atLeast("amount.total", r.Amount.Total, 1)
	v.text("amount.currency", r.Amount.Currency, 0, 16)
	v.text("attach", r.Attach, 0, 128)
	v.text("goods_tag", r.GoodsTag, 0, 32)
	store := r.SceneInfo.StoreInfo
	if store.ID == "" && store.OutID == "" {
		v.add("scene_info.store_info", "needs id or out_id")
	}
	v.text("scene_info.store_info.id", store.ID, 0, 32)
	v.text("scene_info.store_info.out_id", store.OutID, 0, 32)
	v.text("scene_info.device_id", r.SceneInfo.DeviceID, 0, 32)
	if r.SceneInfo.DeviceIP != "" {
		v.ip("scene_info.device_ip", r.SceneInfo.DeviceIP)
	}
	v.codePayGoods(r.Detail)
	if err := v.err(); err != nil {
		return nil, err
	}
	body, err := json.Marshal(codePayBody{
		parties: of, Description: r.Description, OutTradeNo: r.OutTradeNo, Attach: r.Attach, GoodsTag: r.GoodsTag,
		SupportFapiao: r.SupportFapiao, Payer: codePayPayer{string(r.AuthCode)}, Amount: r.Amount,
		SceneInfo: r.SceneInfo, Detail: r.Detail, SettleInfo: r.SettleInfo,
	})
	if err != nil {
		return nil, fmt.Errorf("encode order: %w", err)
	}
	return body, nil
}

// authCode wants digits only: a scanner of other codes, or the payer's other code, is told at once. The provider
// extends the prefixes from time to time.
func (v *validation) authCode(code Sensitive) {
	if len(code) > 32 || !isDigits(string(code)) {
		v.add("payer.auth_code", "must be the digits of the payment code, as a rule 18")
	}
}

func (v *validation) codePayGoods(detail *CodePayDetail) {
	if detail == nil {
		return
	}
	order := OrderDetail{CostPrice: detail.CostPrice, InvoiceID: detail.InvoiceID}
	for _, goods := range detail.GoodsDetail {
		order.GoodsDetail = append(order.GoodsDetail, GoodsDetail{
			MerchantGoodsID: goods.MerchantGoodsID, WechatpayGoodsID: goods.WxpayGoodsID, GoodsName: goods.GoodsName,
			Quantity: goods.Quantity, UnitPrice: goods.UnitPrice,
		})
	}
	v.goods(&order)
	text, err := json.Marshal(detail)
	v.addErr("detail", err)
	if len(text) > detailBytesMax {
		v.add("detail", fmt.Sprintf("must have at most %d bytes as JSON, has %d", detailBytesMax, len(text)))
	}
}
