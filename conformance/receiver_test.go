package conformance_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// received is one notification as it arrived.
type received struct {
	header http.Header
	body   []byte
}

// request is the notification as a handler would see it; each caller has one of its own to consume.
func (r received) request() *http.Request {
	request := httptest.NewRequest(http.MethodPost, "/notify", bytes.NewReader(r.body))
	request.Header = r.header.Clone()
	return request
}

// receiver is a merchant's notification endpoint that acknowledges everything and keeps it.
type receiver struct {
	t       *testing.T
	server  *httptest.Server
	arrived chan received
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{t: t, arrived: make(chan received, 100)}
	r.server = httptest.NewServer(r)
	t.Cleanup(r.server.Close)
	return r
}

func (r *receiver) url() string { return r.server.URL + "/notify" }

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
	r.arrived <- received{request.Header.Clone(), body}
}

// wait returns the next notification.
func (r *receiver) wait() received {
	r.t.Helper()
	select {
	case got := <-r.arrived:
		return got
	case <-time.After(10 * time.Second):
		r.t.Fatal("no notification arrived")
		return received{}
	}
}
