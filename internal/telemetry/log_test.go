package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/tongbao-pay/tongbao/internal/config"
	"github.com/tongbao-pay/tongbao/internal/telemetry"
)

func line(t *testing.T, out *bytes.Buffer) map[string]any {
	t.Helper()
	var attrs map[string]any
	if err := json.Unmarshal(out.Bytes(), &attrs); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out.Reset()
	return attrs
}

type requestIDKey struct{}

func withRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// requestID finds what withRequestID put, as the API's would.
var requestID = telemetry.IDFrom("request_id", func(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
})

func TestLogger(t *testing.T) {
	t.Parallel()
	inJSON := config.Log{Level: "info", Format: "json"}

	t.Run("LinesCarryTheIDsOfTheirContext", func(t *testing.T) {
		t.Parallel()
		var out bytes.Buffer
		logger := telemetry.NewLogger(&out, inJSON, requestID)
		ctx := withRequestID(t.Context(), "req_1")
		ctx = trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}}))
		logger.With("fixed", 1).InfoContext(ctx, "m")
		got := line(t, &out)
		for key, want := range map[string]any{
			"request_id": "req_1", "trace_id": "01000000000000000000000000000000", "span_id": "0200000000000000", "fixed": 1.0,
		} {
			if got[key] != want {
				t.Errorf("%s is %v, want %v", key, got[key], want)
			}
		}
	})

	t.Run("WithoutIDsThereAreNone", func(t *testing.T) {
		t.Parallel()
		var out bytes.Buffer
		telemetry.NewLogger(&out, inJSON, requestID).InfoContext(t.Context(), "m")
		if got := line(t, &out); len(got) != 3 {
			t.Errorf("got %v", got)
		}
	})

	t.Run("IDThatTheLineHasIsNotRepeated", func(t *testing.T) {
		t.Parallel()
		var out bytes.Buffer
		telemetry.NewLogger(&out, inJSON, requestID).InfoContext(withRequestID(t.Context(), "req_1"), "m", "request_id", "req_2")
		if text := out.String(); strings.Count(text, "request_id") != 1 || line(t, &out)["request_id"] != "req_2" {
			t.Errorf("got %s", text)
		}
	})

	t.Run("LevelAndFormatAreThoseOfTheConfiguration", func(t *testing.T) {
		t.Parallel()
		for level, want := range map[string]int{"debug": 4, "info": 3, "": 3, "warn": 2, "error": 1} {
			var out bytes.Buffer
			logger := telemetry.NewLogger(&out, config.Log{Level: level})
			logger.Debug("d")
			logger.Info("i")
			logger.Warn("w")
			logger.Error("e")
			if got := strings.Count(out.String(), "msg="); got != want {
				t.Errorf("%q logs %d lines as text, want %d: %s", level, got, want, &out)
			}
		}
	})

	t.Run("AttributesNamedLikeSecretsAreBlanked", func(t *testing.T) {
		t.Parallel()
		const hidden = "hunter2"
		for _, c := range []config.Log{inJSON, {}} {
			var out bytes.Buffer
			logger := telemetry.NewLogger(&out, c)
			for _, key := range []string{"Authorization", "secret", "client_secret", "api_key", "apiKey", "private_key", "api_v3_key", "APIv3Key", "password", "db.password", "master-key", "access_token", "Cookie"} {
				logger.Info("m", key, hidden)
				logger.With(key, hidden).Info("m")
				logger.Info("m", slog.Group("request", slog.String(key, hidden), slog.Group(key, slog.String("value", hidden))))
				logger.WithGroup(key).Info("m", "value", hidden)
			}
			logger.Info("m", "headers", http.Header{"Authorization": {"Bearer " + hidden}})
			if text := out.String(); strings.Contains(text, hidden) || !strings.Contains(text, "[redacted]") {
				t.Errorf("shows a secret: %s", text)
			}
		}
	})

	t.Run("OtherAttributesStay", func(t *testing.T) {
		t.Parallel()
		var out bytes.Buffer
		telemetry.NewLogger(&out, inJSON).Info("m", "key_id", "ak_1", "idempotency_key", "k", "out_trade_no", "n", "serial", "s")
		got := line(t, &out)
		for key, want := range map[string]string{"key_id": "ak_1", "idempotency_key": "k", "out_trade_no": "n", "serial": "s"} {
			if got[key] != want {
				t.Errorf("%s is %v", key, got[key])
			}
		}
	})
}
