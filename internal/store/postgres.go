package store

import (
	"context"
	"fmt"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// pgLanes is how many groups are under way at once: while one waits for the disk, or for a row that somebody holds, the
// next is sent. More of them make smaller groups, and cost more than they bring.
const pgLanes = 2

func openPostgres(ctx context.Context, dsn string) (*Store, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("store: the database URL is not valid; it looks like postgres://user:password@host:5432/name") // the cause repeats the URL, password included
	}
	config.ConnConfig.Tracer = otelpgx.NewTracer()
	return connectPostgres(ctx, config)
}

// lookups makes PostgreSQL look rows up by their indexes, which is how every statement here is meant:
//   - What a connection plans while tables are small, or have no statistics yet, would read them whole when they have grown.
//   - It plans once. Of a short list it would believe that planning anew pays, and spend more on that than on the look.
//   - It does not compile plans. One that reads a table whole because it must, as the queue does with tables of a few
//     rows, looks so dear now that it would be.
//   - It believes a table's constraints; see the queue's.
const lookups = `SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
	SET plan_cache_mode = force_generic_plan; SET jit = off; SET constraint_exclusion = on`

// idleInTx is how long PostgreSQL lets a database transaction wait for its process, as the URL may say otherwise. A
// machine that is lost in the middle of a group leaves without a word, and PostgreSQL would look for it after two hours:
// until then the group's payments could neither be paid nor refunded. None of ours takes as long; see groupTimeout.
const (
	idleInTx      = "idle_in_transaction_session_timeout"
	boundIdleInTx = "; SET " + idleInTx + " = '15s'"
)

func connectPostgres(ctx context.Context, config *pgxpool.Config) (*Store, error) {
	settings := lookups
	if _, chosen := config.ConnConfig.RuntimeParams[idleInTx]; !chosen {
		settings += boundIdleInTx
	}
	config.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.PgConn().Exec(ctx, settings).ReadAll()
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("store: connect to PostgreSQL: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("store: connect to PostgreSQL: %w; check database, and that the server runs, has the database and knows this user", err)
	}
	return (&Store{dialect: postgres, read: pgQuerier{pool}, pg: pool}).with(pgLanes, max(1, int(config.MaxConns)/4)), nil
}

// pgConn is what *pgxpool.Pool and pgx.Tx share.
type pgConn interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

type pgQuerier struct{ conn pgConn }

func (q pgQuerier) exec(ctx context.Context, query string, args ...any) (int64, error) {
	tag, err := q.conn.Exec(ctx, query, args...)
	return tag.RowsAffected(), err
}

func (q pgQuerier) query(ctx context.Context, query string, args ...any) (rows, error) {
	return q.conn.Query(ctx, query, args...)
}

// batch sends all statements in one round trip.
func (q pgQuerier) batch(ctx context.Context, statements []statement) (err error) {
	var b pgx.Batch
	for _, s := range statements {
		b.Queue(s.sql, s.args...)
	}
	results := q.conn.SendBatch(ctx, &b)
	defer func() {
		if closeErr := results.Close(); err == nil {
			err = closeErr
		}
	}()
	for at, s := range statements {
		if err := s.result(results); err != nil {
			return &batchError{at, err}
		}
	}
	return nil
}

// result reads what the statement, next in the batch, came to.
func (s statement) result(results pgx.BatchResults) error {
	if s.returned != nil {
		r, err := results.Query()
		if err != nil {
			return err
		}
		return collect(r, s.returned)
	}
	tag, err := results.Exec()
	if err != nil || s.affected == nil {
		return err
	}
	return s.affected(tag.RowsAffected())
}
