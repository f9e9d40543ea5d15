package redis_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/pgtest"
	"github.com/tongbao-pay/tongbao/internal/redis"
	"github.com/tongbao-pay/tongbao/internal/redistest"
	"github.com/tongbao-pay/tongbao/internal/store"
	"github.com/tongbao-pay/tongbao/internal/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

var (
	_ payment.Counter  = (*redis.Client)(nil)
	_ redis.NonceStore = (*store.Store)(nil)
)

const merchant = "1900000109"

// watcher notes what a client says of Redis.
type watcher struct {
	mu       sync.Mutex
	failures map[string]int
	log      strings.Builder
}

func (w *watcher) RedisFailed(use string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failures[use]++
}

func (w *watcher) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(line)
}

func (w *watcher) said(text string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Count(w.log.String(), text)
}

func (w *watcher) failed(use string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failures[use]
}

// open has the patience of a busy machine: a Redis that is up is never taken for one that is down.
func open(t *testing.T, url string) (*redis.Client, *watcher) {
	t.Helper()
	return openWith(t, redis.Config{URL: url, Patience: 20 * time.Second})
}

func openWith(t *testing.T, config redis.Config) (*redis.Client, *watcher) {
	t.Helper()
	w := &watcher{failures: map[string]int{}}
	config.Logger = slog.New(slog.NewTextHandler(w, nil))
	c, err := redis.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	c.Observe(w)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c, w
}

// plain is Redis without our client.
func plain(t *testing.T, s *redistest.Server) *goredis.Client {
	t.Helper()
	options, err := goredis.ParseURL(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	c := goredis.NewClient(options)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// comesBack waits until the client has found out that Redis is up.
func comesBack(t *testing.T, c *redis.Client) {
	t.Helper()
	tick, deadline := time.NewTicker(10*time.Millisecond), time.After(30*time.Second)
	defer tick.Stop()
	for c.Ping(t.Context()) != nil {
		select {
		case <-deadline:
			t.Fatal("redis is up and the client does not notice")
		case <-tick.C:
		}
	}
}

func number(t *testing.T, c *redis.Client, merchantID, date string) int64 {
	t.Helper()
	i, err := c.NextNumber(t.Context(), merchantID, date)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestNumbersAreCountedPerMerchantAndDayAndForgottenLater(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	first, _ := open(t, s.URL())
	second, _ := open(t, s.URL())
	got := []int64{
		number(t, first, merchant, "2026-03-09"), number(t, second, merchant, "2026-03-09"), number(t, first, merchant, "2026-03-09"),
		number(t, first, "1900000110", "2026-03-09"), number(t, second, merchant, "2026-03-10"),
	}
	if !slices.Equal(got, []int64{1, 2, 3, 1, 1}) {
		t.Errorf("counted %v", got)
	}
	left, err := plain(t, s).TTL(t.Context(), "tongbao:number:"+merchant+":2026-03-09").Result()
	if err != nil || left < 47*time.Hour || left > 48*time.Hour {
		t.Errorf("the count is kept for another %s, %v", left, err)
	}
}

func TestTheUserNeedsNoMoreKeysThanAreDocumented(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	if err := plain(t, s).ACLSetUser(t.Context(), "gateway", "on", ">hunter2", "+@all", "~tongbao:*", "~rate:tongbao:*").Err(); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("gateway", "hunter2")
	c, _ := open(t, u.String())
	number(t, c, merchant, "2026-03-09")
	if _, err := c.Take(t.Context(), "rate:ak_1", 1, 2); err != nil {
		t.Error(err)
	}
	if fresh, err := c.Nonces(storetest.OpenSQLite(t)).UseNonce(t.Context(), "ak_1", "nonce", time.Now().Add(time.Minute)); err != nil || !fresh {
		t.Errorf("a nonce that is new: %v, %v", fresh, err)
	}
}

func TestARedisThatRefusesWritesIsDown(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c, w := open(t, s.URL())
	operator := plain(t, s)
	for setting, values := range map[string][2]string{"maxmemory": {"1", "0"}, "min-replicas-to-write": {"1", "0"}} {
		if err := operator.ConfigSet(t.Context(), setting, values[0]).Err(); err != nil {
			t.Fatal(err)
		}
		before := w.said("redis does not answer")
		for range 3 {
			if _, err := c.NextNumber(t.Context(), merchant, "2026-03-09"); err == nil {
				t.Errorf("%s: a number", setting)
			}
			if err := c.Ping(t.Context()); err == nil {
				t.Errorf("%s: it is said to be up", setting)
			}
		}
		if said := w.said("redis does not answer") - before; said != 1 {
			t.Errorf("%s: said %d times", setting, said)
		}
		if err := operator.ConfigSet(t.Context(), setting, values[1]).Err(); err != nil {
			t.Fatal(err)
		}
		comesBack(t, c)
		number(t, c, merchant, "2026-03-09")
	}
}

func TestARedisThatIsDown(t *testing.T) {
	t.Parallel()
	t.Run("IsReportedOnceAndFoundAgain", func(t *testing.T) {
		t.Parallel()
		s := redistest.Start(t)
		c, w := open(t, s.URL())
		number(t, c, merchant, "2026-03-09")
		s.Kill(t)
		for range 10 {
			if _, err := c.NextNumber(t.Context(), merchant, "2026-03-09"); err == nil {
				t.Fatal("a number from a dead redis")
			}
		}
		if w.said("redis does not answer") != 1 || w.failed("numbers") != 10 {
			t.Errorf("said it %d times, counted %d failures", w.said("redis does not answer"), w.failed("numbers"))
		}
		s.Restart(t)
		comesBack(t, c)
		if i := number(t, c, merchant, "2026-03-09"); i != 1 || w.said("redis answers again") != 1 {
			t.Errorf("number %d, said %d times that it answers again", i, w.said("redis answers again"))
		}
	})
	t.Run("AndHangsIsNotWaitedForByEveryone", func(t *testing.T) {
		t.Parallel()
		c, _ := openWith(t, redis.Config{URL: "redis://" + hanging(t) + "/0"})
		skipped := 0
		for range 200 {
			_, err := c.NextNumber(t.Context(), merchant, "2026-03-09")
			if err == nil {
				t.Fatal("a number from nobody")
			}
			if errors.Is(err, redis.ErrDown) {
				skipped++
			}
		}
		if skipped < 190 {
			t.Errorf("of 200 questions only %d were not put", skipped)
		}
	})
	t.Run("IsNotWhatACallerThatWentAwayMeans", func(t *testing.T) {
		t.Parallel()
		s := redistest.Start(t)
		c, w := open(t, s.URL())
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.NextNumber(gone, merchant, "2026-03-09"); err == nil {
			t.Error("a number for nobody")
		}
		if w.failed("numbers") != 0 {
			t.Error("redis was blamed")
		}
		number(t, c, merchant, "2026-03-09")
	})
	t.Run("CannotEvenBeNamed", func(t *testing.T) {
		t.Parallel()
		_, err := redis.Open(redis.Config{URL: "redis://:hunter2@%zz"})
		if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "redis_url") {
			t.Errorf("error %v", err)
		}
	})
}

// hanging accepts connections and never answers.
func hanging(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var taken []net.Conn
	var group sync.WaitGroup
	group.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			taken = append(taken, c)
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		group.Wait()
		for _, c := range taken {
			_ = c.Close()
		}
	})
	return l.Addr().String()
}

// countedStore counts what reaches the database, and fails where a test says so.
type countedStore struct {
	*store.Store

	mu    sync.Mutex
	asked int
	err   error
}

func (s *countedStore) UseNonce(ctx context.Context, keyID, nonce string, expiresAt time.Time) (bool, error) {
	s.mu.Lock()
	s.asked++
	err := s.err
	s.mu.Unlock()
	if err != nil {
		return false, err
	}
	return s.Store.UseNonce(ctx, keyID, nonce, expiresAt)
}

func TestANonceIsUsedOnce(t *testing.T) {
	t.Parallel()
	later := time.Now().Add(time.Hour)
	setup := func(t *testing.T) (*redistest.Server, *redis.Client, *countedStore, func(nonce string) bool) {
		t.Helper()
		s := redistest.Start(t)
		c, _ := open(t, s.URL())
		database := &countedStore{Store: storetest.OpenSQLite(t)}
		nonces := c.Nonces(database)
		return s, c, database, func(nonce string) bool {
			t.Helper()
			fresh, err := nonces.UseNonce(t.Context(), "ak_1", nonce, later)
			if err != nil {
				t.Error(err)
			}
			return fresh
		}
	}
	t.Run("AndAStormOfReplaysStaysOffTheDatabase", func(t *testing.T) {
		t.Parallel()
		_, _, database, use := setup(t)
		if !use("n") {
			t.Fatal("a fresh nonce was refused")
		}
		for range 100 {
			if use("n") {
				t.Fatal("a replay passed")
			}
		}
		if database.asked != 1 {
			t.Errorf("the database was asked %d times", database.asked)
		}
	})
	t.Run("ByManyAtOnce", func(t *testing.T) {
		t.Parallel()
		_, _, _, use := setup(t)
		var passed atomic.Int64
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() {
				if use("n") {
					passed.Add(1)
				}
			})
		}
		group.Wait()
		if passed.Load() != 1 {
			t.Errorf("%d passed", passed.Load())
		}
	})
	t.Run("WhenRedisWasKilledInBetween", func(t *testing.T) {
		t.Parallel()
		s, _, _, use := setup(t)
		if !use("n") {
			t.Fatal("a fresh nonce was refused")
		}
		s.Kill(t)
		if use("n") {
			t.Error("a replay passed because redis was down")
		}
		if !use("m") {
			t.Error("a fresh nonce was refused because redis was down")
		}
	})
	t.Run("WhenRedisHasForgotten", func(t *testing.T) {
		t.Parallel()
		s, c, _, use := setup(t)
		use("before")
		s.Kill(t)
		use("meanwhile")
		s.Restart(t)
		comesBack(t, c)
		for _, nonce := range []string{"before", "meanwhile"} {
			if use(nonce) {
				t.Errorf("a replay of %q passed because redis came back empty", nonce)
			}
		}
	})
	t.Run("AndNotLostWithADatabaseThatFailed", func(t *testing.T) {
		t.Parallel()
		_, c, database, use := setup(t)
		database.err = errors.New("disk full")
		if _, err := c.Nonces(database).UseNonce(t.Context(), "ak_1", "n", later); err == nil {
			t.Fatal("a request passed that the database knows nothing of")
		}
		database.err = nil
		if !use("n") {
			t.Error("a request that was not let in cannot come again")
		}
	})
}

func TestABucketIsShared(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	first, _ := open(t, s.URL())
	second, _ := open(t, s.URL())
	const perSecond, burst = 1, 4
	passed := 0
	for range burst {
		for _, c := range []*redis.Client{first, second} {
			wait, err := c.Take(t.Context(), "rate:ak_1", perSecond, burst)
			if err != nil {
				t.Fatal(err)
			}
			if wait == 0 {
				passed++
			} else if wait > 2*time.Second {
				t.Errorf("told to wait for %s", wait)
			}
		}
	}
	if passed < burst || passed > burst+2 { // a slow machine fills the bucket a little
		t.Errorf("%d passed, want %d", passed, burst)
	}
	if wait, err := first.Take(t.Context(), "rate:ak_2", perSecond, burst); wait != 0 || err != nil {
		t.Errorf("another key waits for %s, %v", wait, err)
	}
}

// TestNumbersNeverRepeatThoughRedisIsKilled has goroutines of several replicas on one database and one Redis take
// numbers of one second, and kills Redis, which forgets, in the middle, twice.
func TestNumbersNeverRepeatThoughRedisIsKilled(t *testing.T) {
	t.Parallel()
	for engine, database := range map[string]func(*testing.T) *store.Store{"SQLite": storetest.OpenSQLite, "Postgres": storetest.OpenPostgres} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			const replicas, callers, phases, each = 3, 6, 5, 40
			s, db := redistest.Start(t), database(t)
			now := time.Now()
			clients, numbers := make([]*redis.Client, replicas), make([]*payment.Numbers, replicas)
			for i := range replicas {
				clients[i], _ = open(t, s.URL())
				numbers[i] = payment.NewNumbers(db, clients[i], nil)
			}
			made := make([][]string, replicas*callers)
			take := func() {
				var group sync.WaitGroup
				underWay := make(chan struct{}, 2*len(made))
				for i := range made {
					group.Go(func() {
						for j := range each {
							if j == each/4 {
								underWay <- struct{}{}
							}
							no, err := numbers[i%replicas].Trade(t.Context(), merchant, now)
							if err != nil {
								t.Errorf("blocked: %v", err)
								underWay <- struct{}{}
								return
							}
							made[i] = append(made[i], no)
						}
					})
				}
				<-underWay
				if s.Running() {
					s.Kill(t)
				}
				group.Wait()
			}
			for phase := range phases {
				take()
				if phase%2 == 1 {
					s.Restart(t)
					for _, c := range clients {
						comesBack(t, c)
					}
				}
			}
			distinct, marks := map[string]bool{}, map[byte]int{}
			for _, of := range made {
				if !slices.IsSorted(of) {
					t.Error("one caller's numbers do not sort as they were made")
				}
				for _, no := range of {
					distinct[no] = true
					marks[no[20]]++
				}
			}
			if marks['P'] == 0 || marks['Q'] == 0 {
				t.Errorf("numbers counted by the database and by redis: %v", marks)
			}
			if want := replicas * callers * phases * each; len(distinct) != want {
				t.Errorf("%d of %d numbers repeat", want-len(distinct), want)
			}
		})
	}
}
