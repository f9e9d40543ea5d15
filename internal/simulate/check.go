package simulate

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/tongbao-pay/tongbao/internal/ledger"
	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/sandbox/control"
)

// account is everything everybody says at the end.
type account struct {
	payments []*payment.Payment
	events   []payment.Event // in the order of each app's stream
	postings []ledger.Posting
	reviews  []*payment.Review
	orders   map[string]order // the provider's, by trade number
	books    books
}

// check holds the books of everybody against each other and answers with everything that does not fit.
func (w *world) check(ctx context.Context) error {
	if err := w.always(ctx); err != nil {
		return err
	}
	a, err := w.account(ctx)
	if err != nil {
		return err
	}
	var found []error
	for _, v := range w.violations(a) {
		found = append(found, v)
	}
	strangers, err := w.strangers(ctx, a)
	if err != nil {
		return err
	}
	return errors.Join(append(found, strangers...)...)
}

// violations are what does not fit.
func (w *world) violations(a account) (found []*Violation) {
	for _, invariant := range []func(account) []*Violation{
		checkOrders, checkRefunds, checkLedger, w.checkNumbers, checkEvents, checkOwners, checkEnds, w.checkWebhooks, w.checkAcknowledged,
	} {
		found = append(found, invariant(a)...)
	}
	return found
}

func (w *world) account(ctx context.Context) (a account, err error) {
	for _, app := range w.apps {
		all, err := w.payments(ctx, app.id)
		if err != nil {
			return a, err
		}
		a.payments = append(a.payments, all...)
	}
	if a.reviews, err = w.reviews(ctx); err != nil {
		return a, err
	}
	a.events, err = query(ctx, w.db, `SELECT app_id, id, type, resource_type, resource_id, sequence, created_at, object FROM events ORDER BY app_id, position, id`, func(r *sql.Rows) (e payment.Event, err error) {
		var at int64
		var object string
		err = r.Scan(&e.AppID, &e.ID, &e.Type, &e.ResourceType, &e.ResourceID, &e.Sequence, &at, &object)
		e.CreatedAt, e.Object = time.UnixMilli(at).UTC(), []byte(object)
		return e, err
	})
	if err != nil {
		return a, err
	}
	a.postings, err = query(ctx, w.db, `SELECT app_id, source_id, kind, debit, credit, amount FROM postings`, func(r *sql.Rows) (p ledger.Posting, err error) {
		err = r.Scan(&p.AppID, &p.SourceID, &p.Kind, &p.Debit, &p.Credit, &p.Amount)
		return p, err
	})
	if err != nil {
		return a, err
	}
	if a.books, err = w.provider.books(ctx); err != nil {
		return a, err
	}
	a.orders = map[string]order{}
	for _, p := range a.payments {
		for _, t := range p.Attempts {
			o, err := w.provider.order(ctx, t.TradeNo)
			if errors.As(err, new(*control.Refusal)) {
				continue // never placed
			}
			if err != nil {
				return a, err
			}
			a.orders[t.TradeNo] = o
		}
	}
	return a, nil
}

func (w *world) payments(ctx context.Context, app string) (all []*payment.Payment, err error) {
	page := payment.Page{Limit: 100}
	for {
		listed, next, err := w.store.Payments(ctx, payment.PaymentFilter{AppID: app}, page)
		if err != nil {
			return nil, err
		}
		for _, p := range listed {
			whole, err := w.store.PaymentByID(ctx, app, p.ID) // lists come without refunds
			if err != nil {
				return nil, err
			}
			all = append(all, whole)
		}
		if next == "" {
			return all, nil
		}
		page.Cursor = next
	}
}

// reviewed reports whether an open review is about any of the subjects.
func (a account) reviewed(subjects ...string) bool {
	return slices.ContainsFunc(a.reviews, func(r *payment.Review) bool { return r.ResolvedAt.IsZero() && slices.Contains(subjects, r.SubjectID) })
}

// checkOrders: an attempt is paid here if and only if its order is at the provider, as the same transaction and amount.
func checkOrders(a account) (found []*Violation) {
	for _, p := range a.payments {
		var paid int64
		for _, t := range p.Attempts {
			o := a.orders[t.TradeNo]
			if o.paid() {
				paid += o.Amount.Total
			}
			ours := t.Status == payment.AttemptPaid
			if ours != o.paid() || t.TransactionID != o.TransactionID || o.paid() && o.Amount.Total != p.Amount {
				found = append(found, broken("books", "payment %s, order %s: here %s, transaction %q, %d fen; at the provider %s, transaction %q, %d fen",
					p.ID, t.TradeNo, t.Status, t.TransactionID, p.Amount, o.State, o.TransactionID, o.Amount.Total))
			}
			switch {
			case t.Status == payment.AttemptClosed && o.State == "NOTPAY":
				found = append(found, broken("books", "payment %s, order %s: closed here and still open at the provider", p.ID, t.TradeNo))
			case t.Status == payment.AttemptRefused && o.State != "": // closed by now, it was open for a payer once
				found = append(found, broken("books", "payment %s, order %s: refused here, and the provider has it: %s", p.ID, t.TradeNo, o.State))
			}
		}
		if paid != p.AmountPaid {
			found = append(found, broken("books", "payment %s: %d fen paid here, %d at the provider", p.ID, p.AmountPaid, paid))
		}
	}
	return found
}

// closedThere checks that of a payment that is closed here no order can be paid, from the moment on at which it is closed.
func (w *world) closedThere(ctx context.Context) error {
	closed, err := query(ctx, w.db, `SELECT trade_no FROM attempts WHERE payment_id IN (SELECT id FROM payments WHERE status = 'closed')`, func(r *sql.Rows) (tradeNo string, err error) {
		err = r.Scan(&tradeNo)
		return tradeNo, err
	})
	if err != nil {
		return err
	}
	for _, tradeNo := range closed {
		if w.shut[tradeNo] {
			continue
		}
		o, err := w.provider.order(ctx, tradeNo)
		switch {
		case errors.As(err, new(*control.Refusal)): // never placed
		case err != nil:
			return err
		case o.State == "NOTPAY":
			return broken("closed", "order %s can still be paid, and its payment is closed", tradeNo)
		}
		w.shut[tradeNo] = true
	}
	return nil
}

// refundStatuses are the provider's words for what a refund is here.
var refundStatuses = map[payment.RefundStatus]string{
	payment.RefundProcessing: "PROCESSING", payment.RefundSucceeded: "SUCCESS", payment.RefundAbnormal: "ABNORMAL", payment.RefundClosed: "CLOSED",
}

// checkRefunds: every refund is at the provider what it is here, and never more goes back than came in.
func checkRefunds(a account) (found []*Violation) {
	for _, p := range a.payments {
		theirs := map[string]refund{}
		for _, t := range p.Attempts {
			for _, r := range a.orders[t.TradeNo].Refunds {
				theirs[r.OutRefundNo] = r
			}
		}
		var succeeded, reserved int64
		for _, r := range p.Refunds {
			their, there := theirs[r.RefundNo]
			delete(theirs, r.RefundNo)
			if their.Status != refundStatuses[r.Status] || there && their.Amount.Refund != r.Amount {
				found = append(found, broken("books", "refund %s of payment %s, number %s: here %s, %d fen; at the provider %q, %d fen",
					r.ID, p.ID, r.RefundNo, r.Status, r.Amount, their.Status, their.Amount.Refund))
			}
			switch r.Status {
			case payment.RefundSucceeded:
				succeeded += r.Amount
			case payment.RefundPending, payment.RefundProcessing, payment.RefundAbnormal:
				reserved += r.Amount
			case payment.RefundClosed, payment.RefundFailed:
			}
		}
		for number, r := range theirs {
			found = append(found, broken("one number", "payment %s: the provider has a refund %s of %d fen that nobody here knows", p.ID, number, r.Amount.Refund))
		}
		if succeeded != p.AmountRefunded || reserved != p.AmountRefunding {
			found = append(found, broken("books", "payment %s: its refunds add up to %d fen back and %d under way, its row says %d and %d", p.ID, succeeded, reserved, p.AmountRefunded, p.AmountRefunding))
		}
		if p.AmountRefunded+p.AmountRefunding > p.AmountPaid {
			found = append(found, broken("refunded <= paid", "payment %s: %d fen back and %d under way of %d paid", p.ID, p.AmountRefunded, p.AmountRefunding, p.AmountPaid))
		}
	}
	return found
}

// checkLedger: what is posted is what the payments say, and what the provider's totals say, to the fen.
func checkLedger(a account) (found []*Violation) {
	posted := map[string]int64{}
	sums := map[ledger.Kind]int64{}
	balances := map[string]int64{}
	for _, p := range a.postings {
		posted[p.SourceID] += p.Amount
		sums[p.Kind] += p.Amount
		balances[p.Debit] += p.Amount
		balances[p.Credit] -= p.Amount
	}
	for _, p := range a.payments {
		for _, t := range p.Attempts {
			due := int64(0)
			if t.Status == payment.AttemptPaid {
				due = p.Amount
			}
			if posted[t.ID] != due {
				found = append(found, broken("books", "attempt %s of payment %s is %s: %d fen are posted, %d are due", t.ID, p.ID, t.Status, posted[t.ID], due))
			}
		}
		for _, r := range p.Refunds {
			due := int64(0)
			if r.Status == payment.RefundSucceeded {
				due = r.Amount
			}
			if posted[r.ID] != due {
				found = append(found, broken("books", "refund %s of payment %s is %s: %d fen are posted, %d are due", r.ID, p.ID, r.Status, posted[r.ID], due))
			}
		}
	}
	if sums[ledger.Collected] != a.books.Paid || sums[ledger.Refunded] != a.books.Refunded {
		found = append(found, broken("books", "the ledger has %d fen collected and %d refunded; the provider's books have %d and %d", sums[ledger.Collected], sums[ledger.Refunded], a.books.Paid, a.books.Refunded))
	}
	var total int64
	for _, account := range slices.Sorted(maps.Keys(balances)) {
		total += balances[account]
	}
	if total != 0 {
		found = append(found, broken("books", "the ledger's accounts add up to %d instead of nothing: %v", total, balances))
	}
	return found
}

// checkNumbers: one intent is one order at the provider for each time the payer chose another product, and one refund.
func (w *world) checkNumbers(a account) (found []*Violation) {
	orders, refunds := 0, 0
	for _, p := range a.payments {
		if wishes := w.wishes(p); len(p.Attempts) > wishes {
			found = append(found, broken("one number", "payment %s has %d attempts, and its app asked for it %d times", p.ID, len(p.Attempts), wishes))
		}
		for i, t := range p.Attempts {
			if i > 0 && t.Product == p.Attempts[i-1].Product {
				found = append(found, broken("one number", "payment %s has two attempts for %s in a row: the newer is %s", p.ID, t.Product, t.TradeNo))
			}
			if o, there := a.orders[t.TradeNo]; there {
				orders++
				refunds += len(o.Refunds)
			}
		}
	}
	if orders != a.books.Orders || refunds != a.books.Refunds {
		found = append(found, broken("one number", "the provider has %d orders and %d refunds, and %d and %d of them are known here", a.books.Orders, a.books.Refunds, orders, refunds))
	}
	return found
}

// wishes is how often the script has the app of a payment ask for it, one way or another.
func (w *world) wishes(p *payment.Payment) (n int) {
	for _, step := range w.script.Steps {
		for _, op := range step.Ops {
			if op.Payment == 0 || w.deals[op.Payment-1].request.OutTradeNo != p.OutTradeNo {
				continue
			}
			if op.Kind == Create || op.Kind == Repeat || op.Kind == Switch {
				n++
			}
		}
	}
	return n
}

// checkOwners: money that is not a succeeded payment's is on its way back, went back, or waits for a person.
func checkOwners(a account) (found []*Violation) {
	for _, p := range a.payments {
		earned := int64(0)
		if p.Status == payment.Succeeded || p.Status == payment.Refunded {
			earned = p.Amount
		}
		surplus := p.AmountPaid - earned
		var back int64
		subjects := []string{p.ID}
		for _, r := range p.Refunds {
			subjects = append(subjects, r.ID)
			if r.Status != payment.RefundFailed && r.Status != payment.RefundClosed {
				back += r.Amount
			}
		}
		if surplus > back && !a.reviewed(subjects...) {
			found = append(found, broken("owner", "payment %s is %s and has %d fen of %d too much, of which %d go back; nobody looks after the rest", p.ID, p.Status, surplus, p.AmountPaid, back))
		}
	}
	return found
}

// checkEnds: nothing is stuck: every payment and refund has ended, or waits for a person.
func checkEnds(a account) (found []*Violation) {
	for _, p := range a.payments {
		if !p.Terminal() && !a.reviewed(p.ID) {
			found = append(found, broken("stuck", "payment %s is still %s, its attempt %s, and nobody looks after it", p.ID, p.Status, p.Current().Status))
		}
		for _, t := range p.Attempts {
			if (t.Status == payment.AttemptPlacing || t.Status == payment.AttemptOpen) && p.Terminal() && !a.reviewed(p.ID) {
				found = append(found, broken("stuck", "payment %s is %s, its order %s still %s, and nobody looks after it", p.ID, p.Status, t.TradeNo, t.Status))
			}
		}
		for _, r := range p.Refunds {
			ended := r.Status == payment.RefundSucceeded || r.Status == payment.RefundClosed || r.Status == payment.RefundFailed
			if !ended && !a.reviewed(r.ID, p.ID) {
				found = append(found, broken("stuck", "refund %s of payment %s is still %s, and nobody looks after it", r.ID, p.ID, r.Status))
			}
		}
	}
	return found
}
