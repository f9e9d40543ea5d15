package channel

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

// observed traces and times every request to a provider.
type observed struct {
	provider payment.Provider
	channel  payment.Channel
	observer Observer
}

func (o observed) call(ctx context.Context, operation, number string, f func(context.Context) error) {
	ctx, span := otel.Tracer("tongbao/channel").Start(ctx, string(o.channel)+" "+operation, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("channel", string(o.channel)), attribute.String("operation", operation), attribute.String("number", number)))
	defer span.End()
	start := time.Now()
	err := f(ctx)
	outcome := "done"
	if err != nil {
		outcome = payment.Unknown.String()
		if ce, ok := errors.AsType[*payment.ChannelError](err); ok {
			outcome = ce.Outcome.String()
			span.SetAttributes(attribute.String("provider.code", ce.Code), attribute.String("provider.request_id", ce.RequestID))
		}
		span.SetStatus(codes.Error, outcome)
	}
	if o.observer != nil {
		o.observer.ProviderCall(ctx, o.channel, operation, outcome, time.Since(start))
	}
}

func (o observed) Identity(product payment.Product) (string, string, error) {
	return o.provider.Identity(product)
}

func (o observed) Invoke(a *payment.Attempt) (json.RawMessage, error) { return o.provider.Invoke(a) }

func (o observed) Place(ctx context.Context, p *payment.Payment, a *payment.Attempt) (c payment.Credential, err error) {
	o.call(ctx, "prepay", a.TradeNo, func(ctx context.Context) error { c, err = o.provider.Place(ctx, p, a); return err })
	return c, err
}

func (o observed) QueryOrder(ctx context.Context, a *payment.Attempt) (r payment.OrderReport, err error) {
	o.call(ctx, "query", a.TradeNo, func(ctx context.Context) error { r, err = o.provider.QueryOrder(ctx, a); return err })
	return r, err
}

func (o observed) CloseOrder(ctx context.Context, a *payment.Attempt) (err error) {
	o.call(ctx, "close", a.TradeNo, func(ctx context.Context) error { err = o.provider.CloseOrder(ctx, a); return err })
	return err
}

func (o observed) CreateRefund(ctx context.Context, p *payment.Payment, f *payment.Refund) (r payment.RefundReport, err error) {
	o.call(ctx, "refund", f.RefundNo, func(ctx context.Context) error { r, err = o.provider.CreateRefund(ctx, p, f); return err })
	return r, err
}

func (o observed) QueryRefund(ctx context.Context, f *payment.Refund) (r payment.RefundReport, err error) {
	o.call(ctx, "query_refund", f.RefundNo, func(ctx context.Context) error { r, err = o.provider.QueryRefund(ctx, f); return err })
	return r, err
}
