package wechatpay

import (
	"strings"
	"sync/atomic"
	"time"
)

const (
	// primaryFailuresMax consecutive failures move the traffic to the backup,
	primaryFailuresMax = 3
	// and after primaryRest it goes to the primary again (跨城冗灾, 主备切换).
	primaryRest = time.Minute
)

// host is one access point of the provider.
type host struct {
	name string // host and port, for logs
	base string // scheme and host
}

// hosts chooses between the access points. Both serve the same API, and the host is not signed.
type hosts struct {
	primary, backup *host        // backup is nil without one
	failures        atomic.Int32 // of the primary, consecutive
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
func (h *hosts) other(than *host) *host {
	if h.backup == nil || than == h.backup {
		return h.primary
	}
	return h.backup
}

func (h *hosts) succeeded(at *host) {
	if at == h.primary {
		h.failures.Store(0)
	}
}

func (h *hosts) failed(at *host, now time.Time) {
	if at == h.primary && h.failures.Add(1) >= primaryFailuresMax {
		h.failures.Store(0)
		h.restUntil.Store(now.Add(primaryRest).UnixNano())
	}
}
