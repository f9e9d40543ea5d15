package storetest

import (
	"fmt"
	"time"

	"github.com/tongbao-pay/tongbao/internal/ledger"
	"github.com/tongbao-pay/tongbao/internal/money"
	"github.com/tongbao-pay/tongbao/internal/payment"
)

const (
	appID     = "app_1"
	accountID = "acc_1"
)

// newPayment is a payment with every field filled, in its first version.
func newPayment(n int) *payment.Payment {
	id := fmt.Sprintf("%04d", n)
	return &payment.Payment{
		ID: "pay_" + id, AppID: appID, AccountID: accountID, OutTradeNo: "order-" + id, Amount: 8800, Currency: money.CNY,
		Description: "一杯咖啡 ☕", Channel: payment.WeChat,
		Metadata:    map[string]string{"cart": "7", "note": `"'; DROP TABLE payments`},
		ContentHash: "hash-" + id, LatePolicy: payment.LateRefund, Status: payment.Processing,
		CreatedAt: epoch, UpdatedAt: epoch, ExpiresAt: epoch.Add(time.Hour), Sequence: 1, Version: 1,
		Attempts: []*payment.Attempt{{
			ID: "att_" + id, Ordinal: 1, Product: payment.JSAPI, Payer: payment.Payer{OpenID: "o-payer"}, ClientIP: "192.0.2.7", ReturnURL: "https://shop.example/done?n=1",
			TradeNo: "T" + id, MerchantID: "1900000001", MerchantAppID: "wx1", Status: payment.AttemptPlacing,
			PlacingUntil: epoch.Add(20 * time.Second), CreatedAt: epoch,
		}},
	}
}

// switched is the next attempt of p, with another way to pay.
func switched(p *payment.Payment, n int) *payment.Attempt {
	id := fmt.Sprintf("%04d", n)
	return &payment.Attempt{
		ID: "att_" + id, Ordinal: len(p.Attempts) + 1, Product: payment.Native, TradeNo: "T" + id, MerchantID: "1900000001", MerchantAppID: "wx1",
		Status: payment.AttemptPlacing, CreatedAt: epoch.Add(time.Minute),
	}
}

// created is the change that first stores p.
func created(p *payment.Payment) *payment.Change {
	return &payment.Change{
		Payment: p, Attempts: p.Attempts, Refunds: p.Refunds,
		Events: []payment.Event{paymentEvent(p, payment.EventPaymentCreated)},
		Jobs:   []payment.Job{{Kind: payment.FollowPayment, AppID: p.AppID, ResourceID: p.ID, At: epoch.Add(10 * time.Second)}},
	}
}

// paid moves p to succeeded and returns everything that goes with it.
func paid(p *payment.Payment) *payment.Change {
	a := p.Current()
	a.Status, a.TransactionID, a.PlacingUntil, a.Late = payment.AttemptPaid, "42"+a.TradeNo, time.Time{}, true
	p.Status, p.AmountPaid, p.PaidAt = payment.Succeeded, p.Amount, epoch.Add(time.Minute)
	p.Sequence++
	p.Version++
	return &payment.Change{
		Payment: p, Attempts: p.Attempts, Events: []payment.Event{paymentEvent(p, payment.EventPaymentSucceeded)},
		Postings: []ledger.Posting{ledger.Collect(p.AppID, p.AccountID, a.ID, p.Amount, p.Currency, p.PaidAt)},
	}
}

// addRefund reserves a refund of p and returns the change that stores it.
func addRefund(p *payment.Payment, n int, amount int64) *payment.Change {
	id := fmt.Sprintf("%04d", n)
	r := &payment.Refund{
		ID: "rfd_" + id, PaymentID: p.ID, AppID: p.AppID, OutRefundNo: "refund-" + id, RefundNo: "R" + id, TradeNo: p.Current().TradeNo,
		Amount: amount, Currency: p.Currency, Reason: "cold", Status: payment.RefundPending, CreatedAt: epoch, UpdatedAt: epoch, Sequence: 1,
	}
	p.Refunds = append(p.Refunds, r)
	p.AmountRefunding += amount
	p.Version++
	return &payment.Change{
		Payment: p, Refunds: []*payment.Refund{r},
		Events: []payment.Event{{
			ID: "evt_" + r.ID[4:] + "R1", AppID: p.AppID, Type: payment.EventRefundCreated, ResourceType: "refund", ResourceID: r.ID,
			Sequence: 1, CreatedAt: epoch, Object: []byte(`{"object":"refund"}`),
		}},
		Jobs: []payment.Job{{Kind: payment.FollowRefund, AppID: p.AppID, ResourceID: r.ID, At: epoch.Add(5 * time.Second)}},
	}
}

func paymentEvent(p *payment.Payment, eventType string) payment.Event {
	return payment.Event{
		ID: fmt.Sprintf("evt_%sP%d", p.ID[4:], p.Sequence), AppID: p.AppID, Type: eventType, ResourceType: "payment", ResourceID: p.ID,
		Sequence: p.Sequence, CreatedAt: epoch, Object: []byte(`{"object":"payment"}`),
	}
}

func notice(n int) *payment.Notice {
	return &payment.Notice{
		AccountID: accountID, NotificationID: fmt.Sprintf("notification-%d", n), EventType: "TRANSACTION.SUCCESS", AppID: appID, ResourceID: "pay_0001",
		Verdict: payment.Applied, Body: []byte(`{"trade_state":"SUCCESS"}`), ReceivedAt: epoch,
	}
}

// review is an open review with the event that tells of it.
func review(id, subjectID string) *payment.Change {
	v := &payment.Review{
		ID: id, AppID: appID, AccountID: accountID, Kind: payment.ReviewMismatch, SubjectID: subjectID, Summary: "look", Evidence: []byte(`{"a":1}`), OpenedAt: epoch,
	}
	return &payment.Change{Reviews: []*payment.Review{v}, Events: []payment.Event{{
		ID: "evt_" + id, AppID: appID, Type: payment.EventReviewOpened, ResourceType: "review", ResourceID: id, Sequence: 1, CreatedAt: epoch, Object: []byte(`{"object":"review"}`),
	}}}
}
