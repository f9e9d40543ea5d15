package payment_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

func TestARefusedSwitch(t *testing.T) {
	t.Parallel()
	refused := func(t *testing.T) (*bundle, *payment.Payment) {
		t.Helper()
		b := newBundle(t)
		p := b.create()
		b.provider.next("place", refusal("NO_AUTH"))
		_, err := b.Create(t.Context(), b.app, b.by(payment.JSAPI))
		e := refusedWith(t, err, payment.CodeChannelRefused, "")
		if e.Channel == nil || e.Channel.Code != "NO_AUTH" || e.Payment.ID != p.ID {
			t.Errorf("%+v", e)
		}
		return b, p
	}
	t.Run("ThePaymentStaysPayableByItsOldOrder", func(t *testing.T) {
		t.Parallel()
		b, p := refused(t)
		b.attempts(p, "native open, jsapi refused")
		shown := b.load(p).ResourceWithCredential(b.clock.Now(), nil)
		if shown.Status != payment.Pending || shown.Product != payment.Native || shown.Credential == nil || shown.ChannelError != nil {
			t.Errorf("%+v", shown)
		}
		b.run(20 * time.Minute)
		b.atProvider(p, 1, payment.OrderUnpaid)
		b.payOrder("n1", p.Current().TradeNo)
		b.happened(p.ID, "payment.created payment.succeeded")
		b.sound(p)
	})
	t.Run("AskedAgainItIsStillRefusedAndTheOldRequestIsStillGood", func(t *testing.T) {
		t.Parallel()
		b, p := refused(t)
		_, err := b.Create(t.Context(), b.app, b.by(payment.JSAPI))
		if e := refusedWith(t, err, payment.CodeChannelRefused, ""); e.Channel.Code != "NO_AUTH" {
			t.Errorf("%+v", e)
		}
		if again := b.create(); again.Current().TradeNo != p.Current().TradeNo || b.provider.count("place") != 2 {
			t.Errorf("placed %d times", b.provider.count("place"))
		}
	})
	t.Run("AnotherWayToPayIsTried", func(t *testing.T) {
		t.Parallel()
		b, p := refused(t)
		b.switched(payment.H5)
		b.run(time.Second)
		b.attempts(p, "native closed, jsapi refused, h5 open")
	})
	t.Run("ItIsClosedAtExpiry", func(t *testing.T) {
		t.Parallel()
		b, p := refused(t)
		b.run(time.Hour)
		b.attempts(p, "native closed, jsapi refused")
		b.happened(p.ID, "payment.created payment.closed")
	})
	t.Run("WhereEveryOrderIsRefusedThePaymentFails", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.provider.next("place", lostRequest(), refusal("NO_AUTH"), refusal("PARAM_ERROR"))
		if _, err := b.Create(t.Context(), b.app, b.request("order")); err != nil {
			t.Fatal(err)
		}
		_, err := b.Create(t.Context(), b.app, b.by(payment.JSAPI))
		p := refusedWith(t, err, payment.CodeChannelRefused, "").Payment
		b.status(p, payment.Processing) // the first may be there
		_, err = b.Create(t.Context(), b.app, b.request("order"))
		refusedWith(t, err, payment.CodeChannelRefused, "")
		b.happened(p.ID, "payment.created payment.failed")
	})
	t.Run("WhereTheOldOrderIsClosedMeanwhileThePaymentIsClosed", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		effect, entered, release := slow()
		effect.answer, effect.outcome, effect.code = false, payment.Refused, "NO_AUTH"
		b.provider.next("place", effect)
		done := make(chan error, 1)
		go func() {
			_, err := b.Create(t.Context(), b.app, b.by(payment.JSAPI))
			done <- err
		}()
		<-entered
		b.provider.set(p.Current().TradeNo, payment.OrderClosed)
		b.run(10 * time.Second)
		b.attempts(p, "native closed, jsapi placing")
		release()
		refusedWith(t, <-done, payment.CodeChannelRefused, "")
		b.happened(p.ID, "payment.created payment.closed")
	})
}

// TestTheEndOfAPaymentWithTwoOrders is what closes it, and what keeps it open.
func TestTheEndOfAPaymentWithTwoOrders(t *testing.T) {
	t.Parallel()
	t.Run("AnAppsCloseClosesBoth", func(t *testing.T) {
		t.Parallel()
		b, p := twoProducts(t, payment.LateRefund)
		got, err := b.Close(t.Context(), "app", p.ID)
		if err != nil || got.Status != payment.Closed {
			t.Fatal(got, err)
		}
		b.attempts(p, "native closed, app closed")
		b.atProvider(p, 1, payment.OrderClosed)
		b.atProvider(p, 2, payment.OrderClosed)
		b.happened(p.ID, "payment.created payment.closed")
	})
	t.Run("ExpiryClosesBoth", func(t *testing.T) {
		t.Parallel()
		b, p := twoProducts(t, payment.LateRefund)
		b.jobs.without(payment.FollowAttempt)
		b.jobs.without(payment.AskAgain)
		b.run(payment.ExpiryDefault + time.Minute)
		b.atProvider(p, 1, payment.OrderClosed)
		b.atProvider(p, 2, payment.OrderClosed)
		b.happened(p.ID, "payment.created payment.closed")
	})
	for name, broken := range map[string]string{"Query": "query", "Close": "close"} {
		for n, silent := range map[string][]effect{"TheNewer": {lostRequest()}, "TheOlder": {{answer: true}, lostRequest()}} {
			t.Run(name+"Of"+n+"IsUnknownTheOtherIsClosedAndThePaymentIsNot", func(t *testing.T) {
				t.Parallel()
				b, p := twoProducts(t, payment.LateRefund)
				b.provider.next(broken, silent...)
				got, err := b.Close(t.Context(), "app", p.ID)
				if err != nil || got.Terminal() || got.CloseRequestedAt.IsZero() {
					t.Fatal(got, err)
				}
				open := 2 - (len(silent) - 1)
				b.atProvider(p, open, payment.OrderUnpaid)
				b.atProvider(p, 3-open, payment.OrderClosed)
				b.run(10 * time.Second)
				b.happened(p.ID, "payment.created payment.closed")
				b.atProvider(p, open, payment.OrderClosed)
			})
		}
	}
	t.Run("APayerOfTheOlderOneWinsAgainstTheClose", func(t *testing.T) {
		t.Parallel()
		b, p := twoProducts(t, payment.LateRefund)
		b.provider.pay(p.Attempts[0].TradeNo)
		_, err := b.Close(t.Context(), "app", p.ID)
		refusedWith(t, err, payment.CodeNotClosable, "")
		b.run(time.Second)
		b.attempts(p, "native paid, app closed")
		b.atProvider(p, 2, payment.OrderClosed)
	})
	t.Run("MoneyInFlightForEitherIsFoundAfterwards", func(t *testing.T) {
		t.Parallel()
		for n := range 2 {
			b, p := twoProducts(t, payment.LateAccept)
			if _, err := b.Close(t.Context(), "app", p.ID); err != nil {
				t.Fatal(err)
			}
			b.provider.payLate(p.Attempts[n].TradeNo)
			b.run(10 * time.Minute)
			b.happened(p.ID, "payment.created payment.closed payment.late_paid")
			b.sound(p)
		}
	})
	t.Run("ASilentOrderIsReportedAfterADayAndTheOtherIsClosed", func(t *testing.T) {
		t.Parallel()
		b, p := twoProducts(t, payment.LateRefund)
		older := p.Attempts[0].TradeNo
		b.provider.silence(older)
		b.run(payment.ExpiryDefault + 26*time.Hour)
		b.reviews("outcome_unknown")
		b.attempts(p, "native open, app closed")
		b.status(b.load(p), payment.Pending)
		if v := b.open(); !strings.Contains(v.Summary, older) || strings.Contains(v.Summary, p.Attempts[1].TradeNo) {
			t.Errorf("the review is about %s", v.Summary)
		}
		b.provider.silence("")
		b.run(2 * time.Hour)
		b.happened(p.ID, "payment.created payment.closed")
	})
	t.Run("AnOrderThatVanishedIsReviewedAndTheOtherIsPaid", func(t *testing.T) {
		t.Parallel()
		b, p := twoProducts(t, payment.LateRefund)
		b.provider.mu.Lock()
		delete(b.provider.orders, p.Attempts[0].TradeNo)
		b.provider.mu.Unlock()
		b.run(10 * time.Second)
		b.reviews("report_mismatch")
		b.payOrder("n1", p.Attempts[1].TradeNo)
		b.happened(p.ID, "payment.created payment.succeeded")
	})
	t.Run("ASyncFindsTheMoneyOfTheOlderOne", func(t *testing.T) {
		t.Parallel()
		b, p := twoProducts(t, payment.LateRefund)
		b.provider.pay(p.Attempts[0].TradeNo)
		got, err := b.Sync(t.Context(), "app", p.ID)
		if err != nil || got.Status != payment.Succeeded {
			t.Fatal(got, err)
		}
	})
	t.Run("ASyncFindsTheMoneyOfOneThoughTheOtherIsSilent", func(t *testing.T) {
		t.Parallel()
		for n := range 2 {
			b, p := twoProducts(t, payment.LateRefund)
			b.provider.pay(p.Attempts[n].TradeNo)
			b.provider.silence(p.Attempts[1-n].TradeNo)
			_, err := b.Sync(t.Context(), "app", p.ID)
			if e := refusedWith(t, err, payment.CodeChannelUnavailable, ""); e.Payment.Status != payment.Succeeded {
				t.Errorf("the payment is %s", e.Payment.Status)
			}
		}
	})
}

// TestTheOrderThatDidNotPay is closed once another paid, and what it brings all the same is found.
func TestTheOrderThatDidNotPay(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]int{"TheOlderPays": 0, "TheNewerPays": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Run("TheOtherIsClosed", func(t *testing.T) {
				t.Parallel()
				b, p := twoProducts(t, payment.LateRefund)
				b.payOrder("n1", p.Attempts[first].TradeNo)
				b.run(time.Second)
				b.atProvider(p, 2-first, payment.OrderClosed)
				b.run(time.Hour)
				b.happened(p.ID, "payment.created payment.succeeded")
				b.sound(p)
			})
			t.Run("TheOtherIsClosedHoweverOftenThatFails", func(t *testing.T) {
				t.Parallel()
				b, p := twoProducts(t, payment.LateRefund)
				b.jobs.without(payment.AskAgain)
				b.payOrder("n1", p.Attempts[first].TradeNo)
				b.provider.next("close", slices.Repeat([]effect{lostRequest()}, 30)...)
				b.run(20 * time.Hour)
				b.atProvider(p, 2-first, payment.OrderUnpaid)
				b.run(48 * time.Hour)
				b.atProvider(p, 2-first, payment.OrderClosed)
				b.reviews("")
			})
			t.Run("ASilentOtherIsReportedADayAfterTheExpiry", func(t *testing.T) {
				t.Parallel()
				b, p := twoProducts(t, payment.LateRefund)
				b.payOrder("n1", p.Attempts[first].TradeNo)
				b.provider.silence(p.Attempts[1-first].TradeNo)
				b.run(payment.ExpiryDefault + 26*time.Hour)
				b.reviews("outcome_unknown")
				b.provider.silence("")
				b.decide(b.open(), payment.ActionAsk)
				b.run(time.Second)
				b.atProvider(p, 2-first, payment.OrderClosed)
			})
			t.Run("MoneyInFlightForTheOtherIsFound", func(t *testing.T) {
				t.Parallel()
				b, p := twoProducts(t, payment.LateRefund)
				b.payOrder("n1", p.Attempts[first].TradeNo)
				b.run(30 * time.Second)
				b.atProvider(p, 2-first, payment.OrderClosed)
				b.provider.payLate(p.Attempts[1-first].TradeNo)
				b.run(11 * time.Minute)
				b.happened(p.ID, "payment.created payment.succeeded payment.late_paid")
				if got := b.load(p); len(got.Refunds) != 1 || got.Refunds[0].TradeNo != p.Attempts[1-first].TradeNo {
					t.Errorf("%+v", got.Refunds)
				}
				b.sound(p)
			})
		})
	}
	t.Run("MoneyInFlightForALeftOrderPaysThePayment", func(t *testing.T) {
		t.Parallel()
		b, p := twoProducts(t, payment.LateRefund)
		b.run(time.Second)
		b.attempts(p, "native closed, app open")
		b.provider.payLate(p.Attempts[0].TradeNo)
		b.run(2 * time.Minute)
		b.attempts(p, "native paid, app closed")
		b.happened(p.ID, "payment.created payment.succeeded")
		b.sound(p)
	})
}

// TestMoneyInFlightForTheOtherOrderOfAPaymentThatAcceptedLateMoney is found though the payment has ended well by then.
func TestMoneyInFlightForTheOtherOrderOfAPaymentThatAcceptedLateMoney(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]int{"TheOlderIsAccepted": 0, "TheNewerIsAccepted": 1} {
		for policy, accept := range map[payment.LatePolicy]func(*bundle){
			payment.LateAccept: func(*bundle) {},
			payment.LateReview: func(b *bundle) { b.decide(b.open(), payment.ActionAccept) },
		} {
			t.Run(name+"/"+string(policy), func(t *testing.T) {
				t.Parallel()
				b, p := twoProducts(t, policy)
				b.run(time.Second) // the older one is closed
				if got, err := b.Close(t.Context(), "app", p.ID); err != nil || got.Status != payment.Closed {
					t.Fatal(got, err)
				}
				b.run(10 * time.Second)
				b.provider.payLate(p.Attempts[first].TradeNo)
				b.provider.payLate(p.Attempts[1-first].TradeNo)
				b.deliver(b.orderOf("n1", p.Attempts[first].TradeNo), payment.Applied) // the other one's is lost
				accept(b)
				b.status(b.load(p), payment.Succeeded)
				b.run(time.Hour)
				if got := b.load(p); got.AmountPaid != 2000 || got.Attempts[1-first].Status != payment.AttemptPaid {
					t.Errorf("%d of what the payer paid twice is known", got.AmountPaid)
				}
				b.sound(p)
			})
		}
	}
}
