package simulate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tongbao-pay/tongbao/client"
	"github.com/tongbao-pay/tongbao/internal/payment"
)

// follows says which events may come right after which, for each kind of resource: the machine of states as apps see it.
// The first of a resource follows "".
var follows = map[string][]string{
	"payment.created":   {""},
	"payment.succeeded": {"payment.created"},
	"payment.closed":    {"payment.created"},
	"payment.failed":    {"payment.created"},
	"payment.late_paid": {"payment.succeeded", "payment.closed", "payment.failed", "payment.late_paid", "payment.refunded"},
	"payment.refunded":  {"payment.succeeded", "payment.late_paid"},
	"refund.created":    {""},
	"refund.succeeded":  {"refund.created", "refund.abnormal", "refund.failed", "refund.closed"},
	"refund.abnormal":   {"refund.created", "refund.failed"},
	"refund.failed":     {"refund.created"},
	"refund.closed":     {"refund.created", "refund.abnormal"},
	"review.opened":     {""},
	"review.resolved":   {"review.opened"},
}

// tells is what status the last event of a resource leaves it in; an event that may leave several is not listed.
var tells = map[string]string{
	"payment.created": "", "payment.succeeded": "succeeded", "payment.closed": "closed", "payment.failed": "failed", "payment.refunded": "refunded",
	"refund.created": "", "refund.succeeded": "succeeded", "refund.abnormal": "abnormal", "refund.failed": "failed", "refund.closed": "closed",
}

// checkEvents: each transition has its event, exactly once and in order, and the last one says how things stand.
func checkEvents(a account) (found []*Violation) {
	byResource := map[string][]payment.Event{}
	for _, e := range a.events {
		byResource[e.ResourceID] = append(byResource[e.ResourceID], e)
	}
	for id, events := range byResource {
		found = append(found, checkOrder(id, events)...)
	}
	for _, p := range a.payments {
		found = append(found, checkTold("payment", p.ID, string(p.Status), byResource[p.ID], p.LatePaid)...)
		if open := p.Status == payment.Processing || p.Status == payment.Pending; !open && len(byResource[p.ID]) < 2 {
			found = append(found, broken("events", "payment %s is %s and its only event is that it was created", p.ID, p.Status))
		}
		for _, r := range p.Refunds {
			found = append(found, checkTold("refund", r.ID, string(r.Status), byResource[r.ID], false)...)
		}
	}
	for _, r := range a.reviews {
		if r.AppID != "" && len(byResource[r.ID]) == 0 {
			found = append(found, broken("events", "review %s (%s) was opened without an event", r.ID, r.Kind))
		}
	}
	return found
}

func checkOrder(id string, events []payment.Event) (found []*Violation) {
	last := ""
	seen := map[string]int{}
	for i, e := range events {
		if e.Sequence != int64(i+1) {
			found = append(found, broken("events", "%s: event %d of the stream has sequence %d:\n%s", id, i+1, e.Sequence, list(events)))
		}
		if !slices.Contains(follows[e.Type], last) {
			found = append(found, broken("events", "%s: %s cannot follow %q:\n%s", id, e.Type, last, list(events)))
		}
		if seen[e.Type]++; seen[e.Type] > 1 && e.Type != "payment.late_paid" {
			found = append(found, broken("events", "%s: %s came twice:\n%s", id, e.Type, list(events)))
		}
		last = e.Type
	}
	return found
}

// checkTold compares the row with what its events tell.
func checkTold(kind, id, status string, events []payment.Event, late bool) (found []*Violation) {
	if len(events) == 0 {
		return []*Violation{broken("events", "%s %s is %s and has no event", kind, id, status)}
	}
	last := events[len(events)-1]
	var object struct {
		Status string `json:"status"`
	}
	if err := json.Unmarshal(last.Object, &object); err != nil {
		return []*Violation{broken("events", "event %s has no object: %v", last.ID, err)}
	}
	if told, known := tells[last.Type]; known && told != "" && told != status && (kind != "refund" || status != "processing") {
		found = append(found, broken("events", "%s %s is %s, and its last event is %s:\n%s", kind, id, status, last.Type, list(events)))
	}
	if tells[last.Type] != "" && object.Status != tells[last.Type] {
		found = append(found, broken("events", "event %s is %s and shows the status %s", last.ID, last.Type, object.Status))
	}
	toldLate := slices.ContainsFunc(events, func(e payment.Event) bool { return e.Type == "payment.late_paid" })
	if kind == "payment" && late != toldLate {
		found = append(found, broken("events", "payment %s: late money %t, told %t:\n%s", id, late, toldLate, list(events)))
	}
	return found
}

func list(events []payment.Event) string {
	var b strings.Builder
	for _, e := range events {
		fmt.Fprintf(&b, "    %d %s %s %s\n", e.Sequence, e.CreatedAt.Format("15:04:05.000"), e.Type, e.ID)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// checkWebhooks: the app has every event, as the stream has it, under its id.
func (w *world) checkWebhooks(a account) (found []*Violation) {
	for _, app := range w.apps {
		app.inbox.mu.Lock()
		received := 0
		for _, e := range a.events {
			if e.AppID != app.id {
				continue
			}
			body, got := app.inbox.bodies[e.ID]
			switch {
			case !got:
				found = append(found, broken("webhooks", "app %s never received event %s (%s of %s)", app.id, e.ID, e.Type, e.ResourceID))
			case !bytes.Equal(body, e.Body()):
				found = append(found, broken("webhooks", "app %s received event %s as\n    %s\nand the stream has it as\n    %s", app.id, e.ID, body, e.Body()))
			}
			if got {
				received++
			}
		}
		if received != len(app.inbox.bodies) {
			found = append(found, broken("webhooks", "app %s received %d events, of which %d are in the stream", app.id, len(app.inbox.bodies), received))
		}
		app.inbox.mu.Unlock()
	}
	return found
}

// later are the states that a payment may be in after an app was told of one.
var laterStates = map[string][]string{
	client.PaymentSucceeded: {client.PaymentSucceeded, client.PaymentRefunded},
	client.PaymentRefunded:  {client.PaymentRefunded},
	client.PaymentClosed:    {client.PaymentClosed, client.PaymentSucceeded, client.PaymentRefunded},
	client.PaymentFailed:    {client.PaymentFailed, client.PaymentSucceeded, client.PaymentRefunded},
}

// checkAcknowledged: what an app was told is there, and went on from there.
func (w *world) checkAcknowledged(a account) (found []*Violation) {
	byNumber := map[string]*payment.Payment{}
	for _, p := range a.payments {
		byNumber[p.AppID+" "+p.OutTradeNo] = p
	}
	for _, d := range w.deals {
		last := d.known()
		if last == nil {
			continue
		}
		p := byNumber[d.app.id+" "+d.request.OutTradeNo]
		if p == nil || p.ID != last.ID {
			found = append(found, broken("acknowledged", "app %s was told that %s is payment %s, which does not exist", d.app.id, d.request.OutTradeNo, last.ID))
			continue
		}
		if may := laterStates[last.Status]; may != nil && !slices.Contains(may, string(p.Status)) {
			found = append(found, broken("acknowledged", "app %s was told that payment %s is %s, and it ended as %s", d.app.id, p.ID, last.Status, p.Status))
		}
		for _, b := range d.refunds {
			if b.last != nil && p.RefundByID(b.last.ID) == nil {
				found = append(found, broken("acknowledged", "app %s was told of refund %s, which does not exist", d.app.id, b.last.ID))
			}
		}
	}
	return found
}
