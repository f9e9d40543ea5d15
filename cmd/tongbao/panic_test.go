package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// panicVariable makes the test's program a tongbao whose command panics, programVariable one as it is.
const (
	panicVariable   = "TEST_PANIC"
	programVariable = "TEST_AS_TONGBAO"
)

type panicking struct{}

func (panicking) Write([]byte) (int, error) { panic("a mistake in a command") }

func TestMain(m *testing.M) {
	if os.Getenv(panicVariable) != "" {
		os.Exit(run(context.Background(), []string{"version"}, system{stdout: panicking{}, stderr: os.Stderr}))
	}
	if os.Getenv(programVariable) != "" {
		main()
	}
	os.Exit(m.Run())
}

func TestAPanicInACommandIsNotSwallowed(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = append(os.Environ(), panicVariable+"=1")
	out, err := cmd.CombinedOutput()
	if ended, ok := errors.AsType[*exec.ExitError](err); !ok || ended.ExitCode() == exitDone {
		t.Fatalf("ended with %v, printed %q", err, out)
	}
	if !strings.Contains(string(out), "panic: a mistake in a command") {
		t.Fatalf("the panic is not shown: %q", out)
	}
}
