// Package chaos_test proves the gateway's promises where everything goes wrong at once.
package chaos_test

import (
	"flag"
	"os"
	"testing"

	"github.com/tongbao-pay/tongbao/internal/pgtest"
)

// How many seeds of the simulation are played, and from which on: few by default, many by `make chaos`.
var (
	firstSeed = flag.Uint64("seed", 1, "the first seed of the simulation")
	runs      = flag.Int("runs", 0, "how many seeds are played on SQLite; a quarter as many on PostgreSQL; 0: a few")
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
