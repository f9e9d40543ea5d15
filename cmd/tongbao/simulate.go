package main

import (
	"context"
	"os"

	"github.com/tongbao-pay/tongbao/internal/simulate"
)

type simulateCommand struct {
	Seed     uint64 `help:"The first run's seed; each further run takes the next." default:"1"`
	Runs     int    `help:"How many runs." default:"20"`
	Postgres string `help:"A PostgreSQL server to run on, where databases may be made and removed. Default: SQLite." placeholder:"URL"`
}

// Help is shown by --help.
func (simulateCommand) Help() string {
	return `Three replicas of the gateway, the sandbox, an app and its payers, with clocks that jump and a network that loses things,
in this process and on databases of their own. The seed decides what happens. At the end the books of everybody must be the
same to the fen; what does not fit is reported with everything that led to it. Exit code 0: every promise held; 1: one did not.

Example: tongbao simulate --seed 1 --runs 100`
}

func (c *simulateCommand) Run(ctx context.Context, sys system) error {
	if c.Runs < 1 {
		return usageError{"--runs must be at least 1"}
	}
	return simulate.Run(ctx, simulate.Config{Seed: c.Seed, Runs: c.Runs, Postgres: c.Postgres, Terminal: isTerminal(sys)}, sys.stdout)
}

// isTerminal reports whether standard output is one.
func isTerminal(sys system) bool {
	f, ok := sys.stdout.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
