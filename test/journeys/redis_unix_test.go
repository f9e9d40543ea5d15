//go:build unix

package journeys_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tongbao-pay/tongbao/client"
	"github.com/tongbao-pay/tongbao/internal/redistest"
)

// rateLimit is per key and second, and twice as much at once: no customer of the traffic ever reaches it.
const rateLimit = 60

// traffic is customers who create and pay without pause. None of them repeats anything: every refusal is kept.
type traffic struct {
	mu       sync.Mutex
	tradeNos []string
	errs     []error
	ended    sync.WaitGroup
}

// traffic begins; each customer has a key of their own and buys until they are told to stop, or have sent as much as a key
// may send at once.
func (r *replicas) traffic(customers int, stop *atomic.Bool) *traffic {
	t := &traffic{}
	for range customers {
		_, secret := r.processes[0].createKey(shopApp)
		app := r.clientOf(client.Config{APIKey: secret, Tries: 1})
		t.ended.Go(func() {
			for n := 0; n < 2*rateLimit && !stop.Load(); n++ {
				tradeNo, err := r.buys(app)
				t.mu.Lock()
				t.tradeNos, t.errs = append(t.tradeNos, tradeNo), append(t.errs, err)
				t.mu.Unlock()
			}
		})
	}
	return t
}

func (r *replicas) buys(app *client.Client) (tradeNo string, err error) {
	p, err := app.CreatePayment(r.t.Context(), order(100))
	if err == nil && p.Status != client.PaymentPending {
		err = fmt.Errorf("payment %s is %s", p.ID, p.Status)
	}
	if err != nil {
		return "", err
	}
	return p.TradeNo, r.provider.call(http.MethodPost, "/wechatpay/pay", object{"out_trade_no": p.TradeNo, "result": "success"}, nil)
}

// The marks of trade numbers: who counted them.
const (
	countedByDatabase = 'P'
	countedByRedis    = 'Q'
)

func (t *traffic) counted(mark byte) (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, no := range t.tradeNos {
		if len(no) == 32 && no[20] == mark {
			n++
		}
	}
	return n
}

// goesOn waits for another n numbers of a mark.
func (t *traffic) goesOn(test *testing.T, mark byte, n int) {
	test.Helper()
	before := t.counted(mark)
	eventually(test, func() error {
		if now := t.counted(mark); now < before+n {
			return fmt.Errorf("%d numbers with mark %c, want %d more than %d", now, mark, n, before)
		}
		return nil
	})
}

const degraded = "redis does not answer"

// lacksRedis is nil when the process knows that Redis is down, hasRedis when it uses it.
func (p *process) lacksRedis() error { return p.says(degraded, true) }
func (p *process) hasRedis() error   { return p.says(degraded, false) }

func (p *process) says(text string, want bool) error {
	said, err := p.readiness()
	if err == nil && strings.Contains(said, text) != want {
		err = fmt.Errorf("/readyz says %q", said)
	}
	return err
}

// passes are how many of the most that one replica lets a key send at once are let in at each replica.
func (r *replicas) passes(t *testing.T) (n int64) {
	t.Helper()
	_, secret := r.processes[0].createKey(shopApp)
	var passed atomic.Int64
	var all sync.WaitGroup
	for _, p := range r.processes {
		app := r.newClient(client.Config{BaseURL: "http://" + p.address, APIKey: secret, Tries: 1})
		for range 2 * rateLimit {
			all.Go(func() {
				_, err := app.ListWebhookEndpoints(t.Context())
				refusal, limited := asRefusal(err)
				switch {
				case err == nil:
					passed.Add(1)
				case !limited || refusal.Code != client.CodeRateLimited:
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	return passed.Load()
}

func TestRedisKilledUnderTrafficIsMissedByNobody(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	r := openReplicas(t, 3, newPostgres(t), func(*world, *process) []string {
		return []string{"TONGBAO_REDIS_URL=" + redis.URL(), fmt.Sprintf("TONGBAO_RATE_LIMIT=%d", rateLimit)}
	})
	id, secret := r.processes[0].createKey(signerApp)
	recorded := &tape{}
	signed := r.clientOf(client.Config{KeyID: id, APIKey: secret, Tries: 1, HTTPClient: &http.Client{Transport: recorded}})
	onceOnly := func(when string) {
		t.Helper()
		if _, err := signed.ListPayments(t.Context(), client.PaymentQuery{}); err != nil {
			t.Errorf("%s, a signed request: %v", when, err)
		}
	}
	replayed := func(when string) {
		t.Helper()
		for range r.processes { // one after the other is asked
			if status, _, _ := recorded.again(t); status != http.StatusUnauthorized {
				t.Errorf("%s, the same signed request again: %d", when, status)
			}
		}
	}
	const all = 3 * 2 * rateLimit
	eventually(t, func() error { // a busy machine may take Redis for dead at times
		if n := r.passes(t); n >= all {
			return errors.New("the replicas do not share a limit")
		}
		return nil
	})
	var stop atomic.Bool
	traffic := r.traffic(4, &stop)
	traffic.goesOn(t, countedByRedis, 10)
	onceOnly("with Redis")

	redis.Kill(t)
	for _, p := range r.processes {
		eventually(t, p.lacksRedis)
	}
	traffic.goesOn(t, countedByDatabase, 10)
	replayed("Redis is dead and so is what it knew")
	onceOnly("without Redis")
	if n := r.passes(t); n != all {
		t.Errorf("without Redis %d of %d requests were let in, though each replica has a limit of its own", n, all)
	}

	redis.Restart(t)
	for _, p := range r.processes {
		eventually(t, p.hasRedis)
	}
	replayed("Redis is back and has forgotten")
	traffic.goesOn(t, countedByRedis, 10)
	onceOnly("with Redis again")
	replayed("with Redis again")
	stop.Store(true)
	traffic.ended.Wait()

	if err := errors.Join(traffic.errs...); err != nil {
		t.Errorf("somebody was refused: %v", err)
	}
	distinct := map[string]bool{}
	for _, no := range traffic.tradeNos {
		distinct[no] = true
	}
	if orders := r.provider.books().Orders; len(distinct) != len(traffic.tradeNos) || orders != len(distinct) {
		t.Errorf("%d creates have %d numbers and %d orders", len(traffic.tradeNos), len(distinct), orders)
	}
	r.reconcile()
}
