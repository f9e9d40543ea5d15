package wechatpaysim

import (
	"net/http"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/control"
)

// Confirmation is a transfer as the user's phone shows it.
type Confirmation struct {
	Merchant    string
	MchID       string // of the call that opens the page: the service provider's in partner mode
	AppID       string
	Amount      int64 // fen
	Perception  string
	Remark      string
	RedPacket   bool
	State       string
	FailReason  string
	PackageInfo string
	ExpiresAt   time.Time // last moment to confirm
	UpdatedAt   time.Time
	Now         time.Time
	Open        bool // can be confirmed; in WAIT_USER_CONFIRM also refused
}

// Confirmation returns the transfer behind a package_info, and false if there is none.
func (p *Provider) Confirmation(packageInfo string) (Confirmation, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.byPackage[packageInfo]
	if t == nil {
		return Confirmation{}, false
	}
	now := p.clock.Now()
	c := Confirmation{
		Merchant: p.settings.MerchantName, MchID: t.agent(), AppID: t.AppID, Amount: t.Amount, Perception: t.perception(), Remark: t.Remark,
		RedPacket: t.Style == "RED_PACKET", State: t.State, FailReason: t.FailReason, PackageInfo: t.PackageInfo,
		ExpiresAt: t.ExpiresAt, UpdatedAt: t.UpdatedAt, Now: now, Open: t.unconfirmable(now) == "",
	}
	if m, known := p.merchant(t.MchID); known && t.MchID != p.identity.MchID {
		c.Merchant = m.Name
	}
	return c, true
}

// unconfirmable says why the user can do nothing about the transfer, or nothing.
func (t *transfer) unconfirmable(now time.Time) string {
	switch t.State {
	case TransferAccepted, TransferProcessing:
		return "the money is not locked yet; top up the operating account and repeat the call"
	case TransferWaitConfirm:
		if !now.Before(t.ExpiresAt) {
			return "the 24 hours to confirm are over"
		}
		return ""
	case TransferTransfering:
		if t.DueAt.IsZero() { // no result yet: the page may be opened again
			return ""
		}
		return "the user has confirmed; the result is under way"
	}
	return "the transfer is over: " + t.State
}

// ConfirmTransfer lets the user take the money behind a package_info. The error is a [*Refused].
func (p *Provider) ConfirmTransfer(packageInfo string) error {
	return p.userActs(packageInfo, p.confirm)
}

// RefuseTransfer lets the user refuse it. The error is a [*Refused].
func (p *Provider) RefuseTransfer(packageInfo string) error {
	return p.userActs(packageInfo, p.refuse)
}

func (p *Provider) userActs(packageInfo string, act func(*transfer, time.Time) string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.byPackage[packageInfo]
	if t == nil {
		return &Refused{http.StatusNotFound, control.Problem{Error: "the provider knows no transfer of this package_info"}}
	}
	if reason := act(t, p.clock.Now()); reason != "" {
		return refused(reason)
	}
	return nil
}

// confirm starts the payment, whose outcome the knobs choose, or says why it cannot. The caller holds the lock.
func (p *Provider) confirm(t *transfer, now time.Time) string {
	if reason := t.unconfirmable(now); reason != "" {
		return reason
	}
	knobs := p.settings.Transfer
	t.State, t.UpdatedAt, t.Outcome = TransferTransfering, now, knobs.Outcome
	switch {
	case knobs.RealName != "" && t.UserName != "" && t.UserName != knobs.RealName:
		t.Outcome = failName
	case p.overUserLimit(t, now):
		t.Outcome = failUserLimit
	}
	t.DueAt = now.Add(knobs.Delay.Std())
	if t.Outcome == TransferTransfering {
		t.Outcome, t.DueAt = "", time.Time{}
	}
	p.keepTransfer(t)
	p.awaitTransfer(t)
	return ""
}

// refuse ends the transfer, or says why it cannot. The caller holds the lock.
func (p *Provider) refuse(t *transfer, now time.Time) string {
	if reason := t.unconfirmable(now); reason != "" {
		return reason
	}
	if t.State == TransferTransfering {
		return "the user has confirmed; it can be confirmed again, not refused"
	}
	p.endTransfer(t, TransferFail, failRefused, now)
	return ""
}
