package wechatpay

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// ProfitSharingReturnResult is what became of a return (WeChat Pay APIv3, 请求分账回退: result). The list is open.
type ProfitSharingReturnResult string

const (
	ProfitSharingReturnProcessing ProfitSharingReturnResult = "PROCESSING" // repeat with the same number, or query
	ProfitSharingReturnSuccess    ProfitSharingReturnResult = "SUCCESS"
	ProfitSharingReturnFailed     ProfitSharingReturnResult = "FAILED" // nothing moved; FailReason says why
)

// ProfitSharingReturnRequest takes shared money back from a receiver (WeChat Pay APIv3, 请求分账回退), normally before
// a refund. Only merchants can give back, and only those that allowed it. Repeat a failed call with the same
// OutReturnNo: a new number is a second return.
type ProfitSharingReturnRequest struct {
	// OrderID, the provider's number, or OutOrderNo, the merchant's, names the sharing order. One of them, not both.
	OrderID    string
	OutOrderNo string
	// OutReturnNo is the merchant's number of the return, unique for ever; 1-64 of letters, digits and _ - | * @.
	OutReturnNo string
	ReturnMchID string // the receiver that gives back
	Amount      int64  // fen, at least 1; with earlier returns at most what the receiver got from the sharing order
	Description string // 1-80 characters
}

type profitSharingReturnBody struct {
	SubMchID    string `json:"sub_mchid,omitempty"`
	OrderID     string `json:"order_id,omitempty"`
	OutOrderNo  string `json:"out_order_no,omitempty"`
	OutReturnNo string `json:"out_return_no"`
	ReturnMchID string `json:"return_mchid"`
	Amount      int64  `json:"amount"`
	Description string `json:"description"`
}

// ProfitSharingReturn is a return as the provider sees it. Its money goes to the available balance of the sharing
// merchant and cannot be shared again.
type ProfitSharingReturn struct {
	SubMchID    string                    `json:"sub_mchid,omitempty"` // partner mode
	OrderID     string                    `json:"order_id,omitempty"`
	OutOrderNo  string                    `json:"out_order_no,omitempty"`
	OutReturnNo string                    `json:"out_return_no"`
	ReturnID    string                    `json:"return_id"` // the provider's number
	ReturnMchID string                    `json:"return_mchid"`
	Amount      int64                     `json:"amount"` // fen
	Description string                    `json:"description,omitempty"`
	Result      ProfitSharingReturnResult `json:"result"`
	// FailReason is why Result is FAILED, such as BALANCE_NOT_ENOUGH. The list is open.
	FailReason string    `json:"fail_reason,omitempty"`
	CreateTime time.Time `json:"create_time,omitzero"`
	FinishTime time.Time `json:"finish_time,omitzero"` // zero while PROCESSING
}

// CreateProfitSharingReturn asks for a return; the answer is normally final, Result says so. The same request again
// returns the same return. A number that has a return with other parameters ([Error.ParametersDiffer]) is
// OutcomeUnknown: query it.
func (c *Client) CreateProfitSharingReturn(ctx context.Context, request ProfitSharingReturnRequest) (*ProfitSharingReturn, error) {
	const name = "create profit sharing return"
	if err := request.validate(); err != nil {
		return nil, failed(name, OutcomeRefused, err)
	}
	body, err := json.Marshal(profitSharingReturnBody{
		SubMchID: c.sub.MchID, OrderID: request.OrderID, OutOrderNo: request.OutOrderNo, OutReturnNo: request.OutReturnNo,
		ReturnMchID: request.ReturnMchID, Amount: request.Amount, Description: request.Description,
	})
	if err != nil {
		return nil, failed(name, OutcomeRefused, fmt.Errorf("encode: %w", err))
	}
	return c.profitSharingReturn(ctx, call{
		name: name, method: http.MethodPost, target: profitSharingTarget + "/return-orders",
		body: body, write: true, timeout: c.writeTimeout,
	}, func(answer *ProfitSharingReturn) bool {
		return answer.OutReturnNo == request.OutReturnNo && answer.ReturnMchID == request.ReturnMchID &&
			(request.OrderID == "" || answer.OrderID == request.OrderID) &&
			(request.OutOrderNo == "" || answer.OutOrderNo == request.OutOrderNo)
	})
}

// QueryProfitSharingReturn asks for a return by the merchant's numbers of the sharing order and of the return (WeChat
// Pay APIv3, 查询分账回退结果). An unknown number is an *[Error] with [Error.NotExist].
func (c *Client) QueryProfitSharingReturn(ctx context.Context, outOrderNo, outReturnNo string) (*ProfitSharingReturn, error) {
	const name = "query profit sharing return"
	var v validation
	v.number("out_order_no", outOrderNo, 1, 64, outOrderNoFurther)
	v.number("out_return_no", outReturnNo, 1, 64, outOrderNoFurther)
	if err := v.err(); err != nil {
		return nil, failed(name, OutcomeRefused, err)
	}
	query := url.Values{"out_order_no": {outOrderNo}}
	if c.isPartner() {
		query.Set("sub_mchid", c.sub.MchID)
	}
	return c.profitSharingReturn(ctx, call{
		name: name, method: http.MethodGet, timeout: c.queryTimeout,
		target: profitSharingTarget + "/return-orders/" + url.PathEscape(outReturnNo) + "?" + query.Encode(),
	}, func(answer *ProfitSharingReturn) bool {
		return answer.OutReturnNo == outReturnNo && answer.OutOrderNo == outOrderNo
	})
}

// profitSharingReturn runs a call that answers with a return.
func (c *Client) profitSharingReturn(ctx context.Context, k call, isAsked func(*ProfitSharingReturn) bool) (*ProfitSharingReturn, error) {
	var answer *ProfitSharingReturn
	k.decode = func(body []byte) (err error) {
		answer, err = decodeProfitSharingReturn(body)
		if err != nil {
			return err
		}
		// A signature does not bind an answer to its request.
		if !isAsked(answer) || c.isOfAnother(answer.SubMchID) {
			return fmt.Errorf("%w: answer is about another return", ErrMalformed)
		}
		return nil
	}
	if err := c.do(ctx, k); err != nil {
		return nil, takenIsUnknown(err)
	}
	return answer, nil
}

func decodeProfitSharingReturn(body []byte) (*ProfitSharingReturn, error) {
	var wire struct {
		ProfitSharingReturn
		CreateTime wireTime `json:"create_time"`
		FinishTime wireTime `json:"finish_time"`
	}
	if err := decodeJSON(body, &wire); err != nil {
		return nil, err
	}
	answer := &wire.ProfitSharingReturn
	answer.CreateTime, answer.FinishTime = wire.CreateTime.Time, wire.FinishTime.Time
	if answer.OutReturnNo == "" || answer.ReturnID == "" || answer.Result == "" {
		return nil, fmt.Errorf("%w: return without out_return_no, return_id or result", ErrMalformed)
	}
	return answer, nil
}

func (r *ProfitSharingReturnRequest) validate() error {
	var v validation
	switch {
	case (r.OrderID == "") == (r.OutOrderNo == ""):
		v.add("out_order_no", "or order_id is required, and not both")
	case r.OrderID != "":
		v.number("order_id", r.OrderID, 1, 64, "_-")
	default:
		v.number("out_order_no", r.OutOrderNo, 1, 64, outOrderNoFurther)
	}
	v.number("out_return_no", r.OutReturnNo, 1, 64, outOrderNoFurther)
	v.digits("return_mchid", r.ReturnMchID, 1, 32)
	v.atLeast("amount", r.Amount, 1)
	v.text("description", r.Description, 1, 80)
	return v.err()
}
