package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"time"

	"github.com/tongbao-pay/tongbao/internal/access"
	"github.com/tongbao-pay/tongbao/internal/payment"
)

// exchange is what is known about one request and its answer; one goroutine uses it.
type exchange struct {
	requestID  string
	principal  access.Principal
	refusal    *access.Refusal // why nobody was let in
	route      string
	paymentID  string // what the request is about, as far as known
	refundID   string
	code       payment.Code // of the problem answered
	cause      error        // what only the log may tell
	connection *http.ResponseController
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return x
	}
	return &exchange{}
}

// concerns notes which payment, and which refund of it, the request is about; "" is not known.
func concerns(ctx context.Context, paymentID, refundID string) {
	x := exchangeOf(ctx)
	x.paymentID, x.refundID = cmp.Or(paymentID, x.paymentID), cmp.Or(refundID, x.refundID)
}

// RequestID is the id of the request that ctx belongs to, or "". Log lines about the request carry it.
func RequestID(ctx context.Context) string { return exchangeOf(ctx).requestID }

// saneRequestID is what a caller may choose as an id; anything else would be a way to write into our log.
var saneRequestID = regexp.MustCompile(`^[0-9A-Za-z._-]{8,128}$`)

// exchanged gives the request its id, and the log its one line about it.
func (a *api) exchanged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		x := &exchange{requestID: r.Header.Get("X-Request-Id"), connection: http.NewResponseController(w)}
		if !saneRequestID.MatchString(x.requestID) {
			x.requestID = "req_" + rand.Text()
		}
		ctx := context.WithValue(r.Context(), exchangeKey{}, x)
		answer := &answer{ResponseWriter: w}
		answer.Header().Set("X-Request-Id", x.requestID)
		// Also when the connection is cut; in the outer context, so that a logger that adds the id does not add it twice.
		defer func() { a.log(r.Context(), x, r, answer, time.Since(began)) }()
		a.recovered(next).ServeHTTP(answer, r.WithContext(ctx))
	})
}

// log leaves out what may be personal or secret: bodies, headers and the values of query parameters.
func (a *api) log(ctx context.Context, x *exchange, r *http.Request, w *answer, took time.Duration) {
	level := slog.LevelInfo
	attrs := []slog.Attr{
		slog.String("request_id", x.requestID), slog.String("method", r.Method), slog.String("path", bounded(r.URL.Path, 200)),
		slog.Int("status", w.status), slog.Int("bytes", w.bytes), slog.Float64("duration_ms", float64(took.Microseconds())/1000),
	}
	for _, s := range []struct{ name, value string }{
		{"route", x.route},
		{"app_id", x.principal.App.ID},
		{"key_id", x.principal.KeyID},
		{"code", string(x.code)},
		{"payment_id", x.paymentID},
		{"refund_id", x.refundID},
	} {
		if s.value != "" {
			attrs = append(attrs, slog.String(s.name, s.value))
		}
	}
	if x.refusal != nil {
		attrs = append(attrs, slog.Any("refusal", x.refusal))
	}
	if x.cause != nil {
		level = slog.LevelError
		attrs = append(attrs, slog.String("error", x.cause.Error()))
	}
	a.config.Logger.LogAttrs(ctx, level, "request", attrs...)
}

func bounded(s string, length int) string { return s[:min(len(s), length)] }

// recovered turns a panic into an answer. It stands inside the idempotency key too: a request that began to execute
// has an answer, even this one.
func (a *api) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := &answer{ResponseWriter: w}
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(v)
			}
			exchangeOf(r.Context()).cause = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
			if answer.status != 0 { // the answer has begun and cannot be mended: cut the connection
				panic(http.ErrAbortHandler)
			}
			writeProblem(answer, r, internal())
		}()
		next.ServeHTTP(answer, r)
	})
}

// answer counts what leaves. It hides the connection, whose deadlines are set in one place.
type answer struct {
	http.ResponseWriter
	status int
	bytes  int
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	n, err := a.ResponseWriter.Write(b)
	a.bytes += n
	return n, err
}
