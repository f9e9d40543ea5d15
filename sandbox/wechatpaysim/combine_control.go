package wechatpaysim

import (
	"net/http"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/control"
)

// CombineOrder is a combined payment with everything the provider knows about it.
type CombineOrder struct {
	combineTransaction
	Product       string         `json:"product"`
	NotifyURL     string         `json:"notify_url"`
	PrepayID      string         `json:"prepay_id"`
	CodeURL       string         `json:"code_url,omitempty"`
	H5URL         string         `json:"h5_url,omitempty"`
	CodeExpiresAt time.Time      `json:"code_expires_at"`
	TimeExpire    time.Time      `json:"time_expire"`
	CreatedAt     time.Time      `json:"created_at"`
	ClosedAt      time.Time      `json:"closed_at,omitzero"`
	Notifications []Notification `json:"notifications"` // oldest first
}

// viewCombine shows the combined payment. The caller holds the lock.
func (p *Provider) viewCombine(k *combineOrder) *CombineOrder {
	first := p.subOrders(k)[0]
	return &CombineOrder{
		combineTransaction: p.combineTransaction(k), Product: first.Product, NotifyURL: first.NotifyURL,
		PrepayID: first.Credential.PrepayID, CodeURL: first.Credential.CodeURL, H5URL: first.Credential.H5URL, CodeExpiresAt: first.Credential.ExpiresAt,
		TimeExpire: first.ExpiresAt, CreatedAt: first.CreatedAt, ClosedAt: first.ClosedAt, Notifications: p.viewNotifications(p.byCombine[k.key()]),
	}
}

func (p *Provider) combineControlCalls() []controlCall {
	return []controlCall{{"GET /wechatpay/combine-orders/{combine_out_trade_no}", p.getCombineOrder}}
}

func (p *Provider) getCombineOrder(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	k := p.findCombineAnywhere(r.PathValue("combine_out_trade_no"))
	if k == nil {
		p.mu.Unlock()
		control.Refuse(w, http.StatusNotFound, control.Problem{Error: "the provider has no combined payment of this combine_out_trade_no"})
		return
	}
	view := p.viewCombine(k)
	p.mu.Unlock()
	control.Write(w, http.StatusOK, view)
}
