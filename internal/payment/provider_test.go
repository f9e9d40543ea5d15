package payment_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/money"
	"github.com/tongbao-pay/tongbao/internal/payment"
)

// effect is what the provider does with one call instead of answering it.
type effect struct {
	outcome  payment.Outcome
	code     string
	executed bool            // carried out before the answer was lost
	hold     <-chan struct{} // wait for it before anything else; nil: do not
	entered  chan<- struct{} // closed when the call has begun; nil: nobody waits
	answer   bool            // after hold, answer as usual
	wait     time.Duration   // not sent: come back after it
}

// lostAnswer and lostRequest are the two ways to be left without an answer.
func lostAnswer() effect  { return effect{outcome: payment.Unknown, executed: true} }
func lostRequest() effect { return effect{outcome: payment.Unknown} }
func refusal(code string) effect {
	return effect{outcome: payment.Refused, code: code}
}

// heldBack is a call that was not sent.
func heldBack(wait time.Duration) effect { return effect{outcome: payment.Retry, wait: wait} }

func later(code string) effect { return effect{outcome: payment.Retry, code: code} }

// slow lets a test stand between a call's begin and its execution.
func slow() (e effect, entered <-chan struct{}, release func()) {
	begun, hold := make(chan struct{}), make(chan struct{})
	return effect{hold: hold, entered: begun, answer: true}, begun, sync.OnceFunc(func() { close(hold) })
}

// provider is a payment provider in memory that holds its merchant to the rules: one number, one content; one
// intent, one number; never more back than came in.
type provider struct {
	t   testing.TB
	now func() time.Time

	mu         sync.Mutex
	dead       bool // our own process died: no call goes out any more
	script     map[string][]effect
	calls      map[string]int
	orders     map[string]*order
	refunds    map[string]*refund
	intents    map[string]string // payment or refund id to its one number
	contents   map[string]string // number to its one content
	credential int
	distort    func(*payment.OrderReport)
	distortR   func(*payment.RefundReport)
	merchantID string // whose account it is now
	silent     string // the trade number of an order about which nothing is answered
}

type order struct {
	tradeNo, appID, transactionID string
	amount                        int64
	state                         payment.OrderState
	paidAt                        time.Time
}

type refund struct {
	refundNo, tradeNo string
	amount            int64
	state             payment.RefundState
	at                time.Time
}

func newProvider(t testing.TB, now func() time.Time) *provider {
	return &provider{
		merchantID: "1900000001",
		t:          t, now: now, script: map[string][]effect{}, calls: map[string]int{}, orders: map[string]*order{}, refunds: map[string]*refund{},
		intents: map[string]string{}, contents: map[string]string{},
	}
}

// next scripts the coming calls of an operation, one effect each.
func (v *provider) next(operation string, effects ...effect) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.script[operation] = append(v.script[operation], effects...)
}

func (v *provider) count(operation string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.calls[operation]
}

// call runs one operation under its scripted effect. execute is called with the lock held.
func (v *provider) call(ctx context.Context, operation string, execute func() error) error {
	v.mu.Lock()
	if v.dead {
		v.mu.Unlock()
		return context.Canceled
	}
	v.calls[operation]++
	e := effect{answer: true}
	if s := v.script[operation]; len(s) > 0 {
		e, v.script[operation] = s[0], s[1:]
	}
	v.mu.Unlock()
	if e.entered != nil {
		close(e.entered)
	}
	if e.hold != nil {
		select {
		case <-e.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if e.answer || e.executed {
		if err := execute(); e.answer {
			return err
		}
	}
	return &payment.ChannelError{Outcome: e.outcome, Code: e.code, Message: "as scripted", Wait: e.wait}
}

// oneNumber is the promise that a repeat carries the same number and the same content.
func (v *provider) oneNumber(intent, number, content string) {
	if first, known := v.intents[intent]; known && first != number {
		v.t.Errorf("%s was sent as %s and then as %s", intent, first, number)
	}
	if first, known := v.contents[number]; known && first != content {
		v.t.Errorf("%s was sent with %s and then with %s", number, first, content)
	}
	v.intents[intent], v.contents[number] = number, content
}

func (v *provider) Identity(payment.Product) (string, string, error) {
	return v.merchantID, "wx0001", nil
}

func (v *provider) Invoke(a *payment.Attempt) (json.RawMessage, error) {
	if a.Product == payment.Native {
		return nil, nil
	}
	if a.Credential.PrepayID == "" {
		return nil, errors.New("nothing to sign")
	}
	return json.RawMessage(`{"prepay_id":"` + a.Credential.PrepayID + `"}`), nil
}

func (v *provider) Place(ctx context.Context, p *payment.Payment, a *payment.Attempt) (c payment.Credential, err error) {
	err = v.call(ctx, "place", func() error {
		v.oneNumber(a.ID, a.TradeNo, fmt.Sprint(p.Amount, p.Currency, p.Description, a.Product, a.Payer, a.ClientIP, p.ExpiresAt, a.MerchantID, a.MerchantAppID))
		o := v.orders[a.TradeNo]
		if o == nil {
			o = &order{tradeNo: a.TradeNo, appID: a.MerchantAppID, amount: p.Amount, state: payment.OrderUnpaid}
			v.orders[a.TradeNo] = o
		}
		switch o.state {
		case payment.OrderPaid:
			return &payment.ChannelError{Outcome: payment.Refused, Code: "ORDERPAID"}
		case payment.OrderClosed:
			return &payment.ChannelError{Outcome: payment.Refused, Code: "ORDER_CLOSED"}
		case payment.OrderUnpaid, payment.OrderUnrecognised:
		}
		v.credential++
		c = payment.Credential{ExpiresAt: v.now().Add(10 * time.Minute).UTC().Truncate(time.Millisecond)}
		if a.Product == payment.Native {
			c.CodeURL = fmt.Sprintf("weixin://%d", v.credential)
		} else {
			c.PrepayID = fmt.Sprintf("wx%d", v.credential)
		}
		return nil
	})
	return c, err
}

func (v *provider) QueryOrder(ctx context.Context, a *payment.Attempt) (r payment.OrderReport, err error) {
	err = v.call(ctx, "query", func() error {
		if a.TradeNo == v.silent {
			return context.DeadlineExceeded
		}
		o := v.orders[a.TradeNo]
		if o == nil {
			return &payment.ChannelError{Outcome: payment.Absent, Code: "ORDER_NOT_EXIST"}
		}
		r = v.orderReport(o)
		return nil
	})
	return r, err
}

func (v *provider) orderReport(o *order) payment.OrderReport {
	r := payment.OrderReport{
		AccountID: "acc", MerchantID: "1900000001", MerchantAppID: o.appID, TradeNo: o.tradeNo, TransactionID: o.transactionID, State: o.state,
		StateText: string(o.state), Amount: o.amount, Currency: money.CNY, PaidAt: o.paidAt, Evidence: json.RawMessage(`{"order":1}`),
	}
	if v.distort != nil {
		v.distort(&r)
	}
	return r
}

func (v *provider) CloseOrder(ctx context.Context, a *payment.Attempt) error {
	return v.call(ctx, "close", func() error {
		o := v.orders[a.TradeNo]
		switch {
		case o == nil:
		case o.state == payment.OrderPaid:
			return &payment.ChannelError{Outcome: payment.Refused, Code: "ORDERPAID"}
		default:
			o.state = payment.OrderClosed
		}
		return nil
	})
}

func (v *provider) CreateRefund(ctx context.Context, p *payment.Payment, f *payment.Refund) (r payment.RefundReport, err error) {
	err = v.call(ctx, "refund", func() error {
		v.oneNumber(f.ID, f.RefundNo, fmt.Sprint(f.TradeNo, f.Amount, p.Amount, f.Currency, f.Reason))
		o := v.orders[f.TradeNo]
		if o == nil || o.state != payment.OrderPaid {
			return &payment.ChannelError{Outcome: payment.Refused, Code: "RESOURCE_NOT_EXISTS"}
		}
		made := v.refunds[f.RefundNo]
		if made == nil {
			sum := f.Amount
			for _, other := range v.refunds {
				if other.tradeNo == f.TradeNo && other.state != payment.RefundReportedClosed {
					sum += other.amount
				}
			}
			if sum > o.amount {
				v.t.Errorf("asked to refund %d of %d", sum, o.amount)
				return &payment.ChannelError{Outcome: payment.Refused, Code: "INVALID_REQUEST"}
			}
			made = &refund{refundNo: f.RefundNo, tradeNo: f.TradeNo, amount: f.Amount, state: payment.RefundReportedProcessing}
			v.refunds[f.RefundNo] = made
		}
		r = v.refundReport(made)
		return nil
	})
	return r, err
}

func (v *provider) QueryRefund(ctx context.Context, f *payment.Refund) (r payment.RefundReport, err error) {
	err = v.call(ctx, "query refund", func() error {
		made := v.refunds[f.RefundNo]
		if made == nil {
			return &payment.ChannelError{Outcome: payment.Absent, Code: "RESOURCE_NOT_EXISTS"}
		}
		r = v.refundReport(made)
		return nil
	})
	return r, err
}

func (v *provider) refundReport(f *refund) payment.RefundReport {
	o := v.orders[f.tradeNo]
	r := payment.RefundReport{
		AccountID: "acc", TradeNo: f.tradeNo, TransactionID: o.transactionID, RefundNo: f.refundNo, ChannelRefundID: "50" + f.refundNo,
		State: f.state, StateText: string(f.state), Amount: f.amount, Total: o.amount, SucceededAt: f.at, Evidence: json.RawMessage(`{"refund":1}`),
	}
	if v.distortR != nil {
		v.distortR(&r)
	}
	return r
}

// pay is the payer's act. It reports false where the order cannot be paid any more.
func (v *provider) pay(tradeNo string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	o := v.orders[tradeNo]
	if o == nil || o.state != payment.OrderUnpaid {
		return false
	}
	o.state, o.transactionID, o.paidAt = payment.OrderPaid, "4200"+tradeNo, v.now()
	return true
}

// payLate pays an order in whatever state, as money in flight does.
func (v *provider) payLate(tradeNo string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	o := v.orders[tradeNo]
	o.state, o.transactionID, o.paidAt = payment.OrderPaid, "4200"+tradeNo, v.now()
}

// silence lets questions about one order be without an answer, until it is called with another.
func (v *provider) silence(tradeNo string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.silent = tradeNo
}

// set moves an unpaid order without being asked to.
func (v *provider) set(tradeNo string, state payment.OrderState) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.orders[tradeNo].state = state
}

// settle ends a refund under way.
func (v *provider) settle(refundNo string, state payment.RefundState) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if f := v.refunds[refundNo]; f != nil && (f.state == payment.RefundReportedProcessing || f.state == payment.RefundReportedAbnormal) {
		f.state = state
		if state == payment.RefundReportedSucceeded {
			f.at = v.now()
		}
	}
}

// order is the report about an order as it stands.
func (v *provider) order(tradeNo string) (payment.OrderReport, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	o := v.orders[tradeNo]
	if o == nil {
		return payment.OrderReport{}, false
	}
	return v.orderReport(o), true
}

func (v *provider) refund(refundNo string) (payment.RefundReport, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f := v.refunds[refundNo]
	if f == nil {
		return payment.RefundReport{}, false
	}
	return v.refundReport(f), true
}

func (v *provider) sizes() (orders, refunds int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.orders), len(v.refunds)
}

// live revives or ends the connection to our process.
func (v *provider) live(alive bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.dead = !alive
}
