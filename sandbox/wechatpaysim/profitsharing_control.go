package wechatpaysim

import (
	"maps"
	"net/http"
	"slices"

	"github.com/tongbao-pay/tongbao/sandbox/control"
)

func (p *Provider) sharingControlCalls() []controlCall {
	return []controlCall{
		{"GET /wechatpay/profitsharing/orders/{out_order_no}", p.getSharing},
		{"POST /wechatpay/profitsharing/orders/{out_order_no}/settle", p.postSettleSharing},
		{"GET /wechatpay/profitsharing/returns/{out_return_no}", p.getSharingReturn},
		{"POST /wechatpay/profitsharing/returns/{out_return_no}/settle", p.postSettleReturn},
	}
}

// anywhere finds a row by its number alone, as the control API does; of several the first merchant's own wins. The caller holds
// the lock.
func anywhere[T any](p *Provider, table map[merchantNo]*T, no string) *T {
	for _, owner := range p.owners() {
		if row := table[owner.numbered(no)]; row != nil {
			return row
		}
	}
	return nil
}

func (p *Provider) getSharing(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	s := anywhere(p, p.sharings, r.PathValue("out_order_no"))
	if s == nil {
		p.mu.Unlock()
		control.Refuse(w, http.StatusNotFound, control.Problem{Error: "the provider has no sharing of this out_order_no"})
		return
	}
	view := s.view()
	p.mu.Unlock()
	control.Write(w, http.StatusOK, view)
}

// postSettleSharing lets a test decide how a sharing that is being processed ends, for each receiver by its account. Those it
// does not name succeed.
func (p *Provider) postSettleSharing(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Results map[string]string `json:"results"` // account to SUCCESS or a fail_reason
	}
	if !control.Read(w, r, &body) {
		return
	}
	allowed := append([]string{OutcomeSuccess}, partFailures()...)
	for _, account := range slices.Sorted(maps.Keys(body.Results)) {
		if !slices.Contains(allowed, body.Results[account]) {
			control.Refuse(w, http.StatusBadRequest, control.Problem{Error: "say how the receiver's part ends", Field: "results." + account, Allowed: allowed})
			return
		}
	}
	p.mu.Lock()
	s := anywhere(p, p.sharings, r.PathValue("out_order_no"))
	if s == nil || s.State != SharingProcessing {
		p.mu.Unlock()
		control.Refuse(w, http.StatusConflict, control.Problem{Error: "there is no sharing of this number that is being processed"})
		return
	}
	s.Outcome = OutcomeSuccess
	p.finishSharing(s, body.Results, p.clock.Now())
	view := s.view()
	p.mu.Unlock()
	control.Write(w, http.StatusOK, view)
}

func (p *Provider) getSharingReturn(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	made := anywhere(p, p.sharingReturns, r.PathValue("out_return_no"))
	if made == nil {
		p.mu.Unlock()
		control.Refuse(w, http.StatusNotFound, control.Problem{Error: "the provider has no return of this out_return_no"})
		return
	}
	view := p.sharingReturnView(made)
	p.mu.Unlock()
	control.Write(w, http.StatusOK, view)
}

// postSettleReturn lets a test decide how a return that is being processed ends.
func (p *Provider) postSettleReturn(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Outcome string `json:"outcome"`
	}
	if !control.Read(w, r, &body) {
		return
	}
	if allowed := append([]string{OutcomeSuccess}, returnFailures()...); !slices.Contains(allowed, body.Outcome) {
		control.Refuse(w, http.StatusBadRequest, control.Problem{Error: "say how the return ends", Field: "outcome", Allowed: allowed})
		return
	}
	p.mu.Lock()
	made := anywhere(p, p.sharingReturns, r.PathValue("out_return_no"))
	if made == nil || made.Result != ReturnProcessing {
		p.mu.Unlock()
		control.Refuse(w, http.StatusConflict, control.Problem{Error: "there is no return of this number that is being processed"})
		return
	}
	p.finishReturn(made, body.Outcome, p.clock.Now())
	view := p.sharingReturnView(made)
	p.mu.Unlock()
	control.Write(w, http.StatusOK, view)
}
