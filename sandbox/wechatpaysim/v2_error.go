package wechatpaysim

// Error codes of APIv2 that the sandbox uses (WeChat Pay APIv2, 错误码).
const (
	v2NoAuth             = "NOAUTH"
	v2NotEnough          = "NOTENOUGH"
	v2OrderPaid          = "ORDERPAID"
	v2OrderClosed        = "ORDERCLOSED"
	v2OrderReversed      = "ORDERREVERSED"
	v2OrderNotExist      = "ORDERNOTEXIST"
	v2InvalidTransaction = "INVALID_TRANSACTIONID"
	v2RefundNotExist     = "REFUNDNOTEXIST"
	v2SystemError        = "SYSTEMERROR"
	v2AppIDMchID         = "APPID_MCHID_NOT_MATCH"
	v2OutTradeNoUsed     = "OUT_TRADE_NO_USED"
	v2ParamError         = "PARAM_ERROR"
	v2InvalidRequest     = "INVALID_REQUEST"
	v2TradeOverdue       = "TRADE_OVERDUE"
	v2Frequency          = "FREQUENCY_LIMITED"
	v2CertError          = "CERT_ERROR"
	v2ReverseExpire      = "REVERSE_EXPIRE"
	v2UserPaying         = "USERPAYING"
	v2AuthCodeExpire     = "AUTHCODEEXPIRE"
	v2AuthCodeError      = "AUTH_CODE_ERROR"
	v2AuthCodeInvalid    = "AUTH_CODE_INVALID"
	v2LackParams         = "LACK_PARAMS"
	v2TradeError         = "TRADE_ERROR"
)

// v2Error is a refusal in APIv2 (WeChat Pay APIv2, 协议规则). Without a code the request was not taken: return_code FAIL, unsigned.
type v2Error struct {
	code string
	text string
}

func notTaken(text string) *v2Error { return &v2Error{text: text} }

func orderNotExistV2() *v2Error { return &v2Error{v2OrderNotExist, "此交易订单号不存在"} }

// v2ErrorOf says in APIv2 what a rule that both protocols share stands against.
func v2ErrorOf(err *apiError) *v2Error {
	code := map[string]string{
		codeOrderNotExist: v2OrderNotExist, codeNoResource: v2OrderNotExist, codeOrderClosed: v2OrderClosed, codeNotEnough: v2NotEnough,
		codeFrequency: v2Frequency, codeRateLimit: v2Frequency, codeAppIDMchID: v2AppIDMchID, codeParam: v2ParamError, codeInvalidRequest: v2InvalidRequest,
	}[err.code]
	switch {
	case err.internal == internalOrderPaid:
		code = v2OrderPaid
	case code == "":
		code = v2SystemError
	}
	return &v2Error{code, err.chinese}
}
