package wechatpay

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// QueryOrderByOutTradeNo asks for an order by the merchant's number, the only way before payment (WeChat
// Pay APIv3, 商户订单号查询订单). An unknown number is an *[Error] with [Error.NotExist].
func (c *Client) QueryOrderByOutTradeNo(ctx context.Context, outTradeNo string) (*Order, error) {
	const name = "query order"
	var v validation
	v.number("out_trade_no", outTradeNo, 1, 32, outTradeNoFurther)
	if err := v.err(); err != nil {
		return nil, failed(name, OutcomeRefused, err)
	}
	return c.queryOrder(ctx, name, "out-trade-no/"+url.PathEscape(outTradeNo), func(order *Order) bool {
		return order.OutTradeNo == outTradeNo
	})
}

// QueryOrderByTransactionID asks for an order by the provider's number (WeChat Pay APIv3, 微信支付订单号查询订单).
func (c *Client) QueryOrderByTransactionID(ctx context.Context, transactionID string) (*Order, error) {
	const name = "query order by transaction id"
	var v validation
	v.number("transaction_id", transactionID, 1, 32, "_-")
	if err := v.err(); err != nil {
		return nil, failed(name, OutcomeRefused, err)
	}
	return c.queryOrder(ctx, name, "id/"+url.PathEscape(transactionID), func(order *Order) bool {
		return order.TransactionID == transactionID
	})
}

func (c *Client) queryOrder(ctx context.Context, name, path string, isAsked func(*Order) bool) (*Order, error) {
	var order *Order
	err := c.do(ctx, call{
		name: name, method: http.MethodGet, timeout: c.queryTimeout,
		target: c.transactionsTarget() + path + c.merchantsQuery(),
		decode: func(body []byte) (err error) {
			order, err = decodeOrder(body)
			if err != nil {
				return err
			}
			// A signature does not bind an answer to its request.
			if !isAsked(order) || !c.hasMerchantsOf(order) {
				return fmt.Errorf("%w: answer is about another order", ErrMalformed)
			}
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	return order, nil
}
