// Package journal remembers what the sandbox received and sent, for tests that assert on it.
package journal

import (
	"sync"
	"time"
)

// EntriesMax is how many entries a journal keeps; the oldest go first. It lives in memory and is empty after a restart.
const EntriesMax = 10_000

// BodyBytesMax is how much of a body an entry keeps.
const BodyBytesMax = 4096

// The kinds of entries.
const (
	Request      = "request"      // an application called the provider
	Notification = "notification" // the provider called the application
)

// Entry is one request or one attempt at a notification, written just before the answer leaves or after it came.
type Entry struct {
	Seq            uint64     `json:"seq"`  // 1, 2, 3, ... over the journal's life
	Time           time.Time  `json:"time"` // the sandbox's clock
	Kind           string     `json:"kind"` // [Request] or [Notification]
	Provider       string     `json:"provider"`
	Host           string     `json:"host,omitempty"` // which of the provider's hosts was called
	Operation      string     `json:"operation"`      // "prepay", "notify/payment", ...
	Method         string     `json:"method,omitempty"`
	Target         string     `json:"target"` // the raw request target, or the notification's URL
	OutTradeNo     string     `json:"out_trade_no,omitempty"`
	OutRefundNo    string     `json:"out_refund_no,omitempty"`
	OutBillNo      string     `json:"out_bill_no,omitempty"`
	NotificationID string     `json:"notification_id,omitempty"`
	Attempt        int        `json:"attempt,omitempty"`       // 1 for the first send
	ScheduledFor   *time.Time `json:"scheduled_for,omitempty"` // when a notification was due
	Signature      string     `json:"signature,omitempty"`     // a request's verdict ("valid" or why not); how a notification was signed
	Status         int        `json:"status,omitempty"`        // HTTP status; 0 when there was no answer
	Code           string     `json:"code,omitempty"`          // the provider's error code
	RequestID      string     `json:"request_id,omitempty"`
	Request        string     `json:"request,omitempty"` // body, cut at [BodyBytesMax]
	Answer         string     `json:"answer,omitempty"`  // body, cut at [BodyBytesMax]
	Fault          string     `json:"fault,omitempty"`   // the effect that was applied
	Error          string     `json:"error,omitempty"`   // why there was no answer, or why it did not count
	DurationMS     int64      `json:"duration_ms"`
}

// Filter selects entries; a zero field selects all.
type Filter struct {
	OutTradeNo, OutRefundNo, OutBillNo, Operation, Kind, NotificationID string
	After                                                               uint64 // only entries with a greater Seq
	Limit                                                               int    // only the newest so many
}

func (f Filter) selects(e Entry) bool {
	return e.Seq > f.After &&
		(f.OutTradeNo == "" || f.OutTradeNo == e.OutTradeNo) &&
		(f.OutRefundNo == "" || f.OutRefundNo == e.OutRefundNo) &&
		(f.OutBillNo == "" || f.OutBillNo == e.OutBillNo) &&
		(f.Operation == "" || f.Operation == e.Operation) &&
		(f.Kind == "" || f.Kind == e.Kind) &&
		(f.NotificationID == "" || f.NotificationID == e.NotificationID)
}

// Journal is safe for concurrent use; its zero value is an empty journal.
type Journal struct {
	mu   sync.Mutex
	last uint64
	ring []Entry
}

// Add numbers and stores the entry, and cuts its bodies.
func (j *Journal) Add(e Entry) {
	e.Request, e.Answer = cut(e.Request), cut(e.Answer)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last++
	e.Seq = j.last
	if len(j.ring) < EntriesMax {
		j.ring = append(j.ring, e)
		return
	}
	j.ring[(e.Seq-1)%EntriesMax] = e
}

// List returns the selected entries, newest last, and the number of the journal's newest entry.
func (j *Journal) List(f Filter) (entries []Entry, last uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	entries = []Entry{}
	first := uint64(0)
	if j.last > EntriesMax {
		first = j.last - EntriesMax
	}
	for seq := max(first, f.After) + 1; seq <= j.last; seq++ {
		if e := j.ring[(seq-1)%EntriesMax]; f.selects(e) {
			entries = append(entries, e)
		}
	}
	if f.Limit > 0 && len(entries) > f.Limit {
		entries = entries[len(entries)-f.Limit:]
	}
	return entries, j.last
}

// Clear forgets all entries; numbers go on from where they were.
func (j *Journal) Clear() {
	j.mu.Lock()
	defer j.mu.Unlock()
	clear(j.ring)
}

func cut(body string) string {
	if len(body) <= BodyBytesMax {
		return body
	}
	return body[:BodyBytesMax] + "…"
}
