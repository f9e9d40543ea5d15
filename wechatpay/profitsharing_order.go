package wechatpay

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// ProfitSharingRequest shares the money of a paid order (WeChat Pay APIv3, 请求分账). The order must have been placed
// with [SettleInfo.ProfitSharing], paid for at least a minute, and every receiver added with
// [Client.AddProfitSharingReceiver]. Repeat a failed one with the same OutOrderNo: a new number shares a second time.
type ProfitSharingRequest struct {
	AppID         string // wx..., the one the openids are of; required
	TransactionID string // the provider's number of the paid order; required
	// OutOrderNo is the merchant's number of the sharing, unique for ever; 1-64 of letters, digits and _ - | * @.
	OutOrderNo string
	// Receivers are 1-50, each once. All requests of one order together must stay within [ProfitSharingLimit].
	Receivers []ProfitSharingPart
	// UnfreezeUnsplit releases the rest to the merchant after this request, and ends the sharing of the order.
	UnfreezeUnsplit bool
}

// ProfitSharingPart is what one receiver is to get.
type ProfitSharingPart struct {
	Type    string // such as ReceiverTypeMerchantID
	Account string // merchant number or openid; 1-64 characters
	// Name, in the clear here, is a person's and is optional: given, the provider refuses other people. It travels
	// encrypted; at most 214 bytes.
	Name        Sensitive
	Amount      int64  // fen, at least 1
	Description string // shown in bills; 1-80 characters
}

type profitSharingBody struct {
	SubMchID        string                  `json:"sub_mchid,omitempty"`
	AppID           string                  `json:"appid"`
	SubAppID        string                  `json:"sub_appid,omitempty"`
	TransactionID   string                  `json:"transaction_id"`
	OutOrderNo      string                  `json:"out_order_no"`
	Receivers       []profitSharingPartBody `json:"receivers"`
	UnfreezeUnsplit bool                    `json:"unfreeze_unsplit"`
}

type profitSharingPartBody struct {
	Type        string `json:"type"`
	Account     string `json:"account"`
	Name        string `json:"name,omitempty"`
	Amount      int64  `json:"amount"`
	Description string `json:"description"`
}

// CreateProfitSharing asks for a sharing. The answer is normally PROCESSING: ask [Client.QueryProfitSharing] until every
// receiver's Result is final; the sharing merchant gets no notification. The same request again returns the same
// order. A number that has a sharing with other parameters ([Error.ParametersDiffer]) is OutcomeUnknown: query it.
//
// The provider takes one request of an order at a time, at most one a second, and none in the minute after payment;
// that refusal may be INVALID_REQUEST (订单处理中，请稍后重试). Later, the same request under the same number is right.
func (c *Client) CreateProfitSharing(ctx context.Context, request ProfitSharingRequest) (*ProfitSharingOrder, error) {
	const name = "create profit sharing"
	if err := request.validate(c.sub); err != nil {
		return nil, failed(name, OutcomeRefused, err)
	}
	content := profitSharingBody{
		SubMchID: c.sub.MchID, AppID: request.AppID, SubAppID: c.sub.AppID,
		TransactionID: request.TransactionID, OutOrderNo: request.OutOrderNo, UnfreezeUnsplit: request.UnfreezeUnsplit,
	}
	k := call{name: name, method: http.MethodPost, target: profitSharingTarget + "/orders", write: true, timeout: c.writeTimeout}
	names := make([]Sensitive, len(request.Receivers))
	for i, part := range request.Receivers {
		names[i] = part.Name
	}
	sealed, err := c.encryptNames(ctx, &k, names...)
	if err != nil {
		return nil, err
	}
	for i, part := range request.Receivers {
		content.Receivers = append(content.Receivers, profitSharingPartBody{
			Type: part.Type, Account: part.Account, Name: sealed[i], Amount: part.Amount, Description: part.Description,
		})
	}
	body, err := json.Marshal(content)
	if err != nil {
		return nil, failed(name, OutcomeRefused, fmt.Errorf("encode: %w", err))
	}
	k.body = body
	return c.profitSharingOrder(ctx, request.TransactionID, request.OutOrderNo, k)
}

// QueryProfitSharing asks for a sharing order, or for the release of the rest, by the merchant's number (WeChat Pay
// APIv3, 查询分账结果). An unknown number is an *[Error] with [Error.NotExist].
func (c *Client) QueryProfitSharing(ctx context.Context, transactionID, outOrderNo string) (*ProfitSharingOrder, error) {
	const name = "query profit sharing"
	var v validation
	v.number("transaction_id", transactionID, 1, 32, "_-")
	v.number("out_order_no", outOrderNo, 1, 64, outOrderNoFurther)
	if err := v.err(); err != nil {
		return nil, failed(name, OutcomeRefused, err)
	}
	query := url.Values{"transaction_id": {transactionID}}
	if c.isPartner() {
		query.Set("sub_mchid", c.sub.MchID)
	}
	return c.profitSharingOrder(ctx, transactionID, outOrderNo, call{
		name: name, method: http.MethodGet, timeout: c.queryTimeout,
		target: profitSharingTarget + "/orders/" + url.PathEscape(outOrderNo) + "?" + query.Encode(),
	})
}

// ProfitSharingUnfreezeRequest releases what is left of an order's frozen money to the merchant (WeChat Pay APIv3,
// 解冻剩余资金).
type ProfitSharingUnfreezeRequest struct {
	TransactionID string
	// OutOrderNo is a new number of the merchant's, not that of a sharing; 1-64 of letters, digits and _ - | * @.
	OutOrderNo  string
	Description string // shown in bills; 1-80 characters
}

// UnfreezeProfitSharing ends the sharing of an order: the rest goes to the merchant, and no request can follow. An
// order that will not be shared at all needs it too, or waits 30 days. Follow it with [Client.QueryProfitSharing];
// repeat it with the same number.
func (c *Client) UnfreezeProfitSharing(ctx context.Context, request ProfitSharingUnfreezeRequest) (*ProfitSharingOrder, error) {
	const name = "unfreeze profit sharing"
	var v validation
	v.number("transaction_id", request.TransactionID, 1, 32, "_-")
	v.number("out_order_no", request.OutOrderNo, 1, 64, outOrderNoFurther)
	v.text("description", request.Description, 1, 80)
	if err := v.err(); err != nil {
		return nil, failed(name, OutcomeRefused, err)
	}
	body, err := json.Marshal(struct {
		SubMchID      string `json:"sub_mchid,omitempty"`
		TransactionID string `json:"transaction_id"`
		OutOrderNo    string `json:"out_order_no"`
		Description   string `json:"description"`
	}{c.sub.MchID, request.TransactionID, request.OutOrderNo, request.Description})
	if err != nil {
		return nil, failed(name, OutcomeRefused, fmt.Errorf("encode: %w", err))
	}
	return c.profitSharingOrder(ctx, request.TransactionID, request.OutOrderNo, call{
		name: name, method: http.MethodPost, target: profitSharingTarget + "/orders/unfreeze",
		body: body, write: true, timeout: c.writeTimeout,
	})
}

func (r *ProfitSharingRequest) validate(sub SubMerchant) error {
	var v validation
	v.text("appid", r.AppID, 1, 32)
	v.number("transaction_id", r.TransactionID, 1, 32, "_-")
	v.number("out_order_no", r.OutOrderNo, 1, 64, outOrderNoFurther)
	if n := len(r.Receivers); n < 1 || n > profitSharingReceiversMost {
		v.add("receivers", fmt.Sprintf("must be 1 to %d, are %d", profitSharingReceiversMost, n))
	}
	for i, part := range r.Receivers {
		at := fmt.Sprintf("receivers[%d].", i)
		v.profitSharingReceiver(at, part.Type, part.Account, sub)
		if part.Name != "" {
			v.sensitive(at+"name", part.Name)
		}
		v.atLeast(at+"amount", part.Amount, 1)
		v.text(at+"description", part.Description, 1, 80)
	}
	return v.err()
}
