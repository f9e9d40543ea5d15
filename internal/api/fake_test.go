package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/tongbao-pay/tongbao/internal/access"
	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/secret"
	"github.com/tongbao-pay/tongbao/internal/webhook"
)

// The ids of what the fakes know.
const (
	paymentID  = "pay_01K9ZQ4T3M8W6V5R2N7X1Y0ABC"
	refundID   = "rfd_01K9ZQ4T3M8W6V5R2N7X1Y0ABC"
	eventID    = "evt_01K9ZQ4T3M8W6V5R2N7X1Y0ABC"
	reviewID   = "rvw_01K9ZQ4T3M8W6V5R2N7X1Y0ABC"
	endpointID = "whe_01K9ZQ4T3M8W6V5R2N7X1Y0ABC"
	deliveryID = "dlv_01K9ZQ4T3M8W6V5R2N7X1Y0ABC"
)

const shop = "shop" // the app that owns everything

func samplePayment(now time.Time) *payment.Payment {
	return &payment.Payment{
		ID: paymentID, AppID: shop, AccountID: "main", OutTradeNo: "order-1", Amount: 8800, Currency: "CNY", Description: "noodles",
		Channel: payment.WeChat, Status: payment.Pending, CreatedAt: now, ExpiresAt: now.Add(time.Hour),
		Attempts: []*payment.Attempt{{
			Product: payment.JSAPI, TradeNo: "20260131T1", Status: payment.AttemptOpen,
			Credential: payment.Credential{PrepayID: "wx-prepay", ExpiresAt: now.Add(time.Hour)},
		}},
	}
}

func sampleRefund(now time.Time) *payment.Refund {
	return &payment.Refund{
		ID: refundID, PaymentID: paymentID, AppID: shop, OutRefundNo: "refund-1", RefundNo: "R1", Amount: 100, Currency: "CNY",
		Status: payment.RefundProcessing, CreatedAt: now,
	}
}

// domain is a fake of the domain: one payment of one app, and whatever a test sets.
type domain struct {
	mu      sync.Mutex
	now     func() time.Time
	creates []payment.CreateRequest
	refunds []payment.RefundRequest
	decided []payment.ResolveRequest
	// create and refund, where set, answer instead.
	create func(context.Context, payment.CreateRequest) (*payment.Created, error)
	refund func(payment.RefundRequest) (*payment.Refund, bool, error)
	close  func() (*payment.Payment, error)
	sync   func() (*payment.Payment, error)
}

func (d *domain) Create(ctx context.Context, _ payment.Applicant, req payment.CreateRequest) (*payment.Created, error) {
	d.mu.Lock()
	d.creates = append(d.creates, req)
	first, create := len(d.creates) == 1, d.create
	d.mu.Unlock()
	if create != nil {
		return create(ctx, req)
	}
	return &payment.Created{Payment: samplePayment(d.now()), New: first, Invoke: json.RawMessage(`{"package":"prepay_id=wx-prepay"}`)}, nil
}

func (d *domain) created() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.creates)
}

func (d *domain) Payment(_ context.Context, appID, id string) (*payment.Payment, error) {
	if appID != shop || id != paymentID {
		return nil, &payment.Error{Code: payment.CodeNotFound, Detail: "there is no payment " + strconv.Quote(id)}
	}
	return samplePayment(d.now()), nil
}

func (d *domain) Close(ctx context.Context, appID, id string) (*payment.Payment, error) {
	p, err := d.Payment(ctx, appID, id)
	if err != nil || d.close == nil {
		if p != nil {
			p.Status = payment.Closed
		}
		return p, err
	}
	return d.close()
}

func (d *domain) Sync(ctx context.Context, appID, id string) (*payment.Payment, error) {
	if d.sync != nil {
		return d.sync()
	}
	return d.Payment(ctx, appID, id)
}

func (d *domain) Refund(_ context.Context, appID string, req payment.RefundRequest) (*payment.Refund, bool, error) {
	d.mu.Lock()
	d.refunds = append(d.refunds, req)
	first := len(d.refunds) == 1
	d.mu.Unlock()
	if d.refund != nil {
		return d.refund(req)
	}
	if appID != shop || req.PaymentID != paymentID {
		return nil, false, &payment.Error{Code: payment.CodeNotFound, Detail: "there is no payment"}
	}
	return sampleRefund(d.now()), first, nil
}

func sampleReview(now time.Time) *payment.Review {
	return &payment.Review{
		ID: reviewID, AppID: shop, Kind: payment.ReviewLatePaid, SubjectID: paymentID, Summary: "look", OpenedAt: now,
		Evidence: json.RawMessage(`{"trade_state":"SUCCESS","payer":{"openid":"o-somebody"},"amounts":[{"sp_openid":"o-somebody"}]}`),
	}
}

func (d *domain) Review(_ context.Context, appID, id string) (*payment.Review, error) {
	if appID != shop || id != reviewID {
		return nil, &payment.Error{Code: payment.CodeNotFound, Detail: "there is no review"}
	}
	return sampleReview(d.now()), nil
}

func (d *domain) ResolveReview(ctx context.Context, req payment.ResolveRequest) (*payment.Review, error) {
	v, err := d.Review(ctx, req.AppID, req.ReviewID)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.decided = append(d.decided, req)
	switch {
	case req.Action == payment.ActionAsk:
		return nil, &payment.Error{Code: payment.CodeReviewAction, Field: "action", Detail: "can be resolved by: accept"}
	case len(d.decided) > 1 && d.decided[0] != req:
		return nil, &payment.Error{Code: payment.CodeReviewResolved, Detail: "look at it"}
	}
	v.ResolvedAt, v.Resolution, v.Note, v.ResolvedBy = d.now(), req.Action, req.Note, req.By
	return v, nil
}

// lists is a fake of the lists: each holds the given number of items of the shop.
type lists struct {
	now      func() time.Time
	items    int
	payments []payment.PaymentFilter
	events   []payment.EventFilter
	reviews  []payment.ReviewFilter
}

// cut pages through n items with the index as the cursor.
func cut[T any](n int, page payment.Page, item func(i int) T) ([]T, string, error) {
	from := 0
	if page.Cursor != "" {
		var err error
		if from, err = strconv.Atoi(page.Cursor); err != nil {
			return nil, "", payment.UnknownCursor("cursor")
		}
	}
	var data []T
	for i := from; i < min(n, from+page.Limit); i++ {
		data = append(data, item(i))
	}
	if from+page.Limit < n {
		return data, strconv.Itoa(from + page.Limit), nil
	}
	return data, "", nil
}

func (l *lists) of(appID string) int {
	if appID != shop {
		return 0
	}
	return l.items
}

func (l *lists) Payments(_ context.Context, f payment.PaymentFilter, page payment.Page) ([]*payment.Payment, string, error) {
	l.payments = append(l.payments, f)
	return cut(l.of(f.AppID), page, func(int) *payment.Payment { return samplePayment(l.now()) })
}

func (l *lists) Refunds(_ context.Context, f payment.RefundFilter, page payment.Page) ([]*payment.Refund, string, error) {
	return cut(l.of(f.AppID), page, func(int) *payment.Refund { return sampleRefund(l.now()) })
}

func (l *lists) RefundByID(_ context.Context, appID, id string) (*payment.Refund, error) {
	if appID != shop || id != refundID {
		return nil, payment.ErrNotFound
	}
	return sampleRefund(l.now()), nil
}

// numbered makes ids in order.
func numbered(prefix string, i int) string {
	digits := strconv.Itoa(i)
	return prefix + "00000000000000000000000000"[len(digits):] + digits
}

func (l *lists) Events(_ context.Context, f payment.EventFilter, limit int) ([]payment.Event, error) {
	l.events = append(l.events, f)
	from := 0
	if f.After != "" {
		var err error
		if from, err = strconv.Atoi(f.After[4:]); err != nil {
			return nil, payment.UnknownCursor("after")
		}
		from++
	}
	var data []payment.Event
	for i := from; i < min(l.of(f.AppID), from+limit); i++ {
		object, err := json.Marshal(samplePayment(l.now()).Resource())
		if err != nil {
			return nil, err
		}
		data = append(data, payment.Event{
			ID: numbered("evt_", i), AppID: shop, Type: payment.EventPaymentSucceeded, ResourceType: "payment", ResourceID: paymentID,
			Sequence: int64(i + 1), CreatedAt: l.now(), Object: object,
		})
	}
	return data, nil
}

func (l *lists) Reviews(_ context.Context, f payment.ReviewFilter, page payment.Page) ([]*payment.Review, string, error) {
	l.reviews = append(l.reviews, f)
	return cut(l.of(f.AppID), page, func(int) *payment.Review {
		return sampleReview(l.now())
	})
}

// hooks is a fake of the webhooks: one endpoint, one delivery after the other.
type hooks struct {
	now      func() time.Time
	items    int
	settings []webhook.EndpointSettings
	overlaps []time.Duration
	since    []time.Time
}

func (h *hooks) endpoint() webhook.Endpoint {
	return webhook.Endpoint{
		ID: endpointID, AppID: shop, URL: "https://shop.example.com/hooks", CreatedAt: h.now(), UpdatedAt: h.now(),
		SealedSecrets: []webhook.SealedSecret{{Sealed: []byte("sealed")}},
	}
}

func (h *hooks) CreateEndpoint(_ context.Context, _ string, s webhook.EndpointSettings) (webhook.Endpoint, secret.String, error) {
	h.settings = append(h.settings, s)
	e := h.endpoint()
	e.URL, e.Types = *s.URL, *s.Types
	return e, secret.NewString("whsec_" + strconv.Itoa(len(h.settings))), nil
}

func (h *hooks) Endpoints(_ context.Context, appID string) ([]webhook.Endpoint, error) {
	if appID != shop {
		return nil, nil
	}
	return []webhook.Endpoint{h.endpoint()}, nil
}

func (h *hooks) Endpoint(_ context.Context, appID, id string) (webhook.Endpoint, error) {
	if appID != shop || id != endpointID {
		return webhook.Endpoint{}, &payment.Error{Code: payment.CodeNotFound, Detail: "there is no webhook endpoint"}
	}
	return h.endpoint(), nil
}

func (h *hooks) UpdateEndpoint(ctx context.Context, appID, id string, s webhook.EndpointSettings) (webhook.Endpoint, error) {
	h.settings = append(h.settings, s)
	return h.Endpoint(ctx, appID, id)
}

func (h *hooks) RotateSecret(ctx context.Context, appID, id string, overlap time.Duration) (webhook.Endpoint, secret.String, error) {
	h.overlaps = append(h.overlaps, overlap)
	e, err := h.Endpoint(ctx, appID, id)
	return e, secret.NewString("whsec_rotated"), err
}

func (h *hooks) DeleteEndpoint(ctx context.Context, appID, id string) error {
	_, err := h.Endpoint(ctx, appID, id)
	return err
}

func (h *hooks) delivery(i int) webhook.Delivery {
	return webhook.Delivery{
		ID: numbered("dlv_", i), AppID: shop, WebhookID: "whk_1", EndpointID: endpointID, EventID: eventID, EventType: payment.EventPaymentCreated,
		Try: 1, StatusCode: 500, Error: "the app answered 500", Duration: 12 * time.Millisecond, At: h.now(), WebhookState: webhook.Pending, NextTryAt: h.now(),
	}
}

func (h *hooks) Deliveries(_ context.Context, f webhook.DeliveryFilter) ([]webhook.Delivery, error) {
	from := 0
	if f.Cursor != "" {
		var err error
		if from, err = strconv.Atoi(f.Cursor[4:]); err != nil {
			return nil, payment.UnknownCursor("cursor")
		}
		from++
	}
	var data []webhook.Delivery
	for i := from; i < min(h.items, from+f.Limit) && f.AppID == shop; i++ {
		data = append(data, h.delivery(i))
	}
	return data, nil
}

func (h *hooks) Delivery(_ context.Context, appID, id string) (webhook.Delivery, error) {
	if appID != shop || id != deliveryID {
		return webhook.Delivery{}, &payment.Error{Code: payment.CodeNotFound, Detail: "there is no webhook delivery"}
	}
	d := h.delivery(0)
	d.ID = deliveryID
	return d, nil
}

func (h *hooks) Retry(ctx context.Context, appID, id string) error {
	_, err := h.Delivery(ctx, appID, id)
	return err
}

func (h *hooks) RetryDead(ctx context.Context, appID, endpointID string, since time.Time) (int, bool, error) {
	h.since = append(h.since, since)
	_, err := h.Endpoint(ctx, appID, endpointID)
	return 7, true, err
}

// keyring is an [access.Store] for a few apps and keys; what it does not have is never called.
type keyring struct {
	access.Store
	mu     sync.Mutex
	apps   map[string]access.App
	keys   map[string]access.Key
	nonces map[string]bool
	down   error
}

func (k *keyring) PutApp(_ context.Context, a access.App) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.apps[a.ID] = a
	return nil
}

func (k *keyring) AppByID(_ context.Context, id string) (access.App, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if a, ok := k.apps[id]; ok {
		return a, nil
	}
	return access.App{}, access.ErrNotFound
}

func (k *keyring) InsertKey(_ context.Context, key access.Key) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys[key.ID] = key
	return nil
}

func (k *keyring) find(match func(access.Key) bool) (access.Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.down != nil {
		return access.Key{}, k.down
	}
	for _, key := range k.keys {
		if match(key) {
			return key, nil
		}
	}
	return access.Key{}, access.ErrNotFound
}

func (k *keyring) KeyByHash(_ context.Context, hash []byte) (access.Key, error) {
	return k.find(func(key access.Key) bool { return bytes.Equal(key.SecretHash, hash) })
}

func (k *keyring) KeyByID(_ context.Context, id string) (access.Key, error) {
	return k.find(func(key access.Key) bool { return key.ID == id })
}

func (k *keyring) RevokeKey(_ context.Context, id string, at time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	key := k.keys[id]
	key.RevokedAt = at
	k.keys[id] = key
	return nil
}

func (k *keyring) UseNonce(_ context.Context, keyID, nonce string, _ time.Time) (bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	used := k.nonces[keyID+" "+nonce]
	k.nonces[keyID+" "+nonce] = true
	return !used, nil
}

// keyset is a [secret.Store] in memory.
type keyset struct{ wrapped []byte }

func (k *keyset) Keyset(context.Context) ([]byte, error) { return k.wrapped, nil }

func (k *keyset) PutFirstKeyset(_ context.Context, wrapped []byte) ([]byte, error) {
	k.wrapped = wrapped
	return wrapped, nil
}

// limiter is a fake that lets everybody in, unless a test says otherwise, and notes what it was told.
type limiter struct {
	mu                sync.Mutex
	stranger, key     time.Duration
	refused, admitted []netip.Addr
	keys              []string
}

func (l *limiter) Stranger(netip.Addr) time.Duration { return l.stranger }

func (l *limiter) Refused(from netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused = append(l.refused, from)
}

func (l *limiter) Admitted(from netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.admitted = append(l.admitted, from)
}

func (l *limiter) Key(_ context.Context, keyID string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys = append(l.keys, keyID)
	return l.key
}
