package webhook

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/secret"
)

// memory is a [Store] that keeps the interface's promises and complains when the service breaks its own.
type memory struct {
	t          *testing.T
	mu         sync.Mutex
	endpoints  map[string]Endpoint
	webhooks   map[string]Webhook
	deliveries []Delivery
	conflicts  int // how many times somebody else is faster
	down       error
}

func (m *memory) PutEndpoint(_ context.Context, e Endpoint) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conflicts > 0 {
		m.conflicts--
		return ErrConflict
	}
	stored, exists := m.endpoints[e.ID]
	if exists != (e.Version != 0) || stored.Version != e.Version {
		return ErrConflict
	}
	if len(e.SealedSecrets) == 0 || !e.SealedSecrets[0].ExpiresAt.IsZero() || e.Disabled != (e.DisabledWhy != "") {
		m.t.Errorf("an endpoint that cannot be: %+v", e)
	}
	for _, s := range e.SealedSecrets {
		if bytes.Contains(s.Sealed, []byte("whsec_")) {
			m.t.Error("a secret is stored in the clear")
		}
	}
	e.Version++
	m.endpoints[e.ID] = e
	return m.down
}

func (m *memory) EndpointByID(_ context.Context, appID, id string) (Endpoint, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.endpoints[id]
	if !ok || e.AppID != appID {
		return Endpoint{}, ErrNotFound
	}
	return e, m.down
}

func (m *memory) EndpointsOfApp(_ context.Context, appID string) ([]Endpoint, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []Endpoint
	for _, e := range m.endpoints {
		if e.AppID == appID {
			list = append(list, e)
		}
	}
	return list, m.down
}

func (m *memory) DeleteEndpoint(_ context.Context, appID, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, ok := m.endpoints[id]; !ok || e.AppID != appID {
		return ErrNotFound
	}
	delete(m.endpoints, id)
	return m.down
}

func (m *memory) WebhookByID(_ context.Context, appID, id string) (Webhook, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down != nil {
		return Webhook{}, m.down
	}
	w, ok := m.webhooks[id]
	if !ok || w.AppID != appID {
		return Webhook{}, ErrNotFound
	}
	if w.Endpoint, ok = m.endpoints[w.EndpointID]; !ok {
		return Webhook{}, ErrNotFound
	}
	return w, nil
}

func (m *memory) RecordDelivery(ctx context.Context, d Delivery, round int64, state State, next time.Time) (moved bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	w := m.webhooks[d.WebhookID]
	moved = round == w.Round && w.State != Delivered
	switch {
	case moved && d.Try != w.Tries+1:
		m.t.Errorf("try %d follows %d tries", d.Try, w.Tries)
	case d.Success != (d.Error == "") || d.Success != (state == Delivered):
		m.t.Errorf("success %t with %q makes the webhook %s", d.Success, d.Error, state)
	case (state == Pending) == next.IsZero() || state == Pending && !next.After(d.At):
		m.t.Errorf("%s webhook is tried next at %v", state, next)
	case len(d.Error) > 300:
		m.t.Errorf("the error is %d bytes long: %s", len(d.Error), d.Error)
	case strings.ContainsFunc(d.Error, unicode.IsControl):
		m.t.Errorf("the error has characters that are no text: %q", d.Error)
	case d.AppID == "" || d.EndpointID == "" || d.EventID == "" || d.EventType == "" || d.Duration < 0 || next.Nanosecond()%1e6 != 0:
		m.t.Errorf("a delivery that cannot be: %+v, next %v", d, next)
	}
	if moved {
		w.Tries, w.State, w.NextTryAt = d.Try, state, next
		m.webhooks[d.WebhookID] = w
	}
	m.deliveries = append(m.deliveries, d)
	return moved, m.down
}

func (m *memory) Deliveries(_ context.Context, f DeliveryFilter) ([]Delivery, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []Delivery
	for _, d := range slices.Backward(m.deliveries) {
		if d.AppID == f.AppID {
			list = append(list, d)
		}
	}
	return list, m.down
}

func (m *memory) DeliveryByID(_ context.Context, appID, id string) (Delivery, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.deliveries, func(d Delivery) bool { return d.ID == id && d.AppID == appID })
	if i < 0 {
		return Delivery{}, ErrNotFound
	}
	return m.deliveries[i], m.down
}

func (m *memory) Retry(_ context.Context, appID, webhookID string, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	w, ok := m.webhooks[webhookID]
	if !ok || w.AppID != appID {
		return ErrNotFound
	}
	m.retry(w, at)
	return m.down
}

func (m *memory) retry(w Webhook, at time.Time) {
	w.State, w.Round, w.RoundBegan, w.Tries, w.NextTryAt = Pending, w.Round+1, at, 0, at
	m.webhooks[w.ID] = w
}

func (m *memory) RetryDead(_ context.Context, appID, endpointID string, since, at time.Time, limit int) (retried int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down != nil {
		return 0, m.down
	}
	for _, w := range m.webhooks {
		if retried < limit && w.AppID == appID && w.EndpointID == endpointID && w.State == Dead && !w.CreatedAt.Before(since) {
			m.retry(w, at)
			retried++
		}
	}
	return retried, nil
}

// keyset is a [secret.Store].
type keyset struct{ wrapped []byte }

func (k *keyset) Keyset(context.Context) ([]byte, error) { return k.wrapped, nil }

func (k *keyset) PutFirstKeyset(_ context.Context, wrapped []byte) ([]byte, error) {
	k.wrapped = bytes.Clone(wrapped)
	return wrapped, nil
}

// clock is moved by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(to time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = to
}

func (c *clock) advance(d time.Duration) { c.set(c.Now().Add(d)) }

type tried struct {
	delivery   Delivery
	state      State
	sinceEvent time.Duration
}

// observer remembers what it was told.
type observer struct {
	mu  sync.Mutex
	all []tried
}

func (o *observer) Tried(_ context.Context, d Delivery, state State, sinceEvent time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all = append(o.all, tried{d, state, sinceEvent})
}

const shop = "shop"

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

type bundle struct {
	*Service
	store    *memory
	clock    *clock
	observer *observer
}

// setup makes a service that may deliver to this machine; change may take that away, and more.
func setup(t *testing.T, change func(*Config)) *bundle {
	t.Helper()
	masterKey, err := secret.LoadMasterKey(base64.StdEncoding.EncodeToString(make([]byte, 32)))
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := secret.Open(t.Context(), &keyset{}, masterKey)
	if err != nil {
		t.Fatal(err)
	}
	b := &bundle{
		store:    &memory{t: t, endpoints: map[string]Endpoint{}, webhooks: map[string]Webhook{}},
		clock:    &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)},
		observer: &observer{},
	}
	c := Config{Store: b.store, Sealer: sealer, Observer: b.observer, Now: b.clock.Now, AllowPrivate: loopback}
	if change != nil {
		change(&c)
	}
	if b.Service, err = New(c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// endpoint stores one the way CreateEndpoint does, but whatever its URL.
func (b *bundle) endpoint(t *testing.T, url string) (Endpoint, string) {
	t.Helper()
	e := Endpoint{ID: newID("whe_", b.clock.Now()), AppID: shop, URL: url, CreatedAt: b.clock.Now()}
	text := newSecret()
	if err := b.addSecret(&e, text); err != nil {
		t.Fatal(err)
	}
	if err := b.store.PutEndpoint(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	e.Version = 1
	return e, text.Reveal()
}

// webhook stores one on its way to the endpoint, due now.
func (b *bundle) webhook(e Endpoint) (id string) {
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	id = fmt.Sprintf("whk_%d", len(b.store.webhooks)+1)
	b.store.webhooks[id] = Webhook{
		ID: id, AppID: e.AppID, EndpointID: e.ID, EventID: "evt_" + id, EventType: payment.EventPaymentSucceeded, State: Pending,
		NextTryAt: b.clock.Now(), CreatedAt: b.clock.Now(), RoundBegan: b.clock.Now(), Body: []byte(`{"id":"evt_` + id + `","type":"payment.succeeded","data":{"object":{"note":"谢谢 <&>"}}}`),
	}
	return id
}

// deliver delivers and returns the try that was recorded.
func (b *bundle) deliver(t *testing.T, id string) (Delivery, time.Time) {
	t.Helper()
	before := len(b.store.deliveries)
	again, err := b.Deliver(t.Context(), shop, id)
	if err != nil {
		t.Fatal(err)
	}
	if len(b.store.deliveries) != before+1 {
		t.Fatalf("%d tries recorded, want 1", len(b.store.deliveries)-before)
	}
	return b.store.deliveries[before], again
}

func (b *bundle) state(id string) State {
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	return b.store.webhooks[id].State
}
