package wechatpay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// transferNamedFrom is the amount in fen from which the user's name must be given (WeChat Pay APIv3, 发起转账, user_name).
const transferNamedFrom = 200000

// How the user sees the transfer (WeChat Pay APIv3, 发起转账, user_recv_style). RED_PACKET is for small amounts and some
// scenes only.
const (
	UserRecvStyleConfirmPage = "CONFIRM_PAGE"
	UserRecvStyleRedPacket   = "RED_PACKET"
)

// TransferRequest sends money to a user, who must confirm it (WeChat Pay APIv3, 商家转账 用户确认模式, 发起转账).
//
// A status or code of the provider describes the request, not the transfer. Whatever error comes, keep OutBillNo:
// a new number is a second transfer. It is legitimate only after a query or a notification said FAIL or CANCELLED.
type TransferRequest struct {
	// AppID is the app whose OpenID is given.
	AppID string `json:"appid"`
	// OutBillNo is the merchant's number of the transfer; 1-32 letters and digits.
	OutBillNo string `json:"out_bill_no"`
	// TransferSceneID is a scene (转账场景) that the merchant console grants, such as 1000 for 现金营销.
	TransferSceneID string `json:"transfer_scene_id"`
	// OpenID is the user.
	OpenID string `json:"openid"`
	// UserName is the user's real name in the clear, which the provider compares; it travels encrypted. Required
	// from 200000 fen; below 30 fen the provider wants none.
	UserName Sensitive `json:"user_name,omitempty"`
	// TransferAmount is in fen, at least 1.
	TransferAmount int64 `json:"transfer_amount"`
	// TransferRemark is shown to the user; 1-32 characters.
	TransferRemark string `json:"transfer_remark"`
	// NotifyURL is https and as in [NativeRequest]. Zero: the address set in the merchant console, if any.
	NotifyURL string `json:"notify_url,omitempty"`
	// UserRecvPerception is what the user reads the money is for: one of the scene's texts. Zero: the scene's own.
	UserRecvPerception string `json:"user_recv_perception,omitempty"`
	// TransferSceneReportInfos are exactly those the scene demands.
	TransferSceneReportInfos []TransferSceneReportInfo `json:"transfer_scene_report_infos"`
	// UserRecvStyle is how the user sees it. Nil: the provider's choice.
	UserRecvStyle *UserRecvStyle `json:"user_recv_style,omitempty"`
}

// TransferSceneReportInfo is one fact that a scene demands (转账场景报备信息), such as 活动名称.
type TransferSceneReportInfo struct {
	InfoType    string `json:"info_type"`    // at most 15 characters
	InfoContent string `json:"info_content"` // at most 32 characters
}

// UserRecvStyle is how the user sees the transfer.
type UserRecvStyle struct {
	Type string `json:"type"` // UserRecvStyleConfirmPage or UserRecvStyleRedPacket
}

// transferBody is what travels: its fields hide those of the same name in the request.
type transferBody struct {
	SubMchID string `json:"sub_mchid,omitempty"`
	TransferRequest
	UserName string `json:"user_name,omitempty"`
}

// CreateTransfer asks for a transfer. Nil error and WAIT_USER_CONFIRM mean that the user can confirm it, on the page that
// [Client.InvokeTransfer] opens; in ACCEPTED and PROCESSING it is not there yet. The same request again returns the same
// transfer, so repeat it with the same number
//
//   - after OutcomeUnknown, if you do not query;
//   - after OutcomeRetry: with [CodeNotEnough] once the operating account (运营账户) is topped up, with
//     [CodeFrequencyLimited] more slowly;
//   - in ACCEPTED, and in a PROCESSING that lasts, once the operating account is topped up.
//
// OutcomeRefused says that this request did nothing, not that an earlier one with this number did nothing. An error code
// that the provider's table does not name is OutcomeUnknown, as is a number that has a transfer with other parameters
// ([Error.ParametersDiffer]): query.
func (c *Client) CreateTransfer(ctx context.Context, request TransferRequest) (*Transfer, error) {
	const name = "create transfer"
	var v validation
	request.validate(&v)
	if err := v.err(); err != nil {
		return nil, failed(name, OutcomeRefused, err)
	}
	k := call{name: name, method: http.MethodPost, target: c.transfersTarget(), write: true, timeout: c.writeTimeout}
	content := transferBody{SubMchID: c.sub.MchID, TransferRequest: request}
	if request.UserName != "" {
		key, err := c.encryptionKey(ctx)
		if err != nil {
			return nil, failed(name, OutcomeRetry, err)
		}
		k.keySerial = key.serial
		if content.UserName, err = key.encrypt(request.UserName); err != nil {
			return nil, failed(name, OutcomeRefused, err)
		}
	}
	body, err := json.Marshal(content)
	if err != nil {
		return nil, failed(name, OutcomeRefused, fmt.Errorf("encode: %w", err))
	}
	k.body = body
	transfer, err := c.transfer(ctx, k, func(t *Transfer) bool { return t.OutBillNo == request.OutBillNo })
	if err != nil {
		return nil, knownRefusal(err)
	}
	return transfer, nil
}

// knownRefusal makes a refusal of unknown outcome unless the provider's table of errors names its code (WeChat Pay
// APIv3, 发起转账: no new number after a new code): a caller may take a refusal for a transfer that does not exist.
func knownRefusal(err error) error {
	refusal, ok := errors.AsType[*callError](err)
	if !ok || refusal.outcome != OutcomeRefused {
		return err
	}
	provider, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	switch provider.Code {
	case CodeParamError, CodeInvalidRequest, CodeSignError, CodeNoAuth:
		if !provider.ParametersDiffer() {
			return err
		}
	}
	unknown := *refusal
	unknown.outcome = OutcomeUnknown
	return &unknown
}

func (r *TransferRequest) validate(v *validation) {
	v.text("appid", r.AppID, 1, 32)
	v.number("out_bill_no", r.OutBillNo, 1, 32, "")
	v.text("transfer_scene_id", r.TransferSceneID, 1, 36)
	v.text("openid", r.OpenID, 1, 64)
	switch {
	case r.UserName != "":
		v.sensitive("user_name", r.UserName)
	case r.TransferAmount >= transferNamedFrom:
		v.add("user_name", fmt.Sprintf("is required from %d fen", transferNamedFrom))
	}
	v.atLeast("transfer_amount", r.TransferAmount, 1)
	v.text("transfer_remark", r.TransferRemark, 1, 32)
	v.notifyURL(r.NotifyURL, false, 256)
	v.text("user_recv_perception", r.UserRecvPerception, 0, 64)
	if len(r.TransferSceneReportInfos) == 0 {
		v.add("transfer_scene_report_infos", "must hold what the scene demands")
	}
	for i, info := range r.TransferSceneReportInfos {
		at := fmt.Sprintf("transfer_scene_report_infos[%d].", i)
		v.text(at+"info_type", info.InfoType, 1, 15)
		v.text(at+"info_content", info.InfoContent, 1, 32)
	}
	if r.UserRecvStyle != nil {
		v.text("user_recv_style.type", r.UserRecvStyle.Type, 1, 32)
	}
}
