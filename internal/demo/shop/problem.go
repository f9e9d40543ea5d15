package shop

import (
	"errors"

	"github.com/tongbao-pay/tongbao/client"
)

// problem is a failed call to the gateway, in words for the page.
type problem struct {
	Chinese, English string
	Code             string // the gateway's; empty: it gave no answer
	Detail           string
	RequestID        string
	Channel          string // the provider's own words
	Final            bool   // refused for good: repeating the call would not help
}

// problemOf puts an error of the client into words. An answer that never came shows nothing of its cause: that is for
// the log.
func problemOf(err error) *problem {
	refusal, ok := errors.AsType[*client.Error](err)
	if !ok {
		return &problem{
			Chinese: "网关没有回答，请稍后重试；重试沿用同一单号，不会重复收退款。",
			English: "The gateway gave no answer. Trying again is safe: it keeps the same number, so nothing happens twice.",
		}
	}
	p := &problem{Code: refusal.Code, Detail: refusal.Detail, RequestID: refusal.RequestID, Final: !refusal.Retryable()}
	p.Chinese, p.English = inWords(refusal)
	if c := refusal.ChannelError; c != nil {
		p.Channel = c.Code + " " + c.Message
	}
	return p
}

func inWords(e *client.Error) (chinese, english string) {
	switch e.Code {
	case client.CodeChannelUnavailable, client.CodeInProgress:
		return "支付渠道暂时没有可信的回答，结果未知。", "The provider gave no answer that can be trusted."
	case client.CodeChannelRefused:
		return "支付渠道拒绝了这个请求。", "The provider refused."
	case client.CodeNotClosable:
		return "这个订单现在不能关闭。", "The order cannot be closed now."
	case client.CodeNotRefundable, client.CodeRefundExceeds:
		return "这笔款现在不能这样退。", "This refund is not possible."
	case client.CodeUnauthenticated:
		return "网关不认识小铺的密钥。", "The gateway does not know the key of the shop."
	}
	if e.Retryable() {
		return "网关暂时忙不过来。", "The gateway cannot answer right now."
	}
	return "网关拒绝了这个请求。", "The gateway refused."
}

// Facts are the problem's particulars.
func (p *problem) Facts() (facts []fact) {
	for _, f := range []fact{
		{"代码", "code", p.Code},
		{"说明", "detail", p.Detail},
		{"渠道", "provider", p.Channel},
		{"请求编号", "request_id", p.RequestID},
	} {
		if f.Value != "" {
			facts = append(facts, f)
		}
	}
	return facts
}
