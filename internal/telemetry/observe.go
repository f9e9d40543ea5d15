package telemetry

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/webhook"
)

// Committed implements [payment.Observer]: it counts the statuses that the change's events announce, and pending,
// which none announces. Payments are created in processing.
func (m *Metrics) Committed(_ context.Context, c *payment.Change) {
	p := c.Payment
	if p == nil {
		return
	}
	product := string(p.Resource().Product)
	if c.Placed {
		m.payments.WithLabelValues(string(p.Channel), product, string(payment.Pending)).Inc()
	}
	for _, e := range c.Events {
		if status, ok := paymentStatus(e.Type); ok {
			m.payments.WithLabelValues(string(p.Channel), product, string(status)).Inc()
		}
		if status, ok := refundStatus(e.Type); ok {
			m.refunds.WithLabelValues(string(p.Channel), string(status)).Inc()
		}
	}
}

// latePaid is counted in the place of a status: money came after the end, whatever the app's policy then made of it.
const latePaid payment.Status = "late_paid"

// paymentStatus is what a payment's event is counted as.
func paymentStatus(eventType string) (payment.Status, bool) {
	switch eventType {
	case payment.EventPaymentCreated:
		return payment.Processing, true
	case payment.EventPaymentSucceeded:
		return payment.Succeeded, true
	case payment.EventPaymentRefunded:
		return payment.Refunded, true
	case payment.EventPaymentClosed:
		return payment.Closed, true
	case payment.EventPaymentFailed:
		return payment.Failed, true
	case payment.EventPaymentLatePaid:
		return latePaid, true
	}
	return "", false
}

func refundStatus(eventType string) (payment.RefundStatus, bool) {
	switch eventType {
	case payment.EventRefundCreated:
		return payment.RefundPending, true
	case payment.EventRefundSucceeded:
		return payment.RefundSucceeded, true
	case payment.EventRefundAbnormal:
		return payment.RefundAbnormal, true
	case payment.EventRefundFailed:
		return payment.RefundFailed, true
	case payment.EventRefundClosed:
		return payment.RefundClosed, true
	}
	return "", false
}

// ProviderCall implements the observer of internal/channel.
func (m *Metrics) ProviderCall(ctx context.Context, channel payment.Channel, operation, outcome string, took time.Duration) {
	observe(ctx, m.channelRequests.WithLabelValues(string(channel), operation, outcome), took)
}

// Held implements the observer of internal/channel.
func (m *Metrics) Held(_ context.Context, channel payment.Channel, operation, reason string) {
	m.channelHeld.WithLabelValues(string(channel), operation, reason).Inc()
}

// Notified implements the observer of internal/notify.
func (m *Metrics) Notified(ctx context.Context, channel payment.Channel, result string, paidAt time.Time) {
	m.notifications.WithLabelValues(string(channel), result).Inc()
	if !paidAt.IsZero() {
		observe(ctx, m.notificationDelay, m.now().Sub(paidAt))
	}
}

// NotificationsInFlight implements the observer of internal/notify.
func (m *Metrics) NotificationsInFlight(change int) { m.notificationsInFlight.Add(float64(change)) }

// Grouped implements the observer of internal/store.
func (m *Metrics) Grouped(changes int) { m.commitGroup.Observe(float64(changes)) }

// Pruned implements the observer of internal/store.
func (m *Metrics) Pruned(table string, rows int64) {
	m.pruned.WithLabelValues(table).Add(float64(rows))
}

// Tried implements [webhook.Observer]. The delay is that of events that arrived: those that did not have none yet.
func (m *Metrics) Tried(ctx context.Context, d webhook.Delivery, state webhook.State, sinceEvent time.Duration) {
	switch {
	case d.Success:
		m.deliveries.WithLabelValues("succeeded").Inc()
		observe(ctx, m.webhookDelay, sinceEvent)
	case state == webhook.Dead:
		m.deliveries.WithLabelValues("given_up").Inc()
	default:
		m.deliveries.WithLabelValues("failed").Inc()
	}
}

// RequestLimited implements the observer of internal/ratelimit.
func (m *Metrics) RequestLimited(by string) { m.limited.WithLabelValues(by).Inc() }

// RedisFailed implements the observer of internal/redis.
func (m *Metrics) RedisFailed(use string) { m.redisFailures.WithLabelValues(use).Inc() }

// Streamed implements the observer of internal/stream.
func (m *Metrics) Streamed(sinceEvent time.Duration) {
	m.streamDelay.Observe(max(sinceEvent, 0).Seconds())
}

// StreamFailed implements the observer of internal/stream.
func (m *Metrics) StreamFailed() { m.streamFailures.Inc() }

// observe records a duration with its trace as the exemplar. Clocks differ: what seems to end before it began took no
// time.
func observe(ctx context.Context, o prometheus.Observer, d time.Duration) {
	seconds := max(d, 0).Seconds()
	e, ok := o.(prometheus.ExemplarObserver)
	if s := trace.SpanContextFromContext(ctx); ok && s.IsSampled() {
		e.ObserveWithExemplar(seconds, prometheus.Labels{"trace_id": s.TraceID().String()})
		return
	}
	o.Observe(seconds)
}
