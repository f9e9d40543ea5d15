package access

import (
	"maps"
	"sync"
	"time"

	"github.com/tongbao-pay/tongbao/internal/secret"
)

// CacheTTL is how long a replica remembers who a key belongs to: a busy key costs one look into the database in that
// time, and a key revoked or an app changed on another replica is still taken as before for at most as long.
const CacheTTL = 3 * time.Second

// cacheMax bounds the memory: a few megabytes.
const cacheMax = 4096

// identity is a key with its app and its opened secret.
type identity struct {
	key    Key
	app    App
	secret secret.String
}

// cache remembers identities that were let in, by a bearer key's hash or a key's id. It only ever saves the way to the
// database for requests that pass; what is refused is refused by what the database says then.
type cache struct {
	mu      sync.Mutex
	entries map[string]cacheEntry
}

type cacheEntry struct {
	identity
	at time.Time
}

func newCache() *cache { return &cache{entries: make(map[string]cacheEntry)} }

func (c *cache) get(by string, now time.Time) (identity, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[by]
	return e.identity, ok && e.fresh(now)
}

func (c *cache) put(by string, id identity, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.entries) >= cacheMax {
		maps.DeleteFunc(c.entries, func(_ string, e cacheEntry) bool { return !e.fresh(now) })
	}
	if len(c.entries) >= cacheMax {
		clear(c.entries) // more busy keys than fit: they come back by themselves
	}
	c.entries[by] = cacheEntry{identity: id, at: now}
}

func (c *cache) forgetKey(id string) {
	c.forget(func(e cacheEntry) bool { return e.key.ID == id })
}

func (c *cache) forgetApp(id string) {
	c.forget(func(e cacheEntry) bool { return e.app.ID == id })
}

func (c *cache) forget(match func(cacheEntry) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.entries, func(_ string, e cacheEntry) bool { return match(e) })
}

// fresh is false also for an entry from the future: the clock was set back.
func (e cacheEntry) fresh(now time.Time) bool {
	age := now.Sub(e.at)
	return age >= 0 && age < CacheTTL
}
