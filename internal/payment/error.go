package payment

import "fmt"

// Code is a stable name of what went wrong; apps branch on it.
type Code string

// The codes of this domain.
const (
	CodeInvalid            Code = "invalid_request"
	CodeNotFound           Code = "not_found"
	CodeNumberConflict     Code = "number_conflict"
	CodeInProgress         Code = "in_progress"
	CodeAccount            Code = "account_unavailable"
	CodeChannelRefused     Code = "channel_refused"
	CodeChannelUnavailable Code = "channel_unavailable"
	CodeNotClosable        Code = "payment_not_closable"
	CodeNotRefundable      Code = "payment_not_refundable"
	CodeAttemptLimit       Code = "attempt_limit_reached"
	CodeRefundExceeds      Code = "refund_exceeds_payment"
	CodeRefundLimit        Code = "refund_limit_reached"
	CodeReviewAction       Code = "review_action_refused"
	CodeReviewResolved     Code = "review_resolved"
)

// Error is an answer to the caller: what is wrong and what to do next.
type Error struct {
	Code    Code
	Field   string // the request's field at fault, if one is
	Detail  string
	Channel *ChannelError // the provider's own words, if it was the provider
	Payment *Payment      // the payment as it is now, if there is one
}

func (e *Error) Error() string {
	if e.Field != "" {
		return fmt.Sprintf("%s: %s: %s", e.Code, e.Field, e.Detail)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Detail)
}

// Unwrap gives the provider's answer to errors.As.
func (e *Error) Unwrap() error {
	if e.Channel == nil {
		return nil
	}
	return e.Channel
}

func invalid(field, format string, args ...any) *Error {
	return &Error{Code: CodeInvalid, Field: field, Detail: fmt.Sprintf(format, args...)}
}
