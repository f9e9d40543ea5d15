package wechatpay

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// CancelTransfer takes back a transfer that the user has not confirmed (WeChat Pay APIv3, 撤销转账). The answer says accepted,
// normally CANCELING: the money is back, and a new number legitimate, when a notification or a query says CANCELLED. A
// transfer that was confirmed in the meantime is refused: query it.
func (c *Client) CancelTransfer(ctx context.Context, outBillNo string) (*Transfer, error) {
	const name = "cancel transfer"
	var v validation
	v.number("out_bill_no", outBillNo, 1, 32, "")
	if err := v.err(); err != nil {
		return nil, failed(name, OutcomeRefused, err)
	}
	k := call{
		name: name, method: http.MethodPost, write: true, timeout: c.writeTimeout,
		target: c.transferTarget(outBillNo) + "/cancel",
	}
	if c.isPartner() { // a merchant's own cancel has no body
		body, err := json.Marshal(struct {
			SubMchID string `json:"sub_mchid"`
		}{c.sub.MchID})
		if err != nil {
			return nil, failed(name, OutcomeRefused, fmt.Errorf("encode: %w", err))
		}
		k.body = body
	}
	return c.transfer(ctx, k, func(t *Transfer) bool { return t.OutBillNo == outBillNo })
}
