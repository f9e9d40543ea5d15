package journeys_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/client"
	"github.com/tongbao-pay/tongbao/internal/config"
	"github.com/tongbao-pay/tongbao/internal/server"
)

// otherAccountID is a second account, which reaches the provider through its backup host alone; the first then has only
// the primary one.
const otherAccountID = "wechat-other"

// apart gives each of two accounts a host of its own.
func (w *world) apart(o *server.Options) {
	w.t.Helper()
	path := w.configurationFile(w.config.Database.Reveal(), anyPort)
	raw, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	p := w.sandbox.Credentials().WeChatPay
	text, account, found := strings.Cut(string(raw), "accounts:\n")
	if !found {
		w.t.Fatal("the configuration has no accounts")
	}
	at := func(account, id, host string) string {
		account = strings.ReplaceAll(account, accountID, id)
		account = strings.ReplaceAll(account, fmt.Sprintf("base_url: %q", p.BaseURL), fmt.Sprintf("base_url: %q", host))
		return strings.ReplaceAll(account, fmt.Sprintf("    backup_url: %q\n", p.BackupURL), "")
	}
	text += "accounts:\n" + at(account, accountID, p.BaseURL) + at(account, otherAccountID, p.BackupURL)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if o.Config, err = config.Load(path, nil); err != nil {
		w.t.Fatal(err)
	}
}

// orderAt is a request for a native payment through an account.
func orderAt(account string) client.CreatePayment {
	o := order(100)
	o.Account = account
	return o
}

// onOne is for long journeys of what stands before a provider and knows nothing of databases: one engine proves
// as much as two.
func onOne(t *testing.T, journey func(*testing.T, engine)) {
	t.Helper()
	t.Parallel()
	journey(t, onPostgres)
}

func TestAnAccountWhoseProviderIsDownTroublesNoOther(t *testing.T) {
	onOne(t, func(t *testing.T, e engine) {
		w := openProvider(t, e)
		w.config = w.configure(w.engine.database(t), anyPort)
		w.gateway = w.serve(w.apart)
		w.store = w.gateway.Store
		w.client, w.once = w.clientOf(shopApp, 0), w.clientOf(shopApp, 1)
		w.inbox = openInbox(t, w.client)
		w.provider.fault(object{"operation": "notify/*", "effect": "withhold"})

		var waiting []*client.Payment // which only their jobs can settle
		for range 15 {
			p, err := w.client.CreatePayment(t.Context(), orderAt(accountID))
			if err != nil {
				t.Fatal(err)
			}
			w.provider.pays(p.TradeNo)
			waiting = append(waiting, p)
		}
		w.provider.set(object{"hosts": object{"primary": object{"state": "error"}}})
		w.createsUntilHeld()

		request := orderAt(accountID)
		_, err := w.once.CreatePayment(t.Context(), request)
		refusal := refusalOf(t, err, http.StatusServiceUnavailable, client.CodeChannelUnavailable)
		if refusal.RetryAfter == 0 || refusal.PaymentID == "" {
			t.Errorf("with payment %q, come again in %s", refusal.PaymentID, refusal.RetryAfter)
		}
		held := w.show(refusal.PaymentID, client.PaymentProcessing)
		if sent := w.provider.journal("operation", "prepay", "out_trade_no", held.TradeNo); len(sent) != 0 {
			t.Errorf("the provider was asked for it all the same: %+v", sent)
		}
		w.metric(fmt.Sprintf(`tongbao_channel_breaker_state{account=%q,channel="wechat"}`, accountID), 2)

		well, err := w.once.CreatePayment(t.Context(), orderAt(otherAccountID))
		if err != nil || well.Status != client.PaymentPending {
			t.Fatalf("the other account: %v, %v", well, err)
		}
		w.provider.pays(well.TradeNo)
		if synced := w.sync(well); synced.Status != client.PaymentSucceeded {
			t.Fatalf("the other account's payment is %s", synced.Status)
		}
		w.metric(fmt.Sprintf(`tongbao_channel_breaker_state{account=%q,channel="wechat"}`, otherAccountID), 0)
		w.asksAreHeld()

		w.provider.set(object{"hosts": object{"primary": object{"state": "up"}}})
		for _, p := range waiting {
			w.inbox.wait(client.EventPaymentSucceeded, p.ID)
		}
		eventually(t, func() error {
			p, err := w.once.CreatePayment(t.Context(), request)
			if err == nil && (p.ID != held.ID || p.TradeNo != held.TradeNo || p.Status != client.PaymentPending) {
				err = fmt.Errorf("the create that was held back became %s (%s), %s", p.ID, p.TradeNo, p.Status)
			}
			return err
		})
		if p, err := w.once.CreatePayment(t.Context(), orderAt(accountID)); err != nil || p.Status != client.PaymentPending { // the second probe
			t.Errorf("%v, %v", p, err)
		}
		w.metric(fmt.Sprintf(`tongbao_channel_breaker_state{account=%q,channel="wechat"}`, accountID), 0)
		w.reconcile()
	})
}

// createsUntilHeld creates payments through the account whose provider is down until its breaker opens.
func (w *world) createsUntilHeld() {
	w.t.Helper()
	eventually(w.t, func() error {
		var all sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			all.Go(func() { _, errs[i] = w.once.CreatePayment(w.t.Context(), orderAt(accountID)) })
		}
		all.Wait()
		if errors.Join(errs...) == nil {
			return errors.New("every create was passed on")
		}
		return nil
	})
}

// asksAreHeld waits until a question of a job is held back by the breaker.
func (w *world) asksAreHeld() {
	w.t.Helper()
	eventually(w.t, func() error {
		if w.gateway.metrics(w.t)[`tongbao_channel_held_total{channel="wechat",operation="query",reason="breaker"}`] == 0 {
			return errors.New("no ask was held back")
		}
		return nil
	})
}

func TestAStormAgainstAProviderThatIsDownStaysSmall(t *testing.T) {
	onOne(t, func(t *testing.T, e engine) {
		w := open(t, e)
		w.create(100) // keys and connections are there
		down := object{"state": "error"}
		w.provider.set(object{"hosts": object{"primary": down, "backup": down}})

		const creates = 200
		before := len(w.provider.journal("operation", "prepay"))
		refused := make(chan bool, creates)
		slots := make(chan struct{}, 8)
		for range creates {
			go func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				_, err := w.once.CreatePayment(context.WithoutCancel(t.Context()), order(100))
				problem, ok := errors.AsType[*client.Error](err)
				refused <- ok && problem.Code == client.CodeChannelUnavailable
			}()
		}
		held := 0
		for range creates {
			if <-refused {
				held++
			}
		}
		// One by one they would be 600. Those before the breaker opened are its ten and what was under way beside them, each
		// with two repeats at most as long as the budget has some; then there are probes, more of them on a slow machine.
		if sent := len(w.provider.journal("operation", "prepay")) - before; sent > creates || held < creates/2 {
			t.Errorf("of %d creates %d were held back and %d requests sent", creates, held, sent)
		}
		up := object{"state": "up"}
		w.provider.set(object{"hosts": object{"primary": up, "backup": up}})
		w.reconcile()
	})
}

func TestRefundsThatKeepFailingLetTheOthersPass(t *testing.T) {
	onOne(t, func(t *testing.T, e engine) {
		var clock clock
		w := open(t, e, clock.set)
		w.provider.set(object{"rate_limits": true, "refund_interval": "0s"})
		const failing = 30
		p, other := w.paid(100*failing), w.paid(100)
		w.provider.fault(object{"operation": "refund", "effect": "status", "status": 403, "code": "NOT_ENOUGH", "match": object{"out_trade_no": p.TradeNo}})
		var refunds []*client.Refund
		for range failing {
			r, err := w.client.CreateRefund(t.Context(), client.CreateRefund{PaymentID: p.ID, OutRefundNo: number("refund"), Amount: 100})
			if err != nil || r.Status != client.RefundPending {
				t.Fatalf("%v, %v", r, err)
			}
			refunds = append(refunds, r)
		}
		clock.advance(105 * time.Second) // nobody can be sending them any more; those refused again are due soon
		w.refund(other, 100)
		w.provider.must(http.MethodDelete, "/faults", nil, nil)
		for _, r := range refunds {
			eventually(t, func() error {
				now, err := w.client.Refund(t.Context(), r.ID)
				if err == nil && now.Status == client.RefundPending {
					err = errors.New("the refund is pending")
				}
				return err
			})
		}
		var failed []time.Time
		for _, sent := range w.provider.journal("operation", "refund") {
			if sent.Status == http.StatusTooManyRequests {
				t.Errorf("the provider was asked too fast: %+v", sent)
			}
			if sent.Code == "NOT_ENOUGH" {
				failed = append(failed, sent.Time)
			}
		}
		const most = 15 // in a second: 4 at once and then 6, and the delays of a busy machine
		again := failed[failing:]
		for i := most; i < len(again); i++ {
			if took := again[i].Sub(again[i-most]); took < time.Second {
				t.Errorf("%d refunds that had failed were sent again within %s", most+1, took)
			}
		}
		w.provider.advance(refundSettles)
		for _, r := range refunds {
			w.inbox.wait(client.EventRefundSucceeded, r.ID)
		}
		w.reconcile()
	})
}
