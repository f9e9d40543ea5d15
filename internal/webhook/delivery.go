package webhook

import (
	"context"
	"errors"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

// Deliveries lists tries, newest first.
func (s *Service) Deliveries(ctx context.Context, filter DeliveryFilter) ([]Delivery, error) {
	return s.store.Deliveries(ctx, filter)
}

// Delivery returns the app's try of that id.
func (s *Service) Delivery(ctx context.Context, appID, id string) (Delivery, error) {
	d, err := s.store.DeliveryByID(ctx, appID, id)
	return d, orNotFound(err, "webhook delivery", id)
}

// Retry sends the webhook of a try again, now and with a new schedule, whatever became of it before. An
// endpoint that keeps failing is tried again at once, too.
func (s *Service) Retry(ctx context.Context, appID, deliveryID string) error {
	d, err := s.Delivery(ctx, appID, deliveryID)
	if err != nil {
		return err
	}
	if err := s.takes(ctx, appID, d.EndpointID); err != nil {
		return err
	}
	now := s.clock()
	s.gates.hasten(d.EndpointID, now)
	return orNotFound(s.store.Retry(ctx, appID, d.WebhookID, now), "webhook", d.WebhookID)
}

func isNotFound(err error) bool {
	e, ok := errors.AsType[*payment.Error](err)
	return ok && e.Code == payment.CodeNotFound
}
