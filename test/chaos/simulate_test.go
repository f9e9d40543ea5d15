package chaos_test

import (
	"bytes"
	"cmp"
	"testing"

	"github.com/tongbao-pay/tongbao/internal/pgtest"
	"github.com/tongbao-pay/tongbao/internal/simulate"
)

// The short set, for every run of the tests.
const (
	shortOnSQLite   = 4
	shortOnPostgres = 2
)

func TestEveryPromiseHoldsWhateverTheSeed(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		play(t, simulate.Config{Seed: *firstSeed, Runs: cmp.Or(*runs, shortOnSQLite)})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		play(t, simulate.Config{Seed: *firstSeed, Runs: max(*runs/4, shortOnPostgres), Postgres: pgtest.NewDatabase(t)})
	})
}

func play(t *testing.T, c simulate.Config) {
	t.Helper()
	var out bytes.Buffer
	if err := simulate.Run(t.Context(), c, &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	t.Log(out.String())
}
