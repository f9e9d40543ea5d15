package job

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivermigrate"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// reference is what every job carries: whose it is and what to look at. The rest is read fresh.
type reference struct {
	AppID      string `json:"app_id"`
	ResourceID string `json:"resource_id"`
}

func (r reference) ref() reference { return r }

type (
	followPayment  struct{ reference }
	followAttempt  struct{ reference }
	followRefund   struct{ reference }
	askAgain       struct{ reference }
	deliverWebhook struct{ reference }
	upkeep         struct{}
)

func (followPayment) Kind() string  { return "follow_payment" }
func (followAttempt) Kind() string  { return "follow_attempt" }
func (followRefund) Kind() string   { return "follow_refund" }
func (askAgain) Kind() string       { return "ask_again" }
func (deliverWebhook) Kind() string { return "deliver_webhook" }
func (upkeep) Kind() string         { return "upkeep" }

type referring interface {
	river.JobArgs
	ref() reference
}

type worker[A referring] struct {
	river.WorkerDefaults[A]
	queue *Queue
	work  Work
}

func (w *worker[A]) Work(ctx context.Context, job *river.Job[A]) error {
	ref := job.Args.ref()
	ctx, span := otel.Tracer("tongbao/job").Start(traceFromMetadata(ctx, job.JobRow), "job "+job.Kind, trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(attribute.String("resource_id", ref.ResourceID), attribute.Int("attempt", job.Attempt)))
	defer span.End()
	again, err := w.work(ctx, ref.AppID, ref.ResourceID)
	if err != nil {
		span.SetStatus(codes.Error, "failed")
		w.queue.logger.ErrorContext(ctx, "job failed; it will be tried again", "kind", job.Kind, "resource_id", ref.ResourceID, "attempt", job.Attempt, "error", err)
		return err
	}
	if !again.IsZero() {
		return river.JobSnooze(max(again.Sub(w.queue.now()), 0))
	}
	return nil
}

// NextRetry tries again after a failure of our own, such as a database that is away.
func (w *worker[A]) NextRetry(job *river.Job[A]) time.Time {
	return time.Now().Add(retryIn(job.Attempt))
}

// A failed job waits for this long at first. After hundreds of failures, which may be all of its long life's, it waits for
// retryMax: River keeps each of them, and has no room for more than attemptsMax.
const (
	retryMin = 5 * time.Second
	retryMax = 5 * time.Minute
)

// retryIn is a tenth of retryMin more for each failure there was, and up to twice as long by chance.
func retryIn(failures int) time.Duration {
	wait := min(retryMin+time.Duration(failures)*retryMin/10, retryMax)
	return wait + rand.N(wait) //nolint:gosec // jitter is no secret
}

type upkeepWorker struct {
	river.WorkerDefaults[upkeep]
	hourly func(context.Context) error
}

func (w *upkeepWorker) Work(ctx context.Context, _ *river.Job[upkeep]) error { return w.hourly(ctx) }

// migrate exists because the two drivers have no common type.
func migrate[TTx any](ctx context.Context, open func(riverdriver.Driver[TTx], *rivermigrate.Config) (*rivermigrate.Migrator[TTx], error), driver riverdriver.Driver[TTx]) error {
	migrator, err := open(driver, &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

// quiet passes only what needs a person: River tells much at info level, and of failed jobs we tell ourselves.
type quiet struct{ slog.Handler }

func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && q.Handler.Enabled(ctx, level)
}
