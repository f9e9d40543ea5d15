package webhook

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestGates(t *testing.T) {
	t.Parallel()

	t.Run("SlowEndpointHoldsItsOwnSlotsAlone", func(t *testing.T) {
		t.Parallel()
		b := setup(t, func(c *Config) { c.SlotsPerEndpoint = 1 })
		arrived, release := make(chan bool), make(chan bool)
		slow := newApp(t, func(http.ResponseWriter, *http.Request) {
			arrived <- true
			<-release
		})
		quick := newApp(t, nil)
		slowEndpoint, _ := b.endpoint(t, slow.URL)
		quickEndpoint, _ := b.endpoint(t, quick.URL)
		first, second, third := b.webhook(slowEndpoint), b.webhook(slowEndpoint), b.webhook(quickEndpoint)
		done := make(chan error)
		go func() {
			_, err := b.Deliver(t.Context(), shop, first)
			done <- err
		}()
		<-arrived

		again, err := b.Deliver(t.Context(), shop, second)
		if wait := again.Sub(b.clock.Now()); err != nil || wait != turnDelay {
			t.Errorf("the second waits %v, %v", wait, err)
		}
		if w := b.store.webhooks[second]; w.Tries != 0 || w.State != Pending || len(b.store.deliveries) != 0 {
			t.Errorf("waiting counted as a try: %+v", w)
		}
		if d, _ := b.deliver(t, third); !d.Success {
			t.Errorf("another endpoint suffers: %+v", d)
		}
		close(release)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		go func() { <-arrived }()
		if d, _ := b.deliver(t, second); !d.Success {
			t.Errorf("the slot was not given back: %+v", d)
		}
		for id, g := range b.gates.of {
			if g.taken != 0 {
				t.Errorf("%s has %d slots left behind", id, g.taken)
			}
		}
	})

	t.Run("FiveFailuresInARowLetOnlyProbesThroughEverMoreRarely", func(t *testing.T) {
		t.Parallel()
		g, now := newGates(8), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		fails(t, g, now, breakAfter)
		for _, seconds := range []int{5, 10, 20, 40, 80, 160, 300, 300} {
			want := time.Duration(seconds) * time.Second
			turn, ok := comes(g, one, now)
			if wait := turn.Sub(now); ok || wait < want || wait > want+want/10+paceMax {
				t.Fatalf("let through %t, or waits %v, want %v", ok, wait, want)
			}
			now = turn
			enters(t, g, now)
			g.leave(one.ID, failing, now, now)
		}
	})

	t.Run("NothingIsTriedBesideAProbe", func(t *testing.T) {
		t.Parallel()
		g, now := newGates(8), time.Now()
		fails(t, g, now, breakAfter)
		now = now.Add(time.Minute)
		enters(t, g, now)
		if turn, ok := comes(g, one, now); ok || turn.Sub(now) != tryMax {
			t.Errorf("let through %t, or waits %v", ok, turn.Sub(now))
		}
		if _, ok := comes(g, one, now.Add(time.Hour)); ok {
			t.Error("a probe that is slow to end got company")
		}
	})

	t.Run("FailuresThatAreNotInARowOpenNothing", func(t *testing.T) {
		t.Parallel()
		g, now := newGates(8), time.Now()
		for range 10 {
			fails(t, g, now, breakAfter-1)
			enters(t, g, now)
			g.leave(one.ID, healthy, now, now)
		}
		enters(t, g, now)
	})

	t.Run("TriesThatBeganBeforeTheBreakerOpenedDoNotPutTheProbeOff", func(t *testing.T) {
		t.Parallel()
		g, now := newGates(8), time.Now()
		for range 8 {
			enters(t, g, now)
		}
		for range 8 {
			g.leave(one.ID, failing, now, now)
		}
		if turn, _ := comes(g, one, now); turn.Sub(now) > 6*time.Second {
			t.Errorf("waits %v", turn.Sub(now))
		}
	})

	t.Run("ProbeThatSucceedsLetsEverybodyThrough", func(t *testing.T) {
		t.Parallel()
		g, now := newGates(2), time.Now()
		fails(t, g, now, breakAfter)
		for range 1000 {
			comes(g, one, now)
		}
		now = now.Add(time.Minute)
		enters(t, g, now)
		g.leave(one.ID, healthy, now, now)
		enters(t, g, now)
		enters(t, g, now)
		if turn, ok := comes(g, one, now); ok || turn.Sub(now) != turnDelay {
			t.Errorf("let through %t, or waits %v behind those of before", ok, turn.Sub(now))
		}
	})

	t.Run("ProbeThatWasBrokenOffSaysNothing", func(t *testing.T) {
		t.Parallel()
		g, now := newGates(8), time.Now()
		fails(t, g, now, breakAfter)
		now = now.Add(time.Minute)
		enters(t, g, now)
		g.leave(one.ID, unknown, now, now)
		if turn, ok := comes(g, one, now); ok || turn.Sub(now) != tryMax {
			t.Errorf("let through %t, or waits %v", ok, turn.Sub(now))
		}
	})

	t.Run("ChangedEndpointIsJudgedAfreshButKeepsItsSlots", func(t *testing.T) {
		t.Parallel()
		g, now := newGates(2), time.Now()
		enters(t, g, now)
		fails(t, g, now, breakAfter)
		changed := one
		changed.Version++
		if _, ok := comes(g, changed, now); !ok {
			t.Error("the changed endpoint is not tried")
		}
		if _, ok := comes(g, changed, now); ok {
			t.Error("the change made a third slot")
		}
	})

	t.Run("HastenedProbeIsDueNow", func(t *testing.T) {
		t.Parallel()
		g, now := newGates(8), time.Now()
		g.hasten(one.ID, now)
		fails(t, g, now, breakAfter)
		g.hasten(one.ID, now)
		enters(t, g, now)
	})

	t.Run("TurnsFollowAtTheEndpointsPaceAndStartOverAfterAnHour", func(t *testing.T) {
		t.Parallel()
		for took, pace := range map[time.Duration]time.Duration{
			0: paceMin, 40 * time.Millisecond: paceMin, 80 * time.Millisecond: 10 * time.Millisecond, 15 * time.Second: paceMax,
		} {
			g, now := newGates(8), time.Now()
			enters(t, g, now)
			g.leave(one.ID, healthy, now.Add(-took), now)
			for range 8 {
				enters(t, g, now)
			}
			waiting := int((turnMax-turnDelay)/pace) + 1
			for i := range 2 * waiting {
				turn, ok := comes(g, one, now)
				if want := turnDelay + time.Duration(i%waiting)*pace; ok || turn.Sub(now) != want {
					t.Fatalf("took %v: number %d let through %t, or waits %v, want %v", took, i, ok, turn.Sub(now), want)
				}
			}
		}
	})

	t.Run("SlotThatIsNearIsWaitedForInTheOrderOfArrival", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			g := newGates(1)
			enters(t, g, time.Now())
			g.leave(one.ID, healthy, time.Now(), time.Now())
			enters(t, g, time.Now())
			var passed []int
			var waiting sync.WaitGroup
			for i := range 5 {
				waiting.Go(func() {
					if _, ok := g.pass(t.Context(), one, time.Now); !ok {
						t.Errorf("number %d was turned away", i)
					}
					began := time.Now()
					passed = append(passed, i) // the slot is one alone
					<-time.After(10 * time.Millisecond)
					g.leave(one.ID, healthy, began, time.Now())
				})
				synctest.Wait()
			}
			g.leave(one.ID, healthy, time.Now(), time.Now())
			waiting.Wait()
			if !slices.Equal(passed, []int{0, 1, 2, 3, 4}) || g.of[one.ID].taken != 0 {
				t.Errorf("they passed as %v, and %d slots are taken", passed, g.of[one.ID].taken)
			}
		})
	})

	t.Run("LineForASlotThatDoesNotComeIsLeftForATurn", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			g, began := newGates(1), time.Now()
			enters(t, g, began)
			var turnedAway sync.WaitGroup
			for range 100 {
				turnedAway.Go(func() {
					if turn, ok := g.pass(t.Context(), one, time.Now); ok || turn.Sub(began) < turnDelay {
						t.Errorf("let through %t, or waits %v", ok, turn.Sub(began))
					}
				})
			}
			turnedAway.Wait()
			if waited := time.Since(began); waited != lineFor || len(g.of[one.ID].line) != 0 {
				t.Errorf("they waited %v, %d still do", waited, len(g.of[one.ID].line))
			}
		})
	})

	t.Run("MemoryIsBoundedAndTriesUnderWayAreKept", func(t *testing.T) {
		t.Parallel()
		g, now := newGates(1), time.Now()
		enters(t, g, now)
		for i := range 3 * gatesMax {
			id := fmt.Sprint("whe_", i)
			comes(g, Endpoint{ID: id, Version: 1}, now)
			g.leave(id, failing, now, now)
		}
		if len(g.of) > gatesMax {
			t.Errorf("%d gates", len(g.of))
		}
		if _, ok := comes(g, one, now); ok {
			t.Error("a try under way was forgotten")
		}
	})
}

var one = Endpoint{ID: "whe_one", Version: 1}

// comes is enter for who does not stand in line.
func comes(g *gates, e Endpoint, now time.Time) (turn time.Time, ok bool) {
	place, turn, ok := g.enter(e, now)
	if place != nil {
		return g.stepOut(e.ID, place, now)
	}
	return turn, ok
}

func enters(t *testing.T, g *gates, now time.Time) {
	t.Helper()
	if turn, ok := comes(g, one, now); !ok {
		t.Fatalf("not let through for %v", turn.Sub(now))
	}
}

func fails(t *testing.T, g *gates, now time.Time, times int) {
	t.Helper()
	for range times {
		enters(t, g, now)
		g.leave(one.ID, failing, now, now)
	}
}

// TestHangingEndpoint plays the workers of one process, on a clock of its own.
func TestHangingEndpoint(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const (
			backlog = 7000
			workers = 64
			hangs   = 30 * time.Minute
		)
		began := time.Now()
		var healed atomic.Bool
		b := setup(t, func(c *Config) {
			c.Now = time.Now
			instead(func(r *http.Request) (*http.Response, error) {
				if r.URL.Host == "hanging.example.com" && !healed.Load() {
					<-r.Context().Done()
					return nil, r.Context().Err()
				}
				<-time.After(20 * time.Millisecond)
				return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
			})(c)
		})
		b.clock.set(began)
		hanging, _ := b.endpoint(t, "https://hanging.example.com/")
		quick, _ := b.endpoint(t, "https://quick.example.com/")

		worker := make(chan bool, workers)
		var jobs sync.WaitGroup
		var mu sync.Mutex
		wakeUps := map[int]int{} // of the hanging endpoint, by minute
		work := func(id string, e Endpoint) {
			for {
				worker <- true
				again, err := b.Deliver(t.Context(), shop, id)
				<-worker
				if err != nil {
					t.Error(err)
				}
				if e.ID == hanging.ID {
					mu.Lock()
					wakeUps[int(time.Since(began)/time.Minute)]++
					mu.Unlock()
				}
				if again.IsZero() {
					return
				}
				<-time.After(time.Until(again))
			}
		}
		for range backlog {
			id := b.webhook(hanging)
			jobs.Go(func() { work(id, hanging) })
		}
		for range int(hangs / time.Second) {
			<-time.After(time.Second)
			b.clock.set(time.Now())
			id := b.webhook(quick)
			jobs.Go(func() { work(id, quick) })
		}
		healed.Store(true)
		healedAt := time.Now()
		jobs.Wait()

		const most = 60*int(time.Second/paceMax) + 20 // what was tried comes back by its own schedule
		for minute := 1; minute < int(hangs/time.Minute); minute++ {
			if n := wakeUps[minute]; n == 0 || n > most {
				t.Errorf("%d wake-ups in minute %d", n, minute)
			}
		}
		if n := wakeUps[0]; n > backlog+most {
			t.Errorf("%d wake-ups in the first minute", n)
		}
		firstTryOnly := map[string]bool{}
		for _, d := range b.store.deliveries {
			late := d.At.Sub(b.store.webhooks[d.WebhookID].CreatedAt)
			if d.EndpointID == quick.ID && (!d.Success || late > time.Second) {
				t.Fatalf("another endpoint suffers: tried %v late: %+v", late, d)
			}
			if d.EndpointID == hanging.ID && d.Try == 1 && d.Success {
				firstTryOnly[d.WebhookID] = true
				if wait := d.At.Sub(healedAt); wait > 15*time.Minute {
					t.Fatalf("delivered %v after the endpoint healed", wait)
				}
			}
		}
		if len(firstTryOnly) < backlog-50 {
			t.Errorf("%d of %d were never tried while the endpoint hung", len(firstTryOnly), backlog)
		}
		for id, w := range b.store.webhooks {
			if w.State != Delivered {
				t.Fatalf("%s is %s", id, w.State)
			}
		}
	})
}
