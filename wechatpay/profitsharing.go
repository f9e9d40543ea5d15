package wechatpay

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	profitSharingTarget = "/v3/profitsharing"
	// outOrderNoFurther are the characters an out_order_no or out_return_no may hold besides letters and digits.
	outOrderNoFurther = "_-|*@"
	// profitSharingReceiversMost is how many receivers one request may name (请求分账).
	profitSharingReceiversMost = 50
)

// Kinds of receivers of shared money (WeChat Pay APIv3, 添加分账接收方: type).
const (
	ReceiverTypeMerchantID        = "MERCHANT_ID"
	ReceiverTypePersonalOpenID    = "PERSONAL_OPENID"     // an openid of the request's AppID
	ReceiverTypePersonalSubOpenID = "PERSONAL_SUB_OPENID" // an openid of [SubMerchant.AppID]; partner mode only
)

// ProfitSharingState is how far a sharing order is (WeChat Pay APIv3, 请求分账: state). The list is open.
type ProfitSharingState string

const (
	ProfitSharingStateProcessing ProfitSharingState = "PROCESSING"
	// ProfitSharingStateFinished says that the order was worked through, not that anybody was paid: each receiver's
	// Result says that.
	ProfitSharingStateFinished ProfitSharingState = "FINISHED"
)

// ProfitSharingResult is what became of one receiver's part (WeChat Pay APIv3, 请求分账: receivers.result). It alone
// decides whether the receiver has the money. The list is open.
type ProfitSharingResult string

const (
	ProfitSharingResultPending ProfitSharingResult = "PENDING"
	ProfitSharingResultSuccess ProfitSharingResult = "SUCCESS"
	ProfitSharingResultClosed  ProfitSharingResult = "CLOSED" // the receiver got nothing; FailReason says why
)

// ProfitSharingOrder is a sharing order (分账单), or the release of what is left, as the provider sees it. State
// FINISHED is no success: look at the Result of every receiver.
type ProfitSharingOrder struct {
	SubMchID      string             `json:"sub_mchid,omitempty"` // partner mode
	TransactionID string             `json:"transaction_id"`
	OutOrderNo    string             `json:"out_order_no"`
	OrderID       string             `json:"order_id"` // the provider's number
	State         ProfitSharingState `json:"state"`
	// Receivers are those asked for. A release of the rest shows as one receiver, the sharing merchant itself.
	Receivers []ProfitSharingDetail `json:"receivers,omitempty"`
}

// ProfitSharingDetail is one receiver's part of a sharing order.
type ProfitSharingDetail struct {
	Type        string              `json:"type"`
	Account     string              `json:"account"`
	Amount      int64               `json:"amount"` // fen
	Description string              `json:"description"`
	Result      ProfitSharingResult `json:"result"`
	// FailReason is why Result is CLOSED, such as ACCOUNT_ABNORMAL or NO_RELATION. The list is open.
	FailReason string    `json:"fail_reason,omitempty"`
	CreateTime time.Time `json:"create_time,omitzero"`
	FinishTime time.Time `json:"finish_time,omitzero"` // zero while PENDING
	DetailID   string    `json:"detail_id,omitempty"`
}

// profitSharingOrder runs a call that answers with the sharing order of the given numbers.
func (c *Client) profitSharingOrder(ctx context.Context, transactionID, outOrderNo string, k call) (*ProfitSharingOrder, error) {
	var order *ProfitSharingOrder
	k.decode = func(body []byte) (err error) {
		order, err = decodeProfitSharingOrder(body)
		if err != nil {
			return err
		}
		// A signature does not bind an answer to its request.
		if order.TransactionID != transactionID || order.OutOrderNo != outOrderNo || c.isOfAnother(order.SubMchID) {
			return fmt.Errorf("%w: answer is about another sharing order", ErrMalformed)
		}
		return nil
	}
	if err := c.do(ctx, k); err != nil {
		return nil, takenIsUnknown(notEnoughIsRefused(err))
	}
	return order, nil
}

// isOfAnother reports that an answer names another sub-merchant than the Client's; not all answers name one.
func (c *Client) isOfAnother(subMchID string) bool {
	return subMchID != "" && subMchID != c.sub.MchID
}

// notEnoughIsRefused tells NOT_ENOUGH of a sharing order (分账金额不足: more than is left to share) from that of a
// refund or return, where the merchant tops up and repeats: no top-up adds to what is frozen.
func notEnoughIsRefused(err error) error {
	call, ok := errors.AsType[*callError](err)
	if ok && call.outcome == OutcomeRetry && CodeOf(err) == CodeNotEnough {
		call.outcome = OutcomeRefused
	}
	return err
}

func decodeProfitSharingOrder(body []byte) (*ProfitSharingOrder, error) {
	var wire struct {
		ProfitSharingOrder
		Receivers []struct {
			ProfitSharingDetail
			CreateTime wireTime `json:"create_time"`
			FinishTime wireTime `json:"finish_time"`
		} `json:"receivers"`
	}
	if err := decodeJSON(body, &wire); err != nil {
		return nil, err
	}
	order := &wire.ProfitSharingOrder
	if order.TransactionID == "" || order.OutOrderNo == "" || order.OrderID == "" || order.State == "" {
		return nil, fmt.Errorf("%w: sharing order without transaction_id, out_order_no, order_id or state", ErrMalformed)
	}
	for _, receiver := range wire.Receivers {
		if receiver.Account == "" || receiver.Result == "" {
			return nil, fmt.Errorf("%w: sharing order with a receiver without account or result", ErrMalformed)
		}
		detail := receiver.ProfitSharingDetail
		detail.CreateTime, detail.FinishTime = receiver.CreateTime.Time, receiver.FinishTime.Time
		order.Receivers = append(order.Receivers, detail)
	}
	return order, nil
}
