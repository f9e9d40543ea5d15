package wechatpay

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"
)

// Conditions a caller may test with errors.Is, of answers and of notifications.
var (
	// ErrSignature: signature headers are missing, repeated or wrong, or the signature does not match the
	// bytes received. The provider's probes (签名探测) end here too.
	ErrSignature = errors.New("wechatpay: signature not valid")
	// ErrTimestamp: signed five minutes or more away from our clock. Check the clock.
	ErrTimestamp = errors.New("wechatpay: signature outside the clock window")
	// ErrUnknownSerial: signed by a key that is not known.
	ErrUnknownSerial = errors.New("wechatpay: unknown serial number")
	// ErrCertificateExpired: signed by a platform certificate outside its validity.
	ErrCertificateExpired = errors.New("wechatpay: platform certificate expired or not yet valid")
	// ErrDecrypt: the APIv3 key, or the private key, does not open what was encrypted.
	ErrDecrypt = errors.New("wechatpay: cannot decrypt")
	// ErrBodyTooLarge: the body is larger than allowed.
	ErrBodyTooLarge = errors.New("wechatpay: body too large")
	// ErrMalformed: verified or not, the bytes are not of the shape the provider documents.
	ErrMalformed = errors.New("wechatpay: malformed")
	// ErrFileHash: what was downloaded is not the file whose hash the provider signed. Download it again, and
	// forget what was read of it.
	ErrFileHash = errors.New("wechatpay: file does not match its hash")
	// ErrBillSummary: the rows of a bill do not add up to its summary.
	ErrBillSummary = errors.New("wechatpay: bill rows differ from the summary")
)

// Error codes of the provider that callers branch on, as [Error.Code] spells them. The list is open.
const (
	CodeParamError          = "PARAM_ERROR"
	CodeInvalidRequest      = "INVALID_REQUEST"
	CodeSignError           = "SIGN_ERROR"
	CodeNoAuth              = "NO_AUTH"
	CodeNotEnough           = "NOT_ENOUGH"
	CodeRuleLimit           = "RULE_LIMIT"
	CodeTradeError          = "TRADE_ERROR"
	CodeAccountError        = "ACCOUNT_ERROR"
	CodeUserAccountAbnormal = "USER_ACCOUNT_ABNORMAL"
	CodeRequestBlocked      = "REQUEST_BLOCKED"
	CodeAppIDMchIDNotMatch  = "APPID_MCHID_NOT_MATCH"
	CodeMchNotExists        = "MCH_NOT_EXISTS"
	CodeOpenIDMismatch      = "OPENID_MISMATCH"
	CodeOutTradeNoUsed      = "OUT_TRADE_NO_USED"
	CodeOrderClosed         = "ORDER_CLOSED"
	CodeOrderPaid           = "ORDER_PAID"
	CodeAlreadyExists       = "ALREADY_EXISTS"
	CodeOrderNotExist       = "ORDER_NOT_EXIST"
	CodeResourceNotExists   = "RESOURCE_NOT_EXISTS"
	CodeNotFound            = "NOT_FOUND"
	CodeUserPaying          = "USERPAYING"
	CodeFrequencyLimited    = "FREQUENCY_LIMITED"
	CodeRateLimitExceeded   = "RATELIMIT_EXCEEDED"
	CodeSystemError         = "SYSTEM_ERROR"
	CodeBankError           = "BANK_ERROR"
	CodeServiceUnavailable  = "SERVICE_UNAVAILABLE"
	CodeStatementCreating   = "STATEMENT_CREATING"
	CodeNoStatementExist    = "NO_STATEMENT_EXIST"
)

// Internal codes, at the end of the Request-ID, of conditions that Code does not tell apart.
const (
	internalOrderPaid        = "268449538"
	internalOrderPaidOld     = "268498689"
	internalParametersDiffer = "268498688"
	internalOrderNotExist    = "268512771"
)

// Error is an answer of the provider that is not the result asked for (WeChat Pay APIv3, 错误信息).
// Branch on Code and Status, never on Message. What may follow from it, [OutcomeOf] says.
type Error struct {
	// Status is the HTTP status.
	Status int
	// Code is the provider's code; older spellings (ORDERNOTEXIST) are brought to the current one. Empty
	// if the answer had none, such as a load balancer's page.
	Code string
	// Message is the provider's text for people.
	Message string
	// RequestID is the provider's Request-ID; quote it to the provider's support.
	RequestID string
	// Detail is the provider's detail object as received; nil if absent. Its shape varies.
	Detail json.RawMessage
}

// Error names status, code, message, the field at fault and the request id. It never holds the value
// at fault.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "provider answered %d %s", e.Status, orDefault(e.Code, http.StatusText(e.Status)))
	if e.Message != "" {
		fmt.Fprintf(&b, ": %s", firstRunes(e.Message, 200))
	}
	if field := e.Field(); field != "" {
		fmt.Fprintf(&b, " (field %s)", firstRunes(field, 80))
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " (Request-ID %s)", firstRunes(e.RequestID, 80))
	}
	return b.String()
}

// Field is the field at fault, such as "/amount/currency"; empty if the answer names none.
func (e *Error) Field() string {
	var detail struct {
		Field string `json:"field"`
	}
	if json.Unmarshal(e.Detail, &detail) != nil {
		return ""
	}
	return detail.Field
}

// InternalCode is the provider's nine-digit code at the end of the Request-ID; empty without one.
func (e *Error) InternalCode() string {
	_, code, found := strings.Cut(e.RequestID, "-")
	if !found || len(code) != 9 || !isDigits(code) {
		return ""
	}
	return code
}

// OrderPaid reports that the order is paid already, by code or, where the code is the general
// INVALID_REQUEST, by the internal code. Query the order.
func (e *Error) OrderPaid() bool {
	internal := e.InternalCode()
	return e.Code == CodeOrderPaid || internal == internalOrderPaid || internal == internalOrderPaidOld
}

// ParametersDiffer reports that the number was used before with other parameters.
func (e *Error) ParametersDiffer() bool {
	return e.Code == CodeAlreadyExists || e.InternalCode() == internalParametersDiffer
}

// NotExist reports that the provider knows no such order or refund.
func (e *Error) NotExist() bool {
	switch e.Code {
	case CodeOrderNotExist, CodeResourceNotExists, CodeNotFound:
		return true
	}
	return e.InternalCode() == internalOrderNotExist
}

// StatementCreating reports that the bill is not ready yet: ask again later.
func (e *Error) StatementCreating() bool { return e.Code == CodeStatementCreating }

// NoStatementExist reports that there is no bill for the day: nothing happened, or it is too long ago. Compare
// with your own records before taking the day for empty.
func (e *Error) NoStatementExist() bool { return e.Code == CodeNoStatementExist }

// CodeOf is the provider's code in err, if err holds an *[Error]; else empty.
func CodeOf(err error) string {
	if provider, ok := errors.AsType[*Error](err); ok {
		return provider.Code
	}
	return ""
}

// readError reads the body of an answer that is no result. A body that is not the provider's JSON
// gives an Error without Code.
func readError(status int, requestID string, body []byte) *Error {
	var content struct {
		Code    string          `json:"code"`
		Message string          `json:"message"`
		Detail  json.RawMessage `json:"detail"`
	}
	if json.Unmarshal(body, &content) != nil {
		return &Error{Status: status, RequestID: requestID}
	}
	if string(content.Detail) == "null" {
		content.Detail = nil
	}
	return &Error{
		Status: status, Code: normalCode(content.Code), Message: content.Message,
		RequestID: requestID, Detail: content.Detail,
	}
}

// normalCode brings the spellings of older pages to the current one: without regard to underscores and
// case, and with their synonyms.
func normalCode(code string) string {
	code = strings.ToUpper(strings.TrimSpace(code))
	switch strings.ReplaceAll(code, "_", "") {
	case "PARAMERROR":
		return CodeParamError
	case "INVALIDREQUEST":
		return CodeInvalidRequest
	case "SIGNERROR":
		return CodeSignError
	case "NOAUTH":
		return CodeNoAuth
	case "NOTENOUGH":
		return CodeNotEnough
	case "RULELIMIT":
		return CodeRuleLimit
	case "TRADEERROR":
		return CodeTradeError
	case "ACCOUNTERROR":
		return CodeAccountError
	case "USERACCOUNTABNORMAL":
		return CodeUserAccountAbnormal
	case "REQUESTBLOCKED":
		return CodeRequestBlocked
	case "APPIDMCHIDNOTMATCH":
		return CodeAppIDMchIDNotMatch
	case "MCHNOTEXISTS", "MCHNOTEXIST":
		return CodeMchNotExists
	case "OPENIDMISMATCH":
		return CodeOpenIDMismatch
	case "OUTTRADENOUSED":
		return CodeOutTradeNoUsed
	case "ORDERCLOSED":
		return CodeOrderClosed
	case "ORDERPAID":
		return CodeOrderPaid
	case "ALREADYEXISTS", "ALREADYEXIST":
		return CodeAlreadyExists
	case "ORDERNOTEXIST", "ORDERNOTEXISTS":
		return CodeOrderNotExist
	case "RESOURCENOTEXISTS", "RESOURCENOTEXIST":
		return CodeResourceNotExists
	case "NOTFOUND":
		return CodeNotFound
	case "USERPAYING":
		return CodeUserPaying
	case "FREQUENCYLIMITED", "FREQUENCYLIMIT":
		return CodeFrequencyLimited
	case "RATELIMITEXCEEDED", "RATELIMITEXCEED":
		return CodeRateLimitExceeded
	case "SYSTEMERROR":
		return CodeSystemError
	case "BANKERROR":
		return CodeBankError
	case "SERVICEUNAVAILABLE":
		return CodeServiceUnavailable
	case "STATEMENTCREATING":
		return CodeStatementCreating
	case "NOSTATEMENTEXIST", "NOSTATEMENTEXISTS":
		return CodeNoStatementExist
	}
	return code
}

func firstRunes(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "…"
}
