package journeys_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/client"
)

// inbox is an app's webhook endpoint: it verifies as an app does and keeps what it received.
type inbox struct {
	t      *testing.T
	server *httptest.Server

	mu       sync.Mutex
	secret   string
	received []received
	news     chan struct{} // closed and replaced at each webhook
}

// received is one verified webhook.
type received struct {
	*client.Event
	header http.Header
	body   []byte
}

// openInbox subscribes a new endpoint to all events of the client's app.
func openInbox(t *testing.T, c *client.Client) *inbox {
	t.Helper()
	i := newInbox(t)
	i.subscribe(c)
	return i
}

func newInbox(t *testing.T) *inbox {
	t.Helper()
	i := &inbox{t: t, news: make(chan struct{})}
	i.server = httptest.NewServer(i)
	t.Cleanup(i.server.Close)
	return i
}

func (i *inbox) subscribe(c *client.Client) {
	i.t.Helper()
	endpoint, err := c.CreateWebhookEndpoint(i.t.Context(), client.CreateWebhookEndpoint{URL: i.server.URL + "/webhooks"})
	if err != nil {
		i.t.Fatal(err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.secret = string(endpoint.Secret)
}

func (i *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, client.WebhookBodyMax))
	if err != nil {
		w.WriteHeader(http.StatusBadRequest) // the sender was killed
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	event, err := client.VerifyWebhook([]string{i.secret}, r.Header, body, time.Now())
	if err != nil {
		i.t.Errorf("a webhook does not verify: %v", err)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	i.received = append(i.received, received{event, r.Header.Clone(), body})
	close(i.news)
	i.news = make(chan struct{})
	w.WriteHeader(http.StatusNoContent)
}

// all are the webhooks so far, in the order of their arrival, and a channel that is closed when there is another.
func (i *inbox) all() ([]received, <-chan struct{}) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.received), i.news
}

// wait returns the event of a type about a resource, waiting for its webhook. Delivered twice, it is still one event.
func (i *inbox) wait(eventType, resourceID string) received {
	i.t.Helper()
	end := time.After(patience)
	for {
		all, news := i.all()
		var found *received
		for k := range all {
			if all[k].Type != eventType || resourceOf(i.t, all[k].Event).ID != resourceID {
				continue
			}
			if found != nil && found.ID != all[k].ID {
				i.t.Fatalf("%s about %s came as two events: %s and %s", eventType, resourceID, found.ID, all[k].ID)
			}
			found = &all[k]
		}
		if found != nil {
			return *found
		}
		select {
		case <-end:
			i.t.Fatalf("no webhook %s about %s within %s", eventType, resourceID, patience)
		case <-i.t.Context().Done():
			i.t.Fatal("the test is over")
		case <-news:
		}
	}
}
