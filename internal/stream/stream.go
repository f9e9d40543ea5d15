// Package stream publishes events to NATS JetStream, for those who would rather read a stream than take webhooks. The
// events wait in the database until the stream has them; nothing else waits for NATS.
package stream

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/store"
)

const (
	batch    = 200                    // events between two notes of how far the stream has come: as many are sent again after a crash
	idle     = 200 * time.Millisecond // between two looks for events
	turn     = 2 * time.Second        // between two looks whether another replica still feeds the stream
	pauseMin = 500 * time.Millisecond // after a failure, doubled by each that follows
	pauseMax = 30 * time.Second
	noteMax  = 5 * time.Second // for the note of how far the stream has come
)

// Observer sees what is published, for metrics. It must not block.
type Observer interface {
	// Streamed hears of an event that the stream has now, and how long ago it was made.
	Streamed(sinceEvent time.Duration)
	StreamFailed()
}

// Config is what a [Relay] needs.
type Config struct {
	URL         string // of NATS, nats:// or tls://, password or token included; several are separated by commas
	Credentials string // the content of a file of NATS credentials. Empty: none
	Name        string // of the stream in JetStream, and the beginning of every subject
	PublicURL   string // of the gateway, the beginning of every event's source
	Store       *store.Store
	Observer    Observer
	Now         func() time.Time
	Logger      *slog.Logger
}

// Relay feeds the stream: every event at least once, each app's in the order of their commits. Of all replicas on a
// database one does at a time, and whoever cannot reach NATS lets others try.
type Relay struct {
	config Config
	state  state
	reason string // of the last failure that was logged
	turn   string // the app that was served last, so that one whose event is refused does not keep the others from theirs
}

// state is what was last said in the log.
type state int

const (
	unsaid state = iota
	working
	failing
)

// New returns a relay that does nothing yet. It is for one goroutine.
func New(c Config) *Relay { return &Relay{config: c} }

// Run publishes until ctx ends. Failures are logged, once for each reason, and tried again.
func (r *Relay) Run(ctx context.Context) {
	pause := pauseMin
	for {
		err := r.feed(ctx, func() { pause = pauseMin })
		if ctx.Err() != nil {
			return
		}
		next := turn
		if !errors.Is(err, store.ErrStreamed) {
			r.failed(ctx, err)
			next, pause = pause, min(2*pause, pauseMax)
		}
		if !wait(ctx, next) {
			return
		}
	}
}

// wait reports whether ctx lasted.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// feed publishes until something fails, and calls well whenever all is.
func (r *Relay) feed(ctx context.Context, well func()) error {
	events, err := r.config.Store.OpenStream(ctx)
	if err != nil {
		return err
	}
	defer events.Close(ctx)
	events.Turn = r.turn
	defer func() { r.turn = events.Turn }()
	to, err := r.connect(ctx)
	if err != nil {
		return err
	}
	defer to.close()
	for {
		some, err := r.publish(ctx, events, to)
		if err != nil {
			return err
		}
		well()
		r.works(ctx, to)
		if !some && !wait(ctx, idle) {
			return ctx.Err()
		}
	}
}

// publish sends the next events, one after the other, and notes how far it came; it reports whether there were any. Sending
// an event before the one before it is in the stream would be faster, and would put it first where that one is lost.
func (r *Relay) publish(ctx context.Context, source *store.Stream, to *jet) (some bool, err error) {
	events, err := source.Next(ctx, batch)
	if err != nil {
		return false, err
	}
	if len(events) == 0 {
		return false, to.check()
	}
	sent := 0
	for _, e := range events {
		if err = r.send(ctx, to, e); err != nil {
			break
		}
		sent++
	}
	if sent == 0 {
		return true, err
	}
	noting, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteMax) // also when the process is stopping
	defer cancel()
	return true, errors.Join(err, source.Sent(noting, events[sent-1]))
}

func (r *Relay) send(ctx context.Context, to *jet, e payment.Event) error {
	m, err := r.message(e)
	if err != nil {
		return err
	}
	if err := to.publish(ctx, m, e.ID); err != nil {
		return err
	}
	r.config.Observer.Streamed(r.config.Now().Sub(e.CreatedAt))
	return nil
}

func (r *Relay) works(ctx context.Context, to *jet) {
	if r.state != working {
		r.config.Logger.InfoContext(ctx, "events are published to the stream", "stream", r.config.Name, "server", to.server())
	}
	r.state, r.reason = working, ""
}

func (r *Relay) failed(ctx context.Context, err error) {
	r.config.Observer.StreamFailed()
	if reason := err.Error(); r.state != failing || reason != r.reason {
		r.config.Logger.ErrorContext(ctx, "events are not published to the stream: they are kept, and published when it takes them again", "stream", r.config.Name, "error", reason)
		r.state, r.reason = failing, reason
	}
}
