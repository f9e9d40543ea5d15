package simulate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"time"
)

// Config says what to simulate. The zero value plays one run of seed 0 on SQLite.
type Config struct {
	Seed uint64 // of the first run; each further one takes the next
	Runs int    // 0: 1
	// Postgres is a server where databases may be made: every run makes one and removes it. Empty: SQLite.
	Postgres string
	// Terminal says that the progress may be one line that is written over and over.
	Terminal bool
}

// ErrFailed means that in at least one run a promise did not hold, or that it could not be played. The report says which.
var ErrFailed = errors.New("simulate: runs failed; the report above says what does not hold, and how to see it again")

// Result is what came of one run.
type Result struct {
	Seed       uint64
	Script     Script
	History    []Entry
	Took       time.Duration // by the machine's clock
	Simulated  time.Duration // by everybody's clock
	Payments   int
	Refunds    int
	Events     int
	Deliveries int
	Evidence   []string // what the provider heard and said about the payments that the failure names
	Log        []string // the gateways' last warnings
	Err        error    // nil: every promise held
}

// Run plays the runs and writes their progress and a report. It returns [ErrFailed] where one failed.
func Run(ctx context.Context, c Config, out io.Writer) (err error) {
	g, err := prepare(ctx, c.Postgres)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.close(ctx)) }()
	atOnce, err := g.runsAtOnce(ctx)
	if err != nil {
		return err
	}
	r := newReport(c, out)
	seeds := make(chan uint64)
	var group sync.WaitGroup
	for range atOnce {
		group.Go(func() {
			for seed := range seeds {
				r.add(g.run(ctx, seed))
			}
		})
	}
	for i := range max(c.Runs, 1) {
		select {
		case seeds <- c.Seed + uint64(i):
			continue
		case <-ctx.Done():
		}
		break
	}
	close(seeds)
	group.Wait()
	return r.end(ctx)
}

// logLines is how much of the gateways' log a failure shows.
const logLines = 30

// run plays one seed in a world of its own.
func (g *ground) run(ctx context.Context, seed uint64) (r Result) {
	started := time.Now()
	r = Result{Seed: seed, Script: Compose(seed)}
	defer func() { r.Took = time.Since(started) }()
	w, err := g.open(ctx, r.Script)
	if err != nil {
		r.Err = err
		return r
	}
	r.Err = w.play(ctx)
	if ctx.Err() != nil {
		r.Err = ctx.Err() // what an interrupted run looks like means nothing
	}
	r.History, r.Simulated = w.history.entries, w.clock.sinceBegin()
	if r.Err == nil {
		r.Err = w.count(ctx, &r)
	}
	if r.Err != nil {
		r.Evidence, r.Log = w.evidence(ctx, r.Err), w.log.last(logLines)
	}
	if err := w.close(ctx); err != nil {
		r.Err = errors.Join(r.Err, fmt.Errorf("simulate: take the world down: %w", err))
	}
	return r
}

func (w *world) count(ctx context.Context, r *Result) error {
	counts := []struct {
		table string
		into  *int
	}{{"payments", &r.Payments}, {"refunds", &r.Refunds}, {"events", &r.Events}, {"webhook_deliveries", &r.Deliveries}}
	for _, c := range counts {
		if err := w.db.QueryRowContext(ctx, `SELECT COUNT(*) FROM `+c.table).Scan(c.into); err != nil {
			return err
		}
	}
	return nil
}

// commit names the program that a script belongs to. What 'go run' makes does not know it unless it is told to.
func commit() string {
	revision, modified := "unknown: build with -buildvcs=true", ""
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return revision
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = " with changes"
		}
	}
	return revision + modified
}
