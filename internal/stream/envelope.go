package stream

import (
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

const contentType = "application/cloudevents+json; charset=UTF-8"

// envelope is an event in the structured JSON format of CloudEvents 1.0 (JSON Event Format, section 3).
type envelope struct {
	SpecVersion     string          `json:"specversion"`
	ID              string          `json:"id"`
	Source          string          `json:"source"`
	Type            string          `json:"type"`
	Subject         string          `json:"subject"`
	Time            time.Time       `json:"time"`
	DataContentType string          `json:"datacontenttype"`
	Data            json.RawMessage `json:"data"` // the body of the event's webhooks
}

// message is an event as it lies in the stream.
func (r *Relay) message(e payment.Event) (*nats.Msg, error) {
	body, err := json.Marshal(envelope{
		SpecVersion: "1.0", ID: e.ID, Source: r.config.PublicURL + "/apps/" + url.PathEscape(e.AppID), Type: e.Type, Subject: e.ResourceID,
		Time: e.CreatedAt, DataContentType: "application/json", Data: e.Body(),
	})
	return &nats.Msg{Subject: subject(r.config.Name, e), Data: body, Header: nats.Header{"Content-Type": {contentType}}}, err
}

// subject is where an event is published: the stream's name, the app, the resource and what happened to it.
func subject(name string, e payment.Event) string {
	return name + "." + token(e.AppID) + "." + e.Type
}

// token makes one part of a subject of an id. Those of apps are such already; one that was put into the database in another
// way must not reach the subjects of another app.
func token(id string) string {
	if id == "" {
		return "_"
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '_'
	}, id)
}
