package simulate

import (
	"context"
	"fmt"
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

// How long everything may take to come to rest once it is healed, by everybody's clock. The provider repeats a
// notification for a day, a payment lives for a day and two hours at most, and a webhook is tried for more than three days.
const (
	restWithin    = 8 * 24 * time.Hour
	providerQuiet = 26 * time.Hour
	healingTries  = 8
)

// heal ends every fault, lets the apps ask again for what they have no answer to, and moves time on until nobody has
// anything left to do.
func (w *world) heal(ctx context.Context) error {
	if err := w.endFaults(ctx); err != nil {
		return err
	}
	if err := w.settle(ctx, true); err != nil {
		return err
	}
	for _, d := range w.deals {
		if err := w.answer(ctx, d); err != nil {
			return err
		}
	}
	healed := w.clock.Now()
	for {
		at, err := w.restless(ctx, healed)
		if err != nil || at.IsZero() {
			return err
		}
		if err := w.reach(ctx, at); err != nil {
			return err
		}
		if err := w.always(ctx); err != nil {
			return err
		}
	}
}

func (w *world) endFaults(ctx context.Context) error {
	if err := w.provider.clearFaults(ctx); err != nil {
		return err
	}
	up := map[string]string{"state": "up"}
	if err := w.provider.set(ctx, map[string]any{"refund_outcome": "SUCCESS", "hosts": map[string]any{"primary": up, "backup": up}}); err != nil {
		return err
	}
	w.jobs.twice.Store(0)
	for _, a := range w.apps {
		a.inbox.meet("", 0)
	}
	for _, r := range w.replicas {
		r.skew.Store(0)
		if err := w.start(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// answer repeats, as an app does, what was asked for and not answered, now that everything works.
func (w *world) answer(ctx context.Context, d *deal) error {
	if !w.asked(d) {
		return nil
	}
	for range healingTries {
		if d.known() != nil || d.over {
			break
		}
		if err := w.do(ctx, Op{Kind: Repeat, Payment: d.number}); err != nil {
			return err
		}
		if err := w.wait(ctx, time.Minute); err != nil {
			return err
		}
	}
	if d.known() == nil && !d.over {
		return broken("stuck", "%s was asked for, and with everything healed and %d repeats there is still no answer", d.request.OutTradeNo, healingTries)
	}
	for number, b := range d.refunds {
		for range healingTries {
			if b.last != nil || b.over {
				break
			}
			if err := w.do(ctx, Op{Kind: RefundAgain, Payment: d.number, Refund: number, Amount: b.request.Amount}); err != nil {
				return err
			}
			if err := w.wait(ctx, time.Minute); err != nil {
				return err
			}
		}
		if b.last == nil && !b.over {
			return broken("stuck", "refund %s was asked for, and with everything healed and %d repeats there is still no answer", b.request.OutRefundNo, healingTries)
		}
	}
	return nil
}

// asked reports whether the script got as far as creating the payment.
func (w *world) asked(d *deal) bool {
	for _, step := range w.script.Steps {
		for _, op := range step.Ops {
			if op.Kind == Create && op.Payment == d.number {
				return true
			}
		}
	}
	return false
}

// restless is when somebody will next have something to do; zero: all is quiet. Refunds that wait for a person are
// asked about for ever, which is no unrest.
func (w *world) restless(ctx context.Context, healed time.Time) (time.Time, error) {
	all, err := w.jobs.waiting(ctx)
	if err != nil {
		return time.Time{}, err
	}
	waiting, err := w.waitingForAPerson(ctx)
	if err != nil {
		return time.Time{}, err
	}
	now := w.clock.Now()
	var next time.Time
	for _, s := range all {
		if s.Kind == payment.FollowRefund && waiting[s.ResourceID] && now.Sub(healed) > providerQuiet {
			continue
		}
		if now.Sub(healed) > restWithin {
			return time.Time{}, broken("stuck", "%s after everything healed there is still work: %s", restWithin, s)
		}
		next = s.At
		break
	}
	if due, ok := w.sandbox.NextDue(); ok && due.Before(healed.Add(providerQuiet)) && (next.IsZero() || due.Before(next)) {
		next = due
	}
	if next.IsZero() {
		return next, nil
	}
	if next.Before(now) {
		next = now
	}
	return next, nil
}

// waitingForAPerson is what open reviews are about.
func (w *world) waitingForAPerson(ctx context.Context) (map[string]bool, error) {
	reviews, err := w.reviews(ctx)
	if err != nil {
		return nil, err
	}
	subjects := map[string]bool{}
	for _, r := range reviews {
		if r.ResolvedAt.IsZero() {
			subjects[r.SubjectID] = true
		}
	}
	return subjects, nil
}

// reviews are all there are, of every app.
func (w *world) reviews(ctx context.Context) (all []*payment.Review, err error) {
	page := payment.Page{Limit: 100}
	for {
		reviews, next, err := w.store.Reviews(ctx, payment.ReviewFilter{AnyApp: true}, page)
		if err != nil {
			return nil, fmt.Errorf("simulate: list the reviews: %w", err)
		}
		all = append(all, reviews...)
		if next == "" {
			return all, nil
		}
		page.Cursor = next
	}
}
