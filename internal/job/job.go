// Package job runs durable work. A job is committed in the database transaction of the change that makes it
// necessary (River's InsertTx is the outbox), runs at least once at its time, and comes back after any crash.
// Every job must therefore bear a second run; all of this project's do, because they ask before they act.
package job

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/store"
)

// Work does one job. It answers when to run again; the zero time means that the job is finished. An error is our
// own failure: the job is tried again with growing delays, for ever.
type Work func(ctx context.Context, appID, resourceID string) (again time.Time, err error)

// Config is what a [Queue] needs.
type Config struct {
	Store *store.Store
	// Work for every kind of job that is ever enqueued.
	Work map[payment.JobKind]Work
	// Hourly runs about once an hour on one replica, for housekeeping.
	Hourly func(context.Context) error
	Now    func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil: discarded
}

// The queues, and how many of their jobs run at once in one process. They are separate so that a slow provider
// does not keep webhooks waiting, nor the other way round.
const (
	queuePayments = "payments"
	queueRefunds  = "refunds"
	queueWebhooks = "webhooks"
	queueUpkeep   = "upkeep"
)

var queueOf = map[payment.JobKind]string{
	payment.FollowPayment:  queuePayments,
	payment.FollowAttempt:  queuePayments,
	payment.FollowRefund:   queueRefunds,
	payment.AskAgain:       queuePayments,
	payment.DeliverWebhook: queueWebhooks,
}

// jobTimeout bounds one run; rescueAfter, which must be longer, is when a job whose process died is taken over.
const (
	jobTimeout  = time.Minute
	rescueAfter = 90 * time.Second
)

// completedFor is how long a finished job's row stays: nobody needs it, and a busy hour makes many. One that was given up
// should not be there at all; it stays until somebody has looked at it.
const (
	completedFor = time.Hour
	discardedFor = 100 * 365 * 24 * time.Hour // River's word for ever, -1, deletes at once on SQLite
)

// Queue keeps the jobs. It is safe for concurrent use.
type Queue struct {
	store  *store.Store
	client client
	now    func() time.Time
	logger *slog.Logger
}

// client is what River's two clients share; they differ by the transaction they join.
type client interface {
	Start(context.Context) error
	Stop(context.Context) error
	StopAndCancel(context.Context) error
	insertTx(context.Context, *store.Tx, []river.InsertManyParams) error
}

type pgClient struct{ *river.Client[pgx.Tx] }

func (c pgClient) insertTx(ctx context.Context, tx *store.Tx, jobs []river.InsertManyParams) error {
	_, err := c.InsertManyTx(ctx, tx.Postgres, jobs)
	return err
}

type liteClient struct{ *river.Client[*sql.Tx] }

func (c liteClient) insertTx(ctx context.Context, tx *store.Tx, jobs []river.InsertManyParams) error {
	_, err := c.InsertManyTx(ctx, tx.SQLite, jobs)
	return err
}

// New prepares a queue on a migrated database; nothing runs before [Queue.Start].
func New(c Config) (*Queue, error) {
	q := &Queue{store: c.Store, now: c.Now, logger: c.Logger}
	if q.now == nil {
		q.now = time.Now
	}
	if q.logger == nil {
		q.logger = slog.New(slog.DiscardHandler)
	}
	workers := river.NewWorkers()
	for kind := range queueOf {
		if c.Work[kind] == nil {
			return nil, fmt.Errorf("job: no work for jobs of kind %s", kind)
		}
	}
	river.AddWorker(workers, &worker[followPayment]{queue: q, work: c.Work[payment.FollowPayment]})
	river.AddWorker(workers, &worker[followAttempt]{queue: q, work: c.Work[payment.FollowAttempt]})
	river.AddWorker(workers, &worker[followRefund]{queue: q, work: c.Work[payment.FollowRefund]})
	river.AddWorker(workers, &worker[askAgain]{queue: q, work: c.Work[payment.AskAgain]})
	river.AddWorker(workers, &worker[deliverWebhook]{queue: q, work: c.Work[payment.DeliverWebhook]})
	config := &river.Config{
		Queues: map[string]river.QueueConfig{
			queuePayments: {MaxWorkers: 32}, queueRefunds: {MaxWorkers: 16}, queueWebhooks: {MaxWorkers: 64},
		},
		Workers:              workers,
		FetchCooldown:        20 * time.Millisecond,
		FetchPollInterval:    200 * time.Millisecond,
		JobTimeout:           jobTimeout,
		RescueStuckJobsAfter: rescueAfter,

		CompletedJobRetentionPeriod: completedFor,
		DiscardedJobRetentionPeriod: discardedFor,

		Logger: slog.New(quiet{q.logger.Handler()}),
	}
	if c.Hourly != nil {
		river.AddWorker(workers, &upkeepWorker{hourly: c.Hourly})
		config.Queues[queueUpkeep] = river.QueueConfig{MaxWorkers: 1}
		config.PeriodicJobs = []*river.PeriodicJob{river.NewPeriodicJob(river.PeriodicInterval(time.Hour), func() (river.JobArgs, *river.InsertOpts) {
			return upkeep{}, &river.InsertOpts{Queue: queueUpkeep}
		}, nil)}
	}
	var err error
	if q.client, err = newClient(c.Store, config); err != nil {
		return nil, err
	}
	return q, nil
}

// NewOutbox prepares a queue that takes jobs and runs none, for commands beside the gateway that runs them.
func NewOutbox(s *store.Store) (*Queue, error) {
	c, err := newClient(s, &river.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	return &Queue{store: s, client: c, now: time.Now, logger: slog.New(slog.DiscardHandler)}, nil
}

func newClient(s *store.Store, config *river.Config) (client, error) {
	if pool := s.Postgres(); pool != nil {
		rc, err := river.NewClient(riverpgxv5.New(pool), config)
		if err != nil {
			return nil, fmt.Errorf("job: %w", err)
		}
		return pgClient{rc}, nil
	}
	rc, err := river.NewClient(riversqlite.New(s.SQLite()), config)
	if err != nil {
		return nil, fmt.Errorf("job: %w", err)
	}
	return liteClient{rc}, nil
}

// unsearched drops the indexes for searching jobs by what is in them, which nobody does; every change of a job would pay
// for them.
const unsearched = `DROP INDEX IF EXISTS river_job_args_index, river_job_metadata_index`

// neverUnique says that no job is unique, so that PostgreSQL plans no search for jobs like those that have come due. By
// a plan for a few it would compare each with each: 2,700 took 2.5 s, and 0.1 s without.
const neverUnique = `DO $$ BEGIN
	IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = 'river_job'::regclass AND conname = 'river_job_never_unique') THEN
		ALTER TABLE river_job ADD CONSTRAINT river_job_never_unique CHECK (unique_key IS NULL);
	END IF;
END $$`

// Migrate brings the tables of the jobs up to date. Replicas that start together wait for the first.
func Migrate(ctx context.Context, s *store.Store) error {
	err := s.Exclusively(ctx, func(ctx context.Context) error {
		if pool := s.Postgres(); pool != nil {
			if err := migrate(ctx, rivermigrate.New[pgx.Tx], riverpgxv5.New(pool)); err != nil {
				return err
			}
			_, err := pool.Exec(ctx, unsearched+`;`+neverUnique)
			return err
		}
		return migrate(ctx, rivermigrate.New[*sql.Tx], riversqlite.New(s.SQLite()))
	})
	if err != nil {
		return fmt.Errorf("job: migrate: %w", err)
	}
	return nil
}

// EnqueueTx implements [store.Queue].
func (q *Queue) EnqueueTx(ctx context.Context, tx *store.Tx, jobs []store.Job) error {
	params := make([]river.InsertManyParams, len(jobs))
	for i, j := range jobs {
		ref := reference{AppID: j.AppID, ResourceID: j.ResourceID}
		var args river.JobArgs
		switch j.Kind {
		case payment.FollowPayment:
			args = followPayment{ref}
		case payment.FollowAttempt:
			args = followAttempt{ref}
		case payment.FollowRefund:
			args = followRefund{ref}
		case payment.AskAgain:
			args = askAgain{ref}
		case payment.DeliverWebhook:
			args = deliverWebhook{ref}
		default:
			return fmt.Errorf("job: unknown kind %q", j.Kind)
		}
		params[i] = river.InsertManyParams{Args: args, InsertOpts: &river.InsertOpts{
			Queue: queueOf[j.Kind], MaxAttempts: attemptsMax, Metadata: traceMetadata(trace.ContextWithSpanContext(ctx, j.Cause)), ScheduledAt: q.later(j.At),
		}}
	}
	return q.client.insertTx(ctx, tx, params)
}

// attemptsMax is what River can store at most: our own failures never use a job up.
const attemptsMax = 32_767

// later is the scheduled time of a job, zero for one that is due: River then runs it without its scheduler's delay.
func (q *Queue) later(at time.Time) time.Time {
	if wait := at.Sub(q.now()); wait > 0 {
		return time.Now().Add(wait) // River's clock is the machine's
	}
	return time.Time{}
}

// Start runs jobs until ctx ends or [Queue.Stop] is called.
func (q *Queue) Start(ctx context.Context) error { return q.client.Start(ctx) }

// Stop waits for running jobs; when ctx ends first, they are cancelled, and run again in another process.
func (q *Queue) Stop(ctx context.Context) error {
	err := q.client.Stop(ctx)
	if err == nil || !errors.Is(err, ctx.Err()) {
		return err
	}
	forced, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return q.client.StopAndCancel(forced)
}

// Count is how many jobs of a queue are in a state.
type Count struct {
	Queue, State string
	Jobs         int64
}

// Counts tells how many jobs wait or run, by queue and state.
func (q *Queue) Counts(ctx context.Context) ([]Count, error) {
	const query = `SELECT queue, CAST(state AS text), COUNT(*) FROM river_job WHERE state IN ('available', 'pending', 'retryable', 'running', 'scheduled') GROUP BY queue, state`
	var counts []Count
	if pool := q.store.Postgres(); pool != nil {
		rows, err := pool.Query(ctx, query)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, pgx.RowToStructByPos[Count])
	}
	rows, err := q.store.SQLite().QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var c Count
		if err := rows.Scan(&c.Queue, &c.State, &c.Jobs); err != nil {
			return nil, err
		}
		counts = append(counts, c)
	}
	return counts, rows.Err()
}

// traceMetadata carries the trace that caused a job into the job's run.
func traceMetadata(ctx context.Context) []byte {
	carrier := propagation.MapCarrier{}
	otel.GetTextMapPropagator().Inject(ctx, carrier)
	if len(carrier) == 0 {
		return nil
	}
	b, err := json.Marshal(carrier)
	if err != nil {
		return nil // unreachable: a map of strings
	}
	return b
}

func traceFromMetadata(ctx context.Context, job *rivertype.JobRow) context.Context {
	var metadata map[string]any
	if err := json.Unmarshal(job.Metadata, &metadata); err != nil {
		return ctx
	}
	carrier := propagation.MapCarrier{}
	for k, v := range metadata {
		if s, ok := v.(string); ok {
			carrier[k] = s
		}
	}
	return otel.GetTextMapPropagator().Extract(ctx, carrier)
}
