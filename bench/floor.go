package main

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "modernc.org/sqlite" // registers the driver
)

const (
	// floorCallers is as many as the notifications have.
	floorCallers = 64
	// groupRows is how many rows a commit of the group-commit limit has.
	groupRows = 64
	rowText   = 600 // bytes, about a sealed notification's
)

// floor is what a database does without a product around it, every commit on the disk: rows a second, with a commit each
// and with a commit for many.
type floor struct{ perRow, grouped float64 }

// rowWriter writes n rows and commits them.
type rowWriter func(ctx context.Context, from, n int64) error

func measureFloor(ctx context.Context, write rowWriter, slice time.Duration) (f floor, err error) {
	rate := func(rows int64, callers int) (float64, error) {
		r := load(ctx, callers, slice, func(ctx context.Context, i int64) error { return write(ctx, i*rows, rows) })
		return r.rate() * float64(rows), r.err
	}
	if f.perRow, err = rate(1, floorCallers); err != nil {
		return f, fmt.Errorf("measure rows with a commit each: %w", err)
	}
	if f.grouped, err = rate(groupRows, 2); err != nil {
		return f, fmt.Errorf("measure rows with a commit for %d: %w", groupRows, err)
	}
	return f, nil
}

const (
	plainTable = `CREATE TABLE plain (id bigint NOT NULL, part bigint NOT NULL, body text NOT NULL)`
	plainRow   = `INSERT INTO plain VALUES ($1, $2, $3)`
)

// postgresRows writes to a table of its own, over as many connections as there are callers.
func postgresRows(ctx context.Context, c *cluster) (rowWriter, func(), error) {
	dsn, err := c.create(ctx, "plain")
	if err != nil {
		return nil, nil, err
	}
	pool, err := pgxpool.New(ctx, fmt.Sprintf("%s&pool_max_conns=%d", dsn, floorCallers))
	if err != nil {
		return nil, nil, err
	}
	if _, err := pool.Exec(ctx, plainTable); err != nil {
		pool.Close()
		return nil, nil, err
	}
	body := strings.Repeat("x", rowText)
	return func(ctx context.Context, from, n int64) error {
		if n == 1 {
			_, err := pool.Exec(ctx, plainRow, from, 0, body)
			return err
		}
		return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			var all pgx.Batch
			for i := range n {
				all.Queue(plainRow, from, i, body)
			}
			return tx.SendBatch(ctx, &all).Close()
		})
	}, pool.Close, nil
}

// sqliteRows writes over one connection, set as durable as the gateway's.
func sqliteRows(ctx context.Context, path string) (rowWriter, func(), error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)&_txlock=immediate")
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(1)
	quit := func() { _ = db.Close() }
	if _, err := db.ExecContext(ctx, plainTable); err != nil {
		quit()
		return nil, nil, err
	}
	body := strings.Repeat("x", rowText)
	return func(ctx context.Context, from, n int64) error {
		if n == 1 {
			_, err := db.ExecContext(ctx, plainRow, from, 0, body)
			return err
		}
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }() // of nothing once it is committed
		insert, err := tx.PrepareContext(ctx, plainRow)
		if err != nil {
			return err
		}
		defer func() { _ = insert.Close() }() // with its database transaction at the latest
		for i := range n {
			if _, err := insert.ExecContext(ctx, from, i, body); err != nil {
				return err
			}
		}
		return tx.Commit()
	}, quit, nil
}
