package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// cluster is a private PostgreSQL, as durable as in production.
type cluster struct {
	*child
	port     int
	password string
}

// startPostgres makes a cluster in folder, which nobody else uses, and waits until it answers.
func startPostgres(ctx context.Context, folder string) (*cluster, error) {
	programs, err := postgresPrograms()
	if err != nil {
		return nil, err
	}
	who, err := unprivileged()
	if err != nil {
		return nil, err
	}
	c := &cluster{password: rand.Text()}
	if c.port, err = freePort(ctx); err != nil {
		return nil, err
	}
	passwordFile, data := filepath.Join(folder, "password"), filepath.Join(folder, "data")
	if err := os.WriteFile(passwordFile, []byte(c.password+"\n"), 0o600); err != nil {
		return nil, err
	}
	if who != nil {
		for _, path := range []string{folder, passwordFile} {
			if err := os.Chown(path, int(who.Uid), int(who.Gid)); err != nil {
				return nil, err
			}
		}
	}
	command := func(program string, args ...string) *exec.Cmd {
		made := exec.CommandContext(context.WithoutCancel(ctx), filepath.Join(programs, program), args...)
		made.Dir = folder
		made.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
		made.SysProcAttr = &syscall.SysProcAttr{Credential: who}
		return made
	}
	if said, err := command("initdb", "--pgdata="+data, "--username=bench", "--auth=scram-sha-256", "--pwfile="+passwordFile, "--encoding=UTF8", "--locale=C").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb in %s: %w\n%s", folder, err, said)
	}
	// Nothing else differs from PostgreSQL's defaults, under which every commit is synced.
	c.child, err = start(command("postgres", "-D", data, "-p", strconv.Itoa(c.port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=800"))
	if err != nil {
		return nil, err
	}
	c.drain()
	err = waitFor(ctx, "wait for PostgreSQL", func() error { return c.execute(ctx, "postgres", "SELECT 1") })
	if err != nil {
		c.stop(syscall.SIGINT)
		return nil, fmt.Errorf("%w: %s", err, c.said)
	}
	return c, nil
}

// postgresPrograms is the folder of PostgreSQL's programs: of those on PATH, or of the newest that Debian keeps.
func postgresPrograms() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", errors.New("PostgreSQL is not installed: neither is initdb on PATH nor in /usr/lib/postgresql; run scripts/install-test-needs")
	}
	return filepath.Dir(slices.Max(found)), nil
}

// unprivileged is whom PostgreSQL runs as, which refuses to run as root; nil for who runs this program.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // a command without a credential runs as its parent
	}
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(found.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(found.Gid, 10, 32)
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(uidErr, gidErr)
	}
	return nil, errors.New("PostgreSQL refuses to run as root and there is neither a postgres nor a nobody account; run this as an ordinary user")
}

// freePort is one that nobody listens on now.
func freePort(ctx context.Context) (int, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return listener.Addr().(*net.TCPAddr).Port, listener.Close()
}

func (c *cluster) dsn(database string) string {
	return fmt.Sprintf("postgres://bench:%s@127.0.0.1:%d/%s?sslmode=disable", c.password, c.port, database)
}

// create makes a database and returns its URL.
func (c *cluster) create(ctx context.Context, database string) (string, error) {
	return c.dsn(database), c.execute(ctx, "postgres", "CREATE DATABASE "+database)
}

func (c *cluster) execute(ctx context.Context, database, statement string) error {
	conn, err := pgx.Connect(ctx, c.dsn(database))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}

// writes is how many database transactions have written so far, in the whole cluster.
func (c *cluster) writes(ctx context.Context) (n int64, err error) {
	conn, err := pgx.Connect(ctx, c.dsn("postgres"))
	if err != nil {
		return 0, err
	}
	err = conn.QueryRow(ctx, "SELECT txid_snapshot_xmax(txid_current_snapshot())").Scan(&n)
	return n, errors.Join(err, conn.Close(ctx))
}
