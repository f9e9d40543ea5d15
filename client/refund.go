package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// Refund gives back part or all of a payment.
type Refund struct {
	ID              string        `json:"id"`
	Object          string        `json:"object"`
	AppID           string        `json:"app_id"`
	PaymentID       string        `json:"payment_id"`
	OutRefundNo     string        `json:"out_refund_no"`
	RefundNo        string        `json:"refund_no"`
	ChannelRefundID string        `json:"channel_refund_id,omitempty"`
	Status          string        `json:"status"` // one of the Refund... constants
	Amount          int64         `json:"amount"`
	Currency        string        `json:"currency"`
	Reason          string        `json:"reason,omitempty"`
	ChannelError    *ChannelError `json:"channel_error,omitempty"` // the provider's last refusal
	CreatedAt       time.Time     `json:"created_at"`
	SucceededAt     *time.Time    `json:"succeeded_at,omitempty"`
}

// The states of a refund.
const (
	RefundPending    = "pending"    // the provider has not confirmed it yet
	RefundProcessing = "processing" // the provider accepted it
	RefundSucceeded  = "succeeded"
	RefundAbnormal   = "abnormal" // the money could not reach the payer: a person must act
	RefundClosed     = "closed"
	RefundFailed     = "failed"
)

// CreateRefund asks for money to go back.
type CreateRefund struct {
	PaymentID   string `json:"payment_id"`
	OutRefundNo string `json:"out_refund_no"` // the app's own number: 1 to 64 letters, digits, _ or -
	Amount      int64  `json:"amount"`        // minor units (fen)
	Reason      string `json:"reason,omitempty"`

	IdempotencyKey string `json:"-"` // optional: the number identifies the intent already
}

// RefundQuery narrows a list of refunds, newest first; zero fields do not.
type RefundQuery struct {
	PaymentID   string
	OutRefundNo string
	Status      string
	Cursor      string
	Limit       int // refunds per page, 1 to 100; 0: 20
}

// CreateRefund makes a refund, or answers with the one that the same request made before.
func (c *Client) CreateRefund(ctx context.Context, request CreateRefund) (*Refund, error) {
	return c.refund(ctx, call{method: http.MethodPost, path: "/v1/refunds", body: request, idempotencyKey: request.IdempotencyKey})
}

// Refund shows a refund as the gateway knows it.
func (c *Client) Refund(ctx context.Context, id string) (*Refund, error) {
	return c.refund(ctx, call{method: http.MethodGet, path: "/v1/refunds/" + url.PathEscape(id)})
}

func (c *Client) refund(ctx context.Context, op call) (*Refund, error) {
	var r Refund
	if err := c.do(ctx, op, &r); err != nil {
		return nil, err
	}
	return &r, nil
}

// ListRefunds answers with one page.
func (c *Client) ListRefunds(ctx context.Context, q RefundQuery) (*Page[Refund], error) {
	values := query{}
	values.text("payment_id", q.PaymentID)
	values.text("out_refund_no", q.OutRefundNo)
	values.text("status", q.Status)
	values.text("cursor", q.Cursor)
	values.limit(q.Limit)
	return page[Refund](ctx, c, "/v1/refunds", values)
}

// Refunds walks every refund that fits, page by page.
func (c *Client) Refunds(ctx context.Context, q RefundQuery) iter.Seq2[Refund, error] {
	return all(q.Cursor, func(cursor string) (*Page[Refund], error) {
		q.Cursor = cursor
		return c.ListRefunds(ctx, q)
	})
}
