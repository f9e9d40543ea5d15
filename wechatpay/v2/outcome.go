package wechatpayv2

import (
	"errors"
	"fmt"
	"net"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

// OutcomeOf tells what an error of a Client method means for the order or refund that was asked for, as [wechatpay.OutcomeOf]
// does for APIv3. It covers all tries of the call. Errors this package did not make, nil, and errors of notifications are
// [wechatpay.OutcomeUnknown].
func OutcomeOf(err error) wechatpay.Outcome {
	if call, ok := errors.AsType[*callError](err); ok {
		return call.outcome
	}
	if provider, ok := errors.AsType[*Error](err); ok {
		return provider.outcome()
	}
	if _, ok := errors.AsType[*wechatpay.FieldError](err); ok {
		return wechatpay.OutcomeRefused
	}
	return wechatpay.OutcomeUnknown
}

// outcome classes an answer that is no result (WeChat Pay APIv2, 错误码).
func (e *Error) outcome() wechatpay.Outcome {
	switch e.Code {
	case CodeSystemError, CodeBankError, CodeUserPaying:
		return wechatpay.OutcomeUnknown
	case CodeNeedRetry, CodeFrequencyLimited, CodeInvalidReqTooMuch:
		return wechatpay.OutcomeRetry
	case "":
		if e.ReturnCode == codeFail {
			return wechatpay.OutcomeRefused
		}
		return wechatpay.OutcomeUnknown
	}
	return wechatpay.OutcomeRefused
}

// callError is what every method returns: the call, its outcome and the cause.
type callError struct {
	name    string
	outcome wechatpay.Outcome
	tries   int
	err     error
}

func failed(name string, outcome wechatpay.Outcome, err error) error {
	return &callError{name: name, outcome: outcome, err: err}
}

func (e *callError) Unwrap() error { return e.err }

func (e *callError) Error() string {
	text := fmt.Sprintf("wechatpay/v2: %s: %v", e.name, e.err)
	if e.tries > 1 {
		text += fmt.Sprintf(" (%d tries)", e.tries)
	}
	switch e.outcome {
	case wechatpay.OutcomeUnknown:
		text += "; outcome unknown: query, and keep the number"
	case wechatpay.OutcomeRetry:
		text += "; not done: repeat later with the same number"
	case wechatpay.OutcomeRefused:
	}
	return text
}

// failure is how one try ended, for the loop that may repeat it.
type failure struct {
	outcome   wechatpay.Outcome
	repeat    bool // worth another try inside this call
	hostFault bool // the access point failed: take the other one (跨城冗灾)
	err       error
}

// networkFailure classes an error of the transport. Only what surely happened before the request could leave counts as not done.
func networkFailure(err error) *failure {
	f := &failure{outcome: wechatpay.OutcomeUnknown, repeat: true, hostFault: true, err: err}
	if op, ok := errors.AsType[*net.OpError](err); ok && (op.Op == "dial" || op.Op == "proxyconnect") {
		f.outcome = wechatpay.OutcomeRetry
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		f.outcome = wechatpay.OutcomeRetry
	}
	return f
}
