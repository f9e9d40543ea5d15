package wechatpaysim

import (
	"fmt"
	"net/http"

	"github.com/tongbao-pay/tongbao/sandbox/control"
)

// books are the provider's tables and the merchant's money.
type books struct {
	orders        map[string]*order // by out_trade_no
	byTransaction map[string]*order
	byCredential  map[string]string  // prepay_id or code_url, old ones too, to out_trade_no
	refunds       map[string]*refund // by out_refund_no
	byRefundID    map[string]*refund
	totals        Totals
	funds         funds
}

func newBooks() books {
	return books{
		orders: map[string]*order{}, byTransaction: map[string]*order{}, byCredential: map[string]string{},
		refunds: map[string]*refund{}, byRefundID: map[string]*refund{},
	}
}

// funds are the merchant's own movements of money, in fen.
type funds struct {
	Settled   int64 // from unsettled to available
	ToppedUp  int64 // into available
	Withdrawn int64 // out of available
}

// Totals are the provider's books in numbers, in fen. They keep
//
//	Paid - Refunded - Refunding - Shared - Transferred - Fees + ToppedUp - Withdrawn = Unsettled + Available = Balance
type Totals struct {
	Paid        int64 `json:"paid"`        // all orders that were ever paid
	Refunded    int64 `json:"refunded"`    // refunds that succeeded
	Refunding   int64 `json:"refunding"`   // refunds accepted and not settled, abnormal ones included
	Shared      int64 `json:"shared"`      // 分账
	Transferred int64 `json:"transferred"` // 商家转账
	Fees        int64 `json:"fees"`        // kept by the provider, what it gave back with refunds already subtracted
	ToppedUp    int64 `json:"topped_up"`
	Withdrawn   int64 `json:"withdrawn"`
	Unsettled   int64 `json:"unsettled"` // paid and not yet settled to the merchant: refunds come from here
	Available   int64 `json:"available"` // refunds with funds_account=AVAILABLE come from here
	Balance     int64 `json:"balance"`
}

// Books is the answer of the control API.
type Books struct {
	Totals
	Orders     int      `json:"orders"`
	PaidOrders int      `json:"paid_orders"`
	Refunds    int      `json:"refunds"`
	Consistent bool     `json:"consistent"`         // the running totals, the rows and the equation above agree
	Problems   []string `json:"problems,omitempty"` // what does not
}

// Books returns the totals, checked against a recount of every row.
func (p *Provider) Books() Books {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := Books{Totals: p.totals, Orders: len(p.orders), Refunds: len(p.refunds)}
	b.Balance = b.Unsettled + b.Available
	counted := p.recount()
	counted.Balance = counted.Unsettled + counted.Available
	if counted != b.Totals {
		b.Problems = append(b.Problems, fmt.Sprintf("the running totals %+v differ from the rows %+v", b.Totals, counted))
	}
	if left := b.Paid - b.Refunded - b.Refunding - b.Shared - b.Transferred - b.Fees + b.ToppedUp - b.Withdrawn; left != b.Balance {
		b.Problems = append(b.Problems, fmt.Sprintf("the balance should be %d and is %d", left, b.Balance))
	}
	for _, o := range p.orders {
		if o.paid() {
			b.PaidOrders++
		}
		if o.Refunded+o.Refunding > o.Total || o.Refunded < 0 || o.Refunding < 0 {
			b.Problems = append(b.Problems, fmt.Sprintf("order %s: %d of %d refunded and %d refunding", o.OutTradeNo, o.Refunded, o.Total, o.Refunding))
		}
	}
	b.Consistent = len(b.Problems) == 0
	return b
}

// recount makes the totals from the rows. The caller holds the lock.
func (p *Provider) recount() Totals {
	t := Totals{ToppedUp: p.funds.ToppedUp, Withdrawn: p.funds.Withdrawn}
	t.Unsettled = -p.funds.Settled
	t.Available = p.funds.Settled + p.funds.ToppedUp - p.funds.Withdrawn
	for _, o := range p.orders {
		if o.paid() {
			t.Paid += o.Total
			t.Fees += o.Fee
			t.Unsettled += o.Total - o.Fee
		}
	}
	for _, r := range p.refunds {
		switch r.Status {
		case RefundClosed:
			continue
		case RefundSuccess:
			t.Refunded += r.Amount
		default:
			t.Refunding += r.Amount
		}
		t.Fees -= r.FeeBack
		*t.account(r.Account) -= r.Amount - r.FeeBack
	}
	return t
}

// account returns the balance that a refund's money comes from.
func (t *Totals) account(name string) *int64 {
	if name == accountAvailable {
		return &t.Available
	}
	return &t.Unsettled
}

func (p *Provider) getBooks(w http.ResponseWriter, _ *http.Request) {
	control.Write(w, http.StatusOK, p.Books())
}

// postFunds moves the merchant's money: what the provider settles each night, and what the merchant adds or takes.
func (p *Provider) postFunds(w http.ResponseWriter, r *http.Request) {
	var move struct {
		Action string `json:"action"`
		Amount int64  `json:"amount"`
	}
	if !control.Read(w, r, &move) {
		return
	}
	if move.Amount <= 0 || move.Amount > amountMax {
		control.Refuse(w, http.StatusBadRequest, control.Problem{Error: "give a positive amount in fen", Field: "amount"})
		return
	}
	if problem := p.moveFunds(move.Action, move.Amount); problem != nil {
		control.Refuse(w, http.StatusConflict, *problem)
		return
	}
	control.Write(w, http.StatusOK, p.Books())
}

func (p *Provider) moveFunds(action string, amount int64) *control.Problem {
	p.mu.Lock()
	defer p.mu.Unlock()
	short := func(account string, has int64) *control.Problem {
		return &control.Problem{Error: fmt.Sprintf("the %s balance is %d fen; give at most that", account, has), Field: "amount"}
	}
	switch action {
	case "settle":
		if amount > p.totals.Unsettled {
			return short("unsettled", p.totals.Unsettled)
		}
		p.totals.Unsettled -= amount
		p.totals.Available += amount
		p.funds.Settled += amount
	case "withdraw":
		if amount > p.totals.Available {
			return short("available", p.totals.Available)
		}
		p.totals.Available -= amount
		p.totals.Withdrawn += amount
		p.funds.Withdrawn += amount
	case "top_up":
		p.totals.Available += amount
		p.totals.ToppedUp += amount
		p.funds.ToppedUp += amount
	default:
		return &control.Problem{Error: "say what to do with the money", Field: "action", Allowed: []string{"settle", "top_up", "withdraw"}}
	}
	p.put(recordFunds, "", p.funds)
	return nil
}
