// Package shop is the demo's shop: three products, a QR code, and a page that turns paid by itself. It is an
// ordinary application of the gateway, with its API for a door in and webhooks for a door out, and shows on the page
// what went through both.
//
// Orders live in memory and are gone after a restart. The pages work without JavaScript by refreshing themselves.
package shop

import (
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tongbao-pay/tongbao/client"
)

// Config is what a shop needs.
type Config struct {
	Gateway       *client.Client
	WebhookSecret string                      // of the shop's endpoint: "whsec_..."
	PhoneURL      func(codeURL string) string // where the payer's phone opens a code
	DocsURL       string                      // the gateway's API document; empty: no link
	SandboxURL    string                      // the payer's phone without a code; empty: no link
	Now           func() time.Time            // nil: time.Now
	Logger        *slog.Logger                // nil: discarded
}

// Shop serves the pages and receives the webhooks. It is safe for concurrent use.
type Shop struct {
	config   Config
	assets   *assets
	pages    *template.Template
	book     *book
	handler  http.Handler
	verified atomic.Int64 // webhooks
	refused  atomic.Int64
	closing  chan struct{}
	close    func()
}

// New checks the configuration whole and names every mistake. It calls nobody.
func New(c Config) (*Shop, error) {
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("shop: %w", err)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	assets, err := newAssets()
	if err != nil {
		return nil, fmt.Errorf("shop: %w", err)
	}
	pages, err := parsePages(assets)
	if err != nil {
		return nil, fmt.Errorf("shop: %w", err)
	}
	s := &Shop{config: c, assets: assets, pages: pages, book: newBook(), closing: make(chan struct{})}
	s.close = sync.OnceFunc(func() { close(s.closing) })
	s.handler = s.routes()
	return s, nil
}

func (c *Config) validate() error {
	var mistakes []error
	if c.Gateway == nil {
		mistakes = append(mistakes, errors.New("no Gateway: pass a client of it"))
	}
	encoded, ok := strings.CutPrefix(c.WebhookSecret, "whsec_")
	if key, err := base64.StdEncoding.DecodeString(encoded); !ok || err != nil || len(key) == 0 {
		mistakes = append(mistakes, errors.New(`WebhookSecret must be "whsec_" and base64, as the gateway gave it out`))
	}
	if c.PhoneURL == nil {
		mistakes = append(mistakes, errors.New("PhoneURL must say where the payer's phone opens a code"))
	}
	return errors.Join(mistakes...)
}

// Close ends the pages' live streams, which would otherwise keep a server from shutting down. Call it before
// [http.Server.Shutdown]; further calls do nothing.
func (s *Shop) Close() { s.close() }

// ServeHTTP serves the shop.
func (s *Shop) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

func (s *Shop) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.home)
	mux.HandleFunc("POST /orders", s.buy)
	mux.HandleFunc("GET /orders/{no}", s.order)
	mux.HandleFunc("GET /orders/{no}/events", s.stream)
	mux.HandleFunc("POST /orders/{no}/payment", s.payAgain)
	mux.HandleFunc("POST /orders/{no}/close", s.closeOrder)
	mux.HandleFunc("POST /orders/{no}/refunds", s.refund)
	mux.HandleFunc("POST /webhooks", s.webhook)
	mux.Handle("GET /assets/{name}", s.assets)
	mux.HandleFunc("/", s.noSuchPage)

	sameOrigin := http.NewCrossOriginProtection()
	sameOrigin.SetDenyHandler(http.HandlerFunc(s.foreignForm))
	return secured(sameOrigin.Handler(mux))
}

// policy lets a page load and send what is the shop's own and nothing else: no inline script or style, no frame.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}
