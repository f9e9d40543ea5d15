package wechatpay

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
)

// Outcome says what an error means for the order or refund that was asked for.
type Outcome int

const (
	// OutcomeUnknown: it may or may not have been done. Query it, or repeat with the same number and
	// parameters; never with a new number.
	OutcomeUnknown Outcome = iota
	// OutcomeRefused: it was not done, and repeating will not help.
	OutcomeRefused
	// OutcomeRetry: it was not done now; repeat later with the same number and parameters.
	OutcomeRetry
)

// String is "unknown", "refused" or "retry".
func (o Outcome) String() string {
	switch o {
	case OutcomeUnknown:
		return "unknown"
	case OutcomeRefused:
		return "refused"
	case OutcomeRetry:
		return "retry"
	}
	return "Outcome(" + strconv.Itoa(int(o)) + ")"
}

// OutcomeOf tells what an error of a Client method means for the call (WeChat Pay APIv3, retry advice
// of the error tables). It covers all tries of the call: a refusal after a try whose answer was lost is still
// unknown for every call with an effect. Errors this package did not make, nil, and errors of
// notifications are OutcomeUnknown.
func OutcomeOf(err error) Outcome {
	if call, ok := errors.AsType[*callError](err); ok {
		return call.outcome
	}
	if provider, ok := errors.AsType[*Error](err); ok {
		return provider.outcome()
	}
	if _, ok := errors.AsType[*FieldError](err); ok {
		return OutcomeRefused
	}
	return OutcomeUnknown
}

// outcome classes an answer that is no result. Where the provider itself did not speak (no code), only
// a 429 tells anything.
func (e *Error) outcome() Outcome {
	switch e.Code {
	case CodeFrequencyLimited, CodeRateLimitExceeded, CodeUserPaying, CodeStatementCreating:
		return OutcomeRetry
	case CodeSystemError, CodeBankError, CodeServiceUnavailable:
		return OutcomeUnknown
	}
	switch {
	case e.Status == http.StatusTooManyRequests:
		return OutcomeRetry
	case e.Code == "" || e.Status < 400 || e.Status >= 500:
		return OutcomeUnknown
	case e.Code == CodeNotEnough: // the merchant tops up and repeats the same number (退款: NOT_ENOUGH)
		return OutcomeRetry
	}
	return OutcomeRefused
}

// takenIsUnknown makes of unknown outcome the refusal of a number that has a refund, a sharing or a return with other
// parameters ([Error.ParametersDiffer]): that one may be an earlier try of the same, and its money has moved.
func takenIsUnknown(err error) error {
	call, ok := errors.AsType[*callError](err)
	if !ok || call.outcome != OutcomeRefused {
		return err
	}
	if provider, ok := errors.AsType[*Error](err); ok && provider.ParametersDiffer() {
		call.outcome = OutcomeUnknown
	}
	return err
}

// callError is what every method returns: the call, its outcome and the cause.
type callError struct {
	name    string
	outcome Outcome
	tries   int
	err     error
}

func failed(name string, outcome Outcome, err error) error {
	return &callError{name: name, outcome: outcome, err: err}
}

// asFailed keeps the outcome err already has; an error without one is a wait that was given up before
// anything of the caller's was sent.
func asFailed(name string, err error) error {
	if _, ok := errors.AsType[*callError](err); ok {
		return err
	}
	return failed(name, OutcomeRetry, err)
}

func (e *callError) Unwrap() error { return e.err }

func (e *callError) Error() string {
	text := fmt.Sprintf("wechatpay: %s: %v", e.name, e.err)
	if e.tries > 1 {
		text += fmt.Sprintf(" (%d tries)", e.tries)
	}
	switch e.outcome {
	case OutcomeUnknown:
		text += "; outcome unknown: query, or repeat with the same number"
	case OutcomeRetry:
		text += "; not done: repeat later with the same number"
	case OutcomeRefused:
	}
	return text
}

// failure is how one try ended, for the loop that may repeat it.
type failure struct {
	outcome   Outcome
	repeat    bool // worth another try inside this call
	hostFault bool // the access point failed: take the other one (跨城冗灾, 失败重试)
	err       error
}

// networkFailure classes an error of the transport. Only what surely happened before the request could
// leave counts as not done.
func networkFailure(err error) *failure {
	f := &failure{outcome: OutcomeUnknown, repeat: true, hostFault: true, err: err}
	if op, ok := errors.AsType[*net.OpError](err); ok && (op.Op == "dial" || op.Op == "proxyconnect") {
		f.outcome = OutcomeRetry
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		f.outcome = OutcomeRetry
	}
	return f
}

func answerFailure(e *Error) *failure {
	f := &failure{outcome: e.outcome(), err: e}
	switch {
	case e.Status >= 500:
		f.repeat, f.hostFault = true, true
	case e.Status == http.StatusTooManyRequests:
		f.repeat = true
	}
	return f
}
