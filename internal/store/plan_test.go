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
	"sync/atomic"
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

	// For each webhook that was given up, where a statement is about these: they are few, and each waits for a person.
	rowsPerDead  = 3
	pagesPerDead = 6
)

// aboutDead are the methods that may walk all webhooks that were given up.
var aboutDead = []string{"Deliveries", "DeadLetters"}

// execution runs a prepared statement with so many arguments.
func execution(name string, args int) string {
	if args == 0 {
		return "EXECUTE " + name
	}
	places := make([]string, args)
	for i := range places {
		places[i] = fmt.Sprintf("$%d", i+1)
	}
	return fmt.Sprintf("EXECUTE %s(%s)", name, strings.Join(places, ", "))
}

var preparations atomic.Int64

// explain asks for the plan of a statement, the one for any arguments: the store's connections have no other. With run it
// is run as well, and taken back.
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
		name := fmt.Sprint("judged", preparations.Add(1))
		if _, err := tx.Conn().PgConn().Exec(tb.Context(), "PREPARE "+name+" AS "+r.sql).ReadAll(); err != nil {
			return err
		}
		args := append([]any{pgx.QueryExecModeSimpleProtocol}, r.args...)
		if err := tx.QueryRow(tb.Context(), words+execution(name, len(r.args)), args...).Scan(&text); err != nil {
			return err
		}
		return errors.Join(undo, json.Unmarshal(text, &plans))
	})
	if !errors.Is(err, undo) || len(plans) != 1 {
		return node{}, err
	}
	return plans[0].Plan, nil
}

// traced opens a migrated database whose statements a recorder hears.
func traced(tb testing.TB, r *recorder) *store.Store {
	tb.Helper()
	s, err := store.OpenPostgresTraced(tb.Context(), pgtest.NewDatabase(tb), r)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	if _, err := s.Migrate(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return s
}

// judge looks at the plans of all that a store of so many payments runs on PostgreSQL, and tells how many there are.
func judge(tb testing.TB, payments int) int {
	tb.Helper()
	var r recorder
	s := traced(tb, &r)
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
	var dead float64
	if err := s.Postgres().QueryRow(tb.Context(), `SELECT COUNT(*) FROM webhooks WHERE state = 'dead'`).Scan(&dead); err != nil {
		tb.Fatal(err)
	}
	for _, statement := range r.all {
		plan, err := explain(tb, s, statement, true)
		if err != nil { // a row that is there already: what it would be looked up by is in the plan all the same
			plan, err = explain(tb, s, statement, false)
		}
		if err != nil {
			tb.Errorf("%s: %s: %v", statement.method, statement.sql, err)
			continue
		}
		judgePlan(tb, statement, plan, big, dead)
	}
	return len(r.all)
}

func judgePlan(tb testing.TB, r ran, plan node, big map[string]bool, dead float64) {
	tb.Helper()
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
	if slices.Contains(aboutDead, r.method) {
		most, pages = most+rowsPerDead*dead, pages+pagesPerDead*dead
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

// byPeople are the lists that may be slow for the minute until there are statistics: nobody's payment waits for them.
var byPeople = []string{"Events", "Deliveries"}

// TestPlansOfAnEmptyDatabaseBearItsGrowth is about a connection that has its plans from the time before there were
// statistics: they stay until PostgreSQL has some.
func TestPlansOfAnEmptyDatabaseBearItsGrowth(t *testing.T) {
	t.Parallel()
	var r recorder
	s := traced(t, &r)
	storetest.EveryMethod(t, s, r.began)
	r.began("")
	acquired, err := s.Postgres().Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	conn := acquired.Hijack() // nobody else is to have its settings
	t.Cleanup(func() {
		if err := conn.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	run := func(into []any, text string, args ...any) error {
		rows, err := conn.Query(t.Context(), text, append([]any{pgx.QueryExecModeSimpleProtocol}, args...)...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := rows.Scan(into...); err != nil {
				return err
			}
		}
		return rows.Err()
	}
	must := func(text string) {
		t.Helper()
		if _, err := conn.PgConn().Exec(t.Context(), text).ReadAll(); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	execute := func(at int) string { return execution(fmt.Sprint("s", at), len(r.all[at].args)) }
	must(`SET plan_cache_mode = force_generic_plan`)
	var text []byte
	for at, statement := range r.all {
		must(fmt.Sprintf("PREPARE s%d AS %s", at, statement.sql))
		if err := run([]any{&text}, "EXPLAIN (FORMAT JSON) "+execute(at), statement.args...); err != nil {
			t.Fatalf("%s: %s: %v", statement.method, statement.sql, err)
		}
	}
	storetest.Fill(t, s, 3*small)
	for at, statement := range r.all {
		must(`BEGIN`)
		err := run([]any{&text}, "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) "+execute(at), statement.args...)
		must(`ROLLBACK`)
		if err != nil {
			continue // a row that is there already
		}
		var plans []struct{ Plan node }
		if err := json.Unmarshal(text, &plans); err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(byPeople, statement.method) {
			judgePlan(t, statement, plans[0].Plan, nil, 0)
		}
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
