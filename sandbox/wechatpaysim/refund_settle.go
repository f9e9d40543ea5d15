package wechatpaysim

import (
	"net/http"
	"slices"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/control"
)

// awaitSettlement settles the refund when its time comes, or now if it has. The caller holds the lock.
func (p *Provider) awaitSettlement(r *refund) {
	if r.Status != RefundProcessing || r.SettlesAt.IsZero() {
		return
	}
	if !r.SettlesAt.After(p.clock.Now()) {
		p.settle(r, r.Outcome, r.SettlesAt)
		return
	}
	n := r.key()
	p.clock.At(r.SettlesAt, func(due time.Time) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if r := p.refunds[n]; r != nil && r.Status == RefundProcessing && r.SettlesAt.Equal(due) {
			p.settle(r, r.Outcome, due)
		}
	})
}

// settle ends the processing of a refund and tells the merchant. The caller holds the lock.
func (p *Provider) settle(r *refund, outcome string, at time.Time) {
	o := p.orders[r.order()]
	switch outcome {
	case OutcomeSuccess:
		r.become(RefundSuccess, at)
		r.SuccessAt = at
		o.State = Refund
		o.Refunding -= r.Amount
		o.Refunded += r.Amount
		p.post(posting{At: at, Kind: postRefundSettled, Ref: r.RefundID, OutNo: r.OutRefundNo, Legs: []leg{
			{account{o.MchID, potRefunding}, -r.Amount}, {world(potRefunded), r.Amount},
		}})
	case OutcomeAbnormal:
		r.become(RefundAbnormal, at)
	case OutcomeClosed:
		r.become(RefundClosed, at)
		o.Refunding -= r.Amount
		o.PayerBack -= r.PayerAmount
		o.FeeBack -= r.FeeBack
		pot := potOf(r.Account)
		if r.Frozen {
			pot = p.returnFrozen(o, r.Amount-r.FeeBack)
		}
		p.post(posting{At: at, Kind: postRefundReturned, Ref: r.RefundID, OutNo: r.OutRefundNo, Legs: []leg{
			{account{o.MchID, potRefunding}, -r.Amount}, {world(potFees), r.FeeBack}, {account{o.MchID, pot}, r.Amount - r.FeeBack},
		}})
	}
	r.SettlesAt = time.Time{}
	p.put(recordRefund, r.key().String(), r)
	p.put(recordOrder, o.key().String(), o)
	p.notifyRefund(o, r)
}

// postSettle lets a test decide how a refund that is being processed ends.
func (p *Provider) postSettle(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Outcome string `json:"outcome"`
	}
	if !control.Read(w, r, &body) {
		return
	}
	allowed := []string{OutcomeSuccess, OutcomeAbnormal, OutcomeClosed}
	if !slices.Contains(allowed, body.Outcome) {
		control.Refuse(w, http.StatusBadRequest, control.Problem{Error: "say how the refund ends", Field: "outcome", Allowed: allowed})
		return
	}
	p.mu.Lock()
	made := p.findRefundAnywhere(r.PathValue("out_refund_no"))
	if made == nil || made.Status != RefundProcessing {
		p.mu.Unlock()
		control.Refuse(w, http.StatusConflict, control.Problem{Error: "there is no refund of this number that is being processed"})
		return
	}
	p.settle(made, body.Outcome, p.clock.Now())
	view := p.refundView(made)
	p.mu.Unlock()
	control.Write(w, http.StatusOK, view)
}

func (p *Provider) getRefund(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	made := p.findRefundAnywhere(r.PathValue("out_refund_no"))
	if made == nil {
		p.mu.Unlock()
		control.Refuse(w, http.StatusNotFound, control.Problem{Error: "the provider has no refund of this out_refund_no"})
		return
	}
	view := p.refundView(made)
	p.mu.Unlock()
	control.Write(w, http.StatusOK, view)
}
