package storetest

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/access"
	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/store"
	"github.com/tongbao-pay/tongbao/internal/webhook"
)

// App and Account are whom the rows of [EveryMethod] belong to, and Epoch is when they are from.
const (
	App     = appID
	Account = accountID
)

// Epoch is the moment of every row that [EveryMethod] makes.
func Epoch() time.Time { return epoch }

// silent are the methods of a store that run no statement of a serving gateway.
var silent = []string{
	"UseQueue", "UseObserver", "Postgres", "SQLite", "Close", "Ping", "Serve", "Migrate", "Exclusively", "SchemaVersion", "Waiting", "Lanes",
}

// EveryMethod calls every method of a store that runs statements, in the ways in which the gateway does, on rows of its own
// beside those that are there. began hears of each. A method that it does not know fails the test.
func EveryMethod(t testing.TB, s *store.Store, began func(method string)) {
	t.Helper()
	b := newBundle(t, s)
	known := map[string]bool{}
	for _, name := range silent {
		known[name] = true
	}
	for _, m := range b.methods() {
		known[m.name] = true
		began(m.name)
		if err := m.call(t.Context()); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
	}
	for method := range reflect.TypeOf(s).Methods() {
		if !known[method.Name] {
			t.Errorf("%s of the store is not called: add it, so that its statements' plans are looked at", method.Name)
		}
	}
}

type method struct {
	name string
	call func(context.Context) error
}

func (b *bundle) methods() []method {
	page := payment.Page{Limit: 20}
	p := newPayment(1)
	all := b.changes(p)
	all = append(all, b.ofPayments(page)...)
	all = append(all, b.ofWebhooks()...)
	return append(all, b.ofAccess()...)
}

// of makes a method that returns a value.
func of[T any](name string, call func(context.Context) (T, error)) method {
	return method{name, func(ctx context.Context) error { _, err := call(ctx); return err }}
}

func (b *bundle) changes(p *payment.Payment) []method {
	app := access.App{ID: appID, Name: "shop", LatePolicy: payment.LateRefund, CreatedAt: epoch}
	return []method{
		{"PutApp", func(ctx context.Context) error { return b.PutApp(ctx, app) }},
		{"PutEndpoint", func(ctx context.Context) error {
			e := newEndpoint("whe_1")
			if err := b.PutEndpoint(ctx, e); err != nil {
				return err
			}
			e.Version = 1
			return b.PutEndpoint(ctx, e)
		}},
		{"Commit", func(ctx context.Context) error {
			for _, next := range []func() *payment.Change{
				func() *payment.Change { return created(p) },
				func() *payment.Change { c := paid(p); c.Notice = notice(1); return c },
				func() *payment.Change { return addRefund(p, 1, 100) },
				func() *payment.Change { return review("rvw_1", p.ID) },
				func() *payment.Change { return resolution(review("rvw_1", p.ID).Reviews[0]) },
			} {
				if err := b.Commit(ctx, next()); err != nil {
					return err
				}
			}
			return nil
		}},
	}
}

func (b *bundle) ofPayments(page payment.Page) []method {
	lists := []payment.PaymentFilter{
		{},
		{OutTradeNo: "order-0001"},
		{Status: payment.Succeeded},
		{Status: payment.Failed, CreatedFrom: epoch.Add(-time.Hour)},
		{Channel: payment.WeChat, CreatedTo: epoch.Add(-24 * time.Hour)},
	}
	return []method{
		of("PaymentByID", func(ctx context.Context) (*payment.Payment, error) { return b.PaymentByID(ctx, appID, "pay_0001") }),
		of("PaymentByOutTradeNo", func(ctx context.Context) (*payment.Payment, error) {
			return b.PaymentByOutTradeNo(ctx, appID, "order-0001")
		}),
		of("PaymentByAttemptID", func(ctx context.Context) (*payment.Payment, error) {
			return b.PaymentByAttemptID(ctx, appID, "att_0001")
		}),
		of("PaymentByTradeNo", func(ctx context.Context) (*payment.Payment, error) {
			return b.PaymentByTradeNo(ctx, accountID, "T0001")
		}),
		of("PaymentByRefundNo", func(ctx context.Context) (*payment.Payment, error) {
			return b.PaymentByRefundNo(ctx, accountID, "R0001")
		}),
		of("PaymentByRefundID", func(ctx context.Context) (*payment.Payment, error) {
			return b.PaymentByRefundID(ctx, appID, "rfd_0001")
		}),
		of("PaymentByOutRefundNo", func(ctx context.Context) (*payment.Payment, error) {
			return b.PaymentByOutRefundNo(ctx, appID, "refund-0001")
		}),
		of("RefundByID", func(ctx context.Context) (*payment.Refund, error) { return b.RefundByID(ctx, appID, "rfd_0001") }),
		of("TransactionOwner", func(ctx context.Context) (string, error) { return b.TransactionOwner(ctx, accountID, "42T0001") }),
		of("Noticed", func(ctx context.Context) (bool, error) { return b.Noticed(ctx, accountID, "notification-1") }),
		of("ReviewByID", func(ctx context.Context) (*payment.Review, error) { return b.ReviewByID(ctx, appID, "rvw_1") }),
		of("OpenReviews", func(ctx context.Context) (map[payment.ReviewKind]int64, error) { return b.OpenReviews(ctx) }),
		{"Payments", func(ctx context.Context) error {
			for _, f := range lists {
				f.AppID = appID
				_, next, err := b.Payments(ctx, f, page)
				if err != nil {
					return err
				}
				if _, _, err := b.Payments(ctx, f, payment.Page{Limit: page.Limit, Cursor: next}); err != nil {
					return err
				}
			}
			return nil
		}},
		{"Refunds", func(ctx context.Context) error {
			for _, f := range []payment.RefundFilter{{}, {PaymentID: "pay_0001"}, {OutRefundNo: "refund-0001"}, {Status: payment.RefundSucceeded}} {
				f.AppID = appID
				if _, _, err := b.Refunds(ctx, f, page); err != nil {
					return err
				}
			}
			return nil
		}},
		{"Reviews", func(ctx context.Context) error {
			for _, f := range []payment.ReviewFilter{{AppID: appID}, {AppID: appID, State: payment.ReviewOpen}, {AnyApp: true, State: payment.ReviewOpen}} {
				if _, _, err := b.Reviews(ctx, f, page); err != nil {
					return err
				}
			}
			return nil
		}},
		{"OpenStream", b.streams},
		of("Unsent", func(ctx context.Context) (time.Time, error) { return b.Unsent(ctx) }),
		{"Events", func(ctx context.Context) error {
			for _, f := range []payment.EventFilter{{}, {After: "evt_0001P1"}, {ResourceID: "pay_0001"}, {Types: []string{payment.EventPaymentSucceeded, payment.EventPaymentClosed}}} {
				f.AppID = appID
				if _, err := b.Events(ctx, f, page.Limit); err != nil {
					return err
				}
			}
			return nil
		}},
	}
}

func (b *bundle) ofWebhooks() []method {
	filters := []webhook.DeliveryFilter{{}, {EndpointID: "whe_1"}, {EventID: "evt_0001P1"}, {State: webhook.Dead}, {State: webhook.Delivered}}
	return []method{
		of("EndpointByID", func(ctx context.Context) (webhook.Endpoint, error) { return b.EndpointByID(ctx, appID, "whe_1") }),
		of("EndpointsOfApp", func(ctx context.Context) ([]webhook.Endpoint, error) { return b.EndpointsOfApp(ctx, appID) }),
		of("WebhookByID", func(ctx context.Context) (webhook.Webhook, error) { return b.WebhookByID(ctx, appID, "whk_0001P1_1") }),
		of("RecordDelivery", func(ctx context.Context) (bool, error) {
			return b.RecordDelivery(ctx, delivery(1), 0, webhook.Dead, time.Time{})
		}),
		of("DeliveryByID", func(ctx context.Context) (webhook.Delivery, error) { return b.DeliveryByID(ctx, appID, "dlv_1") }),
		{"Deliveries", func(ctx context.Context) error {
			for _, f := range filters {
				f.AppID, f.Limit = appID, 20
				for _, f.Cursor = range []string{"", "dlv_1"} {
					if _, err := b.Deliveries(ctx, f); err != nil {
						return err
					}
				}
			}
			return nil
		}},
		{"Retry", func(ctx context.Context) error { return b.Retry(ctx, appID, "whk_0001P1_1", epoch) }},
		of("RetryDead", func(ctx context.Context) (int, error) { return b.RetryDead(ctx, appID, "whe_1", epoch, epoch, 100) }),
		of("DeadLetters", func(ctx context.Context) ([]webhook.DeadLetters, error) { return b.DeadLetters(ctx) }),
		{"DeleteEndpoint", func(ctx context.Context) error { return b.DeleteEndpoint(ctx, appID, "whe_1") }},
	}
}

func (b *bundle) ofAccess() []method {
	key := access.Key{ID: "ak_1", AppID: appID, SecretHash: []byte{1}, SealedSecret: []byte{2}, CreatedAt: epoch}
	account := access.Account{ID: accountID, Channel: payment.WeChat, Settings: []byte(`{}`), SealedSecrets: []byte{1}, UpdatedAt: epoch}
	r := record()
	return []method{
		of("Apps", func(ctx context.Context) ([]access.App, error) { return b.Apps(ctx) }),
		of("AppByID", func(ctx context.Context) (access.App, error) { return b.AppByID(ctx, appID) }),
		{"InsertKey", func(ctx context.Context) error { return b.InsertKey(ctx, key) }},
		of("KeyByHash", func(ctx context.Context) (access.Key, error) { return b.KeyByHash(ctx, key.SecretHash) }),
		of("KeyByID", func(ctx context.Context) (access.Key, error) { return b.KeyByID(ctx, key.ID) }),
		of("KeysOfApp", func(ctx context.Context) ([]access.Key, error) { return b.KeysOfApp(ctx, appID) }),
		{"RevokeKey", func(ctx context.Context) error { return b.RevokeKey(ctx, key.ID, epoch) }},
		{"PutAccount", func(ctx context.Context) error { return b.PutAccount(ctx, account) }},
		of("Accounts", func(ctx context.Context) ([]access.Account, error) { return b.Accounts(ctx) }),
		of("AccountByID", func(ctx context.Context) (access.Account, error) { return b.AccountByID(ctx, accountID) }),
		of("UseNonce", func(ctx context.Context) (bool, error) {
			return b.UseNonce(ctx, key.ID, "nonce", epoch.Add(-time.Second))
		}),
		of("ClaimNumbers", func(ctx context.Context) (int64, error) { return b.ClaimNumbers(ctx, "1900000001", 10) }),
		of("PutFirstKeyset", func(ctx context.Context) ([]byte, error) { return b.PutFirstKeyset(ctx, []byte{1}) }),
		of("Keyset", func(ctx context.Context) ([]byte, error) { return b.Keyset(ctx) }),
		{"Begin", func(ctx context.Context) error {
			for range 2 {
				if _, _, err := b.Begin(ctx, r, epoch); err != nil {
					return err
				}
			}
			return nil
		}},
		{"Finish", func(ctx context.Context) error { return b.Finish(ctx, r) }},
		{"Forget", func(ctx context.Context) error { return b.Forget(ctx, appID, r.Key) }},
		{"Prune", func(ctx context.Context) error {
			return b.Prune(ctx, store.Retention{Traffic: 90 * day, History: 90 * day, Stream: true}, epoch.Add(time.Hour))
		}},
	}
}

// streams sends a page of events, and then more than are old enough to be pruned, where there are so many.
func (b *bundle) streams(ctx context.Context) error {
	stream, err := b.OpenStream(ctx)
	if err != nil {
		return err
	}
	defer stream.Close(ctx)
	_, last := b.streamed(stream, 20)
	if err := stream.Sent(ctx, last); err != nil {
		return err
	}
	more, err := stream.Next(ctx, 600)
	if err != nil || len(more) == 0 {
		return err
	}
	return stream.Sent(ctx, more[len(more)-1])
}
