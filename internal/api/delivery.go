package api

import (
	"context"
	"net/http"
	"time"

	"github.com/tongbao-pay/tongbao/internal/access"
	"github.com/tongbao-pay/tongbao/internal/webhook"
)

// WebhookDeliveryResource is one try to deliver an event.
type WebhookDeliveryResource struct {
	ID         string        `json:"id" example:"dlv_01K9ZQ4T3M8W6V5R2N7X1Y0ABC"`
	Object     string        `json:"object" enum:"webhook_delivery"`
	AppID      string        `json:"app_id"`
	EndpointID string        `json:"endpoint_id"`
	EventID    string        `json:"event_id"`
	EventType  string        `json:"event_type"`
	Try        int           `json:"try" doc:"from 1"`
	Success    bool          `json:"success"`
	StatusCode int           `json:"status_code,omitempty" doc:"what the app answered; left out: nothing"`
	Error      string        `json:"error,omitempty" doc:"what went wrong"`
	DurationMS int64         `json:"duration_ms"`
	CreatedAt  time.Time     `json:"created_at"`
	State      webhook.State `json:"state,omitempty" enum:"pending,delivered,dead" doc:"of the event's way to the endpoint as a whole"`
	NextTryAt  *time.Time    `json:"next_try_at,omitempty" doc:"when it is tried again"`
}

func deliveryResource(d webhook.Delivery) WebhookDeliveryResource {
	r := WebhookDeliveryResource{
		ID: d.ID, Object: "webhook_delivery", AppID: d.AppID, EndpointID: d.EndpointID, EventID: d.EventID, EventType: d.EventType,
		Try: d.Try, Success: d.Success, StatusCode: d.StatusCode, Error: d.Error, DurationMS: d.Duration.Milliseconds(),
		CreatedAt: d.At, State: d.WebhookState,
	}
	if !d.NextTryAt.IsZero() {
		r.NextTryAt = &d.NextTryAt
	}
	return r
}

type listWebhookDeliveriesInput struct {
	EndpointID string        `query:"endpoint_id" pattern:"^whe_[0-9A-Z]{26}$" patternDescription:"a webhook endpoint's id"`
	EventID    string        `query:"event_id" pattern:"^evt_[0-9A-Z]{26}$" patternDescription:"an event's id"`
	State      webhook.State `query:"state" enum:"pending,delivered,dead" doc:"of the event's way to the endpoint as a whole"`
	Paging
}

func (a *api) listWebhookDeliveries(ctx context.Context, by access.Principal, in *listWebhookDeliveriesInput) (*output[page[WebhookDeliveryResource]], error) {
	data, err := a.config.Webhooks.Deliveries(ctx, webhook.DeliveryFilter{
		AppID: by.App.ID, EndpointID: in.EndpointID, EventID: in.EventID, State: in.State, Cursor: in.Cursor, Limit: in.Limit + 1, // one more tells whether a page follows
	})
	if err != nil {
		return nil, err
	}
	next := ""
	if len(data) > in.Limit {
		data = data[:in.Limit]
		next = data[in.Limit-1].ID
	}
	return pageOf(data, next, deliveryResource), nil
}

func (a *api) retryWebhookDelivery(ctx context.Context, by access.Principal, in *actInput) (*output[WebhookDeliveryResource], error) {
	if err := a.config.Webhooks.Retry(ctx, by.App.ID, in.ID); err != nil {
		return nil, err
	}
	d, err := a.config.Webhooks.Delivery(ctx, by.App.ID, in.ID)
	if err != nil {
		return nil, err
	}
	return &output[WebhookDeliveryResource]{Status: http.StatusAccepted, Body: deliveryResource(d)}, nil
}

// RetryDeadWebhooksBody narrows what is sent again.
type RetryDeadWebhooksBody struct {
	Since time.Time `json:"since,omitzero" doc:"events since then; all if left out" example:"2026-01-31T08:00:00+08:00"`
}

type retryDeadWebhooksInput struct {
	ByID
	Body *RetryDeadWebhooksBody
}

// RetriedWebhooksResource tells how many dead webhooks are on their way again.
type RetriedWebhooksResource struct {
	Object  string `json:"object" enum:"retried_webhooks"`
	Retried int    `json:"retried" doc:"how many are on their way again"`
	HasMore bool   `json:"has_more" doc:"there are more than one call sends: call again"`
}

func (a *api) retryDeadWebhooks(ctx context.Context, by access.Principal, in *retryDeadWebhooksInput) (*output[RetriedWebhooksResource], error) {
	var since time.Time
	if in.Body != nil {
		since = in.Body.Since
	}
	retried, more, err := a.config.Webhooks.RetryDead(ctx, by.App.ID, in.ID, since)
	if err != nil {
		return nil, err
	}
	return &output[RetriedWebhooksResource]{Status: http.StatusAccepted, Body: RetriedWebhooksResource{Object: "retried_webhooks", Retried: retried, HasMore: more}}, nil
}
