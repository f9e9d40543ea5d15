package payment

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Close ends a payment that nobody has paid, at its provider and then here. Closing a closed payment is done
// already. A payment that comes back neither closed nor with an error is being closed: the provider's answer is
// not known yet, and a job sees to it.
func (s *Service) Close(ctx context.Context, appID, id string) (*Payment, error) {
	p, err := s.Payment(ctx, appID, id)
	if err != nil {
		return nil, err
	}
	p, err = s.update(ctx, p, s.reload(p), func(p *Payment) (*Change, error) {
		if p.Terminal() || !p.CloseRequestedAt.IsZero() {
			return nil, nil
		}
		now := s.clock()
		p.CloseRequestedAt = now
		return &Change{Payment: p, Jobs: []Job{p.followJob(now.Add(10 * time.Second))}}, nil
	})
	if err != nil {
		return nil, err
	}
	if !p.Terminal() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(about(ctx, p.ID)), s.placeTimeout+commitTimeout)
		defer cancel()
		p, err = s.each(ctx, p, p.unsettled(), s.settle)
		if ce, ok := errors.AsType[*ChannelError](err); ok {
			s.logger.Log(ctx, ce.level(), "close: outcome unknown", "payment_id", id, "error", ce)
			err = nil
		}
		if err != nil {
			return nil, err
		}
	}
	if p.Terminal() && p.Status != Closed {
		return nil, &Error{Code: CodeNotClosable, Payment: p, Detail: fmt.Sprintf("payment %s is %s; only an unpaid payment can be closed, a paid one can be refunded", p.ID, p.Status)}
	}
	return p, nil
}

// Sync asks the provider now, about the payment and its open refunds, and returns what is known then.
func (s *Service) Sync(ctx context.Context, appID, id string) (*Payment, error) {
	p, err := s.Payment(ctx, appID, id)
	if err != nil {
		return nil, err
	}
	ctx = about(ctx, p.ID)
	p, err = s.each(ctx, p, p.Attempts, func(ctx context.Context, p *Payment, a *Attempt) (*Payment, error) {
		p, _, err := s.ask(ctx, p, a)
		return p, err
	})
	if err != nil {
		return nil, unavailable(err, p)
	}
	for _, r := range p.Refunds {
		if r.terminal() {
			continue
		}
		p, err = s.askRefund(ctx, p, r.ID)
		if ce, ok := errors.AsType[*ChannelError](err); ok && ce.Outcome == Absent {
			continue // not there yet: its job sends it again
		}
		if err != nil {
			return nil, unavailable(err, p)
		}
	}
	return p, nil
}

// unavailable turns a provider's silence into an answer for the caller; other errors pass.
func unavailable(err error, p *Payment) error {
	ce, ok := errors.AsType[*ChannelError](err)
	if !ok {
		return err
	}
	return &Error{Code: CodeChannelUnavailable, Channel: ce, Payment: p, Detail: "the provider gave no answer that can be trusted; what is shown stands, and the gateway keeps asking by itself"}
}
