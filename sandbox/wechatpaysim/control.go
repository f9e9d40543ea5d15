package wechatpaysim

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/control"
)

// controlCall is one call of the control API.
type controlCall struct {
	route  string // method and path
	handle http.HandlerFunc
}

func (p *Provider) controlCalls() []controlCall {
	calls := []controlCall{
		{"POST /wechatpay/pay", p.postPay},
		{"POST /wechatpay/auth_code", p.postAuthCode},
		{"GET /wechatpay/orders/{out_trade_no}", p.getOrder},
		{"GET /wechatpay/refunds/{out_refund_no}", p.getRefund},
		{"POST /wechatpay/refunds/{out_refund_no}/settle", p.postSettle},
		{"GET /wechatpay/books", p.getBooks},
		{"POST /wechatpay/funds", p.postFunds},
		{"GET /wechatpay/settings", p.getSettings},
		{"POST /wechatpay/settings", p.postSettings},
		{"POST /wechatpay/certificates/rotate", p.postRotate},
		{"GET /wechatpay/switch", p.getSwitch},
		{"POST /wechatpay/switch", p.postSwitch},
	}
	return slices.Concat(calls, p.combineControlCalls(), p.sharingControlCalls(), p.billControlCalls(), p.transferControlCalls())
}

// HandleControl adds to mux what a test does to the provider, under /wechatpay/, and returns the routes.
func (p *Provider) HandleControl(mux *http.ServeMux) (routes []string) {
	for _, call := range p.controlCalls() {
		mux.HandleFunc(call.route, call.handle)
		routes = append(routes, call.route)
	}
	return routes
}

// Order is an order with everything the provider knows about it.
type Order struct {
	transaction
	Product       string         `json:"product"`
	Description   string         `json:"description"`
	NotifyURL     string         `json:"notify_url"`
	PrepayID      string         `json:"prepay_id"`
	CodeURL       string         `json:"code_url,omitempty"`
	H5URL         string         `json:"h5_url,omitempty"`
	CodeExpiresAt time.Time      `json:"code_expires_at"`
	TimeExpire    time.Time      `json:"time_expire"`
	CreatedAt     time.Time      `json:"created_at"`
	ClosedAt      time.Time      `json:"closed_at,omitzero"`
	Refunded      int64          `json:"refunded"`
	Refunding     int64          `json:"refunding"`
	Refunds       []refundView   `json:"refunds"`
	Notifications []Notification `json:"notifications"`           // oldest first
	CombineOrder  *CombineOrder  `json:"combine_order,omitempty"` // of a sub order: the combined payment it is part of
}

// Notification is how far the provider is with telling the merchant.
type Notification struct {
	ID        string    `json:"id"`
	EventType string    `json:"event_type"`
	URL       string    `json:"url"`
	State     string    `json:"state"` // pending, delivered, exhausted, withheld
	Sends     int       `json:"sends"`
	NextAt    time.Time `json:"next_at,omitzero"` // sandbox clock
}

// view shows the order. The caller holds the lock.
func (p *Provider) view(o *order) Order {
	v := Order{
		transaction: p.transaction(o), Product: o.Product, Description: o.Description, NotifyURL: o.NotifyURL,
		PrepayID: o.Credential.PrepayID, CodeURL: o.Credential.CodeURL, H5URL: o.Credential.H5URL, CodeExpiresAt: o.Credential.ExpiresAt,
		TimeExpire: o.ExpiresAt, CreatedAt: o.CreatedAt, ClosedAt: o.ClosedAt, Refunded: o.Refunded, Refunding: o.Refunding,
		Refunds: []refundView{}, Notifications: p.viewNotifications(p.byOrder[o.key()]),
	}
	if o.partOfCombine() {
		v.CombineOrder = p.viewCombine(p.combineOrders[o.Combine])
	}
	for _, outRefundNo := range o.Refunds {
		v.Refunds = append(v.Refunds, p.refundView(p.refunds[o.refundKey(outRefundNo)]))
	}
	return v
}

func (p *Provider) viewNotifications(ids []string) []Notification {
	views := []Notification{}
	for _, id := range ids {
		n := p.notifications[id]
		views = append(views, Notification{n.ID, n.EventType, n.URL, n.State, n.Sends, n.NextAt})
	}
	return views
}

func (p *Provider) postPay(w http.ResponseWriter, r *http.Request) {
	var request PayRequest
	if !control.Read(w, r, &request) {
		return
	}
	order, err := p.Pay(request)
	if no, ok := errors.AsType[*Refused](err); ok {
		control.Refuse(w, no.Status, no.Problem)
		return
	}
	if order.CombineOrder != nil {
		control.Write(w, http.StatusOK, order.CombineOrder)
		return
	}
	control.Write(w, http.StatusOK, order)
}

func (p *Provider) getOrder(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	o := p.findAnywhere(r.PathValue("out_trade_no"))
	if o == nil {
		p.mu.Unlock()
		control.Refuse(w, http.StatusNotFound, control.Problem{Error: "the provider has no order of this out_trade_no"})
		return
	}
	order := p.view(o)
	p.mu.Unlock()
	control.Write(w, http.StatusOK, order)
}

// Resent is the answer of a resend by hand.
type Resent struct {
	NotificationID string `json:"notification_id"`
	Received       bool   `json:"received"`
	Status         int    `json:"status"` // 0: no answer
	Answer         string `json:"answer,omitempty"`
	Error          string `json:"error,omitempty"`
}

// Resend sends a notification once more, now and without faults, whatever its state; false if there is none of this id.
func (p *Provider) Resend(id string) (Resent, bool) {
	p.mu.Lock()
	n := p.notifications[id]
	if n == nil {
		p.mu.Unlock()
		return Resent{}, false
	}
	shown := *n
	shown.Sends = 0 // the journal's mark of a resend
	p.mu.Unlock()
	entry := p.deliver(shown, p.clock.Now(), "")
	if entry.Error == "" {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.notifications[id] == n { // else the sandbox was reset meanwhile
			n.State, n.NextAt = delivered, time.Time{}
			p.put(recordNotification, id, n)
		}
	}
	return Resent{id, entry.Error == "", entry.Status, entry.Answer, entry.Error}, true
}
