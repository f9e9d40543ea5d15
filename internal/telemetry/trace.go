package telemetry

import (
	"context"
	"fmt"
	"log/slog"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/tongbao-pay/tongbao/internal/config"
)

// StartTracing makes the process's traces go where the configuration says, and returns what sends the last of them
// and stops. With traces off it changes nothing: spans cost nothing and go nowhere. Endpoint, headers, sampling and
// resource attributes come from the standard OTEL_* variables. A collector that cannot be reached delays nothing; that
// is logged to the default logger.
func StartTracing(ctx context.Context, c config.Telemetry, version string) (stop func(context.Context) error, err error) {
	if c.Traces != config.TracesOTLP {
		return func(context.Context) error { return nil }, nil
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("telemetry: traces: %w; check the OTEL_EXPORTER_OTLP_* variables", err)
	}
	provider, err := newProvider(ctx, exporter, c.ServiceName, version)
	if err != nil {
		return nil, err
	}
	otel.SetTracerProvider(provider)
	otel.SetTextMapPropagator(propagation.TraceContext{})
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		slog.Warn("traces are not delivered; payments go on", "error", err)
	}))
	return func(ctx context.Context) error {
		if err := provider.Shutdown(ctx); err != nil {
			return fmt.Errorf("telemetry: send the last traces: %w", err)
		}
		return nil
	}, nil
}

func newProvider(ctx context.Context, exporter sdktrace.SpanExporter, service, version string) (*sdktrace.TracerProvider, error) {
	// The standard variables come last and so go before the configuration.
	res, err := resource.New(ctx,
		resource.WithAttributes(semconv.ServiceName(service), semconv.ServiceVersion(version)),
		resource.WithTelemetrySDK(), resource.WithHost(), resource.WithFromEnv(),
	)
	if err != nil {
		return nil, fmt.Errorf("telemetry: describe this process: %w; check OTEL_RESOURCE_ATTRIBUTES", err)
	}
	return sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(res)), nil
}
