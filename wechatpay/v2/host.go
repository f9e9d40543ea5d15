package wechatpayv2

import (
	"strings"
	"sync/atomic"
	"time"
)

// primaryRest is how long the primary access point is left alone after a failure (跨城冗灾, 主备切换).
const primaryRest = time.Minute

// host is one access point of the provider.
type host struct {
	name string // host and port, for logs
	base string // scheme and host
}

// hosts chooses between the access points, which serve the same API.
type hosts struct {
	primary, backup *host        // backup is nil without one
	restUntil       atomic.Int64 // Unix nanoseconds; the primary is left alone until then
}

func newHosts(baseURL, backupURL string) *hosts {
	h := &hosts{primary: newHost(baseURL)}
	if backupURL != "" {
		h.backup = newHost(backupURL)
	}
	return h
}

func newHost(base string) *host {
	base = strings.TrimSuffix(base, "/")
	_, name, _ := strings.Cut(base, "://")
	return &host{base: base, name: name}
}

// first is where a call begins.
func (h *hosts) first(now time.Time) *host {
	rest := time.Duration(h.restUntil.Load() - now.UnixNano())
	if h.backup == nil || rest <= 0 || rest > primaryRest { // longer: the clock was set back
		return h.primary
	}
	return h.backup
}

// other is the access point to take when one has failed.
func (h *hosts) other(than *host, now time.Time) *host {
	if h.backup == nil || than == h.backup {
		return h.primary
	}
	h.restUntil.Store(now.Add(primaryRest).UnixNano())
	return h.backup
}
