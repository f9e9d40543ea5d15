package access

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

const appNameMax = 100 // characters

// AppSettings is what people decide about an app.
type AppSettings struct {
	Name             string             // for people; empty: the id
	LatePolicy       payment.LatePolicy // empty: [payment.LateRefund]
	RequireSignature bool
	Disabled         bool
}

// CreateApp makes a new app. An empty id gets a random one, "app_..."; an id that is taken is refused.
func (s *Service) CreateApp(ctx context.Context, id string, settings AppSettings) (App, error) {
	now := s.clock()
	if id == "" {
		// In lower case, so that every id of an app is a name a person could have given.
		id = strings.ToLower(newID("app_", now))
	}
	_, err := s.store.AppByID(ctx, id)
	if err == nil {
		return App{}, invalid("id", "app %q exists already; choose another id", id)
	}
	if !errors.Is(err, ErrNotFound) {
		return App{}, err
	}
	return s.putApp(ctx, id, settings, now)
}

// PutApp creates the app of that id or replaces its settings, as a configuration file declares them. Its keys stay.
func (s *Service) PutApp(ctx context.Context, id string, settings AppSettings) (App, error) {
	createdAt := s.clock()
	known, err := s.store.AppByID(ctx, id)
	if err == nil {
		createdAt = known.CreatedAt
	} else if !errors.Is(err, ErrNotFound) {
		return App{}, err
	}
	return s.putApp(ctx, id, settings, createdAt)
}

func (s *Service) putApp(ctx context.Context, id string, settings AppSettings, createdAt time.Time) (App, error) {
	app := App{
		ID: id, Name: settings.Name, LatePolicy: settings.LatePolicy,
		RequireSignature: settings.RequireSignature, Disabled: settings.Disabled, CreatedAt: createdAt,
	}
	if app.Name == "" {
		app.Name = id
	}
	if app.LatePolicy == "" {
		app.LatePolicy = payment.LateRefund
	}
	if err := app.check(); err != nil {
		return App{}, err
	}
	if err := s.store.PutApp(ctx, app); err != nil {
		return App{}, err
	}
	s.cache.forgetApp(id)
	return app, nil
}

func (a App) check() error {
	if err := checkName("id", a.ID); err != nil {
		return err
	}
	if !utf8.ValidString(a.Name) || utf8.RuneCountInString(a.Name) > appNameMax {
		return invalid("name", "use at most %d characters of text", appNameMax)
	}
	policies := []payment.LatePolicy{payment.LateRefund, payment.LateAccept, payment.LateReview}
	if !slices.Contains(policies, a.LatePolicy) {
		return invalid("late_policy", "%q is not a policy for late money; use one of %q", a.LatePolicy, policies)
	}
	return nil
}

// Apps lists the apps.
func (s *Service) Apps(ctx context.Context) ([]App, error) { return s.store.Apps(ctx) }

// App returns the app of that id.
func (s *Service) App(ctx context.Context, id string) (App, error) {
	app, err := s.store.AppByID(ctx, id)
	return app, orNotFound(err, "app", id)
}
