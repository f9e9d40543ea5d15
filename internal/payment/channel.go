package payment

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/tongbao-pay/tongbao/internal/money"
)

// Provider is one account at one channel: the outside effects this domain needs. Implementations are safe for
// concurrent use, bounded in time, and return a [*ChannelError] for everything that is not done.
type Provider interface {
	// Identity is the merchant and app under which orders of the product are placed.
	Identity(Product) (merchantID, merchantAppID string, err error)
	// Place asks the provider to hold an order, or, for a trade number it already holds unpaid, for a fresh credential.
	Place(context.Context, *Payment, *Attempt) (Credential, error)
	// Invoke signs what the front end passes to the provider's cashier, as JSON; nil where the attempt's product needs none.
	Invoke(*Attempt) (json.RawMessage, error)
	QueryOrder(ctx context.Context, a *Attempt) (OrderReport, error)
	// CloseOrder ends an unpaid order. Done also means: already closed there, or never known there.
	CloseOrder(ctx context.Context, a *Attempt) error
	CreateRefund(ctx context.Context, p *Payment, r *Refund) (RefundReport, error)
	QueryRefund(ctx context.Context, r *Refund) (RefundReport, error)
}

// Providers finds the account a payment goes through. The error is an [*Error] that names what to configure.
type Providers interface {
	// Choose picks the account for a new payment; accountID may be empty where only one fits.
	Choose(ctx context.Context, channel Channel, product Product, accountID string) (chosenID string, err error)
	Provider(ctx context.Context, accountID string) (Provider, error)
}

// Outcome says what an outside write came to when it did not plainly succeed.
type Outcome int

// The outcomes. The zero value is the safe one.
const (
	Unknown Outcome = iota // it may or may not have happened: ask
	Refused                // it did not happen, and repeating will not help
	Retry                  // it did not happen now; repeat later with the same number
	Absent                 // asked about something the provider does not know
)

func (o Outcome) String() string {
	switch o {
	case Unknown:
		return "unknown"
	case Refused:
		return "refused"
	case Retry:
		return "retry"
	case Absent:
		return "absent"
	}
	return "invalid"
}

// ChannelError is a provider's answer, or the lack of one. Code, Message and Field are the provider's own words.
// Wait is how long the provider is to be left alone where the call was held back and nothing was sent; else zero.
type ChannelError struct {
	Outcome   Outcome `json:"-"`
	Code      string  `json:"code,omitempty"`
	Message   string  `json:"message,omitempty"`
	Field     string  `json:"field,omitempty" doc:"what of the provider's own request is at fault, such as /payer/openid"`
	RequestID string  `json:"request_id,omitempty" doc:"name it to the provider's support"`
	Cause     error   `json:"-"`

	Wait time.Duration `json:"-"`
}

func (e *ChannelError) Error() string {
	s := "provider: " + e.Outcome.String()
	if e.Code != "" {
		s += ": " + e.Code
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	if e.Cause != nil && e.Message == "" {
		s += ": " + e.Cause.Error()
	}
	return s
}

func (e *ChannelError) Unwrap() error { return e.Cause }

// level is that of the log line about the error: of calls that were held back there are many, and their reason is told once.
func (e *ChannelError) level() slog.Level {
	if e.Wait > 0 {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

// channelError makes any error of a [Provider] one; what is not one already is of unknown outcome.
func channelError(err error) *ChannelError {
	if ce, ok := errors.AsType[*ChannelError](err); ok {
		return ce
	}
	return &ChannelError{Outcome: Unknown, Cause: err}
}

// OrderState is what a provider says about an order.
type OrderState string

// The states a provider can report.
const (
	OrderUnpaid       OrderState = "unpaid"
	OrderPaid         OrderState = "paid" // also when refunds followed
	OrderClosed       OrderState = "closed"
	OrderUnrecognised OrderState = "unrecognised" // a word this version does not know: a person must look
)

// OrderReport is a provider's verified word about one order, from a notification or an answer.
type OrderReport struct {
	AccountID     string // whose keys verified it
	MerchantID    string
	MerchantAppID string
	TradeNo       string
	TransactionID string
	State         OrderState
	StateText     string // the provider's own word
	Amount        int64  // the order's total, not what the payer paid after coupons; 0 when not told
	Currency      money.Currency
	PaidAt        time.Time
	Evidence      json.RawMessage // what was verified, for a review
}

// RefundState is what a provider says about a refund.
type RefundState string

// The states a provider can report of a refund.
const (
	RefundReportedProcessing   RefundState = "processing"
	RefundReportedSucceeded    RefundState = "succeeded"
	RefundReportedAbnormal     RefundState = "abnormal"
	RefundReportedClosed       RefundState = "closed"
	RefundReportedUnrecognised RefundState = "unrecognised"
)

// RefundReport is a provider's verified word about one refund. MerchantID is empty where the provider does not name it.
type RefundReport struct {
	AccountID       string
	MerchantID      string
	TradeNo         string
	TransactionID   string
	RefundNo        string
	ChannelRefundID string
	State           RefundState
	StateText       string
	Amount          int64
	Total           int64
	SucceededAt     time.Time
	Evidence        json.RawMessage
}
