package wechatpay

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// Where the money of an abnormal refund goes.
const (
	AbnormalRefundUserBankCard     = "USER_BANK_CARD"
	AbnormalRefundMerchantBankCard = "MERCHANT_BANK_CARD"
)

// AbnormalRefundRequest sends the money of an ABNORMAL refund elsewhere (WeChat Pay APIv3, 发起异常退款).
type AbnormalRefundRequest struct {
	RefundID    string // the provider's number
	OutRefundNo string // the merchant's number of the same refund
	Type        string // AbnormalRefundUserBankCard or AbnormalRefundMerchantBankCard
	// For the payer's card only, and required there. BankType is such as ICBC_DEBIT. The other two are in
	// the clear here, at most 214 bytes each, and travel encrypted.
	BankType    string
	BankAccount Sensitive
	RealName    Sensitive
}

type abnormalRefundBody struct {
	SubMchID    string `json:"sub_mchid,omitempty"`
	OutRefundNo string `json:"out_refund_no"`
	Type        string `json:"type"`
	BankType    string `json:"bank_type,omitempty"`
	BankAccount string `json:"bank_account,omitempty"`
	RealName    string `json:"real_name,omitempty"`
}

// ApplyAbnormalRefund asks for it; the refund returned is normally PROCESSING again. Repeat with the
// same numbers.
func (c *Client) ApplyAbnormalRefund(ctx context.Context, request AbnormalRefundRequest) (*Refund, error) {
	const name = "apply abnormal refund"
	if err := request.validate(); err != nil {
		return nil, failed(name, OutcomeRefused, err)
	}
	content := abnormalRefundBody{
		SubMchID: c.sub.MchID, OutRefundNo: request.OutRefundNo, Type: request.Type, BankType: request.BankType,
	}
	k := call{
		name: name, method: http.MethodPost, write: true, timeout: c.writeTimeout,
		target: refundsTarget + "/" + url.PathEscape(request.RefundID) + "/apply-abnormal-refund",
	}
	if request.Type == AbnormalRefundUserBankCard {
		key, err := c.encryptionKey(ctx)
		if err != nil {
			return nil, failed(name, OutcomeRetry, err)
		}
		k.keySerial = key.serial
		if content.BankAccount, err = key.encrypt(request.BankAccount); err != nil {
			return nil, failed(name, OutcomeRefused, err)
		}
		if content.RealName, err = key.encrypt(request.RealName); err != nil {
			return nil, failed(name, OutcomeRefused, err)
		}
	}
	body, err := json.Marshal(content)
	if err != nil {
		return nil, failed(name, OutcomeRefused, fmt.Errorf("encode: %w", err))
	}
	k.body = body
	return c.refund(ctx, request.OutRefundNo, k)
}

func (r *AbnormalRefundRequest) validate() error {
	var v validation
	v.number("refund_id", r.RefundID, 1, 32, "_-")
	v.number("out_refund_no", r.OutRefundNo, 1, 64, outRefundNoFurther)
	switch r.Type {
	case AbnormalRefundUserBankCard:
		v.text("bank_type", r.BankType, 1, 16)
		v.sensitive("bank_account", r.BankAccount)
		v.sensitive("real_name", r.RealName)
	case AbnormalRefundMerchantBankCard:
		if r.BankType != "" || r.BankAccount != "" || r.RealName != "" {
			v.add("bank_account", "with bank_type and real_name is for USER_BANK_CARD only")
		}
	default:
		v.add("type", "must be USER_BANK_CARD or MERCHANT_BANK_CARD")
	}
	return v.err()
}

func (v *validation) sensitive(field string, value Sensitive) {
	v.text(field, string(value), 1, sensitiveBytesMax)
	if len(value) > sensitiveBytesMax {
		v.add(field, fmt.Sprintf("must have at most %d bytes to be encrypted", sensitiveBytesMax))
	}
}
