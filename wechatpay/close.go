package wechatpay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// CloseOrder closes an unpaid order for good; its number cannot be used again (WeChat Pay APIv3, 关闭订单).
// Query first: a paid order is an error, [Error.OrderPaid]. Closing a closed order is no error. Only nil means
// closed. An order of [Client.CodePay] cannot be closed: reverse it.
func (c *Client) CloseOrder(ctx context.Context, outTradeNo string) error {
	const name = "close order"
	var v validation
	v.number("out_trade_no", outTradeNo, 6, 32, outTradeNoFurther)
	if err := v.err(); err != nil {
		return failed(name, OutcomeRefused, err)
	}
	body, err := json.Marshal(c.merchants())
	if err != nil {
		return failed(name, OutcomeRefused, fmt.Errorf("encode: %w", err))
	}
	err = c.do(ctx, call{
		name: name, method: http.MethodPost, write: true, timeout: c.writeTimeout, body: body,
		target: c.transactionsTarget() + "out-trade-no/" + url.PathEscape(outTradeNo) + "/close",
	})
	if isClosed(err) {
		return nil
	}
	return err
}

// isClosed tells the refusal that older pages answer with where newer ones answer 204. Other answers with its code prove nothing.
func isClosed(err error) bool {
	provider, ok := errors.AsType[*Error](err)
	return ok && provider.Code == CodeOrderClosed && provider.Status >= 400 && provider.Status < 500
}
