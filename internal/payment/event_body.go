package payment

import (
	"encoding/json"
	"time"
)

// EventResource is an event as apps see it, in lists and in webhooks alike.
type EventResource struct {
	ID        string    `json:"id" example:"evt_01K9ZQ4T3M8W6V5R2N7X1Y0ABC"`
	Type      string    `json:"type" example:"payment.succeeded"`
	CreatedAt time.Time `json:"created_at"`
	Sequence  int64     `json:"sequence" doc:"counts per resource from 1, so that a consumer can drop what is stale" example:"3"`
	Data      EventData `json:"data"`
}

// EventData carries the resource an event is about.
type EventData struct {
	Object json.RawMessage `json:"object" doc:"the payment, refund or review as it was at that moment; its own field object says which"`
}

// Resource shows the event as it is.
func (e Event) Resource() EventResource {
	return EventResource{
		ID: e.ID, Type: e.Type, CreatedAt: e.CreatedAt, Sequence: e.Sequence,
		Data: EventData{Object: e.Object},
	}
}

// Body is the event as webhooks carry it, signed byte for byte.
func (e Event) Body() json.RawMessage { return object(e.Resource()) }
