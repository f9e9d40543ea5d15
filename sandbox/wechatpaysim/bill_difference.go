package wechatpaysim

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/record"
)

// Kinds of a [Difference].
const (
	DifferenceMissing       = "missing"        // the row is not in the bill
	DifferenceExtra         = "extra"          // a payment in the bill that nobody made
	DifferenceAmount        = "amount"         // the row has another amount
	DifferenceState         = "state"          // the row has another state
	DifferenceLatePayment   = "late_payment"   // the row is in the next day's bill
	DifferenceConsoleRefund = "console_refund" // a refund that somebody made in the merchant console: real, and unknown to the merchant's own books
)

// Difference is something in a trade bill that the merchant's own books do not have, or have otherwise. All but a refund from the
// console are in the bill alone: queries, notifications and the ledger know nothing of them, and so does the fund flow bill.
type Difference struct {
	ID          string `json:"id"`
	Kind        string `json:"kind"`
	OutTradeNo  string `json:"out_trade_no,omitempty"`  // whose row; extra: empty makes a number
	OutRefundNo string `json:"out_refund_no,omitempty"` // of a refund's row, in place of out_trade_no; console_refund: the number it got
	Amount      int64  `json:"amount,omitempty"`        // fen; amount, extra, console_refund
	State       string `json:"state,omitempty"`         // 交易状态, or 退款状态 of a refund's row
	BillDate    string `json:"bill_date,omitempty"`     // extra: the day; empty: today
	MchID       string `json:"mchid,omitempty"`         // extra: whose bill; empty: the first merchant's
	Real        bool   `json:"real"`                    // it happened in the books too, and cannot be removed
}

// difference is one that is kept.
type difference struct {
	Difference
	Row     string // transaction_id or refund_id of the row; of an extra one the transaction_id it shows
	At      time.Time
	Removed bool
}

const recordDifference = Name + "/bill_difference"

func (p *Provider) restoreDifference(r record.Record) error {
	var d difference
	if err := json.Unmarshal(r.Value, &d); err != nil {
		return err
	}
	p.differences = append(p.differences, &d)
	return nil
}

// keepDifference numbers and keeps it. The caller holds the lock.
func (p *Provider) keepDifference(d *difference) {
	d.ID = strconv.Itoa(len(p.differences) + 1)
	p.differences = append(p.differences, d)
	p.put(recordDifference, d.ID, d)
}

// differencesOf are those that stand for a row. The caller holds the lock.
func (p *Provider) differencesOf(row tradeRow) []*difference {
	return slices.DeleteFunc(slices.Clone(p.differences), func(d *difference) bool {
		return d.Removed || d.Row != row.id() || d.Kind == DifferenceExtra
	})
}

// billedOn is the day in whose bill the row is.
func (p *Provider) billedOn(row tradeRow) billDay {
	day := dayOf(row.at)
	for _, d := range p.differencesOf(row) {
		if d.Kind == DifferenceLatePayment {
			return billDay{day.AddDate(0, 0, 1)}
		}
	}
	return day
}

// differ changes a day's rows as was asked for. The caller holds the lock.
func (p *Provider) differ(rows []tradeRow, day billDay) []tradeRow {
	var differing []tradeRow
	for _, row := range rows {
		missing := false
		for _, d := range p.differencesOf(row) {
			missing = missing || d.Kind == DifferenceMissing
			row = d.change(row)
		}
		if !missing {
			differing = append(differing, row)
		}
	}
	for _, d := range p.differences {
		if d.Kind == DifferenceExtra && !d.Removed && d.BillDate == day.text() {
			differing = append(differing, p.extraRow(d))
		}
	}
	slices.SortStableFunc(differing, func(a, b tradeRow) int { return a.at.Compare(b.at) })
	return differing
}

// change returns the row as the difference wants it.
func (d *difference) change(row tradeRow) tradeRow {
	switch {
	case d.Kind == DifferenceAmount && row.refund != nil:
		row.refunded = d.Amount
	case d.Kind == DifferenceAmount:
		row.total = d.Amount
	case d.Kind == DifferenceState && row.refund != nil:
		row.refundStatus = d.State
	case d.Kind == DifferenceState:
		row.state = d.State
	}
	return row
}

// extraRow is a payment that nobody made.
func (p *Provider) extraRow(d *difference) tradeRow {
	appID := p.identity.AppID
	if m, known := p.merchant(d.MchID); known {
		appID = m.AppID
	}
	o := &order{
		MchID: d.MchID, AppID: appID, OutTradeNo: d.OutTradeNo, TransactionID: d.Row, Product: Native, Description: "来历不明的交易",
		PayerOpenID: p.identity.OpenID, BankType: "OTHERS", Currency: "CNY", Total: d.Amount,
	}
	return tradeRow{at: d.At, order: o, state: Success, total: d.Amount}
}
