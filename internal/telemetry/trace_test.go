package telemetry

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/tongbao-pay/tongbao/internal/config"
)

// One test after the other: the tracer provider is the process's.
func TestStartTracing(t *testing.T) {
	t.Run("OffChangesNothing", func(t *testing.T) {
		before := otel.GetTracerProvider()
		stop, err := StartTracing(t.Context(), config.Telemetry{Traces: config.TracesOff}, "v1")
		if err != nil {
			t.Fatal(err)
		}
		_, span := otel.Tracer("test").Start(t.Context(), "nothing")
		defer span.End()
		if otel.GetTracerProvider() != before || span.IsRecording() {
			t.Error("spans are recorded")
		}
		if err := stop(t.Context()); err != nil {
			t.Error(err)
		}
	})

	t.Run("OTLPSendsSpansBeforeItStopsAndPassesTheTraceOn", func(t *testing.T) {
		received := make(chan int, 10)
		collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if r.URL.Path == "/v1/traces" {
				received <- len(body)
			}
		}))
		defer collector.Close()
		t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
		stop, err := StartTracing(t.Context(), config.Telemetry{Traces: config.TracesOTLP, ServiceName: "tongbao"}, "v1")
		if err != nil {
			t.Fatal(err)
		}
		ctx, span := otel.Tracer("test").Start(t.Context(), "something")
		carrier := propagation.MapCarrier{}
		otel.GetTextMapPropagator().Inject(ctx, carrier)
		span.End()
		if carrier["traceparent"] == "" {
			t.Errorf("nothing is passed on: %v", carrier)
		}
		if err := stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		select {
		case length := <-received:
			if length == 0 {
				t.Error("an empty body arrived")
			}
		default:
			t.Error("no span arrived before stop returned")
		}
	})

	t.Run("CollectorThatIsGoneKeepsNobodyWaiting", func(t *testing.T) {
		t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
		stop, err := StartTracing(t.Context(), config.Telemetry{Traces: config.TracesOTLP, ServiceName: "tongbao"}, "v1")
		if err != nil {
			t.Fatal(err)
		}
		_, span := otel.Tracer("test").Start(t.Context(), "something")
		span.End()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := stop(ctx); err == nil {
			t.Error("the loss of the last traces is not told")
		}
	})
}

func TestProviderDescribesTheProcess(t *testing.T) {
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
	exporter := tracetest.NewInMemoryExporter()
	provider, err := newProvider(t.Context(), exporter, "pay", "v1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	_, span := provider.Tracer("test").Start(t.Context(), "something")
	span.End()
	if err := provider.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, a := range exporter.GetSpans()[0].Resource.Attributes() {
		got[string(a.Key)] = a.Value.String()
	}
	for key, want := range map[string]string{"service.name": "pay", "service.version": "v1.2.3", "deployment.environment.name": "test", "telemetry.sdk.language": "go"} {
		if got[key] != want {
			t.Errorf("%s is %q, want %q", key, got[key], want)
		}
	}
}
