// Package telemetry tells what the gateway does: logs with ids and without secrets, metrics under the names that
// others alert on, and traces.
package telemetry

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/trace"

	"github.com/tongbao-pay/tongbao/internal/config"
)

// FromContext finds an attribute for a log line in its context; the zero attribute where there is none.
type FromContext func(context.Context) slog.Attr

// NewLogger returns a logger that writes to w. Lines carry trace_id and span_id where their
// context has them, and what the others find; an attribute that the line has already is not repeated. Attributes whose
// name promises a secret are blanked: a net under the types that redact themselves.
func NewLogger(w io.Writer, c config.Log, others ...FromContext) *slog.Logger {
	var level slog.Level // info, unless the text is a level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: blankSecrets}
	var handler slog.Handler = slog.NewTextHandler(w, options)
	if c.Format == "json" {
		handler = slog.NewJSONHandler(w, options)
	}
	sources := append([]FromContext{IDFrom("trace_id", traceID), IDFrom("span_id", spanID)}, others...)
	return slog.New(contextHandler{handler, sources})
}

// IDFrom puts what find finds in the context, unless it is empty, into the line under name.
func IDFrom(name string, find func(context.Context) string) FromContext {
	return func(ctx context.Context) slog.Attr {
		if id := find(ctx); id != "" {
			return slog.String(name, id)
		}
		return slog.Attr{}
	}
}

func traceID(ctx context.Context) string {
	if s := trace.SpanContextFromContext(ctx); s.HasTraceID() {
		return s.TraceID().String()
	}
	return ""
}

func spanID(ctx context.Context) string {
	if s := trace.SpanContextFromContext(ctx); s.HasSpanID() {
		return s.SpanID().String()
	}
	return ""
}

// contextHandler adds what the context knows. Inside a group of a logger the attributes belong to the group.
type contextHandler struct {
	slog.Handler
	sources []FromContext
}

func (h contextHandler) Handle(ctx context.Context, r slog.Record) error {
	has := map[string]bool{}
	r.Attrs(func(a slog.Attr) bool {
		has[a.Key] = true
		return true
	})
	r = r.Clone()
	for _, find := range h.sources {
		if a := find(ctx); !a.Equal(slog.Attr{}) && !has[a.Key] {
			r.AddAttrs(a)
			has[a.Key] = true
		}
	}
	return h.Handler.Handle(ctx, r)
}

func (h contextHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return contextHandler{h.Handler.WithAttrs(attrs), h.sources}
}

func (h contextHandler) WithGroup(name string) slog.Handler {
	return contextHandler{h.Handler.WithGroup(name), h.sources}
}

const blank = "[redacted]"

// blankSecrets is a net: it judges by names, and by the one type that carries credentials without a name of its own.
func blankSecrets(groups []string, a slog.Attr) slog.Attr {
	if secretName(a.Key) || slices.ContainsFunc(groups, secretName) {
		return slog.String(a.Key, blank)
	}
	if _, ok := a.Value.Any().(http.Header); ok {
		return slog.String(a.Key, blank)
	}
	return a
}

var secretWords = []string{
	"secret", "password", "passwd", "authorization", "cookie", "token", "credential", "privatekey", "apikey", "apiv3key", "apiv2key", "masterkey",
}

// separators are what the words of a name may be joined by.
var separators = strings.NewReplacer("_", "", "-", "", ".", "", " ", "")

func secretName(name string) bool {
	name = separators.Replace(strings.ToLower(name))
	for _, word := range secretWords {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}
