package demo

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/tongbao-pay/tongbao/client"
)

// inbox is an app's webhook endpoint that keeps what it could verify.
type inbox struct {
	listener net.Listener
	server   *http.Server

	mu       sync.Mutex
	secret   string
	events   []receivedEvent
	refused  int
	received chan struct{} // closed and replaced at each event
}

type receivedEvent struct {
	*client.Event
	received time.Time
}

func newInbox(ctx context.Context) (*inbox, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", anyPort)
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	i := &inbox{listener: l, received: make(chan struct{})}
	i.server = &http.Server{Handler: http.HandlerFunc(i.serve), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = i.server.Serve(l) }() // ends at close
	return i, nil
}

func (i *inbox) url() string { return "http://" + i.listener.Addr().String() + "/webhooks" }

func (i *inbox) close() { _ = i.server.Close() }

func (i *inbox) trust(secret string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.secret = secret
}

func (i *inbox) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	event, err := client.VerifyWebhook([]string{i.secret}, r.Header, body, time.Now())
	if err != nil {
		i.refused++
		http.Error(w, "signature not valid", http.StatusUnauthorized)
		return
	}
	i.events = append(i.events, receivedEvent{event, time.Now()})
	close(i.received)
	i.received = make(chan struct{})
	w.WriteHeader(http.StatusNoContent)
}

// wait returns the one event of a type about a resource, waiting for it. A second delivery of the same event is
// normal; a second event is not.
func (i *inbox) wait(ctx context.Context, eventType, resourceID string) (receivedEvent, error) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	for {
		i.mu.Lock()
		var found *receivedEvent
		for k := range i.events {
			e := &i.events[k]
			if e.Type != eventType || resourceOf(e.Event) != resourceID {
				continue
			}
			if found != nil && found.ID != e.ID {
				i.mu.Unlock()
				return receivedEvent{}, fmt.Errorf("%s came as two events: %s and %s", eventType, found.ID, e.ID)
			}
			found = e
		}
		next, refused := i.received, i.refused
		i.mu.Unlock()
		if found != nil {
			return *found, nil
		}
		select {
		case <-ctx.Done():
			return receivedEvent{}, fmt.Errorf("no verified webhook %s about %s within %s (%d were refused)", eventType, resourceID, stepTimeout, refused)
		case <-next:
		}
	}
}

func resourceOf(e *client.Event) string {
	if p, err := e.Payment(); err == nil {
		return p.ID
	}
	if r, err := e.Refund(); err == nil {
		return r.ID
	}
	return ""
}
