package api

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tongbao-pay/tongbao/internal/access"
	"github.com/tongbao-pay/tongbao/internal/payment"
)

// eventType is a type of events, in a request: one of the domain's list.
type eventType string

// Schema is the domain's list.
func (eventType) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString}
	for _, t := range payment.EventTypes {
		s.Enum = append(s.Enum, t)
	}
	return s
}

func texts(types []eventType) []string {
	t := make([]string, len(types))
	for i := range types {
		t[i] = string(types[i])
	}
	return t
}

// Following is how a stream of events is asked for.
type Following struct {
	After string `query:"after" pattern:"^evt_[0-9A-Z]{26}$" patternDescription:"an event's id" doc:"the id of the last event you have; the events that were committed later follow"`
	Limit int    `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"events per page"`
}

type listEventsInput struct {
	Types []eventType `query:"types" doc:"separated by commas; all if left out"`
	Following
}

func (a *api) listEvents(ctx context.Context, by access.Principal, in *listEventsInput) (*output[page[payment.EventResource]], error) {
	return a.events(ctx, payment.EventFilter{AppID: by.App.ID, Types: texts(in.Types), After: in.After}, in.Limit)
}

type listPaymentEventsInput struct {
	ByID
	Following
}

func (a *api) listPaymentEvents(ctx context.Context, by access.Principal, in *listPaymentEventsInput) (*output[page[payment.EventResource]], error) {
	concerns(ctx, in.ID, "")
	if _, err := a.config.Payments.Payment(ctx, by.App.ID, in.ID); err != nil {
		return nil, err
	}
	return a.events(ctx, payment.EventFilter{AppID: by.App.ID, ResourceID: in.ID, After: in.After}, in.Limit)
}

func (a *api) events(ctx context.Context, filter payment.EventFilter, limit int) (*output[page[payment.EventResource]], error) {
	data, err := a.config.Lists.Events(ctx, filter, limit+1) // one more tells whether a page follows
	if err != nil {
		return nil, err
	}
	next := ""
	if len(data) > limit {
		data = data[:limit]
		next = data[limit-1].ID
	}
	return pageOf(data, next, payment.Event.Resource), nil
}
