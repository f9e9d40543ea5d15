package payment

import (
	"slices"
	"strings"
	"time"

	"github.com/tongbao-pay/tongbao/internal/money"
)

// Channel is a provider.
type Channel string

// WeChat is WeChat Pay.
const WeChat Channel = "wechat"

// Product is how the payer pays at a channel.
type Product string

// The products of WeChat Pay.
const (
	Native      Product = "native"      // a QR code on a screen
	JSAPI       Product = "jsapi"       // inside the WeChat browser
	MiniProgram Product = "miniprogram" // inside a mini program
	App         Product = "app"         // a native app that opens WeChat
	H5          Product = "h5"          // another mobile browser
)

// LatePolicy says what happens to money that arrives after a payment ended without it.
type LatePolicy string

// The policies for late money.
const (
	LateRefund LatePolicy = "refund" // give it back by itself
	LateAccept LatePolicy = "accept" // the payment succeeds after all
	LateReview LatePolicy = "review" // a person decides
)

// Payer is who pays, as far as a product must know.
type Payer struct {
	OpenID string `json:"openid,omitempty"`
}

// Credential is what the payer's device needs to open the provider's cashier. Exactly one field of the three
// is set; it is void after ExpiresAt.
type Credential struct {
	CodeURL   string    `json:"code_url,omitempty"`
	PrepayID  string    `json:"prepay_id,omitempty"`
	H5URL     string    `json:"h5_url,omitempty"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Usable reports whether the credential can still open a cashier at now.
func (c Credential) Usable(now time.Time) bool {
	return (c.CodeURL != "" || c.PrepayID != "" || c.H5URL != "") && now.Before(c.ExpiresAt)
}

// Payment is one intent to collect one amount, unique by (AppID, OutTradeNo), with everything that happened
// to it. Amounts are in the minor unit of Currency. Times are UTC; a zero time means "not yet".
type Payment struct {
	ID          string
	AppID       string
	AccountID   string
	OutTradeNo  string
	Amount      int64
	Currency    money.Currency
	Description string
	Channel     Channel
	Metadata    map[string]string
	ContentHash string // of the first request's content: the same number with other content is a conflict
	LatePolicy  LatePolicy

	Status           Status
	AmountPaid       int64
	AmountRefunded   int64 // arrived back at the payer
	AmountRefunding  int64 // reserved for refunds under way
	LatePaid         bool
	CreatedAt        time.Time
	UpdatedAt        time.Time
	ExpiresAt        time.Time
	PaidAt           time.Time // by the provider's clock
	ClosedAt         time.Time
	CloseRequestedAt time.Time // an app's wish to close, durable before the provider is asked
	Sequence         int64     // of the last event
	Version          int64     // of the row; 0 means never committed

	Attempts []*Attempt // in the order in which they were made
	Refunds  []*Refund
}

// Attempt is one order at a provider, for one way to pay: a payer who chooses another makes a new one. MerchantID and
// MerchantAppID are the identity under which it was placed; every report about it must name the same.
type Attempt struct {
	ID            string
	Ordinal       int // counts the payment's attempts from 1
	Product       Product
	Payer         Payer
	ClientIP      string
	ReturnURL     string
	TradeNo       string // our number at the provider: 32 characters at most, letters and digits
	MerchantID    string
	MerchantAppID string
	TransactionID string // the provider's number, once paid
	Status        AttemptStatus
	Credential    Credential
	Error         *ChannelError // why Refused
	Late          bool          // paid after the payment had ended, and not accepted
	PlacingUntil  time.Time     // while now is before it, one caller is asking the provider and others wait
	CreatedAt     time.Time
	ClosedAt      time.Time
}

// Refund gives back part or all of a payment. RefundNo is our number at the provider and never changes.
type Refund struct {
	ID              string
	PaymentID       string
	AppID           string
	OutRefundNo     string
	RefundNo        string
	ChannelRefundID string
	TradeNo         string
	Amount          int64
	Currency        money.Currency
	Reason          string
	Status          RefundStatus
	Error           *ChannelError // the provider's last refusal
	CreatedAt       time.Time
	UpdatedAt       time.Time
	SucceededAt     time.Time
	Sequence        int64
}

// Terminal reports whether nothing more can happen to the payment except late money and refunds.
func (p *Payment) Terminal() bool {
	return p.Status != Processing && p.Status != Pending
}

// Refundable is what may still be refunded: what was paid, less what went back and what is reserved to.
func (p *Payment) Refundable() int64 {
	return p.AmountPaid - p.AmountRefunded - p.AmountRefunding
}

// Current is the attempt a payer should pay now: the newest that the provider did not refuse; where it refused all of
// them, the newest.
func (p *Payment) Current() *Attempt {
	for _, a := range slices.Backward(p.Attempts) {
		if a.Status != AttemptRefused {
			return a
		}
	}
	return p.Attempts[len(p.Attempts)-1]
}

// payable reports whether a payer may still be sent to the cashier: the payment has not ended, and nobody is ending it.
func (p *Payment) payable(now time.Time) bool {
	return !p.Terminal() && p.CloseRequestedAt.IsZero() && now.Before(p.ExpiresAt) && p.Current().Status != AttemptClosed
}

// unsettled are the attempts that may be paid, unpaid those that were not, the newest first.
func (p *Payment) unsettled() []*Attempt { return p.newest(AttemptPlacing, AttemptOpen) }

func (p *Payment) unpaid() []*Attempt {
	return p.newest(AttemptPlacing, AttemptOpen, AttemptClosed, AttemptRefused)
}

func (p *Payment) newest(in ...AttemptStatus) (attempts []*Attempt) {
	for _, a := range slices.Backward(p.Attempts) {
		if slices.Contains(in, a.Status) {
			attempts = append(attempts, a)
		}
	}
	return attempts
}

func (p *Payment) attempt(tradeNo string) *Attempt {
	i := slices.IndexFunc(p.Attempts, func(a *Attempt) bool { return a.TradeNo == tradeNo })
	if i < 0 {
		return nil
	}
	return p.Attempts[i]
}

func (p *Payment) attemptByID(id string) *Attempt {
	i := slices.IndexFunc(p.Attempts, func(a *Attempt) bool { return a.ID == id })
	return p.Attempts[i] // its row led here
}

// paidAttempt is the attempt that paid the payment; where none did in time, the first that paid late.
func (p *Payment) paidAttempt() (paid *Attempt) {
	for _, a := range p.Attempts {
		if a.Status == AttemptPaid && (paid == nil || paid.Late && !a.Late) {
			paid = a
		}
	}
	return paid
}

// left is what an attempt brought, less what goes or went back of it.
func (p *Payment) left(a *Attempt) int64 {
	if a.Status != AttemptPaid {
		return 0
	}
	left := p.Amount
	for _, r := range p.Refunds {
		if r.TradeNo == a.TradeNo && !r.ended() {
			left -= r.Amount
		}
	}
	return left
}

func (p *Payment) refund(match func(*Refund) bool) *Refund {
	i := slices.IndexFunc(p.Refunds, match)
	if i < 0 {
		return nil
	}
	return p.Refunds[i]
}

// RefundByID returns the refund of that id, or nil.
func (p *Payment) RefundByID(id string) *Refund {
	return p.refund(func(r *Refund) bool { return r.ID == id })
}

func (p *Payment) refundByRefundNo(no string) *Refund {
	return p.refund(func(r *Refund) bool { return r.RefundNo == no })
}

func (r *Refund) terminal() bool { return r.Status == RefundSucceeded || r.ended() }

// ended reports whether the refund came to nothing.
func (r *Refund) ended() bool { return r.Status == RefundClosed || r.Status == RefundFailed }

// late reports whether the refund gives late money back.
func (r *Refund) late() bool { return strings.HasPrefix(r.OutRefundNo, latePrefix) }
