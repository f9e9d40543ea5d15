package journeys_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/client"
	"github.com/tongbao-pay/tongbao/internal/server"
)

// front stands before a receiver as a load balancer does, and can fail at the next request.
type front struct {
	server   *httptest.Server
	receiver http.Handler

	mu    sync.Mutex
	next  wrong
	about string // in the body of the request that it happens to

	carried sync.WaitGroup // what goes wrong and takes effect
}

func openFront(t *testing.T) *front {
	t.Helper()
	f := &front{}
	f.server = httptest.NewServer(f)
	t.Cleanup(f.server.Close)
	return f
}

// fails has the next request about something go wrong.
func (f *front) fails(how wrong, about string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next, f.about = how, about
}

// takesEffect reports whether the receiver does what the request wants, although it goes wrong.
func (how wrong) takesEffect() bool {
	return slices.Contains([]wrong{answerLost, failedDone, truncated, slow}, how)
}

func (f *front) take(body []byte) (how wrong) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !bytes.Contains(body, []byte(f.about)) {
		return ""
	}
	if how, f.next = f.next, ""; how.takesEffect() {
		f.carried.Add(1)
	}
	return how
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, client.WebhookBodyMax))
	if err != nil {
		panic(http.ErrAbortHandler) // the sender is gone
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	how := f.take(body)
	if how.takesEffect() {
		f.carryOut(r, body)
	}
	switch how {
	case refused:
		w.WriteHeader(http.StatusForbidden)
	case unreachable, requestLost, answerLost:
		panic(http.ErrAbortHandler)
	case failed, failedDone:
		w.WriteHeader(http.StatusInternalServerError)
	case tooFast:
		w.WriteHeader(http.StatusTooManyRequests)
	case truncated:
		w.Header().Set("Content-Length", "100")
		w.WriteHeader(http.StatusOK)
		w.Write([]byte("{"))
		panic(http.ErrAbortHandler)
	case slow:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	default:
		f.receiver.ServeHTTP(w, r)
	}
}

// carryOut has the receiver do what the request wants, whether or not the sender still waits. A busy machine may not
// get it done at once.
func (f *front) carryOut(r *http.Request, body []byte) {
	defer f.carried.Done()
	for range 10 {
		request := r.Clone(context.WithoutCancel(r.Context()))
		request.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		if f.receiver.ServeHTTP(answer, request); answer.Code < http.StatusInternalServerError {
			return
		}
	}
}

// openNotified has a front before the gateway.
func openNotified(t *testing.T, e engine) (w *world, timePasses func()) {
	f := openFront(t)
	w = open(t, e, func(o *server.Options) { o.Config.PublicURL = f.server.URL })
	gateway, err := url.Parse(w.gateway.URL())
	if err != nil {
		t.Fatal(err)
	}
	f.receiver = httputil.NewSingleHostReverseProxy(gateway)
	w.front = f
	return w, func() { w.provider.advance(15 * time.Second) }
}

func notificationWrong(w *world, f wrong) (told string, ends func(*world) string) {
	p := w.create(100)
	patient := "30s" // with a busy machine
	if f == slow {
		patient = "5s"
	}
	w.provider.set(object{"notify_timeout": patient})
	switch f {
	case badSigned, probe, stale:
		rule := object{"operation": "notify/payment", "times": 1, "match": object{"out_trade_no": p.TradeNo}}
		rule["effect"] = atProvider[f]["effect"]
		w.provider.fault(rule)
	default:
		w.front.fails(f, "")
	}
	w.provider.pays(p.TradeNo)
	told = "no answer"
	if status := w.notified(p.TradeNo, 1)[0].Status; status != 0 {
		told = strconv.Itoa(status)
	}
	w.front.carried.Wait() // a busy machine may not be done when the provider has stopped waiting
	told += ", `" + w.status(p) + "`"
	return told, func(w *world) string {
		eventually(w.t, func() error { return w.is(p.ID, client.PaymentSucceeded) })
		return "`" + w.status(p) + "`, told by " + w.toldTypes(p.ID)
	}
}

func (w *world) status(p *client.Payment) string {
	w.t.Helper()
	now, err := w.client.Payment(w.t.Context(), p.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return now.Status
}

// openHooked has a front before the app.
func openHooked(t *testing.T, e engine) (w *world, timePasses func()) {
	var c clock
	w = open(t, e, c.set)
	w.front = openFront(t)
	w.front.receiver = w.inbox
	w.tellsAt(w.front.server.URL)
	return w, func() { c.advance(6 * time.Second) }
}

func webhookWrong(w *world, f wrong) (told string, ends func(*world) string) {
	p := w.create(100)
	w.inbox.wait(client.EventPaymentCreated, p.ID)
	w.front.fails(f, p.ID)
	if _, err := w.client.ClosePayment(w.t.Context(), p.ID); err != nil {
		w.t.Fatal(err)
	}
	eventually(w.t, func() error { // it has been tried: what goes wrong next is another's
		w.front.mu.Lock()
		defer w.front.mu.Unlock()
		if w.front.next != "" {
			return errors.New("not tried yet")
		}
		return nil
	})
	if f == slow {
		told = "no answer"
	} else {
		told = w.firstTry(p)
	}
	return told, func(w *world) string {
		var tries []client.WebhookDelivery
		event := w.eventOf(p, client.EventPaymentClosed)
		eventually(w.t, func() error {
			page, err := w.client.ListWebhookDeliveries(w.t.Context(), client.WebhookDeliveryQuery{EventID: event, Limit: 100})
			if err != nil {
				return err
			}
			if tries = page.Data; len(tries) == 0 || tries[0].State != "delivered" {
				return fmt.Errorf("the webhook is not delivered: %+v", tries)
			}
			return nil
		})
		received := 0
		all, _ := w.inbox.all()
		for _, r := range all {
			if r.ID == event {
				received++
			}
		}
		return fmt.Sprintf("delivered at try %d, received %d× with one id", len(tries), received)
	}
}

// firstTry is what the first try of a payment's last webhook came to.
func (w *world) firstTry(p *client.Payment) (told string) {
	w.t.Helper()
	event := w.eventOf(p, client.EventPaymentClosed)
	eventually(w.t, func() error {
		page, err := w.client.ListWebhookDeliveries(w.t.Context(), client.WebhookDeliveryQuery{EventID: event, Limit: 100})
		if err != nil {
			return err
		}
		if len(page.Data) == 0 {
			return errors.New("no try is recorded")
		}
		first := page.Data[len(page.Data)-1]
		told = "no answer"
		if first.StatusCode != 0 {
			told = strconv.Itoa(first.StatusCode)
		}
		if first.Success {
			told += ", received"
		}
		return nil
	})
	return told
}

// eventOf is the id of a payment's event of a type, which may be listed a moment after it is committed.
func (w *world) eventOf(p *client.Payment, eventType string) (id string) {
	w.t.Helper()
	eventually(w.t, func() error {
		for e, err := range w.client.PaymentEvents(w.t.Context(), p.ID) {
			if err != nil {
				return err
			}
			if e.Type == eventType {
				id = e.ID
				return nil
			}
		}
		return fmt.Errorf("payment %s has no event %s", p.ID, eventType)
	})
	return id
}

// tellsAt moves the shop's endpoint.
func (w *world) tellsAt(location string) {
	w.t.Helper()
	endpoints, err := w.client.ListWebhookEndpoints(w.t.Context())
	if err != nil || len(endpoints) != 1 {
		w.t.Fatalf("the shop's endpoints: %v, %v", endpoints, err)
	}
	if _, err := w.client.UpdateWebhookEndpoint(w.t.Context(), endpoints[0].ID, client.UpdateWebhookEndpoint{URL: &location}); err != nil {
		w.t.Fatal(err)
	}
}
