package client

import (
	"context"
	"crypto/rand"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// WebhookEndpoint is where the app receives its events.
type WebhookEndpoint struct {
	ID             string    `json:"id"`
	Object         string    `json:"object"`
	AppID          string    `json:"app_id"`
	URL            string    `json:"url"`
	Types          []string  `json:"types"` // events it wants; empty: all
	Description    string    `json:"description,omitempty"`
	Disabled       bool      `json:"disabled"`
	DisabledReason string    `json:"disabled_reason,omitempty"`
	Secret         Secret    `json:"secret,omitempty"` // in answers to create and rotate only: store it
	CreatedAt      time.Time `json:"created_at"`
	UpdatedAt      time.Time `json:"updated_at"`
}

// CreateWebhookEndpoint names a new endpoint.
type CreateWebhookEndpoint struct {
	URL         string   `json:"url"`
	Types       []string `json:"types,omitempty"` // empty: all
	Description string   `json:"description,omitempty"`
}

// UpdateWebhookEndpoint changes what is not nil.
type UpdateWebhookEndpoint struct {
	URL         *string   `json:"url,omitempty"`
	Types       *[]string `json:"types,omitempty"`
	Description *string   `json:"description,omitempty"`
	Disabled    *bool     `json:"disabled,omitempty"`
}

// RotateWebhookSecret says how long both secrets sign.
type RotateWebhookSecret struct {
	Overlap *int64 `json:"overlap,omitempty"` // seconds; nil: a day; 0: the old secret ends now
}

// WebhookDelivery is one try to deliver an event to an endpoint.
type WebhookDelivery struct {
	ID         string     `json:"id"`
	Object     string     `json:"object"`
	AppID      string     `json:"app_id"`
	EndpointID string     `json:"endpoint_id"`
	EventID    string     `json:"event_id"`
	EventType  string     `json:"event_type"`
	Try        int        `json:"try"` // from 1
	Success    bool       `json:"success"`
	StatusCode int        `json:"status_code,omitempty"` // 0: no answer
	Error      string     `json:"error,omitempty"`
	DurationMS int64      `json:"duration_ms"`
	CreatedAt  time.Time  `json:"created_at"`
	State      string     `json:"state,omitempty"`       // of the webhook as a whole: pending, delivered or dead
	NextTryAt  *time.Time `json:"next_try_at,omitempty"` // when the webhook is tried again
}

// RetryDeadWebhooks narrows what is sent again.
type RetryDeadWebhooks struct {
	Since time.Time `json:"since,omitzero"` // events since then; zero: all
}

// RetriedWebhooks tells how many dead webhooks are on their way again.
type RetriedWebhooks struct {
	Object  string `json:"object"`
	Retried int    `json:"retried"`
	HasMore bool   `json:"has_more"` // there are more than one call sends: call again
}

// WebhookDeliveryQuery narrows a list of deliveries, newest first; zero fields do not.
type WebhookDeliveryQuery struct {
	EndpointID string
	EventID    string
	State      string // of the webhook as a whole: pending, delivered or dead
	Cursor     string
	Limit      int // deliveries per page, 1 to 100; 0: 20
}

// CreateWebhookEndpoint adds an endpoint. Its secret is in this answer and never shown again.
func (c *Client) CreateWebhookEndpoint(ctx context.Context, request CreateWebhookEndpoint) (*WebhookEndpoint, error) {
	return c.webhookEndpoint(ctx, call{method: http.MethodPost, path: "/v1/webhook-endpoints", body: request, idempotencyKey: rand.Text()})
}

// WebhookEndpoint shows an endpoint.
func (c *Client) WebhookEndpoint(ctx context.Context, id string) (*WebhookEndpoint, error) {
	return c.webhookEndpoint(ctx, call{method: http.MethodGet, path: "/v1/webhook-endpoints/" + url.PathEscape(id)})
}

// UpdateWebhookEndpoint changes an endpoint. Disabled false switches a disabled one on again.
func (c *Client) UpdateWebhookEndpoint(ctx context.Context, id string, request UpdateWebhookEndpoint) (*WebhookEndpoint, error) {
	return c.webhookEndpoint(ctx, call{method: http.MethodPatch, path: "/v1/webhook-endpoints/" + url.PathEscape(id), body: request})
}

// RotateWebhookSecret gives an endpoint a new secret, shown in this answer only. The old one goes on signing beside
// it for a while, so verify with both until it has gone.
func (c *Client) RotateWebhookSecret(ctx context.Context, id string, request RotateWebhookSecret) (*WebhookEndpoint, error) {
	return c.webhookEndpoint(ctx, call{method: http.MethodPost, path: "/v1/webhook-endpoints/" + url.PathEscape(id) + "/rotate-secret", body: request, idempotencyKey: rand.Text()})
}

func (c *Client) webhookEndpoint(ctx context.Context, op call) (*WebhookEndpoint, error) {
	var e WebhookEndpoint
	if err := c.do(ctx, op, &e); err != nil {
		return nil, err
	}
	return &e, nil
}

// ListWebhookEndpoints answers with all endpoints of the app.
func (c *Client) ListWebhookEndpoints(ctx context.Context) ([]WebhookEndpoint, error) {
	p, err := page[WebhookEndpoint](ctx, c, "/v1/webhook-endpoints", nil)
	if err != nil {
		return nil, err
	}
	return p.Data, nil
}

// DeleteWebhookEndpoint removes an endpoint; what was on its way to it is given up.
func (c *Client) DeleteWebhookEndpoint(ctx context.Context, id string) error {
	return c.do(ctx, call{method: http.MethodDelete, path: "/v1/webhook-endpoints/" + url.PathEscape(id)}, nil)
}

// ListWebhookDeliveries answers with one page.
func (c *Client) ListWebhookDeliveries(ctx context.Context, q WebhookDeliveryQuery) (*Page[WebhookDelivery], error) {
	values := query{}
	values.text("endpoint_id", q.EndpointID)
	values.text("event_id", q.EventID)
	values.text("state", q.State)
	values.text("cursor", q.Cursor)
	values.limit(q.Limit)
	return page[WebhookDelivery](ctx, c, "/v1/webhook-deliveries", values)
}

// WebhookDeliveries walks every delivery that fits, page by page.
func (c *Client) WebhookDeliveries(ctx context.Context, q WebhookDeliveryQuery) iter.Seq2[WebhookDelivery, error] {
	return all(q.Cursor, func(cursor string) (*Page[WebhookDelivery], error) {
		q.Cursor = cursor
		return c.ListWebhookDeliveries(ctx, q)
	})
}

// RetryWebhookDelivery sends the delivery's event to its endpoint again, at once; its schedule starts anew.
func (c *Client) RetryWebhookDelivery(ctx context.Context, id string) (*WebhookDelivery, error) {
	var d WebhookDelivery
	op := call{method: http.MethodPost, path: "/v1/webhook-deliveries/" + url.PathEscape(id) + "/retry", idempotencyKey: rand.Text()}
	if err := c.do(ctx, op, &d); err != nil {
		return nil, err
	}
	return &d, nil
}

// RetryDeadWebhooks sends every event that was given up on its way to the endpoint again, at once. Repeating the call sends
// nothing twice that is on its way already.
func (c *Client) RetryDeadWebhooks(ctx context.Context, endpointID string, request RetryDeadWebhooks) (*RetriedWebhooks, error) {
	var r RetriedWebhooks
	op := call{method: http.MethodPost, path: "/v1/webhook-endpoints/" + url.PathEscape(endpointID) + "/retry-dead", body: request, idempotencyKey: rand.Text()}
	if err := c.do(ctx, op, &r); err != nil {
		return nil, err
	}
	return &r, nil
}
