package store_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tongbao-pay/tongbao/internal/pgtest"
	"github.com/tongbao-pay/tongbao/internal/store"
	"github.com/tongbao-pay/tongbao/internal/store/storetest"
)

// ran is a statement with arguments that it ran with, and the method of the store that ran it.
type ran struct {
	method, sql string
	args        []any
}

// recorder hears every statement that a store runs, and keeps one of each text.
type recorder struct {
	mu     sync.Mutex
	method string // nobody's: not listening
	all    []ran
}

func (r *recorder) began(method string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.method = method
}

// planned is a statement that has a plan, and is not of the queue, which is the tests' own.
func planned(text string) bool {
	word, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	return slices.Contains([]string{"SELECT", "INSERT", "UPDATE", "DELETE"}, word) && !strings.Contains(text, "INTO enqueued")
}

func (r *recorder) heard(text string, args []any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.method == "" || !planned(text) || slices.ContainsFunc(r.all, func(k ran) bool { return k.sql == text }) {
		return
	}
	r.all = append(r.all, ran{r.method, text, slices.Clone(args)})
}

func (r *recorder) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	r.heard(data.SQL, data.Args)
	return ctx
}

func (*recorder) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (r *recorder) TraceBatchStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	for _, q := range data.Batch.QueuedQueries {
		r.heard(q.SQL, q.Arguments)
	}
	return ctx
}

func (*recorder) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (*recorder) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

// node is a step of a plan of PostgreSQL's, as EXPLAIN tells it.
type node struct {
	Type    string  `json:"Node Type"`
	Table   string  `json:"Relation Name"`
	Rows    float64 `json:"Actual Rows"`
	Loops   float64 `json:"Actual Loops"`
	Removed float64 `json:"Rows Removed by Filter"`
	Hit     float64 `json:"Shared Hit Blocks"`
	Read    float64 `json:"Shared Read Blocks"`
	Plans   []node  `json:"Plans"`
}

func (n node) walk(visit func(node)) {
	visit(n)
	for _, p := range n.Plans {
		p.walk(visit)
	}
}

// What a statement may look at. Pruning looks at a batch of rows, and for each at what may still need it.
const (
	rowsMost        = 400
	pagesMost       = 1_000
	rowsMostPruned  = 8_000
	pagesMostPruned = 40_000
	small           = 2_000 // a table of so few rows may be read whole
)

// explain asks for the plan of a statement. With run it is run as well, and taken back.
func explain(tb testing.TB, s *store.Store, r ran, run bool) (node, error) {
	tb.Helper()
	words := "EXPLAIN (FORMAT JSON) "
	if run {
		words = "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) "
	}
	var plans []struct{ Plan node }
	undo := errors.New("taken back")
	err := pgx.BeginFunc(tb.Context(), s.Postgres(), func(tx pgx.Tx) error {
		var text []byte
		if err := tx.QueryRow(tb.Context(), words+r.sql, r.args...).Scan(&text); err != nil {
			return err
		}
		return errors.Join(undo, json.Unmarshal(text, &plans))
	})
	if !errors.Is(err, undo) || len(plans) != 1 {
		return node{}, err
	}
	return plans[0].Plan, nil
}

// judge looks at the plans of all that a store of so many payments runs on PostgreSQL, and tells how many there are.
func judge(tb testing.TB, payments int) int {
	tb.Helper()
	var r recorder
	s, err := store.OpenPostgresTraced(tb.Context(), pgtest.NewDatabase(tb), &r)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	}()
	if _, err := s.Migrate(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	storetest.Fill(tb, s, payments)
	if _, err := s.Postgres().Exec(tb.Context(), `VACUUM ANALYZE`); err != nil {
		tb.Fatal(err)
	}
	storetest.EveryMethod(tb, s, r.began)
	r.began("")
	big := map[string]bool{}
	rows, err := s.Postgres().Query(tb.Context(), `SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples > $1`, small)
	if err != nil {
		tb.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		tb.Fatal(err)
	}
	for _, name := range names {
		big[name] = true
	}
	for _, statement := range r.all {
		judgePlan(tb, s, statement, big)
	}
	return len(r.all)
}

func judgePlan(tb testing.TB, s *store.Store, r ran, big map[string]bool) {
	tb.Helper()
	plan, err := explain(tb, s, r, true)
	if err != nil { // a row that is there already: what it would be looked up by is in the plan all the same
		plan, err = explain(tb, s, r, false)
	}
	if err != nil {
		tb.Errorf("%s: %s: %v", r.method, r.sql, err)
		return
	}
	looked := 0.0
	plan.walk(func(n node) {
		if n.Type == "Seq Scan" && big[n.Table] {
			tb.Errorf("%s reads all of %s: %s", r.method, n.Table, r.sql)
		}
		if n.Table != "" && n.Type != "ModifyTable" {
			looked += (n.Rows + n.Removed) * max(n.Loops, 1)
		}
	})
	most, pages := float64(rowsMost), float64(pagesMost)
	if r.method == "Prune" {
		most, pages = rowsMostPruned, pagesMostPruned
	}
	if looked > most || plan.Hit+plan.Read > pages {
		tb.Errorf("%s looks at %.0f rows and %.0f pages: %s", r.method, looked, plan.Hit+plan.Read, r.sql)
	}
}

func TestEveryStatementHasItsIndexOnPostgreSQL(t *testing.T) {
	t.Parallel()
	if n := judge(t, 30_000); n < 50 {
		t.Errorf("only %d statements were heard", n)
	}
}

// BenchmarkPlans judges the plans with b.N payments; make plans gives it a million.
func BenchmarkPlans(b *testing.B) {
	if b.N < small {
		return // the benchmark's own first try
	}
	b.ReportMetric(float64(judge(b, b.N)), "statements")
}

// listening is a driver whose statements a recorder hears.
type listening struct {
	base driver.Driver
	dsn  string
	r    *recorder
}

func (l listening) Connect(context.Context) (driver.Conn, error) {
	c, err := l.base.Open(l.dsn)
	if err != nil {
		return nil, err
	}
	return heardConn{c.(sqliteConn), l.r}, nil
}

type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
}

type heardConn struct {
	sqliteConn
	r *recorder
}

func (c heardConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	c.r.heard(query, nil)
	return c.sqliteConn.PrepareContext(ctx, query)
}

func (c heardConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.r.heard(query, nil)
	return c.sqliteConn.ExecContext(ctx, query, args)
}

func (c heardConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.r.heard(query, nil)
	return c.sqliteConn.QueryContext(ctx, query, args)
}

func (l listening) Driver() driver.Driver { return l.base }

// readWhole is what SQLite may read from end to end: what the statement brings with it, tables that stay small, and the index of
// dead webhooks, which holds nothing else.
var readWhole = regexp.MustCompile(`^SCAN (asked|CONSTANT ROW|\(subquery|apps|accounts|webhook_endpoints|reviews|keysets|w USING COVERING INDEX webhooks_given_up)`)

func TestEveryStatementHasItsIndexOnSQLite(t *testing.T) {
	t.Parallel()
	base, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	var r recorder
	path := filepath.Join(t.TempDir(), "tongbao.db")
	s, err := store.OpenSQLiteBy(t.Context(), path, func(dsn string) (*sql.DB, error) {
		return sql.OpenDB(listening{base.Driver(), dsn, &r}), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), base.Close()); err != nil {
			t.Error(err)
		}
	})
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	storetest.Fill(t, s, 1000)
	storetest.EveryMethod(t, s, r.began)
	r.began("")
	for _, statement := range r.all {
		for _, step := range stepsOnSQLite(t, s, statement) {
			if strings.HasPrefix(step, "SCAN") && !readWhole.MatchString(step) {
				t.Errorf("%s: %s: %s", statement.method, step, statement.sql)
			}
		}
	}
	if len(r.all) < 50 {
		t.Errorf("only %d statements were heard", len(r.all))
	}
}

// stepsOnSQLite is a statement's plan, which does not depend on its arguments.
func stepsOnSQLite(t *testing.T, s *store.Store, r ran) (steps []string) {
	t.Helper()
	args := make([]any, strings.Count(r.sql, "?"))
	for len(args) > 0 && !strings.Contains(r.sql, fmt.Sprintf("?%d", len(args))) {
		args = args[1:] // an argument is given twice
	}
	rows, err := s.SQLite().QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+r.sql, args...)
	if err != nil {
		t.Errorf("%s: %s: %v", r.method, r.sql, err)
		return nil
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return steps
}
