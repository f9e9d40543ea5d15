package pgtest

import (
	"context"
	"fmt"
	"io"
	"os/exec"
)

// guard is a small process that outlives the test process: it ends the server that runs in a folder and removes the
// folder once the other end of its standard input is closed. The system closes that end when the test process is gone,
// so a panic, a test timeout and SIGKILL leave neither a server nor files behind.
type guard struct {
	command *exec.Cmd
	release io.Closer
}

// guardScript waits for the end of its input. SIGQUIT is PostgreSQL's immediate shutdown; the server removes its pid
// file as the last thing, and gets ten seconds for it.
const guardScript = `
read -r _
pid_file=$1/data/postmaster.pid
if read -r pid <"$pid_file"; then
	kill -QUIT "$pid"
	tries=0
	while [ -e "$pid_file" ] && [ "$tries" -lt 100 ] && kill -0 "$pid"; do
		tries=$((tries + 1))
		sleep 0.1
	done
fi 2>/dev/null
rm -rf "$1"
`

// newGuard starts a guard over folder.
func newGuard(folder string) (*guard, error) {
	// The guard must outlive every context of the test process: its input ends it.
	command := exec.CommandContext(context.Background(), "/bin/sh", "-c", guardScript, "pgtest-guard", folder)
	runAs(command, account{})
	release, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start the guard of %s: %w", folder, err)
	}
	return &guard{command: command, release: release}, nil
}

// remove lets the guard do its work and waits for it.
func (g *guard) remove() error {
	if err := g.release.Close(); err != nil {
		return err
	}
	return g.command.Wait()
}
