package server

import (
	"context"
	"io"
	"log/slog"

	"github.com/tongbao-pay/tongbao/internal/api"
	"github.com/tongbao-pay/tongbao/internal/config"
	"github.com/tongbao-pay/tongbao/internal/telemetry"
)

// NewLogger makes the logger of a gateway: its lines name the request and the trace they belong to.
func NewLogger(w io.Writer, c config.Log) *slog.Logger {
	return telemetry.NewLogger(w, c, func(ctx context.Context) slog.Attr {
		id := api.RequestID(ctx)
		if id == "" {
			return slog.Attr{}
		}
		return slog.String("request_id", id)
	})
}
