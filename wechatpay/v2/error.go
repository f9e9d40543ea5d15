package wechatpayv2

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Error codes of the provider, as [Error.Code] spells them (WeChat Pay APIv2, err_code). The list is open.
const (
	CodeNoAuth              = "NOAUTH"
	CodeNotEnough           = "NOTENOUGH"
	CodeOrderPaid           = "ORDERPAID"
	CodeOrderClosed         = "ORDERCLOSED"
	CodeSystemError         = "SYSTEMERROR"
	CodeAppIDNotExist       = "APPID_NOT_EXIST"
	CodeMchIDNotExist       = "MCHID_NOT_EXIST"
	CodeAppIDMchIDNotMatch  = "APPID_MCHID_NOT_MATCH"
	CodeLackParams          = "LACK_PARAMS"
	CodeOutTradeNoUsed      = "OUT_TRADE_NO_USED"
	CodeSignError           = "SIGNERROR"
	CodeXMLFormatError      = "XML_FORMAT_ERROR"
	CodeRequirePostMethod   = "REQUIRE_POST_METHOD"
	CodePostDataEmpty       = "POST_DATA_EMPTY"
	CodeNotUTF8             = "NOT_UTF8"
	CodeParamError          = "PARAM_ERROR"
	CodeOrderNotExist       = "ORDERNOTEXIST"
	CodeAuthCodeExpire      = "AUTHCODEEXPIRE"
	CodeAuthCodeError       = "AUTH_CODE_ERROR"
	CodeAuthCodeInvalid     = "AUTH_CODE_INVALID"
	CodeUserPaying          = "USERPAYING"
	CodeBankError           = "BANKERROR"
	CodeBuyerMismatch       = "BUYER_MISMATCH"
	CodeNotSupportCard      = "NOTSUPORTCARD" // the provider's spelling
	CodeOrderReversed       = "ORDERREVERSED"
	CodeTradeError          = "TRADE_ERROR"
	CodeInvalidTransaction  = "INVALID_TRANSACTIONID"
	CodeRefundNotExist      = "REFUNDNOTEXIST"
	CodeNeedRetry           = "BIZERR_NEED_RETRY"
	CodeTradeOverdue        = "TRADE_OVERDUE"
	CodeUserAccountAbnormal = "USER_ACCOUNT_ABNORMAL"
	CodeInvalidReqTooMuch   = "INVALID_REQ_TOO_MUCH"
	CodeFrequencyLimited    = "FREQUENCY_LIMITED"
	CodeCertError           = "CERT_ERROR"
	CodeReverseExpire       = "REVERSE_EXPIRE"
	CodeInvalidRequest      = "INVALID_REQUEST"
)

// ErrReversed says that the order of a code payment was reversed. Nothing was taken from the payer, or it went back in full; take the next
// payment under a new number with a new code.
var ErrReversed = errors.New("wechatpay/v2: the order was reversed")

// Error is an answer of the provider that is not the result asked for (WeChat Pay APIv2, 协议规则). Branch on Code, never on the
// texts. What may follow from it, [OutcomeOf] says.
type Error struct {
	// ReturnCode is FAIL when the provider did not take the request, for its format, signature or parameters. Such an answer
	// is not signed and has no Code. SUCCESS: it took the request and refused the business; the answer is signed.
	ReturnCode string
	// ReturnMsg is the provider's text with ReturnCode.
	ReturnMsg string
	// Code is err_code (of a bill error_code, which is not signed), with the spellings of other pages brought to the one of the constants.
	Code string
	// Description is err_code_des, the provider's text for people.
	Description string
	// Recall is set when the provider wants a reverse called again (recall=Y).
	Recall bool
	// Status is the HTTP status, 200 for all that the provider says in XML.
	Status int
}

// Error names the codes and texts. It never holds a value of the request.
func (e *Error) Error() string {
	switch {
	case e.Code != "":
		return fmt.Sprintf("provider answered %s: %s", e.Code, firstRunes(e.Description, 200))
	case e.Recall:
		return "provider wants the reverse called again"
	case e.ReturnCode != "":
		return fmt.Sprintf("provider did not take the request: %s", firstRunes(e.ReturnMsg, 200))
	}
	return fmt.Sprintf("provider answered HTTP status %d", e.Status)
}

// OrderPaid reports that the order is paid already. Query the order.
func (e *Error) OrderPaid() bool { return e.Code == CodeOrderPaid }

// NotExist reports that the provider knows no such order or refund.
func (e *Error) NotExist() bool { return e.Code == CodeOrderNotExist || e.Code == CodeRefundNotExist }

// CodeOf is the provider's code in err, if err holds an *[Error]; else empty.
func CodeOf(err error) string {
	if provider, ok := errors.AsType[*Error](err); ok {
		return provider.Code
	}
	return ""
}

// normalCode brings the spellings of other pages (SYSTEM_ERROR, NO_AUTH) to those of the constants.
func normalCode(code string) string {
	code = strings.ToUpper(strings.TrimSpace(code))
	switch squeezed := strings.ReplaceAll(code, "_", ""); squeezed {
	case CodeNoAuth, CodeNotEnough, CodeOrderPaid, CodeOrderClosed, CodeSystemError, CodeSignError, CodeOrderNotExist, CodeAuthCodeExpire,
		CodeUserPaying, CodeBankError, CodeNotSupportCard, CodeOrderReversed, CodeRefundNotExist:
		return squeezed
	case "PARAMERROR":
		return CodeParamError
	case "FREQUENCYLIMITED", "FREQUENCYLIMIT", "RATELIMITEXCEEDED", "RATELIMITEXCEED":
		return CodeFrequencyLimited
	case "OUTTRADENOUSED":
		return CodeOutTradeNoUsed
	case "INVALIDREQUEST":
		return CodeInvalidRequest
	case "TRADEERROR":
		return CodeTradeError
	case "TRADEOVERDUE":
		return CodeTradeOverdue
	}
	return code
}

func firstRunes(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "…"
}
