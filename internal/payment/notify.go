package payment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
)

// Notification is a verified notification in the domain's words. At most one of Order and Refund is set; neither
// means that this version does not know the event.
type Notification struct {
	AccountID string
	ID        string // unique per account
	EventType string
	Order     *OrderReport
	Refund    *RefundReport
	Body      json.RawMessage // the verified content, kept as evidence
}

// Notify stores a verified notification and applies it, in one database transaction. When it returns without an
// error the notification is durable and may be acknowledged. Whatever does not fit our books is held as a review.
func (s *Service) Notify(ctx context.Context, n Notification) (Verdict, error) {
	known, err := s.store.Noticed(ctx, n.AccountID, n.ID)
	if err != nil {
		return "", err
	}
	if known {
		return Duplicated, nil
	}
	notice := &Notice{
		AccountID: n.AccountID, NotificationID: n.ID, EventType: n.EventType, Body: n.Body, ReceivedAt: s.clock(),
	}
	err = s.notify(ctx, n, notice)
	if errors.Is(err, ErrDuplicate) {
		notice.Verdict, err = Duplicated, nil
	}
	if err != nil {
		return "", err
	}
	level := slog.LevelInfo
	if notice.Verdict == Held {
		level = slog.LevelWarn
	}
	s.logger.Log(ctx, level, "notification", "account", n.AccountID, "notification_id", n.ID, "type", n.EventType, "verdict", notice.Verdict, "payment_id", notice.ResourceID, "reason", notice.Reason)
	return notice.Verdict, nil
}

func (s *Service) notify(ctx context.Context, n Notification, notice *Notice) error {
	switch {
	case n.Order != nil:
		p, err := s.store.PaymentByTradeNo(ctx, n.AccountID, n.Order.TradeNo)
		if errors.Is(err, ErrNotFound) {
			return s.holdUnknown(ctx, notice, ReviewUnknownOrder, fmt.Sprintf("a verified %s names trade number %q, which this gateway never issued. Find out who else uses this account", n.EventType, n.Order.TradeNo))
		}
		if err != nil {
			return err
		}
		_, _, err = s.applyOrderReport(ctx, p, *n.Order, notice)
		return err
	case n.Refund != nil:
		p, err := s.store.PaymentByRefundNo(ctx, n.AccountID, n.Refund.RefundNo)
		if errors.Is(err, ErrNotFound) {
			return s.holdUnknown(ctx, notice, ReviewUnknownOrder, fmt.Sprintf("a verified %s names refund number %q of trade number %q, which this gateway never issued. It was probably made in the provider's console: book it by hand", n.EventType, n.Refund.RefundNo, n.Refund.TradeNo))
		}
		if err != nil {
			return err
		}
		_, err = s.applyRefundReport(ctx, p, *n.Refund, notice)
		return err
	}
	return s.holdUnknown(ctx, notice, ReviewUnknownEvent, fmt.Sprintf("a verified notification of type %q, which this version does not know, was stored and acknowledged. Read it and act by hand, or upgrade", n.EventType))
}

func (s *Service) holdUnknown(ctx context.Context, notice *Notice, kind ReviewKind, summary string) error {
	c := &Change{}
	c.review(Review{AccountID: notice.AccountID, Kind: kind, SubjectID: notice.NotificationID, Summary: summary, Evidence: notice.Body}, s.clock())
	notice.Verdict, notice.Reason = Held, summary
	c.Notice = notice
	return s.commit(ctx, c)
}

// with adds the notice that brought a report to what the report changes, which may be nothing. Without a notice
// the change stays as it is, nil included.
func (c *Change) with(notice *Notice, p *Payment, verdict Verdict) *Change {
	if notice == nil {
		return c
	}
	if c == nil {
		c = &Change{}
	}
	notice.AppID, notice.ResourceID, notice.Verdict = p.AppID, p.ID, verdict
	if verdict == Held {
		notice.Reason = c.Reviews[0].Summary
	}
	c.Notice = notice
	return c
}
