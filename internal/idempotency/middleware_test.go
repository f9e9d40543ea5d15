package idempotency_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/idempotency"
	"github.com/tongbao-pay/tongbao/internal/idempotency/idempotencytest"
)

// boxed seals so that a test can tell, and only for the place it was sealed for.
type boxed struct{}

func (boxed) Seal(b []byte, place string) ([]byte, error) {
	return append([]byte(place+"|"), bytes.ToUpper(b)...), nil
}

func (boxed) Open(b []byte, place string) ([]byte, error) {
	inner, ok := bytes.CutPrefix(b, []byte(place+"|"))
	if !ok {
		return nil, errors.New("sealed for another place")
	}
	return bytes.ToLower(inner), nil
}

// failing is a store of which one call fails.
type failing struct {
	idempotencytest.Memory
	begin, finish, forget error
}

func (f *failing) Begin(ctx context.Context, r idempotency.Record, now time.Time) (idempotency.Record, bool, error) {
	if f.begin != nil {
		return idempotency.Record{}, false, f.begin
	}
	return f.Memory.Begin(ctx, r, now)
}

func (f *failing) Finish(ctx context.Context, r idempotency.Record) error {
	if f.finish != nil {
		return f.finish
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return f.Memory.Finish(ctx, r)
}

func (f *failing) Forget(ctx context.Context, appID, key string) error {
	if f.forget != nil {
		return f.forget
	}
	return f.Memory.Forget(ctx, appID, key)
}

type testBundle struct {
	store   *failing
	now     time.Time
	refused error
	log     bytes.Buffer
	handle  func(http.ResponseWriter, *http.Request)
	calls   int
}

func setup() *testBundle {
	b := &testBundle{store: &failing{}, now: time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)}
	b.handle = func(w http.ResponseWriter, r *http.Request) {
		idempotency.Executing(r.Context())
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, "done")
	}
	return b
}

func (b *testBundle) serve(ctx context.Context, key string) *httptest.ResponseRecorder {
	handler := idempotency.Middleware(idempotency.Config{
		Store: b.store, Sealer: boxed{}, LockFor: time.Minute, Now: func() time.Time { return b.now },
		Logger: slog.New(slog.NewTextHandler(&b.log, nil)),
		Owner:  func(*http.Request) string { return "shop" },
		Refuse: func(w http.ResponseWriter, _ *http.Request, err error) {
			b.refused = err
			w.WriteHeader(http.StatusTeapot)
		},
	})(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.calls++
		b.handle(w, r)
	}))
	r := httptest.NewRequestWithContext(ctx, "POST", "/things?a=1", strings.NewReader("body"))
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

func TestMiddleware(t *testing.T) {
	t.Parallel()
	t.Run("HandsTheBodyOn", func(t *testing.T) {
		t.Parallel()
		b := setup()
		b.handle = func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }
		if got := b.serve(t.Context(), "k").Body.String(); got != "body" {
			t.Errorf("the handler read %q", got)
		}
	})
	t.Run("StoresTheAnswerSealed", func(t *testing.T) {
		t.Parallel()
		b := setup()
		b.serve(t.Context(), "k")
		r, _ := b.store.Record("shop", "k")
		if !r.Done || r.Status != 201 || r.ContentType != "text/plain" || string(r.Body) != "idempotency/shop/k/body|DONE" {
			t.Errorf("it stored %+v", r)
		}
	})
	t.Run("KeyOfAnotherRequestIsRefused", func(t *testing.T) {
		t.Parallel()
		b := setup()
		b.serve(t.Context(), "k")
		r, _ := b.store.Record("shop", "k")
		r.RequestHash = "another"
		if err := b.store.Memory.Finish(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if b.serve(t.Context(), "k"); !errors.Is(b.refused, idempotency.ErrReused) || b.calls != 1 {
			t.Errorf("refused with %v, %d executed", b.refused, b.calls)
		}
	})
	t.Run("WithoutAKeyEveryRequestExecutes", func(t *testing.T) {
		t.Parallel()
		b := setup()
		b.serve(t.Context(), "")
		if b.serve(t.Context(), ""); b.calls != 2 {
			t.Errorf("%d executed", b.calls)
		}
	})
	t.Run("StoresTheAnswerOfACallerWhoWentAway", func(t *testing.T) {
		t.Parallel()
		b := setup()
		ctx, cancel := context.WithCancel(t.Context())
		plain := b.handle
		b.handle = func(w http.ResponseWriter, r *http.Request) {
			cancel()
			plain(w, r)
		}
		b.serve(ctx, "k")
		if r, _ := b.store.Record("shop", "k"); !r.Done {
			t.Error("it did not")
		}
	})
	t.Run("LockOfARequestThatNeverEndedIsTakenOverWhenItEnds", func(t *testing.T) {
		t.Parallel()
		b := setup()
		plain := b.handle
		b.handle = func(w http.ResponseWriter, r *http.Request) { // while it executes, its process seems dead to others
			b.handle = plain
			b.now = b.now.Add(59 * time.Second)
			if b.serve(t.Context(), "k"); !errors.Is(b.refused, idempotency.ErrInUse) {
				t.Errorf("before the lock ended: %v", b.refused)
			}
			b.now = b.now.Add(time.Second)
			if w := b.serve(t.Context(), "k"); w.Code != 201 {
				t.Errorf("after the lock ended: %d", w.Code)
			}
			plain(w, r)
		}
		b.serve(t.Context(), "k")
		if b.calls != 2 {
			t.Errorf("%d executed", b.calls)
		}
	})
	t.Run("PanicFreesTheKey", func(t *testing.T) {
		t.Parallel()
		b := setup()
		b.handle = func(http.ResponseWriter, *http.Request) { panic("bug") }
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			b.serve(t.Context(), "k")
		}()
		if _, known := b.store.Record("shop", "k"); known {
			t.Error("the key is held")
		}
	})
	t.Run("AnswerThatAsksToComeAgainFreesTheKey", func(t *testing.T) {
		t.Parallel()
		b := setup()
		b.handle = func(w http.ResponseWriter, r *http.Request) {
			idempotency.Executing(r.Context())
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		if w := b.serve(t.Context(), "k"); w.Code != 503 || w.Header().Get("Retry-After") != "1" {
			t.Errorf("%d, %v", w.Code, w.Header())
		}
		if _, known := b.store.Record("shop", "k"); known {
			t.Error("the key is held")
		}
	})
	t.Run("NotExecutedTakesExecutingBack", func(t *testing.T) {
		t.Parallel()
		b := setup()
		b.handle = func(_ http.ResponseWriter, r *http.Request) {
			idempotency.Executing(r.Context())
			idempotency.NotExecuted(r.Context())
		}
		b.serve(t.Context(), "k")
		if _, known := b.store.Record("shop", "k"); known {
			t.Error("the answer is kept")
		}
	})
	t.Run("NothingExecutesWithoutTheStore", func(t *testing.T) {
		t.Parallel()
		b := setup()
		b.store.begin = errors.New("database is gone")
		b.serve(t.Context(), "k")
		if b.calls != 0 || !errors.Is(b.refused, b.store.begin) {
			t.Errorf("%d executed, refused with %v", b.calls, b.refused)
		}
	})
	t.Run("AnswerThatCouldNotBeStoredIsGivenAndLogged", func(t *testing.T) {
		t.Parallel()
		b := setup()
		b.store.finish = errors.New("database is gone")
		if w := b.serve(t.Context(), "k"); w.Code != 201 || w.Body.String() != "done" || !strings.Contains(b.log.String(), "database is gone") {
			t.Errorf("%d %s; log %s", w.Code, w.Body, b.log.String())
		}
	})
	t.Run("KeyThatCouldNotBeFreedIsLogged", func(t *testing.T) {
		t.Parallel()
		b := setup()
		b.store.forget = errors.New("database is gone")
		b.handle = func(http.ResponseWriter, *http.Request) {}
		if b.serve(t.Context(), "k"); !strings.Contains(b.log.String(), "database is gone") {
			t.Errorf("log %s", b.log.String())
		}
	})
	t.Run("StoredAnswerThatDoesNotOpenIsRefused", func(t *testing.T) {
		t.Parallel()
		b := setup()
		b.serve(t.Context(), "k")
		r, _ := b.store.Record("shop", "k")
		r.Body = []byte("damaged")
		if err := b.store.Memory.Finish(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if w := b.serve(t.Context(), "k"); w.Code != http.StatusTeapot || b.calls != 1 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

func TestMarksOutsideOfTheMiddlewareDoNothing(t *testing.T) {
	t.Parallel()
	idempotency.Executing(t.Context())
	idempotency.NotExecuted(t.Context())
	if w := setup().serve(t.Context(), ""); w.Code != 201 {
		t.Errorf("%d", w.Code)
	}
}
