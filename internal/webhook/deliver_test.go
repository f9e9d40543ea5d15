package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// app is a receiver that remembers what it got and answers as told.
type app struct {
	*httptest.Server
	mu     sync.Mutex
	answer http.HandlerFunc
	got    []received
}

type received struct {
	method string
	header http.Header
	body   []byte
}

func newApp(t *testing.T, answer http.HandlerFunc) *app {
	t.Helper()
	a := &app{answer: answer}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		a.mu.Lock()
		a.got = append(a.got, received{r.Method, r.Header.Clone(), body})
		answer := a.answer
		a.mu.Unlock()
		if answer != nil {
			answer(w, r)
		}
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *app) requests() []received {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.got)
}

func (a *app) answers(answer http.HandlerFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = answer
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func verifies(t *testing.T, secret string, r received) bool {
	t.Helper()
	wh, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	return wh.VerifyIgnoringTimestamp(r.body, r.header) == nil
}

func TestDeliver(t *testing.T) {
	t.Parallel()

	t.Run("PostsTheSignedEventOnceAndIsDone", func(t *testing.T) {
		t.Parallel()
		a, b := newApp(t, status(http.StatusNoContent)), setup(t, nil)
		e, secret := b.endpoint(t, a.URL+"/hook?x=1")
		id := b.webhook(e)
		d, again := b.deliver(t, id)
		if !d.Success || d.StatusCode != http.StatusNoContent || d.Try != 1 || !again.IsZero() || b.state(id) != Delivered {
			t.Errorf("got %+v, again %v, %s", d, again, b.state(id))
		}
		got := a.requests()
		if len(got) != 1 {
			t.Fatalf("%d requests", len(got))
		}
		if got[0].method != http.MethodPost || string(got[0].body) != string(b.store.webhooks[id].Body) {
			t.Errorf("got %s %s", got[0].method, got[0].body)
		}
		for header, want := range map[string]string{
			"Content-Type": "application/json", "User-Agent": "Tongbao-Webhook", "Webhook-Id": "evt_" + id,
			"Webhook-Timestamp": fmt.Sprint(b.clock.Now().Unix()), "Accept-Encoding": "",
		} {
			if value := got[0].header.Get(header); value != want {
				t.Errorf("%s: %q, want %q", header, value, want)
			}
		}
		if !verifies(t, secret, got[0]) {
			t.Error("the signature does not verify with the reference library")
		}
		got[0].body = append(got[0].body, ' ')
		if verifies(t, secret, got[0]) {
			t.Error("the signature verifies another body")
		}
	})

	t.Run("JobThatRunsTwiceDeliversOnce", func(t *testing.T) {
		t.Parallel()
		a, b := newApp(t, nil), setup(t, nil)
		e, _ := b.endpoint(t, a.URL)
		id := b.webhook(e)
		b.deliver(t, id)
		again, err := b.Deliver(t.Context(), shop, id)
		if err != nil || !again.IsZero() || len(a.requests()) != 1 || len(b.store.deliveries) != 1 {
			t.Errorf("again %v, %v, %d requests", again, err, len(a.requests()))
		}
	})

	t.Run("JobThatRunsEarlyWaits", func(t *testing.T) {
		t.Parallel()
		a, b := newApp(t, status(500)), setup(t, nil)
		e, _ := b.endpoint(t, a.URL)
		id := b.webhook(e)
		_, next := b.deliver(t, id)
		again, err := b.Deliver(t.Context(), shop, id)
		if err != nil || !again.Equal(next) || len(a.requests()) != 1 {
			t.Errorf("again %v, %v, want %v and no request", again, err, next)
		}
	})

	t.Run("FailureIsTriedOnTheScheduleWithTheSameIDThenGivenUp", func(t *testing.T) {
		t.Parallel()
		a, b := newApp(t, status(503)), setup(t, nil)
		e, secret := b.endpoint(t, a.URL)
		id := b.webhook(e)
		gaps := []time.Duration{
			5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
			10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
		}
		for i, gap := range gaps {
			d, again := b.deliver(t, id)
			if wait := again.Sub(b.clock.Now()); wait < gap || wait > gap+gap/10 {
				t.Errorf("try %d waits %v, want %v and a tenth at most", i+1, wait, gap)
			}
			if d.Success || d.StatusCode != http.StatusServiceUnavailable || d.Try != i+1 || b.state(id) != Pending {
				t.Errorf("got %+v, %s", d, b.state(id))
			}
			b.clock.set(again)
		}
		if d, again := b.deliver(t, id); d.Try != 10 || !again.IsZero() || b.state(id) != Dead {
			t.Errorf("the last try: %+v, again %v, %s", d, again, b.state(id))
		}
		stamps := map[string]bool{}
		for _, r := range a.requests() {
			if r.header.Get("Webhook-Id") != "evt_"+id || !verifies(t, secret, r) {
				t.Errorf("a try with other headers: %v", r.header)
			}
			stamps[r.header.Get("Webhook-Timestamp")] = true
		}
		if len(stamps) != 10 {
			t.Errorf("%d timestamps in 10 tries: a receiver would take the later ones for replays", len(stamps))
		}
	})

	t.Run("OnlyTwoHundredsAreSuccess", func(t *testing.T) {
		t.Parallel()
		a, b := newApp(t, nil), setup(t, nil)
		for _, code := range []int{200, 201, 202, 204, 299, 300, 301, 302, 304, 307, 308, 400, 401, 404, 409, 429, 500, 502, 599} {
			e, _ := b.endpoint(t, a.URL)
			a.answers(status(code))
			d, again := b.deliver(t, b.webhook(e))
			if want := code < 300; d.Success != want || d.StatusCode != code || again.IsZero() != want {
				t.Errorf("%d: %+v, again %v", code, d, again)
			}
		}
	})

	t.Run("RedirectIsNotFollowed", func(t *testing.T) {
		t.Parallel()
		target := newApp(t, nil)
		a, b := newApp(t, http.RedirectHandler(target.URL, http.StatusTemporaryRedirect).ServeHTTP), setup(t, nil)
		e, _ := b.endpoint(t, a.URL)
		d, _ := b.deliver(t, b.webhook(e))
		if d.Success || d.StatusCode != http.StatusTemporaryRedirect || len(target.requests()) != 0 || !strings.Contains(d.Error, "final URL") {
			t.Errorf("got %+v, %d requests at the target", d, len(target.requests()))
		}
	})

	t.Run("GoneDisablesTheEndpointAndNothingMoreIsSent", func(t *testing.T) {
		t.Parallel()
		a, b := newApp(t, status(http.StatusGone)), setup(t, nil)
		e, _ := b.endpoint(t, a.URL)
		first, second := b.webhook(e), b.webhook(e)
		b.store.conflicts = 1
		d, again := b.deliver(t, first)
		stored, err := b.Endpoint(t.Context(), shop, e.ID)
		if err != nil || !stored.Disabled || !strings.Contains(stored.DisabledWhy, "410") {
			t.Errorf("the endpoint: %+v, %v", stored, err)
		}
		if d.StatusCode != http.StatusGone || !again.IsZero() || b.state(first) != Dead {
			t.Errorf("got %+v, again %v, %s", d, again, b.state(first))
		}
		d, again = b.deliver(t, second)
		if !again.IsZero() || b.state(second) != Dead || !strings.Contains(d.Error, "disabled") || d.StatusCode != 0 {
			t.Errorf("got %+v, again %v, %s", d, again, b.state(second))
		}
		if n := len(a.requests()); n != 1 {
			t.Errorf("%d requests", n)
		}
	})

	t.Run("GoneFromAURLThatWasJustReplacedDisablesNothing", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		var e Endpoint
		a := newApp(t, func(w http.ResponseWriter, _ *http.Request) {
			moved := "https://new.example.com/"
			if _, err := b.UpdateEndpoint(t.Context(), shop, e.ID, EndpointSettings{URL: &moved}); err != nil {
				t.Error(err)
			}
			w.WriteHeader(http.StatusGone)
		})
		e, _ = b.endpoint(t, a.URL)
		id := b.webhook(e)
		if _, again := b.deliver(t, id); again.IsZero() || b.state(id) != Pending {
			t.Errorf("again %v, %s", again, b.state(id))
		}
		if stored, _ := b.Endpoint(t.Context(), shop, e.ID); stored.Disabled {
			t.Error("the new URL was disabled for the old one's answer")
		}
	})

	t.Run("RetryAfterPutsOffButNeverBringsForwardAndIsCapped", func(t *testing.T) {
		t.Parallel()
		a, b := newApp(t, nil), setup(t, nil)
		for header, want := range map[string]time.Duration{
			"3600": time.Hour, "1": 5 * time.Second, "0": 5 * time.Second, "-5": 5 * time.Second, "soon": 5 * time.Second, "": 5 * time.Second,
			"31536000": 24 * time.Hour, "99999999999999999999999": 24 * time.Hour, "86401": 24 * time.Hour,
			b.clock.Now().Add(2 * time.Hour).Format(http.TimeFormat):    2*time.Hour - 678*time.Millisecond,
			b.clock.Now().Add(-2 * time.Hour).Format(http.TimeFormat):   5 * time.Second,
			b.clock.Now().Add(9000 * time.Hour).Format(http.TimeFormat): 24 * time.Hour,
		} {
			e, _ := b.endpoint(t, a.URL)
			a.answers(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", header)
				w.WriteHeader(http.StatusTooManyRequests)
			})
			_, again := b.deliver(t, b.webhook(e))
			if wait := again.Sub(b.clock.Now()); wait < want || wait > want+500*time.Millisecond {
				t.Errorf("Retry-After %q waits %v, want %v", header, wait, want)
			}
		}
	})

	t.Run("DeletedEndpointEndsTheJob", func(t *testing.T) {
		t.Parallel()
		a, b := newApp(t, nil), setup(t, nil)
		e, _ := b.endpoint(t, a.URL)
		id := b.webhook(e)
		if err := b.DeleteEndpoint(t.Context(), shop, e.ID); err != nil {
			t.Fatal(err)
		}
		again, err := b.Deliver(t.Context(), shop, id)
		if err != nil || !again.IsZero() || len(a.requests()) != 0 {
			t.Errorf("again %v, %v", again, err)
		}
	})

	t.Run("StoreThatIsDownIsAnErrorAndNothingIsSent", func(t *testing.T) {
		t.Parallel()
		a, b := newApp(t, nil), setup(t, nil)
		e, _ := b.endpoint(t, a.URL)
		id := b.webhook(e)
		b.store.down = errors.New("connection refused")
		if _, err := b.Deliver(t.Context(), shop, id); !errors.Is(err, b.store.down) || len(a.requests()) != 0 {
			t.Errorf("%v, %d requests", err, len(a.requests()))
		}
	})

	t.Run("TryThatCouldNotBeRecordedIsMadeAgainUnderTheSameID", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		a := newApp(t, func(http.ResponseWriter, *http.Request) {
			b.store.mu.Lock()
			defer b.store.mu.Unlock()
			b.store.webhooks["whk_1"] = Webhook{ID: "whk_1", Tries: 7} // the commit fails, and leaves nothing
		})
		e, _ := b.endpoint(t, a.URL)
		id := b.webhook(e)
		kept := b.store.webhooks[id]
		failing := *b.Service
		failing.store = recordFails{b.store}
		if again, err := failing.Deliver(t.Context(), shop, id); !errors.Is(err, errRecord) || !again.IsZero() {
			t.Fatalf("again %v, %v", again, err)
		}
		b.store.webhooks[id] = kept
		a.answers(nil)
		b.deliver(t, id)
		got := a.requests()
		if len(got) != 2 || got[0].header.Get("Webhook-Id") != got[1].header.Get("Webhook-Id") {
			t.Errorf("got %d requests", len(got))
		}
	})

	t.Run("ObserverHearsTheResultAndTheDelaySinceTheEvent", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		a := newApp(t, func(w http.ResponseWriter, _ *http.Request) {
			b.clock.advance(2 * time.Second) // a slow receiver
			w.WriteHeader(http.StatusInternalServerError)
		})
		e, _ := b.endpoint(t, a.URL)
		id := b.webhook(e)
		b.clock.advance(time.Second) // a late job
		_, again := b.deliver(t, id)
		a.answers(nil)
		b.clock.set(again)
		b.deliver(t, id)
		heard := b.observer.all
		if len(heard) != 2 || heard[0].state != Pending || heard[0].sinceEvent != 3*time.Second || heard[0].delivery.Duration != 2*time.Second {
			t.Fatalf("heard %+v", heard)
		}
		if heard[1].state != Delivered || !heard[1].delivery.Success || heard[1].sinceEvent < 8*time.Second {
			t.Errorf("heard %+v", heard[1])
		}
	})
}

var errRecord = errors.New("disk full")

// recordFails is a store that cannot commit a try.
type recordFails struct{ *memory }

func (recordFails) RecordDelivery(context.Context, Delivery, int64, State, time.Time) (bool, error) {
	return false, errRecord
}
