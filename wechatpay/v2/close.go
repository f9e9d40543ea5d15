package wechatpayv2

import (
	"context"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

// CloseOrder closes an unpaid order for good; its number cannot be used again (WeChat Pay APIv2, 关闭订单). Query first: a paid order
// is an error, [Error.OrderPaid]. Closing a closed order is no error. Code payments cannot be closed: [Client.Reverse]. Only nil means
// closed.
func (c *Client) CloseOrder(ctx context.Context, outTradeNo string) error {
	const name = "close order"
	var v validation
	v.number("out_trade_no", outTradeNo, 32)
	if err := v.err(); err != nil {
		return failed(name, wechatpay.OutcomeRefused, err)
	}
	err := c.do(ctx, call{
		name: name, path: "/pay/closeorder", fields: Fields{"out_trade_no": outTradeNo}, write: true, timeout: c.writeTimeout,
	})
	if CodeOf(err) == CodeOrderClosed {
		return nil
	}
	return err
}
