package wechatpaysim

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/control"
)

func (p *Provider) transferControlCalls() []controlCall {
	return []controlCall{
		{"GET /wechatpay/transfers/{out_bill_no}", p.getTransfer},
		{"POST /wechatpay/transfers/{out_bill_no}/confirm", p.postUserActs(p.confirm)},
		{"POST /wechatpay/transfers/{out_bill_no}/refuse", p.postUserActs(p.refuse)},
		{"POST /wechatpay/transfers/{out_bill_no}/settle", p.postSettleTransfer},
	}
}

// Transfer is a transfer with everything the provider knows about it.
type Transfer struct {
	transferView
	SpMchID       string         `json:"sp_mchid,omitempty"`
	SceneID       string         `json:"transfer_scene_id"`
	Perception    string         `json:"user_recv_perception"`
	PackageInfo   string         `json:"package_info,omitempty"`
	ConfirmUntil  time.Time      `json:"confirm_until,omitzero"`
	NotifyURL     string         `json:"notify_url,omitempty"`
	Notifications []Notification `json:"notifications"`
}

// showTransfer shows the transfer, its user's name in the clear. The caller holds the lock.
func (p *Provider) showTransfer(t *transfer) Transfer {
	v := Transfer{
		transferView: t.view(), SpMchID: t.SpMchID, SceneID: t.SceneID, Perception: t.perception(), PackageInfo: t.PackageInfo,
		ConfirmUntil: t.ExpiresAt, NotifyURL: t.NotifyURL, Notifications: []Notification{},
	}
	v.UserName = t.UserName
	if n := p.notifications[t.NotificationID]; n != nil {
		v.Notifications = append(v.Notifications, Notification{n.ID, n.EventType, n.URL, n.State, n.Sends, n.NextAt})
	}
	return v
}

func (p *Provider) getTransfer(w http.ResponseWriter, r *http.Request) {
	p.changeTransfer(w, r, func(*transfer) string { return "" })
}

// postUserActs lets the user act without a browser.
func (p *Provider) postUserActs(act func(*transfer, time.Time) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var as struct {
			OpenID string `json:"openid"` // who acts; empty: whom the transfer names
		}
		if !control.Read(w, r, &as) {
			return
		}
		p.changeTransfer(w, r, func(t *transfer) string {
			if as.OpenID != "" && as.OpenID != t.OpenID {
				return "the transfer is for another openid; act as " + t.OpenID
			}
			return act(t, p.clock.Now())
		})
	}
}

// postSettleTransfer lets a test decide how a transfer ends: only what the user confirmed can succeed, everything that is not over
// can fail.
func (p *Provider) postSettleTransfer(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Outcome string `json:"outcome"`
	}
	if !control.Read(w, r, &body) {
		return
	}
	allowed := append([]string{OutcomeSuccess}, failReasons()...)
	if !slices.Contains(allowed, body.Outcome) {
		control.Refuse(w, http.StatusBadRequest, control.Problem{Error: "say how the transfer ends: SUCCESS, or the fail_reason", Field: "outcome", Allowed: allowed})
		return
	}
	p.changeTransfer(w, r, func(t *transfer) string {
		now := p.clock.Now()
		switch {
		case t.final():
			return "the transfer is over: " + t.State
		case body.Outcome != OutcomeSuccess:
			p.endTransfer(t, TransferFail, body.Outcome, now)
		case t.State != TransferTransfering:
			return fmt.Sprintf("the transfer is %s; only TRANSFERING can succeed, confirm it first", t.State)
		default:
			p.endTransfer(t, TransferSuccess, "", now)
		}
		return ""
	})
}

// changeTransfer answers with the transfer as change leaves it, or with the reason why it cannot be changed.
func (p *Provider) changeTransfer(w http.ResponseWriter, r *http.Request, change func(*transfer) string) {
	p.mu.Lock()
	t := p.findTransferAnywhere(r.PathValue("out_bill_no"))
	if t == nil {
		p.mu.Unlock()
		control.Refuse(w, http.StatusNotFound, control.Problem{Error: "the provider has no transfer of this out_bill_no"})
		return
	}
	reason := change(t)
	shown := p.showTransfer(t)
	p.mu.Unlock()
	if reason != "" {
		control.Refuse(w, http.StatusConflict, control.Problem{Error: reason})
		return
	}
	control.Write(w, http.StatusOK, shown)
}
