package simulate

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/sandbox/journal"
)

// strangers looks for orders that the provider was asked for under numbers that are none of ours: the evidence for what
// checkNumbers counts.
func (w *world) strangers(ctx context.Context, a account) (found []error, err error) {
	entries, err := w.provider.journal(ctx, url.Values{"operation": {"prepay"}})
	if err != nil {
		return nil, err
	}
	told := map[string]bool{}
	for _, e := range entries {
		if _, known := a.orders[e.OutTradeNo]; known || told[e.OutTradeNo] || e.Status >= 300 || e.Status == 0 && !strings.HasPrefix(e.Error, "executed") {
			continue
		}
		if slices.ContainsFunc(a.payments, func(p *payment.Payment) bool {
			return slices.ContainsFunc(p.Attempts, func(t *payment.Attempt) bool { return t.TradeNo == e.OutTradeNo })
		}) {
			continue
		}
		told[e.OutTradeNo] = true
		found = append(found, broken("one number", "the provider was asked for order %s, which nobody here knows: %s", e.OutTradeNo, fmt.Sprintf("%.300s", e.Request)))
	}
	return found, nil
}

// paymentID is how a violation names the payment it is about.
var paymentID = regexp.MustCompile(`pay_[0-9A-Z]{26}`)

// evidenceMax is how many payments are shown with all that the provider heard and said about them.
const evidenceMax = 3

// evidence is what the provider heard and said about the payments that a failure names.
func (w *world) evidence(ctx context.Context, failure error) []string {
	ids := paymentID.FindAllString(failure.Error(), -1)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	var lines []string
	for _, id := range ids[:min(len(ids), evidenceMax)] {
		for _, app := range w.apps {
			p, err := w.store.PaymentByID(ctx, app.id, id)
			if err != nil {
				continue // another app's
			}
			lines = append(lines, w.exchanges(ctx, p)...)
		}
	}
	return lines
}

func (w *world) exchanges(ctx context.Context, p *payment.Payment) []string {
	lines := []string{fmt.Sprintf("payment %s (%s of app %q) is %s: %d fen paid, %d back, %d on the way back", p.ID, p.OutTradeNo, p.AppID, p.Status, p.AmountPaid, p.AmountRefunded, p.AmountRefunding)}
	for _, a := range p.Attempts {
		lines = append(lines, fmt.Sprintf("  order %s is %s here", a.TradeNo, a.Status))
		entries, err := w.provider.journal(ctx, url.Values{"out_trade_no": {a.TradeNo}})
		if err != nil {
			return append(lines, "    the provider's journal cannot be read: "+err.Error())
		}
		for _, e := range entries {
			lines = append(lines, "    "+exchange(e))
		}
	}
	for _, r := range p.Refunds {
		lines = append(lines, fmt.Sprintf("  refund %s, number %s, %d fen, is %s here", r.ID, r.RefundNo, r.Amount, r.Status))
	}
	return lines
}

func exchange(e journal.Entry) string {
	text := fmt.Sprintf("%10s  %-14s %3d %s", e.Time.Sub(begins).Truncate(time.Second), e.Operation, e.Status, e.Code)
	if e.OutRefundNo != "" {
		text += " " + e.OutRefundNo
	}
	if e.Fault != "" {
		text += " fault " + e.Fault
	}
	if e.Error != "" {
		text += " (" + e.Error + ")"
	}
	return text
}
