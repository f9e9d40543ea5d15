package payment

import (
	"encoding/json"
	"time"
)

// The types below are resources as apps see them, in answers and in events alike.

// PaymentResource is a payment as apps see it.
type PaymentResource struct {
	ID             string              `json:"id" doc:"identifies the payment" example:"pay_01K9ZQ4T3M8W6V5R2N7X1Y0ABC"`
	Object         string              `json:"object" enum:"payment"`
	AppID          string              `json:"app_id"`
	OutTradeNo     string              `json:"out_trade_no" doc:"the app's own number"`
	Status         Status              `json:"status" enum:"pending,processing,succeeded,refunded,closed,failed"`
	Amount         int64               `json:"amount" doc:"minor units (fen)" example:"8800"`
	Currency       string              `json:"currency" example:"CNY"`
	AmountPaid     int64               `json:"amount_paid" doc:"minor units; 0 until the payer's money is there"`
	AmountRefunded int64               `json:"amount_refunded" doc:"minor units; the sum of succeeded refunds"`
	Description    string              `json:"description"`
	Channel        Channel             `json:"channel" enum:"wechat"`
	Product        Product             `json:"product" enum:"native,jsapi,miniprogram,app,h5" doc:"how it was paid, or else is to be paid"`
	Account        string              `json:"account" doc:"the merchant's account at the provider"`
	TradeNo        string              `json:"trade_no" doc:"the number under which the provider knows the order that paid, or else the one to pay; another after the payer switched"`
	TransactionID  string              `json:"transaction_id,omitempty" doc:"the provider's own number, once paid"`
	LatePaid       bool                `json:"late_paid,omitempty" doc:"the money arrived after the payment had ended"`
	ReturnURL      string              `json:"return_url,omitempty"`
	Metadata       map[string]string   `json:"metadata,omitempty"`
	Credential     *CredentialResource `json:"credential,omitempty" doc:"what the payer's device needs; present while it can be paid"`
	ChannelError   *ChannelError       `json:"channel_error,omitempty" doc:"the provider's own code and message, when it refused"`
	CreatedAt      time.Time           `json:"created_at"`
	ExpiresAt      time.Time           `json:"expires_at"`
	PaidAt         *time.Time          `json:"paid_at,omitempty" doc:"by the provider's clock"`
	ClosedAt       *time.Time          `json:"closed_at,omitempty"`
}

// CredentialResource opens the provider's cashier.
type CredentialResource struct {
	CodeURL   string          `json:"code_url,omitempty" doc:"native: render it as a QR code"`
	PrepayID  string          `json:"prepay_id,omitempty" doc:"jsapi, miniprogram, app"`
	Invoke    json.RawMessage `json:"invoke,omitempty" doc:"jsapi, miniprogram, app: ready-signed parameters, passed as they are to the front end's call; in answers to POST only"`
	H5URL     string          `json:"h5_url,omitempty" doc:"h5: navigate to it"`
	ExpiresAt time.Time       `json:"expires_at" doc:"after it, repeat the create request for a fresh one"`
}

// RefundResource is a refund as apps see it.
type RefundResource struct {
	ID              string        `json:"id" example:"rfd_01K9ZQ4T3M8W6V5R2N7X1Y0ABC"`
	Object          string        `json:"object" enum:"refund"`
	AppID           string        `json:"app_id"`
	PaymentID       string        `json:"payment_id"`
	OutRefundNo     string        `json:"out_refund_no" doc:"the app's own number"`
	RefundNo        string        `json:"refund_no" doc:"the number under which the provider knows the refund"`
	ChannelRefundID string        `json:"channel_refund_id,omitempty" doc:"the provider's own number"`
	Status          RefundStatus  `json:"status" enum:"pending,processing,succeeded,abnormal,closed,failed"`
	Amount          int64         `json:"amount" doc:"minor units (fen)"`
	Currency        string        `json:"currency"`
	Reason          string        `json:"reason,omitempty"`
	ChannelError    *ChannelError `json:"channel_error,omitempty" doc:"the provider's last refusal"`
	CreatedAt       time.Time     `json:"created_at"`
	SucceededAt     *time.Time    `json:"succeeded_at,omitempty"`
}

// ReviewResource is a review as apps see it. Evidence is shown of one review at a time; see [Review.ResourceWithEvidence].
type ReviewResource struct {
	ID         string          `json:"id" example:"rvw_01K9ZQ4T3M8W6V5R2N7X1Y0ABC"`
	Object     string          `json:"object" enum:"review"`
	AppID      string          `json:"app_id"`
	State      ReviewState     `json:"state" enum:"open,resolved"`
	Kind       ReviewKind      `json:"kind" doc:"why software must not decide alone" example:"late_paid"`
	SubjectID  string          `json:"subject_id" doc:"the payment or refund it is about"`
	Summary    string          `json:"summary" doc:"what happened and what to do next"`
	Actions    []ReviewAction  `json:"actions,omitempty" doc:"what it can be resolved by, while it is open" example:"[\"accept\",\"refund\",\"acknowledge\"]"`
	Evidence   json.RawMessage `json:"evidence,omitempty" doc:"what the provider said, without what identifies the payer; in answers about one review only"`
	OpenedAt   time.Time       `json:"opened_at"`
	ResolvedAt *time.Time      `json:"resolved_at,omitempty"`
	Resolution ReviewAction    `json:"resolution,omitempty" doc:"the action that was decided"`
	Note       string          `json:"note,omitempty" doc:"why, in the words of who resolved it"`
	ResolvedBy string          `json:"resolved_by,omitempty" doc:"the id of the API key, or operator" example:"ak_01K9ZQ4T3M8W6V5R2N7X1Y0ABC"`
}

// Resource shows the payment as it is, without its credential; see [Payment.ResourceWithCredential].
func (p *Payment) Resource() PaymentResource {
	a := p.Current()
	if paid := p.paidAttempt(); paid != nil {
		a = paid
	}
	return PaymentResource{
		ID: p.ID, Object: "payment", AppID: p.AppID, OutTradeNo: p.OutTradeNo, Status: p.Status,
		Amount: p.Amount, Currency: string(p.Currency), AmountPaid: p.AmountPaid, AmountRefunded: p.AmountRefunded,
		Description: p.Description, Channel: p.Channel, Product: a.Product, Account: p.AccountID,
		TradeNo: a.TradeNo, TransactionID: a.TransactionID, LatePaid: p.LatePaid,
		ReturnURL: a.ReturnURL, Metadata: p.Metadata, ChannelError: a.Error,
		CreatedAt: p.CreatedAt, ExpiresAt: p.ExpiresAt, PaidAt: optional(p.PaidAt), ClosedAt: optional(p.ClosedAt),
	}
}

// ResourceWithCredential shows the payment to its own app, with the credential while it can be paid.
func (p *Payment) ResourceWithCredential(now time.Time, invoke json.RawMessage) PaymentResource {
	r := p.Resource()
	a := p.Current()
	if c := a.Credential; p.Status == Pending && a.Status == AttemptOpen && c.Usable(now) {
		r.Credential = &CredentialResource{CodeURL: c.CodeURL, PrepayID: c.PrepayID, H5URL: c.H5URL, Invoke: invoke, ExpiresAt: c.ExpiresAt}
	}
	return r
}

// Resource shows the refund as it is.
func (r *Refund) Resource() RefundResource {
	return RefundResource{
		ID: r.ID, Object: "refund", AppID: r.AppID, PaymentID: r.PaymentID, OutRefundNo: r.OutRefundNo, RefundNo: r.RefundNo,
		ChannelRefundID: r.ChannelRefundID, Status: r.Status, Amount: r.Amount, Currency: string(r.Currency), Reason: r.Reason,
		ChannelError: r.Error, CreatedAt: r.CreatedAt, SucceededAt: optional(r.SucceededAt),
	}
}

// Resource shows the review as it is.
func (v *Review) Resource() ReviewResource {
	r := ReviewResource{
		ID: v.ID, Object: "review", AppID: v.AppID, State: v.State(), Kind: v.Kind, SubjectID: v.SubjectID, Summary: v.Summary,
		OpenedAt: v.OpenedAt, ResolvedAt: optional(v.ResolvedAt), Resolution: v.Resolution, Note: v.Note, ResolvedBy: v.ResolvedBy,
	}
	if r.State == ReviewOpen {
		r.Actions = v.Kind.Actions()
	}
	return r
}

// ResourceWithEvidence shows the review to who decides about it.
func (v *Review) ResourceWithEvidence() ReviewResource {
	r := v.Resource()
	r.Evidence = v.RedactedEvidence()
	return r
}

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
