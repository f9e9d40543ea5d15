package client

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/url"
	"strings"
	"time"
)

// Event is an immutable fact about a resource. Sequence counts per resource: drop what is older than what you have.
type Event struct {
	ID        string    `json:"id"`
	Type      string    `json:"type"`
	CreatedAt time.Time `json:"created_at"`
	Sequence  int64     `json:"sequence"`
	Data      EventData `json:"data"`
}

// EventData carries the resource as it was at that moment.
type EventData struct {
	Object json.RawMessage `json:"object"`
}

// The types of events.
const (
	EventPaymentCreated   = "payment.created"
	EventPaymentSucceeded = "payment.succeeded"
	EventPaymentRefunded  = "payment.refunded"
	EventPaymentClosed    = "payment.closed"
	EventPaymentFailed    = "payment.failed"
	EventPaymentLatePaid  = "payment.late_paid" // money after the end, or a second time: deliver if the payment is succeeded, and you have not yet
	EventRefundCreated    = "refund.created"
	EventRefundSucceeded  = "refund.succeeded"
	EventRefundAbnormal   = "refund.abnormal"
	EventRefundFailed     = "refund.failed"
	EventRefundClosed     = "refund.closed"
	EventReviewOpened     = "review.opened"
	EventReviewResolved   = "review.resolved"
)

// Payment is the event's payment; an error if the event is about something else.
func (e *Event) Payment() (*Payment, error) { return object[Payment](e, "payment") }

// Refund is the event's refund; an error if the event is about something else.
func (e *Event) Refund() (*Refund, error) { return object[Refund](e, "refund") }

// Review is the event's review; an error if the event is about something else.
func (e *Event) Review() (*Review, error) { return object[Review](e, "review") }

func object[T any](e *Event, kind string) (*T, error) {
	var v struct {
		Object string `json:"object"`
	}
	if err := json.Unmarshal(e.Data.Object, &v); err != nil || v.Object != kind {
		return nil, fmt.Errorf("client: event %s of type %s is not about a %s", e.ID, e.Type, kind)
	}
	var resource T
	if err := json.Unmarshal(e.Data.Object, &resource); err != nil {
		return nil, fmt.Errorf("client: event %s: %w", e.ID, err)
	}
	return &resource, nil
}

// EventQuery narrows the app's stream of events, oldest first; zero fields do not.
type EventQuery struct {
	After string   // an event's id: the events that were committed later follow
	Types []string // of the Event... constants
	Limit int      // events per page, 1 to 100; 0: 20
}

// ListEvents answers with one page. NextCursor is the After of the next one.
func (c *Client) ListEvents(ctx context.Context, q EventQuery) (*Page[Event], error) {
	values := query{}
	values.text("after", q.After)
	values.text("types", strings.Join(q.Types, ","))
	values.limit(q.Limit)
	return page[Event](ctx, c, "/v1/events", values)
}

// Events walks every event that fits up to now, page by page. To follow the stream, start again after the last one.
func (c *Client) Events(ctx context.Context, q EventQuery) iter.Seq2[Event, error] {
	return all(q.After, func(cursor string) (*Page[Event], error) {
		q.After = cursor
		return c.ListEvents(ctx, q)
	})
}

// PaymentEventQuery is a part of one payment's timeline.
type PaymentEventQuery struct {
	After string
	Limit int // events per page, 1 to 100; 0: 20
}

// ListPaymentEvents answers with one page of a payment's own events, oldest first.
func (c *Client) ListPaymentEvents(ctx context.Context, paymentID string, q PaymentEventQuery) (*Page[Event], error) {
	values := query{}
	values.text("after", q.After)
	values.limit(q.Limit)
	return page[Event](ctx, c, "/v1/payments/"+url.PathEscape(paymentID)+"/events", values)
}

// PaymentEvents walks a payment's own events, oldest first.
func (c *Client) PaymentEvents(ctx context.Context, paymentID string) iter.Seq2[Event, error] {
	return all("", func(cursor string) (*Page[Event], error) {
		return c.ListPaymentEvents(ctx, paymentID, PaymentEventQuery{After: cursor})
	})
}
