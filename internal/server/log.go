package server

import (
	"io"
	"log/slog"

	"github.com/tongbao-pay/tongbao/internal/api"
	"github.com/tongbao-pay/tongbao/internal/config"
	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/telemetry"
)

// NewLogger makes the logger of a gateway: its lines name the request, the payment and the trace they belong to.
func NewLogger(w io.Writer, c config.Log) *slog.Logger {
	return telemetry.NewLogger(w, c, telemetry.IDFrom("request_id", api.RequestID), telemetry.IDFrom("payment_id", payment.IDFromContext))
}
