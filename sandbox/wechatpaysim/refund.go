package wechatpaysim

import (
	"encoding/json"
	"maps"
	"math/bits"
	"time"
)

// Values of a refund's status (WeChat Pay APIv3, 查询退款).
const (
	RefundProcessing = "PROCESSING"
	RefundSuccess    = "SUCCESS"
	RefundAbnormal   = "ABNORMAL"
	RefundClosed     = "CLOSED"
)

// The rules of refunds (WeChat Pay APIv3, 申请退款: 注意).
const (
	refundsMax   = 50                   // per order, closed ones not counted
	refundWindow = 365 * 24 * time.Hour // after the payment
)

const (
	accountUnsettled = "UNSETTLED"
	accountAvailable = "AVAILABLE"
)

// refund is one row of the provider's books. Amounts are in fen.
type refund struct {
	SpMchID     string // of the order
	MchID       string // of the order
	OutRefundNo string
	RefundID    string
	OutTradeNo  string
	Parameters  string // the first call's, for comparing repeats
	NotifyURL   string
	Account     string // where the money came from
	Frozen      bool   // of it: from what waited to be shared
	Amount      int64
	PayerAmount int64 // the part that goes to the payer; the rest goes back to the coupon
	FeeBack     int64
	PublicKey   bool   // the first call named the public key
	V2SignType  string // of a refund asked for over APIv2

	Status    string
	Changes   []statusChange // of Status, oldest first, but for the first
	Outcome   string         // how it will settle; empty: by the control API
	CreatedAt time.Time
	SettlesAt time.Time // zero: not by itself
	SuccessAt time.Time
	Received  string // user_received_account
}

// statusChange is when a refund became what. Bills show the status of an earlier moment.
type statusChange struct {
	Status string
	At     time.Time
}

func (r *refund) become(status string, at time.Time) {
	r.Status = status
	r.Changes = append(r.Changes, statusChange{status, at})
}

func (r *refund) key() merchantNo { return merchantNo{r.SpMchID, r.MchID, r.OutRefundNo} }

func (r *refund) order() merchantNo { return merchantNo{r.SpMchID, r.MchID, r.OutTradeNo} }

// refundKey names a refund of the order.
func (o *order) refundKey(outRefundNo string) merchantNo {
	return merchantNo{o.SpMchID, o.MchID, outRefundNo}
}

// fundsAccount is how the provider names the pot; frozen money is not settled yet.
func fundsAccount(pot string) string {
	if pot == potAvailable {
		return accountAvailable
	}
	return accountUnsettled
}

func potOf(fundsAccount string) string {
	if fundsAccount == accountAvailable {
		return potAvailable
	}
	return potUnsettled
}

func refundFields() []field {
	return []field{
		str("sub_mchid", 32), str("transaction_id", 32), str("out_trade_no", 32).between(6, tradeNoSymbols),
		required(str("out_refund_no", 64).between(1, refundNoSymbols)), str("reason", 80), str("notify_url", 256),
		enum("funds_account", accountAvailable, accountUnsettled),
		required(group("amount", required(number("refund", 1)), required(number("total", 1)), required(str("currency", 16)),
			items("from", required(enum("account", "AVAILABLE", "UNAVAILABLE")), required(number("amount", 1))))),
		items("goods_detail", required(str("merchant_goods_id", 32)), str("wechatpay_goods_id", 32), str("goods_name", 256),
			required(number("unit_price", 0)), required(number("refund_amount", 0)), required(number("refund_quantity", 1))),
	}
}

type refundRequest struct {
	SubMchID      string `json:"sub_mchid"`
	TransactionID string `json:"transaction_id"`
	OutTradeNo    string `json:"out_trade_no"`
	OutRefundNo   string `json:"out_refund_no"`
	NotifyURL     string `json:"notify_url"`
	FundsAccount  string `json:"funds_account"`
	Amount        struct {
		Refund   int64        `json:"refund"`
		Total    int64        `json:"total"`
		Currency string       `json:"currency"`
		From     []fundsShare `json:"from"`
	} `json:"amount"`
}

type fundsShare struct {
	Account string `json:"account"`
	Amount  int64  `json:"amount"`
}

// createRefund accepts a refund, or answers the one that its number names already (WeChat Pay APIv3, 申请退款).
func (p *Provider) createRefund(c *call) (any, *apiError) {
	var r refundRequest
	if err := c.decode(&r); err != nil {
		return nil, err
	}
	if err := checkRefund(r); err != nil {
		return nil, err
	}
	owner, err := p.subOwner(c.caller, r.SubMchID, "body")
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.refundedOrder(owner, r)
	switch {
	case o == nil:
		return nil, noResource("订单不存在", "the order does not exist")
	case !o.ownedBy(owner):
		return nil, otherSubMerchant(r.SubMchID)
	}
	parameters := repeatableRefund(o, c.fields)
	if made := p.refunds[o.refundKey(r.OutRefundNo)]; made != nil {
		if made.Parameters != parameters {
			return nil, invalidRequest(internalDifferentRepeat, "退款单号已存在，且参数与首次请求时不一致", "the parameters differ from those of the first request under this out_refund_no")
		}
		return p.refundView(made), nil
	}
	now := p.clock.Now()
	if err := p.refundable(o, r, now); err != nil {
		return nil, err
	}
	made := p.accept(o, r, now)
	made.Parameters, made.PublicKey = parameters, c.serial == p.identity.PublicKeyID
	p.put(recordRefund, made.key().String(), made)
	p.put(recordOrder, o.key().String(), o)
	p.awaitSettlement(made)
	return p.refundView(made), nil
}

// checkRefund checks what a table of fields cannot say.
func checkRefund(r refundRequest) *apiError {
	refuse := func(field string, value any, issue string) *apiError {
		return paramError(internalIllegalParameter, fieldDetail{Field: field, Value: value, Issue: issue, Location: "body"})
	}
	if r.TransactionID == "" && r.OutTradeNo == "" {
		return refuse("/transaction_id", nil, "give transaction_id or out_trade_no")
	}
	if r.Amount.Currency != "CNY" {
		return refuse("/amount/currency", r.Amount.Currency, "Currency code is invalid")
	}
	if r.NotifyURL != "" {
		if issue := checkNotifyURL(r.NotifyURL); issue != "" {
			return refuse("/notify_url", r.NotifyURL, issue)
		}
	}
	if len(r.Amount.From) > 0 {
		if r.FundsAccount != "" {
			return refuse("/amount/from", nil, "not together with funds_account")
		}
		var sum int64
		for _, share := range r.Amount.From {
			sum += share.Amount
		}
		if sum != r.Amount.Refund {
			return refuse("/amount/from", nil, "the amounts must add up to /amount/refund")
		}
	}
	return nil
}

// refundedOrder finds the order by either number; transaction_id wins. The caller holds the lock.
func (p *Provider) refundedOrder(owner merchantNo, r refundRequest) *order {
	if r.TransactionID == "" {
		owner.No = r.OutTradeNo
		return p.find(owner)
	}
	if o := p.byTransaction[r.TransactionID]; o != nil && o.visibleTo(owner.agent()) {
		return o
	}
	return nil
}

// refundable says what stands against a new refund. The caller holds the lock.
func (p *Provider) refundable(o *order, r refundRequest, now time.Time) *apiError {
	switch {
	case !o.paid():
		return invalidRequest(internalOrderInvalid, "订单未支付，不能退款", "the order is not paid")
	case r.Amount.Total != o.Total:
		return invalidRequest(internalDifferentRepeat, "订单金额与支付时不一致", "amount.total is not the order's total")
	case now.Sub(o.SuccessAt) > refundWindow:
		return invalidRequest(internalOrderInvalid, "订单已超过退款期限", "the payment is more than a year ago")
	case p.countRefunds(o) >= refundsMax:
		return invalidRequest(internalOutOfRange, "订单退款次数超过50次", "the order has 50 refunds already")
	case r.Amount.Refund > o.Total-o.Refunded-o.Refunding:
		return invalidRequest(internalOutOfRange, "累计退款金额大于支付金额", "the refunds together would exceed the payment")
	case !o.LastRefundAt.IsZero() && now.Sub(o.LastRefundAt) < p.settings.RefundInterval.Std():
		return p.frequencyLimited()
	case p.settings.RefundOutcome == OutcomeNotEnough && r.FundsAccount != accountAvailable:
		return notEnough()
	}
	_, feeBack := o.shares(r.Amount.Refund)
	if _, has := p.refundSource(o, r); has < r.Amount.Refund-feeBack {
		return notEnough()
	}
	return nil
}

// account is the balance the merchant wants the money taken from. Several accounts are modelled as the available one.
func (r refundRequest) account() string {
	if r.FundsAccount == accountAvailable || len(r.Amount.From) > 0 {
		return accountAvailable
	}
	return accountUnsettled
}

func (p *Provider) countRefunds(o *order) int {
	n := 0
	for _, outRefundNo := range o.Refunds {
		if p.refunds[o.refundKey(outRefundNo)].Status != RefundClosed {
			n++
		}
	}
	return n
}

// shares splits a refund: what goes to the payer, and how much of its fee the provider gives back. Both are shares of all
// refunds so far, so that rounding never adds up to more than there was and the last refund takes what is left.
func (o *order) shares(amount int64) (toPayer, feeBack int64) {
	sum := o.Refunded + o.Refunding + amount
	toPayer = share(o.Total-o.Coupon, sum, o.Total) - o.PayerBack
	feeBack = share(o.Fee, sum, o.Total) - o.FeeBack
	return min(max(toPayer, 0), amount), min(max(feeBack, 0), amount)
}

// share returns whole * part / of, rounded half up, for part at most of and nothing negative.
//
//nolint:gosec // nothing is negative, and the quotient is at most whole
func share(whole, part, of int64) int64 {
	high, low := bits.Mul64(uint64(whole), uint64(part))
	low, carry := bits.Add64(low, uint64(of/2), 0)
	quotient, _ := bits.Div64(high+carry, low, uint64(of))
	return int64(quotient)
}

// accept books a refund. The caller holds the lock.
func (p *Provider) accept(o *order, r refundRequest, now time.Time) *refund {
	toPayer, feeBack := o.shares(r.Amount.Refund)
	pot, _ := p.refundSource(o, r)
	made := &refund{
		SpMchID: o.SpMchID, MchID: o.MchID, OutRefundNo: r.OutRefundNo, RefundID: unused(p.byRefundID, func() string { return p.newRefundID(now) }), OutTradeNo: o.OutTradeNo,
		NotifyURL: r.NotifyURL, Account: fundsAccount(pot), Frozen: pot == potFrozen, Amount: r.Amount.Refund, PayerAmount: toPayer, FeeBack: feeBack,
		Status: RefundProcessing, CreatedAt: now, Received: "支付用户零钱",
	}
	if made.NotifyURL == "" {
		made.NotifyURL = p.settings.RefundNotifyURL
	}
	p.refunds[made.key()], p.byRefundID[made.RefundID] = made, made
	o.Refunds = append(o.Refunds, made.OutRefundNo)
	o.Refunding += made.Amount
	o.PayerBack += toPayer
	o.FeeBack += feeBack
	o.LastRefundAt = now
	p.post(posting{At: now, Kind: postRefund, Ref: made.RefundID, OutNo: made.OutRefundNo, Legs: []leg{
		{account{o.MchID, pot}, feeBack - made.Amount}, {world(potFees), -feeBack}, {account{o.MchID, potRefunding}, made.Amount},
	}})
	if made.Frozen {
		p.takeFrozen(o, made.Amount-feeBack)
	}
	if p.settings.OrderBecomesRefund == "accepted" {
		o.State = Refund
	}
	made.Outcome = p.settings.RefundOutcome
	switch made.Outcome {
	case OutcomeProcessing:
		made.Outcome = ""
		return made
	case OutcomeNotEnough: // got here by naming the available balance
		made.Outcome = OutcomeSuccess
	}
	made.SettlesAt = now.Add(p.settings.RefundDelay.Std())
	return made
}

// repeatableRefund writes what must be equal in a repeated call: everything but the choice of the account, which a merchant may
// change after NOT_ENOUGH, and the order by whichever number.
func repeatableRefund(o *order, fields map[string]any) string {
	same := maps.Clone(fields)
	delete(same, "funds_account")
	delete(same, "transaction_id")
	same["out_trade_no"] = o.OutTradeNo
	encoded, err := json.Marshal(same)
	if err != nil {
		panic(err) // unreachable: the value came out of JSON
	}
	return string(encoded)
}

// queryRefund answers a refund (WeChat Pay APIv3, 查询单笔退款).
func (p *Provider) queryRefund(c *call) (any, *apiError) {
	n, err := p.subOwner(c.caller, c.query.Get("sub_mchid"), "query")
	if err != nil {
		return nil, err
	}
	n.No = c.http.PathValue("out_refund_no")
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.refunds[n]
	if r == nil {
		return nil, noResource("退款单不存在", "the refund does not exist")
	}
	return p.refundView(r), nil
}

// refundView is a refund as the provider answers it.
type refundView struct {
	RefundID            string          `json:"refund_id"`
	OutRefundNo         string          `json:"out_refund_no"`
	TransactionID       string          `json:"transaction_id"`
	OutTradeNo          string          `json:"out_trade_no"`
	Channel             string          `json:"channel"`
	UserReceivedAccount string          `json:"user_received_account"`
	SuccessTime         string          `json:"success_time,omitempty"`
	CreateTime          string          `json:"create_time"`
	Status              string          `json:"status"`
	FundsAccount        string          `json:"funds_account"`
	Amount              refundAmount    `json:"amount"`
	PromotionDetail     []refundedShare `json:"promotion_detail,omitempty"`
}

type refundAmount struct {
	Total            int64        `json:"total"`
	Refund           int64        `json:"refund"`
	From             []fundsShare `json:"from"`
	PayerTotal       int64        `json:"payer_total"`
	PayerRefund      int64        `json:"payer_refund"`
	SettlementRefund int64        `json:"settlement_refund"`
	SettlementTotal  int64        `json:"settlement_total"`
	DiscountRefund   int64        `json:"discount_refund"`
	Currency         string       `json:"currency"`
	RefundFee        int64        `json:"refund_fee"`
}

type refundedShare struct {
	PromotionID  string `json:"promotion_id"`
	Scope        string `json:"scope"`
	Type         string `json:"type"`
	Amount       int64  `json:"amount"`
	RefundAmount int64  `json:"refund_amount"`
}

// refundView shows the refund. The caller holds the lock.
func (p *Provider) refundView(r *refund) refundView {
	o := p.orders[r.order()]
	v := refundView{
		RefundID: r.RefundID, OutRefundNo: r.OutRefundNo, TransactionID: o.TransactionID, OutTradeNo: r.OutTradeNo,
		Channel: "ORIGINAL", UserReceivedAccount: r.Received, CreateTime: chinaTime(r.CreatedAt), Status: r.Status, FundsAccount: r.Account,
		Amount: refundAmount{
			Total: o.Total, Refund: r.Amount, From: []fundsShare{}, PayerTotal: o.Total - o.Coupon, PayerRefund: r.PayerAmount,
			SettlementRefund: r.Amount, SettlementTotal: o.Total, DiscountRefund: r.Amount - r.PayerAmount, Currency: o.Currency, RefundFee: r.FeeBack,
		},
	}
	if r.Status == RefundSuccess {
		v.SuccessTime = chinaTime(r.SuccessAt)
	}
	if discount := r.Amount - r.PayerAmount; discount > 0 {
		v.PromotionDetail = []refundedShare{{"109519", "GLOBAL", "CASH", o.Coupon, discount}}
	}
	return v
}
