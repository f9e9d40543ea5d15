// Package redis is what replicas share where the operator gives them a Redis: the sequence of trade numbers, nonces
// that were used, and the rate of each API key. All of it can be lost. While Redis does not answer, numbers and nonces
// are the database's business and each replica limits by itself; nothing waits for Redis and nothing is let through
// because of it.
package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/go-redis/redis_rate/v10"
	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"golang.org/x/time/rate"
)

// What Redis is asked for, as the metric calls it.
const (
	useNumbers = "numbers"
	useNonces  = "nonces"
	useLimits  = "limits"
	usePing    = "ping"
)

// patience bounds one question; a healthy Redis answers in a tenth of a millisecond. The first one, at the start, may
// take longer: it makes the connection. While Redis is down, one question in retryEvery is put to it, and the others go
// on without.
const (
	patience      = 250 * time.Millisecond
	startPatience = 5 * time.Second
	retryEvery    = time.Second
)

// prefix keeps our keys apart from those of other programs.
const prefix = "tongbao:"

// ErrDown is what a question comes to that was not put because Redis gave no answer a moment ago.
var ErrDown = errors.New("redis: it gave no answer a moment ago")

// Observer counts questions that Redis did not answer.
type Observer interface {
	RedisFailed(use string)
}

// Config is what a [Client] needs.
type Config struct {
	URL      string        // redis:// or rediss://, password included
	Patience time.Duration // how long one question is waited for. Zero: 250 ms
	Logger   *slog.Logger  // nil: discarded
}

// Client asks one Redis. It is safe for concurrent use.
type Client struct {
	client   *goredis.Client
	limiter  *redis_rate.Limiter
	patience time.Duration
	observer Observer
	logger   *slog.Logger
	down     atomic.Bool
	retries  *rate.Limiter
}

// Open returns a client. It asks nothing yet: a Redis that is down now may be up later.
func Open(c Config) (*Client, error) {
	options, err := goredis.ParseURL(c.URL)
	if err != nil {
		return nil, errors.New("redis: redis_url is not valid; it looks like redis://user:password@host:6379/0") // the cause repeats the URL
	}
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout, options.PoolTimeout = startPatience, startPatience, startPatience, startPatience
	options.ContextTimeoutEnabled = true              // each question has its own, shorter time
	options.MaxRetries, options.DialerRetries = -1, 1 // a question whose answer was lost is not put again: it would be another one
	logging.Disable()                                 // the library would write each failure to standard error; what matters of it is in our log, once
	client := goredis.NewClient(options)
	r := &Client{
		client: client, limiter: redis_rate.NewLimiter(client), patience: cmp.Or(c.Patience, patience), logger: c.Logger,
		retries: rate.NewLimiter(rate.Every(retryEvery), 1),
	}
	if r.logger == nil {
		r.logger = slog.New(slog.DiscardHandler)
	}
	return r, nil
}

// Observe sets who counts failures. It must be called before the client is used by several goroutines.
func (c *Client) Observe(o Observer) { c.observer = o }

// Close closes every connection.
func (c *Client) Close() error { return c.client.Close() }

// Start asks for the first time, with more patience, and says in the log whether Redis answers.
func (c *Client) Start(ctx context.Context) {
	if err := c.put(ctx, usePing, startPatience, c.ping); err == nil {
		c.logger.InfoContext(ctx, "redis answers: replicas share trade numbers, nonces and rate limits through it")
	}
}

// ping writes: a Redis that is full, or a replica since its primary was replaced, answers PING and refuses all that it
// is here for.
func (c *Client) ping(ctx context.Context) error {
	return c.client.Set(ctx, prefix+usePing, 1, time.Minute).Err()
}

// Ping reports whether Redis answers now. It asks even one that did not answer a moment ago.
func (c *Client) Ping(ctx context.Context) error {
	return c.put(ctx, usePing, c.patience, c.ping)
}

// ask puts a question, unless Redis is down and was tried a moment ago.
func (c *Client) ask(ctx context.Context, use string, question func(context.Context) error) error {
	if c.down.Load() && !c.retries.Allow() {
		c.failed(use)
		return ErrDown
	}
	return c.put(ctx, use, c.patience, question)
}

func (c *Client) put(ctx context.Context, use string, wait time.Duration, question func(context.Context) error) error {
	patient, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	err := question(patient)
	if err != nil && ctx.Err() != nil {
		return err // the caller went away, which says nothing about Redis
	}
	if err != nil {
		c.failed(use)
		if c.down.CompareAndSwap(false, true) {
			c.logger.ErrorContext(ctx, "redis does not answer: numbers and nonces are left to the database, and each replica limits rates by itself, until it does", "use", use, "error", err)
		}
		return fmt.Errorf("redis: %s: %w", use, err)
	}
	if c.down.CompareAndSwap(true, false) {
		c.logger.InfoContext(ctx, "redis answers again")
	}
	return nil
}

func (c *Client) failed(use string) {
	if c.observer != nil {
		c.observer.RedisFailed(use)
	}
}
