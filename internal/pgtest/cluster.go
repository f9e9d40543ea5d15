package pgtest

import "testing"

// Cluster is a private PostgreSQL server that one test may stop and kill. Its methods end the test when they cannot do
// what they say; call them from the test's own goroutine, one at a time.
type Cluster struct {
	tb     testing.TB
	server *server
}

// Option changes what [Start] starts.
type Option func(*options)

type options struct {
	durable bool
}

// Durable makes every commit reach the disk before it is acknowledged, as in production. Without it a cluster may lose
// commits or be damaged by a crash of the machine; a killed server loses none that reached the kernel.
func Durable() Option {
	return func(o *options) { o.durable = true }
}

// Start starts a private cluster, which is removed at the end of the test. It holds the empty database postgres.
func Start(tb testing.TB, opts ...Option) *Cluster {
	tb.Helper()
	var chosen options
	for _, opt := range opts {
		opt(&chosen)
	}
	started, err := newServer(chosen.durable)
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	tb.Cleanup(func() {
		if err := started.remove(); err != nil {
			tb.Errorf("pgtest: remove the cluster: %v", err)
		}
	})
	return &Cluster{tb: tb, server: started}
}

// DSN is the connection URL of a database of the cluster, for its superuser. It stays the same over [Cluster.Restart].
func (c *Cluster) DSN(database string) string {
	return c.server.dsn(database)
}

// Kill sends SIGKILL to the server, as a crash of the server would end it, and returns when all its processes have left.
func (c *Cluster) Kill() {
	c.tb.Helper()
	if err := c.server.kill(); err != nil {
		c.tb.Fatalf("pgtest: %v", err)
	}
}

// Stop shuts the server down: open transactions are rolled back and connections closed. It does nothing when the server
// is stopped already.
func (c *Cluster) Stop() {
	c.tb.Helper()
	if err := c.server.stop(); err != nil {
		c.tb.Fatalf("pgtest: %v", err)
	}
}

// Restart starts the server again on the same port with the same data, recovering from a kill; a running server is
// stopped first. It returns when the server accepts connections.
func (c *Cluster) Restart() {
	c.tb.Helper()
	if c.server.postmaster != nil {
		c.Stop()
	}
	if err := c.server.start(); err != nil {
		c.tb.Fatalf("pgtest: %v", err)
	}
}
