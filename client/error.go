package client

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Error is a refusal by the gateway, as RFC 9457 problem details.
type Error struct {
	Status       int           `json:"status"`
	Code         string        `json:"code"`   // stable: branch on it
	Title        string        `json:"title"`  // the status in words
	Detail       string        `json:"detail"` // what to do
	RequestID    string        `json:"request_id"`
	PaymentID    string        `json:"payment_id,omitempty"` // the payment concerned, where one exists
	Fields       []FieldError  `json:"errors,omitempty"`
	ChannelError *ChannelError `json:"channel_error,omitempty"`
	RetryAfter   time.Duration `json:"-"` // how long the gateway asks to wait; 0: it did not say
}

// FieldError is one mistake in a request.
type FieldError struct {
	Location string `json:"location"` // such as "body.amount" or "query.limit"
	Message  string `json:"message"`
}

// ChannelError is a provider's own code and message.
type ChannelError struct {
	Code      string `json:"code,omitempty"`
	Message   string `json:"message,omitempty"`
	Field     string `json:"field,omitempty"` // what of the provider's own request is at fault, such as /payer/openid
	RequestID string `json:"request_id,omitempty"`
}

// Error codes that callers branch on most. The API's document lists all of them.
const (
	CodeInvalidRequest      = "invalid_request"
	CodeUnauthenticated     = "unauthenticated"
	CodeNotFound            = "not_found"
	CodeNumberConflict      = "number_conflict"
	CodeInProgress          = "in_progress"
	CodeAttemptLimit        = "attempt_limit_reached"
	CodeChannelRefused      = "channel_refused"
	CodeChannelUnavailable  = "channel_unavailable"
	CodeNotClosable         = "payment_not_closable"
	CodeNotRefundable       = "payment_not_refundable"
	CodeReviewResolved      = "review_resolved"
	CodeReviewAction        = "review_action_refused"
	CodeRefundExceeds       = "refund_exceeds_payment"
	CodeIdempotencyKeyInUse = "idempotency_key_in_use"
	CodeRateLimited         = "rate_limited"
)

// Error says what was refused, with every field at fault and the request id.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "tongbao: %d %s: %s", e.Status, e.Code, e.Detail)
	for _, f := range e.Fields {
		fmt.Fprintf(&b, "; %s %s", f.Location, f.Message)
	}
	if e.ChannelError != nil {
		fmt.Fprintf(&b, " (provider: %s %s)", e.ChannelError.Code, e.ChannelError.Message)
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " [request %s]", e.RequestID)
	}
	return b.String()
}

// Retryable reports whether the same call may well succeed later. Everything else needs another request.
func (e *Error) Retryable() bool {
	return e.Status == http.StatusTooManyRequests || e.Status >= 500 ||
		e.Code == CodeInProgress || e.Code == CodeIdempotencyKeyInUse
}

// problem reads a refusal; what is not problem+json, as from a proxy in between, keeps its status.
func problem(status int, header http.Header, body []byte) *Error {
	e := &Error{}
	mediaType, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil || mediaType != "application/problem+json" || json.Unmarshal(body, e) != nil {
		e = &Error{
			Title:  http.StatusText(status),
			Detail: "the answer is not the gateway's: look at what stands between this program and it",
		}
	}
	e.Status = status
	if e.RequestID == "" {
		e.RequestID = header.Get("X-Request-Id")
	}
	if seconds, err := strconv.Atoi(header.Get("Retry-After")); err == nil && seconds > 0 {
		e.RetryAfter = time.Duration(min(seconds, 3600)) * time.Second
	}
	return e
}
