package wechatpay

import (
	"context"
	"net/http"
	"net/url"
)

// QueryTransferByOutBillNo asks for a transfer by the merchant's number (WeChat Pay APIv3, 商户单号查询转账单). An unknown
// number is an *[Error] with [Error.NotExist]. That is no proof that a transfer just asked for will not appear: wait and
// query again before you decide. Nor does it prove anything about old ones: the provider finds the last 30 days only.
func (c *Client) QueryTransferByOutBillNo(ctx context.Context, outBillNo string) (*Transfer, error) {
	const name = "query transfer"
	var v validation
	v.number("out_bill_no", outBillNo, 1, 32, "")
	if err := v.err(); err != nil {
		return nil, failed(name, OutcomeRefused, err)
	}
	target := c.transferTarget(outBillNo)
	if c.isPartner() {
		target += "?sub_mchid=" + url.QueryEscape(c.sub.MchID)
	}
	return c.transfer(ctx, call{name: name, method: http.MethodGet, target: target, timeout: c.queryTimeout},
		func(t *Transfer) bool { return t.OutBillNo == outBillNo })
}

// QueryTransferByTransferBillNo asks for a transfer by the provider's number (WeChat Pay APIv3, 微信单号查询转账单). The rules
// of [Client.QueryTransferByOutBillNo] hold. Partner mode has no such query: it is refused before it is sent, because the
// provider's answer to an unknown path would read as an unknown transfer.
func (c *Client) QueryTransferByTransferBillNo(ctx context.Context, transferBillNo string) (*Transfer, error) {
	const name = "query transfer by transfer bill no"
	var v validation
	v.number("transfer_bill_no", transferBillNo, 1, 64, "_-")
	if c.isPartner() {
		v.add("transfer_bill_no", "cannot be queried in partner mode; query by out_bill_no")
	}
	if err := v.err(); err != nil {
		return nil, failed(name, OutcomeRefused, err)
	}
	return c.transfer(ctx, call{
		name: name, method: http.MethodGet, timeout: c.queryTimeout,
		target: transfersTarget + "/transfer-bill-no/" + url.PathEscape(transferBillNo),
	}, func(t *Transfer) bool { return t.TransferBillNo == transferBillNo })
}
