package api

import (
	"context"
	"net/http"
	"time"

	"github.com/tongbao-pay/tongbao/internal/access"
	"github.com/tongbao-pay/tongbao/internal/secret"
	"github.com/tongbao-pay/tongbao/internal/webhook"
)

// Webhooks manages an app's endpoints and what was delivered to them. Deliveries go on after the one whose id is
// [webhook.DeliveryFilter.Cursor].
type Webhooks interface {
	CreateEndpoint(ctx context.Context, appID string, settings webhook.EndpointSettings) (webhook.Endpoint, secret.String, error)
	Endpoints(ctx context.Context, appID string) ([]webhook.Endpoint, error)
	Endpoint(ctx context.Context, appID, id string) (webhook.Endpoint, error)
	UpdateEndpoint(ctx context.Context, appID, id string, settings webhook.EndpointSettings) (webhook.Endpoint, error)
	RotateSecret(ctx context.Context, appID, id string, overlap time.Duration) (webhook.Endpoint, secret.String, error)
	DeleteEndpoint(ctx context.Context, appID, id string) error
	Deliveries(context.Context, webhook.DeliveryFilter) ([]webhook.Delivery, error)
	Delivery(ctx context.Context, appID, id string) (webhook.Delivery, error)
	Retry(ctx context.Context, appID, deliveryID string) error
	RetryDead(ctx context.Context, appID, endpointID string, since time.Time) (retried int, more bool, err error)
}

// WebhookEndpointResource is an endpoint as its app sees it.
type WebhookEndpointResource struct {
	ID             string    `json:"id" example:"whe_01K9ZQ4T3M8W6V5R2N7X1Y0ABC"`
	Object         string    `json:"object" enum:"webhook_endpoint"`
	AppID          string    `json:"app_id"`
	URL            string    `json:"url" example:"https://shop.example.com/webhooks"`
	Types          []string  `json:"types" doc:"events it wants; empty: all"`
	Description    string    `json:"description,omitempty"`
	Disabled       bool      `json:"disabled"`
	DisabledReason string    `json:"disabled_reason,omitempty"`
	CreatedAt      time.Time `json:"created_at"`
	UpdatedAt      time.Time `json:"updated_at"`
	Secret         string    `json:"secret,omitempty" doc:"whsec_...; in answers to create and rotate only" example:"whsec_Zm9yIGV4YW1wbGUgb25seSwgbm90IGEgc2VjcmV0Lg=="`
}

func endpointResource(e webhook.Endpoint) WebhookEndpointResource {
	return WebhookEndpointResource{
		ID: e.ID, Object: "webhook_endpoint", AppID: e.AppID, URL: e.URL, Types: append([]string{}, e.Types...),
		Description: e.Description, Disabled: e.Disabled, DisabledReason: e.DisabledWhy, CreatedAt: e.CreatedAt, UpdatedAt: e.UpdatedAt,
	}
}

// withSecret shows the secret this once.
func withSecret(e webhook.Endpoint, text secret.String) WebhookEndpointResource {
	r := endpointResource(e)
	r.Secret = text.Reveal()
	return r
}

// CreateWebhookEndpointBody names a new endpoint.
type CreateWebhookEndpointBody struct {
	URL         string      `json:"url" minLength:"1" maxLength:"2048" doc:"https, at a public address" example:"https://shop.example.com/webhooks"`
	Types       []eventType `json:"types,omitempty" uniqueItems:"true" doc:"events it wants; all if left out or empty"`
	Description string      `json:"description,omitempty" maxLength:"200"`
}

func (a *api) createWebhookEndpoint(ctx context.Context, by access.Principal, in *struct{ Body CreateWebhookEndpointBody }) (*output[WebhookEndpointResource], error) {
	e, text, err := a.config.Webhooks.CreateEndpoint(ctx, by.App.ID, webhook.EndpointSettings{
		URL: &in.Body.URL, Types: new(texts(in.Body.Types)), Description: &in.Body.Description,
	})
	if err != nil {
		return nil, err
	}
	return &output[WebhookEndpointResource]{Status: http.StatusCreated, Location: "/v1/webhook-endpoints/" + e.ID, Body: withSecret(e, text)}, nil
}

func (a *api) listWebhookEndpoints(ctx context.Context, by access.Principal, _ *struct{}) (*output[page[WebhookEndpointResource]], error) {
	data, err := a.config.Webhooks.Endpoints(ctx, by.App.ID)
	if err != nil {
		return nil, err
	}
	return pageOf(data, "", endpointResource), nil
}

func (a *api) getWebhookEndpoint(ctx context.Context, by access.Principal, in *ByID) (*output[WebhookEndpointResource], error) {
	e, err := a.config.Webhooks.Endpoint(ctx, by.App.ID, in.ID)
	if err != nil {
		return nil, err
	}
	return ok(endpointResource(e)), nil
}

// UpdateWebhookEndpointBody changes what is given.
type UpdateWebhookEndpointBody struct {
	URL         *string     `json:"url,omitempty" minLength:"1" maxLength:"2048"`
	Types       []eventType `json:"types,omitempty" uniqueItems:"true" doc:"an empty list: all"`
	Description *string     `json:"description,omitempty" maxLength:"200"`
	Disabled    *bool       `json:"disabled,omitempty" doc:"false switches an endpoint on again that was disabled; events that came meanwhile are not sent to it"`
}

type updateWebhookEndpointInput struct {
	ByID
	Body UpdateWebhookEndpointBody
}

func (a *api) updateWebhookEndpoint(ctx context.Context, by access.Principal, in *updateWebhookEndpointInput) (*output[WebhookEndpointResource], error) {
	settings := webhook.EndpointSettings{URL: in.Body.URL, Description: in.Body.Description, Disabled: in.Body.Disabled}
	if in.Body.Types != nil {
		settings.Types = new(texts(in.Body.Types))
	}
	e, err := a.config.Webhooks.UpdateEndpoint(ctx, by.App.ID, in.ID, settings)
	if err != nil {
		return nil, err
	}
	return ok(endpointResource(e)), nil
}

// RotateWebhookSecretBody says how long both secrets sign.
type RotateWebhookSecretBody struct {
	Overlap *int64 `json:"overlap,omitempty" minimum:"0" maximum:"604800" doc:"seconds for which the old secret goes on signing; 86400 if left out, 0 ends it now"`
}

type rotateWebhookSecretInput struct {
	ByID
	Body *RotateWebhookSecretBody
}

func (a *api) rotateWebhookSecret(ctx context.Context, by access.Principal, in *rotateWebhookSecretInput) (*output[WebhookEndpointResource], error) {
	overlap := webhook.OverlapDefault
	if in.Body != nil && in.Body.Overlap != nil {
		overlap = time.Duration(*in.Body.Overlap) * time.Second
	}
	e, text, err := a.config.Webhooks.RotateSecret(ctx, by.App.ID, in.ID, overlap)
	if err != nil {
		return nil, err
	}
	return ok(withSecret(e, text)), nil
}

func (a *api) deleteWebhookEndpoint(ctx context.Context, by access.Principal, in *ByID) (*struct{}, error) {
	return nil, a.config.Webhooks.DeleteEndpoint(ctx, by.App.ID, in.ID)
}
