package wechatpaysim

import (
	"net/url"
	"strings"
	"time"
)

// The products of a prepay call, as the provider's paths name them.
const (
	JSAPI  = "jsapi"
	App    = "app"
	H5     = "h5"
	Native = "native"
	// Codepay takes no credential from the provider but the payer's payment code.
	Codepay = "codepay"
)

// Values of trade_state (WeChat Pay APIv3, 查询订单).
const (
	NotPay  = "NOTPAY"
	Success = "SUCCESS"
	Refund  = "REFUND"
	Closed  = "CLOSED"

	// Of orders paid by a payment code (付款码支付).
	UserPaying = "USERPAYING"
	PayError   = "PAYERROR"
	Revoked    = "REVOKED"
)

// How long things live, on the sandbox's clock.
const (
	credentialLife   = 2 * time.Hour       // prepay_id, code_url
	h5Life           = 5 * time.Minute     // h5_url
	orderLifeDefault = 7 * 24 * time.Hour  // without time_expire
	orderLifeMax     = 15 * 24 * time.Hour // the default of [Unsettled.OrderLifeMax]
	orderLifeMin     = time.Minute         // a shorter one is raised to it
)

// credential is what a payer's device opens the cashier with. An order has one: the newest replaces the others, but for
// [Unsettled.OlderPrepayIDs].
type credential struct {
	PrepayID  string
	CodeURL   string // native
	H5URL     string // h5
	ExpiresAt time.Time
}

// order is one row of the provider's books. Amounts are in fen.
type order struct {
	SpMchID       string // 服务商; empty: the merchant placed it himself
	MchID         string // whose money it is
	OutTradeNo    string
	Combine       merchantNo // the combined payment it is a sub order of; zero: none
	Product       string
	AppID         string
	SubAppID      string // 服务商: the sub-merchant's app, if the order names one
	Description   string
	Attach        string
	NotifyURL     string
	OpenID        string // jsapi: who must pay
	SubOpenID     string // 服务商: the same in SubAppID
	DeviceID      string
	AuthCode      string // of codepay
	ProfitSharing bool
	Total         int64
	Currency      string
	Parameters    string // the first call's, for comparing repeats
	PublicKey     bool   // the first call named the public key
	V2SignType    string // of an order placed over APIv2: how its notification is signed
	V2Recalls     int    // reverses that were answered recall=Y by the settings

	CreatedAt  time.Time
	ExpiresAt  time.Time // last moment to pay
	Credential credential
	Older      []credential // replaced ones that can still be used
	State      string
	ClosedAt   time.Time

	TransactionID string
	PayerOpenID   string
	BankType      string
	SuccessAt     time.Time
	Coupon        int64 // the part of Total the payer did not pay
	Fee           int64 // the provider's
	FeeRate       int64 // at which it was taken, in 1/10000

	Refunds      []string // out_refund_no, oldest first
	Refunded     int64    // settled
	Refunding    int64    // accepted and not settled, abnormal ones included
	PayerBack    int64    // of both, what goes to the payer
	FeeBack      int64    // of Fee, given back with refunds
	LastRefundAt time.Time
}

func (o *order) key() merchantNo { return merchantNo{o.SpMchID, o.MchID, o.OutTradeNo} }

// agent is who is told about the order and answers for it: the service provider where there is one.
func (o *order) agent() string {
	if o.SpMchID != "" {
		return o.SpMchID
	}
	return o.MchID
}

// visibleTo reports whether the merchant may act on the order: his own, or as the service provider who placed it.
func (o *order) visibleTo(mchID string) bool {
	return mchID == o.agent()
}

func (o *order) paid() bool { return o.State == Success || o.State == Refund }

// closesAt is when the provider closes an unpaid order by itself: 7 days after it was made, but never while it can be paid.
func (o *order) closesAt() time.Time {
	if week := o.CreatedAt.Add(orderLifeDefault); week.After(o.ExpiresAt) {
		return week
	}
	return o.ExpiresAt
}

func (o *order) tradeType() string {
	return map[string]string{JSAPI: "JSAPI", Native: "NATIVE", App: "APP", H5: "MWEB", Codepay: "MICROPAY"}[o.Product]
}

func stateText(state string) string {
	return map[string]string{
		NotPay: "订单未支付", Success: "支付成功", Refund: "订单发生过退款", Closed: "订单已关闭",
		UserPaying: "用户支付中，需要输入支付密码", PayError: "支付失败", Revoked: "订单已撤销",
	}[state]
}

// find returns the order as it is at this moment, or nil. The caller holds the lock.
func (p *Provider) find(n merchantNo) *order {
	o := p.orders[n]
	if o == nil {
		return nil
	}
	if now := p.clock.Now(); o.State == NotPay && !now.Before(o.closesAt()) {
		o.State, o.ClosedAt = Closed, o.closesAt()
		p.put(recordOrder, o.key().String(), o)
	}
	return o
}

// findByCode returns the order behind anything a payer can hold: a prepay_id, a code_url or an h5_url. The order may have
// a newer credential by now. The caller holds the lock.
func (p *Provider) findByCode(code string) *order {
	code = strings.TrimSpace(code)
	if u, err := url.Parse(code); err == nil && u.Query().Get("prepay_id") != "" {
		code = u.Query().Get("prepay_id")
	}
	if n, ok := p.byCredential[code]; ok {
		return p.find(n)
	}
	return nil
}

// credentialOf returns the usable credential that the code belongs to; false if the code was replaced.
func (o *order) credentialOf(code string) (credential, bool) {
	for _, k := range append([]credential{o.Credential}, o.Older...) {
		if code == k.PrepayID || code == k.CodeURL || strings.Contains(code, "prepay_id="+k.PrepayID) {
			return k, true
		}
	}
	return credential{}, false
}

// transaction is an order as queries and notifications show it (WeChat Pay APIv3, 查询订单: 应答参数).
type transaction struct {
	parties
	OutTradeNo      string      `json:"out_trade_no"`
	TransactionID   string      `json:"transaction_id,omitempty"`
	TradeType       string      `json:"trade_type,omitempty"`
	TradeState      string      `json:"trade_state"`
	TradeStateDesc  string      `json:"trade_state_desc"`
	BankType        string      `json:"bank_type,omitempty"`
	Attach          string      `json:"attach"`
	SuccessTime     string      `json:"success_time,omitempty"`
	Payer           payer       `json:"payer"`
	Amount          paidAmount  `json:"amount"`
	SceneInfo       *sceneInfo  `json:"scene_info,omitempty"`
	PromotionDetail []promotion `json:"promotion_detail"`
}

type payer struct {
	OpenID    string `json:"openid,omitempty"`
	SpOpenID  string `json:"sp_openid,omitempty"`
	SubOpenID string `json:"sub_openid,omitempty"`
}

type paidAmount struct {
	Total         int64  `json:"total"`
	PayerTotal    *int64 `json:"payer_total,omitempty"`
	Currency      string `json:"currency"`
	PayerCurrency string `json:"payer_currency,omitempty"`
}

type sceneInfo struct {
	DeviceID string `json:"device_id"`
}

type promotion struct {
	CouponID string `json:"coupon_id"`
	Name     string `json:"name"`
	Scope    string `json:"scope"`
	Type     string `json:"type"`
	Amount   int64  `json:"amount"`
	StockID  string `json:"stock_id"`
	Currency string `json:"currency"`
}

// transaction shows the order. The caller holds the lock.
func (p *Provider) transaction(o *order) transaction {
	t := transaction{
		parties: o.parties(), OutTradeNo: o.OutTradeNo, TradeState: o.State, TradeStateDesc: stateText(o.State),
		Attach: o.Attach, Amount: paidAmount{Total: o.Total, Currency: o.Currency}, PromotionDetail: []promotion{},
	}
	if !o.paid() {
		return t
	}
	payerTotal := o.Total - o.Coupon
	t.TransactionID, t.TradeType, t.BankType, t.SuccessTime = o.TransactionID, o.tradeType(), o.BankType, chinaTime(o.SuccessAt)
	t.Payer = o.payer()
	t.Amount.PayerTotal, t.Amount.PayerCurrency = &payerTotal, o.Currency
	if o.DeviceID != "" {
		t.SceneInfo = &sceneInfo{o.DeviceID}
	}
	if o.Coupon > 0 {
		t.PromotionDetail = []promotion{{
			CouponID: "109519", Name: "沙箱立减", Scope: "GLOBAL", Type: "CASH", Amount: o.Coupon, StockID: "931386", Currency: o.Currency,
		}}
	}
	return t
}

// chinaTime writes a moment as the provider does, on China's clock.
func chinaTime(t time.Time) string {
	return t.In(chinaZone()).Format(time.RFC3339)
}

func chinaZone() *time.Location { return time.FixedZone("CST", 8*60*60) }
