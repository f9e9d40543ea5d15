package payment

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
)

// The prefixes of ids: an id names its kind wherever it is met.
const (
	prefixPayment = "pay_"
	prefixAttempt = "att_"
	prefixRefund  = "rfd_"
	prefixEvent   = "evt_"
	prefixReview  = "rvw_"
)

func newID(prefix string, now time.Time) string {
	return prefix + ulid.MustNew(ulid.Timestamp(now), rand.Reader).String()
}

// chinaTime is where merchants read numbers; China keeps one zone and no daylight saving.
var chinaTime = time.FixedZone("UTC+8", 8*60*60)

// A number is 32 letters and digits, which every provider takes:
//
//	000109 20260309090203 P 00000C 7K2QX
//	the end of the merchant's number; China's date and time; a mark; a sequence; chance
//
// The mark says what it is and where its sequence was counted, so that the sequences need not know of each other. A
// refund has chance in the place of a sequence. Each part guards another: the sequence keeps one installation's numbers
// apart, the second keeps a sequence that was set back (a database restored from its backup, a Redis that forgot) from
// meeting its own past, and chance keeps two installations of one merchant apart.
const (
	markDatabase = 'P'
	markCounter  = 'Q'
	markRefund   = 'R'

	merchantLength = 6
	stampForm      = "20060102150405"
	sequenceLength = 6
	chanceLength   = 5
)

// digits are those of ids too: 32 in the order of ASCII, without the letters that people misread.
const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// blockSize is how many places of a sequence a process takes from the database at once, so that a number rarely costs a
// round trip. A process that ends leaves the rest of its block unused.
const blockSize = 1000

// Blocks hands out sequences durably; a [Store] does.
type Blocks interface {
	// ClaimNumbers takes the next count places of the merchant's sequence: first and those after it belong to the caller
	// alone, for ever. It must not be called inside a database transaction.
	ClaimNumbers(ctx context.Context, merchantID string, count int64) (first int64, err error)
}

// Counter counts numbers for all replicas at once, place by place. It may fail, and it may forget.
type Counter interface {
	NextNumber(ctx context.Context, merchantID, date string) (int64, error)
}

// Numbers makes the numbers under which providers know orders. Within one process those of a merchant sort in the
// order in which they were made; across processes they sort by the second. It is safe for concurrent use.
type Numbers struct {
	blocks  Blocks
	counter Counter
	logger  *slog.Logger

	mu    sync.Mutex
	lines map[string]*line // by merchant: as many as there are accounts
}

// NewNumbers returns the maker of numbers of one process. With a counter it asks there first, and the database when the
// counter gives no answer; nil: the database alone.
func NewNumbers(blocks Blocks, counter Counter, logger *slog.Logger) *Numbers {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Numbers{blocks: blocks, counter: counter, logger: logger, lines: map[string]*line{}}
}

// line is the numbers of one merchant.
type line struct {
	turn      chan struct{} // holds one token, the right to use next and end
	next, end int64         // what is left of the block

	mu     sync.Mutex
	latest place
}

// place is where a number stands among those of its merchant.
type place struct {
	second time.Time
	counts string // mark and sequence
}

func (p place) after(q place) bool {
	if p.second.Equal(q.second) {
		return p.counts > q.counts
	}
	return p.second.After(q.second)
}

// Trade makes a number for an order. Nobody else is given it, whether or not it comes to be used.
func (n *Numbers) Trade(ctx context.Context, merchantID string, now time.Time) (string, error) {
	l := n.line(merchantID)
	before := l.last()
	second := now.In(chinaTime).Truncate(time.Second)
	if second.Before(before.second) {
		second = before.second // the clock was set back
	}
	counts, err := n.count(ctx, l, merchantID, second)
	if err != nil {
		return "", fmt.Errorf("take a trade number: %w", err)
	}
	p := place{second, counts}
	if !p.after(before) { // the counter forgot, or the other sequence goes on
		p.second = before.second.Add(time.Second)
	}
	l.reached(p)
	return merchantPart(merchantID) + p.second.Format(stampForm) + p.counts + chance(chanceLength), nil
}

func (n *Numbers) line(merchantID string) *line {
	n.mu.Lock()
	defer n.mu.Unlock()
	l, ok := n.lines[merchantID]
	if !ok {
		l = &line{turn: make(chan struct{}, 1)}
		l.turn <- struct{}{}
		n.lines[merchantID] = l
	}
	return l
}

// count returns a mark and a place in its sequence.
func (n *Numbers) count(ctx context.Context, l *line, merchantID string, second time.Time) (string, error) {
	if n.counter != nil {
		i, err := n.counter.NextNumber(ctx, merchantID, second.Format(time.DateOnly))
		if err == nil {
			return string(markCounter) + sequence(i), nil
		}
		n.logger.DebugContext(ctx, "a number is counted by the database instead", "error", err)
	}
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case <-l.turn:
	}
	defer func() { l.turn <- struct{}{} }()
	if l.next == l.end {
		first, err := n.blocks.ClaimNumbers(ctx, merchantID, blockSize)
		if err != nil {
			return "", err
		}
		l.next, l.end = first, first+blockSize
	}
	l.next++
	return string(markDatabase) + sequence(l.next-1), nil
}

func (l *line) last() place {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.latest
}

func (l *line) reached(p place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.after(l.latest) {
		l.latest = p
	}
}

// refundNumber makes a number for a refund: by chance alone, because it is made while a transition is decided, which
// has no outside effect. Of 55 bits within one second and merchant none meets another, and the database refuses one
// that does before it is sent.
func refundNumber(merchantID string, now time.Time) string {
	return merchantPart(merchantID) + now.In(chinaTime).Format(stampForm) + string(markRefund) + chance(sequenceLength+chanceLength)
}

// merchantPart is the end of a merchant's number, which people tell merchants apart by.
func merchantPart(merchantID string) string {
	plain := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, merchantID)
	padded := strings.Repeat("0", merchantLength) + plain
	return padded[len(padded)-merchantLength:]
}

// sequence writes i with digits. After a thousand million it begins again; by then the second is another.
func sequence(i int64) string {
	var b [sequenceLength]byte
	for at := range b {
		b[sequenceLength-1-at] = digits[i&31]
		i >>= 5
	}
	return string(b[:])
}

func chance(length int) string {
	b := make([]byte, length)
	rand.Read(b)
	for i := range b {
		b[i] = digits[b[i]&31]
	}
	return string(b)
}
