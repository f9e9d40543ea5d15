package idempotency

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"
)

// Why a request is refused before it executes. Nothing was done, and nothing is remembered of it.
var (
	ErrKey    = errors.New("idempotency: the key must be given once, as 1 to 255 printable ASCII characters")
	ErrInUse  = errors.New("idempotency: a request with this key is still executing")
	ErrReused = errors.New("idempotency: this key belongs to another request")
)

// Sealer keeps answers sealed at rest: some of them show a secret once.
type Sealer interface {
	Seal(plaintext []byte, context string) ([]byte, error)
	Open(sealed []byte, context string) ([]byte, error)
}

// Config is what the middleware needs. Everything without a stated default is required.
type Config struct {
	Store  Store
	Sealer Sealer
	// Owner names the app that sends the request; keys of different apps never meet.
	Owner func(*http.Request) string
	// Refuse answers with one of this package's errors, or with another one when the store failed.
	Refuse func(http.ResponseWriter, *http.Request, error)
	// LockFor is how long a key stays with a request that does not end, because its process died, before a repeat may
	// take it over. It must exceed the longest request. Zero: 2 minutes.
	LockFor time.Duration
	Now     func() time.Time // nil: time.Now
	Logger  *slog.Logger     // nil: discarded
}

// finishTimeout bounds storing an answer when its caller has gone away.
const finishTimeout = 10 * time.Second

// Middleware honours the header Idempotency-Key on POST: the first request executes, every repeat gets its answer,
// marked with "Idempotent-Replayed: true", whether that was a success or not.
//
// Not kept are answers to requests that did not begin to execute (see [Executing] and [NotExecuted]), and answers with
// Retry-After, which ask to be repeated: their key is free again.
//
// The request's body is read whole, so it must be bounded before. The answer is held back until it is stored.
func Middleware(c Config) func(http.Handler) http.Handler {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.LockFor = cmp.Or(c.LockFor, 2*time.Minute)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			keys, given := r.Header["Idempotency-Key"]
			if r.Method != http.MethodPost || !given {
				next.ServeHTTP(w, r)
				return
			}
			c.serve(w, r, keys, next)
		})
	}
}

func (c *Config) serve(w http.ResponseWriter, r *http.Request, keys []string, next http.Handler) {
	if len(keys) != 1 || !validKey(keys[0]) {
		c.Refuse(w, r, ErrKey)
		return
	}
	hash, err := requestHash(r)
	if err != nil {
		c.Refuse(w, r, err)
		return
	}
	now := c.Now()
	record := Record{AppID: c.Owner(r), Key: keys[0], RequestHash: hash, LockedUntil: now.Add(c.LockFor), CreatedAt: now}
	current, started, err := c.Store.Begin(r.Context(), record, now)
	switch {
	case err != nil:
		c.Refuse(w, r, fmt.Errorf("idempotency: claim the key: %w", err))
	case started:
		c.execute(w, r, record, next)
	case current.RequestHash != hash:
		c.Refuse(w, r, ErrReused)
	case !current.Done:
		c.Refuse(w, r, ErrInUse)
	default:
		c.replay(w, r, current)
	}
}

func validKey(key string) bool {
	if len(key) < 1 || len(key) > 255 {
		return false
	}
	for i := range len(key) {
		if key[i] < 0x20 || key[i] > 0x7E {
			return false
		}
	}
	return true
}

// requestHash identifies the request and gives its body back to it.
func requestHash(r *http.Request) (string, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return "", fmt.Errorf("idempotency: read the request: %w", err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n%s", r.Method, r.URL.RequestURI(), body)
	return hex.EncodeToString(h.Sum(nil)), nil
}

// execute runs the request, settles the key, and only then answers: an answer that was seen can be had again.
func (c *Config) execute(w http.ResponseWriter, r *http.Request, record Record, next http.Handler) {
	e := &execution{}
	answer := &recorder{header: w.Header().Clone(), status: http.StatusOK}
	settled := false
	defer func() {
		if !settled { // next panicked
			c.forget(r.Context(), record)
		}
	}()
	next.ServeHTTP(answer, r.WithContext(context.WithValue(r.Context(), executionKey{}, e)))
	settled = true
	if e.began && answer.header.Get("Retry-After") == "" {
		c.finish(r.Context(), record, answer)
	} else {
		c.forget(r.Context(), record)
	}
	answer.send(w)
}

func (c *Config) finish(ctx context.Context, record Record, answer *recorder) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	sealed, err := c.Sealer.Seal(answer.body.Bytes(), sealContext(record))
	if err == nil {
		record.Done, record.Status, record.Body = true, answer.status, sealed
		record.ContentType, record.Location = answer.header.Get("Content-Type"), answer.header.Get("Location")
		err = c.Store.Finish(ctx, record)
	}
	if err != nil {
		c.Logger.ErrorContext(ctx, "idempotency: the answer was given but not stored; until the lock ends, repeats are told to wait", "app_id", record.AppID, "error", err)
	}
}

func (c *Config) forget(ctx context.Context, record Record) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	if err := c.Store.Forget(ctx, record.AppID, record.Key); err != nil {
		c.Logger.ErrorContext(ctx, "idempotency: the key was not released; until its lock ends, repeats are told to wait", "app_id", record.AppID, "error", err)
	}
}

func (c *Config) replay(w http.ResponseWriter, r *http.Request, record Record) {
	body, err := c.Sealer.Open(record.Body, sealContext(record))
	if err != nil {
		c.Refuse(w, r, fmt.Errorf("idempotency: open the stored answer: %w", err))
		return
	}
	for name, value := range map[string]string{"Content-Type": record.ContentType, "Location": record.Location} {
		if value != "" {
			w.Header().Set(name, value)
		}
	}
	w.Header().Set("Idempotent-Replayed", "true")
	w.WriteHeader(record.Status)
	_, _ = w.Write(body) // the caller has gone: it will ask again
}

func sealContext(r Record) string { return "idempotency/" + r.AppID + "/" + r.Key + "/body" }
