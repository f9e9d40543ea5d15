// Package telemetry tells what the gateway does: logs with ids and without secrets, metrics under the names that
// others alert on, and traces.
package telemetry

import "context"

type (
	requestIDKey struct{}
	paymentIDKey struct{}
)

// WithRequestID returns a context whose log lines carry the request's id.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID is the id that [WithRequestID] set, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// WithPaymentID returns a context whose log lines carry the payment's id.
func WithPaymentID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, paymentIDKey{}, id)
}

// PaymentID is the id that [WithPaymentID] set, or "".
func PaymentID(ctx context.Context) string {
	id, _ := ctx.Value(paymentIDKey{}).(string)
	return id
}
