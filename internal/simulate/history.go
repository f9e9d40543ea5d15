package simulate

import (
	"fmt"
	"sync"
	"time"
)

// Violation is a promise that does not hold, with the evidence.
type Violation struct {
	Invariant string // its short name; docs/simulation.md says what each means
	Evidence  string
}

func (v *Violation) Error() string { return v.Invariant + ": " + v.Evidence }

func broken(invariant, format string, args ...any) *Violation {
	return &Violation{invariant, fmt.Sprintf(format, args...)}
}

// Entry is what came of one operation.
type Entry struct {
	Step string
	At   time.Duration // since the beginning, by everybody's clock
	Op   string
	Told string
}

func (e Entry) String() string {
	return fmt.Sprintf("%4s  %10s  %-58s %s", e.Step, e.At.Truncate(time.Second), e.Op, e.Told)
}

// history is what happened so far.
type history struct {
	mu      sync.Mutex
	step    string
	entries []Entry
	first   *Violation
}

func (h *history) begin(step string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.step = step
}

func (h *history) add(at time.Duration, op, told string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.entries = append(h.entries, Entry{h.step, at, op, told})
}

// blame keeps the first thing that went wrong where nobody waits for an answer.
func (h *history) blame(v *Violation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.first == nil {
		h.first = v
	}
}

func (h *history) blamed() *Violation {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.first
}
