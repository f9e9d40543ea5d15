package wechatpaysim

import (
	"fmt"
	"net/http"
)

// The provider's error codes that the sandbox uses.
const (
	codeParam          = "PARAM_ERROR"
	codeInvalidRequest = "INVALID_REQUEST"
	codeSign           = "SIGN_ERROR"
	codeSystem         = "SYSTEM_ERROR"
	codeFrequency      = "FREQUENCY_LIMITED"
	codeRateLimit      = "RATELIMIT_EXCEEDED"
	codeNoAuth         = "NO_AUTH"
	codeOrderClosed    = "ORDER_CLOSED"
	codeOrderNotExist  = "ORDER_NOT_EXIST"
	codeAppIDMchID     = "APPID_MCHID_NOT_MATCH"
	codeMchNotExists   = "MCH_NOT_EXISTS"
	codeNotEnough      = "NOT_ENOUGH"
	codeRuleLimit      = "RULE_LIMIT"
	codeNoResource     = "RESOURCE_NOT_EXISTS"
	codeNotFound       = "NOT_FOUND"
	codeUnavailable    = "SERVICE_UNAVAILABLE"
	codeUserPaying     = "USERPAYING"
	codeOutTradeNoUsed = "OUT_TRADE_NO_USED"
	codeAlreadyExists  = "ALREADY_EXISTS"
)

// Internal codes: the end of the Request-ID of an error answer.
const (
	internalIllegalParameter = 268435461
	internalExtraParameter   = 270924358
	internalOutOfRange       = 268435464
	internalNoOrder          = 268512771
	internalOrderPaid        = 268449538
	internalOrderInvalid     = 268447914
	internalDifferentRepeat  = 268498688
	internalFrequency        = 268447840
	internalSignature        = 270924360
	internalAppIDMchID       = 268445527
	internalNoOpenID         = 268501013
	internalMerchantStatus   = 268443715
	internalOther            = 268435456
	internalNoAcceptance     = 268443701
	internalSubMchIDMissing  = 268443704
	internalSubMchIDIsOwn    = 268443705
	internalOtherSubMerchant = 268447845
	internalReverseOnly      = 268449641
)

// apiError is an error answer of the provider (WeChat Pay APIv3, 错误码和错误提示).
type apiError struct {
	status   int
	code     string
	chinese  string
	english  string
	internal int
	detail   any
}

// fieldDetail is the usual shape of an error's detail.
type fieldDetail struct {
	Field    string `json:"field"` // a JSON pointer into the body; a bare name elsewhere
	Value    any    `json:"value,omitempty"`
	Issue    string `json:"issue"`
	Location string `json:"location"` // body, query, uri, header, authorization
}

type errorBody struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Detail  any    `json:"detail,omitempty"`
}

func (e *apiError) body(english bool) errorBody {
	message := e.chinese
	if english {
		message = e.english
	}
	return errorBody{Code: e.code, Message: message, Detail: e.detail}
}

func paramError(internal int, d fieldDetail) *apiError {
	return &apiError{http.StatusBadRequest, codeParam, "参数错误", "parameter error: " + d.Issue, internal, d}
}

func headerError(name, issue string) *apiError {
	return &apiError{
		http.StatusBadRequest, codeInvalidRequest,
		fmt.Sprintf("Http头缺少或错误：%s", name), fmt.Sprintf("header %s: %s", name, issue),
		internalExtraParameter,
		fieldDetail{Field: name, Issue: issue, Location: "header"},
	}
}

func invalidRequest(internal int, chinese, english string) *apiError {
	return &apiError{http.StatusBadRequest, codeInvalidRequest, chinese, english, internal, nil}
}

func otherMerchant(location, field, value string) *apiError {
	return &apiError{
		http.StatusBadRequest, codeInvalidRequest, "商户号与签名的商户号不一致", "the mchid is not the one that signed the request",
		internalIllegalParameter,
		fieldDetail{Field: field, Value: value, Issue: "differs from the mchid in Authorization", Location: location},
	}
}

// otherSubMerchant refuses a partner's call that names no sub-merchant, or another than the order's.
func otherSubMerchant(subMchID string) *apiError {
	if subMchID == "" {
		return missingParameter("body", "sub_mchid")
	}
	return invalidRequest(internalOtherSubMerchant, "订单与子商户号不匹配", "the order belongs to another sub-merchant, or was not placed in partner mode")
}

func orderPaid() *apiError {
	return invalidRequest(internalOrderPaid, "该订单已支付", "the order is paid")
}

func orderNotExist() *apiError {
	return &apiError{http.StatusNotFound, codeOrderNotExist, "订单不存在", "the order does not exist", internalNoOrder, nil}
}

func orderClosed() *apiError {
	return &apiError{http.StatusBadRequest, codeOrderClosed, "订单已关闭", "the order is closed", internalOrderInvalid, nil}
}

func noResource(chinese, english string) *apiError {
	return &apiError{http.StatusNotFound, codeNoResource, chinese, english, internalNoOrder, nil}
}

func notEnough() *apiError {
	return &apiError{http.StatusForbidden, codeNotEnough, "基本账户余额不足，请充值后重新发起", "the account's balance does not cover the refund", internalOther, nil}
}

func noAuth(chinese, english string) *apiError {
	return &apiError{http.StatusForbidden, codeNoAuth, chinese, english, internalMerchantStatus, nil}
}

func ruleLimit(chinese, english string) *apiError {
	return &apiError{http.StatusForbidden, codeRuleLimit, chinese, english, internalOutOfRange, nil}
}

func frequencyLimited() *apiError {
	return &apiError{http.StatusTooManyRequests, codeFrequency, "频率超过限制，请稍后重试", "too many requests; try again later", internalFrequency, nil}
}

func systemError() *apiError {
	return &apiError{http.StatusInternalServerError, codeSystem, "系统异常，请稍后重试", "internal error; try again later with the same parameters", internalOther, nil}
}

func serviceUnavailable() *apiError {
	return &apiError{http.StatusServiceUnavailable, codeUnavailable, "服务不可用，请稍后重试", "unavailable; try again later with the same parameters", internalOther, nil}
}

// errorOfStatus is the error answer a fault asks for; an empty code means the one that usually goes with the status.
func errorOfStatus(status int, code string) *apiError {
	usual := map[int]string{
		http.StatusBadRequest:         codeInvalidRequest,
		http.StatusUnauthorized:       codeSign,
		http.StatusForbidden:          codeNoAuth,
		http.StatusNotFound:           codeNoResource,
		http.StatusTooManyRequests:    codeFrequency,
		http.StatusBadGateway:         codeUnavailable,
		http.StatusServiceUnavailable: codeUnavailable,
	}
	if code == "" {
		code = usual[status]
	}
	if code == "" {
		code = codeSystem
	}
	return &apiError{status, code, "系统异常，请稍后重试", "a failure that was asked for", internalOther, nil}
}
