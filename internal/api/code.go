package api

import (
	"net/http"
	"slices"
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

// The codes that only this face has; the others are the domain's.
const (
	codeUnauthenticated payment.Code = "unauthenticated"
	codeMethod          payment.Code = "method_not_allowed"
	codeTooLarge        payment.Code = "request_too_large"
	codeMediaType       payment.Code = "unsupported_media_type"
	codeKeyInUse        payment.Code = "idempotency_key_in_use"
	codeKeyReused       payment.Code = "idempotency_key_reused"
	codeRateLimited     payment.Code = "rate_limited"
	codeTimeout         payment.Code = "timeout"
	codeInternal        payment.Code = "internal"
)

// Kind is what a code means.
type Kind struct {
	Code    payment.Code
	Status  int
	Meaning string

	retryAfter time.Duration // where coming again helps
}

// Codes is the one table of what can go wrong, and the status under which it leaves.
func Codes() []Kind {
	return []Kind{
		{Code: payment.CodeInvalid, Status: http.StatusBadRequest, Meaning: "the request is malformed; errors names every field"},
		{Code: codeUnauthenticated, Status: http.StatusUnauthorized, Meaning: "no key, a wrong, expired or revoked one, a wrong signature, a clock more than 5 minutes off, or a nonce used before"},
		{Code: payment.CodeNotFound, Status: http.StatusNotFound, Meaning: "there is no such thing, or it belongs to another app"},
		{Code: codeMethod, Status: http.StatusMethodNotAllowed, Meaning: "the path exists, but not for this method; see the header Allow"},
		{Code: payment.CodeNumberConflict, Status: http.StatusConflict, Meaning: "the out_trade_no or out_refund_no belongs to an earlier request with other content; of a payment, only how the payer pays may change"},
		{Code: payment.CodeInProgress, Status: http.StatusConflict, Meaning: "another request is changing the same thing; repeat", retryAfter: time.Second},
		{Code: codeKeyInUse, Status: http.StatusConflict, Meaning: "a request with this Idempotency-Key is still executing; repeat", retryAfter: time.Second},
		{Code: payment.CodeNotClosable, Status: http.StatusConflict, Meaning: "the payment's state does not allow it to be closed"},
		{Code: payment.CodeNotRefundable, Status: http.StatusConflict, Meaning: "the payment's state does not allow refunds"},
		{Code: payment.CodeReviewResolved, Status: http.StatusConflict, Meaning: "the review was resolved before, by another decision"},
		{Code: codeTooLarge, Status: http.StatusRequestEntityTooLarge, Meaning: "the body is larger than 64 KiB"},
		{Code: codeMediaType, Status: http.StatusUnsupportedMediaType, Meaning: "the body is not application/json in UTF-8"},
		{Code: payment.CodeAttemptLimit, Status: http.StatusUnprocessableEntity, Meaning: "the payer of the payment has switched the way to pay too often; stay with the last, or create another payment"},
		{Code: payment.CodeRefundExceeds, Status: http.StatusUnprocessableEntity, Meaning: "the refund is larger than what is left of the payment"},
		{Code: payment.CodeRefundLimit, Status: http.StatusUnprocessableEntity, Meaning: "the payment has as many refunds as the provider allows"},
		{Code: payment.CodeReviewAction, Status: http.StatusUnprocessableEntity, Meaning: "the review's kind, or its payment's state, does not allow this action; the detail names those it does"},
		{Code: payment.CodeAccount, Status: http.StatusUnprocessableEntity, Meaning: "no account of the merchant's fits the request; the operator must configure one"},
		{Code: payment.CodeChannelRefused, Status: http.StatusUnprocessableEntity, Meaning: "the provider refused for good; see channel_error. A payment that could be paid before still can"},
		{Code: codeKeyReused, Status: http.StatusUnprocessableEntity, Meaning: "this Idempotency-Key belongs to another request; use a new key for a new request"},
		{Code: codeRateLimited, Status: http.StatusTooManyRequests, Meaning: "the key sends more than it may, or too many requests from its address were not authenticated; nothing was begun: repeat after Retry-After", retryAfter: time.Second},
		{Code: codeInternal, Status: http.StatusInternalServerError, Meaning: "the gateway failed; repeating is safe", retryAfter: time.Second},
		{Code: payment.CodeChannelUnavailable, Status: http.StatusServiceUnavailable, Meaning: "the provider gives no answer that can be trusted now; repeat", retryAfter: 3 * time.Second},
		{Code: codeTimeout, Status: http.StatusServiceUnavailable, Meaning: "the request took too long; repeat", retryAfter: time.Second},
	}
}

// kindOf finds a code in the table; one that is not there is internal.
func kindOf(code payment.Code) Kind {
	all := Codes()
	i := slices.IndexFunc(all, func(k Kind) bool { return k.Code == code })
	if i < 0 {
		i = slices.IndexFunc(all, func(k Kind) bool { return k.Code == codeInternal })
	}
	return all[i]
}
