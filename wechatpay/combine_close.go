package wechatpay

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// CombineCloseRequest closes a combined payment (WeChat Pay APIv3, 合单支付: 关闭合单订单).
type CombineCloseRequest struct {
	CombineAppID      string            // as placed; required
	CombineOutTradeNo CombineOutTradeNo // required
	// SubOrders are exactly those that were placed: no fewer, no others.
	SubOrders []CombineCloseSubOrder
}

// CombineCloseSubOrder names a sub order to close, as it was placed.
type CombineCloseSubOrder struct {
	MchID      string `json:"mchid"` // in partner mode the service provider; zero there: the Client's merchant
	OutTradeNo string `json:"out_trade_no"`
	SubMchID   string `json:"sub_mchid,omitempty"` // partner mode: of all sub orders or of none
	SubAppID   string `json:"sub_appid,omitempty"` // partner mode, if placed with one
}

// CloseCombineOrder closes an unpaid combined payment for good, with all its sub orders; the numbers cannot
// be used again. Query first: a paid one is an error, [Error.OrderPaid]. Closing a closed one is no error.
// Only nil means closed. A list of other sub orders than were placed fails, and the provider has answered
// that with a 500: an outcome that stays unknown may be a wrong list.
func (c *Client) CloseCombineOrder(ctx context.Context, request CombineCloseRequest) error {
	const name = "close combine order"
	subOrders := append([]CombineCloseSubOrder(nil), request.SubOrders...)
	numbers := make([]subOrderNumber, len(subOrders))
	for i := range subOrders {
		sub := &subOrders[i]
		if sub.SubMchID != "" {
			sub.MchID = orDefault(sub.MchID, c.merchant.mchID)
		}
		numbers[i] = subOrderNumber{sub.MchID, sub.SubMchID, sub.SubAppID, sub.OutTradeNo}
	}
	var v validation
	v.ofInitiator(c.sub)
	v.text("combine_appid", request.CombineAppID, 1, 32)
	v.number("combine_out_trade_no", string(request.CombineOutTradeNo), 6, 32, outTradeNoFurther)
	v.subOrderNumbers(c.merchant.mchID, numbers)
	if err := v.err(); err != nil {
		return failed(name, OutcomeRefused, err)
	}
	body, err := json.Marshal(struct {
		CombineAppID string                 `json:"combine_appid"`
		SubOrders    []CombineCloseSubOrder `json:"sub_orders"`
	}{request.CombineAppID, subOrders})
	if err != nil {
		return failed(name, OutcomeRefused, fmt.Errorf("encode: %w", err))
	}
	err = c.do(ctx, call{
		name: name, method: http.MethodPost, write: true, timeout: c.writeTimeout, body: body,
		target: combineTarget + "out-trade-no/" + url.PathEscape(string(request.CombineOutTradeNo)) + "/close",
	})
	if isClosed(err) {
		return nil
	}
	return err
}
