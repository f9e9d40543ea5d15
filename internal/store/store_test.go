package store_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/pgtest"
	"github.com/tongbao-pay/tongbao/internal/store"
	"github.com/tongbao-pay/tongbao/internal/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func TestSQLite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.OpenSQLite)
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.OpenPostgres)
}

func TestMigrations(t *testing.T) {
	t.Parallel()
	for engine, dsn := range map[string]func(*testing.T) string{
		"SQLite":   func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "new", "tongbao.db") },
		"Postgres": func(t *testing.T) string { return pgtest.NewDatabase(t) },
	} {
		t.Run(engine+"RunFromEmptyAndOnce", func(t *testing.T) {
			t.Parallel()
			s := storetest.Open(t, dsn(t))
			expectVersion(t, s, false)
			ran, err := s.Migrate(t.Context())
			if err != nil || ran == 0 {
				t.Fatalf("first: %d migrations, %v", ran, err)
			}
			expectVersion(t, s, true)
			if ran, err := s.Migrate(t.Context()); err != nil || ran != 0 {
				t.Fatalf("second: %d migrations, %v", ran, err)
			}
		})
	}
}

func TestReplicasThatStartTogetherMigrateOnce(t *testing.T) {
	t.Parallel()
	dsn := pgtest.NewDatabase(t)
	replicas := make([]*store.Store, 4)
	for i := range replicas {
		replicas[i] = storetest.Open(t, dsn)
	}
	ran := make([]int, len(replicas))
	var group sync.WaitGroup
	for i, s := range replicas {
		group.Go(func() {
			var err error
			if ran[i], err = s.Migrate(t.Context()); err != nil {
				t.Errorf("replica %d: %v", i, err)
			}
		})
	}
	group.Wait()
	total := 0
	for _, n := range ran {
		total += n
	}
	if _, target, err := replicas[0].SchemaVersion(t.Context()); err != nil || int64(total) != target {
		t.Errorf("%d migrations ran, want %d (%v)", total, target, err)
	}
}

func expectVersion(t *testing.T, s *store.Store, migrated bool) {
	t.Helper()
	current, target, err := s.SchemaVersion(t.Context())
	if err != nil || target == 0 || (current == target) != migrated {
		t.Fatalf("version %d of %d, %v; migrated: %v", current, target, err, migrated)
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	t.Run("AnUnknownDatabaseIsExplained", func(t *testing.T) {
		t.Parallel()
		for _, dsn := range []string{"", "sqlite:", "mysql://root:hunter2@localhost/x", "tongbao.db"} {
			_, err := store.Open(t.Context(), dsn)
			if err == nil || !strings.Contains(err.Error(), "sqlite:path/to/file.db") || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%q: %v", dsn, err)
			}
		}
	})
	t.Run("AnErrorKeepsThePassword", func(t *testing.T) {
		t.Parallel()
		for _, dsn := range []string{"postgres://tongbao:hunter2@127.0.0.1:1/x", "postgres://tongbao:hunter2@%zz/x", "postgres://tongbao:hunter2@localhost:port/x"} {
			_, err := store.Open(t.Context(), dsn)
			if err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%v", err)
			}
		}
	})
	t.Run("WhatCannotBeOpenedIsToldWithWhatToLookAt", func(t *testing.T) {
		t.Parallel()
		folder := t.TempDir()
		file := filepath.Join(folder, "a file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		for dsn, want := range map[string]string{
			"sqlite:" + folder:                          "a file that this user may write",
			"sqlite:" + filepath.Join(file, "below.db"): "a file that this user may write",
			"postgres://tongbao@127.0.0.1:1/x":          "check database, and that the server runs",
		} {
			if _, err := store.Open(t.Context(), dsn); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", dsn, err)
			}
		}
	})
	t.Run("AFileOfAnyNameIsOpenedAndPrivate", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "a folder, 100% 店?#", "mein tongbao&x=1.db")
		s := storetest.Open(t, "sqlite:"+path)
		if _, err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v %v", info, err)
		}
	})
	t.Run("ACommitOnSQLiteSurvivesAPowerCut", func(t *testing.T) {
		t.Parallel()
		s := storetest.OpenSQLite(t)
		for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1"} {
			var got string
			if err := s.SQLite().QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s is %q (%v), want %q", pragma, got, err, want)
			}
		}
	})
}

func TestEventsOfARestoredDatabaseKeepTheirOrder(t *testing.T) {
	t.Parallel()
	s := storetest.OpenPostgres(t)
	storetest.AddApp(t, s, "shop")
	old := storetest.AddEvents(t, s, "shop", 0, 3)
	expectEvents(t, s, "", old)
	stream := openStream(t, s)
	if events := waiting(t, stream); len(events) != 3 || stream.Sent(t.Context(), events[2]) != nil {
		t.Fatalf("%d events are streamed", len(events))
	}
	if _, err := s.Postgres().Exec(t.Context(), `UPDATE events SET position = position + 4000000000`); err != nil {
		t.Fatal(err)
	}
	if shown := storetest.EventIDs(t, s, "shop", ""); len(shown) != 0 {
		t.Fatalf("positions of a cluster that had counted further are already usable: %q", shown)
	}
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := slices.Concat(old, storetest.AddEvents(t, s, "shop", 3, 5))
	expectEvents(t, s, "", all)
	expectEvents(t, s, old[2], all[3:])
	if events := waiting(t, stream); len(events) != 2 || events[0].ID != all[3] {
		t.Errorf("the stream goes on with %v", events)
	}
}

func openStream(t *testing.T, s *store.Store) *store.Stream {
	t.Helper()
	stream, err := s.OpenStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stream.Close(context.WithoutCancel(t.Context())) })
	return stream
}

func waiting(t *testing.T, stream *store.Stream) []payment.Event {
	t.Helper()
	events, err := stream.Next(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func TestWhoLosesTheDatabaseLosesTheEventStream(t *testing.T) {
	t.Parallel()
	s := storetest.OpenPostgres(t)
	storetest.AddApp(t, s, "shop")
	all := storetest.AddEvents(t, s, "shop", 0, 1)
	expectEvents(t, s, "", all)
	lost := openStream(t, s)
	events := waiting(t, lost)
	var ended bool
	if err := s.Postgres().QueryRow(t.Context(), `SELECT bool_and(pg_terminate_backend(pid, 20000)) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`).Scan(&ended); err != nil || !ended {
		t.Fatalf("ended: %v, %v", ended, err)
	}
	taken := openStream(t, s)
	if err := lost.Sent(t.Context(), events[0]); err == nil {
		t.Error("who lost the right moves the place")
	}
	if events := waiting(t, taken); len(events) != 1 {
		t.Errorf("%d events wait", len(events))
	}
}

// expectEvents waits for events to be visible: transactions of other tests in the same cluster may hold them back.
func expectEvents(t *testing.T, s *store.Store, after string, want []string) {
	t.Helper()
	tick, deadline := time.NewTicker(20*time.Millisecond), time.After(30*time.Second)
	defer tick.Stop()
	for {
		got := storetest.EventIDs(t, s, "shop", after)
		if slices.Equal(got, want) {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("after %q: got %q, want %q", after, got, want)
		case <-tick.C:
		}
	}
}

// holding is a queue that keeps a database transaction waiting, as a machine does that is lost in the middle of it.
type holding struct{ entered, gone chan struct{} }

func (h holding) EnqueueTx(context.Context, *store.Tx, []store.Job) error {
	close(h.entered)
	<-h.gone
	return nil
}

func TestARowIsFreeSoonAfterItsHolderIsLost(t *testing.T) {
	t.Parallel()
	dsn := pgtest.NewDatabase(t)
	s := storetest.Open(t, dsn)
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var bound string
	if err := s.Postgres().QueryRow(t.Context(), `SHOW idle_in_transaction_session_timeout`).Scan(&bound); err != nil || bound != "15s" {
		t.Errorf("a database transaction may wait %s for its process (%v)", bound, err)
	}
	p := newPayment("1")
	if err := s.Commit(t.Context(), &payment.Change{Payment: p}); err != nil {
		t.Fatal(err)
	}
	lost := storetest.Open(t, dsn+"&idle_in_transaction_session_timeout=100ms")
	h := holding{make(chan struct{}), make(chan struct{})}
	lost.UseQueue(h)
	var caller sync.WaitGroup
	caller.Go(func() {
		if err := lost.Commit(t.Context(), &payment.Change{Payment: next(p), Jobs: []payment.Job{{}}}); err == nil {
			t.Error("the lost machine's change was committed")
		}
	})
	<-h.entered
	if err := s.Commit(t.Context(), &payment.Change{Payment: next(p)}); err != nil {
		t.Errorf("the next replica's: %v", err)
	}
	close(h.gone)
	caller.Wait()
}

func TestAMigrationMayTakeItsTime(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, pgtest.NewDatabase(t)+"&idle_in_transaction_session_timeout=100ms")
	err := s.Exclusively(t.Context(), func(ctx context.Context) error {
		conn, err := s.Postgres().Acquire(ctx)
		if err != nil {
			return err
		}
		defer conn.Release()
		if _, err := conn.Exec(ctx, `BEGIN`); err != nil {
			return err
		}
		if _, err := conn.Conn().WaitForNotification(ctx); ctx.Err() != nil || err == nil { // until PostgreSQL ends it for waiting
			t.Errorf("waiting was not bounded: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Errorf("who holds the lock meanwhile: %v", err)
	}
}
