// Package webhook is the gateway's door to apps: it signs events and delivers them until the app has them.
package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// Endpoint is where an app receives its events.
type Endpoint struct {
	ID            string // "whe_..."
	AppID         string
	URL           string
	Types         []string // events it wants; empty: all
	Description   string
	SealedSecrets []SealedSecret // newest first; every one that has not expired signs
	Disabled      bool
	DisabledWhy   string
	CreatedAt     time.Time
	UpdatedAt     time.Time
	Version       int64 // 0: never stored; [Store.PutEndpoint] refuses a stale one
}

// SealedSecret is a signing secret at rest. After a rotation the old one goes on signing until ExpiresAt.
type SealedSecret struct {
	Sealed    []byte    `json:"sealed"`
	ExpiresAt time.Time `json:"expires_at,omitzero"` // zero: not rotated away
}

// State is where a webhook stands.
type State string

// The states of a webhook.
const (
	Pending   State = "pending"   // a try is due or scheduled
	Delivered State = "delivered" // the app answered 2xx
	Dead      State = "dead"      // the schedule is used up, or the endpoint is gone: a person may retry
)

// Webhook is one event on its way to one endpoint. It is created in the database transaction of the event.
type Webhook struct {
	ID         string // "whk_...", and the webhook-id header is the event's id
	AppID      string
	EndpointID string
	EventID    string
	EventType  string
	State      State
	Round      int64 // from 0; every retry by a person begins the next, with a schedule of its own
	RoundBegan time.Time
	Tries      int // in this round
	NextTryAt  time.Time
	CreatedAt  time.Time

	Body     json.RawMessage // the event as apps receive it
	Endpoint Endpoint
}

// Delivery is one try.
type Delivery struct {
	ID         string // "dlv_..."
	AppID      string
	WebhookID  string
	EndpointID string
	EventID    string
	EventType  string
	Try        int // from 1 in every round
	Success    bool
	StatusCode int    // 0: no answer
	Error      string // what went wrong, in words for the app's engineer; never the answer's body
	Duration   time.Duration
	At         time.Time

	WebhookState State     // filled in lists
	NextTryAt    time.Time // filled in lists, zero if none is due
}

// DeliveryFilter narrows a list of an app's deliveries, newest first; empty fields do not.
type DeliveryFilter struct {
	AppID      string
	EndpointID string
	EventID    string
	State      State
	Cursor     string
	Limit      int
}

// DeadLetters sums up the dead webhooks of an endpoint.
type DeadLetters struct {
	AppID      string
	EndpointID string
	URL        string
	Count      int
	Oldest     time.Time // of their events
	Newest     time.Time
}

// Store keeps endpoints, webhooks and deliveries. It is safe for concurrent use.
type Store interface {
	PutEndpoint(context.Context, Endpoint) error // inserts at Version 0, else replaces that version; ErrConflict
	EndpointByID(ctx context.Context, appID, id string) (Endpoint, error)
	EndpointsOfApp(ctx context.Context, appID string) ([]Endpoint, error)
	DeleteEndpoint(ctx context.Context, appID, id string) error

	// WebhookByID loads a webhook with its event's body and its endpoint; ErrNotFound where the endpoint was deleted.
	WebhookByID(ctx context.Context, appID, id string) (Webhook, error)
	// RecordDelivery commits a try with what it makes of the webhook: its state, and when to try next. round is the
	// webhook's when it was loaded for the try. Where another round has begun since, or the webhook is delivered, the
	// try is kept all the same, but the webhook stays as it is and moved is false.
	RecordDelivery(ctx context.Context, d Delivery, round int64, state State, nextTryAt time.Time) (moved bool, err error)
	Deliveries(context.Context, DeliveryFilter) ([]Delivery, error)
	DeliveryByID(ctx context.Context, appID, id string) (Delivery, error)
	// Retry begins the webhook's next round: it is pending again, its schedule starts anew, and the job that delivers it
	// at once is committed. A try still under way no longer changes it.
	Retry(ctx context.Context, appID, webhookID string, at time.Time) error
	// RetryDead does the same for at most limit of the endpoint's dead webhooks of events since then, the oldest first, all in
	// one database transaction, and answers how many there were.
	RetryDead(ctx context.Context, appID, endpointID string, since, at time.Time, limit int) (retried int, err error)
}

// What a [Store] answers beside plain failure.
var (
	ErrNotFound = errors.New("webhook: not found")
	ErrConflict = errors.New("webhook: changed by somebody else")
)
