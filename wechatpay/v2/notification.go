package wechatpayv2

import (
	"bytes"
	"crypto/aes"
	"crypto/md5" //nolint:gosec // the provider's derivation of the key
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

// Notification is a notification that the merchant's key verified or opened. Only [Client.ParseNotification] makes one that holds
// anything, and it does not change. The provider repeats itself, and nothing in a notification says when it was sent.
type Notification struct {
	order  *Order
	refund *RefundNotification
	failed *Error
	body   []byte
}

// Order is the order of a payment that was made; false for anything else. It is signed. Compare OutTradeNo, TotalFee and FeeType
// with your own record, under a lock, before goods leave.
func (n *Notification) Order() (*Order, bool) {
	if n.order == nil {
		return nil, false
	}
	order := *n.order
	return &order, true
}

// Refund is the refund of a refund notification; false for anything else. It is encrypted, in a way that does not show tampering,
// and not signed: take it as the reason to call [Client.QueryRefund] now, and act on that answer.
func (n *Notification) Refund() (*RefundNotification, bool) {
	if n.refund == nil {
		return nil, false
	}
	refund := *n.refund
	return &refund, true
}

// Failure is the provider's word on a payment that was not made (result_code FAIL); false for anything else.
func (n *Notification) Failure() (*Error, bool) { return n.failed, n.failed != nil }

// Body is the body as received, for an audit trail.
func (n *Notification) Body() []byte { return bytes.Clone(n.body) }

// Format writes the merchant's numbers only, whatever the verb: the content is personal.
func (n *Notification) Format(f fmt.State, _ rune) {
	switch {
	case n.order != nil:
		fmt.Fprintf(f, "wechatpayv2.Notification{order %s}", n.order.OutTradeNo)
	case n.refund != nil:
		fmt.Fprintf(f, "wechatpayv2.Notification{refund %s}", n.refund.OutRefundNo)
	default:
		fmt.Fprint(f, "wechatpayv2.Notification{}")
	}
}

// RefundNotification is a refund as notifications tell it (WeChat Pay APIv2, 退款结果通知); amounts in fen.
type RefundNotification struct {
	TransactionID       string
	OutTradeNo          string
	RefundID            string
	OutRefundNo         string
	RefundStatus        RefundStatus
	TotalFee            int64
	SettlementTotalFee  int64
	RefundFee           int64
	SettlementRefundFee int64
	CashRefundFee       int64
	RefundRecvAccount   string
	RefundAccount       string
	RefundRequestSource string    // API or VENDOR_PLATFORM
	SuccessTime         time.Time // zero until the money arrived
	// Fields is every field that was encrypted.
	Fields Fields
}

// ParseNotification reads a payment or refund notification from the provider's request (WeChat Pay APIv2, 支付结果通知, 退款结果通知): body
// limit, form, then the signature, or for refunds, which have none, the decryption. It consumes the body.
//
// The text that is signed does not show where a value ends: whoever may choose the Attach of an order could cut its genuine
// notification into other fields, with another order and price, under the same signature. So a notification with a value that
// holds another of its fields, such as "&total_fee=1", is refused, the genuine one too: keep what others write out of Attach, or
// encode it. [Client.QueryOrder] tells about such an order.
//
// The server's read timeouts bound a slow sender. Answer with [AnswerNotification], after the notification is stored and within
// five seconds.
func (c *Client) ParseNotification(r *http.Request) (*Notification, error) {
	body, err := c.readNotification(r)
	if err != nil {
		return nil, err
	}
	n, err := c.parseNotification(body)
	if err != nil {
		return nil, fmt.Errorf("notification: %w", err)
	}
	return n, nil
}

func (c *Client) parseNotification(body []byte) (*Notification, error) {
	fields, err := decode(body, "xml")
	if err != nil {
		return nil, err
	}
	if fields["return_code"] != codeSuccess {
		return nil, fmt.Errorf("%w: no return_code SUCCESS", wechatpay.ErrMalformed)
	}
	n := &Notification{body: body}
	if sealed := fields["req_info"]; sealed != "" {
		if fields["mch_id"] != c.mchID {
			return nil, fmt.Errorf("%w: for another merchant", wechatpay.ErrMalformed)
		}
		n.refund, err = c.key.openRefund(sealed)
		return n, err
	}
	if err := c.key.verify(fields); err != nil {
		return nil, err
	}
	if fields.readsTwoWays() {
		return nil, fmt.Errorf("%w: a value holds another field of the message, so that the signature fits other fields too", wechatpay.ErrSignature)
	}
	if fields["mch_id"] != c.mchID {
		return nil, fmt.Errorf("%w: for another merchant", wechatpay.ErrMalformed)
	}
	if fields["result_code"] != codeSuccess {
		n.failed = &Error{
			ReturnCode: codeSuccess, Code: normalCode(fields["err_code"]), Description: fields["err_code_des"], Status: http.StatusOK,
		}
		return n, nil
	}
	n.order, err = decodePaid(fields)
	return n, err
}

func (c *Client) readNotification(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, c.notificationBodyMax+1))
	if err != nil {
		return nil, fmt.Errorf("notification: %w: body could not be read: %v", wechatpay.ErrMalformed, err)
	}
	if int64(len(body)) > c.notificationBodyMax {
		return nil, fmt.Errorf("notification: %w: at most %d bytes", wechatpay.ErrBodyTooLarge, c.notificationBodyMax)
	}
	return body, nil
}

// openRefund decrypts req_info (退款结果通知, 解密步骤): AES-256-ECB with PKCS#7, under the lower-case hex MD5 of the APIv2 key.
func (k key) openRefund(sealed string) (*RefundNotification, error) {
	text, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		return nil, fmt.Errorf("%w: req_info is not base64", wechatpay.ErrMalformed)
	}
	plain, err := k.decryptECB(text)
	if err != nil {
		return nil, err
	}
	fields, err := decode(plain, "root")
	if err != nil {
		return nil, fmt.Errorf("%w: req_info holds no refund; is it the right APIv2 key?", wechatpay.ErrDecrypt)
	}
	s := scan{fields: fields}
	refund := &RefundNotification{
		TransactionID: fields["transaction_id"], OutTradeNo: fields["out_trade_no"], RefundID: fields["refund_id"], OutRefundNo: fields["out_refund_no"],
		RefundStatus: RefundStatus(fields["refund_status"]),
		TotalFee:     s.number("total_fee"), SettlementTotalFee: s.number("settlement_total_fee"), RefundFee: s.number("refund_fee"),
		SettlementRefundFee: s.number("settlement_refund_fee"), CashRefundFee: s.number("cash_refund_fee"),
		RefundRecvAccount: fields["refund_recv_accout"], // the provider's spelling
		RefundAccount:     fields["refund_account"], RefundRequestSource: fields["refund_request_source"],
		SuccessTime: beijingTime(time.DateTime, fields["success_time"]), Fields: fields,
	}
	if s.err == nil && (refund.OutRefundNo == "" || refund.RefundStatus == "") {
		s.err = fmt.Errorf("%w: refund without out_refund_no or refund_status", wechatpay.ErrMalformed)
	}
	return refund, s.err
}

func (k key) decryptECB(text []byte) ([]byte, error) {
	sum := md5.Sum([]byte(k)) //nolint:gosec // the provider's derivation of the key
	block, err := aes.NewCipher([]byte(hex.EncodeToString(sum[:])))
	if err != nil {
		return nil, fmt.Errorf("APIv2 key: %w", err)
	}
	if len(text) == 0 || len(text)%aes.BlockSize != 0 {
		return nil, fmt.Errorf("%w: req_info is not made of whole blocks", wechatpay.ErrDecrypt)
	}
	plain := make([]byte, len(text))
	for at := 0; at < len(text); at += aes.BlockSize {
		block.Decrypt(plain[at:], text[at:at+aes.BlockSize])
	}
	padding := int(plain[len(plain)-1])
	if padding == 0 || padding > aes.BlockSize || !bytes.Equal(plain[len(plain)-padding:], bytes.Repeat([]byte{byte(padding)}, padding)) {
		return nil, fmt.Errorf("%w: req_info has no padding; is it the right APIv2 key?", wechatpay.ErrDecrypt)
	}
	return plain[:len(plain)-padding], nil
}

// AnswerNotification answers the provider in its XML: SUCCESS for a nil error, else FAIL, after which it sends again (WeChat Pay
// APIv2, 通知参数). The status is 200 in both cases, because here the body decides. The text of err does not leave.
func AnswerNotification(w http.ResponseWriter, err error) {
	code, message := codeSuccess, "OK"
	if err != nil {
		code, message = codeFail, notificationFailure(err)
	}
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	w.WriteHeader(http.StatusOK)
	// A provider that no longer listens sends again; there is nobody to tell.
	_, _ = fmt.Fprintf(w, "<xml><return_code><![CDATA[%s]]></return_code><return_msg><![CDATA[%s]]></return_msg></xml>", code, message)
}

func notificationFailure(err error) string {
	switch {
	case errors.Is(err, wechatpay.ErrBodyTooLarge):
		return "body too large"
	case errors.Is(err, wechatpay.ErrSignature):
		return "signature not valid"
	case errors.Is(err, wechatpay.ErrMalformed):
		return "malformed notification"
	case errors.Is(err, wechatpay.ErrDecrypt):
		return "cannot decrypt"
	}
	return "not stored"
}
