//go:build unix

package main

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// child is a serving tongbao in a process of its own.
type child struct {
	t       *testing.T
	command *exec.Cmd
	log     *signalled
	serving chan struct{}
	ended   chan error
}

func serveApart(t *testing.T, file string) *child {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, serving: make(chan struct{}), ended: make(chan error, 1)}
	c.log = &signalled{until: "serving", then: func() {
		select {
		case <-c.serving:
		default:
			close(c.serving)
		}
	}}
	c.command = exec.CommandContext(t.Context(), program, "serve", "--config", file)
	c.command.Env = append(os.Environ(), programVariable+"=1", "TONGBAO_LOG_LEVEL=info", "TONGBAO_SHUTDOWN_DELAY=5m")
	c.command.Stderr = c.log
	if err := c.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { c.ended <- c.command.Wait() }()
	select {
	case <-c.serving:
	case err := <-c.ended:
		t.Fatalf("it ended: %v\n%s", err, c.log)
	}
	return c
}

// end sends signals until the process has ended, and answers the one that ended it.
func (c *child) end(signal syscall.Signal) syscall.Signal {
	c.t.Helper()
	again, deadline := time.NewTicker(50*time.Millisecond), time.After(time.Minute)
	defer again.Stop()
	for {
		_ = c.command.Process.Signal(signal) // it may have ended
		select {
		case err := <-c.ended:
			ended, ok := errors.AsType[*exec.ExitError](err)
			if !ok {
				c.t.Fatalf("it ended with %v\n%s", err, c.log)
			}
			return ended.Sys().(syscall.WaitStatus).Signal()
		case <-deadline:
			c.t.Fatalf("it still runs\n%s", c.log)
		case <-again.C:
		}
	}
}

func TestTheSecondSignalEndsTheProcessAtOnce(t *testing.T) {
	t.Parallel()
	c := serveApart(t, installation(t))
	if by := c.end(syscall.SIGTERM); by != syscall.SIGTERM {
		t.Errorf("ended by %v, not by the signal", by)
	}
	if log := c.log.String(); !strings.Contains(log, "stopping") || strings.Contains(log, "stopped") {
		t.Errorf("the first signal did not begin to drain, or the second waited for it:\n%s", log)
	}
}

func TestASecondProcessOnOneSQLiteFileIsRefused(t *testing.T) {
	t.Parallel()
	file := installation(t)
	c := serveApart(t, file)
	code, _, errs := tongbao(t, nil, "serve", "--config", file)
	if code != exitFailed || !strings.Contains(errs, "another tongbao serves this SQLite file") {
		t.Errorf("code %d, printed %q", code, errs)
	}
	if code, _, errs := tongbao(t, nil, "app", "create", "shop", "--config", file); code != exitDone {
		t.Errorf("a command beside it: code %d, printed %q", code, errs)
	}
	if by := c.end(syscall.SIGKILL); by != syscall.SIGKILL {
		t.Fatalf("ended by %v", by)
	}
	serveApart(t, file).end(syscall.SIGKILL)
}
