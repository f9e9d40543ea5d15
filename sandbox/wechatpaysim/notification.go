package wechatpaysim

import (
	"encoding/json"
	"time"
)

// The notifications as operations, in faults and in the journal.
const (
	notifyPayment  = "notify/payment"
	notifyCombine  = "notify/combine"
	notifyRefund   = "notify/refund"
	notifyTransfer = "notify/transfer"
	notifyEcho     = "notify/echo"
)

// States of a notification.
const (
	pending   = "pending"
	delivered = "delivered"
	exhausted = "exhausted" // all repeats failed; only a query tells the merchant now
	withheld  = "withheld"  // by a fault; only a resend sends it
)

// repeats is when a failed notification is sent again, counted from its first send
// (WeChat Pay APIv3, 回调通知: 15s/15s/30s/3m/10m/20m/30m/30m/30m/60m/3h/3h/3h/6h/6h).
func repeats() []time.Duration {
	gaps := []time.Duration{
		15 * time.Second, 15 * time.Second, 30 * time.Second, 3 * time.Minute, 10 * time.Minute, 20 * time.Minute, 30 * time.Minute,
		30 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 3 * time.Hour, 3 * time.Hour, 6 * time.Hour, 6 * time.Hour,
	}
	for i := 1; i < len(gaps); i++ {
		gaps[i] += gaps[i-1]
	}
	return gaps
}

// notification is one event on its way to the merchant. Its id and content stay; each send encrypts and signs anew.
type notification struct {
	ID           string
	Operation    string
	EventType    string
	OriginalType string
	Summary      string
	MchID        string // who is told, under whose APIv3 key
	URL          string
	Resource     json.RawMessage // plaintext
	Order        merchantNo      // zero: about none
	Combine      merchantNo      // the combined payment; zero: about none
	OutTradeNo   string
	OutRefundNo  string
	OutBillNo    string
	PublicKey    bool   // the merchant's request named the public key
	V2SignType   string // of a notification in APIv2; empty: APIv3
	Schedule     string // of the repeats: [ScheduleTransfer]; else payments'

	CreatedAt time.Time
	State     string
	Sends     int       // of the schedule; resends by hand are not counted
	FirstAt   time.Time // when the first send was due
	NextAt    time.Time // zero: none
}

// outbox holds the notifications.
type outbox struct {
	notifications map[string]*notification
	byOrder       map[merchantNo][]string // order to ids, oldest first
	byCombine     map[merchantNo][]string // the same for combined payments
	held          map[string]func()       // reordered ones by id, and how to send them
	repeats       []time.Duration
}

func newOutbox() outbox {
	return outbox{notifications: map[string]*notification{}, byOrder: map[merchantNo][]string{}, byCombine: map[merchantNo][]string{}, held: map[string]func(){}, repeats: repeats()}
}

// repeatsOf is when the notification is sent again.
func (o *outbox) repeatsOf(n *notification) []time.Duration {
	if n.Schedule == ScheduleTransfer {
		return transferRepeats()
	}
	return o.repeats
}

// notify stores the event and sends it as soon as the lock is free. The caller holds the lock.
func (p *Provider) notify(n *notification) {
	now := p.clock.Now()
	n.ID, n.CreatedAt, n.State, n.FirstAt, n.NextAt = p.chance.UUID(), now, pending, now, now
	p.remember(n)
	p.put(recordNotification, n.ID, n)
	p.schedule(n)
}

func (p *Provider) remember(n *notification) {
	p.notifications[n.ID] = n
	p.byOrder[n.Order] = append(p.byOrder[n.Order], n.ID)
	if n.Combine != (merchantNo{}) {
		p.byCombine[n.Combine] = append(p.byCombine[n.Combine], n.ID)
	}
}

func (p *Provider) schedule(n *notification) {
	if n.State != pending {
		return
	}
	id := n.ID
	p.clock.At(n.NextAt, func(due time.Time) { p.sendDue(id, due) })
}

func (p *Provider) notifyPayment(o *order) {
	if o.NotifyURL == "" { // 付款码支付: the answer and the query tell
		return
	}
	if o.V2SignType != "" {
		p.notifyPaymentV2(o)
		return
	}
	p.notify(&notification{
		Operation: notifyPayment, EventType: "TRANSACTION.SUCCESS", OriginalType: "transaction", Summary: "支付成功",
		MchID: o.agent(), URL: o.NotifyURL, Resource: encode(p.transaction(o)), Order: o.key(), OutTradeNo: o.OutTradeNo, PublicKey: o.PublicKey,
	})
}

// refundNotice is a refund as its notification shows it, which is not how a query does (WeChat Pay APIv3, 退款结果通知).
type refundNotice struct {
	MchID               string             `json:"mchid,omitempty"`
	SpMchID             string             `json:"sp_mchid,omitempty"`
	SubMchID            string             `json:"sub_mchid,omitempty"`
	OutTradeNo          string             `json:"out_trade_no"`
	TransactionID       string             `json:"transaction_id"`
	OutRefundNo         string             `json:"out_refund_no"`
	RefundID            string             `json:"refund_id"`
	RefundStatus        string             `json:"refund_status"`
	SuccessTime         string             `json:"success_time,omitempty"`
	UserReceivedAccount string             `json:"user_received_account"`
	Amount              refundNoticeAmount `json:"amount"`
}

type refundNoticeAmount struct {
	Total       int64 `json:"total"`
	Refund      int64 `json:"refund"`
	PayerTotal  int64 `json:"payer_total"`
	PayerRefund int64 `json:"payer_refund"`
}

func (p *Provider) notifyRefund(o *order, r *refund) {
	if r.NotifyURL == "" {
		return
	}
	if r.V2SignType != "" {
		p.notifyRefundV2(o, r)
		return
	}
	view := p.refundView(r)
	notice := refundNotice{
		MchID: o.parties().MchID, SpMchID: o.parties().SpMchID, SubMchID: o.parties().SubMchID,
		OutTradeNo: o.OutTradeNo, TransactionID: o.TransactionID, OutRefundNo: r.OutRefundNo, RefundID: r.RefundID,
		RefundStatus: r.Status, SuccessTime: view.SuccessTime, UserReceivedAccount: r.Received,
		Amount: refundNoticeAmount{view.Amount.Total, view.Amount.Refund, view.Amount.PayerTotal, view.Amount.PayerRefund},
	}
	summary := map[string]string{RefundSuccess: "退款成功", RefundAbnormal: "退款异常", RefundClosed: "退款关闭"}[r.Status]
	p.notify(&notification{
		Operation: notifyRefund, EventType: "REFUND." + r.Status, OriginalType: "refund", Summary: summary,
		MchID: o.agent(), URL: r.NotifyURL, Resource: encode(notice), Order: o.key(), OutTradeNo: o.OutTradeNo, OutRefundNo: r.OutRefundNo, PublicKey: r.PublicKey,
	})
}
