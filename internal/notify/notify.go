// Package notify is the providers' door: it bounds, verifies, stores and applies what a provider sends, and
// acknowledges only what is durable.
package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
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

// Observer hears of every notification. result is a verdict, "refused" (not verified), "overloaded" (turned away
// unread) or "failed" (our own failure). paidAt is the provider's success time, zero where the notification has none.
type Observer interface {
	Notified(ctx context.Context, ch payment.Channel, result string, paidAt time.Time)
	// NotificationsInFlight hears of each that is taken in (1) and answered (-1).
	NotificationsInFlight(change int)
}

// Config is what a handler needs.
type Config struct {
	Doors    Doors
	Payments Payments
	Observer Observer     // nil: nobody looks
	Logger   *slog.Logger // nil: discarded
}

// answerTimeout bounds everything from the first byte on: the provider wants its answer within five seconds. It also
// cuts a sender that dribbles.
const answerTimeout = 4 * time.Second

// atOnce bounds how many of them are applied at the same time. A burst then finishes one after the other; all at once,
// each would wait for all others at every step.
const atOnce = 128

// bodyMax is how much of a body is read before the notification is taken in. What is longer no provider sends.
const bodyMax = 64 << 10

type handler struct {
	Config

	house *house
	slots chan struct{}
}

// New returns the handler of POST /notify/{channel}/{account}.
func New(c Config) http.Handler {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	h := handler{Config: c, house: &house{bound: boundMax}, slots: make(chan struct{}, atOnce)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /notify/{channel}/{account}", h.serve)
	return mux
}

func (h handler) serve(w http.ResponseWriter, r *http.Request) {
	ch, accountID := payment.Channel(r.PathValue("channel")), r.PathValue("account")
	ctx, span := otel.Tracer("tongbao/notify").Start(r.Context(), "notification "+string(ch), trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attribute.String("account", accountID)))
	defer span.End()
	door, ok := h.Doors.Door(ctx, ch, accountID)
	if !ok {
		h.observe(ctx, "unknown", "refused", time.Time{})
		h.Logger.WarnContext(ctx, "notification for an account that is not configured", "channel", ch, "account", accountID)
		http.Error(w, "no such account; check the notify_url", http.StatusNotFound)
		return
	}
	// An unsupported deadline, as in a test's recorder, leaves the server's own.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(answerTimeout))
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	buffer(r)
	if !h.house.enter() {
		h.observe(ctx, ch, "overloaded", time.Time{})
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many notifications at once, send again", http.StatusServiceUnavailable)
		return
	}
	h.inFlight(1)
	defer func(entered time.Time) {
		h.house.leave(time.Since(entered))
		h.inFlight(-1)
	}(time.Now())
	n, err := door.Parse(r.WithContext(ctx))
	if err != nil {
		h.observe(ctx, ch, "refused", time.Time{})
		h.Logger.WarnContext(ctx, "notification refused", "channel", ch, "account", accountID, "reason", err)
		door.Answer(w, err)
		return
	}
	span.SetAttributes(attribute.String("notification.id", n.ID), attribute.String("notification.type", n.EventType))
	verdict, err := h.apply(ctx, n)
	if err != nil {
		h.observe(ctx, ch, "failed", time.Time{})
		h.Logger.ErrorContext(ctx, "notification not stored; the provider will send it again", "channel", ch, "account", accountID, "notification_id", n.ID, "error", err)
		door.Answer(w, errNotStored)
		return
	}
	var paidAt time.Time
	if n.Order != nil && verdict == payment.Applied {
		paidAt = n.Order.PaidAt
	}
	h.observe(ctx, ch, string(verdict), paidAt)
	door.Answer(w, nil)
}

// buffer reads the body ahead, so that a sender who dribbles takes no place from the provider. A body that is too long or
// broken stays as it is: who parses it says so, without waiting for more of it.
func buffer(r *http.Request) {
	if r.ContentLength > bodyMax {
		return
	}
	var body bytes.Buffer
	// A byte more than may come: without it, who parses would wait for the end of a body that is just so long. The error
	// comes again to who reads on.
	_, _ = io.CopyN(&body, r.Body, bodyMax+1)
	r.Body = io.NopCloser(io.MultiReader(&body, r.Body))
}

// apply waits for a slot, for as long as the provider waits for us.
func (h handler) apply(ctx context.Context, n payment.Notification) (payment.Verdict, error) {
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
		return h.Payments.Notify(ctx, n)
	case <-ctx.Done():
		return "", fmt.Errorf("%d notifications are being applied: %w", atOnce, ctx.Err())
	}
}

// errNotStored tells the provider to send again, and nothing of our inside.
var errNotStored = errors.New("not stored, send again")

func (h handler) observe(ctx context.Context, ch payment.Channel, result string, paidAt time.Time) {
	if h.Observer != nil {
		h.Observer.Notified(ctx, ch, result, paidAt)
	}
}

func (h handler) inFlight(change int) {
	if h.Observer != nil {
		h.Observer.NotificationsInFlight(change)
	}
}
