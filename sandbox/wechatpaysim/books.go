package wechatpaysim

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"

	"github.com/tongbao-pay/tongbao/sandbox/control"
)

// books are the provider's tables and the money.
type books struct {
	orders        map[merchantNo]*order // by out_trade_no
	byTransaction map[string]*order
	byCredential  map[string]merchantNo  // prepay_id or code_url, old ones too, to the order
	refunds       map[merchantNo]*refund // by out_refund_no
	byRefundID    map[string]*refund
	combineOrders map[merchantNo]*combineOrder // by combine_out_trade_no
	paymentCodes  map[string]*PaymentCode
	sharingTables
	billTables
	transferTables
	ledger
}

func newBooks() books {
	return books{
		orders: map[merchantNo]*order{}, byTransaction: map[string]*order{}, byCredential: map[string]merchantNo{},
		refunds: map[merchantNo]*refund{}, byRefundID: map[string]*refund{}, combineOrders: map[merchantNo]*combineOrder{},
		paymentCodes: map[string]*PaymentCode{}, sharingTables: newSharingTables(), billTables: newBillTables(), transferTables: newTransferTables(),
		ledger: newLedger(),
	}
}

// Totals are the provider's books in numbers, in fen and over all merchants. They keep
//
//	Paid - Refunded - Refunding - Shared - Transferred - Transferring - Fees + ToppedUp - Withdrawn = Balance
//	Unsettled + Available + Frozen + Operation = Balance
type Totals struct {
	Paid         int64 `json:"paid"`         // all orders that were ever paid
	Refunded     int64 `json:"refunded"`     // refunds that succeeded
	Refunding    int64 `json:"refunding"`    // refunds accepted and not settled, abnormal ones included
	Shared       int64 `json:"shared"`       // 分账, to receivers who are no merchants here
	Transferred  int64 `json:"transferred"`  // 商家转账
	Transferring int64 `json:"transferring"` // 商家转账, locked until the user has it or it comes back
	Fees         int64 `json:"fees"`         // kept by the provider, what it gave back with refunds already subtracted
	ToppedUp     int64 `json:"topped_up"`
	Withdrawn    int64 `json:"withdrawn"`
	Unsettled    int64 `json:"unsettled"` // paid and not yet settled to the merchant: refunds come from here
	Available    int64 `json:"available"` // refunds with funds_account=AVAILABLE come from here
	Frozen       int64 `json:"frozen"`    // waits to be shared
	Operation    int64 `json:"operation"` // 运营账户: transfers come from here
	Balance      int64 `json:"balance"`
}

// AccountBalance is one account of the ledger. Over all accounts the balances add up to nothing: what the merchants have is what
// came from the world's accounts, which are below nothing by as much.
type AccountBalance struct {
	Owner   string `json:"owner,omitempty"` // mchid; empty: the world around
	Account string `json:"account"`
	Balance int64  `json:"balance"` // fen
}

// Books is the answer of the control API.
type Books struct {
	Totals
	Accounts   []AccountBalance `json:"accounts"`
	Sum        int64            `json:"sum"` // of all accounts: always 0
	Postings   int              `json:"postings"`
	Orders     int              `json:"orders"`
	PaidOrders int              `json:"paid_orders"`
	Refunds    int              `json:"refunds"`
	Transfers  int              `json:"transfers"`
	Consistent bool             `json:"consistent"`         // ledger and rows agree, and no rule was ever broken
	Problems   []string         `json:"problems,omitempty"` // what does not
}

// Books returns the ledger's balances, checked against the rows.
func (p *Provider) Books() Books {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := Books{Totals: p.totals(), Postings: len(p.postings), Orders: len(p.orders), Refunds: len(p.refunds), Transfers: len(p.transfers), Problems: slices.Clone(p.broken)}
	for a, amount := range p.balances {
		b.Accounts = append(b.Accounts, AccountBalance{a.Owner, a.Pot, amount})
		b.Sum += amount
	}
	slices.SortFunc(b.Accounts, func(a, b AccountBalance) int {
		return cmp.Or(cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.Account, b.Account))
	})
	if b.Sum != 0 {
		b.Problems = append(b.Problems, fmt.Sprintf("the accounts add up to %d instead of 0", b.Sum))
	}
	b.PaidOrders = p.countPaid()
	b.Problems = append(b.Problems, p.disagreements(b.Totals)...)
	b.Problems = append(b.Problems, p.halfPaid()...)
	b.Consistent = len(b.Problems) == 0
	return b
}

// totals reads the ledger. The caller holds the lock.
func (p *Provider) totals() Totals {
	t := Totals{
		Paid: -p.balance("", potPaid), Refunded: p.balance("", potRefunded), Refunding: p.sum(potRefunding), Shared: p.balance("", potShared),
		Transferred: p.balance("", potTransferred), Transferring: p.sum(potTransferring), Fees: p.balance("", potFees), ToppedUp: -p.balance("", potToppedUp), Withdrawn: p.balance("", potWithdrawn),
		Unsettled: p.sum(potUnsettled), Available: p.sum(potAvailable), Frozen: p.sum(potFrozen), Operation: p.sum(potOperation),
	}
	t.Balance = t.Unsettled + t.Available + t.Frozen + t.Operation
	return t
}

func (p *Provider) countPaid() int {
	paid := 0
	for _, o := range p.orders {
		if o.paid() {
			paid++
		}
	}
	return paid
}

// disagreements compares the ledger with the rows, each counted anew. The caller holds the lock.
func (p *Provider) disagreements(t Totals) []string {
	var problems []string
	var paid, fees, refunded, refunding int64
	for _, o := range p.orders {
		if o.paid() {
			paid += o.Total
			fees += o.Fee
		}
		if o.Refunded+o.Refunding > o.Total || o.Refunded < 0 || o.Refunding < 0 {
			problems = append(problems, fmt.Sprintf("order %s: %d of %d refunded and %d refunding", o.OutTradeNo, o.Refunded, o.Total, o.Refunding))
		}
	}
	for _, r := range p.refunds {
		switch r.Status {
		case RefundClosed:
			continue
		case RefundSuccess:
			refunded += r.Amount
		default:
			refunding += r.Amount
		}
		fees -= r.FeeBack
	}
	transferred, transferring := p.sumTransfers()
	for _, row := range []struct {
		name         string
		ledger, rows int64
	}{
		{"paid", t.Paid, paid},
		{"fees", t.Fees, fees},
		{"refunded", t.Refunded, refunded},
		{"refunding", t.Refunding, refunding},
		{"transferred", t.Transferred, transferred},
		{"transferring", t.Transferring, transferring},
	} {
		if row.ledger != row.rows {
			problems = append(problems, fmt.Sprintf("%s: the ledger says %d, the rows say %d", row.name, row.ledger, row.rows))
		}
	}
	return append(problems, p.sharingDisagreements(t)...)
}

func (p *Provider) getBooks(w http.ResponseWriter, _ *http.Request) {
	control.Write(w, http.StatusOK, p.Books())
}
