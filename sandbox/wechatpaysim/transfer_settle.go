package wechatpaysim

import "time"

// awaitTransfer makes the state change when its time comes, or now if it has. The caller holds the lock.
func (p *Provider) awaitTransfer(t *transfer) {
	if t.DueAt.IsZero() {
		return
	}
	if !t.DueAt.After(p.clock.Now()) {
		p.proceed(t, t.DueAt)
		return
	}
	n, state := t.key(), t.State
	p.clock.At(t.DueAt, func(due time.Time) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if t := p.transfers[n]; t != nil && t.State == state && t.DueAt.Equal(due) {
			p.proceed(t, due)
		}
	})
}

// proceed takes a transfer whose time has come to its end. The caller holds the lock.
func (p *Provider) proceed(t *transfer, at time.Time) {
	switch t.State {
	case TransferWaitConfirm:
		p.endTransfer(t, TransferFail, failOverdue, at)
	case TransferCanceling:
		p.endTransfer(t, TransferCancelled, "", at)
	case TransferTransfering:
		if t.Outcome == OutcomeSuccess {
			p.endTransfer(t, TransferSuccess, "", at)
			return
		}
		p.endTransfer(t, TransferFail, t.Outcome, at)
	}
}

// endTransfer moves the money to where it belongs and tells the merchant. The caller holds the lock.
func (p *Provider) endTransfer(t *transfer, state, failReason string, at time.Time) {
	locked := account{t.MchID, potTransferring}
	switch {
	case state == TransferSuccess:
		p.postTransfer(t, postTransferSettled, at, locked, world(potTransferred))
	case t.holdsMoney():
		p.postTransfer(t, postTransferReturned, at, locked, account{t.MchID, potOperation})
	}
	t.State, t.FailReason, t.UpdatedAt, t.DueAt = state, failReason, at, time.Time{}
	p.notifyTransfer(t)
	p.keepTransfer(t)
}

// transferNotice is a transfer as its notification shows it (WeChat Pay APIv3, 商家转账回调通知). Documents print the merchant as
// mch_id and as mchid.
type transferNotice struct {
	OutBillNo      string `json:"out_bill_no"`
	TransferBillNo string `json:"transfer_bill_no"`
	State          string `json:"state"`
	MchID          string `json:"mch_id,omitempty"`
	OtherMchID     string `json:"mchid,omitempty"`
	TransferAmount int64  `json:"transfer_amount"`
	OpenID         string `json:"openid"`
	FailReason     string `json:"fail_reason,omitempty"`
	CreateTime     string `json:"create_time"`
	UpdateTime     string `json:"update_time"`
}

func (p *Provider) notifyTransfer(t *transfer) {
	if t.NotifyURL == "" {
		return
	}
	notice := transferNotice{
		OutBillNo: t.OutBillNo, TransferBillNo: t.TransferBillNo, State: t.State, MchID: t.MchID, TransferAmount: t.Amount,
		OpenID: t.OpenID, FailReason: t.FailReason, CreateTime: chinaTime(t.CreatedAt), UpdateTime: chinaTime(t.UpdatedAt),
	}
	if p.settings.Transfer.NoticeMerchant == "mchid" {
		notice.MchID, notice.OtherMchID = "", t.MchID
	}
	n := &notification{
		Operation: notifyTransfer, EventType: "MCHTRANSFER.BILL.FINISHED", OriginalType: "mch_payment", Summary: "商家转账单据终态通知",
		MchID: t.agent(), URL: t.NotifyURL, Resource: encode(notice), OutBillNo: t.OutBillNo, PublicKey: t.PublicKey,
		Schedule: p.settings.Transfer.NotifySchedule,
	}
	p.notify(n)
	t.NotificationID = n.ID
}

// transferRepeats is the other schedule that is told of transfers' notifications: 10 times every 15 s, 10 times every 5 min, 44
// times every 30 min.
func transferRepeats() []time.Duration {
	var offsets []time.Duration
	var at time.Duration
	for _, run := range []struct {
		gap   time.Duration
		times int
	}{{15 * time.Second, 10}, {5 * time.Minute, 10}, {30 * time.Minute, 44}} {
		for range run.times {
			at += run.gap
			offsets = append(offsets, at)
		}
	}
	return offsets
}
