package wechatpaysim

import (
	"net/http"
	"slices"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/control"
)

// What a payer can do.
const (
	PaySuccess = "success"
	PayFail    = "fail" // a wrong password, no money
	PayCancel  = "cancel"
)

// PayRequest is an act of a payer. It names the order, or the combined payment, by exactly one of its names.
type PayRequest struct {
	OutTradeNo string `json:"out_trade_no,omitempty"`
	// CombineOutTradeNo names a combined payment: its sub orders are paid together or not at all.
	CombineOutTradeNo string `json:"combine_out_trade_no,omitempty"`

	PrepayID string `json:"prepay_id,omitempty"`
	CodeURL  string `json:"code_url,omitempty"`
	H5URL    string `json:"h5_url,omitempty"`
	OpenID   string `json:"openid,omitempty"` // who pays; empty: whom the order names, else the sandbox's payer
	Result   string `json:"result"`           // success, fail, cancel
	Late     bool   `json:"late,omitempty"`   // the payment was under way when the order closed or expired, and lands now
	Coupon   int64  `json:"coupon,omitempty"` // fen of the amount that a coupon pays
}

// Refused says why a payer cannot do that.
type Refused struct {
	Status int // for HTTP: 400, 404 or 409
	control.Problem
}

func (e *Refused) Error() string { return e.Problem.Error }

func refused(reason string) *Refused {
	return &Refused{http.StatusConflict, control.Problem{Error: reason}}
}

// Pay lets the payer act and returns the order as it then is, of a combined payment the first one. The error is a [*Refused].
func (p *Provider) Pay(r PayRequest) (Order, error) {
	if problem := checkResult(r.Result); problem != nil {
		return Order{}, &Refused{http.StatusBadRequest, *problem}
	}
	code, problem := r.code()
	if problem != nil {
		return Order{}, &Refused{http.StatusBadRequest, *problem}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	o, code := p.named(r, code)
	if o == nil {
		return Order{}, &Refused{http.StatusNotFound, control.Problem{Error: "the provider knows no such order; place it first, or check the number"}}
	}
	now := p.clock.Now()
	if o.partOfCombine() {
		if r.OutTradeNo != "" {
			return Order{}, refused("the order is part of a combined payment; pay combine_out_trade_no " + o.Combine.No)
		}
		return p.payCombine(p.combineOrders[o.Combine], code, r, now)
	}
	if r.Coupon < 0 || r.Coupon > o.Total {
		return Order{}, &Refused{http.StatusBadRequest, control.Problem{Error: "give 0 to the order's amount, in fen", Field: "coupon"}}
	}
	if o.Product == Codepay {
		if err := p.finishByCode(o, r, now); err != nil {
			return Order{}, err
		}
		return p.view(o), nil
	}
	if reason := p.unpayable(o, code, r, now); reason != "" {
		return Order{}, refused(reason)
	}
	if r.Result == PaySuccess {
		p.land(o, r, now)
	}
	return p.view(o), nil
}

// named returns the order that the request names, of a combined payment the first one, and the code that its payer holds. The caller
// holds the lock.
func (p *Provider) named(r PayRequest, code string) (o *order, held string) {
	switch {
	case r.OutTradeNo != "":
		o = p.findAnywhere(r.OutTradeNo)
	case r.CombineOutTradeNo != "":
		if k := p.findCombineAnywhere(r.CombineOutTradeNo); k != nil {
			o = p.subOrders(k)[0]
		}
	default:
		return p.findByCode(code), code
	}
	if o == nil {
		return nil, code
	}
	return o, o.Credential.PrepayID
}

func checkResult(result string) *control.Problem {
	if allowed := []string{PaySuccess, PayFail, PayCancel}; !slices.Contains(allowed, result) {
		return &control.Problem{Error: "say what the payer does", Field: "result", Allowed: allowed}
	}
	return nil
}

// code returns the one name of an order that the request gives.
func (r PayRequest) code() (string, *control.Problem) {
	var given []string
	for _, name := range []string{r.OutTradeNo, r.CombineOutTradeNo, r.PrepayID, r.CodeURL, r.H5URL} {
		if name != "" {
			given = append(given, name)
		}
	}
	if len(given) != 1 {
		return "", &control.Problem{Error: "name the order by exactly one of its names", Allowed: []string{"out_trade_no", "combine_out_trade_no", "prepay_id", "code_url", "h5_url"}}
	}
	return given[0], nil
}

// unpayable says why the payer cannot act on the order, or nothing. The caller holds the lock.
func (p *Provider) unpayable(o *order, code string, r PayRequest, now time.Time) string {
	if o.paid() {
		return "the order is paid already"
	}
	if r.OpenID != "" && o.OpenID != "" && r.OpenID != o.OpenID {
		return "the order is for another openid; pay as " + o.OpenID
	}
	if r.Late {
		return ""
	}
	return o.whyClosed(code, now)
}

// whyClosed says why a payer who holds the code cannot open the cashier, or nothing.
func (o *order) whyClosed(code string, now time.Time) string {
	k, usable := o.credentialOf(code)
	switch {
	case o.State == Closed:
		return "the order is closed; place a new one under a new out_trade_no"
	case !usable:
		return "the code was replaced by a newer one; use the newest"
	case !now.Before(o.ExpiresAt):
		return "the order's time_expire has passed; close it and place a new one"
	case !now.Before(k.ExpiresAt):
		return "the code has expired; place the same order again for a fresh one"
	}
	return ""
}

// land books the payment and tells the merchant. The caller holds the lock.
func (p *Provider) land(o *order, r PayRequest, now time.Time) {
	p.collect(o, r, now)
	p.notifyPayment(o)
}

// collect books the payment of one order. The caller holds the lock.
func (p *Provider) collect(o *order, r PayRequest, now time.Time) {
	o.State, o.SuccessAt, o.ClosedAt = Success, now, time.Time{}
	o.TransactionID = unused(p.byTransaction, func() string { return p.newTransactionID(now) })
	o.PayerOpenID = p.payerOf(o, r)
	o.BankType, o.Coupon = "OTHERS", r.Coupon
	o.FeeRate = p.settings.FeeRate
	o.Fee = share(o.Total, o.FeeRate, 10_000)
	p.byTransaction[o.TransactionID] = o
	p.post(posting{At: now, Kind: postPayment, Ref: o.TransactionID, OutNo: o.OutTradeNo, Legs: []leg{
		{world(potPaid), -o.Total}, {world(potFees), o.Fee}, {account{o.MchID, o.landingPot()}, o.Total - o.Fee},
	}})
	if o.ProfitSharing {
		p.freeze(o)
	}
	p.put(recordOrder, o.key().String(), o)
}

func (p *Provider) payerOf(o *order, r PayRequest) string {
	for _, openID := range []string{r.OpenID, o.OpenID} {
		if openID != "" {
			return openID
		}
	}
	return p.identity.OpenID
}

// Checkout is an order as the payer's phone shows it.
type Checkout struct {
	Merchant    string
	Description string
	Amount      int64 // fen
	PrepayID    string
	ExpiresAt   time.Time // last moment to pay with this code
	Now         time.Time
	PaidAt      time.Time // zero: not paid
	Why         string    // why it cannot be paid; empty: it can

	SubOrders []CheckoutSubOrder // of a combined payment; empty: a single order
}

// Checkout returns the order behind a prepay_id, code_url or h5_url, and false if there is none.
func (p *Provider) Checkout(code string) (Checkout, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.findByCode(code)
	if o == nil {
		return Checkout{}, false
	}
	now := p.clock.Now()
	expires := o.ExpiresAt
	if o.Credential.ExpiresAt.Before(expires) {
		expires = o.Credential.ExpiresAt
	}
	c := Checkout{
		Merchant: p.settings.MerchantName, Description: o.Description, Amount: o.Total, PrepayID: o.Credential.PrepayID,
		ExpiresAt: expires, Now: now, PaidAt: o.SuccessAt,
	}
	if o.partOfCombine() {
		p.checkoutCombine(p.combineOrders[o.Combine], &c)
	}
	if o.paid() {
		c.Why = "the order is paid already"
		return c, true
	}
	c.Why = o.whyClosed(code, now)
	return c, true
}
