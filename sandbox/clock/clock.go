// Package clock is the sandbox's own time: the machine's time plus an offset that a test moves forward.
//
// Whatever the providers do later (repeat a notification, settle a refund) is a task on this clock. Tasks run when
// their time comes, either because real time passed or because [Clock.Advance] moved the clock over them.
package clock

import (
	"container/heap"
	"context"
	"errors"
	"sync"
	"time"
)

// AdvanceMax bounds one [Clock.Advance]; ten years outlast every rule of the providers.
const AdvanceMax = 10 * 365 * 24 * time.Hour

// A Task is work for one moment. It receives the moment it was due at, which is never after the clock's present.
type Task func(due time.Time)

// Clock is safe for concurrent use. Make it with [New].
type Clock struct {
	real func() time.Time
	wake chan struct{}

	advancing sync.Mutex // held for one whole Advance

	mu      sync.Mutex
	idle    *sync.Cond // signalled when running falls to zero
	offset  time.Duration
	tasks   taskHeap
	order   uint64
	running int
	held    bool // an Advance runs the tasks; Run must not
}

// New returns a clock that shows real() plus an offset of zero. A nil real means [time.Now].
func New(real func() time.Time) *Clock {
	if real == nil {
		real = time.Now
	}
	c := &Clock{real: real, wake: make(chan struct{}, 1)}
	c.idle = sync.NewCond(&c.mu)
	return c
}

// Now returns the sandbox's present: real time plus the offset, in UTC.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *Clock) now() time.Time { return c.real().Add(c.offset).UTC() }

// Real returns the machine's time in UTC. Signatures carry this time: whoever checks them uses a clock of his own.
func (c *Clock) Real() time.Time { return c.real().UTC() }

// Offset returns how far the sandbox's time is ahead of real time.
func (c *Clock) Offset() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offset
}

// Restore sets the offset without running anything: for a state read back from disk.
func (c *Clock) Restore(offset time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset = offset
}

// At runs task once the clock reaches due. Tasks of the same moment start in the order of their At calls.
func (c *Clock) At(due time.Time, task Task) {
	c.mu.Lock()
	c.order++
	heap.Push(&c.tasks, scheduled{due: due.UTC(), order: c.order, task: task})
	c.mu.Unlock()
	c.nudge()
}

// Pending returns the number of tasks that have not started.
func (c *Clock) Pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.tasks)
}

// Next returns when the earliest task that has not started is due, and false if there is none.
func (c *Clock) Next() (due time.Time, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.tasks) == 0 {
		return time.Time{}, false
	}
	return c.tasks[0].due, true
}

// Reset drops all tasks that have not started and puts the clock back to real time.
func (c *Clock) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tasks, c.offset = nil, 0
}

// Advance moves the clock forward by d. Tasks that are running finish first; then every task that becomes due, those
// that such tasks add included, runs to its end, one after the other in order of time, and sees the clock at its own moment.
// One Advance runs at a time. It ends early, with the clock where it then stands, when ctx ends.
func (c *Clock) Advance(ctx context.Context, d time.Duration) error {
	if d <= 0 || d > AdvanceMax {
		return errors.New("the clock moves forward only, by more than 0 and at most 87600h")
	}
	c.advancing.Lock()
	defer c.advancing.Unlock()

	c.mu.Lock()
	c.held = true
	for c.running > 0 {
		c.idle.Wait()
	}
	target := c.offset + d
	c.mu.Unlock()

	defer func() {
		c.mu.Lock()
		c.held = false
		c.mu.Unlock()
		c.nudge()
	}()
	for ctx.Err() == nil {
		next, ok := c.stepTo(target)
		if !ok {
			return nil
		}
		next.task(next.due)
	}
	return ctx.Err()
}

// stepTo takes the next task at or before the target and moves the clock to it; without one it moves to the target.
func (c *Clock) stepTo(target time.Duration) (scheduled, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.tasks) == 0 || c.tasks[0].due.After(c.real().Add(target)) {
		c.offset = max(c.offset, target)
		return scheduled{}, false
	}
	next := heap.Pop(&c.tasks).(scheduled)
	c.offset = max(c.offset, next.due.Sub(c.real()))
	return next, true
}

// Run starts each task in its own goroutine when its time has come, until ctx ends; then it waits for those that run.
func (c *Clock) Run(ctx context.Context) {
	for {
		wait := c.startDue()
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			c.waitIdle()
			return
		case <-c.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// startDue starts what is due and returns how long nothing else will be.
func (c *Clock) startDue() time.Duration {
	const longest = time.Hour
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held {
		return longest // Advance nudges when it has finished
	}
	for len(c.tasks) > 0 {
		if wait := c.tasks[0].due.Sub(c.now()); wait > 0 {
			return min(wait, longest)
		}
		next := heap.Pop(&c.tasks).(scheduled)
		c.running++
		go func() {
			defer c.finished()
			next.task(next.due)
		}()
	}
	return longest
}

func (c *Clock) finished() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running--
	if c.running == 0 {
		c.idle.Broadcast()
	}
}

func (c *Clock) waitIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.running > 0 {
		c.idle.Wait()
	}
}

func (c *Clock) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

type scheduled struct {
	due   time.Time
	order uint64
	task  Task
}

type taskHeap []scheduled

func (h taskHeap) Len() int { return len(h) }

func (h taskHeap) Less(i, j int) bool {
	if !h[i].due.Equal(h[j].due) {
		return h[i].due.Before(h[j].due)
	}
	return h[i].order < h[j].order
}

func (h taskHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

func (h *taskHeap) Push(x any) { *h = append(*h, x.(scheduled)) }

func (h *taskHeap) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	(*h)[last] = scheduled{}
	*h = (*h)[:last]
	return x
}
