package channel

import (
	"net/http"
	"testing"

	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/wechatpay"
)

func TestWeChatPaysWordsForTooFastAreKnown(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ce   *payment.ChannelError
		want bool
	}{
		"Answer":       {weChatError(&wechatpay.Error{Status: http.StatusTooManyRequests, Code: wechatpay.CodeFrequencyLimited}), true},
		"OtherCode":    {weChatError(&wechatpay.Error{Status: http.StatusForbidden, Code: wechatpay.CodeRateLimitExceeded}), true},
		"WithoutACode": {weChatError(&wechatpay.Error{Status: http.StatusTooManyRequests}), true},
		"Stored":       {&payment.ChannelError{Code: string(wechatpay.CodeFrequencyLimited)}, true},
		"NotEnough":    {weChatError(&wechatpay.Error{Status: http.StatusForbidden, Code: wechatpay.CodeNotEnough}), false},
		"Unreachable":  {&payment.ChannelError{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := (&weChat{}).throttled(test.ce); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}
