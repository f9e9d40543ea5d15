package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tongbao-pay/tongbao/internal/freeport"
)

const (
	superuser = "tongbao"

	versionMin = 13 // DROP DATABASE ... WITH (FORCE)

	initTimeout  = 2 * time.Minute
	startTimeout = time.Minute // crash recovery included
	stopTimeout  = 30 * time.Second

	// leaveTimeout is how long the server's own processes have to leave after the postmaster is gone. They notice its
	// death at their next wait.
	leaveTimeout = 10 * time.Second

	// startTries is how many ports are tried when another process takes the chosen one first.
	startTries = 5
)

// server is one cluster on disk and, while it runs, its postmaster. Its methods are for one goroutine at a time.
type server struct {
	binaries binaries
	account  account
	folder   string
	guard    *guard
	port     int
	password string
	durable  bool

	postmaster *postmaster // nil while the server is down
	killed     bool        // went down without cleaning up after itself
}

// postmaster is a running server process.
type postmaster struct {
	process *os.Process
	log     *serverLog
	gone    chan struct{} // closed when the process and all that it started have left
	err     error         // why it left; to be read after gone
}

// newServer creates a cluster in a folder of its own and starts it on a free port.
func newServer(durable bool) (_ *server, err error) {
	programs, err := findBinaries(exec.LookPath, versionedFolders())
	if err != nil {
		return nil, err
	}
	runner, err := unprivileged()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "tongbao-pgtest-")
	if err != nil {
		return nil, err
	}
	guard, err := newGuard(folder)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	s := &server{
		binaries: programs, account: runner, folder: folder, guard: guard,
		password: rand.Text(), durable: durable,
	}
	if err := s.initialize(); err != nil {
		return nil, errors.Join(err, s.remove())
	}
	if err := s.startOnFreePort(); err != nil {
		return nil, errors.Join(err, s.remove())
	}
	return s, nil
}

// initialize runs initdb.
func (s *server) initialize() error {
	passwordFile := filepath.Join(s.folder, "password")
	if err := os.WriteFile(passwordFile, []byte(s.password+"\n"), 0o600); err != nil {
		return err
	}
	if err := errors.Join(s.account.own(s.folder), s.account.own(passwordFile)); err != nil {
		return err
	}

	ctx, cancel := context.WithTimeout(context.Background(), initTimeout)
	defer cancel()
	// The C locale sorts text by its bytes on every machine.
	output, err := s.command(ctx, s.binaries.initdb, "--no-sync", "--pgdata="+s.data(), "--username="+superuser,
		"--auth=scram-sha-256", "--pwfile="+passwordFile, "--encoding=UTF8", "--locale=C").CombinedOutput()
	if err != nil {
		return fmt.Errorf("initdb in %s (the account %q must be able to reach it; TMPDIR moves it): %w\n%s",
			s.folder, s.account.name, err, output)
	}

	text, err := os.ReadFile(filepath.Join(s.data(), "PG_VERSION"))
	if err != nil {
		return err
	}
	major, _, _ := strings.Cut(strings.TrimSpace(string(text)), ".")
	version, err := strconv.Atoi(major)
	if err != nil {
		return fmt.Errorf("version of PostgreSQL: %w", err)
	}
	if version < versionMin {
		return fmt.Errorf("%s is of PostgreSQL %d; install version %d or newer", s.binaries.postgres, version, versionMin)
	}
	return nil
}

func (s *server) startOnFreePort() error {
	var err error
	for range startTries {
		if s.port, err = freeport.Pick(); err != nil {
			return err
		}
		if err = s.start(); err == nil {
			return nil
		}
		if !strings.Contains(err.Error(), "Address already in use") {
			return err
		}
	}
	return err
}

// start starts the postmaster and returns when it accepts connections.
func (s *server) start() error {
	arguments := []string{"-D", s.data(), "-p", strconv.Itoa(s.port)}
	for _, setting := range s.settings() {
		arguments = append(arguments, "-c", setting)
	}
	log := newServerLog()
	// Stop and Kill end the server, no context does.
	command := s.command(context.Background(), s.binaries.postgres, arguments...)
	command.Stderr = log
	command.WaitDelay = leaveTimeout
	if err := command.Start(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	running := &postmaster{process: command.Process, log: log, gone: make(chan struct{})}
	go func() {
		// Every process of the server holds the log open, so Wait returns after the last of them has left.
		running.err = command.Wait()
		close(running.gone)
	}()

	select {
	case <-log.ready:
		s.postmaster, s.killed = running, false
		return nil
	case <-running.gone:
		return fmt.Errorf("PostgreSQL did not start: %w\n%s", running.err, log)
	case <-time.After(startTimeout):
		err := running.process.Kill()
		<-running.gone
		return errors.Join(fmt.Errorf("PostgreSQL was not ready after %s\n%s", startTimeout, log), err)
	}
}

// settings are the server's own, as name=value.
func (s *server) settings() []string {
	settings := []string{
		"listen_addresses=127.0.0.1",
		"unix_socket_directories=",
		"max_connections=300",             // tests run in parallel, each with its pools
		"dynamic_shared_memory_type=mmap", // in the folder: goes with it even after a kill
		"timezone=UTC",
		"log_timezone=UTC",
	}
	if s.durable {
		return append(settings, "fsync=on", "full_page_writes=on", "synchronous_commit=on")
	}
	return append(settings, "fsync=off", "full_page_writes=off", "synchronous_commit=off")
}

// stop ends the server in order and does nothing when it is down in order already.
func (s *server) stop() error {
	if s.killed {
		// The next start is how PostgreSQL frees the shared memory that a killed server leaves in the system.
		if err := s.start(); err != nil {
			return err
		}
	}
	if s.postmaster == nil {
		return nil
	}
	running := s.postmaster
	s.postmaster = nil
	if err := running.process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	select {
	case <-running.gone:
	case <-time.After(stopTimeout):
		s.killed = true
		err := running.process.Kill()
		<-running.gone
		return errors.Join(fmt.Errorf("PostgreSQL did not stop within %s and was killed\n%s", stopTimeout, running.log), err)
	}
	if running.err != nil {
		return fmt.Errorf("PostgreSQL stopped: %w\n%s", running.err, running.log)
	}
	return nil
}

// kill ends the server as a crash would, and waits until all of its processes have left.
func (s *server) kill() error {
	if s.postmaster == nil {
		return errors.New("kill PostgreSQL: it is not running")
	}
	running := s.postmaster
	s.postmaster, s.killed = nil, true
	if err := running.process.Kill(); err != nil {
		return fmt.Errorf("kill PostgreSQL: %w", err)
	}
	<-running.gone
	if errors.Is(running.err, exec.ErrWaitDelay) {
		return fmt.Errorf("processes of PostgreSQL are still there %s after its death", leaveTimeout)
	}
	return nil
}

// remove stops the server and removes all its files.
func (s *server) remove() error {
	return errors.Join(s.stop(), s.guard.remove())
}

func (s *server) data() string {
	return filepath.Join(s.folder, "data")
}

// dsn is the connection URL of a database.
func (s *server) dsn(database string) string {
	location := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(superuser, s.password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return location.String()
}

// command prepares a program of PostgreSQL: as the server's account, in a folder that it can read, and without the PG*
// variables of the developer's environment.
func (s *server) command(ctx context.Context, program string, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, program, arguments...)
	command.Dir = s.folder
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	runAs(command, s.account)
	return command
}
