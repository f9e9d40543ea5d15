package ratelimit_test

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/ratelimit"
	"github.com/tongbao-pay/tongbao/internal/redis"
)

var _ ratelimit.Shared = (*redis.Client)(nil)

// bundle is a limiter with a clock that stands still and a count of whom it limited.
type bundle struct {
	*ratelimit.Limiter

	mu      sync.Mutex
	now     time.Time
	limited map[string]int
}

func (b *bundle) RequestLimited(by string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limited[by]++
}

func (b *bundle) Now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bundle) advance(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

func setup(perSecond int, shared ratelimit.Shared) *bundle {
	b := &bundle{now: time.Date(2026, 3, 9, 1, 2, 3, 0, time.UTC), limited: map[string]int{}}
	b.Limiter = ratelimit.New(ratelimit.Config{PerSecond: perSecond, Shared: shared, Observer: b, Now: b.Now})
	return b
}

// passed is how many of n requests of a key go on, and the last wait.
func (b *bundle) passed(t *testing.T, keyID string, n int) (passed int, wait time.Duration) {
	t.Helper()
	for range n {
		if wait = b.Key(t.Context(), keyID); wait == 0 {
			passed++
		}
	}
	return passed, wait
}

func TestAKeyHasABucket(t *testing.T) {
	t.Parallel()
	t.Run("OfTwoSeconds", func(t *testing.T) {
		t.Parallel()
		b := setup(10, nil)
		if n, wait := b.passed(t, "ak_1", 25); n != 20 || wait != 100*time.Millisecond {
			t.Errorf("%d of 25 passed and the last waits %s, want 20 and 100ms", n, wait)
		}
		if n, _ := b.passed(t, "ak_2", 5); n != 5 {
			t.Errorf("another key: %d of 5 passed", n)
		}
		if b.limited[ratelimit.ByKey] != 5 {
			t.Errorf("counted %v", b.limited)
		}
		b.advance(500 * time.Millisecond)
		if n, _ := b.passed(t, "ak_1", 25); n != 5 {
			t.Errorf("half a second later %d passed, want 5", n)
		}
	})
	t.Run("OrNone", func(t *testing.T) {
		t.Parallel()
		if n, _ := setup(0, failing{}).passed(t, "ak_1", 1000); n != 1000 {
			t.Errorf("%d of 1000 passed", n)
		}
	})
}

// fixed answers with its own wait, and notes what it was asked.
type fixed struct {
	wait             time.Duration
	name             string
	perSecond, burst int
}

func (f *fixed) Take(_ context.Context, name string, perSecond, burst int) (time.Duration, error) {
	f.name, f.perSecond, f.burst = name, perSecond, burst
	return f.wait, nil
}

type failing struct{}

func (failing) Take(context.Context, string, int, int) (time.Duration, error) {
	return 0, errors.New("down")
}

func TestReplicasShareABucket(t *testing.T) {
	t.Parallel()
	t.Run("ThatDecides", func(t *testing.T) {
		t.Parallel()
		shared := &fixed{wait: time.Minute}
		b := setup(10, shared)
		if n, wait := b.passed(t, "ak_1", 1); n != 0 || wait != time.Minute || *shared != (fixed{time.Minute, "rate:ak_1", 10, 20}) {
			t.Errorf("%d passed, wait %s, asked for %+v", n, wait, *shared)
		}
	})
	t.Run("OrTakeTheirOwnWhileItIsAway", func(t *testing.T) {
		t.Parallel()
		if n, _ := setup(10, failing{}).passed(t, "ak_1", 100); n != 20 {
			t.Errorf("%d of 100 passed, want 20", n)
		}
	})
}

// attack sends requests with bad keys and answers how many were looked at.
func (b *bundle) attack(from netip.Addr, n int) (looked int) {
	for range n {
		if b.Stranger(from) == 0 {
			looked++
			b.Refused(from)
		}
	}
	return looked
}

func TestAnAddressThatFailsIsHeldBack(t *testing.T) {
	t.Parallel()
	bad, good := netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("203.0.113.8")
	t.Run("AloneAndForAWhile", func(t *testing.T) {
		t.Parallel()
		b := setup(10, nil)
		if n := b.attack(bad, 1000); n != 100 {
			t.Errorf("%d of 1000 were looked at, want 100", n)
		}
		if wait := b.Stranger(bad); wait != 100*time.Millisecond {
			t.Errorf("told to wait for %s, want 100ms", wait)
		}
		if b.limited[ratelimit.ByAddress] != 901 {
			t.Errorf("counted %v", b.limited)
		}
		if b.Stranger(good) != 0 {
			t.Error("its neighbour is held back too")
		}
		b.advance(time.Second)
		if n := b.attack(bad, 1000); n != 10 {
			t.Errorf("a second later %d were looked at, want 10", n)
		}
	})
	t.Run("WithItsWholeIPv6Network", func(t *testing.T) {
		t.Parallel()
		b := setup(10, nil)
		looked := 0
		for i := range 1000 {
			looked += b.attack(netip.MustParseAddr("2001:db8:0:1::"+strconv.FormatInt(int64(i), 16)), 1)
		}
		if looked != 100 || b.Stranger(netip.MustParseAddr("2001:db8:0:2::1")) != 0 {
			t.Errorf("%d of one network were looked at, want 100", looked)
		}
	})
	t.Run("UnlessAGoodKeyCameFromThereLately", func(t *testing.T) {
		t.Parallel()
		b := setup(10, nil)
		b.Admitted(bad)
		if n := b.attack(bad, 1000); n != 1000 {
			t.Errorf("%d of 1000 were looked at: those who share the address are shut out", n)
		}
		b.advance(10 * time.Minute)
		if n := b.attack(bad, 1000); n != 100 {
			t.Errorf("later %d were looked at, want 100", n)
		}
	})
	t.Run("InBoundedMemory", func(t *testing.T) {
		t.Parallel()
		b := setup(10, nil)
		for i := range uint32(100_000) {
			b.Refused(netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, i))))
			b.Key(t.Context(), strconv.Itoa(int(i)))
		}
		if addresses, keys := b.Remembered(); addresses > 1<<14 || keys > 1<<14 {
			t.Errorf("%d addresses and %d keys are remembered", addresses, keys)
		}
	})
}
