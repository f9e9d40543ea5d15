// Package ratelimit keeps one caller from taking the gateway from the others: each API key has a token bucket, and
// each address one for requests that were not authenticated. It decides about requests, never about money: a limited
// request was not begun.
package ratelimit

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Shared is a set of buckets that all replicas see. Its error means that this replica must decide by itself.
type Shared interface {
	Take(ctx context.Context, name string, perSecond, burst int) (wait time.Duration, err error)
}

// What a request was limited by, as the metric calls it.
const (
	ByKey     = "key"
	ByAddress = "address"
)

// Observer counts limited requests.
type Observer interface {
	RequestLimited(by string)
}

// Config is what a [Limiter] needs.
type Config struct {
	PerSecond int      // requests of one key; twice as many at once. Zero: as many as come
	Shared    Shared   // nil: each replica has buckets of its own
	Observer  Observer // nil: nobody looks
	// Now must never go back, or buckets stay empty until the clock has caught up. Nil: time.Now, whose monotonic part
	// does not, whatever happens to the machine's clock.
	Now func() time.Time
}

// Bounds of what one address may get wrong, and of the memory all of them take together: a few megabytes.
const (
	failuresPerSecond = 10
	failuresBurst     = 100
	trusted           = 10 * time.Minute
	rememberedMax     = 1 << 14
)

// Limiter limits. It is safe for concurrent use.
type Limiter struct {
	config Config

	mu        sync.Mutex
	keys      map[string]*rate.Limiter
	addresses map[netip.Addr]*neighbour
}

// neighbour is an address that requests came from.
type neighbour struct {
	failures *rate.Limiter
	goodAt   time.Time // when a request from there was last authenticated
}

// New returns a limiter.
func New(c Config) *Limiter {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Limiter{config: c, keys: map[string]*rate.Limiter{}, addresses: map[netip.Addr]*neighbour{}}
}

// Key takes a token for a request of an authenticated key. It answers how long the key must wait; zero means go on.
func (l *Limiter) Key(ctx context.Context, keyID string) time.Duration {
	if l.config.PerSecond == 0 {
		return 0
	}
	wait, err := time.Duration(0), errors.ErrUnsupported
	if l.config.Shared != nil {
		wait, err = l.config.Shared.Take(ctx, "rate:"+keyID, l.config.PerSecond, 2*l.config.PerSecond)
	}
	if err != nil {
		wait = l.local(keyID)
	}
	return l.told(wait, ByKey)
}

func (l *Limiter) local(keyID string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.config.Now()
	bucket, ok := l.keys[keyID]
	if !ok {
		makeRoom(l.keys, func(b *rate.Limiter) bool { return b.TokensAt(now) >= float64(b.Burst()) })
		bucket = rate.NewLimiter(rate.Limit(l.config.PerSecond), 2*l.config.PerSecond)
		l.keys[keyID] = bucket
	}
	if bucket.AllowN(now, 1) {
		return 0
	}
	return untilNext(bucket, now)
}

// Stranger answers how long an address must wait before its requests are looked at again, because too many of them were
// not authenticated; zero means go on. An address from which a good key came lately is a proxy or a network that
// others share: it is never held back.
func (l *Limiter) Stranger(address netip.Addr) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.config.Now()
	n, ok := l.addresses[network(address)]
	if !ok || n.trusted(now) || n.failures.TokensAt(now) >= 1 {
		return 0
	}
	return l.told(untilNext(n.failures, now), ByAddress)
}

// Refused notes that a request from the address was not authenticated.
func (l *Limiter) Refused(address netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.config.Now()
	l.neighbour(address, now).failures.AllowN(now, 1)
}

// Admitted notes that a request from the address was authenticated.
func (l *Limiter) Admitted(address netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.config.Now()
	l.neighbour(address, now).goodAt = now
}

// neighbour is called with the lock held.
func (l *Limiter) neighbour(address netip.Addr, now time.Time) *neighbour {
	address = network(address)
	n, ok := l.addresses[address]
	if !ok {
		makeRoom(l.addresses, func(n *neighbour) bool { return !n.trusted(now) && n.failures.TokensAt(now) >= failuresBurst })
		n = &neighbour{failures: rate.NewLimiter(failuresPerSecond, failuresBurst)}
		l.addresses[address] = n
	}
	return n
}

func (n *neighbour) trusted(now time.Time) bool {
	return !n.goodAt.IsZero() && now.Sub(n.goodAt) < trusted
}

func (l *Limiter) told(wait time.Duration, by string) time.Duration {
	if wait > 0 && l.config.Observer != nil {
		l.config.Observer.RequestLimited(by)
	}
	return wait
}

// makeRoom forgets what need not be remembered where a map is full, and everything where that is not enough: more are
// busy at once than fit, and each begins with a full bucket again.
func makeRoom[K comparable, V any](m map[K]V, idle func(V) bool) {
	if len(m) < rememberedMax {
		return
	}
	for k, v := range m {
		if idle(v) {
			delete(m, k)
		}
	}
	if len(m) >= rememberedMax {
		clear(m)
	}
}

func untilNext(b *rate.Limiter, now time.Time) time.Duration {
	missing := 1 - b.TokensAt(now)
	return max(time.Duration(missing/float64(b.Limit())*float64(time.Second)), time.Millisecond)
}

// network is the address, or for IPv6 the /64 that one subscriber has to himself.
func network(address netip.Addr) netip.Addr {
	address = address.Unmap()
	if !address.Is6() {
		return address
	}
	prefix, err := address.Prefix(64)
	if err != nil {
		return address // unreachable: 64 bits are fewer than 128
	}
	return prefix.Addr()
}
