package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/secret"
)

// Limits of endpoints.
const (
	EndpointsMax   = 20  // per app
	DescriptionMax = 200 // characters
	secretsMax     = 5   // that sign at the same time
)

// How long an old secret goes on signing after a rotation.
const (
	OverlapDefault = 24 * time.Hour
	OverlapMax     = 7 * 24 * time.Hour
)

// EndpointSettings is what an app decides about an endpoint. In an update, nil leaves things as they are.
type EndpointSettings struct {
	URL         *string
	Types       *[]string // empty: all
	Description *string
	Disabled    *bool
}

// CreateEndpoint adds an endpoint to an app. Its signing secret is in this answer and never again.
func (s *Service) CreateEndpoint(ctx context.Context, appID string, settings EndpointSettings) (Endpoint, secret.String, error) {
	now := s.clock()
	e := Endpoint{ID: newID("whe_", now), AppID: appID, CreatedAt: now, UpdatedAt: now}
	if settings.URL == nil {
		return Endpoint{}, secret.String{}, s.guard.check("")
	}
	if err := s.apply(&e, settings); err != nil {
		return Endpoint{}, secret.String{}, err
	}
	// The limit is against runaway scripts: requests at the same moment may pass it by a few.
	existing, err := s.store.EndpointsOfApp(ctx, appID)
	if err != nil {
		return Endpoint{}, secret.String{}, err
	}
	if len(existing) >= EndpointsMax {
		return Endpoint{}, secret.String{}, invalid("", "the app has %d webhook endpoints, the most there can be; delete one that is no longer used", len(existing))
	}
	text := newSecret()
	if err := s.addSecret(&e, text); err != nil {
		return Endpoint{}, secret.String{}, err
	}
	if err := s.store.PutEndpoint(ctx, e); err != nil {
		return Endpoint{}, secret.String{}, err
	}
	e.Version = 1
	return e, text, nil
}

// apply checks the settings and makes them the endpoint's.
func (s *Service) apply(e *Endpoint, settings EndpointSettings) error {
	if settings.URL != nil {
		if err := s.guard.check(*settings.URL); err != nil {
			return err
		}
		e.URL = *settings.URL
	}
	if settings.Types != nil {
		for _, eventType := range *settings.Types {
			if !slices.Contains(payment.EventTypes, eventType) {
				return invalid("types", "%q is not a type of event; use some of %q, or none for all", eventType, payment.EventTypes)
			}
		}
		e.Types = slices.Compact(slices.Sorted(slices.Values(*settings.Types)))
	}
	if settings.Description != nil {
		if !utf8.ValidString(*settings.Description) || utf8.RuneCountInString(*settings.Description) > DescriptionMax {
			return invalid("description", "use at most %d characters of text", DescriptionMax)
		}
		e.Description = *settings.Description
	}
	if settings.Disabled != nil && *settings.Disabled != e.Disabled {
		e.Disabled, e.DisabledWhy = *settings.Disabled, ""
		if e.Disabled {
			e.DisabledWhy = "disabled by request"
		}
	}
	return nil
}

// UpdateEndpoint changes what settings name. Enabling an endpoint does not revive webhooks that died meanwhile; retry
// them.
func (s *Service) UpdateEndpoint(ctx context.Context, appID, id string, settings EndpointSettings) (Endpoint, error) {
	return s.update(ctx, appID, id, func(e *Endpoint) (bool, error) { return true, s.apply(e, settings) })
}

// RotateSecret gives an endpoint a new signing secret, shown in this answer and never again. The old ones go on signing
// beside it for the overlap, 0 to [OverlapMax]; 0 ends them now.
func (s *Service) RotateSecret(ctx context.Context, appID, id string, overlap time.Duration) (Endpoint, secret.String, error) {
	if overlap < 0 || overlap > OverlapMax {
		return Endpoint{}, secret.String{}, invalid("overlap", "use 0 s to %d s", OverlapMax/time.Second)
	}
	text := newSecret()
	e, err := s.update(ctx, appID, id, func(e *Endpoint) (bool, error) {
		now := s.clock()
		for i, old := range e.SealedSecrets {
			if end := now.Add(overlap); old.ExpiresAt.IsZero() || end.Before(old.ExpiresAt) {
				e.SealedSecrets[i].ExpiresAt = end
			}
		}
		e.SealedSecrets = slices.DeleteFunc(e.SealedSecrets, func(old SealedSecret) bool { return old.expired(now) })
		if len(e.SealedSecrets) >= secretsMax {
			return false, invalid("overlap", "%d secrets are signing already; wait until one expires, or end them now with an overlap of 0", len(e.SealedSecrets))
		}
		return true, s.addSecret(e, text)
	})
	if err != nil {
		return Endpoint{}, secret.String{}, err
	}
	return e, text, nil
}

// updateTries bounds how often an update starts over because somebody else was faster.
const updateTries = 5

// update loads an endpoint, lets change decide, and stores it if that changed it; where somebody else was faster it
// starts over with what is there now.
func (s *Service) update(ctx context.Context, appID, id string, change func(*Endpoint) (changed bool, err error)) (Endpoint, error) {
	for range updateTries {
		e, err := s.Endpoint(ctx, appID, id)
		if err != nil {
			return Endpoint{}, err
		}
		e.SealedSecrets = slices.Clone(e.SealedSecrets)
		changed, err := change(&e)
		if err != nil || !changed {
			return e, err
		}
		e.UpdatedAt = s.clock()
		err = s.store.PutEndpoint(ctx, e)
		if err == nil {
			e.Version++
			return e, nil
		}
		if !errors.Is(err, ErrConflict) {
			return Endpoint{}, orNotFound(err, "webhook endpoint", id)
		}
	}
	return Endpoint{}, fmt.Errorf("%w: gave up after %d tries; repeat the request", ErrConflict, updateTries)
}

// Endpoints lists the endpoints of an app.
func (s *Service) Endpoints(ctx context.Context, appID string) ([]Endpoint, error) {
	return s.store.EndpointsOfApp(ctx, appID)
}

// Endpoint returns the app's endpoint of that id.
func (s *Service) Endpoint(ctx context.Context, appID, id string) (Endpoint, error) {
	e, err := s.store.EndpointByID(ctx, appID, id)
	return e, orNotFound(err, "webhook endpoint", id)
}

// DeleteEndpoint removes an endpoint for good; what was on its way to it is not delivered.
func (s *Service) DeleteEndpoint(ctx context.Context, appID, id string) error {
	return orNotFound(s.store.DeleteEndpoint(ctx, appID, id), "webhook endpoint", id)
}
