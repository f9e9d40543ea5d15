package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// Payment is one intent to collect one amount. Amounts are in minor units (fen).
type Payment struct {
	ID             string            `json:"id"`
	Object         string            `json:"object"`
	AppID          string            `json:"app_id"`
	OutTradeNo     string            `json:"out_trade_no"`
	Status         string            `json:"status"` // one of the Payment... constants
	Amount         int64             `json:"amount"`
	Currency       string            `json:"currency"`
	AmountPaid     int64             `json:"amount_paid"`
	AmountRefunded int64             `json:"amount_refunded"`
	Description    string            `json:"description"`
	Channel        string            `json:"channel"`
	Product        string            `json:"product"`
	Account        string            `json:"account"`
	TradeNo        string            `json:"trade_no"`                 // the number under which the provider knows the order that paid, or is to be paid
	TransactionID  string            `json:"transaction_id,omitempty"` // the provider's own number, once paid
	LatePaid       bool              `json:"late_paid,omitempty"`      // the money arrived after the payment had ended
	ReturnURL      string            `json:"return_url,omitempty"`
	Metadata       map[string]string `json:"metadata,omitempty"`
	Credential     *Credential       `json:"credential,omitempty"` // while it can be paid
	ChannelError   *ChannelError     `json:"channel_error,omitempty"`
	CreatedAt      time.Time         `json:"created_at"`
	ExpiresAt      time.Time         `json:"expires_at"`
	PaidAt         *time.Time        `json:"paid_at,omitempty"`
	ClosedAt       *time.Time        `json:"closed_at,omitempty"`
}

// The states of a payment.
const (
	PaymentPending    = "pending"    // waiting for the payer
	PaymentProcessing = "processing" // the outcome is not known yet
	PaymentSucceeded  = "succeeded"
	PaymentRefunded   = "refunded" // all of it
	PaymentClosed     = "closed"
	PaymentFailed     = "failed"
)

// Credential opens the provider's cashier on the payer's device.
type Credential struct {
	CodeURL   string          `json:"code_url,omitempty"`  // native: render it as a QR code
	PrepayID  string          `json:"prepay_id,omitempty"` // jsapi, miniprogram, app
	Invoke    json.RawMessage `json:"invoke,omitempty"`    // jsapi, miniprogram, app: pass it on as it is; in answers to creates only
	H5URL     string          `json:"h5_url,omitempty"`    // h5: navigate to it
	ExpiresAt time.Time       `json:"expires_at"`
}

// CreatePayment asks for a payment. Zero fields are left out.
type CreatePayment struct {
	OutTradeNo  string            `json:"out_trade_no"` // the app's own number: 1 to 64 letters, digits, _ or -
	Amount      int64             `json:"amount"`       // minor units (fen)
	Currency    string            `json:"currency,omitempty"`
	Description string            `json:"description"`
	Channel     string            `json:"channel"`
	Product     string            `json:"product"`
	Payer       *Payer            `json:"payer,omitempty"`
	ClientIP    string            `json:"client_ip,omitempty"`
	ExpiresIn   int64             `json:"expires_in,omitempty"` // seconds; instead of ExpiresAt
	ExpiresAt   time.Time         `json:"expires_at,omitzero"`
	ReturnURL   string            `json:"return_url,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	Account     string            `json:"account,omitempty"`

	IdempotencyKey string `json:"-"` // optional: the number identifies the intent already
}

// Payer is who pays, as far as a product must know.
type Payer struct {
	OpenID string `json:"openid,omitempty"`
}

// PaymentQuery narrows a list of payments, newest first; zero fields do not.
type PaymentQuery struct {
	OutTradeNo  string
	Status      string
	Channel     string
	CreatedFrom time.Time // inclusive
	CreatedTo   time.Time // exclusive
	Cursor      string
	Limit       int // payments per page, 1 to 100; 0: 20
}

// CreatePayment places a payment, or answers with the one that the same request placed before. With another product,
// payer or return URL, and nothing else changed, it switches a payment that can still be paid to that way to pay: the
// credential in the answer is the one to use from then on, and older ones are void soon after.
func (c *Client) CreatePayment(ctx context.Context, request CreatePayment) (*Payment, error) {
	return c.payment(ctx, call{method: http.MethodPost, path: "/v1/payments", body: request, idempotencyKey: request.IdempotencyKey})
}

// Payment shows a payment as the gateway knows it.
func (c *Client) Payment(ctx context.Context, id string) (*Payment, error) {
	return c.payment(ctx, call{method: http.MethodGet, path: "/v1/payments/" + url.PathEscape(id)})
}

// ClosePayment ends a payment that nobody has paid, at the provider too. A payment that comes back not closed is
// being closed: the provider's answer is not known yet.
func (c *Client) ClosePayment(ctx context.Context, id string) (*Payment, error) {
	return c.payment(ctx, call{method: http.MethodPost, path: "/v1/payments/" + url.PathEscape(id) + "/close"})
}

// SyncPayment makes the gateway ask the provider now.
func (c *Client) SyncPayment(ctx context.Context, id string) (*Payment, error) {
	return c.payment(ctx, call{method: http.MethodPost, path: "/v1/payments/" + url.PathEscape(id) + "/sync"})
}

func (c *Client) payment(ctx context.Context, op call) (*Payment, error) {
	var p Payment
	if err := c.do(ctx, op, &p); err != nil {
		return nil, err
	}
	return &p, nil
}

// ListPayments answers with one page.
func (c *Client) ListPayments(ctx context.Context, q PaymentQuery) (*Page[Payment], error) {
	values := query{}
	values.text("out_trade_no", q.OutTradeNo)
	values.text("status", q.Status)
	values.text("channel", q.Channel)
	values.time("created_from", q.CreatedFrom)
	values.time("created_to", q.CreatedTo)
	values.text("cursor", q.Cursor)
	values.limit(q.Limit)
	return page[Payment](ctx, c, "/v1/payments", values)
}

// Payments walks every payment that fits, page by page.
func (c *Client) Payments(ctx context.Context, q PaymentQuery) iter.Seq2[Payment, error] {
	return all(q.Cursor, func(cursor string) (*Page[Payment], error) {
		q.Cursor = cursor
		return c.ListPayments(ctx, q)
	})
}
