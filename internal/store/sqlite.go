package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"

	_ "modernc.org/sqlite" // registers the driver
)

func openSQLite(ctx context.Context, path string) (*Store, error) {
	return connectSQLite(ctx, path, func(dsn string) (*sql.DB, error) {
		plain, err := sql.Open("sqlite", dsn)
		if err != nil {
			return nil, err
		}
		return sql.OpenDB(keeping{plain.Driver(), dsn}), plain.Close()
	})
}

const mustWrite = "see that database names a file that this user may write, in a folder that it may write, on a disk that is not read-only or full"

// connectSQLite opens one file with a writer and a pool of readers. Every connection gets its pragmas from the DSN:
// set on one connection, the next one would lack them. synchronous=FULL makes a commit survive a power cut.
func connectSQLite(ctx context.Context, path string, connect func(dsn string) (*sql.DB, error)) (*Store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("store: create the folder of the database: %w; %s", err, mustWrite)
	}
	pragmas := url.Values{"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(5000)", "foreign_keys(1)"}, "_txlock": {"immediate"}}
	dsn := fileURL(path, pragmas)
	writer, err := connect(dsn)
	if err != nil {
		return nil, fmt.Errorf("store: open %s: %w", path, err)
	}
	writer.SetMaxOpenConns(1)
	if err := writer.PingContext(ctx); err != nil {
		_ = writer.Close()
		return nil, fmt.Errorf("store: open %s: %w; %s", path, err, mustWrite)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = writer.Close()
		return nil, fmt.Errorf("store: keep %s private: %w", path, err)
	}
	reader, err := connect(dsn + "&_pragma=query_only(1)")
	if err != nil {
		_ = writer.Close()
		return nil, fmt.Errorf("store: open %s: %w", path, err)
	}
	reader.SetMaxOpenConns(max(4, runtime.NumCPU()))
	return (&Store{dialect: embedded, read: liteQuerier{reader}, lite: writer, liteReader: reader}).with(1, 1), nil
}

func fileURL(path string, options url.Values) string {
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: options.Encode()}).String()
}

// liteConn is what *sql.DB and *sql.Tx share.
type liteConn interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

type liteQuerier struct{ conn liteConn }

func (q liteQuerier) exec(ctx context.Context, query string, args ...any) (int64, error) {
	result, err := q.conn.ExecContext(ctx, numbered(query), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (q liteQuerier) query(ctx context.Context, query string, args ...any) (rows, error) {
	r, err := q.conn.QueryContext(ctx, numbered(query), args...)
	if err != nil {
		return nil, err
	}
	return liteRows{r}, nil
}

// batch runs the statements one after the other: there is no round trip to save.
func (q liteQuerier) batch(ctx context.Context, statements []statement) error {
	for at, s := range statements {
		if err := q.run(ctx, s); err != nil {
			return &batchError{at, err}
		}
	}
	return nil
}

func (q liteQuerier) run(ctx context.Context, s statement) error {
	if s.returned != nil {
		r, err := q.query(ctx, s.sql, s.args...)
		if err != nil {
			return err
		}
		return collect(r, s.returned)
	}
	n, err := q.exec(ctx, s.sql, s.args...)
	if err != nil || s.affected == nil {
		return err
	}
	return s.affected(n)
}

type liteRows struct{ *sql.Rows }

// Close has no error of its own that Err would not tell.
func (r liteRows) Close() { _ = r.Rows.Close() }

// numbered turns PostgreSQL's $1 into SQLite's ?1. SQLite takes $1 too, but as a name, and binds names in order of
// appearance. No statement of this package has a dollar sign for anything else.
func numbered(query string) string {
	b := []byte(query)
	for i, c := range b {
		if c == '$' {
			b[i] = '?'
		}
	}
	return string(b)
}
