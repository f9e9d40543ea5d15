package notify_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/pgtest"
	"github.com/tongbao-pay/tongbao/internal/store"
)

const benchCallers = 64

// durable are the engines as in production: every commit is on the disk before it is acknowledged.
var durable = map[string]func(testing.TB) string{
	"SQLite":   func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "tongbao.db") },
	"Postgres": func(t testing.TB) string { return pgtest.Start(t, pgtest.Durable()).DSN("postgres") },
}

func openDurable(t testing.TB, dsn string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// BenchmarkIntake measures paid notifications from the signed request to the acknowledgement, and beside them, in the
// same database, plain rows of the same size with a commit each: the limit of whoever commits per notification.
// Run it with a count, such as -benchtime 5000x.
func BenchmarkIntake(b *testing.B) {
	for _, engine := range []string{"SQLite", "Postgres"} {
		b.Run(engine, func(b *testing.B) {
			bundle := newBundle(b, startProvider(b), openDurable(b, durable[engine](b)))
			bundle.plainTable()
			const rounds = 3
			var ratios, plain, intake []float64
			var tails []time.Duration
			for round := range rounds {
				requests := bundle.storm(fmt.Sprint("r", round), b.N)
				rate, _ := inParallel(benchCallers, b.N, func(i int) { bundle.plainRow(round*b.N + i) })
				plain = append(plain, rate)
				var refused atomic.Int64
				rate, tail := inParallel(benchCallers, b.N, func(i int) {
					if bundle.send(requests[i]) != http.StatusNoContent {
						refused.Add(1)
					}
				})
				if refused.Load() > 0 {
					b.Fatalf("%d of %d were not acknowledged: %s", refused.Load(), b.N, bundle.log)
				}
				intake, ratios, tails = append(intake, rate), append(ratios, rate/plain[round]), append(tails, tail)
			}
			b.ReportMetric(median(plain), "plain-rows/s")
			b.ReportMetric(median(intake), "notifications/s")
			b.ReportMetric(median(ratios), "x-plain-rows")
			b.ReportMetric(float64(median(tails).Microseconds())/1000, "p99-ms")
		})
	}
}

func median[T float64 | time.Duration](all []T) T {
	slices.Sort(all)
	return all[len(all)/2]
}

// inParallel runs n calls from so many callers. It tells how many there were a second, and how long the slowest
// hundredth took at least.
func inParallel(callers, n int, call func(i int)) (rate float64, p99 time.Duration) {
	took := make([]time.Duration, n)
	var next atomic.Int64
	var group sync.WaitGroup
	start := time.Now()
	for range callers {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				began := time.Now()
				call(i)
				took[i] = time.Since(began)
			}
		})
	}
	group.Wait()
	rate = float64(n) / time.Since(start).Seconds()
	slices.Sort(took)
	return rate, took[n*99/100]
}

func (b *bundle) plainTable() {
	b.t.Helper()
	const table = `CREATE TABLE plain (id text NOT NULL PRIMARY KEY, body text NOT NULL)`
	var err error
	if pool := b.store.Postgres(); pool != nil {
		_, err = pool.Exec(b.t.Context(), table)
	} else {
		_, err = b.store.SQLite().ExecContext(b.t.Context(), table)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bundle) plainRow(i int) {
	body := fmt.Sprintf("%0600d", i)
	var err error
	if pool := b.store.Postgres(); pool != nil {
		_, err = pool.Exec(b.t.Context(), `INSERT INTO plain VALUES ($1, $2)`, fmt.Sprint(i), body)
	} else {
		_, err = b.store.SQLite().ExecContext(b.t.Context(), `INSERT INTO plain VALUES (?1, ?2)`, fmt.Sprint(i), body)
	}
	if err != nil {
		b.t.Error(err)
	}
}
