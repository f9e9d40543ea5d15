package simulate

import (
	"sync"
	"time"
)

// begins is when every simulation begins: a Monday morning in China. Times of day matter, to expiries and to numbers.
var begins = time.Date(2026, time.January, 5, 9, 0, 0, 0, time.FixedZone("UTC+8", 8*60*60))

// clock is everybody's: it stands still until it is moved. It is safe for concurrent use.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now is the present.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// reach moves the clock forward to a moment, never back.
func (c *clock) reach(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.After(c.now) {
		c.now = t
	}
}

// sinceBegin is how long the simulation has run by its own clock.
func (c *clock) sinceBegin() time.Duration { return c.Now().Sub(begins) }
