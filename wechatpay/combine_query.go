package wechatpay

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// QueryCombineOrder asks for a combined payment with all its sub orders (WeChat Pay APIv3, 合单支付: 查询合单订单).
// It is the only query that knows them. An unknown number is an *[Error] with [Error.NotExist].
func (c *Client) QueryCombineOrder(ctx context.Context, number CombineOutTradeNo) (*CombineOrder, error) {
	const name = "query combine order"
	var v validation
	v.ofInitiator(c.sub)
	v.number("combine_out_trade_no", string(number), 1, 32, outTradeNoFurther)
	if err := v.err(); err != nil {
		return nil, failed(name, OutcomeRefused, err)
	}
	var order *CombineOrder
	err := c.do(ctx, call{
		name: name, method: http.MethodGet, timeout: c.queryTimeout,
		target: combineTarget + "out-trade-no/" + url.PathEscape(string(number)),
		decode: func(body []byte) (err error) {
			order, err = decodeCombineOrder(body)
			if err != nil {
				return err
			}
			// A signature does not bind an answer to its request.
			if order.CombineOutTradeNo != number || order.CombineMchID != c.merchant.mchID {
				return fmt.Errorf("%w: answer is about another combined payment", ErrMalformed)
			}
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	return order, nil
}
