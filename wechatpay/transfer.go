package wechatpay

import (
	"context"
	"fmt"
	"net/url"
	"time"
)

const (
	transfersTarget        = "/v3/fund-app/mch-transfer/transfer-bills"
	partnerTransfersTarget = "/v3/fund-app/mch-transfer/partner/transfer-bills"
)

// TransferState is the state of a transfer (WeChat Pay APIv3, 商家转账, state). SUCCESS, FAIL and CANCELLED are
// final. The list is open: hold what you do not know, never take it for a failure.
type TransferState string

const (
	// TransferStateAccepted and, when it lasts, TransferStateProcessing: the operating account (运营账户) may be
	// short. Top it up, then repeat the call with the same number.
	TransferStateAccepted   TransferState = "ACCEPTED"
	TransferStateProcessing TransferState = "PROCESSING" // the money is being locked
	// TransferStateWaitUserConfirm: show the user [Client.InvokeTransfer]'s page. After 24 hours it fails by itself.
	TransferStateWaitUserConfirm TransferState = "WAIT_USER_CONFIRM"
	// TransferStateTransfering: confirmed, with no result yet; the page may be opened again. One R, as the
	// provider spells it.
	TransferStateTransfering TransferState = "TRANSFERING"
	TransferStateSuccess     TransferState = "SUCCESS"
	TransferStateFail        TransferState = "FAIL" // FailReason says why; a new number is legitimate
	TransferStateCanceling   TransferState = "CANCELING"
	TransferStateCancelled   TransferState = "CANCELLED" // a new number is legitimate
)

// Transfer is a transfer as the provider sees it: the answer of every call, and the content of a notification,
// each with some of the fields (WeChat Pay APIv3, 发起转账, 查询转账单, 撤销转账, 商家转账回调通知). Before acting on it
// compare OutBillNo, TransferAmount and OpenID with your own record.
type Transfer struct {
	MchID          string        `json:"mch_id,omitempty"`
	SubMchID       string        `json:"sub_mchid,omitempty"`
	OutBillNo      string        `json:"out_bill_no"`
	TransferBillNo string        `json:"transfer_bill_no"`
	AppID          string        `json:"appid,omitempty"`
	State          TransferState `json:"state"`
	// TransferAmount is in fen; zero in the answers of create and cancel, which do not tell it.
	TransferAmount int64  `json:"transfer_amount,omitempty"`
	TransferRemark string `json:"transfer_remark,omitempty"`
	// FailReason is empty unless State is FAIL, and may be empty then.
	FailReason TransferFailReason `json:"fail_reason,omitempty"`
	OpenID     string             `json:"openid,omitempty"`
	// UserName is encrypted for the merchant's private key; [Client.DecryptSensitive] opens it.
	UserName string `json:"user_name,omitempty"`
	// PackageInfo opens the page where the user confirms; only from create, in WAIT_USER_CONFIRM. Keep it:
	// no query tells it.
	PackageInfo string    `json:"package_info,omitempty"`
	CreateTime  time.Time `json:"create_time,omitzero"`
	UpdateTime  time.Time `json:"update_time,omitzero"`
}

// transfersTarget is the path of transfers in this Client's mode.
func (c *Client) transfersTarget() string {
	if c.isPartner() {
		return partnerTransfersTarget
	}
	return transfersTarget
}

func (c *Client) transferTarget(outBillNo string) string {
	return c.transfersTarget() + "/out-bill-no/" + url.PathEscape(outBillNo)
}

// transfer runs a call that answers with the transfer asked for. A signature does not bind an answer to its request.
func (c *Client) transfer(ctx context.Context, k call, isAsked func(*Transfer) bool) (*Transfer, error) {
	var transfer *Transfer
	k.decode = func(body []byte) (err error) {
		transfer, err = decodeTransfer(body)
		if err != nil {
			return err
		}
		if !isAsked(transfer) || !c.isPayer(transfer) {
			return fmt.Errorf("%w: answer is about another transfer", ErrMalformed)
		}
		return nil
	}
	if err := c.do(ctx, k); err != nil {
		return nil, err
	}
	return transfer, nil
}

// isPayer reports that nothing in the transfer names another merchant. Which of the two a partner's answer names in
// mch_id is not documented.
func (c *Client) isPayer(transfer *Transfer) bool {
	mchID, subMchID := transfer.MchID, transfer.SubMchID
	return (mchID == "" || mchID == c.merchant.mchID || mchID == c.sub.MchID) && (subMchID == "" || subMchID == c.sub.MchID)
}

// decodeTransfer reads a transfer and wants what every transfer has. Notifications print the merchant as mch_id or
// as mchid.
func decodeTransfer(body []byte) (*Transfer, error) {
	var wire struct {
		Transfer
		OtherMchID string   `json:"mchid"`
		CreateTime wireTime `json:"create_time"`
		UpdateTime wireTime `json:"update_time"`
	}
	if err := decodeJSON(body, &wire); err != nil {
		return nil, err
	}
	wire.MchID = orDefault(wire.MchID, wire.OtherMchID)
	wire.Transfer.CreateTime, wire.Transfer.UpdateTime = wire.CreateTime.Time, wire.UpdateTime.Time
	if wire.OutBillNo == "" || wire.TransferBillNo == "" || wire.State == "" {
		return nil, fmt.Errorf("%w: transfer without out_bill_no, transfer_bill_no or state", ErrMalformed)
	}
	return &wire.Transfer, nil
}
