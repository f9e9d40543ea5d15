package wechatpaysim

import "time"

// reverseWindow is how long after it was taken a code payment can be reversed (WeChat Pay, 撤销订单: 7天内).
const reverseWindow = 7 * 24 * time.Hour

// codeOrder asks for money by a payment code, in whichever version of the protocol.
type codeOrder struct {
	owner         merchantNo // with the out_trade_no
	appID         string
	subAppID      string
	description   string
	attach        string
	deviceID      string
	authCode      string
	total         int64 // fen
	profitSharing bool
	parameters    string // the request's, for comparing repeats
	publicKey     bool   // the request named the public key
}

// codeRefusal is why a payment code did not bring money, or an order could not be reversed. Each version of the protocol has its own
// words for it.
type codeRefusal string

const (
	codeNotKnown      codeRefusal = "the payment code is none of this provider's"
	codeHasExpired    codeRefusal = "the payment code has expired; ask the payer for a fresh one"
	codeIsUsed        codeRefusal = "the payment code was used before; ask the payer for a fresh one"
	codeShort         codeRefusal = "the payer's balance is short"
	numberPaid        codeRefusal = "the order is paid"
	numberReversed    codeRefusal = "the order is reversed"
	numberUsed        codeRefusal = "the out_trade_no was used before, for another payment or one that failed; take a new one"
	reverseNotCode    codeRefusal = "only orders paid by a payment code can be reversed"
	reverseTooEarly   codeRefusal = "the payment may still be under way; reverse later"
	reverseTooLate    codeRefusal = "the payment is too long ago to be reversed; refund it"
	reverseRefunded   codeRefusal = "the order was refunded, so it cannot be reversed"
	reverseShortFunds codeRefusal = "the merchant's balance does not cover the reversal"
)

// takeByCode makes the order of a payment code and takes the money, as far as the payer lets it (付款码支付). The order then says
// what became of it: SUCCESS, USERPAYING or PAYERROR. A repeat while the payer types the password returns the same order. The
// refusal is empty where there was none; with [codeShort] there is an order too. The caller holds the lock.
func (p *Provider) takeByCode(r codeOrder) (*order, codeRefusal) {
	now := p.clock.Now()
	if o := p.find(r.owner); o != nil {
		why := o.repeatByCode(r.parameters)
		return o, why
	}
	code := p.paymentCodes[r.authCode]
	switch {
	case code == nil:
		return nil, codeNotKnown
	case code.Used:
		return nil, codeIsUsed
	case !now.Before(code.ExpiresAt):
		return nil, codeHasExpired
	}
	code.Used = true
	p.put(recordPaymentCode, code.AuthCode, code)
	o := &order{
		SpMchID: r.owner.SpMchID, MchID: r.owner.MchID, OutTradeNo: r.owner.No, Product: Codepay, AppID: r.appID, SubAppID: r.subAppID,
		Description: r.description, Attach: r.attach, DeviceID: r.deviceID, AuthCode: r.authCode, OpenID: code.OpenID, ProfitSharing: r.profitSharing,
		Total: r.total, Currency: "CNY", Parameters: r.parameters, PublicKey: r.publicKey,
		CreatedAt: now, ExpiresAt: now.Add(orderLifeDefault),
	}
	p.orders[r.owner] = o
	switch code.Outcome {
	case CodeSuccess:
		p.land(o, PayRequest{}, now)
		return o, ""
	case CodeUserPaying:
		o.State = UserPaying
	default:
		o.State = PayError
	}
	p.put(recordOrder, o.key().String(), o)
	if code.Outcome == CodeNotEnough {
		return o, codeShort
	}
	return o, ""
}

// repeatByCode says what stands against a second request under the same number.
func (o *order) repeatByCode(parameters string) codeRefusal {
	switch {
	case o.Product != Codepay || o.Parameters != parameters || o.State == PayError:
		return numberUsed
	case o.State == Revoked:
		return numberReversed
	case o.paid():
		return numberPaid
	}
	return ""
}

// finishByCode is what the payer does with the password: it ends USERPAYING. The caller holds the lock.
func (p *Provider) finishByCode(o *order, r PayRequest, now time.Time) error {
	switch {
	case o.State != UserPaying:
		return refused("the order does not wait for its payer: it is " + o.State)
	case r.OpenID != "" && r.OpenID != o.OpenID:
		return refused("the payment code is of another openid; pay as " + o.OpenID)
	}
	if r.Result == PaySuccess {
		p.land(o, r, now)
		return nil
	}
	o.State = PayError
	p.put(recordOrder, o.key().String(), o)
	return nil
}

// reverse ends the order for good: what was paid goes back in full, what was not can no longer be paid (撤销订单). A reversed
// order is reversed again without effect. The caller holds the lock.
func (p *Provider) reverse(o *order) codeRefusal {
	now := p.clock.Now()
	switch {
	case o.Product != Codepay:
		return reverseNotCode
	case o.State == Revoked:
		return ""
	case now.Sub(o.CreatedAt) > reverseWindow:
		return reverseTooLate
	case now.Sub(o.CreatedAt) < p.settings.ReverseAfter.Std():
		return reverseTooEarly
	case len(o.Refunds) > 0:
		return reverseRefunded
	}
	if o.paid() {
		pot, ok := p.reversalPot(o)
		if !ok {
			return reverseShortFunds
		}
		p.post(posting{At: now, Kind: postReverse, Ref: o.TransactionID, OutNo: o.OutTradeNo, Legs: []leg{
			{account{o.MchID, pot}, o.Fee - o.Total}, {world(potFees), -o.Fee}, {world(potPaid), o.Total},
		}})
		if pot == potFrozen {
			p.takeFrozen(o, o.Total-o.Fee)
			p.releaseByTime(p.frozen[o.key()], now) // there is nothing left to share
		}
	}
	o.State = Revoked
	p.put(recordOrder, o.key().String(), o)
	return ""
}

// reversalPot is where the money of a paid order still lies; false if nowhere all of it. That of an order for sharing is frozen
// until the rest is released.
func (p *Provider) reversalPot(o *order) (pot string, ok bool) {
	if f := p.frozen[o.key()]; f != nil {
		pot, has := p.refundSource(o, refundRequest{})
		return pot, has >= o.Total-o.Fee && f.Shared == 0
	}
	for _, pot := range []string{potUnsettled, potAvailable} {
		if p.balance(o.MchID, pot) >= o.Total-o.Fee {
			return pot, true
		}
	}
	return "", false
}
