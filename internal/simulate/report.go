package simulate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// report writes what came of the runs, as they come.
type report struct {
	config  Config
	out     io.Writer
	started time.Time

	mu     sync.Mutex
	told   time.Time // when the progress was last written
	done   int
	failed []uint64
	sum    Result
}

// How often progress is told: on a terminal, where it is one line, and elsewhere.
const (
	progressTerminal = 200 * time.Millisecond
	progressElse     = 10 * time.Second
	failuresInFull   = 3
)

func newReport(c Config, out io.Writer) *report {
	r := &report{config: c, out: out, started: time.Now(), told: time.Now()}
	fmt.Fprintf(out, "Tongbao simulation, commit %s, on %s: %d runs from seed %d\n", commit(), c.engine(), max(c.Runs, 1), c.Seed)
	return r
}

func (c Config) engine() string {
	if c.Postgres != "" {
		return "PostgreSQL"
	}
	return "SQLite"
}

func (r *report) add(one Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if errors.Is(one.Err, context.Canceled) {
		return // nobody waits for it any more
	}
	r.done++
	r.sum.Payments += one.Payments
	r.sum.Refunds += one.Refunds
	r.sum.Events += one.Events
	r.sum.Deliveries += one.Deliveries
	r.sum.Simulated += one.Simulated
	for _, step := range one.Script.Steps {
		r.sum.History = append(r.sum.History, make([]Entry, len(step.Ops))...)
	}
	if one.Err != nil {
		r.failed = append(r.failed, one.Seed)
		if len(r.failed) <= failuresInFull {
			r.line("")
			io.WriteString(r.out, one.Failure(r.config)) //nolint:errcheck // a terminal that is gone
		}
	}
	if max(r.config.Runs, 1) == 1 && one.Err == nil {
		fmt.Fprintf(r.out, "seed %d: script %s, %d operations, every promise held\n", one.Seed, one.Script.Hash(), len(one.History))
	}
	r.progress()
}

func (r *report) progress() {
	every := progressElse
	if r.config.Terminal {
		every = progressTerminal
	}
	if time.Since(r.told) < every {
		return
	}
	r.told = time.Now()
	text := fmt.Sprintf("%d of %d runs, %d failed; %s", r.done, max(r.config.Runs, 1), len(r.failed), r.totals())
	if r.config.Terminal {
		fmt.Fprintf(r.out, "\r%-100s", text)
		return
	}
	r.line(text)
}

func (r *report) line(text string) {
	if r.config.Terminal {
		fmt.Fprintf(r.out, "\r%-100s\r", "")
	}
	if text != "" {
		fmt.Fprintln(r.out, text)
	}
}

func (r *report) totals() string {
	return fmt.Sprintf("%d operations, %d payments, %d refunds, %d events, %d deliveries", len(r.sum.History), r.sum.Payments, r.sum.Refunds, r.sum.Events, r.sum.Deliveries)
}

// end writes the last line and says whether all is well.
func (r *report) end(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.line("")
	took := time.Since(r.started)
	fmt.Fprintf(r.out, "%d runs in %s (%.0f days of simulated time): %s\n", r.done, took.Round(time.Millisecond), r.sum.Simulated.Hours()/24, r.totals())
	if len(r.failed) > 0 {
		fmt.Fprintf(r.out, "✗ %d runs failed, seeds %s\n", len(r.failed), strings.Trim(fmt.Sprint(r.failed), "[]"))
		return ErrFailed
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("simulate: stopped before all runs were played: %w", err)
	}
	fmt.Fprintln(r.out, "✓ every promise held in every run")
	return nil
}

// Failure is the report of a run that failed, for a person who has never seen one.
func (r Result) Failure(c Config) string {
	var b strings.Builder
	what, title := "broke a promise", "What does not hold"
	if !errors.As(r.Err, new(*Violation)) {
		what, title = "could not be played", "What went wrong"
	}
	fmt.Fprintf(&b, "\n✗ seed %d %s (commit %s, %s, script %s)\n\n%s:\n", r.Seed, what, commit(), c.engine(), r.Script.Hash(), title)
	for line := range strings.SplitSeq(r.Err.Error(), "\n") {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	b.WriteString("\nWhat was wanted:\n")
	for i, p := range r.Script.Payments {
		fmt.Fprintf(&b, "  p%d is deal-%d of app %q: %s, %d fen, expires in %s\n", i+1, i+1, p.App, p.Product, p.Amount, p.ExpiresIn)
	}
	b.WriteString("\nWhat happened (step, simulated time, operation, what came of it; operations of one step run at once):\n")
	for _, e := range r.History {
		fmt.Fprintf(&b, "  %s\n", e)
	}
	section(&b, "What the provider heard and said about it", r.Evidence)
	section(&b, "The gateways' last warnings", r.Log)
	fmt.Fprintf(&b, "\nSee it again, at the same commit:\n  tongbao simulate --seed %d --runs 1%s\n", r.Seed, c.again())
	return b.String()
}

func section(b *strings.Builder, title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s:\n", title)
	for _, line := range lines {
		fmt.Fprintf(b, "  %s\n", line)
	}
}

func (c Config) again() string {
	if c.Postgres != "" {
		return " --postgres URL"
	}
	return ""
}
