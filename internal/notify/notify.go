// Package notify is the providers' door: it bounds, verifies, stores and applies what a provider sends, and
// acknowledges only what is durable.
package notify

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/tongbao-pay/tongbao/internal/channel"
	"github.com/tongbao-pay/tongbao/internal/payment"
)

// Doors finds the door of an account.
type Doors interface {
	Door(ctx context.Context, ch payment.Channel, accountID string) (channel.Door, bool)
}

// Payments applies a verified notification durably.
type Payments interface {
	Notify(context.Context, payment.Notification) (payment.Verdict, error)
}

// Observer hears of every notification. result is a verdict, "refused" (not verified) or "failed" (our own
// failure). paidAt is the provider's success time, zero where the notification has none.
type Observer interface {
	Notified(ctx context.Context, ch payment.Channel, result string, paidAt time.Time)
}

// Config is what a handler needs.
type Config struct {
	Doors    Doors
	Payments Payments
	Observer Observer     // nil: nobody looks
	Logger   *slog.Logger // nil: discarded
}

// readTimeout cuts a sender that dribbles; applyTimeout leaves the provider its answer within five seconds.
const (
	readTimeout  = 4 * time.Second
	applyTimeout = 4 * time.Second
)

// New returns the handler of POST /notify/{channel}/{account}.
func New(c Config) http.Handler {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /notify/{channel}/{account}", c.serve)
	return mux
}

func (c Config) serve(w http.ResponseWriter, r *http.Request) {
	ch, accountID := payment.Channel(r.PathValue("channel")), r.PathValue("account")
	ctx, span := otel.Tracer("tongbao/notify").Start(r.Context(), "notification "+string(ch), trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attribute.String("account", accountID)))
	defer span.End()
	door, ok := c.Doors.Door(ctx, ch, accountID)
	if !ok {
		c.observe(ctx, "unknown", "refused", time.Time{})
		c.Logger.WarnContext(ctx, "notification for an account that is not configured", "channel", ch, "account", accountID)
		http.Error(w, "no such account; check the notify_url", http.StatusNotFound)
		return
	}
	// An unsupported deadline, as in a test's recorder, leaves the server's own.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(readTimeout))
	n, err := door.Parse(r.WithContext(ctx))
	if err != nil {
		c.observe(ctx, ch, "refused", time.Time{})
		c.Logger.WarnContext(ctx, "notification refused", "channel", ch, "account", accountID, "reason", err)
		door.Answer(w, err)
		return
	}
	span.SetAttributes(attribute.String("notification.id", n.ID), attribute.String("notification.type", n.EventType))
	ctx, cancel := context.WithTimeout(ctx, applyTimeout)
	defer cancel()
	verdict, err := c.Payments.Notify(ctx, n)
	if err != nil {
		c.observe(ctx, ch, "failed", time.Time{})
		c.Logger.ErrorContext(ctx, "notification not stored; the provider will send it again", "channel", ch, "account", accountID, "notification_id", n.ID, "error", err)
		door.Answer(w, errNotStored)
		return
	}
	var paidAt time.Time
	if n.Order != nil && verdict == payment.Applied {
		paidAt = n.Order.PaidAt
	}
	c.observe(ctx, ch, string(verdict), paidAt)
	c.Logger.InfoContext(ctx, "notification", "channel", ch, "account", accountID, "notification_id", n.ID, "type", n.EventType, "verdict", verdict)
	door.Answer(w, nil)
}

// errNotStored tells the provider to send again, and nothing of our inside.
var errNotStored = errors.New("not stored, send again")

func (c Config) observe(ctx context.Context, ch payment.Channel, result string, paidAt time.Time) {
	if c.Observer != nil {
		c.Observer.Notified(ctx, ch, result, paidAt)
	}
}
