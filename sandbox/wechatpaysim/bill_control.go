package wechatpaysim

import (
	"net/http"
	"slices"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/control"
)

func (p *Provider) billControlCalls() []controlCall {
	return []controlCall{
		{"GET /wechatpay/bills/differences", p.getDifferences},
		{"POST /wechatpay/bills/differences", p.postDifference},
		{"DELETE /wechatpay/bills/differences/{id}", p.deleteDifference},
	}
}

// Differences is the answer of the control API.
type Differences struct {
	Differences []Difference `json:"differences"` // oldest first
}

func (p *Provider) getDifferences(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	list := Differences{Differences: []Difference{}}
	for _, d := range p.differences {
		if !d.Removed {
			list.Differences = append(list.Differences, d.Difference)
		}
	}
	p.mu.Unlock()
	control.Write(w, http.StatusOK, list)
}

func (p *Provider) deleteDifference(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	i := slices.IndexFunc(p.differences, func(d *difference) bool { return !d.Removed && d.ID == r.PathValue("id") })
	if i < 0 {
		p.mu.Unlock()
		control.Refuse(w, http.StatusNotFound, control.Problem{Error: "there is no difference of this id; GET /wechatpay/bills/differences lists them", Field: "id"})
		return
	}
	d := p.differences[i]
	if d.Real {
		p.mu.Unlock()
		control.Refuse(w, http.StatusConflict, control.Problem{Error: "it happened: a refund cannot be undone", Field: "id"})
		return
	}
	d.Removed = true
	p.put(recordDifference, d.ID, d)
	p.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

func (p *Provider) postDifference(w http.ResponseWriter, r *http.Request) {
	var wanted Difference
	if !control.Read(w, r, &wanted) {
		return
	}
	p.mu.Lock()
	d, problem := p.plant(wanted)
	p.mu.Unlock()
	if problem != nil {
		control.Refuse(w, http.StatusBadRequest, *problem)
		return
	}
	control.Write(w, http.StatusCreated, d)
}

// plant makes a difference. The caller holds the lock.
func (p *Provider) plant(wanted Difference) (Difference, *control.Problem) {
	d := &difference{Difference: wanted, At: p.clock.Now()}
	d.ID, d.Real = "", false
	kinds := map[string]func(*difference) *control.Problem{
		DifferenceMissing: p.plantOnRow, DifferenceAmount: p.plantOnRow, DifferenceState: p.plantOnRow, DifferenceLatePayment: p.plantOnRow,
		DifferenceExtra: p.plantExtra, DifferenceConsoleRefund: p.plantConsoleRefund,
	}
	plant, known := kinds[d.Kind]
	if !known {
		return Difference{}, &control.Problem{Error: "say what differs", Field: "kind", Allowed: []string{
			DifferenceMissing, DifferenceExtra, DifferenceAmount, DifferenceState, DifferenceLatePayment, DifferenceConsoleRefund,
		}}
	}
	if problem := plant(d); problem != nil {
		return Difference{}, problem
	}
	p.keepDifference(d)
	return d.Difference, nil
}

// plantOnRow changes the row of a payment or a refund that there is.
func (p *Provider) plantOnRow(d *difference) *control.Problem {
	switch {
	case (d.OutTradeNo == "") == (d.OutRefundNo == ""):
		return &control.Problem{Error: "name the row by out_trade_no or by out_refund_no", Field: "out_trade_no"}
	case d.Kind == DifferenceAmount && (d.Amount <= 0 || d.Amount > amountMax):
		return &control.Problem{Error: "give a positive amount in fen", Field: "amount"}
	case d.Kind == DifferenceState && d.State == "":
		return &control.Problem{Error: "give the state to show, such as REVOKED of a payment or FAIL of a refund", Field: "state"}
	case d.Kind == DifferenceLatePayment && d.OutTradeNo == "":
		return &control.Problem{Error: "name a payment", Field: "out_trade_no"}
	}
	if d.OutRefundNo != "" {
		r := p.findRefundAnywhere(d.OutRefundNo)
		if r == nil {
			return &control.Problem{Error: "the provider has no refund of this out_refund_no", Field: "out_refund_no"}
		}
		d.Row = r.RefundID
		return nil
	}
	o := p.findAnywhere(d.OutTradeNo)
	if o == nil || o.TransactionID == "" {
		return &control.Problem{Error: "the provider has no paid order of this out_trade_no", Field: "out_trade_no"}
	}
	d.Row = o.TransactionID
	return nil
}

func (p *Provider) plantExtra(d *difference) *control.Problem {
	if d.Amount <= 0 || d.Amount > amountMax {
		return &control.Problem{Error: "give a positive amount in fen", Field: "amount"}
	}
	if d.BillDate == "" {
		d.BillDate = dayOf(d.At).text()
	}
	day, err := time.ParseInLocation(time.DateOnly, d.BillDate, chinaZone())
	if err != nil {
		return &control.Problem{Error: "give a day as yyyy-MM-dd", Field: "bill_date"}
	}
	if d.MchID == "" {
		d.MchID = p.identity.MchID
	}
	if _, known := p.merchant(d.MchID); !known {
		return &control.Problem{Error: "the provider has no merchant of this mchid", Field: "mchid"}
	}
	d.At = day.Add(12 * time.Hour)
	if d.OutTradeNo == "" {
		d.OutTradeNo = "X" + p.chance.Digits(20)
	}
	d.Row = unused(p.byTransaction, func() string { return p.newTransactionID(d.At) })
	return nil
}

// plantConsoleRefund refunds as somebody in the merchant console would (商户平台发起退款): by the provider's rules, under a number
// that the merchant's own books do not know.
func (p *Provider) plantConsoleRefund(d *difference) *control.Problem {
	o := p.findAnywhere(d.OutTradeNo)
	if o == nil {
		return &control.Problem{Error: "the provider has no order of this out_trade_no", Field: "out_trade_no"}
	}
	var r refundRequest
	r.OutRefundNo = d.OutRefundNo
	if r.OutRefundNo == "" {
		r.OutRefundNo = p.chance.Digits(28)
	}
	if p.refunds[o.refundKey(r.OutRefundNo)] != nil {
		return &control.Problem{Error: "the number is taken", Field: "out_refund_no"}
	}
	r.Amount.Refund, r.Amount.Total, r.Amount.Currency = d.Amount, o.Total, o.Currency
	if d.Amount <= 0 {
		return &control.Problem{Error: "give a positive amount in fen", Field: "amount"}
	}
	if err := p.refundable(o, r, d.At); err != nil {
		return &control.Problem{Error: "the provider refuses the refund: " + err.english}
	}
	made := p.accept(o, r, d.At)
	p.put(recordRefund, made.key().String(), made)
	p.put(recordOrder, o.key().String(), o)
	p.awaitSettlement(made)
	d.OutRefundNo, d.Row, d.Real = made.OutRefundNo, made.RefundID, true
	return nil
}
