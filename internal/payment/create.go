package payment

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"time"
	"unicode/utf8"

	"github.com/tongbao-pay/tongbao/internal/money"
)

// CreateRequest is an app's wish to collect money. Its JSON identifies the content that a repeat must have again, but for
// what says how the payer pays (see [CreateRequest.pays]): a field added later must be left out of it when empty, or
// repeats of older requests turn into conflicts.
type CreateRequest struct {
	OutTradeNo  string            `json:"out_trade_no"`
	Amount      int64             `json:"amount"`
	Currency    money.Currency    `json:"currency"`
	Description string            `json:"description"`
	Channel     Channel           `json:"channel"`
	Product     Product           `json:"product"`
	Payer       Payer             `json:"payer"`
	ClientIP    string            `json:"-"` // the same payer may come back from another address
	ExpiresIn   time.Duration     `json:"expires_in"`
	ExpiresAt   time.Time         `json:"expires_at"` // wins over ExpiresIn
	ReturnURL   string            `json:"return_url"`
	Metadata    map[string]string `json:"metadata"`
	Account     string            `json:"account"`
}

// Applicant is the app on whose behalf a use case runs.
type Applicant struct {
	AppID      string
	LatePolicy LatePolicy
}

// Created is the answer to a create request.
type Created struct {
	Payment *Payment
	New     bool            // false: the request repeated an earlier one
	Invoke  json.RawMessage // the front end's signed parameters, where the product has them
}

// Limits of a payment's life. The upper one is where the providers' own default closes an order.
const (
	ExpiryMin     = time.Minute
	ExpiryMax     = 7 * 24 * time.Hour
	ExpiryDefault = 30 * time.Minute
)

// placeWait is how long a repeated request waits for the first one's answer before it says "processing".
const placeWait = 3 * time.Second

var outNumber = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`)

// Create places a payment at its provider, or answers with the one that the same request placed before. The same number
// with another way to pay is a payer who switched: another order is placed for the same payment.
//
// The payment in the answer is pending with a usable credential; or processing, when the provider's answer is not
// known: repeat the request, it is safe. Errors are [*Error].
func (s *Service) Create(ctx context.Context, app Applicant, req CreateRequest) (*Created, error) {
	now := s.clock()
	if req.Currency == "" {
		req.Currency = money.CNY
	}
	if err := req.validate(); err != nil {
		return nil, err
	}
	p, err := s.store.PaymentByOutTradeNo(ctx, app.AppID, req.OutTradeNo)
	if errors.Is(err, ErrNotFound) {
		p, err = s.intend(ctx, app, req, now)
		if err == nil {
			created, err := s.place(ctx, p, p.Current())
			if created != nil {
				created.New = true
			}
			return created, err
		}
		if errors.Is(err, ErrConflict) { // the same number, a moment earlier
			p, err = s.store.PaymentByOutTradeNo(ctx, app.AppID, req.OutTradeNo)
		}
	}
	if err != nil {
		return nil, err
	}
	if !p.intends(req) {
		return nil, &Error{Code: CodeNumberConflict, Field: "out_trade_no", Payment: p, Detail: fmt.Sprintf(
			"out_trade_no %q already belongs to payment %s with other content; use a new number for a new payment, or repeat the first request with nothing changed but how the payer pays", req.OutTradeNo, p.ID)}
	}
	return s.credential(ctx, p, req)
}

// intend commits the intent: from here on the payment ends even if this process does not live to see it.
func (s *Service) intend(ctx context.Context, app Applicant, req CreateRequest, now time.Time) (*Payment, error) {
	if err := req.validExpiry(now); err != nil {
		return nil, err
	}
	accountID, err := s.providers.Choose(ctx, req.Channel, req.Product, req.Account)
	if err != nil {
		return nil, err
	}
	p := &Payment{
		ID: newID(prefixPayment, now), AppID: app.AppID, AccountID: accountID, OutTradeNo: req.OutTradeNo,
		Amount: req.Amount, Currency: req.Currency, Description: req.Description, Channel: req.Channel, Metadata: req.Metadata,
		ContentHash: req.hash(), LatePolicy: app.LatePolicy, Status: Payments.first, CreatedAt: now, ExpiresAt: req.expiry(now),
	}
	if err := s.addAttempt(ctx, p, req, now); err != nil {
		return nil, err
	}
	c := &Change{Payment: p, Attempts: p.Attempts}
	c.paymentEvent(EventPaymentCreated, now)
	c.Jobs = append(c.Jobs, p.followJob(now.Add(followOffsets[0])))
	return p, s.commit(ctx, c)
}

// addAttempt adds the attempt that a request asks for.
func (s *Service) addAttempt(ctx context.Context, p *Payment, req CreateRequest, now time.Time) error {
	provider, err := s.providers.Provider(ctx, p.AccountID)
	if err != nil {
		return err
	}
	merchantID, merchantAppID, err := provider.Identity(req.Product)
	if err != nil {
		return err
	}
	tradeNo, err := s.numbers.Trade(ctx, merchantID, now)
	if err != nil {
		return err
	}
	p.Attempts = append(p.Attempts, &Attempt{
		ID: newID(prefixAttempt, now), Ordinal: len(p.Attempts) + 1, Product: req.Product, Payer: req.Payer, ClientIP: req.ClientIP, ReturnURL: req.ReturnURL,
		TradeNo: tradeNo, MerchantID: merchantID, MerchantAppID: merchantAppID,
		Status: Attempts.first, PlacingUntil: now.Add(s.placeTimeout), CreatedAt: now,
	})
	return nil
}

// credential answers a repeated request: with the credential that is still good, with a fresh one, or with what
// became of the payment. One that names another way to pay than the current attempt's gets an attempt of its own.
func (s *Service) credential(ctx context.Context, p *Payment, req CreateRequest) (*Created, error) {
	deadline := s.clock().Add(placeWait)
	for {
		now, a, asked := s.clock(), p.Current(), p.lastFor(req)
		switch {
		case p.Status == Failed:
			return nil, refused(p, a)
		case !p.payable(now):
			return &Created{Payment: p}, nil
		case asked != nil && asked.Status == AttemptRefused:
			return nil, refused(p, asked)
		case asked != a:
			err := s.switchTo(ctx, p, req)
			if err == nil {
				return s.place(ctx, p, p.Current())
			}
			if !errors.Is(err, ErrConflict) {
				return nil, err
			}
		case p.Status == Pending && a.Credential.Usable(now):
			return s.invoke(ctx, p)
		case now.Before(a.PlacingUntil) && !now.Before(deadline):
			return &Created{Payment: p}, nil
		case now.Before(a.PlacingUntil):
			if err := pause(ctx, 50*time.Millisecond); err != nil {
				return nil, err
			}
		default:
			a.PlacingUntil = now.Add(s.placeTimeout)
			err := s.commit(ctx, &Change{Payment: p, Attempts: []*Attempt{a}})
			if err == nil {
				return s.place(ctx, p, a)
			}
			if !errors.Is(err, ErrConflict) {
				return nil, err
			}
		}
		var err error
		if p, err = s.store.PaymentByID(ctx, p.AppID, p.ID); err != nil {
			return nil, err
		}
	}
}

// place asks the provider. It goes on when the caller went away: the answer is worth having.
func (s *Service) place(ctx context.Context, p *Payment, a *Attempt) (*Created, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(about(ctx, p.ID)), s.placeTimeout+commitTimeout)
	defer cancel()
	provider, err := s.provider(ctx, p, a)
	if err != nil {
		return nil, unavailable(err, p)
	}
	placing, stop := context.WithTimeout(ctx, s.placeTimeout)
	credential, err := provider.Place(placing, p, a)
	stop()
	if err != nil {
		return s.notPlaced(ctx, provider, p, a, channelError(err))
	}
	p, err = s.update(ctx, p, s.reload(p), func(p *Payment) (*Change, error) {
		return p.placed(p.attempt(a.TradeNo), credential, s.clock()), nil
	})
	if err != nil {
		return nil, err
	}
	if p.Status == Failed {
		return nil, refused(p, p.Current())
	}
	return s.invoke(ctx, p)
}

// placed records a credential. The provider's earlier word about the order, if one came in between, stands.
func (p *Payment) placed(a *Attempt, credential Credential, now time.Time) *Change {
	to, ok := Attempts.Next(a.Status, OnPlaced)
	if !ok && a.Status != AttemptOpen {
		return nil
	}
	a.Status, a.Credential, a.PlacingUntil = to, credential, time.Time{}
	c := &Change{Payment: p, Attempts: []*Attempt{a}}
	c.waits(now)
	return c
}

// waits moves the change's payment to where it waits for its payer, if the attempt to pay is placed and the payment not
// further. The orders that were left for that one are not needed any more.
func (c *Change) waits(now time.Time) {
	p, current := c.Payment, c.Payment.Current()
	to, ok := Payments.Next(p.Status, OnPlaced)
	if !ok || current.Status != AttemptOpen {
		return
	}
	p.Status, c.Placed = to, true
	for _, a := range p.unsettled() {
		if a != current {
			c.Jobs = append(c.Jobs, Job{Kind: AskAgain, AppID: p.AppID, ResourceID: a.ID, At: now})
		}
	}
}

// notPlaced settles what can be settled. A refusal counts only after the provider, asked, does not have the order:
// an earlier request whose answer was lost may have placed it.
func (s *Service) notPlaced(ctx context.Context, provider Provider, p *Payment, a *Attempt, refusal *ChannelError) (*Created, error) {
	if refusal.Outcome == Refused {
		report, err := provider.QueryOrder(ctx, a)
		if err == nil {
			return s.found(ctx, p, a, report, refusal)
		}
		if asked := channelError(err); asked.Outcome == Absent || asked.Outcome == Refused {
			return s.refuse(ctx, p, a, refusal)
		}
	}
	p, err := s.release(ctx, p, a)
	if err != nil {
		return nil, err
	}
	if refusal.Outcome == Retry {
		return nil, &Error{Code: CodeChannelUnavailable, Channel: refusal, Payment: p, Detail: "the provider cannot take the order right now; repeat the same request in a few seconds"}
	}
	s.logger.WarnContext(ctx, "place: outcome unknown", "payment_id", p.ID, "trade_no", a.TradeNo, "error", refusal)
	return s.invoke(ctx, p)
}

// release lets the next caller try at once.
func (s *Service) release(ctx context.Context, p *Payment, placed *Attempt) (*Payment, error) {
	return s.update(ctx, p, s.reload(p), func(p *Payment) (*Change, error) {
		a := p.attempt(placed.TradeNo)
		if a.PlacingUntil.IsZero() {
			return nil, nil
		}
		a.PlacingUntil = time.Time{}
		return &Change{Payment: p, Attempts: []*Attempt{a}}, nil
	})
}

func (s *Service) found(ctx context.Context, p *Payment, a *Attempt, report OrderReport, refusal *ChannelError) (*Created, error) {
	p, _, err := s.applyOrderReport(ctx, p, report, nil)
	if err == nil {
		p, err = s.release(ctx, p, a)
	}
	if err != nil {
		return nil, err
	}
	if p.Status == Pending || p.Status == Processing {
		return nil, &Error{Code: CodeChannelRefused, Channel: refusal, Payment: p, Detail: "the provider holds this order but refuses a fresh credential for it; see channel_error"}
	}
	return &Created{Payment: p}, nil
}

// refuse ends an attempt. A payment that can be paid by another one goes on with that.
func (s *Service) refuse(ctx context.Context, p *Payment, asked *Attempt, refusal *ChannelError) (*Created, error) {
	p, err := s.update(ctx, p, s.reload(p), func(p *Payment) (*Change, error) {
		a := p.attempt(asked.TradeNo)
		a.PlacingUntil = time.Time{}
		if to, ok := Attempts.Next(a.Status, OnRefused); ok {
			a.Status, a.Error = to, refusal
		}
		c := &Change{Payment: p, Attempts: []*Attempt{a}}
		c.endPayment(s.clock())
		c.waits(s.clock())
		return c, nil
	})
	if err != nil {
		return nil, err
	}
	if a := p.attempt(asked.TradeNo); a.Status == AttemptRefused {
		return nil, refused(p, a)
	}
	return nil, &Error{Code: CodeChannelRefused, Channel: refusal, Payment: p, Detail: "the provider refuses a fresh credential for this order; see channel_error"}
}

// refused is the answer about an attempt that the provider refused.
func refused(p *Payment, a *Attempt) *Error {
	detail := fmt.Sprintf("the provider refused payment %s for good; mend what channel_error says, then create a new payment with a new out_trade_no", p.ID)
	if p.Status != Failed {
		detail = fmt.Sprintf("the provider refused an order for product %s for good; payment %s stays %s by product %s. Repeat that request, or mend what channel_error says and switch again", a.Product, p.ID, p.Status, p.Current().Product)
	}
	return &Error{Code: CodeChannelRefused, Channel: a.Error, Payment: p, Detail: detail}
}

// invoke completes the answer with the front end's signed parameters.
func (s *Service) invoke(ctx context.Context, p *Payment) (*Created, error) {
	created := &Created{Payment: p}
	if p.Status != Pending || !p.Current().Credential.Usable(s.clock()) {
		return created, nil
	}
	provider, err := s.providers.Provider(ctx, p.AccountID)
	if err != nil {
		return nil, err
	}
	created.Invoke, err = provider.Invoke(p.Current())
	return created, err
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func (r CreateRequest) expiry(now time.Time) time.Time {
	switch {
	case !r.ExpiresAt.IsZero():
		return r.ExpiresAt.UTC().Truncate(time.Millisecond)
	case r.ExpiresIn != 0:
		return now.Add(r.ExpiresIn)
	}
	return now.Add(ExpiryDefault)
}

// hash identifies the request's content, so that a repeat is told from a mistake.
func (r CreateRequest) hash() string {
	if !r.ExpiresAt.IsZero() {
		r.ExpiresAt = r.ExpiresAt.UTC()
	}
	sum := sha256.Sum256(object(r))
	return hex.EncodeToString(sum[:])
}

// validExpiry holds for a new payment only: a repeated request names the same moment, which comes nearer and passes.
func (r CreateRequest) validExpiry(now time.Time) error {
	if life := r.expiry(now).Sub(now); life < ExpiryMin || life > ExpiryMax {
		return invalid("expires_at", "must lie between %s and %s from now", ExpiryMin, ExpiryMax)
	}
	return nil
}

func (r CreateRequest) validate() error {
	switch {
	case !outNumber.MatchString(r.OutTradeNo):
		return invalid("out_trade_no", "must be 1 to 64 letters, digits, _ or -")
	case r.Amount < 1 || r.Amount > money.AmountMax:
		return invalid("amount", "must be an integer from 1 to %d, in minor units", money.AmountMax)
	case !r.Currency.Valid():
		return invalid("currency", "must be CNY")
	case r.Description == "" || utf8.RuneCountInString(r.Description) > 127 || !basicText(r.Description):
		return invalid("description", "must be 1 to 127 characters of text without emoji")
	case r.Channel != WeChat:
		return invalid("channel", "must be %q", WeChat)
	}
	switch r.Product {
	case Native, App:
	case JSAPI, MiniProgram:
		if r.Payer.OpenID == "" {
			return invalid("payer.openid", "is required for product %q: the payer's openid under the account's app", r.Product)
		}
	case H5:
		if r.ClientIP == "" {
			return invalid("client_ip", "is required for product %q: the payer's own address", r.Product)
		}
	default:
		return invalid("product", "must be one of native, jsapi, miniprogram, app, h5")
	}
	if _, err := netip.ParseAddr(r.ClientIP); r.ClientIP != "" && err != nil {
		return invalid("client_ip", "must be an IPv4 or IPv6 address")
	}
	if len(r.Payer.OpenID) > 128 {
		return invalid("payer.openid", "must be at most 128 characters")
	}
	if r.ReturnURL != "" {
		u, err := url.Parse(r.ReturnURL)
		if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || len(r.ReturnURL) > 512 {
			return invalid("return_url", "must be an absolute http(s) URL of at most 512 characters")
		}
	}
	return validMetadata(r.Metadata)
}

func validMetadata(metadata map[string]string) error {
	if len(metadata) > 20 {
		return invalid("metadata", "must have at most 20 keys")
	}
	for k, v := range metadata {
		if k == "" || utf8.RuneCountInString(k) > 40 || utf8.RuneCountInString(v) > 500 {
			return invalid("metadata", "keys must be 1 to 40 characters, values at most 500")
		}
	}
	return nil
}

// basicText reports whether s holds only what every provider takes: valid UTF-8 of at most three bytes a
// character and no control characters.
func basicText(s string) bool {
	for _, r := range s {
		if r == utf8.RuneError || r > 0xFFFF || r < 0x20 || r == 0x7F {
			return false
		}
	}
	return true
}
