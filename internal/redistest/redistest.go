// Package redistest starts a real, private Redis for tests. It needs redis-server to be installed; a test that finds
// none fails and says what to install.
//
// Every server listens on 127.0.0.1 only, wants a random password and keeps nothing on disk: one that was killed has
// forgotten everything when it starts again. A guard ends it when the test process is gone, for whatever reason it went.
//
// The package is for tests: import it from _test.go files and from packages that are suites of tests themselves.
package redistest

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/freeport"
)

const startTimeout = 30 * time.Second

// guardScript runs the server below a shell that kills it, by its id, at the end of the shell's input. The system
// closes that input when the test process is gone.
const guardScript = `
redis-server "$@" </dev/null &
pid=$!
read -r _
kill -KILL "$pid"
wait "$pid"
exit 0
`

// Server is a Redis. Its methods are for one goroutine at a time.
type Server struct {
	port     int
	password string
	folder   string

	guard   *exec.Cmd
	release io.Closer // nil while the server is down
}

// Start starts a server, which is killed at the end of the test.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{password: rand.Text(), folder: tb.TempDir()}
	var err error
	for range 5 { // another process may take the port first
		if s.port, err = freeport.Pick(); err != nil {
			continue
		}
		if err = s.start(); err == nil {
			break
		}
	}
	if err != nil {
		tb.Fatalf("redistest: %v", err)
	}
	tb.Cleanup(func() {
		if s.Running() {
			s.Kill(tb)
		}
	})
	return s
}

// URL is where the server listens, password included.
func (s *Server) URL() string {
	u := url.URL{Scheme: "redis", User: url.UserPassword("", s.password), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), Path: "/0"}
	return u.String()
}

// Running reports whether the server was started and not killed since.
func (s *Server) Running() bool { return s.release != nil }

// Kill ends the server as a crash would.
func (s *Server) Kill(tb testing.TB) {
	tb.Helper()
	err := errors.Join(s.release.Close(), s.guard.Wait())
	s.release = nil
	if err != nil {
		tb.Fatalf("redistest: kill: %v", err)
	}
}

// Restart starts a server that was killed, empty and under the same URL.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	if err := s.start(); err != nil {
		tb.Fatalf("redistest: start again: %v", err)
	}
}

// start returns when the server accepts connections.
func (s *Server) start() error {
	if _, err := exec.LookPath("redis-server"); err != nil {
		return errors.New("there is no redis-server on PATH; install it (on Debian: apt-get install redis-server)")
	}
	// Kill and the guard end the server, no context does.
	guard := exec.CommandContext(context.Background(), "/bin/sh", "-c", guardScript, "redistest-guard",
		"--bind", "127.0.0.1", "--port", strconv.Itoa(s.port), "--requirepass", s.password, "--dir", s.folder,
		"--save", "", "--appendonly", "no", "--daemonize", "no")
	release, err := guard.StdinPipe()
	if err != nil {
		return err
	}
	output, err := guard.StdoutPipe()
	if err != nil {
		return err
	}
	if err := guard.Start(); err != nil {
		return err
	}
	ready := make(chan error, 1)
	go func() { ready <- waitReady(output) }()
	select {
	case err = <-ready:
	case <-time.After(startTimeout):
		err = fmt.Errorf("redis-server was not ready after %s", startTimeout)
	}
	if err != nil {
		return errors.Join(err, release.Close(), guard.Wait())
	}
	s.guard, s.release = guard, release
	return nil
}

// waitReady reads the server's log until it accepts connections, and goes on reading so that it never blocks.
func waitReady(output io.Reader) error {
	var seen strings.Builder
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "eady to accept connections") {
			go func() { _, _ = io.Copy(io.Discard, output) }()
			return nil
		}
		seen.WriteString(lines.Text() + "\n")
	}
	return fmt.Errorf("redis-server did not start:\n%s", &seen)
}
