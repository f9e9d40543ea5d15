package notify

import (
	"sync"
	"time"
)

// The bound of notifications in the house begins at boundMax and never falls below boundMin. It follows how long they
// really stay: one that stayed longer than onTime lowers it, one in time raises it. So a slow disk, a slow database or a
// busy machine turns more away, early enough that those taken in are answered in time.
const (
	boundMax = 1024
	boundMin = 16
	onTime   = time.Second
)

// house counts the notifications that are taken in and not yet answered.
type house struct {
	mu     sync.Mutex
	inside int
	bound  int
}

// enter takes a place, if there is one.
func (h *house) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.inside >= h.bound {
		return false
	}
	h.inside++
	return true
}

// leave gives the place back after a stay.
func (h *house) leave(stay time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.inside--
	if stay > onTime {
		h.bound = max(boundMin, h.bound-max(1, h.bound/64))
		return
	}
	h.bound = min(boundMax, h.bound+1)
}
