package wechatpayv2

import (
	"context"
	"errors"
	"log/slog"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

// Reversal is the provider's answer to a reverse.
type Reversal struct {
	// Recall is set when the reverse is not done and must be called again.
	Recall bool
}

// Reverse takes a code payment back, in one call: a paid one is refunded in full, an unpaid one is closed (WeChat Pay APIv2, 撤销订单).
// It needs the merchant's certificate, and is for the time from 15 seconds to 7 days after the payment. Done is nil without
// Recall; [Client.ReverseToEnd] calls until it is. A payment that ended well is not reversed but refunded.
func (c *Client) Reverse(ctx context.Context, query OrderQuery) (*Reversal, error) {
	const name = "reverse"
	var v validation
	v.order(query.TransactionID, query.OutTradeNo)
	if err := v.err(); err != nil {
		return nil, failed(name, wechatpay.OutcomeRefused, err)
	}
	reversal := &Reversal{}
	err := c.do(ctx, call{
		name: name, path: "/secapi/pay/reverse", mutual: true, write: true, timeout: c.writeTimeout,
		fields: Fields{"transaction_id": query.TransactionID, "out_trade_no": query.OutTradeNo},
		decode: func(fields Fields) error {
			reversal.Recall = fields["recall"] == "Y"
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	return reversal, nil
}

// ReverseToEnd reverses a code payment until the provider says that it is done: again while recall is Y, while the payer is still
// paying and while the outcome is unknown, with a pause of Config.PollEvery, for Config.ReverseTimeout or until the context
// ends. nil means reversed; an *[Error] with [Error.NotExist], that the payment never arrived and there is nothing to reverse. It is the way on after a [Client.MicroPayToEnd] whose outcome stayed unknown and after a restart,
// once [Client.QueryOrder] does not say paid.
func (c *Client) ReverseToEnd(ctx context.Context, outTradeNo string) error {
	ctx, cancel := context.WithTimeout(ctx, c.reverseTimeout)
	defer cancel()
	for {
		reversal, err := c.Reverse(ctx, OrderQuery{OutTradeNo: outTradeNo})
		if err == nil && !reversal.Recall {
			return nil
		}
		if err == nil {
			err = failed("reverse", wechatpay.OutcomeUnknown, &Error{ReturnCode: codeSuccess, Recall: true})
		}
		if !reversesAgain(err) || sleep(ctx, c.pollEvery) != nil {
			return err
		}
		c.log.LogAttrs(ctx, slog.LevelWarn, "wechatpay/v2: reverse again", slog.String("out_trade_no", outTradeNo), slog.Any("error", err))
	}
}

// reversesAgain tells whether the provider would take the same reverse once more (撤销订单: recall, SYSTEMERROR, USERPAYING).
func reversesAgain(err error) bool {
	if provider, ok := errors.AsType[*Error](err); ok && provider.Recall {
		return true
	}
	return OutcomeOf(err) != wechatpay.OutcomeRefused
}
