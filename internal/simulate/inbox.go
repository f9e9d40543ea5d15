package simulate

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/tongbao-pay/tongbao/client"
)

// How an app's webhook endpoint misbehaves.
const (
	inboxFails   = "answers 500"            // and does nothing
	inboxForgets = "takes, and answers 500" // the app has the event and the gateway does not know
)

// inbox is an app's webhook endpoint. It verifies as the client's documentation says, and keeps what it has verified.
type inbox struct {
	secret string
	now    func() time.Time

	mu      sync.Mutex
	bodies  map[string][]byte // by the event's id
	times   int               // deliveries that were taken
	moods   []string          // how the next deliveries are met
	strange []string          // what no gateway should send
}

func (i *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, client.WebhookBodyMax))
	if err != nil {
		http.Error(w, "cannot be read", http.StatusBadRequest)
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	mood := ""
	if len(i.moods) > 0 {
		mood, i.moods = i.moods[0], i.moods[1:]
	}
	if mood == inboxFails {
		http.Error(w, "not today", http.StatusInternalServerError)
		return
	}
	event, err := client.VerifyWebhook([]string{i.secret}, r.Header, body, i.now())
	if err != nil {
		i.strange = append(i.strange, fmt.Sprintf("a webhook that cannot be verified: %v: %.200s", err, body))
		http.Error(w, "not verified", http.StatusUnauthorized)
		return
	}
	if known, again := i.bodies[event.ID]; again && !bytes.Equal(known, body) {
		i.strange = append(i.strange, fmt.Sprintf("event %s came with two contents:\n%s\n%s", event.ID, known, body))
	}
	i.bodies[event.ID] = body
	i.times++
	if mood == inboxForgets {
		http.Error(w, "who was that?", http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// meet sets how the next deliveries are met; none: well.
func (i *inbox) meet(mood string, times int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.moods = nil
	for range times {
		i.moods = append(i.moods, mood)
	}
}
