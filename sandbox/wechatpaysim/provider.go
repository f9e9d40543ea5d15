// Package wechatpaysim is WeChat Pay APIv3 as a merchant sees it, in memory: real signatures, real encryption, the
// provider's checks and error codes, its state machines and its notifications.
//
// [Provider.Host] serves the protocol, on exactly the provider's paths. [Provider.HandleControl] serves what a test does to
// the provider, [Provider.Pay] and [Provider.Checkout] what a payer does, [Provider.ConfirmTransfer] and [Provider.Confirmation]
// what a user does whom a merchant sends money. Business times (expiry, success_time, the repeats of
// a notification) are on the sandbox's clock; the timestamps inside signatures are real time, because whoever
// checks them has a clock of his own.
package wechatpaysim

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/chance"
	"github.com/tongbao-pay/tongbao/sandbox/clock"
	"github.com/tongbao-pay/tongbao/sandbox/fault"
	"github.com/tongbao-pay/tongbao/sandbox/identity"
	"github.com/tongbao-pay/tongbao/sandbox/journal"
	"github.com/tongbao-pay/tongbao/sandbox/record"
)

// Name is the provider's name in faults and in the journal.
const Name = "wechatpay"

// Config is what a [Provider] is made of. Everything but Log, Records, Hosts and Logger is required.
type Config struct {
	Identity  identity.WeChatPay
	CA        identity.Certificate // issues the certificates of a rotation
	Clock     *clock.Clock
	Faults    *fault.Set
	Journal   *journal.Journal
	Chance    *chance.Source
	Log       *record.Log                 // nil: nothing is kept
	Records   []record.Record             // the state to start from
	PhoneURL  string                      // base of the payer's pages
	H5ToPhone bool                        // the default of [Settings.H5ToPhone]
	Hosts     func(map[string]Host) error // carries out a change of the hosts' states; nil: nothing to do
	Logger    *slog.Logger                // nil: silent
}

// Provider is safe for concurrent use. Make it with [New].
type Provider struct {
	identity   identity.WeChatPay
	ca         identity.Certificate
	clock      *clock.Clock
	faults     *fault.Set
	journal    *journal.Journal
	chance     *chance.Source
	log        *record.Log
	logger     *slog.Logger
	phoneURL   string
	h5ToPhone  bool
	applyHosts func(map[string]Host) error
	sender     *http.Client
	primary    http.Handler

	changing sync.Mutex // one change of settings at a time

	mu        stateLock // guards everything below; never held while signing or sending
	unwritten record.Batch
	settings  Settings
	platform  []platformKey
	books
	outbox
	limiter
	nonces      map[seenNonce]time.Time // real time
	switchHours []switchHour            // oldest first
}

// New returns a provider in the state of the records.
func New(c Config) (*Provider, error) {
	p := &Provider{
		identity: c.Identity, ca: c.CA, clock: c.Clock, faults: c.Faults, journal: c.Journal, chance: c.Chance,
		log: c.Log, logger: c.Logger, phoneURL: c.PhoneURL, h5ToPhone: c.H5ToPhone, applyHosts: c.Hosts,
		sender: newSender(),
	}
	if p.logger == nil {
		p.logger = slog.New(slog.DiscardHandler)
	}
	if p.applyHosts == nil {
		p.applyHosts = func(map[string]Host) error { return nil }
	}
	p.mu.flush = p.flush
	p.primary = p.Host(Primary)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.empty()
	if err := p.restore(c.Records); err != nil {
		return nil, fmt.Errorf("wechatpay: %w", err)
	}
	return p, nil
}

// empty puts the provider into its first state. The caller holds the lock or is alone.
func (p *Provider) empty() {
	p.settings = p.defaultSettings()
	p.platform = []platformKey{{Certificate: p.identity.Platform}}
	p.books = newBooks()
	p.outbox = newOutbox()
	p.limiter, p.nonces, p.switchHours = newLimiter(), map[seenNonce]time.Time{}, nil
}

// Reset forgets all orders, refunds, notifications and rotated certificates and restores the settings.
func (p *Provider) Reset() error {
	p.changing.Lock()
	defer p.changing.Unlock()
	settings := p.defaultSettings()
	if err := p.applyHosts(settings.Hosts); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.empty()
	return nil
}

// Close releases the connections to receivers of notifications.
func (p *Provider) Close() { p.sender.CloseIdleConnections() }

// operation is one call of the protocol.
type operation struct {
	name   string // in faults and in the journal
	route  string // method and path
	fields []field
	handle func(*Provider, *call) (any, *apiError) // a nil answer is 204
}

func operations() []operation {
	const refunds = " /v3/refund/domestic/refunds"
	all := []operation{
		{"refund", "POST" + refunds, refundFields(), (*Provider).createRefund},
		{"refund_query", "GET" + refunds + "/{out_refund_no}", nil, (*Provider).queryRefund},
		{"refund_abnormal", "POST" + refunds + "/{refund_id}/apply-abnormal-refund", abnormalFields(), (*Provider).applyAbnormalRefund},
		{"certificates", "GET /v3/certificates", nil, (*Provider).certificates},
		{"echo", "POST /v3/security/echo", echoFields(), (*Provider).echo},
	}
	return slices.Concat(all, transactionOperations(false), transactionOperations(true), uploadOperations(), combineOperations(),
		sharingOperations(), billOperations(), transferOperations())
}

// Host returns the protocol as the named host serves it: [Primary] or [Backup]. Both show the same books.
func (p *Provider) Host(name string) http.Handler {
	mux := http.NewServeMux()
	for _, op := range operations() {
		mux.HandleFunc(op.route, func(w http.ResponseWriter, r *http.Request) { p.serve(name, op, w, r) })
	}
	p.hostV2(name, mux)
	unknown := operation{name: "unknown", handle: func(*Provider, *call) (any, *apiError) {
		return nil, &apiError{http.StatusNotFound, codeNotFound, "请求的资源不存在", "there is no such path or method", internalIllegalParameter, nil}
	}}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { p.serve(name, unknown, w, r) })
	return mux
}

// ServeHTTP serves the protocol of the primary host.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.primary.ServeHTTP(w, r) }

// Effects says which fault effects each operation knows.
func Effects() map[string][]fault.Effect {
	calls := []fault.Effect{
		fault.Delay, fault.Refuse, fault.LoseRequest, fault.LoseAnswer, fault.Status, fault.RateLimit, fault.BadSignature,
		fault.Probe, fault.StaleTimestamp, fault.UnknownSerial, fault.Truncate, fault.HTML,
	}
	notifications := []fault.Effect{
		fault.Delay, fault.LoseRequest, fault.LoseAnswer, fault.BadSignature, fault.Probe, fault.StaleTimestamp,
		fault.UnknownSerial, fault.Duplicate, fault.Reorder, fault.Withhold, fault.Corrupt, fault.WrongMchID, fault.OtherKey,
	}
	payment := append([]fault.Effect{fault.WrongAmount, fault.WrongAppID}, notifications...)
	refund := append([]fault.Effect{fault.WrongAmount}, notifications...)
	effects := map[string][]fault.Effect{
		notifyPayment: payment, notifyCombine: payment, notifyRefund: refund, notifyTransfer: refund, notifyEcho: notifications,
		notifyProfitSharing: notifications,
	}
	for _, op := range operations() {
		effects[op.name] = calls
	}
	effects[opBillDownload] = append([]fault.Effect{fault.Corrupt}, calls...)
	for _, op := range v2Operations() {
		effects[op.name] = v2Effects()
	}
	return effects
}
