package webhook

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// settleMax bounds the recording of a try, which must not be given up because the process is stopping.
const settleMax = 20 * time.Second

// DeliverMax is more than a call of [Service.Deliver] takes with a working database: give its job as long.
const DeliverMax = tryMax + settleMax + 10*time.Second

// JobOf is what the job of a webhook's round carries. A retry begins a round with a job of its own; the job that waited for
// the next try of the round before must then end, or each would try, at the same times.
func JobOf(webhookID string, round int64) string {
	return webhookID + roundMark + strconv.FormatInt(round, 10)
}

const roundMark = "@"

// Deliver tries a webhook once, if a try is due. It is the work of a job, see [JobOf], and may run twice: a webhook that is
// no longer pending, not due, or in another round is left alone; a job that names no round serves every one. again is when
// to call next; the zero time means that there is nothing left to do. An error means that the try could not be made or
// recorded: call again soon. What the endpoint did wrong is no error; it is recorded as a [Delivery].
func (s *Service) Deliver(ctx context.Context, appID, job string) (again time.Time, err error) {
	webhookID, round, named := strings.Cut(job, roundMark)
	w, err := s.store.WebhookByID(ctx, appID, webhookID)
	if errors.Is(err, ErrNotFound) {
		return time.Time{}, nil // the endpoint was deleted
	}
	if err != nil {
		return time.Time{}, err
	}
	now := s.clock()
	switch {
	case w.State != Pending, named && round != strconv.FormatInt(w.Round, 10):
		return time.Time{}, nil
	case now.Before(w.NextTryAt):
		return w.NextTryAt, nil
	case w.Endpoint.Disabled:
		return time.Time{}, s.bury(ctx, w, now, "the endpoint is disabled ("+orNoReason(w.Endpoint.DisabledWhy)+"); enable it, then retry")
	}
	if turn, ok := s.gates.pass(ctx, w.Endpoint, s.clock); !ok {
		if now.Sub(w.RoundBegan) > roundMax && s.gates.downFor(w.EndpointID, now) >= downMin {
			return time.Time{}, s.bury(ctx, w, now, "the endpoint failed for days, and others wait for the same; mend it, then retry")
		}
		return turn, nil
	}
	v, now := unknown, s.clock()
	defer func() { s.gates.leave(w.EndpointID, v, now, s.clock()) }()
	a, err := s.try(ctx, w)
	if err != nil {
		return time.Time{}, err
	}
	if ctx.Err() != nil && !a.success() {
		return time.Time{}, ctx.Err() // we broke it off, not the endpoint: it does not count
	}
	v = a.verdict()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleMax)
	defer cancel()
	return s.settle(ctx, w, a, now)
}

// bury ends a webhook without a try.
func (s *Service) bury(ctx context.Context, w Webhook, now time.Time, why string) error {
	d := w.delivery(now)
	d.Error = "not sent: " + why
	_, err := s.record(ctx, w, d, Dead, time.Time{})
	return err
}

func orNoReason(why string) string {
	if why == "" {
		return "no reason given"
	}
	return why
}

// settle records the try and decides what follows from it.
func (s *Service) settle(ctx context.Context, w Webhook, a answer, began time.Time) (again time.Time, err error) {
	now := s.clock()
	d := w.delivery(began)
	d.Success, d.StatusCode, d.Error, d.Duration = a.success(), a.status, a.failure, max(now.Sub(began), 0)
	if d.Success {
		return s.record(ctx, w, d, Delivered, time.Time{})
	}
	if a.status == http.StatusGone {
		disabled, err := s.disableGone(ctx, w.Endpoint)
		if err != nil {
			return time.Time{}, err
		}
		if disabled {
			d.Error = "answered 410 Gone: the endpoint is disabled now; enable it when it takes webhooks again, then retry"
			return s.record(ctx, w, d, Dead, time.Time{})
		}
	}
	delay, ok := retryDelay(d.Try)
	if !ok {
		return s.record(ctx, w, d, Dead, time.Time{})
	}
	again = now.Add(max(jitter(delay), a.retryAfter)).Truncate(time.Millisecond)
	return s.record(ctx, w, d, Pending, again)
}

// disableGone disables the endpoint that answered 410. It is not that endpoint any more when its URL was changed
// meanwhile, or it was deleted.
func (s *Service) disableGone(ctx context.Context, gone Endpoint) (disabled bool, err error) {
	_, err = s.update(ctx, gone.AppID, gone.ID, func(e *Endpoint) (bool, error) {
		disabled = e.URL == gone.URL
		if !disabled || e.Disabled {
			return false, nil
		}
		e.Disabled, e.DisabledWhy = true, "it answered 410 Gone"
		return true, nil
	})
	if isNotFound(err) {
		return false, nil
	}
	return disabled, err
}

// delivery is the next try of the webhook, not yet made.
func (w Webhook) delivery(at time.Time) Delivery {
	return Delivery{
		ID: newID("dlv_", at), AppID: w.AppID, WebhookID: w.ID, EndpointID: w.EndpointID,
		EventID: w.EventID, EventType: w.EventType, Try: w.Tries + 1, At: at,
	}
}

// record commits the try with what it makes of the webhook, and answers when to try next. There is nothing left to do
// for this job where the webhook moved on meanwhile: a person's retry has a job of its own.
func (s *Service) record(ctx context.Context, w Webhook, d Delivery, state State, next time.Time) (again time.Time, err error) {
	moved, err := s.store.RecordDelivery(ctx, d, w.Round, state, next)
	if errors.Is(err, ErrNotFound) {
		return time.Time{}, nil // the endpoint was deleted meanwhile
	}
	if err != nil {
		return time.Time{}, err
	}
	if !moved {
		state, next = w.State, time.Time{}
	}
	if state == Dead {
		s.logger.WarnContext(ctx, "webhook: given up; a person may retry it", "app_id", w.AppID, "webhook_id", w.ID,
			"endpoint_id", w.EndpointID, "event_id", w.EventID, "tries", d.Try, "error", d.Error)
	}
	if s.observer != nil {
		s.observer.Tried(ctx, d, state, max(d.At.Add(d.Duration).Sub(w.CreatedAt), 0))
	}
	return next, nil
}
