package job

import (
	"testing"
	"time"
)

func TestAFailedJobIsTriedAgainSoonAndForMonths(t *testing.T) {
	t.Parallel()
	if wait := retryIn(1); wait > 12*time.Second {
		t.Errorf("after its first failure it waits for %s", wait)
	}
	all := time.Duration(0)
	for failures := range attemptsMax {
		wait := retryIn(failures)
		if wait < retryMin || wait > 2*retryMax {
			t.Fatalf("after %d failures it waits for %s", failures, wait)
		}
		all += wait
	}
	if all < 100*24*time.Hour {
		t.Errorf("it is given up after %s", all)
	}
}
