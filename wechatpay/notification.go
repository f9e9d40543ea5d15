package wechatpay

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Event types (WeChat Pay APIv3, 支付通知, 退款结果通知, 商家转账回调通知). The list is open.
const (
	EventTransactionSuccess = "TRANSACTION.SUCCESS"
	EventRefundSuccess      = "REFUND.SUCCESS"
	EventRefundAbnormal     = "REFUND.ABNORMAL"
	EventRefundClosed       = "REFUND.CLOSED"
	EventSecurityEcho       = "SECURITY_ECHO.SUCCESS" // 安全联调
	EventTransferFinished   = "MCHTRANSFER.BILL.FINISHED"
)

// Notification is a verified and decrypted notification. Only [Client.ParseNotification] makes one that
// holds anything, and it does not change. It proves who sent it, not that it is news or that it fits your
// order: the provider repeats itself, and the content must be compared with your record.
type Notification struct {
	id           string
	eventType    string
	originalType string
	summary      string
	createTime   time.Time
	body         []byte
	plaintext    []byte
	content      any // typed; nil: of a type this package does not know
}

// ID names the event. The same event sent again normally keeps it; do not rely on it alone.
func (n *Notification) ID() string { return n.id }

// EventType is such as [EventTransactionSuccess].
func (n *Notification) EventType() string { return n.eventType }

// OriginalType is the type of the plaintext, such as "transaction" or "refund"; some products send none.
func (n *Notification) OriginalType() string { return n.originalType }

// Summary is a text for people; may be empty.
func (n *Notification) Summary() string { return n.summary }

// CreateTime is when the provider made the event; zero if it did not say.
func (n *Notification) CreateTime() time.Time { return n.createTime }

// Plaintext is the decrypted resource, JSON. It holds personal data: do not log it.
func (n *Notification) Plaintext() json.RawMessage {
	return append(json.RawMessage(nil), n.plaintext...)
}

// Body is the body as received and verified, for an audit trail.
func (n *Notification) Body() []byte { return append([]byte(nil), n.body...) }

// Order is the order of a payment notification; false for any other. A combined payment (合单) is not an
// order: see [Notification.CombineOrder].
func (n *Notification) Order() (*Order, bool) { return contentAs[Order](n) }

// CombineOrder is the combined payment (合单支付) of a payment notification, with all its sub orders; false for
// any other.
func (n *Notification) CombineOrder() (*CombineOrder, bool) {
	order, ok := contentAs[CombineOrder](n)
	if ok {
		order.SubOrders = slices.Clone(order.SubOrders)
	}
	return order, ok
}

// Refund is the refund of a refund notification; false for any other.
func (n *Notification) Refund() (*RefundNotification, bool) { return contentAs[RefundNotification](n) }

// Transfer is the transfer of a transfer's notification, in its final state; false for any other.
func (n *Notification) Transfer() (*Transfer, bool) { return contentAs[Transfer](n) }

// Format writes id and type only, whatever the verb: the content is personal.
func (n *Notification) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "wechatpay.Notification{%s %s}", n.eventType, n.id)
}

// RefundNotification is a refund as notifications tell it, with other names than [Refund].
type RefundNotification struct {
	MchID               string         `json:"mchid,omitempty"`
	SpMchID             string         `json:"sp_mchid,omitempty"`
	SubMchID            string         `json:"sub_mchid,omitempty"`
	TransactionID       string         `json:"transaction_id"`
	OutTradeNo          string         `json:"out_trade_no"`
	RefundID            string         `json:"refund_id"`
	OutRefundNo         string         `json:"out_refund_no"`
	RefundStatus        RefundStatus   `json:"refund_status"`
	SuccessTime         time.Time      `json:"success_time,omitzero"` // zero unless SUCCESS
	UserReceivedAccount string         `json:"user_received_account,omitempty"`
	Amount              RefundedAmount `json:"amount"`
}

// ParseNotification reads a notification from the provider's request: body limit, headers, clock window,
// key, signature, envelope, decryption, typed content, in this order, so that nothing is parsed before
// it is verified (WeChat Pay APIv3, 通知验签与解密). It consumes the body. Types it does not know are no error:
// the event is verified, its content is in [Notification.Plaintext].
//
// The server's read timeouts bound a slow sender. Answer with [AnswerNotification], after the
// notification is stored and within five seconds.
func (c *Client) ParseNotification(r *http.Request) (*Notification, error) {
	body, err := c.readNotification(r)
	if err != nil {
		return nil, err
	}
	if err := c.verify(r.Context(), r.Header, body); err != nil {
		return nil, fmt.Errorf("notification: %w", err)
	}
	envelope, err := decodeEnvelope(body)
	if err != nil {
		return nil, err
	}
	plaintext, err := envelope.Resource.open(c.aead)
	if err != nil {
		return nil, fmt.Errorf("notification %s: %w", firstRunes(envelope.ID, 36), err)
	}
	return newNotification(envelope, body, plaintext)
}

func (c *Client) readNotification(r *http.Request) ([]byte, error) {
	if r.ContentLength > c.notificationBodyMax {
		return nil, fmt.Errorf("notification: %w: at most %d bytes", ErrBodyTooLarge, c.notificationBodyMax)
	}
	if r.Body == nil {
		return nil, nil
	}
	body, err := readAtMost(r.Body, r.ContentLength, c.notificationBodyMax)
	switch {
	case errors.Is(err, ErrBodyTooLarge):
		return nil, fmt.Errorf("notification: %w: at most %d bytes", err, c.notificationBodyMax)
	case err != nil:
		return nil, fmt.Errorf("notification: %w: body could not be read: %v", ErrMalformed, err)
	}
	return body, nil
}

func newNotification(e *envelope, body, plaintext []byte) (*Notification, error) {
	content := contentOf(e.Resource.OriginalType, e.EventType, plaintext)
	if content == nil && !json.Valid(plaintext) { // what has a type is JSON
		return nil, fmt.Errorf("notification %s: %w: plaintext is not JSON", firstRunes(e.ID, 36), ErrMalformed)
	}
	return &Notification{
		id: e.ID, eventType: e.EventType, originalType: e.Resource.OriginalType, summary: e.Summary,
		createTime: e.CreateTime.Time, body: body, plaintext: plaintext,
		content: content,
	}, nil
}

func decodeRefundNotification(plaintext []byte) (*RefundNotification, error) {
	var wire struct {
		RefundNotification
		SuccessTime wireTime `json:"success_time"`
	}
	if err := decodeJSON(plaintext, &wire); err != nil {
		return nil, err
	}
	wire.RefundNotification.SuccessTime = wire.SuccessTime.Time
	if wire.OutRefundNo == "" || wire.RefundStatus == "" {
		return nil, fmt.Errorf("%w: refund without out_refund_no or refund_status", ErrMalformed)
	}
	return &wire.RefundNotification, nil
}

// AnswerNotification answers the provider: 204 for a nil error, else a status and the provider's failure
// body, after which it sends again (WeChat Pay APIv3, 通知应答). Errors that are not of this package are 500.
// The text of err does not leave.
func AnswerNotification(w http.ResponseWriter, err error) {
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	status, message := notificationFailure(err)
	w.Header().Set("Content-Type", contentTypeJSON)
	w.WriteHeader(status)
	// A provider that no longer listens sends again; there is nobody to tell.
	_, _ = fmt.Fprintf(w, `{"code":"FAIL","message":%q}`, message)
}

func notificationFailure(err error) (status int, message string) {
	switch {
	case errors.Is(err, ErrBodyTooLarge):
		return http.StatusRequestEntityTooLarge, "body too large"
	case errors.Is(err, ErrTimestamp):
		return http.StatusUnauthorized, "timestamp outside the window"
	case errors.Is(err, ErrUnknownSerial), errors.Is(err, ErrCertificateExpired):
		return http.StatusUnauthorized, "serial number not accepted"
	case errors.Is(err, ErrSignature):
		return http.StatusUnauthorized, "signature not valid"
	case errors.Is(err, ErrMalformed):
		return http.StatusBadRequest, "malformed notification"
	case errors.Is(err, ErrDecrypt):
		return http.StatusInternalServerError, "cannot decrypt"
	}
	return http.StatusInternalServerError, "not stored"
}
