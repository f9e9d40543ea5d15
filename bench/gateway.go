package main

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// intakeCallers is how many notifications arrive at once.
const intakeCallers = 64

// gatewayPlan is how much is measured of the services.
type gatewayPlan struct {
	callers     []int
	rounds      int
	slice       time.Duration
	open        int  // payments that are left open while the memory is read
	webhooks    int  // payments whose webhooks are counted
	accelerated bool // whether a gateway with an accelerated RSA is measured too
}

// engine is a database that services run on.
type engine struct {
	name string
	// database makes one for a service: its name in the gateway's configuration and in the tutorial's.
	database func(ctx context.Context, service string) (gateway, tutorial string, err error)
	rows     rowWriter
	server   *cluster // nil where the database is in the service's own process
	quit     func()
}

// runGateway measures the gateway beside the tutorial app, on one engine after the other.
func runGateway(ctx context.Context, pl gatewayPlan, stdout io.Writer) (err error) {
	folder, err := os.MkdirTemp("", "tongbao-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if err := os.Chmod(folder, 0o755); err != nil { //nolint:gosec // PostgreSQL's account looks into a folder in it
		return err
	}
	b := &gatewayBench{plan: pl, folder: folder, progress: os.Stderr}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	defer b.quit()
	for _, open := range []func(context.Context) (*engine, error){b.sqlite, b.postgres} {
		measured, err := b.onEngine(ctx, open)
		if err != nil {
			return err
		}
		b.engines = append(b.engines, measured)
	}
	printGateway(stdout, pl, b.engines)
	return nil
}

// gatewayBench is what the engines share.
type gatewayBench struct {
	plan        gatewayPlan
	folder      string
	progress    io.Writer
	parties     *parties
	upstream    *upstream
	redis       *child
	redisAt     string
	program     string
	accelerated string
	engines     []*measuredEngine
}

func (b *gatewayBench) prepare(ctx context.Context) (err error) {
	if b.parties, err = newParties(); err != nil {
		return err
	}
	if b.program, err = program(ctx, b.folder, false); err != nil {
		return err
	}
	if b.plan.accelerated {
		folder, err := b.subfolder("accelerated")
		if err != nil {
			return err
		}
		if b.accelerated, err = program(ctx, folder, true); err != nil {
			return err
		}
	}
	if b.upstream, err = startUpstream(ctx, b.parties, true); err != nil {
		return err
	}
	if b.redis, b.redisAt, err = startRedis(ctx, b.folder); err != nil {
		b.upstream.stop()
	}
	return err
}

func (b *gatewayBench) quit() {
	if b.redis != nil {
		b.redis.stop(syscall.SIGTERM)
	}
	b.upstream.stop()
}

func (b *gatewayBench) subfolder(name string) (string, error) {
	path := filepath.Join(b.folder, name)
	return path, os.Mkdir(path, 0o755) //nolint:gosec // PostgreSQL's account looks into it
}

func (b *gatewayBench) sqlite(ctx context.Context) (*engine, error) {
	rows, quit, err := sqliteRows(ctx, filepath.Join(b.folder, "plain.db"))
	if err != nil {
		return nil, err
	}
	return &engine{name: "SQLite", rows: rows, quit: quit, database: func(_ context.Context, service string) (string, string, error) {
		path := filepath.Join(b.folder, service+".db")
		return "sqlite:" + path, path, nil
	}}, nil
}

func (b *gatewayBench) postgres(ctx context.Context) (*engine, error) {
	folder, err := b.subfolder("postgres")
	if err != nil {
		return nil, err
	}
	server, err := startPostgres(ctx, folder)
	if err != nil {
		return nil, err
	}
	rows, quit, err := postgresRows(ctx, server)
	if err != nil {
		server.stop(syscall.SIGINT)
		return nil, err
	}
	return &engine{
		name: "PostgreSQL", rows: rows, server: server,
		database: func(ctx context.Context, service string) (string, string, error) {
			dsn, err := server.create(ctx, service)
			return dsn, dsn, err
		},
		quit: func() { quit(); server.stop(syscall.SIGINT) },
	}, nil
}

// services starts those that are measured in turns.
func (b *gatewayBench) services(ctx context.Context, e *engine) (all []*service, err error) {
	defer func() {
		if err != nil {
			stopAll(all)
		}
	}()
	programs := []struct{ name, program string }{{gatewayName, b.program}, {acceleratedName, b.accelerated}}
	for i, p := range programs {
		if p.program == "" {
			continue
		}
		database, _, err := e.database(ctx, fmt.Sprint("gateway", i))
		if err != nil {
			return all, err
		}
		folder, err := b.subfolder(fmt.Sprint(e.name, i))
		if err != nil {
			return all, err
		}
		s, err := startGateway(ctx, p.name, p.program, folder, database, b.parties, b.upstream)
		if err != nil {
			return all, err
		}
		all = append(all, s)
	}
	for _, tuned := range []bool{false, true} {
		_, database, err := e.database(ctx, fmt.Sprint("tutorial_", tuned))
		if err != nil {
			return all, err
		}
		s, err := startTutorial(database, b.redisAt, tuned, b.parties, b.upstream)
		if err != nil {
			return all, err
		}
		all = append(all, s)
	}
	return all, nil
}

func stopAll(all []*service) {
	for _, s := range all {
		s.stop(syscall.SIGTERM)
	}
}

// signatureCPU is what one RSA signature of the merchant's costs, now.
func (b *gatewayBench) signatureCPU() (time.Duration, error) {
	sum := sha256.Sum256([]byte(prepayAnswer))
	before, err := ownCPU()
	if err != nil {
		return 0, err
	}
	n := time.Duration(0)
	for started := time.Now(); time.Since(started) < b.plan.slice/20 || n < 10; n++ {
		if _, err := rsa.SignPKCS1v15(nil, b.parties.merchant, crypto.SHA256, sum[:]); err != nil {
			return 0, err
		}
	}
	after, err := ownCPU()
	return (after - before) / n, err
}

func ownCPU() (time.Duration, error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, fmt.Errorf("read the CPU time: %w", err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), nil
}
