package server

import (
	"context"
	"net/http"
	"net/http/pprof"

	"github.com/tongbao-pay/tongbao/internal/telemetry"
)

// adminRoutes are for operators and scrapers, on an address of their own that should not be public.
func adminRoutes(metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// certificates lists the providers' certificates that end some day.
func (s *Server) certificates(ctx context.Context) []telemetry.Certificate {
	keys, err := s.registry.Keys(ctx)
	if err != nil {
		s.logger.WarnContext(ctx, "certificates cannot be listed for the metrics", "error", err)
		return nil
	}
	var all []telemetry.Certificate
	for _, k := range keys {
		if !k.ExpiresAt.IsZero() {
			all = append(all, telemetry.Certificate{Account: k.Account, Kind: k.Kind, Serial: k.Serial, NotAfter: k.ExpiresAt})
		}
	}
	return all
}
