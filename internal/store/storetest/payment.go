package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

var paymentTests = map[string]func(*testing.T, *bundle){
	"EveryLoaderReturnsThePaymentWhole":       everyLoaderReturnsThePaymentWhole,
	"EveryChangeableFieldIsStored":            everyChangeableFieldIsStored,
	"UnknownNumbersAreNotFound":               unknownNumbersAreNotFound,
	"NumbersOfOthersAreNotFound":              numbersOfOthersAreNotFound,
	"TransactionOwnerKnowsOnlyPaidAttempts":   transactionOwnerKnowsOnlyPaidAttempts,
	"AttemptsAndRefundsComeInOrderOfTheirAge": attemptsAndRefundsComeInOrderOfTheirAge,
	"PingAnswers": func(t *testing.T, b *bundle) {
		if err := b.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	},
}

func everyLoaderReturnsThePaymentWhole(t *testing.T, b *bundle) {
	p := newPayment(1)
	b.commit(created(p))
	b.commit(paid(p))
	b.commit(addRefund(p, 1, 300))
	ctx := t.Context()
	loaded := map[string]*payment.Payment{
		"id":            must(b.PaymentByID(ctx, appID, p.ID))(t),
		"out_trade_no":  must(b.PaymentByOutTradeNo(ctx, appID, p.OutTradeNo))(t),
		"attempt id":    must(b.PaymentByAttemptID(ctx, appID, "att_0001"))(t),
		"trade number":  must(b.PaymentByTradeNo(ctx, accountID, p.Current().TradeNo))(t),
		"refund number": must(b.PaymentByRefundNo(ctx, accountID, "R0001"))(t),
		"refund id":     must(b.PaymentByRefundID(ctx, appID, "rfd_0001"))(t),
		"out_refund_no": must(b.PaymentByOutRefundNo(ctx, appID, "refund-0001"))(t),
	}
	for by, got := range loaded {
		same(t, "by "+by, got, p)
	}
	same(t, "refund", must(b.RefundByID(ctx, appID, "rfd_0001"))(t), p.Refunds[0])
}

func everyChangeableFieldIsStored(t *testing.T, b *bundle) {
	p := newPayment(1)
	b.commit(created(p))
	b.commit(paid(p))
	b.commit(addRefund(p, 1, 300))
	a, r := p.Attempts[0], p.Refunds[0]
	a.Status = payment.AttemptClosed
	a.Credential = payment.Credential{CodeURL: "weixin://1", PrepayID: "wx2", H5URL: "https://h5", ExpiresAt: epoch.Add(time.Hour)}
	a.PlacingUntil, a.ClosedAt = epoch.Add(time.Second), epoch.Add(6*time.Second)
	a.Error = &payment.ChannelError{Code: "PARAM_ERROR", Message: "bad", RequestID: "q2"}
	r.ChannelRefundID, r.Status, r.Error = "50000", payment.RefundAbnormal, &payment.ChannelError{Code: "NOT_ENOUGH", Message: "余额不足", RequestID: "q1"}
	r.UpdatedAt, r.SucceededAt, r.Sequence = epoch.Add(2*time.Second), epoch.Add(time.Second), 2
	p.Status, p.AmountRefunded, p.AmountRefunding, p.LatePaid = payment.Refunded, 200, 100, true
	p.UpdatedAt, p.ClosedAt, p.CloseRequestedAt = epoch.Add(3*time.Second), epoch.Add(4*time.Second), epoch.Add(5*time.Second)
	p.Version++
	b.commit(&payment.Change{Payment: p, Attempts: p.Attempts, Refunds: p.Refunds})
	same(t, "payment", must(b.PaymentByID(t.Context(), appID, p.ID))(t), p)
}

func unknownNumbersAreNotFound(t *testing.T, b *bundle) {
	b.commit(created(newPayment(1)))
	ctx := t.Context()
	for what, load := range map[string]func() error{
		"id":            func() error { _, err := b.PaymentByID(ctx, appID, "pay_x"); return err },
		"out_trade_no":  func() error { _, err := b.PaymentByOutTradeNo(ctx, appID, "x"); return err },
		"attempt id":    func() error { _, err := b.PaymentByAttemptID(ctx, appID, "att_x"); return err },
		"trade number":  func() error { _, err := b.PaymentByTradeNo(ctx, accountID, "x"); return err },
		"refund number": func() error { _, err := b.PaymentByRefundNo(ctx, accountID, "x"); return err },
		"refund id":     func() error { _, err := b.PaymentByRefundID(ctx, appID, "x"); return err },
		"out_refund_no": func() error { _, err := b.PaymentByOutRefundNo(ctx, appID, "x"); return err },
		"refund":        func() error { _, err := b.RefundByID(ctx, appID, "x"); return err },
	} {
		if err := load(); !errors.Is(err, payment.ErrNotFound) {
			t.Errorf("%s: %v, want not found", what, err)
		}
	}
}

func numbersOfOthersAreNotFound(t *testing.T, b *bundle) {
	p := newPayment(1)
	b.commit(created(p))
	b.commit(paid(p))
	b.commit(addRefund(p, 1, 300))
	ctx := t.Context()
	for what, load := range map[string]func() error{
		"id":            func() error { _, err := b.PaymentByID(ctx, "app_2", p.ID); return err },
		"out_trade_no":  func() error { _, err := b.PaymentByOutTradeNo(ctx, "app_2", p.OutTradeNo); return err },
		"attempt id":    func() error { _, err := b.PaymentByAttemptID(ctx, "app_2", "att_0001"); return err },
		"trade number":  func() error { _, err := b.PaymentByTradeNo(ctx, "acc_2", p.Current().TradeNo); return err },
		"refund number": func() error { _, err := b.PaymentByRefundNo(ctx, "acc_2", "R0001"); return err },
		"refund id":     func() error { _, err := b.PaymentByRefundID(ctx, "app_2", "rfd_0001"); return err },
		"out_refund_no": func() error { _, err := b.PaymentByOutRefundNo(ctx, "app_2", "refund-0001"); return err },
		"refund":        func() error { _, err := b.RefundByID(ctx, "app_2", "rfd_0001"); return err },
	} {
		if err := load(); !errors.Is(err, payment.ErrNotFound) {
			t.Errorf("%s: %v, want not found", what, err)
		}
	}
}

func transactionOwnerKnowsOnlyPaidAttempts(t *testing.T, b *bundle) {
	p := newPayment(1)
	b.commit(created(p))
	ctx := t.Context()
	for _, id := range []string{"", "42T0001"} {
		if owner := must(b.TransactionOwner(ctx, accountID, id))(t); owner != "" {
			t.Errorf("before payment %q belongs to %q", id, owner)
		}
	}
	b.commit(paid(p))
	if owner := must(b.TransactionOwner(ctx, accountID, "42T0001"))(t); owner != "T0001" {
		t.Errorf("got %q, want T0001", owner)
	}
	if owner := must(b.TransactionOwner(ctx, "acc_2", "42T0001"))(t); owner != "" {
		t.Errorf("another account's: %q", owner)
	}
}

func attemptsAndRefundsComeInOrderOfTheirAge(t *testing.T, b *bundle) {
	p := newPayment(5)
	p.Attempts = append(p.Attempts, switched(p, 9))
	p.Attempts[1].ID, p.Attempts[1].CreatedAt = "att_0001", epoch.Add(-time.Minute) // an older id, by a replica whose clock is late
	b.commit(created(p))
	ctx := t.Context()
	listed, _, err := b.Payments(ctx, payment.PaymentFilter{AppID: appID}, payment.Page{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	for by, got := range map[string]*payment.Payment{
		"id": must(b.PaymentByID(ctx, appID, p.ID))(t), "first trade number": must(b.PaymentByTradeNo(ctx, accountID, "T0005"))(t),
		"second trade number": must(b.PaymentByTradeNo(ctx, accountID, "T0009"))(t), "list": listed[0],
	} {
		same(t, "by "+by, got, p)
	}
}

func same(t testing.TB, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
