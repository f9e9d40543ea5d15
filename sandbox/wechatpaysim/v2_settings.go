package wechatpaysim

import "github.com/tongbao-pay/tongbao/sandbox/control"

// Values of [V2Settings.AnswerSignType].
const (
	V2SignedAsAsked = "request"
	V2SignedMD5     = v2MD5
)

// v2RecallsMax is the most that [V2Settings.ReverseRecalls] can be.
const v2RecallsMax = 100

// V2Settings are the knobs of APIv2. What the provider's documents leave open is one of them.
type V2Settings struct {
	ReverseRecalls       int    `json:"reverse_recalls"`        // how often a reverse of one order is answered recall=Y, undone, before it is done
	AnswerSignType       string `json:"answer_sign_type"`       // request, MD5: how answers are signed
	NotificationSignType bool   `json:"notification_sign_type"` // payment notifications name their sign_type
	RefundNotFound       string `json:"refund_not_found"`       // ORDERNOTEXIST, INVALID_TRANSACTIONID: the refund of an order that there is not
}

func defaultV2() V2Settings {
	return V2Settings{AnswerSignType: V2SignedAsAsked, RefundNotFound: v2OrderNotExist}
}

func (s V2Settings) problems(
	oneOf func(field, value string, allowed ...string) *control.Problem,
	within func(field string, value, least, most float64, unit string) *control.Problem,
) []*control.Problem {
	return []*control.Problem{
		within("v2.reverse_recalls", float64(s.ReverseRecalls), 0, v2RecallsMax, ""),
		oneOf("v2.answer_sign_type", s.AnswerSignType, V2SignedAsAsked, V2SignedMD5),
		oneOf("v2.refund_not_found", s.RefundNotFound, v2OrderNotExist, v2InvalidTransaction),
	}
}
