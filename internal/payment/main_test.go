package payment_test

import (
	"flag"
	"os"
	"testing"
)

// checksDefault is how many lives of a payment are played where -rapid.checks does not say otherwise: enough to
// find what a change breaks, few enough for every run. The race detector makes SQLite some thirty times slower.
const checksDefault = "15"

func TestMain(m *testing.M) {
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "rapid.checks" })
	if !chosen {
		if err := flag.Set("rapid.checks", checksDefault); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
