// Package server puts the gateway together: the one package that knows everybody. It opens, serves, drains and
// stops; it decides nothing about money.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"github.com/tongbao-pay/tongbao/internal/access"
	"github.com/tongbao-pay/tongbao/internal/api"
	"github.com/tongbao-pay/tongbao/internal/channel"
	"github.com/tongbao-pay/tongbao/internal/config"
	"github.com/tongbao-pay/tongbao/internal/job"
	"github.com/tongbao-pay/tongbao/internal/notify"
	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/ratelimit"
	"github.com/tongbao-pay/tongbao/internal/store"
	"github.com/tongbao-pay/tongbao/internal/stream"
	"github.com/tongbao-pay/tongbao/internal/telemetry"
	"github.com/tongbao-pay/tongbao/internal/webhook"
)

// Options is what a [Server] is opened with.
type Options struct {
	Config  config.Config
	Version string
	Logger  *slog.Logger // required; [NewLogger] makes one
	// Now is the clock of everything that has a time of its own: expiry, signatures, schedules. Jobs are woken by the
	// machine's clock, as far from now as Now says. Nil: time.Now.
	Now func() time.Time
	// Shared lets other servers have the same SQLite file; who says so sees to it that no job runs twice at once.
	Shared bool
	// Queue makes the queue that runs committed jobs. Nil: River's, as [job.New] makes it.
	Queue func(job.Config) (Queue, error)
}

// Queue keeps the jobs that are committed with changes, and runs them.
type Queue interface {
	store.Queue
	Start(context.Context) error
	Stop(context.Context) error
	Counts(context.Context) ([]job.Count, error)
}

func riverQueue(c job.Config) (Queue, error) { return job.New(c) }

// Server is a gateway. Its replicas on one database are equal; any may be killed at any moment.
type Server struct {
	*Foundation
	Webhooks *webhook.Service
	// FirstKey is the API key made for a database that had no app and a configuration that declares none. Its secret is
	// nowhere else: show it once.
	FirstKey *FirstKey

	config   config.Config
	logger   *slog.Logger
	registry *channel.Registry
	payments *payment.Service
	jobs     Queue
	stream   *stream.Relay // nil: there is none
	tracing  func(context.Context) error

	public, admin *http.Server
	listeners     []net.Listener // public, admin
	ready         atomic.Bool
}

// certificatesEvery is how often providers' certificates are looked at; the libraries decide whether to fetch.
const certificatesEvery = 6 * time.Hour

// Open opens the database, brings it up to date, applies what the configuration declares, and binds the addresses.
// Nothing is served before [Server.Serve].
func Open(ctx context.Context, o Options) (_ *Server, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Queue == nil {
		o.Queue = riverQueue
	}
	claim := func(ctx context.Context, s *store.Store) error { return s.Serve(ctx) }
	if o.Shared {
		claim = unclaimed
	}
	foundation, err := openFoundation(ctx, o, claim)
	if err != nil {
		return nil, err
	}
	s := &Server{Foundation: foundation, config: o.Config, logger: o.Logger}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if s.tracing, err = telemetry.StartTracing(ctx, o.Config.Telemetry, o.Version); err != nil {
		return nil, err
	}
	if err := s.bind(ctx); err != nil {
		return nil, err
	}
	if err := s.assemble(o); err != nil {
		return nil, err
	}
	if err := s.firstKey(ctx); err != nil {
		return nil, err
	}
	if s.redis != nil {
		s.redis.Start(ctx)
	}
	return s, nil
}

func (s *Server) bind(ctx context.Context) error {
	for _, address := range []string{s.config.Listen, s.config.AdminListen} {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if err != nil {
			return fmt.Errorf("server: listen on %s: %w; choose another address, or stop what uses it", address, err)
		}
		s.listeners = append(s.listeners, l)
	}
	if s.config.PublicURL == "" {
		s.config.PublicURL = s.URL()
	}
	return nil
}

func (s *Server) assemble(o Options) error {
	sources := telemetry.MetricsConfig{
		Version: o.Version, Reviews: s.Store.OpenReviews, Certificates: s.certificates, Now: o.Now, Logger: s.logger,
		// Which are made below:
		Jobs:     func(ctx context.Context) ([]job.Count, error) { return s.jobs.Counts(ctx) },
		Breakers: func(ctx context.Context) ([]channel.Breaker, error) { return s.registry.Breakers(ctx) },
	}
	var counter payment.Counter
	var buckets ratelimit.Shared
	if s.redis != nil {
		sources.Redis, counter, buckets = s.redis.Ping, s.redis, s.redis
	}
	if !s.config.Stream.URL.IsZero() {
		sources.Unsent = s.Store.Unsent
	}
	metrics := telemetry.NewMetrics(sources)
	if s.redis != nil {
		s.redis.Observe(metrics)
	}
	s.registry = channel.New(channel.Config{Source: accounts{s.Access}, PublicURL: s.config.PublicURL, Observer: metrics, Now: o.Now, Logger: s.logger})
	s.payments = payment.New(payment.Config{
		Store: s.Store, Providers: s.registry, Numbers: payment.NewNumbers(s.Store, counter, s.logger), Observer: metrics, Now: o.Now, Logger: s.logger,
	})
	var err error
	s.Webhooks, err = webhook.New(webhook.Config{
		Store: s.Store, Sealer: s.Sealer, AllowPrivate: s.config.Webhooks.AllowPrivate, AllowHTTP: s.config.Webhooks.AllowHTTP, Observer: metrics, Now: o.Now, Logger: s.logger,
		Instrument: func(t http.RoundTripper) http.RoundTripper { return otelhttp.NewTransport(t) },
	})
	if err != nil {
		return err
	}
	s.jobs, err = o.Queue(job.Config{
		Store: s.Store,
		Work: map[payment.JobKind]job.Work{
			payment.FollowPayment: s.payments.FollowPayment, payment.FollowAttempt: s.payments.FollowAttempt,
			payment.FollowRefund: s.payments.FollowRefund, payment.AskAgain: s.payments.AskAgain, payment.DeliverWebhook: s.Webhooks.Deliver,
		},
		Hourly: func(ctx context.Context) error {
			keep := store.Retention{Traffic: s.config.Retention.Traffic, History: s.config.Retention.History, Stream: s.stream != nil}
			return s.Store.Prune(ctx, keep, o.Now())
		},
		Now: o.Now, Logger: s.logger,
	})
	if err != nil {
		return err
	}
	s.Store.UseQueue(s.jobs)
	s.Store.UseObserver(metrics)
	if to := s.config.Stream; !to.URL.IsZero() {
		s.stream = stream.New(stream.Config{
			URL: to.URL.Reveal(), Credentials: to.Credentials.Reveal(), Name: to.Name, PublicURL: s.config.PublicURL,
			Store: s.Store, Observer: metrics, Now: o.Now, Logger: s.logger,
		})
	}
	face, err := api.New(api.Config{
		Payments: s.payments, Lists: s.Store, Webhooks: s.Webhooks, Authenticator: s.Access, Idempotency: s.Store, Sealer: s.Sealer, Now: o.Now, Logger: s.logger,
		Limiter: ratelimit.New(ratelimit.Config{PerSecond: s.config.RateLimit, Shared: buckets, Observer: metrics}),
	})
	if err != nil {
		return err
	}
	door := notify.New(notify.Config{Doors: s.registry, Payments: s.payments, Observer: metrics, Logger: s.logger})
	s.public = s.httpServer(s.publicRoutes(face, door))
	s.admin = s.httpServer(adminRoutes(metrics))
	return nil
}

func (s *Server) publicRoutes(face, door http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", otelhttp.NewHandler(face, "api", otelhttp.WithSpanNameFormatter(spanName)))
	mux.Handle("/notify/", door)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answerText(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", s.serveReady)
	return mux
}

// resourceID is a path segment that names one resource: spans of one route share one name.
var resourceID = regexp.MustCompile(`/[a-z]{3}_[0-9A-Za-z_]+`)

func spanName(_ string, r *http.Request) string {
	return r.Method + " " + resourceID.ReplaceAllString(r.URL.Path, "/{id}")
}

// serveReady tells a load balancer whether to send requests here.
func (s *Server) serveReady(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	switch {
	case !s.ready.Load():
		answerText(w, http.StatusServiceUnavailable, "stopping or not started")
	case s.Store.Ping(ctx) != nil:
		answerText(w, http.StatusServiceUnavailable, "the database does not answer")
	case s.redis != nil && s.redis.Ping(ctx) != nil:
		// Not a reason to send requests elsewhere: nothing that Redis does is missing, only slower or less exact.
		answerText(w, http.StatusOK, "ready, degraded: redis does not answer; numbers and nonces are the database's business, rate limits each replica's own")
	default:
		answerText(w, http.StatusOK, "ready")
	}
}

func answerText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n")) // a caller that went away needs no answer
}

// httpServer bounds what a client may take: slow headers, slow bodies, idle connections. Writing may take as long
// as a provider may.
func (s *Server) httpServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 32 << 10, ErrorLog: slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
	}
}

// URL is where the API and the providers' door are.
func (s *Server) URL() string { return "http://" + s.listeners[0].Addr().String() }

// AdminURL is where metrics and profiles are.
func (s *Server) AdminURL() string { return "http://" + s.listeners[1].Addr().String() }

// Serve serves until ctx ends, then says so at /readyz, waits for load balancers to notice, drains requests and
// jobs, and closes everything. What cannot finish in time runs again in another process.
func (s *Server) Serve(ctx context.Context) error {
	lasting := context.WithoutCancel(ctx)
	if err := s.jobs.Start(lasting); err != nil {
		return errors.Join(fmt.Errorf("server: start the jobs: %w", err), s.Close())
	}
	failed := make(chan error, 2)
	for i, hs := range []*http.Server{s.public, s.admin} {
		go func() { failed <- hs.Serve(s.listeners[i]) }()
	}
	background, stopBackground := context.WithCancel(lasting)
	var inBackground sync.WaitGroup
	inBackground.Go(func() { s.refreshCertificates(background) })
	if s.stream != nil {
		inBackground.Go(func() { s.stream.Run(background) })
	}
	s.ready.Store(true)
	s.logger.InfoContext(ctx, "serving", "url", s.URL(), "admin_url", s.AdminURL(), "public_url", s.config.PublicURL)

	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	s.ready.Store(false)
	if err == nil {
		s.logger.InfoContext(lasting, "stopping: not ready any more, then draining", "delay", s.config.Shutdown.Delay.String(), "timeout", s.config.Shutdown.Timeout.String())
		<-time.After(s.config.Shutdown.Delay)
	}
	draining, cancel := context.WithTimeout(lasting, s.config.Shutdown.Timeout)
	defer cancel()
	stopBackground()
	err = errors.Join(err, s.public.Shutdown(draining), s.admin.Shutdown(draining), s.jobs.Stop(draining))
	inBackground.Wait()
	err = errors.Join(err, s.Close())
	s.logger.InfoContext(lasting, "stopped", "drained", err == nil)
	return err
}

func (s *Server) refreshCertificates(ctx context.Context) {
	ticker := time.NewTicker(certificatesEvery)
	defer ticker.Stop()
	for {
		if err := s.registry.Refresh(ctx); err != nil && ctx.Err() == nil {
			s.logger.WarnContext(ctx, "certificates not refreshed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Close releases everything a server that does not serve holds. Serve closes by itself.
func (s *Server) Close() error {
	var errs []error
	for _, l := range s.listeners {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if s.registry != nil {
		s.registry.Close()
	}
	if s.Webhooks != nil {
		s.Webhooks.Close()
	}
	if s.tracing != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		errs = append(errs, s.tracing(ctx))
	}
	return errors.Join(append(errs, s.Foundation.Close())...)
}

// accounts gives the registry the accounts with their secrets opened.
type accounts struct{ service *access.Service }

func (a accounts) ChannelAccounts(ctx context.Context) ([]channel.Account, error) {
	all, err := a.service.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]channel.Account, len(all))
	for i, o := range all {
		out[i] = channel.Account{ID: o.ID, Channel: o.Channel, Disabled: o.Disabled, Settings: o.Settings, Secrets: []byte(o.Secrets.Reveal()), UpdatedAt: o.UpdatedAt}
	}
	return out, nil
}
