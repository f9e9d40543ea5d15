package webhook

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

// dead stores a webhook that was given up.
func (b *bundle) dead(e Endpoint) (id string) {
	id = b.webhook(e)
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	w := b.store.webhooks[id]
	w.State, w.Tries, w.NextTryAt = Dead, 10, time.Time{}
	b.store.webhooks[id] = w
	return id
}

func TestRetryDead(t *testing.T) {
	t.Parallel()

	retry := func(t *testing.T, b *bundle, e Endpoint, since time.Time, want int) {
		t.Helper()
		if n, more, err := b.RetryDead(t.Context(), shop, e.ID, since); err != nil || n != want || more {
			t.Fatalf("%d retried, more %t, %v; want %d", n, more, err, want)
		}
	}

	t.Run("DeadWebhooksSinceATimeAreSentAgainNowAndOnce", func(t *testing.T) {
		t.Parallel()
		a, b := newApp(t, nil), setup(t, nil)
		e, _ := b.endpoint(t, a.URL)
		other, _ := b.endpoint(t, a.URL)
		old := b.dead(e)
		b.clock.advance(time.Hour)
		since := b.clock.Now()
		again := []string{b.dead(e), b.dead(e)}
		foreign, pending := b.dead(other), b.webhook(e)
		b.clock.advance(time.Hour)
		retry(t, b, e, since, len(again))
		retry(t, b, e, since, 0)
		for _, id := range again {
			if d, _ := b.deliver(t, id); !d.Success || d.Try != 1 {
				t.Errorf("got %+v", d)
			}
		}
		for id, want := range map[string]State{old: Dead, foreign: Dead, pending: Pending} {
			if got := b.state(id); got != want {
				t.Errorf("%s is %s, want %s", id, got, want)
			}
		}
		retry(t, b, e, time.Time{}, 1)
	})

	t.Run("OneCallIsBoundedAndSaysThatThereAreMore", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		e, _ := b.endpoint(t, "https://shop.example.com/")
		for range RetryDeadMax + 1 {
			b.dead(e)
		}
		if n, more, err := b.RetryDead(t.Context(), shop, e.ID, time.Time{}); err != nil || n != RetryDeadMax || !more {
			t.Fatalf("%d retried, more %t, %v", n, more, err)
		}
		retry(t, b, e, time.Time{}, 1)
	})

	t.Run("EndpointThatKeptFailingIsProbedAtOnce", func(t *testing.T) {
		t.Parallel()
		a, b := newApp(t, status(500)), setup(t, nil)
		e, _ := b.endpoint(t, a.URL)
		for range breakAfter {
			b.deliver(t, b.webhook(e))
		}
		id := b.dead(e)
		a.answers(nil)
		retry(t, b, e, time.Time{}, 1)
		if d, _ := b.deliver(t, id); !d.Success {
			t.Errorf("got %+v", d)
		}
	})

	t.Run("DisabledEndpointIsEnabledFirst", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		e, _ := b.endpoint(t, "https://shop.example.com/")
		id := b.dead(e)
		for _, disabled := range []bool{true, false} {
			if _, err := b.UpdateEndpoint(t.Context(), shop, e.ID, EndpointSettings{Disabled: &disabled}); err != nil {
				t.Fatal(err)
			}
			if !disabled {
				break
			}
			_, _, err := b.RetryDead(t.Context(), shop, e.ID, time.Time{})
			mustAnswer(t, err, payment.CodeInvalid, "")
			if b.state(id) != Dead {
				t.Errorf("it is %s", b.state(id))
			}
		}
		retry(t, b, e, time.Time{}, 1)
	})

	t.Run("UnknownAndForeignEndpointsAreNotFound", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		e, _ := b.endpoint(t, "https://shop.example.com/")
		b.dead(e)
		_, _, err := b.RetryDead(t.Context(), "other", e.ID, time.Time{})
		mustAnswer(t, err, payment.CodeNotFound, "")
		_, _, err = b.RetryDead(t.Context(), shop, "whe_x", time.Time{})
		mustAnswer(t, err, payment.CodeNotFound, "")
	})

	t.Run("StoreThatIsDownIsAnError", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		e, _ := b.endpoint(t, "https://shop.example.com/")
		b.store.down = errors.New("down")
		if _, _, err := b.RetryDead(t.Context(), shop, e.ID, time.Time{}); !errors.Is(err, b.store.down) {
			t.Errorf("got %v", err)
		}
	})
}

func TestQueueBehindAnEndpointThatFailsForDays(t *testing.T) {
	t.Parallel()

	// broken has an endpoint whose breaker is open, and returns a webhook that waits behind it.
	broken := func(t *testing.T) (b *bundle, waiting string) {
		t.Helper()
		a := newApp(t, status(500))
		b = setup(t, nil)
		e, _ := b.endpoint(t, a.URL)
		waiting = b.webhook(e)
		b.clock.advance(roundMax)
		for range breakAfter {
			b.deliver(t, b.webhook(e))
		}
		return b, waiting
	}
	// turn lets the webhook ask for its turn while another one's probe is under way.
	turn := func(t *testing.T, b *bundle, id string) time.Time {
		t.Helper()
		e := b.store.endpoints[b.store.webhooks[id].EndpointID]
		if _, ok := comes(b.gates, e, b.clock.Now()); ok {
			defer func() { b.gates.leave(e.ID, failing, b.clock.Now(), b.clock.Now()) }()
		}
		again, err := b.Deliver(t.Context(), shop, id)
		if err != nil {
			t.Fatal(err)
		}
		return again
	}

	t.Run("IsGivenUpWhenTheScheduleWouldBeUsedUpAndCanBeRetried", func(t *testing.T) {
		t.Parallel()
		b, id := broken(t)
		b.clock.advance(downMin)
		if again := turn(t, b, id); !again.IsZero() || b.state(id) != Dead {
			t.Fatalf("%s, again %v", b.state(id), again)
		}
		d := b.store.deliveries[len(b.store.deliveries)-1]
		if d.WebhookID != id || d.Success || d.StatusCode != 0 || !strings.HasPrefix(d.Error, "not sent: ") {
			t.Errorf("the list shows %+v", d)
		}
		if err := b.Retry(t.Context(), shop, d.ID); err != nil {
			t.Fatal(err)
		}
		if again := turn(t, b, id); again.IsZero() || b.state(id) != Pending {
			t.Errorf("a retry has a schedule of its own: %s, again %v", b.state(id), again)
		}
	})

	t.Run("WaitsUntilTheScheduleWouldBeUsedUp", func(t *testing.T) {
		t.Parallel()
		b, id := broken(t)
		b.clock.advance(downMin)
		w := b.store.webhooks[id]
		w.RoundBegan = b.clock.Now().Add(-roundMax)
		b.store.webhooks[id] = w
		if again := turn(t, b, id); again.IsZero() || b.state(id) != Pending {
			t.Errorf("%s, again %v", b.state(id), again)
		}
	})

	t.Run("GetsItsChanceWhereTheGatewayWasDownItself", func(t *testing.T) {
		t.Parallel()
		b, id := broken(t)
		b.clock.advance(downMin - time.Second)
		if again := turn(t, b, id); again.IsZero() || b.state(id) != Pending {
			t.Errorf("%s, again %v", b.state(id), again)
		}
	})

	t.Run("IsNotGivenUpBehindASlowEndpoint", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		e, _ := b.endpoint(t, "https://shop.example.com/")
		id := b.webhook(e)
		b.clock.advance(2 * roundMax)
		for range b.gates.slots {
			comes(b.gates, e, b.clock.Now())
		}
		if again, err := b.Deliver(t.Context(), shop, id); err != nil || again.IsZero() || b.state(id) != Pending {
			t.Errorf("%s, again %v, %v", b.state(id), again, err)
		}
	})

	t.Run("TheScheduleEndsBeforeItIsGivenUp", func(t *testing.T) {
		t.Parallel()
		var longest time.Duration
		for tries := 1; ; tries++ {
			delay, ok := retryDelay(tries)
			if !ok {
				break
			}
			longest += delay + delay/10 + tryMax
		}
		if longest > roundMax || roundMax-longest > time.Hour {
			t.Errorf("the schedule takes up to %v, and a queue is given up after %v", longest, roundMax)
		}
	})
}
