package notify_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tongbao-pay/tongbao/internal/money"
	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/pgtest"
	"github.com/tongbao-pay/tongbao/internal/store"
)

const benchCallers = 64

// durable are the engines as in production: every commit is on the disk before it is acknowledged.
var durable = map[string]func(testing.TB) string{
	"SQLite": func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "tongbao.db") },
	"Postgres": func(t testing.TB) string {
		dsn := pgtest.Start(t, pgtest.Durable()).DSN("postgres")
		pool, _ := pgx.Connect(context.Background(), dsn)
		_ = pool.QueryRow(context.Background(), "show data_directory").Scan(&pgMine)
		_ = pool.Close(context.Background())
		return dsn
	},
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
			var tails, plainCPU, intakeCPU []time.Duration
			for round := range rounds {
				requests := bundle.storm(fmt.Sprint("r", round), b.N)
				before := cpu()
				rate, _ := inParallel(b.N, func(i int) { bundle.plainRow(round*b.N + i) })
				plainCPU = append(plainCPU, cpu()-before)
				plain = append(plain, rate)
				var refused atomic.Int64
				before = cpu()
				rate, tail := inParallel(b.N, func(i int) {
					if bundle.send(requests[i]) != http.StatusNoContent {
						refused.Add(1)
					}
				})
				intakeCPU = append(intakeCPU, cpu()-before)
				if refused.Load() > 0 {
					b.Fatalf("%d of %d were not acknowledged: %s", refused.Load(), b.N, bundle.log)
				}
				intake, ratios, tails = append(intake, rate), append(ratios, rate/plain[round]), append(tails, tail)
			}
			b.ReportMetric(median(plain), "plain-rows/s")
			b.ReportMetric(median(intake), "notifications/s")
			b.ReportMetric(median(ratios), "x-plain-rows")
			b.ReportMetric(float64(median(plainCPU).Microseconds())/float64(b.N), "plain-cpu-us")
			b.ReportMetric(float64(median(intakeCPU).Microseconds())/float64(b.N), "cpu-us")
			b.ReportMetric(float64(median(tails).Microseconds())/1000, "p99-ms")
		})
	}
}

// cpu is what this process and a PostgreSQL that it started have used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	total := time.Duration(u.Utime.Nano() + u.Stime.Nano())
	return total + postgresCPU()
}

func postgresCPU() time.Duration {
	var total time.Duration
	entries, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, e := range entries {
		raw, err := os.ReadFile(e)
		if err != nil || !strings.Contains(string(raw), "(postgres)") {
			continue
		}
		f := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+2:]))
		cmd, _ := os.ReadFile(filepath.Join(filepath.Dir(e), "cmdline"))
		_ = cmd
		if pgMine != "" && !mine(filepath.Dir(e)) {
			continue
		}
		ut, _ := strconv.ParseInt(f[11], 10, 64)
		st, _ := strconv.ParseInt(f[12], 10, 64)
		total += time.Duration(ut+st) * 10 * time.Millisecond
	}
	return total
}

func median[T float64 | time.Duration](all []T) T {
	slices.Sort(all)
	return all[len(all)/2]
}

// inParallel runs n calls from benchCallers callers. It tells how many there were a second, and how long the slowest
// hundredth took at least.
func inParallel(n int, call func(i int)) (rate float64, p99 time.Duration) {
	took := make([]time.Duration, n)
	var next atomic.Int64
	var group sync.WaitGroup
	start := time.Now()
	for range benchCallers {
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

// storm makes n pending payments and a signed notification that each is paid.
func (b *bundle) storm(prefix string, n int) []*http.Request {
	b.t.Helper()
	requests := make([]*http.Request, n)
	w := b.provider.sandbox.Credentials().WeChatPay
	inParallel(n, func(i int) {
		id, now := fmt.Sprintf("%s_%06d", prefix, i), b.clock().UTC().Truncate(time.Millisecond)
		p := &payment.Payment{
			ID: "pay_" + id, AppID: "app", AccountID: "main", OutTradeNo: "storm-" + id, Amount: 1000, Currency: money.CNY, Description: "coffee",
			Channel: payment.WeChat, Product: payment.Native, ContentHash: "x", LatePolicy: payment.LateRefund, Status: payment.Pending,
			CreatedAt: now, UpdatedAt: now, ExpiresAt: now.Add(2 * time.Hour), Sequence: 1, Version: 1,
			Attempts: []*payment.Attempt{{ID: "att_" + id, Product: payment.Native, TradeNo: "T0000000000000000000" + id, MerchantID: w.MchID, MerchantAppID: w.AppID, Status: payment.AttemptOpen, CreatedAt: now}},
		}
		if err := b.store.Commit(context.WithoutCancel(b.t.Context()), &payment.Change{Payment: p, Attempts: p.Attempts}); err != nil {
			b.t.Error(err)
		}
		m := b.message("storm-" + id)
		m.content = b.paid(p)
		m.content["transaction_id"] = "42-" + id
		requests[i] = b.request(m)
	})
	if b.t.Failed() {
		b.t.FailNow()
	}
	return requests
}

// again makes a signed request ready to be sent once more.
func again(r *http.Request, body []byte) *http.Request { return withBody(r, body) }

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

var plainBody = string(make([]byte, 0)) + fmt.Sprintf("%0600d", 7)

func (b *bundle) plainRow(i int) {
	const insert = `INSERT INTO plain VALUES ($1, $2)`
	var err error
	if pool := b.store.Postgres(); pool != nil {
		_, err = pool.Exec(b.t.Context(), insert, fmt.Sprint(i), plainBody)
	} else {
		_, err = b.store.SQLite().ExecContext(b.t.Context(), `INSERT INTO plain VALUES (?1, ?2)`, fmt.Sprint(i), plainBody)
	}
	if err != nil {
		b.t.Error(err)
	}
}

var _ = io.EOF
var _ = httptest.NewRecorder
var _ = again

var pgMine string

func mine(dir string) bool {
	cwd, err := os.Readlink(dir + "/cwd")
	return err == nil && cwd == pgMine
}
