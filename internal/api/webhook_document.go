package api

import (
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

// delivering tells once how events reach an app's endpoints.
const delivering = "**Webhooks** are events sent by POST to the app's endpoints, signed as Standard Webhooks says. " +
	"The signed text is the header webhook-id, a dot, the header webhook-timestamp, a dot, and the body as it arrived, byte for byte. " +
	"The signature is HMAC-SHA256 over it, keyed with the bytes that the part of the secret behind `whsec_` encodes in base64; " +
	"the header webhook-signature holds it as `v1,<base64>`, and several of them, separated by spaces, while a secret is rotated: one that fits is enough. " +
	"Refuse a timestamp that is more than 5 minutes off. " +
	"Every event arrives at least once, and later ones may overtake earlier ones: webhook-id, the event's id, stays the same over all tries, " +
	"and `sequence` counts per resource, so that what is stale can be dropped. " +
	"Only a status of 2xx means received. Otherwise the event is sent again: the first try is made at once, the next ones " +
	"5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h and 24 h after the one before, each up to a tenth later; a longer Retry-After is honoured, up to 24 h. " +
	"410 disables the endpoint: what waits for it is given up, and can be sent again once it is enabled. " +
	"Events that come while an endpoint is disabled are not sent to it; `GET /v1/events` has them.\n\n" +
	"`payment.late_paid` tells of money that came after a payment had ended, or a second time. The status of its payment says what to do: " +
	"`succeeded`, deliver if you have not yet, because no `payment.succeeded` follows; with any other the money goes back or waits for a person."

// family is the events about one kind of resource.
type family struct {
	name   string // what their types have before the dot
	object reflect.Type
	about  string
}

func families() []family {
	return []family{
		{"payment", reflect.TypeFor[payment.PaymentResource](), "A payment was created, or its state has changed."},
		{"refund", reflect.TypeFor[payment.RefundResource](), "A refund was created, or its state has changed."},
		{"review", reflect.TypeFor[payment.ReviewResource](), "A review was opened or resolved."},
	}
}

// describeWebhooks puts into the document what the app's endpoints receive.
func (a *api) describeWebhooks() {
	document := a.huma.OpenAPI()
	document.Webhooks = map[string]*huma.PathItem{}
	for _, f := range families() {
		document.Webhooks[f.name] = &huma.PathItem{Post: &huma.Operation{
			OperationID: "receive-" + f.name + "-event", Summary: f.about, Tags: []string{"events"},
			Security:    []map[string][]string{}, // it is the signature that tells who sends it
			Parameters:  signatureHeaders(),
			RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: f.event(document.Components.Schemas)}}},
			Responses: map[string]*huma.Response{
				"2XX":     {Description: "received; an empty answer is enough"},
				"410":     {Description: "no longer wanted: the endpoint is disabled"},
				"default": {Description: "not received: the event is sent again, not before Retry-After where that is given"},
			},
		}}
	}
}

// event is the schema of an event with the family's types and resource.
func (f family) event(r huma.Registry) *huma.Schema {
	types := &huma.Schema{Type: huma.TypeString}
	for _, t := range payment.EventTypes {
		if name, _, _ := strings.Cut(t, "."); name == f.name {
			types.Enum = append(types.Enum, t)
		}
	}
	object := map[string]*huma.Schema{"object": r.Schema(f.object, true, "")}
	narrowed := map[string]*huma.Schema{"type": types, "data": {Type: huma.TypeObject, Properties: object}}
	return &huma.Schema{AllOf: []*huma.Schema{
		r.Schema(reflect.TypeFor[payment.EventResource](), true, ""),
		{Type: huma.TypeObject, Properties: narrowed},
	}}
}

func signatureHeaders() []*huma.Param {
	text := &huma.Schema{Type: huma.TypeString}
	return []*huma.Param{
		{Name: "webhook-id", In: "header", Required: true, Schema: text, Description: "the event's id, the same over all tries", Example: "evt_01K9ZQ4T3M8W6V5R2N7X1Y0ABC"},
		{Name: "webhook-timestamp", In: "header", Required: true, Schema: text, Description: "when this try was made, in Unix seconds", Example: "1769824800"},
		{Name: "webhook-signature", In: "header", Required: true, Schema: text, Description: "`v1,<base64>`; several, separated by spaces, while a secret is rotated", Example: "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="},
	}
}
