package simulate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tongbao-pay/tongbao/internal/job"
	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/store"
)

// jobs stand in for River, whose clock is the machine's: a table, written in the database transaction of the change that
// needs the work, and worked off when the simulation says so, on the simulation's clock. Like River's they run at least
// once, on any replica, and come back at the time they ask for. See docs/adr/0018-simulated-time-has-jobs-of-its-own.md.
type jobs struct {
	db    *sql.DB
	clock *clock
	last  atomic.Int64 // id
	twice atomic.Int64 // how many of the next runs happen twice
}

const (
	createJobs = `CREATE TABLE simulated_jobs (id bigint NOT NULL PRIMARY KEY, kind text NOT NULL, app_id text NOT NULL, resource_id text NOT NULL, due_at bigint NOT NULL)`
	insertJob  = `INSERT INTO simulated_jobs (id, kind, app_id, resource_id, due_at) VALUES ($1, $2, $3, $4, $5)`
	deleteJob  = `DELETE FROM simulated_jobs WHERE id = $1`
	listJobs   = `SELECT id, kind, app_id, resource_id, due_at FROM simulated_jobs ORDER BY due_at, id`
)

// retryAfter is when a job that failed for a reason of ours runs again, as River's does.
const retryAfter = 5 * time.Second

// atOnce is how many jobs run at the same time.
const atOnce = 6

// scheduled is a job that waits.
type scheduled struct {
	id int64
	payment.Job
}

func (s scheduled) String() string {
	return fmt.Sprintf("job %d: %s of %s, due at %s", s.id, s.Kind, s.ResourceID, s.At.UTC().Format(time.RFC3339))
}

// waiting lists all jobs, the earliest first.
func (j *jobs) waiting(ctx context.Context) ([]scheduled, error) {
	return query(ctx, j.db, listJobs, func(r *sql.Rows) (s scheduled, err error) {
		var at int64
		err = r.Scan(&s.id, &s.Kind, &s.AppID, &s.ResourceID, &at)
		s.At = time.UnixMilli(at)
		return s, err
	})
}

// put moves a job to another time, or ends it where that is zero.
func (j *jobs) put(ctx context.Context, s scheduled, at time.Time) error {
	if at.IsZero() {
		_, err := j.db.ExecContext(ctx, deleteJob, s.id)
		return err
	}
	// Deleted and inserted, so that SQLite's way of binding by appearance and PostgreSQL's by number mean the same.
	tx, err := j.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(ctx, deleteJob, s.id); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, insertJob, s.id, string(s.Kind), s.AppID, s.ResourceID, at.UnixMilli()); err != nil {
		return err
	}
	return tx.Commit()
}

// queue is one replica's side of the jobs. It implements [server.Queue].
type queue struct {
	jobs *jobs
	work map[payment.JobKind]job.Work
	// upkeep is the hourly housekeeping.
	upkeep func(context.Context) error
	now    func() time.Time // the replica's clock

	mu      sync.Mutex
	started bool
	running sync.WaitGroup
}

// EnqueueTx implements [store.Queue].
func (q *queue) EnqueueTx(ctx context.Context, tx *store.Tx, all []store.Job) error {
	for _, one := range all {
		at := q.everybodys(one.At).UnixMilli()
		args := []any{q.jobs.last.Add(1), string(one.Kind), one.AppID, one.ResourceID, at}
		var err error
		if tx.Postgres != nil {
			_, err = tx.Postgres.Exec(ctx, insertJob, args...)
		} else {
			_, err = tx.SQLite.ExecContext(ctx, insertJob, args...)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// everybodys is a moment of the replica's clock on everybody's: it is as far away.
func (q *queue) everybodys(at time.Time) time.Time {
	return q.jobs.clock.Now().Add(max(at.Sub(q.now()), 0))
}

// Start implements [server.Queue].
func (q *queue) Start(context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.started = true
	return nil
}

// Stop implements [server.Queue]: it waits for the jobs that run.
func (q *queue) Stop(context.Context) error {
	q.mu.Lock()
	q.started = false
	q.mu.Unlock()
	q.running.Wait()
	return nil
}

// Counts implements [server.Queue].
func (q *queue) Counts(context.Context) ([]job.Count, error) { return nil, nil }

// enter lets a run begin, if the replica works; it must leave.
func (q *queue) enter() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.started {
		q.running.Add(1)
	}
	return q.started
}

// run does a job once and answers when it wants to run again; ran is false where the replica does not work.
func (q *queue) run(ctx context.Context, s scheduled) (again time.Time, ran bool, err error) {
	if !q.enter() {
		return time.Time{}, false, nil
	}
	defer q.running.Done()
	again, err = q.work[s.Kind](ctx, s.AppID, s.ResourceID)
	if err != nil || again.IsZero() {
		return time.Time{}, true, err
	}
	return q.everybodys(again), true, nil
}

// workOff runs everything that is due, on the replicas that work, until nothing is. what went wrong on our side is told
// to blame.
func (j *jobs) workOff(ctx context.Context, on []*queue, blame func(scheduled, error)) error {
	for range roundsMax {
		all, err := j.waiting(ctx)
		if err != nil {
			return err
		}
		now := j.clock.Now()
		due := all[:firstAfter(all, now)]
		on = slices.DeleteFunc(slices.Clone(on), func(q *queue) bool { return !q.works() })
		if len(due) == 0 || len(on) == 0 {
			return nil
		}
		if err := j.runAll(ctx, due, on, blame); err != nil {
			return err
		}
	}
	return fmt.Errorf("jobs wanted to run again at once %d times: something turns in a circle", roundsMax)
}

// roundsMax is how often jobs may make each other run again at one moment.
const roundsMax = 200

func (q *queue) works() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.started
}

func firstAfter(all []scheduled, now time.Time) int {
	i := slices.IndexFunc(all, func(s scheduled) bool { return s.At.After(now) })
	if i < 0 {
		return len(all)
	}
	return i
}

func (j *jobs) runAll(ctx context.Context, due []scheduled, on []*queue, blame func(scheduled, error)) error {
	slots := make(chan struct{}, atOnce)
	errs := make([]error, len(due))
	var group sync.WaitGroup
	for i, s := range due {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			errs[i] = j.runOne(ctx, s, on, blame)
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// runOne runs a job on one replica; where its turn has come to happen twice, on two at once, of which one dies before
// it can say what came of it.
func (j *jobs) runOne(ctx context.Context, s scheduled, on []*queue, blame func(scheduled, error)) error {
	chosen := int(s.id) % len(on)
	var second sync.WaitGroup
	if j.twice.Add(-1) >= 0 {
		second.Go(func() {
			if _, _, err := on[(chosen+1)%len(on)].run(ctx, s); err != nil {
				blame(s, err)
			}
		})
	}
	again, ran, err := on[chosen].run(ctx, s)
	second.Wait()
	if !ran {
		return nil
	}
	if err != nil {
		blame(s, err)
		again = j.clock.Now().Add(retryAfter)
	}
	return j.put(ctx, s, again)
}

// query runs a query and scans every row.
func query[T any](ctx context.Context, db *sql.DB, text string, scan func(*sql.Rows) (T, error)) (all []T, err error) {
	rows, err := db.QueryContext(ctx, text)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}
