package webhook

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// breakAfter is how many failures in a row open an endpoint's breaker.
	breakAfter = 5
	// probeDelay is how long the open breaker waits before its first probe; it doubles with each that fails, up to
	// probeDelayMax.
	probeDelay    = 5 * time.Second
	probeDelayMax = 5 * time.Minute

	// turnDelay is the shortest wait of a webhook that may not be tried now; at turnMax the turns start over, so that
	// nobody waits longer. paceMin and paceMax bound the time between the turns of two that wait for the same endpoint:
	// it wakes 200 in a second at most, and 20 when it hangs or fails. Only more than turnMax/paceMax, 72 000, that wait
	// at once come more often.
	turnDelay = time.Second
	turnMax   = time.Hour
	paceMin   = 5 * time.Millisecond
	paceMax   = 50 * time.Millisecond

	// lineFor is how long a webhook stands in line, with the worker that brought it, where a slot is so near; lineMax
	// leaves workers for other endpoints.
	lineFor = 250 * time.Millisecond
	lineMax = 32

	gatesMax = 4096 // endpoints that are remembered
)

// verdict is what a try says about its endpoint.
type verdict int

const (
	unknown verdict = iota // the try ended for a reason of ours
	healthy
	failing
)

// gates lets tries through to each endpoint in this process: few at the same time, so that a slow endpoint cannot hold
// every worker, and one at a time where the endpoint keeps failing. Who is turned away gets a turn to come back in. The
// turns of an endpoint follow one another at its pace, so that they cost little however many webhooks wait. It is safe
// for concurrent use.
type gates struct {
	slots int // tries to one endpoint at the same time
	mu    sync.Mutex
	of    map[string]*gate // by the endpoint's id
}

func newGates(slots int) *gates {
	return &gates{slots: slots, of: make(map[string]*gate)}
}

// gate is one endpoint's.
type gate struct {
	version  int64           // of the endpoint: a changed one is judged afresh
	taken    int             // slots
	line     []chan struct{} // who stands in line; closed is the slot handed over
	failures int             // in a row
	probing  bool            // the breaker is open and the try under way is its probe
	probeAt  time.Time
	openedAt time.Time
	lastTurn time.Time     // of those that were given
	pace     time.Duration // between two turns
}

// pass lets a try through, which must leave, or gives the webhook a turn: when to come back. Where a slot should soon
// come free it waits for it.
func (g *gates) pass(ctx context.Context, e Endpoint, clock func() time.Time) (turn time.Time, ok bool) {
	place, turn, ok := g.enter(e, clock())
	if place == nil {
		return turn, ok
	}
	patience := time.NewTimer(lineFor)
	defer patience.Stop()
	select {
	case <-place:
		return time.Time{}, true
	case <-patience.C:
	case <-ctx.Done():
	}
	return g.stepOut(e.ID, place, clock())
}

// enter lets a try through, gives it a place in line, or a turn.
func (g *gates) enter(e Endpoint, now time.Time) (place chan struct{}, turn time.Time, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := g.at(e.ID)
	if at.version < e.Version {
		at.version = e.Version
		at.close()
	}
	switch {
	case !at.open() && at.taken < g.slots:
	case at.open() && at.taken == 0 && !now.Before(at.probeAt):
		at.probing, at.probeAt = true, now.Add(tryMax) // the others need not ask before
	case at.failures == 0 && len(at.line) < min(lineMax, int(lineFor/at.pace)):
		place = make(chan struct{})
		at.line = append(at.line, place)
		return place, time.Time{}, false
	default:
		return nil, at.turn(now), false
	}
	at.taken++
	return nil, time.Time{}, true
}

// stepOut gives up a place in line for a turn, unless the slot was handed over in this moment.
func (g *gates) stepOut(endpointID string, place chan struct{}, now time.Time) (turn time.Time, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-place:
		return time.Time{}, true
	default:
	}
	at := g.at(endpointID)
	at.line = slices.DeleteFunc(at.line, func(c chan struct{}) bool { return c == place })
	return at.turn(now), false
}

// leave ends a try that was let through.
func (g *gates) leave(endpointID string, v verdict, began, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := g.of[endpointID]
	at.pace = min(max(now.Sub(began)/time.Duration(g.slots), paceMin), paceMax)
	switch v {
	case healthy:
		if at.open() {
			at.close()
		}
		at.failures = 0
	case failing:
		at.fail(now)
	case unknown:
	}
	if len(at.line) > 0 && !at.open() {
		close(at.line[0])
		at.line = at.line[1:]
		return // the slot is the next one's
	}
	at.taken--
}

// hasten makes the next probe due now: a person says that the endpoint is mended.
func (g *gates) hasten(endpointID string, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if at := g.of[endpointID]; at != nil && at.probeAt.After(now) {
		at.probeAt = now
	}
}

// downFor is how long the endpoint's breaker has been open in this process; 0: it is not.
func (g *gates) downFor(endpointID string, now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := g.of[endpointID]
	if at == nil || !at.open() {
		return 0
	}
	return now.Sub(at.openedAt)
}

// at returns the endpoint's gate. Where there are too many, those without a try under way are forgotten: a breaker among
// them opens again after a few failures.
func (g *gates) at(endpointID string) *gate {
	if at := g.of[endpointID]; at != nil {
		return at
	}
	if len(g.of) >= gatesMax {
		for id, at := range g.of {
			if at.taken == 0 {
				delete(g.of, id)
			}
		}
	}
	at := &gate{pace: paceMax}
	g.of[endpointID] = at
	return at
}

func (g *gate) open() bool { return g.failures >= breakAfter }

// close forgets the failures and the turns already given: what comes now need not wait behind them.
func (g *gate) close() {
	g.failures, g.probing, g.probeAt, g.lastTurn = 0, false, time.Time{}, time.Time{}
}

// fail counts a failure. Of an open breaker only the probe's counts: the others began before it opened, and would only
// say the same again.
func (g *gate) fail(now time.Time) {
	if g.open() && !g.probing {
		return
	}
	g.failures++
	if g.failures == breakAfter {
		g.openedAt = now
	}
	if g.open() {
		delay := probeDelay << min(g.failures-breakAfter, 10)
		g.probing, g.probeAt = false, now.Add(jitter(min(delay, probeDelayMax)))
	}
}

// turn gives the next one, not before the next probe.
func (g *gate) turn(now time.Time) time.Time {
	pace := g.pace
	if g.open() {
		pace = paceMax
	}
	soonest := now.Add(turnDelay)
	if g.probeAt.After(soonest) {
		soonest = g.probeAt
	}
	g.lastTurn = g.lastTurn.Add(pace)
	if g.lastTurn.Before(soonest) || g.lastTurn.After(now.Add(turnMax)) {
		g.lastTurn = soonest
	}
	return g.lastTurn
}
