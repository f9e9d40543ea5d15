package wechatpay

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// ReverseRequest takes a code payment back (WeChat Pay APIv3, 撤销订单).
type ReverseRequest struct {
	AppID      string // that of the payment
	OutTradeNo string
}

// ReverseOrder ends an order of [Client.CodePay]: what was paid goes back in full, what was not can no longer be paid;
// the order becomes REVOKED. Not sooner than 15 seconds after the payment was asked for, and within 7 days. Only nil
// means reversed: repeat until it is, or is refused. It is for payments that came to no end; a finished one is
// refunded.
func (c *Client) ReverseOrder(ctx context.Context, request ReverseRequest) error {
	const name = "reverse order"
	if !c.codepayV3 {
		return failed(name, OutcomeRefused, errNoCodepay)
	}
	content := c.parties(request.AppID)
	var v validation
	v.appID(&content)
	v.number("out_trade_no", request.OutTradeNo, 6, 32, outTradeNoFurther)
	if err := v.err(); err != nil {
		return failed(name, OutcomeRefused, err)
	}
	body, err := json.Marshal(content)
	if err != nil {
		return failed(name, OutcomeRefused, fmt.Errorf("encode: %w", err))
	}
	return c.do(ctx, call{
		name: name, method: http.MethodPost, write: true, timeout: c.writeTimeout, body: body,
		target: c.transactionsTarget() + "out-trade-no/" + url.PathEscape(request.OutTradeNo) + "/reverse",
		decode: func(body []byte) error {
			var answer struct {
				OutTradeNo string `json:"out_trade_no"`
			}
			if err := decodeJSON(body, &answer); err != nil {
				return err
			}
			if answer.OutTradeNo != request.OutTradeNo { // a signature does not bind an answer to its request
				return fmt.Errorf("%w: answer is about another order", ErrMalformed)
			}
			return nil
		},
	})
}
