package job_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/job"
	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/pgtest"
	"github.com/tongbao-pay/tongbao/internal/store"
	"github.com/tongbao-pay/tongbao/internal/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// patience bounds every wait; jobs normally run within milliseconds, a second after a failure, and within some
// seconds where River's own maintenance has to find them.
const patience = 30 * time.Second

func TestSQLite(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T) *store.Store {
		s := storetest.OpenSQLite(t)
		if err := job.Migrate(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		return s
	})
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T) *store.Store {
		return storetest.Open(t, pgtest.NewDatabaseFrom(t, "jobs", func(dsn string) (err error) {
			ctx := t.Context()
			s, err := store.Open(ctx, dsn)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.Close()) }()
			if _, err := s.Migrate(ctx); err != nil {
				return err
			}
			return job.Migrate(ctx, s)
		}))
	})
}

// Due jobs are moved by one statement, which joins them with unique ones like them.
func TestPostgresSearchesForNoUniqueJobs(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, pgtest.NewDatabase(t))
	for range 2 { // every start migrates
		if err := job.Migrate(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	var plan string
	if err := s.Postgres().QueryRow(t.Context(), `EXPLAIN (FORMAT JSON) SELECT due.id FROM river_job due LEFT JOIN (
		SELECT river_job.unique_key FROM river_job JOIN river_job other ON river_job.unique_key = other.unique_key WHERE river_job.unique_key IS NOT NULL
	) like_it ON due.unique_key = like_it.unique_key`).Scan(&plan); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(plan, `"One-Time Filter": "false"`) || strings.Contains(plan, "river_job_unique_idx") {
		t.Error(plan)
	}
}

func run(t *testing.T, open func(*testing.T) *store.Store) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, *bundle){
		"AJobRunsAfterItsCommit":                   aJobRunsAfterItsCommit,
		"AJobOfARolledBackTransactionNeverRuns":    aJobOfARolledBackTransactionNeverRuns,
		"AnUnknownKindRollsItsChangeBack":          anUnknownKindRollsItsChangeBack,
		"AJobOfTheFutureWaits":                     aJobOfTheFutureWaits,
		"AJobComesBackWhenItAsksTo":                aJobComesBackWhenItAsksTo,
		"AJobThatFailedByOurFaultIsTriedAgain":     aJobThatFailedByOurFaultIsTriedAgain,
		"AJobThatPanickedIsTriedAgain":             aJobThatPanickedIsTriedAgain,
		"TheJobOfAKilledProcessIsTakenOver":        theJobOfAKilledProcessIsTakenOver,
		"AStopWaitsForRunningJobs":                 aStopWaitsForRunningJobs,
		"AStopThatMayNotWaitCancelsAndKeepsTheJob": aStopThatMayNotWaitCancelsAndKeepsTheJob,
		"FinishedJobsAreForgottenAndOthersAreNot":  finishedJobsAreForgottenAndOthersAreNot,
		"MigratingTwiceIsDoneAlready": func(t *testing.T, b *bundle) {
			if err := job.Migrate(t.Context(), b.store); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newBundle(t, open(t)))
		})
	}
}

// bundle is a queue whose every job does what the test says and reports that it ran.
type bundle struct {
	*job.Queue

	t     *testing.T
	store *store.Store
	ran   chan string // "kind app/resource"

	mu   sync.Mutex
	work job.Work
}

func newBundle(t *testing.T, s *store.Store) *bundle {
	b := &bundle{t: t, store: s, ran: make(chan string, 100)}
	b.does(func(context.Context, string, string) (time.Time, error) { return time.Time{}, nil })
	b.Queue = b.queue()
	s.UseQueue(b.Queue)
	return b
}

func (b *bundle) queue() *job.Queue {
	b.t.Helper()
	work := map[payment.JobKind]job.Work{}
	for _, kind := range []payment.JobKind{payment.FollowPayment, payment.FollowAttempt, payment.FollowRefund, payment.AskAgain, payment.DeliverWebhook} {
		work[kind] = func(ctx context.Context, appID, resourceID string) (time.Time, error) {
			b.mu.Lock()
			do := b.work
			b.mu.Unlock()
			b.ran <- string(kind) + " " + appID + "/" + resourceID
			return do(ctx, appID, resourceID)
		}
	}
	q, err := job.New(job.Config{Store: b.store, Work: work})
	if err != nil {
		b.t.Fatal(err)
	}
	return q
}

func (b *bundle) does(work job.Work) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.work = work
}

// start runs jobs until the end of the test.
func (b *bundle) start() {
	b.t.Helper()
	if err := b.Start(context.WithoutCancel(b.t.Context())); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { b.stop(patience) })
}

func (b *bundle) stop(within time.Duration) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	if err := b.Stop(ctx); err != nil {
		b.t.Errorf("stop: %v", err)
	}
}

func follow(resourceID string, at time.Time) payment.Job {
	return payment.Job{Kind: payment.FollowPayment, AppID: "app", ResourceID: resourceID, At: at}
}

func (b *bundle) commit(jobs ...payment.Job) {
	b.t.Helper()
	if err := b.store.Commit(b.t.Context(), &payment.Change{Jobs: jobs}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bundle) expect(want string) {
	b.t.Helper()
	select {
	case got := <-b.ran:
		if got != want {
			b.t.Fatalf("%s ran, want %s", got, want)
		}
	case <-time.After(patience):
		b.t.Fatalf("%s did not run", want)
	}
}

// waiting is how many jobs wait or run.
func (b *bundle) waiting() (n int64) {
	b.t.Helper()
	counts, err := b.Counts(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range counts {
		n += c.Jobs
	}
	return n
}

// emptied waits until no job waits or runs: a job's end is written after its work has returned.
func (b *bundle) emptied() {
	b.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); b.waiting() > 0; <-tick.C {
		if time.Now().After(deadline) {
			b.t.Fatalf("%d jobs are still there", b.waiting())
		}
	}
}

func aJobRunsAfterItsCommit(t *testing.T, b *bundle) {
	b.start()
	now := time.Now()
	b.commit(follow("pay_1", now))
	b.expect("follow_payment app/pay_1")
	b.commit(payment.Job{Kind: payment.FollowRefund, AppID: "app", ResourceID: "rfd_1", At: now})
	b.expect("follow_refund app/rfd_1")
	b.commit(payment.Job{Kind: payment.DeliverWebhook, AppID: "app", ResourceID: "whk_1", At: now})
	b.expect("deliver_webhook app/whk_1")
	b.emptied()
}

// failing enqueues and then lets the database transaction fail.
type failing struct{ store.Queue }

var errAfterwards = errors.New("failed after the job was enqueued")

func (f failing) EnqueueTx(ctx context.Context, tx *store.Tx, jobs []store.Job) error {
	return errors.Join(f.Queue.EnqueueTx(ctx, tx, jobs), errAfterwards)
}

func aJobOfARolledBackTransactionNeverRuns(t *testing.T, b *bundle) {
	b.store.UseQueue(failing{b.Queue})
	if err := b.store.Commit(t.Context(), &payment.Change{Jobs: []payment.Job{follow("pay_lost", time.Now())}}); err == nil || err.Error() != errAfterwards.Error() {
		t.Fatal(err)
	}
	if n := b.waiting(); n != 0 {
		t.Errorf("%d jobs", n)
	}
	b.store.UseQueue(b.Queue)
	b.start()
	b.commit(follow("pay_1", time.Now()))
	b.expect("follow_payment app/pay_1")
	b.emptied()
	if len(b.ran) > 0 {
		t.Errorf("%s ran", <-b.ran)
	}
}

func anUnknownKindRollsItsChangeBack(t *testing.T, b *bundle) {
	n := &payment.Notice{AccountID: "acc", NotificationID: "n", ReceivedAt: time.Now()}
	if err := b.store.Commit(t.Context(), &payment.Change{Notice: n, Jobs: []payment.Job{follow("pay_1", time.Now()), {Kind: "dance"}}}); err == nil {
		t.Fatal("committed")
	}
	if n := b.waiting(); n != 0 {
		t.Errorf("%d jobs", n)
	}
	if err := b.store.Commit(t.Context(), &payment.Change{Notice: n}); err != nil {
		t.Errorf("the notice stayed: %v", err)
	}
}

func aJobOfTheFutureWaits(t *testing.T, b *bundle) {
	b.start()
	b.commit(follow("pay_far", time.Now().Add(time.Hour)), follow("pay_near", time.Now().Add(300*time.Millisecond)), follow("pay_now", time.Now()))
	b.expect("follow_payment app/pay_now")
	b.expect("follow_payment app/pay_near")
	if n := b.waiting(); n == 0 || len(b.ran) > 0 {
		t.Errorf("%d jobs wait, %d ran", n, len(b.ran))
	}
}

func aJobComesBackWhenItAsksTo(t *testing.T, b *bundle) {
	runs := 0
	b.does(func(context.Context, string, string) (time.Time, error) {
		if runs++; runs <= 3 {
			return time.Now().Add(10 * time.Millisecond), nil
		}
		return time.Time{}, nil
	})
	b.commit(follow("pay_1", time.Now()))
	b.exec(`UPDATE river_job SET attempt = max_attempts - 2`) // as after years of failures: asking to come back uses nothing up
	b.start()
	for range 4 {
		b.expect("follow_payment app/pay_1")
	}
	b.emptied()
}

func aJobThatFailedByOurFaultIsTriedAgain(t *testing.T, b *bundle) {
	failed := false
	b.does(func(context.Context, string, string) (time.Time, error) {
		if !failed {
			failed = true
			return time.Time{}, errors.New("the database is away")
		}
		return time.Time{}, nil
	})
	b.start()
	b.commit(follow("pay_1", time.Now()))
	b.expect("follow_payment app/pay_1")
	b.expect("follow_payment app/pay_1")
	b.emptied()
}

func aJobThatPanickedIsTriedAgain(t *testing.T, b *bundle) {
	panicked := false
	b.does(func(context.Context, string, string) (time.Time, error) {
		if !panicked {
			panicked = true
			panic("a mistake of ours")
		}
		return time.Time{}, nil
	})
	b.start()
	b.commit(follow("pay_1", time.Now()))
	b.expect("follow_payment app/pay_1")
	b.expect("follow_payment app/pay_1")
	b.emptied()
}

func theJobOfAKilledProcessIsTakenOver(t *testing.T, b *bundle) {
	b.commit(follow("pay_1", time.Now()))
	// What a process leaves behind that was killed two minutes ago while it ran the job.
	if b.store.Postgres() != nil {
		b.exec(`UPDATE river_job SET state = 'running', attempt = 1, attempted_at = now() - interval '2 minutes', attempted_by = '{dead}'`)
	} else {
		b.exec(`UPDATE river_job SET state = 'running', attempt = 1, attempted_at = datetime('now', '-2 minutes'), attempted_by = json('["dead"]')`)
	}
	b.start()
	b.expect("follow_payment app/pay_1")
	b.emptied()
}

func finishedJobsAreForgottenAndOthersAreNot(t *testing.T, b *bundle) {
	later := time.Now().Add(time.Hour)
	b.commit(follow("pay_1", later), follow("pay_2", later), follow("pay_3", later), follow("pay_4", later))
	const finished = `UPDATE river_job SET state = '%s', finalized_at = %s WHERE id = %d`
	ago := func(minutes int) string {
		if b.store.Postgres() != nil {
			return fmt.Sprintf(`now() - interval '%d minutes'`, minutes)
		}
		return fmt.Sprintf(`datetime('now', '-%d minutes')`, minutes)
	}
	b.exec(fmt.Sprintf(finished, "completed", ago(61), 1))
	b.exec(fmt.Sprintf(finished, "completed", ago(30), 2))
	b.exec(fmt.Sprintf(finished, "discarded", ago(1_000_000), 3))
	b.start()
	tick, deadline := time.NewTicker(5*time.Millisecond), time.After(patience)
	defer tick.Stop()
	for b.rows("completed") != 1 {
		select {
		case <-deadline:
			t.Fatalf("%d finished jobs are there, want the one of this hour", b.rows("completed"))
		case <-tick.C:
		}
	}
	if b.rows("discarded") != 1 || b.rows("scheduled") != 1 {
		t.Errorf("%d that were given up, %d that wait; want 1 each", b.rows("discarded"), b.rows("scheduled"))
	}
}

// rows is how many jobs there are in a state.
func (b *bundle) rows(state string) (n int) {
	b.t.Helper()
	query := `SELECT COUNT(*) FROM river_job WHERE state = '` + state + `'`
	var err error
	if pool := b.store.Postgres(); pool != nil {
		err = pool.QueryRow(b.t.Context(), query).Scan(&n)
	} else {
		err = b.store.SQLite().QueryRowContext(b.t.Context(), query).Scan(&n)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

func (b *bundle) exec(statement string) {
	b.t.Helper()
	var err error
	if pool := b.store.Postgres(); pool != nil {
		_, err = pool.Exec(b.t.Context(), statement)
	} else {
		_, err = b.store.SQLite().ExecContext(b.t.Context(), statement)
	}
	if err != nil {
		b.t.Fatalf("%s: %v", statement, err)
	}
}

func aStopWaitsForRunningJobs(t *testing.T, b *bundle) {
	release, finished := make(chan struct{}), make(chan struct{})
	b.does(func(ctx context.Context, _, _ string) (time.Time, error) {
		defer close(finished)
		select {
		case <-release:
			return time.Time{}, nil
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		}
	})
	b.start()
	b.commit(follow("pay_1", time.Now()))
	b.expect("follow_payment app/pay_1")
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		b.stop(patience)
	}()
	select {
	case <-stopped:
		t.Error("stopped while a job was running")
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	<-stopped
	select {
	case <-finished:
	default:
		t.Error("stopped before the job had finished")
	}
	if n := b.waiting(); n != 0 {
		t.Errorf("%d jobs are left", n)
	}
}

func aStopThatMayNotWaitCancelsAndKeepsTheJob(t *testing.T, b *bundle) {
	b.does(func(ctx context.Context, _, _ string) (time.Time, error) {
		<-ctx.Done()
		return time.Time{}, ctx.Err()
	})
	if err := b.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	b.commit(follow("pay_1", time.Now()))
	b.expect("follow_payment app/pay_1")
	b.stop(50 * time.Millisecond)
	if n := b.waiting(); n != 1 {
		t.Fatalf("%d jobs are left, want the one that was cancelled", n)
	}
	b.does(func(context.Context, string, string) (time.Time, error) { return time.Time{}, nil })
	b.Queue = b.queue() // another process
	b.start()
	b.expect("follow_payment app/pay_1")
	b.emptied()
}

func TestAQueueWithoutWorkForAKindIsRefused(t *testing.T) {
	t.Parallel()
	s := storetest.OpenSQLite(t)
	work := map[payment.JobKind]job.Work{payment.FollowPayment: func(context.Context, string, string) (time.Time, error) { return time.Time{}, nil }}
	if _, err := job.New(job.Config{Store: s, Work: work}); err == nil {
		t.Error("jobs would be lost")
	}
}
