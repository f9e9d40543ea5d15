package telemetry

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tongbao-pay/tongbao/internal/channel"
	"github.com/tongbao-pay/tongbao/internal/job"
	"github.com/tongbao-pay/tongbao/internal/payment"
)

// MetricsConfig is what [Metrics] needs. The functions are asked when somebody scrapes, at most every few seconds and
// within two; a nil one leaves its metric out.
type MetricsConfig struct {
	Version      string // of the program
	Jobs         func(context.Context) ([]job.Count, error)
	Reviews      func(context.Context) (map[payment.ReviewKind]int64, error)
	Certificates func(context.Context) []Certificate
	Breakers     func(context.Context) ([]channel.Breaker, error)
	Redis        func(context.Context) error              // whether Redis answers
	Unsent       func(context.Context) (time.Time, error) // when the oldest event was made that the event stream does not have; zero: it has all
	Now          func() time.Time                         // nil: time.Now
	Logger       *slog.Logger                             // nil: discarded
}

// Certificate is a certificate or key in use that ends.
type Certificate struct {
	Account  string
	Kind     string // such as "merchant" or "platform"
	Serial   string
	NotAfter time.Time
}

// Metrics counts what happens and shows it to Prometheus. It is the observer of payments, providers' calls,
// notifications and webhooks, and the handler of /metrics. Labels take few values: none comes from a request.
// It is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	handler  http.Handler
	now      func() time.Time

	payments              *prometheus.CounterVec
	refunds               *prometheus.CounterVec
	notifications         *prometheus.CounterVec
	notificationDelay     prometheus.Histogram
	notificationsInFlight prometheus.Gauge
	commitGroup           prometheus.Histogram
	pruned                *prometheus.CounterVec
	channelRequests       *prometheus.HistogramVec
	channelHeld           *prometheus.CounterVec
	deliveries            *prometheus.CounterVec
	webhookDelay          prometheus.Histogram
	streamDelay           prometheus.Histogram
	streamFailures        prometheus.Counter
	limited               *prometheus.CounterVec
	redisFailures         *prometheus.CounterVec
}

// NewMetrics returns metrics on a registry of their own.
func NewMetrics(c MetricsConfig) *Metrics {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Metrics{
		registry: prometheus.NewRegistry(), now: c.Now,
		payments: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tongbao_payments_total", Help: "Payments that entered a status, by channel and product; late_paid counts money that came after the end.",
		}, []string{"channel", "product", "status"}),
		refunds: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tongbao_refunds_total", Help: "Refunds that entered a status, by channel.",
		}, []string{"channel", "status"}),
		notifications: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tongbao_notifications_total", Help: "Notifications from providers by what became of them: applied, no_effect, held, duplicated, refused (not verified), overloaded (turned away, the provider sends again) or failed (not stored).",
		}, []string{"channel", "result"}),
		notificationDelay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tongbao_notification_delay_seconds", Help: "Time from a payment's success by the provider's clock to our commit of its notification.",
			Buckets: []float64{.1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 21600},
		}),
		notificationsInFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tongbao_notifications_in_flight", Help: "Notifications that are taken in and not yet answered. Beyond a bound they are turned away.",
		}),
		commitGroup: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tongbao_commit_group_changes", Help: "Changes that shared one database transaction.",
			Buckets: []float64{1, 2, 4, 8, 16, 32, 64, 128},
		}),
		pruned: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tongbao_pruned_rows_total", Help: "Rows deleted because they are older than the configuration keeps them, by table.",
		}, []string{"table"}),
		channelRequests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tongbao_channel_request_duration_seconds", Help: "Time of requests to providers, repeats included, by operation and outcome: done, refused, retry, absent or unknown.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 30},
		}, []string{"channel", "operation", "outcome"}),
		channelHeld: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tongbao_channel_held_total", Help: "Requests to providers that were held back and not sent, by operation and reason: breaker, limit, slots or failing_refunds.",
		}, []string{"channel", "operation", "reason"}),
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tongbao_webhook_deliveries_total", Help: "Tries to deliver a webhook: succeeded, failed (will be tried again) or given_up.",
		}, []string{"result"}),
		webhookDelay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tongbao_webhook_delay_seconds", Help: "Time from an event to the end of the try that delivered it.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 15, 60, 300, 1800, 7200, 86400},
		}),
		streamDelay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tongbao_stream_delay_seconds", Help: "Time from an event to its place in the event stream; its count is that of the events that were published.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 15, 60, 300, 1800, 7200, 86400},
		}),
		streamFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tongbao_stream_failures_total", Help: "Times that publishing to the event stream failed. Events wait meanwhile, and are published later.",
		}),
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tongbao_requests_limited_total", Help: "API requests answered 429: by the rate of a key, or of an address whose requests were not authenticated.",
		}, []string{"by"}),
		redisFailures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tongbao_redis_failures_total", Help: "What Redis was wanted for and did not answer: numbers and nonces, which the database took over, limits, which the replica took over, or ping.",
		}, []string{"use"}),
	}
	failures := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tongbao_scrape_failures_total", Help: "Scrapes without a metric because what it is read from failed or took too long.",
	}, []string{"metric"})
	m.registry.MustRegister(
		m.payments, m.refunds, m.notifications, m.notificationDelay, m.notificationsInFlight, m.commitGroup, m.pruned, m.channelRequests, m.channelHeld, m.deliveries, m.webhookDelay, m.streamDelay, m.streamFailures, m.limited, m.redisFailures, failures,
		buildInfo(c.Version), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	for _, result := range []string{"succeeded", "failed", "given_up"} {
		m.deliveries.WithLabelValues(result) // none is a number too: an alert on what is given up must see the first
	}
	for _, g := range c.scraped() {
		g.failures, g.now, g.logger = failures.WithLabelValues(g.name), c.Now, c.Logger
		m.registry.MustRegister(g)
	}
	m.handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(c.Logger.Handler(), slog.LevelWarn), Timeout: 10 * time.Second, EnableOpenMetrics: true,
	})
	return m
}

// ServeHTTP answers a scrape.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.handler.ServeHTTP(w, r) }

func buildInfo(version string) prometheus.Collector {
	goVersion, commit := "unknown", "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		goVersion = info.GoVersion
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				commit = s.Value
			}
		}
	}
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "tongbao_build_info", Help: "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": version, "commit": commit, "go_version": goVersion},
	})
	g.Set(1)
	return g
}
