package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// ErrServed means that another process serves this SQLite file.
var ErrServed = errors.New("store: another tongbao serves this SQLite file; stop it first, or move to PostgreSQL, which any number may serve")

// Serve claims the database for a process that serves, until [Store.Close] or the end of the process, however it ends.
// An SQLite file has one: a second would run the first one's jobs beside it, with limits, breakers and nonces of its
// own. PostgreSQL takes any number. Commands that only look or administer need no claim.
func (s *Store) Serve(ctx context.Context) error {
	if s.pg != nil {
		return nil
	}
	var schema, name, path string
	if err := s.lite.QueryRowContext(ctx, `SELECT seq, name, file FROM pragma_database_list WHERE name = 'main'`).Scan(&schema, &name, &path); err != nil {
		return fmt.Errorf("store: find the database's file: %w", err)
	}
	real, err := filepath.EvalSymlinks(path) // the same file by another name is the same file
	if err != nil {
		return fmt.Errorf("store: find the database's file: %w", err)
	}
	if s.served, err = lock(ctx, real+".serve"); err != nil {
		return err
	}
	return nil
}

// lock locks a file the way SQLite locks its own: on every system, and freed by the end of the process.
func lock(ctx context.Context, path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", fileURL(path, url.Values{"_txlock": {"exclusive"}}))
	if err != nil {
		return nil, fmt.Errorf("store: lock %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(ctx, `PRAGMA locking_mode = exclusive; BEGIN EXCLUSIVE; COMMIT`)
	if err == nil {
		return db, nil
	}
	_ = db.Close() // nothing was written
	if lite, ok := errors.AsType[*sqlite.Error](err); ok && lite.Code() == sqlite3.SQLITE_BUSY {
		return nil, ErrServed
	}
	return nil, fmt.Errorf("store: lock %s: %w", path, err)
}
