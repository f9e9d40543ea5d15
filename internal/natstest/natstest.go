// Package natstest runs a real NATS server with JetStream inside a test's process. It listens on 127.0.0.1 only and keeps
// its streams in a folder of the test's, so that one that was stopped has them when it starts again.
//
// The package is for tests: import it from _test.go files and from packages that are suites of tests themselves.
package natstest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tongbao-pay/tongbao/internal/freeport"
)

const patience = 30 * time.Second

// Server is a NATS server. Its methods are for one goroutine at a time.
type Server struct {
	tb      testing.TB
	options server.Options
	running *server.Server // nil while it is down
}

// Start starts a server, which is stopped at the end of the test. It wants a user and a random password. change alters its
// options.
func Start(tb testing.TB, change ...func(*server.Options)) *Server {
	tb.Helper()
	port, err := freeport.Pick()
	if err != nil {
		tb.Fatalf("natstest: %v", err)
	}
	s := &Server{tb: tb, options: server.Options{
		Host: "127.0.0.1", Port: port, Username: "tongbao", Password: rand.Text(), JetStream: true, StoreDir: tb.TempDir(), NoSigs: true, NoLog: true,
	}}
	s.Restart(change...)
	tb.Cleanup(s.Stop)
	return s
}

// URL is where the server listens, password included.
func (s *Server) URL() string {
	u := url.URL{Scheme: "nats", Host: net.JoinHostPort(s.options.Host, fmt.Sprint(s.options.Port))}
	if s.options.Username != "" {
		u.User = url.UserPassword(s.options.Username, s.options.Password)
	}
	return u.String()
}

// Password is what the server wants to hear.
func (s *Server) Password() string { return s.options.Password }

// Stop ends the server; its streams stay.
func (s *Server) Stop() {
	if s.running == nil {
		return
	}
	s.running.Shutdown()
	s.running.WaitForShutdown()
	s.running = nil
}

// Restart starts a server that was stopped, with its streams and under the same URL. change alters its options.
func (s *Server) Restart(change ...func(*server.Options)) {
	s.tb.Helper()
	for _, c := range change {
		c(&s.options)
	}
	options := s.options
	running, err := server.NewServer(&options)
	if err != nil {
		s.tb.Fatalf("natstest: %v", err)
	}
	running.Start()
	if !running.ReadyForConnections(patience) {
		running.Shutdown()
		s.tb.Fatalf("natstest: the server was not ready after %s", patience)
	}
	s.running = running
}

// JetStream is another client's view of the server.
func (s *Server) JetStream() jetstream.JetStream {
	s.tb.Helper()
	conn, err := nats.Connect(s.URL())
	if err != nil {
		s.tb.Fatalf("natstest: %v", err)
	}
	s.tb.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		s.tb.Fatalf("natstest: %v", err)
	}
	return js
}

// Messages waits until a stream has that many messages, and returns all it has in its order.
func (s *Server) Messages(stream string, count int) []jetstream.Msg {
	s.tb.Helper()
	ctx, cancel := context.WithTimeout(s.tb.Context(), patience)
	defer cancel()
	js := s.JetStream()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		has := uint64(0)
		found, err := js.Stream(ctx, stream)
		if err == nil {
			has = found.CachedInfo().State.Msgs
		}
		if has >= uint64(count) {
			break
		}
		select {
		case <-ctx.Done():
			s.tb.Fatalf("natstest: %s has %d messages, want %d (%v)", stream, has, count, err)
		case <-tick.C:
		}
	}
	consumer, err := js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{})
	if err != nil {
		s.tb.Fatalf("natstest: %v", err)
	}
	var all []jetstream.Msg
	for {
		message, err := consumer.Next(jetstream.FetchContext(ctx))
		if err != nil {
			s.tb.Fatalf("natstest: after %d messages of %s: %v", len(all), stream, err)
		}
		all = append(all, message)
		about, err := message.Metadata()
		if err != nil {
			s.tb.Fatalf("natstest: %v", err)
		}
		if about.NumPending == 0 {
			return all
		}
	}
}
