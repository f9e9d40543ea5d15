// Package storetest is the one suite that every engine of the store passes, and the stores that other packages
// test with.
package storetest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/pgtest"
	"github.com/tongbao-pay/tongbao/internal/store"
)

// Run proves an engine. open returns an empty, migrated store without a queue; it is called once per test.
func Run(t *testing.T, open func(*testing.T) *store.Store) {
	t.Helper()
	groups := []map[string]func(*testing.T, *bundle){
		paymentTests, commitTests, conflictTests, fanOutTests, eventTests, listTests, reviewTests, webhookTests, accessTests, idempotencyTests, numberTests, pruneTests, streamTests,
	}
	for _, group := range groups {
		for name, test := range group {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, newBundle(t, open(t)))
			})
		}
	}
}

// OpenSQLite opens a migrated store in a file of its own.
func OpenSQLite(t *testing.T) *store.Store {
	t.Helper()
	image, err := migratedFile()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "tongbao.db")
	if err := os.WriteFile(path, image, 0o600); err != nil {
		t.Fatal(err)
	}
	return Open(t, "sqlite:"+path)
}

// migratedFile is the content of an empty, migrated database, made once per process: under the race detector the
// migrations take longer than most tests.
var migratedFile = sync.OnceValues(func() (image []byte, err error) {
	dir, err := os.MkdirTemp("", "storetest-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "template.db")
	if err := migrate("sqlite:" + path); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// migrate brings a database up to date and leaves it closed.
func migrate(dsn string) (err error) {
	ctx := context.Background()
	s, err := store.Open(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	_, err = s.Migrate(ctx)
	return err
}

// OpenPostgres opens a migrated store in a database of its own. The package that uses it ends with [pgtest.Main].
func OpenPostgres(t *testing.T) *store.Store {
	t.Helper()
	return Open(t, pgtest.NewDatabaseFrom(t, "store", migrate))
}

// Open opens a store as it is and closes it at the end of the test.
func Open(t *testing.T, dsn string) *store.Store {
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
	return s
}

// bundle is one test's store with a queue that the test can look into.
type bundle struct {
	*store.Store

	t     testing.TB
	queue *tableQueue
}

func newBundle(t testing.TB, s *store.Store) *bundle {
	b := &bundle{Store: s, t: t, queue: &tableQueue{}}
	b.exec(`CREATE TABLE enqueued (kind text NOT NULL, resource_id text NOT NULL, at bigint NOT NULL)`)
	s.UseQueue(b.queue)
	return b
}

// tableQueue keeps jobs in a table of their own, so that they share the fate of their database transaction.
type tableQueue struct {
	before func(context.Context) error // called inside the transaction; nil: nothing
}

func (q *tableQueue) EnqueueTx(ctx context.Context, tx *store.Tx, jobs []store.Job) error {
	if q.before != nil {
		if err := q.before(ctx); err != nil {
			return err
		}
	}
	for _, j := range jobs {
		var err error
		if tx.Postgres != nil {
			_, err = tx.Postgres.Exec(ctx, `INSERT INTO enqueued VALUES ($1, $2, $3)`, string(j.Kind), j.ResourceID, j.At.UnixMilli())
		} else {
			_, err = tx.SQLite.ExecContext(ctx, `INSERT INTO enqueued VALUES (?, ?, ?)`, string(j.Kind), j.ResourceID, j.At.UnixMilli())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bundle) exec(statement string) {
	b.t.Helper()
	var err error
	if pool := b.Postgres(); pool != nil {
		_, err = pool.Exec(b.t.Context(), statement)
	} else {
		_, err = b.SQLite().ExecContext(b.t.Context(), statement)
	}
	if err != nil {
		b.t.Fatalf("%s: %v", statement, err)
	}
}

// count answers a query for one number.
func (b *bundle) count(query string) (n int64) {
	b.t.Helper()
	var err error
	if pool := b.Postgres(); pool != nil {
		err = pool.QueryRow(b.t.Context(), query).Scan(&n)
	} else {
		err = b.SQLite().QueryRowContext(b.t.Context(), query).Scan(&n)
	}
	if err != nil {
		b.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// tables are all that a change may write to.
var tables = []string{"payments", "attempts", "refunds", "events", "postings", "notices", "reviews", "webhooks", "enqueued"}

func (b *bundle) sizes() map[string]int64 {
	b.t.Helper()
	sizes := map[string]int64{}
	for _, table := range tables {
		sizes[table] = b.count(`SELECT COUNT(*) FROM ` + table)
	}
	return sizes
}

func (b *bundle) commit(c *payment.Change) {
	b.t.Helper()
	if err := b.Commit(b.t.Context(), c); err != nil {
		b.t.Fatalf("commit: %v", err)
	}
}

// refused commits a change that must fail in the given way; nil means any way.
func (b *bundle) refused(c *payment.Change, want error) {
	b.t.Helper()
	err := b.Commit(b.t.Context(), c)
	if err == nil || (want != nil && !errors.Is(err, want)) {
		b.t.Fatalf("commit: got %v, want %v", err, want)
	}
	if want == nil && (errors.Is(err, payment.ErrConflict) || errors.Is(err, payment.ErrDuplicate)) {
		b.t.Fatalf("commit: %v sends the caller round again, though it will never succeed", err)
	}
}

func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// epoch is the moment of every fixture: whole milliseconds, as they are stored.
var epoch = time.Date(2026, 3, 9, 1, 2, 3, 456_000_000, time.UTC)
