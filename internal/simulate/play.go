package simulate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/tongbao-pay/tongbao/client"
	"github.com/tongbao-pay/tongbao/sandbox/control"
)

// play plays the script and lets everything heal. It ends early at the first promise that is broken: what comes after it
// would only blur what happened.
func (w *world) play(ctx context.Context) error {
	for i, step := range w.script.Steps {
		w.history.begin(fmt.Sprint(i + 1))
		if err := w.step(ctx, step); err != nil {
			return err
		}
		if err := w.always(ctx); err != nil {
			return err
		}
	}
	w.history.begin("heal")
	if err := w.heal(ctx); err != nil {
		return err
	}
	w.history.begin("end")
	return w.check(ctx)
}

// step starts a step's operations together and waits for all of them, and for what the provider has to send.
func (w *world) step(ctx context.Context, step Step) error {
	errs := make([]error, len(step.Ops))
	var group sync.WaitGroup
	for i, op := range step.Ops {
		group.Go(func() { errs[i] = w.do(ctx, op) })
	}
	group.Wait()
	return errors.Join(errors.Join(errs...), w.settle(ctx, step.Work))
}

// do carries out one operation and writes down what came of it.
func (w *world) do(ctx context.Context, op Op) error {
	limit := patience
	if op.Kind == Wait {
		limit = patienceWithTime
	}
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	at := w.clock.sinceBegin()
	told, err := w.carryOut(onWay(bounded, op), op)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		err = broken("healthy", "%s was not answered within %s", op, limit)
	}
	if err != nil {
		told = "✗ " + err.Error()
	}
	w.history.add(at, op.String(), told)
	return err
}

func (w *world) carryOut(ctx context.Context, op Op) (told string, err error) {
	if op.Payment > 0 {
		return w.deal(ctx, op, w.deals[op.Payment-1])
	}
	switch op.Kind {
	case CallFault, NoticeFault:
		return "", w.provider.fault(ctx, op)
	case HostFault:
		return "", w.provider.set(ctx, map[string]any{"hosts": map[string]any{op.Call: map[string]string{"state": op.Effect}}})
	case RefundsEnd:
		return "", w.provider.set(ctx, map[string]any{"refund_outcome": op.Effect})
	case Inbox:
		for _, a := range w.apps {
			a.inbox.meet(op.Effect, op.Times)
		}
		return "", nil
	case TwiceOver:
		w.jobs.twice.Store(int64(op.Times))
		return "", nil
	case Skew:
		w.replicas[op.Replica-1].skew.Store(int64(op.Duration))
		return "", nil
	case Stop:
		return "", w.halt(w.replicas[op.Replica-1])
	case Start:
		return "", w.start(context.WithoutCancel(ctx), w.replicas[op.Replica-1])
	case Wait:
		return "", w.wait(ctx, op.Duration)
	default:
		return "", fmt.Errorf("simulate: the script has an operation %q that nobody can carry out", op.Kind)
	}
}

// deal carries out an operation on a payment, which need not be known to its app.
func (w *world) deal(ctx context.Context, op Op, d *deal) (told string, err error) {
	if op.Kind == Create || op.Kind == Repeat {
		return d.create(ctx, d.request)
	}
	p := d.known()
	if p == nil {
		return "the app does not know the payment", nil
	}
	switch op.Kind {
	case Conflict:
		return d.conflict(ctx)
	case Switch:
		request := d.request
		dress(&request, op.Product)
		return d.create(ctx, request)
	case Refund, RefundAgain:
		return d.refund(ctx, op.Refund, op.Amount)
	case RefundOther:
		return d.refundOther(ctx, op.Refund)
	case Close:
		return d.told(d.app.client.ClosePayment(ctx, p.ID))
	case Sync:
		return d.told(d.app.client.SyncPayment(ctx, p.ID))
	case Pay:
		return w.pay(ctx, d.held(), "success", false)
	case PayOlder:
		return w.pay(ctx, d.held()[:1], "success", false)
	case PayerGivesUp:
		return w.pay(ctx, d.held(), "cancel", false)
	case PayLate:
		return w.payLate(ctx, d.held()[:1])
	case PayTwice:
		return w.payTwice(ctx, d.held())
	case Resend:
		return w.resend(ctx, d.held())
	case Forge:
		return w.forge(ctx, p, op.Effect)
	default:
		return "", fmt.Errorf("simulate: the script has an operation %q that nobody can carry out", op.Kind)
	}
}

// conflict uses the number again with another amount, which must be refused.
func (d *deal) conflict(ctx context.Context) (told string, err error) {
	request := d.request
	request.Amount++
	p, err := d.app.client.CreatePayment(ctx, request)
	if err == nil {
		return "", broken("one number", "payment %s of %d fen was taken again as one of %d fen", p.ID, d.request.Amount, request.Amount)
	}
	return toldError(err)
}

// refundOther asks for another amount under a number that is taken, which must be refused.
func (d *deal) refundOther(ctx context.Context, number int) (told string, err error) {
	d.mu.Lock()
	b := d.refunds[number]
	known := b != nil && b.last != nil
	d.mu.Unlock()
	if !known {
		return "the app does not know the refund", nil
	}
	request := b.request
	request.Amount++
	r, err := d.app.client.CreateRefund(ctx, request)
	if err == nil {
		return "", broken("one number", "refund %s of %d fen was taken again as one of %d fen", r.ID, b.request.Amount, request.Amount)
	}
	return toldError(err)
}

// told is what the app makes of an answer about the payment.
func (d *deal) told(p *client.Payment, err error) (string, error) {
	if err != nil {
		return toldError(err)
	}
	return d.learn(p)
}

// pay lets the payer act on the newest order there is.
func (w *world) pay(ctx context.Context, held []string, result string, late bool) (string, error) {
	o, err := w.provider.pay(ctx, held[len(held)-1], result, late)
	return asTold(o.State, err)
}

// inFlight is how long after an order's end its payer's money may still land. The gateway asks about closed payments for
// ten minutes; what lands later and is not notified either is for the provider's statement to tell.
const inFlight = 5 * time.Minute

// payLate lands money that was on its way when the order ended.
func (w *world) payLate(ctx context.Context, held []string) (string, error) {
	o, err := w.provider.order(ctx, held[0])
	if err != nil {
		return asTold(o.State, err)
	}
	ended := o.ExpiresAt
	if !o.ClosedAt.IsZero() && o.ClosedAt.Before(ended) {
		ended = o.ClosedAt
	}
	switch late := w.clock.Now().Sub(ended); {
	case late < 0:
		return "nothing is late: the order is open", nil
	case late > inFlight:
		return fmt.Sprintf("no money is on its way any more: the order ended %s ago", late), nil
	}
	return w.pay(ctx, held, "success", true)
}

// payTwice lets two payers act at once: on two orders of the payment, if there are two.
func (w *world) payTwice(ctx context.Context, held []string) (string, error) {
	var second string
	var group sync.WaitGroup
	group.Go(func() { second, _ = w.pay(ctx, held[:1], "success", false) }) // one of the two may fail, as told
	first, err := w.pay(ctx, held, "success", false)
	group.Wait()
	return first + " / " + second, err
}

func asTold(state string, err error) (string, error) {
	if r, ok := errors.AsType[*control.Refusal](err); ok {
		return r.Error(), nil
	}
	return "the provider's order is " + state, err
}

func (w *world) resend(ctx context.Context, held []string) (string, error) {
	o, err := w.provider.order(ctx, held[0])
	if _, refused := errors.AsType[*control.Refusal](err); refused || err == nil && len(o.Notifications) == 0 {
		return "there is none", nil
	}
	if err != nil {
		return "", err
	}
	n := o.Notifications[len(o.Notifications)-1]
	return n.ID, w.provider.resend(ctx, n.ID)
}

func (w *world) forge(ctx context.Context, p *client.Payment, how string) (string, error) {
	status, err := w.forger.forge(ctx, p, how, w.clock.Now())
	if err != nil {
		return "", err
	}
	if status < http.StatusBadRequest {
		return "", broken("verified", "a forged notification %s about payment %s was answered %d", how, p.ID, status)
	}
	return fmt.Sprint(status), nil
}

// settle lets the provider send what is due and, with work, the replicas do theirs, until neither has anything to do now.
func (w *world) settle(ctx context.Context, work bool) error {
	for {
		if err := w.sandbox.Settle(ctx); err != nil {
			return err
		}
		if work {
			if err := w.jobs.workOff(ctx, w.queues(), w.blame); err != nil {
				return err
			}
		}
		due, waiting := w.sandbox.NextDue()
		if !waiting || due.After(w.clock.Now()) {
			return nil
		}
	}
}

// blame writes down a job that failed by itself: with a database in good health none does.
func (w *world) blame(s scheduled, err error) {
	w.history.blame(broken("healthy", "%s failed by itself: %v", s, err))
}

// wait moves everybody's clock, stopping wherever somebody has something to do.
func (w *world) wait(ctx context.Context, d time.Duration) error {
	until := w.clock.Now().Add(d)
	for w.clock.Now().Before(until) {
		next, err := w.next(ctx)
		if err != nil {
			return err
		}
		if next.IsZero() || next.After(until) {
			next = until
		}
		if err := w.reach(ctx, next); err != nil {
			return err
		}
	}
	return nil
}

// reach moves everybody's clock to a moment and lets happen what is due then.
func (w *world) reach(ctx context.Context, at time.Time) error {
	w.clock.reach(at)
	if err := w.settle(ctx, true); err != nil {
		return err
	}
	if queues := w.queues(); !w.clock.Now().Before(w.upkeepAt) && len(queues) > 0 {
		w.upkeepAt = w.clock.Now().Add(time.Hour)
		return queues[0].upkeep(ctx)
	}
	return nil
}

// next is when somebody will have something to do; zero: nobody ever will.
func (w *world) next(ctx context.Context) (time.Time, error) {
	all, err := w.jobs.waiting(ctx)
	if err != nil {
		return time.Time{}, err
	}
	now := w.clock.Now()
	var next []time.Time
	if i := firstAfter(all, now); i < len(all) {
		next = append(next, all[i].At)
	}
	if due, ok := w.sandbox.NextDue(); ok && due.After(now) {
		next = append(next, due)
	}
	if len(next) == 0 {
		return time.Time{}, nil
	}
	return slices.MinFunc(next, time.Time.Compare), nil
}

// always checks what must hold at every moment.
func (w *world) always(ctx context.Context) error {
	if v := w.history.blamed(); v != nil {
		return v
	}
	b, err := w.provider.books(ctx)
	if err != nil {
		return err
	}
	if !b.Consistent {
		return broken("books", "the provider's own books do not add up, which is a defect of the sandbox: %q", b.Problems)
	}
	for _, a := range w.apps {
		a.inbox.mu.Lock()
		strange := slices.Clone(a.inbox.strange)
		a.inbox.mu.Unlock()
		if len(strange) > 0 {
			return broken("webhooks", "app %s received %s", a.id, strange[0])
		}
	}
	return w.closedThere(ctx)
}
