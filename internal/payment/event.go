package payment

import (
	"encoding/json"
	"fmt"
	"time"
)

// eventID is an id after those of the change's other events: they share a place in the order of events, where ids decide.
func (c *Change) eventID(now time.Time) string {
	return newID(prefixEvent, now.Add(time.Duration(len(c.Events))*time.Millisecond))
}

// paymentEvent appends a fact about the change's payment, as it is now: call it when the payment is what it will be.
func (c *Change) paymentEvent(eventType string, now time.Time) {
	p := c.Payment
	p.Sequence++
	c.Events = append(c.Events, Event{
		ID: c.eventID(now), AppID: p.AppID, Type: eventType, ResourceType: "payment", ResourceID: p.ID,
		Sequence: p.Sequence, CreatedAt: now, Object: object(p.Resource()),
	})
}

func (c *Change) refundEvent(r *Refund, eventType string, now time.Time) {
	r.Sequence++
	c.Events = append(c.Events, Event{
		ID: c.eventID(now), AppID: r.AppID, Type: eventType, ResourceType: "refund", ResourceID: r.ID,
		Sequence: r.Sequence, CreatedAt: now, Object: object(r.Resource()),
	})
}

// review opens a review about a subject of an app; the app hears of it.
func (c *Change) review(v Review, now time.Time) {
	v.ID, v.OpenedAt = newID(prefixReview, now), now
	c.Reviews = append(c.Reviews, &v)
	c.reviewEvent(&v, EventReviewOpened, 1, now)
}

// reviewEvent appends a fact about a review of an app.
func (c *Change) reviewEvent(v *Review, eventType string, sequence int64, now time.Time) {
	if v.AppID == "" {
		return
	}
	c.Events = append(c.Events, Event{
		ID: c.eventID(now), AppID: v.AppID, Type: eventType, ResourceType: "review", ResourceID: v.ID,
		Sequence: sequence, CreatedAt: now, Object: object(v.Resource()),
	})
}

func object(resource any) json.RawMessage {
	b, err := json.Marshal(resource)
	if err != nil {
		panic(fmt.Sprintf("payment: a resource that is no JSON: %v", err)) // unreachable: resources are plain values
	}
	return b
}
