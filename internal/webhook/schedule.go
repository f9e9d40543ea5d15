package webhook

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// retryDelay returns how long to wait after so many failed tries; ok is false when the schedule is used up.
func retryDelay(tries int) (delay time.Duration, ok bool) {
	delays := [...]time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
		10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	}
	if tries < 1 || tries > len(delays) {
		return 0, false
	}
	return delays[tries-1], true
}

// A webhook that waits for a turn at an endpoint whose breaker is open spends none of its tries, so a long queue would wait
// for weeks. It is given up where it waited longer than the schedule with all its jitter takes, roundMax, and the endpoint
// has been failing for downMin: one that this process only just began to try, after being down itself, gets its chance.
const (
	roundMax = 84 * time.Hour
	downMin  = time.Hour
)

// jitter lengthens a delay by up to a tenth, so that what failed together does not come back together.
func jitter(delay time.Duration) time.Duration {
	return delay + rand.N(delay/10+1) //nolint:gosec // chance, not a secret
}

// retryAfterMax bounds how long an app can put its webhooks off.
const retryAfterMax = 24 * time.Hour

// retryAfter reads the Retry-After header, seconds or a date; 0 where there is none that can be read.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if text == "" {
		return 0
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), retryAfterMax)
	}
	// More digits than an integer holds are capped by ParseInt, and then by us.
	seconds, err := strconv.ParseInt(text, 10, 64)
	if seconds <= 0 || err != nil && seconds != 1<<63-1 {
		return 0
	}
	return time.Duration(min(seconds, int64(retryAfterMax/time.Second))) * time.Second
}
