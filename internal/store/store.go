package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"go.opentelemetry.io/otel/trace"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

// Queue puts jobs into the database transaction that makes them necessary.
type Queue interface {
	EnqueueTx(context.Context, *Tx, []Job) error
}

// Job is a job with the trace it continues.
type Job struct {
	payment.Job

	Cause trace.SpanContext
}

// Store is one database. It is safe for concurrent use.
type Store struct {
	dialect    dialect
	read       querier
	pg         *pgxpool.Pool // on PostgreSQL
	lite       *sql.DB       // on SQLite: the one writer
	liteReader *sql.DB
	served     *sql.DB // the lock of a process that serves
	queue      Queue
	observer   Observer
	commits    *committer

	byNotification gather[struct{}]
	byTradeNo      gather[*payment.Payment]
	byTransaction  gather[string]
	byOutTradeNo   gather[string]
}

// with prepares what the engines share. lanes is how many groups of changes are committed at once, and apart how many
// changes beside them.
func (s *Store) with(lanes, apart int) *Store {
	s.commits = &committer{store: s, lanes: lanes, apart: make(chan struct{}, apart), busy: map[string]struct{}{}}
	s.byNotification.ask, s.byTradeNo.ask, s.byTransaction.ask = s.noticed, s.paymentsByTradeNo, s.transactionOwners
	s.byOutTradeNo.ask = s.paymentIDs
	s.byTradeNo.clone = clonePayment
	return s
}

// Open opens the database that dsn names: "postgres://..." or "sqlite:" with a file's path. It does not migrate.
func Open(ctx context.Context, dsn string) (*Store, error) {
	switch {
	case strings.HasPrefix(dsn, "postgres://"), strings.HasPrefix(dsn, "postgresql://"):
		return openPostgres(ctx, dsn)
	case strings.HasPrefix(dsn, "sqlite:") && len(dsn) > len("sqlite:"):
		return openSQLite(ctx, strings.TrimPrefix(dsn, "sqlite:"))
	}
	return nil, errors.New(`store: the database must be "postgres://user:password@host:5432/name" or "sqlite:path/to/file.db"`)
}

// UseQueue sets where committed jobs go. It must be called before the first write that has jobs.
func (s *Store) UseQueue(q Queue) { s.queue = q }

// UseObserver sets who hears of commits and of pruning. It must be called before the first of them.
func (s *Store) UseObserver(o Observer) { s.observer = o }

// Postgres is the pool, or nil on SQLite.
func (s *Store) Postgres() *pgxpool.Pool { return s.pg }

// SQLite is the writer, or nil on PostgreSQL.
func (s *Store) SQLite() *sql.DB { return s.lite }

// Close closes every connection.
func (s *Store) Close() error {
	if s.pg != nil {
		s.pg.Close()
		return nil
	}
	err := errors.Join(s.liteReader.Close(), s.lite.Close())
	if s.served != nil {
		err = errors.Join(err, s.served.Close())
	}
	return err
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	if s.pg != nil {
		return s.pg.Ping(ctx)
	}
	return s.liteReader.PingContext(ctx)
}

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migrations is what runs the embedded files, and what gives back the connections it used.
func (s *Store) migrations() (*goose.Provider, func() error, error) {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return nil, nil, err
	}
	if s.pg == nil {
		provider, err := goose.NewProvider(goose.DialectSQLite3, s.lite, files)
		return provider, func() error { return nil }, err
	}
	db := stdlib.OpenDBFromPool(s.pg)
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files)
	return provider, db.Close, err
}

// Migrate brings the schema up to date and returns how many migrations it ran. Replicas that start together wait
// for the first.
func (s *Store) Migrate(ctx context.Context) (ran int, err error) {
	err = s.Exclusively(ctx, func(ctx context.Context) (err error) {
		provider, release, err := s.migrations()
		if err != nil {
			return fmt.Errorf("store: read the migrations: %w", err)
		}
		defer func() { err = errors.Join(err, release()) }()
		results, err := provider.Up(ctx)
		ran = len(results)
		if err != nil {
			return fmt.Errorf("store: migrate: %w", err)
		}
		if s.dialect.rebase == "" {
			return nil
		}
		if _, err := s.write(ctx, s.dialect.rebase); err != nil {
			return fmt.Errorf("store: bring the order of events into this cluster: %w", err)
		}
		return nil
	})
	return ran, err
}

// exclusive is the advisory lock of [Store.Exclusively]; a number that nobody else is likely to use.
const exclusive int64 = 0x746f6e6762616f // "tongbao"

// Exclusively runs f while no other process does on this database, for changes of the schema. f must not call it
// again. A SQLite file has one process anyway.
func (s *Store) Exclusively(ctx context.Context, f func(context.Context) error) error {
	if s.pg == nil {
		return f(ctx)
	}
	return pgx.BeginFunc(ctx, s.pg, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SET LOCAL `+idleInTx+` = 0`); err != nil { // f takes its time, on other connections
			return fmt.Errorf("store: hold a lock for as long as it takes: %w", err)
		}
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, exclusive); err != nil {
			return fmt.Errorf("store: wait for other replicas: %w", err)
		}
		return f(ctx)
	})
}

// SchemaVersion tells the schema's version and the one this program brings.
func (s *Store) SchemaVersion(ctx context.Context) (current, target int64, err error) {
	provider, release, err := s.migrations()
	if err != nil {
		return 0, 0, fmt.Errorf("store: read the migrations: %w", err)
	}
	defer func() { err = errors.Join(err, release()) }()
	current, target, err = provider.GetVersions(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("store: read the schema's version: %w", err)
	}
	return current, target, nil
}

// querier runs statements, on a pool or inside a database transaction.
type querier interface {
	exec(ctx context.Context, query string, args ...any) (affected int64, err error)
	query(ctx context.Context, query string, args ...any) (rows, error)
	batch(ctx context.Context, statements []statement) error
}

type rows interface {
	Next() bool
	Scan(dest ...any) error
	Err() error
	Close()
}

// statement is one of a batch. affected judges the number of rows it changed; returned, where set, scans what it
// returns instead. Either may be nil. jobs says which job a returned row makes, for a group to collect.
type statement struct {
	sql      string
	args     []any
	affected func(int64) error
	returned func(rows) error
	jobs     func(rows) (payment.Job, error)
}

// batchError is the failure of the statement at a place of its batch.
type batchError struct {
	at  int
	err error
}

func (e *batchError) Error() string { return e.err.Error() }
func (e *batchError) Unwrap() error { return e.err }

// Tx is a database transaction, for a [Queue] to join.
type Tx struct {
	querier
	Postgres pgx.Tx  // on PostgreSQL
	SQLite   *sql.Tx // on SQLite
}

// inTx runs f in one database transaction: committed if it returns nil, else rolled back.
func (s *Store) inTx(ctx context.Context, f func(*Tx) error) error {
	if s.pg != nil {
		return pgx.BeginFunc(ctx, s.pg, func(tx pgx.Tx) error { return f(&Tx{querier: pgQuerier{tx}, Postgres: tx}) })
	}
	tx, err := s.lite.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(&Tx{querier: liteQuerier{tx}, SQLite: tx}); err != nil {
		_ = tx.Rollback() // the first error is the one to tell
		return err
	}
	return tx.Commit()
}

// write runs one statement as its own database transaction.
func (s *Store) write(ctx context.Context, query string, args ...any) (affected int64, err error) {
	if s.pg != nil {
		return pgQuerier{s.pg}.exec(ctx, query, args...)
	}
	return liteQuerier{s.lite}.exec(ctx, query, args...)
}

// collect scans every row and closes them.
func collect(r rows, scan func(rows) error) error {
	defer r.Close()
	for r.Next() {
		if err := scan(r); err != nil {
			return err
		}
	}
	return r.Err()
}

// list runs a query and scans every row.
func list[T any](ctx context.Context, q querier, scan func(rows) (T, error), query string, args ...any) ([]T, error) {
	r, err := q.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	var all []T
	err = collect(r, func(r rows) error {
		one, err := scan(r)
		all = append(all, one)
		return err
	})
	return all, err
}

// one runs a query for a single row; missing is returned where there is none.
func one[T any](ctx context.Context, q querier, missing error, scan func(rows) (T, error), query string, args ...any) (T, error) {
	all, err := list(ctx, q, scan, query, args...)
	if err != nil {
		var none T
		return none, err
	}
	if len(all) == 0 {
		var none T
		return none, missing
	}
	return all[0], nil
}

// millis is how times are stored.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// instant scans a stored time.
type instant struct{ t *time.Time }

func (i instant) Scan(value any) error {
	ms, ok := value.(int64)
	if !ok {
		return fmt.Errorf("store: a time is stored as %T, not as an integer", value)
	}
	*i.t = time.Time{}
	if ms != 0 {
		*i.t = time.UnixMilli(ms).UTC()
	}
	return nil
}
