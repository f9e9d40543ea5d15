package wechatpaysim

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/control"
	"github.com/tongbao-pay/tongbao/sandbox/record"
)

// What becomes of a payment code that a merchant scans.
const (
	CodeSuccess    = "success"
	CodeUserPaying = "userpaying" // the payer must type the password: POST /wechatpay/pay ends it
	CodeFail       = "fail"
	CodeNotEnough  = "not_enough"
)

// paymentCodeLife is how long a payer's phone shows one code.
const paymentCodeLife = time.Minute

// PaymentCode is the code that a payer's phone shows to a scanner (付款码). It serves once.
type PaymentCode struct {
	AuthCode  string    `json:"auth_code"` // 18 digits
	OpenID    string    `json:"openid"`    // whose it is, in the first merchant's app
	Outcome   string    `json:"outcome"`   // success, userpaying, fail, not_enough
	ExpiresAt time.Time `json:"expires_at"`
	Used      bool      `json:"used"`
}

// ShowPaymentCode makes a code of the payer with the outcome; an empty openID is the sandbox's payer, an empty outcome
// success.
func (p *Provider) ShowPaymentCode(openID, outcome string) (PaymentCode, *control.Problem) {
	if outcome == "" {
		outcome = CodeSuccess
	}
	if allowed := []string{CodeSuccess, CodeUserPaying, CodeFail, CodeNotEnough}; !slices.Contains(allowed, outcome) {
		return PaymentCode{}, &control.Problem{Error: "say what becomes of the payment", Field: "outcome", Allowed: allowed}
	}
	if openID == "" {
		openID = p.identity.OpenID
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	code := &PaymentCode{
		AuthCode: unused(p.paymentCodes, func() string { return "13" + p.chance.Digits(16) }),
		OpenID:   openID, Outcome: outcome, ExpiresAt: p.clock.Now().Add(paymentCodeLife),
	}
	p.paymentCodes[code.AuthCode] = code
	p.put(recordPaymentCode, code.AuthCode, code)
	return *code, nil
}

// ShownCode is a payment code as the payer's phone shows it, with what became of it.
type ShownCode struct {
	PaymentCode
	State       string // trade_state of its order; empty: nobody has taken it
	Merchant    string
	Description string
	Amount      int64 // fen
	Now         time.Time
}

// PaymentCode returns a code, and false if the provider knows none of these digits.
func (p *Provider) PaymentCode(authCode string) (ShownCode, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	code := p.paymentCodes[authCode]
	if code == nil {
		return ShownCode{}, false
	}
	shown := ShownCode{PaymentCode: *code, Now: p.clock.Now()}
	if o := p.paidByCode(authCode); o != nil {
		shown.State, shown.Merchant, shown.Description, shown.Amount = o.State, p.settings.MerchantName, o.Description, o.Total
	}
	return shown, true
}

// TypePassword ends the USERPAYING order of the code: success, fail or cancel. The error is a [*Refused].
func (p *Provider) TypePassword(authCode, result string) error {
	if problem := checkResult(result); problem != nil {
		return &Refused{http.StatusBadRequest, *problem}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.paidByCode(authCode)
	if o == nil {
		return &Refused{http.StatusNotFound, control.Problem{Error: "nobody has taken this payment code", Field: "auth_code"}}
	}
	return p.finishByCode(o, PayRequest{Result: result}, p.clock.Now())
}

// paidByCode is the order that took the code, or nil. The caller holds the lock.
func (p *Provider) paidByCode(authCode string) *order {
	for _, o := range p.orders {
		if o.AuthCode == authCode {
			return o
		}
	}
	return nil
}

func (p *Provider) postAuthCode(w http.ResponseWriter, r *http.Request) {
	var body struct {
		OpenID  string `json:"openid"`
		Outcome string `json:"outcome"`
	}
	if !control.Read(w, r, &body) {
		return
	}
	code, problem := p.ShowPaymentCode(body.OpenID, body.Outcome)
	if problem != nil {
		control.Refuse(w, http.StatusBadRequest, *problem)
		return
	}
	control.Write(w, http.StatusCreated, code)
}

func (p *Provider) restorePaymentCode(r record.Record) error {
	var code PaymentCode
	if err := json.Unmarshal(r.Value, &code); err != nil {
		return err
	}
	p.paymentCodes[code.AuthCode] = &code
	return nil
}
