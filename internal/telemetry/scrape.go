package telemetry

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

// A scrape waits scrapeTimeout at most for each source, and uses what was read less than scrapeFresh ago: several
// scrapers cost the database no more than one.
const (
	scrapeTimeout = 2 * time.Second
	scrapeFresh   = 5 * time.Second
)

// scraped is a gauge that is read when somebody scrapes. When reading fails it is absent from that scrape, rather
// than old or zero.
type scraped struct {
	name     string
	desc     *prometheus.Desc
	read     func(context.Context, time.Time) ([]sample, error)
	failures prometheus.Counter
	now      func() time.Time
	logger   *slog.Logger

	mu     sync.Mutex
	readAt time.Time
	last   []sample
}

type sample struct {
	labels []string
	value  float64
}

func newScraped(name, help string, labels []string, read func(context.Context, time.Time) ([]sample, error)) *scraped {
	return &scraped{name: name, desc: prometheus.NewDesc(name, help, labels, nil), read: read}
}

// scraped lists the gauges that there is a source for.
func (c MetricsConfig) scraped() []*scraped {
	var gauges []*scraped
	if c.Jobs != nil {
		gauges = append(gauges, newScraped("tongbao_jobs", "Jobs that wait or run, by queue and state: scheduled (for later), available (due), running or retryable (it failed on our own side).", []string{"queue", "state"}, c.readJobs))
	}
	if c.Reviews != nil {
		gauges = append(gauges, newScraped("tongbao_reviews_open", "Reviews that wait for a person, by kind.", []string{"kind"}, c.readReviews))
	}
	if c.Certificates != nil {
		gauges = append(gauges, newScraped("tongbao_certificate_expiry_seconds", "Time until a certificate or key ends; negative once it has.", []string{"account", "kind", "serial"}, c.readCertificates))
	}
	if c.Breakers != nil {
		gauges = append(gauges, newScraped("tongbao_channel_breaker_state", "Whether requests to an account's provider are passed on (0), tried (1) or held back (2); the worst of placing orders, asking and refunding.", []string{"channel", "account"}, c.readBreakers))
	}
	if c.Redis != nil {
		gauges = append(gauges, newScraped("tongbao_redis_up", "Whether Redis answers, where one is configured: 1 or 0.", nil, c.readRedis))
	}
	if c.Unsent != nil {
		gauges = append(gauges, newScraped("tongbao_stream_lag_seconds", "Age of the oldest event that the event stream does not have yet; 0 where it has all.", nil, c.readStreamLag))
	}
	return gauges
}

func (c MetricsConfig) readStreamLag(ctx context.Context, now time.Time) ([]sample, error) {
	var lag sample
	oldest, err := c.Unsent(ctx)
	if !oldest.IsZero() {
		lag.value = max(now.Sub(oldest), 0).Seconds()
	}
	return []sample{lag}, err
}

func (c MetricsConfig) readRedis(ctx context.Context, _ time.Time) ([]sample, error) {
	up := sample{value: 1}
	if err := c.Redis(ctx); err != nil {
		up.value = 0 // not a failure to read it: that is what it says
	}
	return []sample{up}, nil
}

func (c MetricsConfig) readJobs(ctx context.Context, _ time.Time) ([]sample, error) {
	counts, err := c.Jobs(ctx)
	samples := make([]sample, len(counts))
	for i, n := range counts {
		samples[i] = sample{[]string{n.Queue, n.State}, float64(n.Jobs)}
	}
	return samples, err
}

func (c MetricsConfig) readReviews(ctx context.Context, _ time.Time) ([]sample, error) {
	counts, err := c.Reviews(ctx)
	samples := make([]sample, len(payment.ReviewKinds)) // none is a number too: alerts compare with it
	for i, kind := range payment.ReviewKinds {
		samples[i] = sample{[]string{string(kind)}, float64(counts[kind])}
	}
	return samples, err
}

func (c MetricsConfig) readCertificates(ctx context.Context, now time.Time) ([]sample, error) {
	certificates := c.Certificates(ctx)
	samples := make([]sample, len(certificates))
	for i, cert := range certificates {
		samples[i] = sample{[]string{cert.Account, cert.Kind, cert.Serial}, cert.NotAfter.Sub(now).Seconds()}
	}
	return samples, ctx.Err()
}

func (c MetricsConfig) readBreakers(ctx context.Context, _ time.Time) ([]sample, error) {
	breakers, err := c.Breakers(ctx)
	samples := make([]sample, len(breakers))
	for i, b := range breakers {
		samples[i] = sample{[]string{string(b.Channel), b.Account}, float64(b.State)}
	}
	return samples, err
}

// Describe implements [prometheus.Collector].
func (g *scraped) Describe(descs chan<- *prometheus.Desc) { descs <- g.desc }

// Collect implements [prometheus.Collector].
func (g *scraped) Collect(metrics chan<- prometheus.Metric) {
	for _, s := range g.samples() {
		metrics <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, s.value, s.labels...)
	}
}

func (g *scraped) samples() []sample {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	if !g.readAt.IsZero() && now.Sub(g.readAt) < scrapeFresh {
		return g.last
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	samples, err := g.read(ctx, now)
	if err != nil {
		g.failures.Inc()
		g.logger.Warn("a metric could not be read", "metric", g.name, "error", err)
		samples = nil
	}
	g.readAt, g.last = now, samples
	return samples
}
