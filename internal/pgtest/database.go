package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// statementTimeout bounds the creation and removal of one database.
const statementTimeout = time.Minute

// sharedCluster is the cluster that all tests of one process put their databases into.
type sharedCluster struct {
	mu        sync.Mutex
	server    *server
	err       error // why the cluster did not start; every later test fails with it at once
	templates map[string]func() error
	databases int
}

// shared belongs to the process: the functions that tests call have no other place to share a server through.
var shared sharedCluster

// Main runs the tests of a package and then removes the process's shared cluster. It returns the exit code:
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
func Main(m *testing.M) int {
	code := m.Run()
	if err := shared.remove(); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest: remove the shared cluster:", err)
		return max(code, 1)
	}
	return code
}

// NewDatabase creates an empty database in the process's shared cluster, which the first call starts, and returns its
// connection URL. The database is dropped at the end of the test, whoever is still connected. It is safe for concurrent
// use. The shared cluster is not durable: a test that kills its server takes [Start].
func NewDatabase(tb testing.TB) (dsn string) {
	tb.Helper()
	return newDatabase(tb, "template1")
}

// NewDatabaseFrom is [NewDatabase] with a start: the database is a copy of the template of that name, which prepare
// fills, once per process and name, through the connection URL that it is given. Prepare must close its connections;
// PostgreSQL copies no database that is in use. The name is at most 40 bytes long.
func NewDatabaseFrom(tb testing.TB, template string, prepare func(dsn string) error) (dsn string) {
	tb.Helper()
	if len(template) == 0 || len(template) > 40 {
		tb.Fatalf("pgtest: template %q: want a name of 1 to 40 bytes", template)
	}
	database := "template_" + template
	if err := shared.prepare(database, prepare); err != nil {
		tb.Fatalf("pgtest: prepare template %q: %v", template, err)
	}
	return newDatabase(tb, database)
}

func newDatabase(tb testing.TB, template string) string {
	tb.Helper()
	running, name, err := shared.reserve()
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	if err := running.create(name, template); err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	tb.Cleanup(func() {
		if err := running.drop(name); err != nil {
			tb.Errorf("pgtest: %v", err)
		}
	})
	return running.dsn(name)
}

// start returns the shared cluster's server and starts it on first use.
func (c *sharedCluster) start() (*server, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server == nil && c.err == nil {
		c.server, c.err = newServer(false)
	}
	return c.server, c.err
}

// reserve returns the server with a database name that was not used before.
func (c *sharedCluster) reserve() (*server, string, error) {
	running, err := c.start()
	if err != nil {
		return nil, "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.databases++
	return running, fmt.Sprintf("test_%d", c.databases), nil
}

// prepare creates and fills a template database when that was not done before; later callers wait for the first and
// share its outcome.
func (c *sharedCluster) prepare(database string, fill func(dsn string) error) error {
	running, err := c.start()
	if err != nil {
		return err
	}
	c.mu.Lock()
	once, known := c.templates[database]
	if !known {
		once = sync.OnceValue(func() error {
			if err := running.create(database, "template1"); err != nil {
				return err
			}
			return fill(running.dsn(database))
		})
		if c.templates == nil {
			c.templates = map[string]func() error{}
		}
		c.templates[database] = once
	}
	c.mu.Unlock()
	return once()
}

func (c *sharedCluster) remove() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server == nil {
		return nil
	}
	return c.server.remove()
}

func (s *server) create(database, template string) error {
	return s.execute("CREATE DATABASE " + pgx.Identifier{database}.Sanitize() +
		" TEMPLATE " + pgx.Identifier{template}.Sanitize())
}

func (s *server) drop(database string) error {
	return s.execute("DROP DATABASE " + pgx.Identifier{database}.Sanitize() + " WITH (FORCE)")
}

// execute runs one statement that concerns the whole cluster.
func (s *server) execute(statement string) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), statementTimeout)
	defer cancel()
	connection, err := pgx.Connect(ctx, s.dsn("postgres"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, connection.Close(ctx)) }()
	if _, err := connection.Exec(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}
