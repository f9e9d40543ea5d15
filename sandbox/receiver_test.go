package sandbox_test

import (
	"crypto/rsa"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox"
)

// received is one notification as it arrived.
type received struct {
	id, event, serial string
	requestID         string
	raw               []byte
	verified          error  // of the signature
	opened            error  // of the decryption
	content           object // decrypted
}

// receiver is a merchant's notification endpoint.
type receiver struct {
	t      *testing.T
	server *httptest.Server
	keys   map[string]*rsa.PublicKey
	apiKey string

	mu      sync.Mutex
	answers func(n int, got received) int // status to answer the n-th (from 1) with
	got     []received
	arrived chan struct{}
}

func newReceiver(t *testing.T, c sandbox.Credentials) *receiver {
	r := &receiver{t: t, apiKey: c.WeChatPay.APIv3Key, arrived: make(chan struct{}, 1000), answers: func(int, received) int { return http.StatusNoContent }}
	r.server = httptest.NewServer(r)
	return r
}

func (r *receiver) url(path string) string { return r.server.URL + path }

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return
	}
	var envelope struct {
		ID        string `json:"id"`
		EventType string `json:"event_type"`
		Resource  struct {
			Nonce          string `json:"nonce"`
			AssociatedData string `json:"associated_data"`
			Ciphertext     string `json:"ciphertext"`
		} `json:"resource"`
	}
	got := received{raw: body, serial: request.Header.Get("Wechatpay-Serial"), requestID: request.Header.Get("Request-ID")}
	r.mu.Lock()
	got.verified = verify(r.keys, request.Header, body)
	r.mu.Unlock()
	if json.Unmarshal(body, &envelope) == nil {
		got.id, got.event = envelope.ID, envelope.EventType
		var plain []byte
		plain, got.opened = open(r.apiKey, envelope.Resource.Nonce, envelope.Resource.AssociatedData, envelope.Resource.Ciphertext)
		if got.opened == nil {
			json.Unmarshal(plain, &got.content) // a broken one shows as an empty object
		}
	}
	r.mu.Lock()
	r.got = append(r.got, got)
	status := r.answers(len(r.got), got)
	r.mu.Unlock()
	if status == http.StatusFound {
		w.Header().Set("Location", r.url("/elsewhere"))
	}
	w.WriteHeader(status)
	r.arrived <- struct{}{}
}

// answer sets the status for every notification from now on.
func (r *receiver) answer(status int) {
	r.answerWith(func(int, received) int { return status })
}

func (r *receiver) answerWith(answers func(int, received) int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers = answers
}

// wait waits for n more notifications and returns all so far.
func (r *receiver) wait(n int) []received {
	r.t.Helper()
	for range n {
		select {
		case <-r.arrived:
		case <-time.After(10 * time.Second):
			r.t.Fatalf("a notification did not arrive; so far %d", len(r.all()))
		}
	}
	return r.all()
}

func (r *receiver) all() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]received(nil), r.got...)
}
