package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// callers is how many callers at once a whole call is measured with.
var callers = [...]int{1, 16, 64}

// The operations, as the table names them.
const (
	opSign   = "sign"
	opVerify = "verify"
	opParse  = "parse"
)

func opPrepay(callers int) string { return fmt.Sprintf("prepay, %d", callers) }

func opUnsigned(callers int) string { return fmt.Sprintf("unsigned, %d", callers) }

// plan is how much is measured.
type plan struct {
	rounds int
	slice  time.Duration
	only   string // operations whose name begins so
}

// sample is one measurement, each figure for one operation.
type sample struct {
	time, cpu   time.Duration
	ownCPU      time.Duration // cpu without the RSA operations, of the same round
	allocs      float64
	bytes       float64
	connections float64 // opened anew
	p50, p99    time.Duration
}

// key is an operation of a contender.
type key struct{ op, contender string }

// results holds the samples of every round.
type results map[key][]sample

// fixtures are the bodies signed for a round.
type fixtures struct{ answer, notification *signed }

// operation is what a measurement repeats.
type operation struct {
	name    string
	callers int
	// of is nil where the contender does not offer it.
	of func(*contender, *fixtures) func(context.Context) error
}

func operations() []operation {
	all := []operation{
		{opSign, 1, func(c *contender, _ *fixtures) func(context.Context) error { return alone(c.sign) }},
		{opVerify, 1, func(c *contender, f *fixtures) func(context.Context) error { return of(c.verify, f.answer) }},
		{opParse, 1, func(c *contender, f *fixtures) func(context.Context) error { return of(c.parse, f.notification) }},
	}
	for _, n := range callers {
		all = append(all, operation{opPrepay(n), n, func(c *contender, _ *fixtures) func(context.Context) error { return c.prepay }})
	}
	for _, n := range callers {
		all = append(all, operation{opUnsigned(n), n, func(c *contender, _ *fixtures) func(context.Context) error { return c.unsigned }})
	}
	return all
}

func alone(do func() error) func(context.Context) error {
	if do == nil {
		return nil
	}
	return func(context.Context) error { return do() }
}

func of(do func(*signed) error, s *signed) func(context.Context) error {
	if do == nil {
		return nil
	}
	return func(context.Context) error { return do(s) }
}

// measureAll goes round by round, and within a round from operation to operation, each contender in turn; every round
// begins with another contender.
func measureAll(ctx context.Context, pl plan, all []*contender, up *upstream, p *parties) (results, error) {
	sealed, err := notification()
	if err != nil {
		return nil, err
	}
	m := &measuring{plan: pl, contenders: all, upstream: up, repeats: make(map[key]int), results: make(results)}
	for round := range pl.rounds {
		var f fixtures
		if f.answer, err = sign(p.provider, prepayAnswer); err != nil {
			return nil, err
		}
		if f.notification, err = sign(p.provider, sealed); err != nil {
			return nil, err
		}
		for _, op := range operations() {
			if !strings.HasPrefix(op.name, pl.only) {
				continue
			}
			if err := m.inTurns(ctx, round, op, &f); err != nil {
				return nil, err
			}
		}
	}
	return m.results, nil
}

// measuring is what measureAll keeps from round to round.
type measuring struct {
	plan       plan
	contenders []*contender
	upstream   *upstream
	repeats    map[key]int
	results    results
}

// inTurns measures an operation of every contender that offers it.
func (m *measuring) inTurns(ctx context.Context, round int, op operation, f *fixtures) error {
	ofRound := make(map[string]sample)
	for i := range m.contenders {
		c := m.contenders[(i+round)%len(m.contenders)]
		do := op.of(c, f)
		if do == nil {
			continue
		}
		k := key{op.name, c.name}
		var err error
		if m.repeats[k] == 0 {
			m.repeats[k], err = calibrate(ctx, do, op.callers, m.plan.slice)
		}
		if err == nil {
			ofRound[c.name], err = measure(ctx, do, op.callers, m.repeats[k], m.upstream)
		}
		if err != nil {
			return fmt.Errorf("%s, %s: %w", c.name, op.name, err)
		}
	}
	for name, s := range ofRound {
		s.ownCPU = s.cpu - ofRound[bareName].cpu
		k := key{op.name, name}
		m.results[k] = append(m.results[k], s)
	}
	return nil
}

// calibrate finds how many repeats fill the slice; at least two of each caller.
func calibrate(ctx context.Context, do func(context.Context) error, callers int, slice time.Duration) (int, error) {
	repeats := 2 * callers
	started := time.Now()
	if _, err := repeat(ctx, do, callers, repeats); err != nil {
		return 0, err
	}
	each := max(time.Since(started)/time.Duration(repeats), 1)
	return max(int(slice/each), repeats), nil
}

// measure warms up with the callers there are, so that their connections stand, and then counts.
func measure(ctx context.Context, do func(context.Context) error, callers, repeats int, up *upstream) (sample, error) {
	if _, err := repeat(ctx, do, callers, callers); err != nil {
		return sample{}, err
	}
	runtime.GC()
	before, err := readMeters(up)
	if err != nil {
		return sample{}, err
	}
	latencies, err := repeat(ctx, do, callers, repeats)
	if err != nil {
		return sample{}, err
	}
	after, err := readMeters(up)
	if err != nil {
		return sample{}, err
	}
	slices.Sort(latencies)
	n := len(latencies)
	return sample{
		time: after.at.Sub(before.at) / time.Duration(n), cpu: (after.cpu - before.cpu) / time.Duration(n),
		allocs:      float64(after.allocs-before.allocs) / float64(n),
		bytes:       float64(after.bytes-before.bytes) / float64(n),
		connections: float64(after.connections-before.connections) / float64(n),
		p50:         latencies[n/2], p99: latencies[n*99/100],
	}, nil
}

// meters are the counters of this process, and the upstream's of connections.
type meters struct {
	at            time.Time
	cpu           time.Duration
	allocs, bytes uint64
	connections   int64
}

func readMeters(up *upstream) (meters, error) {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return meters{}, fmt.Errorf("read the CPU time: %w", err)
	}
	c, err := up.counts()
	if err != nil {
		return meters{}, err
	}
	return meters{
		at: time.Now(), cpu: time.Duration(usage.Utime.Nano() + usage.Stime.Nano()),
		allocs: memory.Mallocs, bytes: memory.TotalAlloc, connections: c.Connections,
	}, nil
}

// repeat does it so many times, by so many callers, and returns how long each took.
func repeat(ctx context.Context, do func(context.Context) error, callers, repeats int) ([]time.Duration, error) {
	latencies := make([]time.Duration, repeats)
	errs := make([]error, callers)
	var next atomic.Int64
	var group sync.WaitGroup
	for caller := range callers {
		group.Go(func() {
			for i := next.Add(1) - 1; i < int64(repeats); i = next.Add(1) - 1 {
				started := time.Now()
				if errs[caller] = do(ctx); errs[caller] != nil {
					return
				}
				latencies[i] = time.Since(started)
			}
		})
	}
	group.Wait()
	return latencies, errors.Join(errs...)
}
