// Package channel adapts the providers' libraries to the domain, and keeps one adapter for each account.
package channel

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/wechatpay"
)

// Account is a merchant's account at a provider, as it is configured.
type Account struct {
	ID        string
	Channel   payment.Channel
	Disabled  bool
	Settings  json.RawMessage
	Secrets   []byte // JSON, in the clear
	UpdatedAt time.Time
}

// Source tells the accounts as they are configured now.
type Source interface {
	ChannelAccounts(context.Context) ([]Account, error)
}

// Observer hears of every request to a provider: how long it took and what came of it ("done" or an outcome); and of
// those that were held back, and why.
type Observer interface {
	ProviderCall(ctx context.Context, channel payment.Channel, operation, outcome string, took time.Duration)
	Held(ctx context.Context, channel payment.Channel, operation, reason string)
}

// Config is what a [Registry] needs.
type Config struct {
	Source    Source
	PublicURL string            // of this gateway, where providers reach /notify/...; no slash at its end
	Transport http.RoundTripper // nil: one of the library's, whose connections all accounts share
	Observer  Observer          // nil: nobody looks
	Now       func() time.Time  // nil: time.Now
	Logger    *slog.Logger      // nil: discarded
}

// Registry finds the adapter of an account. Adapters are built once and rebuilt when the account changes; it is
// safe for concurrent use.
type Registry struct {
	config Config

	mu      sync.Mutex
	read    time.Time
	entries map[string]*entry
}

type entry struct {
	account Account
	adapter adapter
	guard   *guard
	err     error // why the account cannot be used
}

// adapter is what each provider's file in this package builds.
type adapter interface {
	payment.Provider
	// offers tells whether orders of the product can be placed.
	offers(payment.Product) bool
	// throttled tells whether the provider said that it is asked too fast. Of an error that was stored, it goes by the code.
	throttled(*payment.ChannelError) bool
	parseNotification(*http.Request) (payment.Notification, error)
	answerNotification(http.ResponseWriter, error)
	refresh(context.Context) error
	keys() []Key
	closeIdle()
}

// rereadAfter is how old the list of accounts may be. A change made by another replica is seen that late.
const rereadAfter = 5 * time.Second

// New returns a registry; accounts are read on first use.
func New(c Config) *Registry {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Transport == nil {
		c.Transport = wechatpay.NewTransport()
	}
	return &Registry{config: c, entries: map[string]*entry{}}
}

// current returns the entries, read anew when they are old. When the accounts cannot be read, the ones that were
// known go on serving.
func (r *Registry) current(ctx context.Context) (map[string]*entry, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.config.Now()
	if len(r.entries) > 0 && now.Sub(r.read) < rereadAfter {
		return r.entries, nil
	}
	accounts, err := r.config.Source.ChannelAccounts(ctx)
	if err != nil {
		if len(r.entries) > 0 {
			r.config.Logger.WarnContext(ctx, "accounts could not be read; the known ones go on", "error", err)
			r.read = now
			return r.entries, nil
		}
		return nil, fmt.Errorf("channel: read the accounts: %w", err)
	}
	entries := make(map[string]*entry, len(accounts))
	for _, a := range accounts {
		if old := r.entries[a.ID]; old != nil && old.account.UpdatedAt.Equal(a.UpdatedAt) && old.account.Disabled == a.Disabled {
			entries[a.ID] = old
			continue
		}
		entries[a.ID] = r.build(ctx, a)
	}
	r.entries, r.read = entries, now
	return entries, nil
}

// CheckAccount tells what of an account is wrong or does not belong together, without asking the provider, and whose
// account it is.
func CheckAccount(a Account) (merchantID string, err error) {
	if _, err := adapt(a, Config{Now: time.Now}); err != nil {
		return "", err
	}
	return MerchantOf(a.Channel, a.Settings)
}

// MerchantOf reads the merchant's number from an account's settings.
func MerchantOf(ch payment.Channel, settings json.RawMessage) (string, error) {
	if ch != payment.WeChat {
		return "", fmt.Errorf("unknown channel %q", ch)
	}
	var s WeChatSettings
	if err := json.Unmarshal(settings, &s); err != nil {
		return "", fmt.Errorf("settings are not valid JSON: %w", err)
	}
	return s.MchID, nil
}

func adapt(a Account, c Config) (adapter, error) {
	if a.Channel == payment.WeChat {
		return newWeChat(a, c)
	}
	return nil, fmt.Errorf("unknown channel %q", a.Channel)
}

func (r *Registry) build(ctx context.Context, a Account) *entry {
	e := &entry{account: a, guard: newGuard(a, r.config.Logger)}
	e.adapter, e.err = adapt(a, r.config)
	if e.err != nil {
		r.config.Logger.ErrorContext(ctx, "account cannot be used; mend its configuration", "account", a.ID, "error", e.err)
	}
	return e
}

// Forget makes the next use read the accounts anew, for a change made in this process.
func (r *Registry) Forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.read = time.Time{}
}

// Choose implements [payment.Providers].
func (r *Registry) Choose(ctx context.Context, ch payment.Channel, product payment.Product, accountID string) (string, error) {
	entries, err := r.current(ctx)
	if err != nil {
		return "", err
	}
	if accountID != "" {
		e := entries[accountID]
		switch {
		case e == nil || e.account.Disabled || e.account.Channel != ch:
			return "", &payment.Error{Code: payment.CodeAccount, Field: "account", Detail: fmt.Sprintf("there is no usable %s account %q; leave account out, or name one that is configured", ch, accountID)}
		case e.err != nil:
			return "", &payment.Error{Code: payment.CodeAccount, Field: "account", Detail: fmt.Sprintf("account %q is configured wrongly; the operator finds the reason in the log", accountID)}
		case !e.adapter.offers(product):
			return "", &payment.Error{Code: payment.CodeAccount, Field: "product", Detail: fmt.Sprintf("account %q has no appid for product %q; configure one", accountID, product)}
		}
		return accountID, nil
	}
	var fitting []string
	for id, e := range entries {
		if e.account.Channel == ch && !e.account.Disabled && e.err == nil && e.adapter.offers(product) {
			fitting = append(fitting, id)
		}
	}
	slices.Sort(fitting)
	switch len(fitting) {
	case 0:
		return "", &payment.Error{Code: payment.CodeAccount, Detail: fmt.Sprintf("no %s account offers product %q; add one with 'tongbao account add' or in the configuration file", ch, product)}
	case 1:
		return fitting[0], nil
	}
	return "", &payment.Error{Code: payment.CodeAccount, Field: "account", Detail: fmt.Sprintf("several accounts offer product %q: name one of %s", product, strings.Join(fitting, ", "))}
}

// Provider implements [payment.Providers]. A disabled account still answers for the payments it has.
func (r *Registry) Provider(ctx context.Context, accountID string) (payment.Provider, error) {
	e, err := r.entry(ctx, accountID)
	if err != nil {
		return nil, err
	}
	seen := observed{e.adapter, e.account.Channel, r.config.Observer}
	return guarded{seen, e.guard, e.account.Channel, r.config.Observer, e.adapter.throttled}, nil
}

func (r *Registry) entry(ctx context.Context, accountID string) (*entry, error) {
	entries, err := r.current(ctx)
	if err != nil {
		return nil, err
	}
	e := entries[accountID]
	if e == nil {
		return nil, &payment.Error{Code: payment.CodeAccount, Detail: fmt.Sprintf("account %q is gone; configure it again to settle the payments it has", accountID)}
	}
	if e.err != nil {
		return nil, &payment.Error{Code: payment.CodeAccount, Detail: fmt.Sprintf("account %q is configured wrongly; the operator finds the reason in the log", accountID)}
	}
	return e, nil
}

// Door is where a provider delivers its notifications for one account.
type Door struct{ adapter adapter }

// Parse reads, bounds, verifies and decrypts a notification. What it returns is verified; see [Door.Answer] for
// the error.
func (d Door) Parse(r *http.Request) (payment.Notification, error) {
	return d.adapter.parseNotification(r)
}

// Answer writes what the provider expects: received when err is nil, else the reason in its own form.
func (d Door) Answer(w http.ResponseWriter, err error) { d.adapter.answerNotification(w, err) }

// Door finds the door of an account; false when there is none of that channel.
func (r *Registry) Door(ctx context.Context, ch payment.Channel, accountID string) (Door, bool) {
	e, err := r.entry(ctx, accountID)
	if err != nil || e.account.Channel != ch {
		return Door{}, false
	}
	return Door{e.adapter}, true
}

// Refresh brings the providers' certificates up to date, for every account that uses them.
func (r *Registry) Refresh(ctx context.Context) error {
	entries, err := r.current(ctx)
	if err != nil {
		return err
	}
	for id, e := range entries {
		if e.err != nil || e.account.Disabled {
			continue
		}
		if err := e.adapter.refresh(ctx); err != nil {
			r.config.Logger.WarnContext(ctx, "certificates could not be refreshed; the known ones go on", "account", id, "error", err)
		}
	}
	return nil
}

// Check tells for each account why it cannot be used, nil where it can.
func (r *Registry) Check(ctx context.Context) (map[string]error, error) {
	entries, err := r.current(ctx)
	if err != nil {
		return nil, err
	}
	states := make(map[string]error, len(entries))
	for id, e := range entries {
		states[id] = e.err
	}
	return states, nil
}

// Close gives up the connections to providers that nobody uses.
func (r *Registry) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.entries {
		if e.err == nil {
			e.adapter.closeIdle()
		}
	}
}

// Key is a key or certificate of an account's provider, or of the merchant, that ends some day.
type Key struct {
	Account   string
	Kind      string // "platform_certificate" or "public_key"
	Serial    string
	ExpiresAt time.Time // zero: never
}

// Keys lists what is trusted at this moment, for watching its expiry.
func (r *Registry) Keys(ctx context.Context) ([]Key, error) {
	entries, err := r.current(ctx)
	if err != nil {
		return nil, err
	}
	var keys []Key
	for _, e := range entries {
		if e.err == nil && !e.account.Disabled {
			keys = append(keys, e.adapter.keys()...)
		}
	}
	return keys, nil
}

// Breaker is how calls to an account's provider fare.
type Breaker struct {
	Channel payment.Channel
	Account string
	State   BreakerState
}

// Breakers tells for each account that can be used the worst state of its calls' breakers, in this process.
func (r *Registry) Breakers(ctx context.Context) ([]Breaker, error) {
	entries, err := r.current(ctx)
	if err != nil {
		return nil, err
	}
	var breakers []Breaker
	for id, e := range entries {
		if e.err == nil {
			breakers = append(breakers, Breaker{e.account.Channel, id, e.guard.state()})
		}
	}
	return breakers, nil
}
