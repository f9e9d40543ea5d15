package webhook

import (
	"context"
	"time"
)

const (
	// RetryDeadMax is how many dead webhooks one call of [Service.RetryDead] sends again at most.
	RetryDeadMax = 10_000

	retryDeadBatch = 500 // in one database transaction
)

// RetryDead sends the endpoint's dead webhooks of events since then again, the oldest first, now and with a new schedule; the
// zero time means all. more tells that it stopped at [RetryDeadMax]: call again. So does a caller whose call broke off: what
// was sent on its way is not dead any more, and is not sent twice.
func (s *Service) RetryDead(ctx context.Context, appID, endpointID string, since time.Time) (retried int, more bool, err error) {
	if err := s.takes(ctx, appID, endpointID); err != nil {
		return 0, false, err
	}
	now := s.clock()
	s.gates.hasten(endpointID, now)
	for retried < RetryDeadMax {
		n, err := s.store.RetryDead(ctx, appID, endpointID, since, now, retryDeadBatch)
		if err != nil || n == 0 {
			return retried, false, err
		}
		retried += n
	}
	return retried, true, nil
}

// takes tells whether a retry to the endpoint makes sense: where it is disabled, the webhook would only die again.
func (s *Service) takes(ctx context.Context, appID, endpointID string) error {
	e, err := s.Endpoint(ctx, appID, endpointID)
	if err != nil {
		return err
	}
	if e.Disabled {
		return invalid("", "webhook endpoint %s is disabled (%s); enable it first", e.ID, e.DisabledWhy)
	}
	return nil
}
