package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// backoffMax bounds the pause between two tries, and with it how much of a Retry-After is heeded here.
const backoffMax = 5 * time.Second

// sendUntilAnswered repeats what may be repeated. That is safe for every operation: reads and closes change nothing
// twice, creates are told apart by their numbers, and the rest carries an Idempotency-Key.
func (c *Client) sendUntilAnswered(ctx context.Context, op call, body []byte) ([]byte, error) {
	pause := c.backoff
	for try := 1; ; try++ {
		answer, err := c.send(ctx, op, body)
		if err == nil || try == c.tries || ctx.Err() != nil {
			return answer, err
		}
		wait := pause/2 + spread(pause/2)
		if refusal, ok := errors.AsType[*Error](err); ok {
			if !refusal.Retryable() {
				return nil, err
			}
			wait = max(wait, min(refusal.RetryAfter, backoffMax))
		}
		if !sleep(ctx, wait) {
			return nil, err
		}
		pause = min(2*pause, backoffMax)
	}
}

// spread is a random part of d, so that callers who failed together do not return together.
func spread(d time.Duration) time.Duration {
	return rand.N(d + 1) //nolint:gosec // a pause is no secret
}

// sleep reports whether the whole of d passed; it does not begin to wait for what the context will not see.
func sleep(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < d {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
