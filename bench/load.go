package main

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// burst is what came of many calls at once.
type burst struct {
	took      time.Duration
	done      int
	failed    int
	err       error // the first of those that failed
	latencies []time.Duration
}

// load has so many callers call, each again as soon as it has its answer, for about as long as the slice: whoever began
// finishes. i counts the calls.
func load(ctx context.Context, callers int, slice time.Duration, call func(ctx context.Context, i int64) error) burst {
	end := time.Now().Add(slice)
	return inParallel(ctx, callers, func(int64) bool { return time.Now().Before(end) }, call)
}

// loadTimes makes n calls from so many callers.
func loadTimes(ctx context.Context, callers, n int, call func(ctx context.Context, i int64) error) burst {
	return inParallel(ctx, callers, func(i int64) bool { return i < int64(n) }, call)
}

func inParallel(ctx context.Context, callers int, more func(i int64) bool, call func(ctx context.Context, i int64) error) burst {
	var b burst
	var mu sync.Mutex
	var next atomic.Int64
	var group sync.WaitGroup
	started := time.Now()
	for range callers {
		group.Go(func() {
			var latencies []time.Duration
			var failed int
			var first error
			for i := next.Add(1) - 1; more(i) && ctx.Err() == nil; i = next.Add(1) - 1 {
				began := time.Now()
				if err := call(ctx, i); err != nil {
					failed++
					if first == nil {
						first = err
					}
					continue
				}
				latencies = append(latencies, time.Since(began))
			}
			mu.Lock()
			defer mu.Unlock()
			b.latencies, b.failed = append(b.latencies, latencies...), b.failed+failed
			if b.err == nil {
				b.err = first
			}
		})
	}
	group.Wait()
	b.took, b.done = time.Since(started), len(b.latencies)
	if b.err == nil {
		b.err = ctx.Err()
	}
	slices.Sort(b.latencies)
	return b
}

// rate is how many calls succeeded in a second.
func (b burst) rate() float64 { return float64(b.done) / b.took.Seconds() }

// percentile is 0 where nothing succeeded.
func (b burst) percentile(n int) time.Duration {
	if b.done == 0 {
		return 0
	}
	return b.latencies[b.done*n/100]
}
