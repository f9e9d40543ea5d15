package simulate

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/tongbao-pay/tongbao/internal/secret"
	"github.com/tongbao-pay/tongbao/internal/server"
	"github.com/tongbao-pay/tongbao/internal/store"
	"github.com/tongbao-pay/tongbao/sandbox"
)

// ground is what all simulations of a process share, because making it takes longer than most of them: identities of the
// provider, a migrated database, keys.
type ground struct {
	folder     string
	identities string
	migrated   string   // a file of SQLite, or a database of PostgreSQL
	postgres   *url.URL // nil: SQLite
	forgerKey  *rsa.PrivateKey
}

func prepare(ctx context.Context, postgres string) (_ *ground, err error) {
	g := &ground{}
	if g.folder, err = os.MkdirTemp("", "tongbao-simulate-"); err != nil {
		return nil, fmt.Errorf("simulate: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("simulate: prepare: %w", err), g.close(ctx))
		}
	}()
	g.identities = filepath.Join(g.folder, "identities")
	s, err := sandbox.Open(sandboxConfig(g.identities, &clock{now: begins}))
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	if _, _, err := secret.LoadOrCreateMasterKeyFile(filepath.Join(g.folder, "master.key")); err != nil {
		return nil, err
	}
	if g.forgerKey, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return nil, err
	}
	err = g.migrate(ctx, postgres)
	return g, err
}

func (g *ground) migrate(ctx context.Context, postgres string) (err error) {
	g.migrated = filepath.Join(g.folder, "migrated.db")
	dsn := "sqlite:" + g.migrated
	if postgres != "" {
		if g.postgres, err = url.Parse(postgres); err != nil || !strings.HasPrefix(g.postgres.Scheme, "postgres") {
			g.postgres = nil
			return errors.New("the database must be a URL such as postgres://user:password@127.0.0.1:5432/postgres") // the cause repeats the password
		}
		g.migrated = databaseName()
		if err := g.execute(ctx, "CREATE DATABASE "+g.migrated); err != nil {
			return err
		}
		dsn = g.dsn(g.migrated)
	}
	s, err := store.Open(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if _, err := server.Migrate(ctx, s); err != nil {
		return err
	}
	db, release := handle(s)
	defer func() { err = errors.Join(err, release()) }()
	_, err = db.ExecContext(ctx, createJobs)
	return err
}

// databaseName is a name that no other database has.
func databaseName() string { return "tongbao_simulate_" + strings.ToLower(rand.Text()[:12]) }

func (g *ground) execute(ctx context.Context, statement string) error {
	conn, err := pgx.Connect(ctx, g.postgres.String())
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}

// poolMax is how many connections each replica, and who watches them, may have: many simulations share a server.
const poolMax = 4

// runsAtOnce is how many runs share the machine, where most of the time one of them waits, for the disk or for a pause
// between two tries; and PostgreSQL, which has room for so many connections.
func (g *ground) runsAtOnce(ctx context.Context) (int, error) {
	most := 12 * runtime.GOMAXPROCS(0)
	if g.postgres == nil {
		return most, nil
	}
	conn, err := pgx.Connect(ctx, g.postgres.String())
	if err != nil {
		return 0, fmt.Errorf("simulate: connect to PostgreSQL: %w", err)
	}
	var free int
	err = conn.QueryRow(ctx, `SELECT CAST(current_setting('max_connections') AS int) - CAST(current_setting('superuser_reserved_connections') AS int)
		- (SELECT COUNT(*) FROM pg_stat_activity)`).Scan(&free)
	if err = errors.Join(err, conn.Close(ctx)); err != nil {
		return 0, fmt.Errorf("simulate: ask PostgreSQL how many connections it has left: %w", err)
	}
	const each = (replicas+1)*poolMax + 1 // with the one that makes databases and removes them
	if free < each {
		return 0, fmt.Errorf("simulate: PostgreSQL has %d connections left and a run needs %d; raise its max_connections", free, each)
	}
	return min(most, free/each), nil
}

// dsn names another database of the same server.
func (g *ground) dsn(database string) string {
	u := *g.postgres
	u.Path = "/" + database
	q := u.Query()
	q.Set("pool_max_conns", strconv.Itoa(poolMax))
	u.RawQuery = q.Encode()
	return u.String()
}

// database makes a new one for one simulation; drop removes it.
func (g *ground) database(ctx context.Context, folder string) (dsn string, drop func(context.Context) error, err error) {
	if g.postgres == nil {
		content, err := os.ReadFile(g.migrated)
		if err != nil {
			return "", nil, err
		}
		path := filepath.Join(folder, "tongbao.db")
		err = os.WriteFile(path, content, 0o600) //nolint:gosec // the folder is the simulation's own
		return "sqlite:" + path, func(context.Context) error { return nil }, err
	}
	name := databaseName()
	if err := g.execute(ctx, "CREATE DATABASE "+name+" TEMPLATE "+g.migrated); err != nil {
		return "", nil, err
	}
	return g.dsn(name), func(ctx context.Context) error { return g.drop(ctx, name) }, nil
}

func (g *ground) drop(ctx context.Context, name string) error {
	return g.execute(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
}

// close removes everything.
func (g *ground) close(ctx context.Context) error {
	var err error
	if g.postgres != nil {
		err = g.drop(context.WithoutCancel(ctx), g.migrated)
	}
	return errors.Join(err, os.RemoveAll(g.folder))
}
