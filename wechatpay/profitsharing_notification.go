package wechatpay

import (
	"fmt"
	"time"
)

// Event types of sharing notifications. The provider's pages disagree, so the type of the content decides what a
// notification is, and either may come as [EventTransactionSuccess] too. Then the numbers tell a return from a sharing.
const (
	EventProfitSharing              = "PROFITSHARING"
	EventProfitSharingReturn        = "PROFITSHARING_RETURN"
	EventProfitSharingSuccess       = "PROFITSHARING.SUCCESS"
	EventProfitSharingReturnSuccess = "PROFITSHARING.RETURN"
)

// ProfitSharingNotification tells a merchant that shared or returned money arrived (WeChat Pay APIv3, 分账动账通知).
// Only receivers of type MERCHANT_ID are told, at the address of their own console, encrypted with their own APIv3
// key: the merchant that shares must query.
type ProfitSharingNotification struct {
	// MchID is the merchant whose order was shared; SpMchID and SubMchID in its place in partner mode.
	MchID         string `json:"mchid,omitempty"`
	SpMchID       string `json:"sp_mchid,omitempty"`
	SubMchID      string `json:"sub_mchid,omitempty"`
	TransactionID string `json:"transaction_id"`
	OrderID       string `json:"order_id"`     // the provider's number of the sharing or the return
	OutOrderNo    string `json:"out_order_no"` // the merchant's number of the sharing or the return
	// Receiver is who has the money now: of a return, the merchant that had shared it.
	Receiver    ProfitSharingNotificationReceiver `json:"receiver"`
	SuccessTime time.Time                         `json:"success_time,omitzero"`
}

// ProfitSharingNotificationReceiver is who got how much.
type ProfitSharingNotificationReceiver struct {
	Type        string `json:"type"`
	Account     string `json:"account"`
	Amount      int64  `json:"amount"` // fen
	Description string `json:"description,omitempty"`
}

// ProfitSharing is the content of a sharing notification; false for any other.
func (n *Notification) ProfitSharing() (*ProfitSharingNotification, bool) {
	return contentAs[ProfitSharingNotification](n)
}

func decodeProfitSharingNotification(plaintext []byte) (*ProfitSharingNotification, error) {
	var wire struct {
		ProfitSharingNotification
		SuccessTime wireTime `json:"success_time"`
	}
	if err := decodeJSON(plaintext, &wire); err != nil {
		return nil, err
	}
	sharing := &wire.ProfitSharingNotification
	sharing.SuccessTime = wire.SuccessTime.Time
	if sharing.OrderID == "" || sharing.OutOrderNo == "" || sharing.Receiver.Account == "" {
		return nil, fmt.Errorf("%w: sharing without order_id, out_order_no or receiver", ErrMalformed)
	}
	return sharing, nil
}
