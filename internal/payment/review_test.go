package payment_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

// open is the one open review.
func (b *bundle) open() *payment.Review {
	b.t.Helper()
	all, _, err := b.store.Reviews(b.t.Context(), payment.ReviewFilter{AnyApp: true, State: payment.ReviewOpen}, payment.Page{Limit: 10})
	if err != nil || len(all) != 1 {
		b.t.Fatalf("open reviews: %v, %v", all, err)
	}
	return all[0]
}

func decision(v *payment.Review, action payment.ReviewAction) payment.ResolveRequest {
	return payment.ResolveRequest{AppID: v.AppID, ReviewID: v.ID, Action: action, Note: "as agreed", By: "ak_1"}
}

// decide resolves a review and wants it done.
func (b *bundle) decide(v *payment.Review, action payment.ReviewAction) {
	b.t.Helper()
	resolved, err := b.ResolveReview(b.t.Context(), decision(v, action))
	if err != nil || resolved.State() != payment.ReviewResolved || resolved.Resolution != action || resolved.Note != "as agreed" || resolved.ResolvedBy != "ak_1" {
		b.t.Fatalf("resolved by %s: %+v, %v", action, resolved, err)
	}
	if v.AppID != "" {
		b.happened(v.ID, "review.opened review.resolved")
	}
}

// overtakenStore lets somebody else do something right after a review was read for the first time.
type overtakenStore struct {
	*fragileStore

	once sync.Once
	by   func()
}

func (s *overtakenStore) ReviewByID(ctx context.Context, appID, id string) (*payment.Review, error) {
	v, err := s.fragileStore.ReviewByID(ctx, appID, id)
	s.once.Do(s.by)
	return v, err
}

// lateAsked is a closed payment whose late money waits for a person.
func lateAsked(t *testing.T) (*bundle, *payment.Payment, *payment.Review) {
	t.Helper()
	b := newBundle(t)
	b.app.LatePolicy = payment.LateReview
	p := b.closed()
	b.provider.payLate(p.Current().TradeNo)
	b.notify("late", p, payment.Applied)
	v := b.open()
	return b, p, v
}

func TestReviewOfLateMoney(t *testing.T) {
	t.Parallel()
	t.Run("AcceptedThePaymentSucceeds", func(t *testing.T) {
		t.Parallel()
		b, p, v := lateAsked(t)
		b.decide(v, payment.ActionAccept)
		b.status(b.load(p), payment.Succeeded)
		b.happened(p.ID, "payment.created payment.closed payment.late_paid payment.succeeded")
		r := b.refund(p, "r1", 1000) // as of any other payment
		b.provider.settle(r.RefundNo, payment.RefundReportedSucceeded)
		b.run(time.Hour)
		b.status(b.load(p), payment.Refunded)
		b.sound(p)
	})
	t.Run("RefundedItGoesBackByItself", func(t *testing.T) {
		t.Parallel()
		b, p, v := lateAsked(t)
		b.decide(v, payment.ActionRefund)
		b.run(time.Second)
		r := b.load(p).Refunds[0]
		if r.Amount != 1000 || r.Status != payment.RefundProcessing {
			t.Fatalf("%+v", r)
		}
		b.provider.settle(r.RefundNo, payment.RefundReportedSucceeded)
		b.run(time.Hour)
		b.status(b.load(p), payment.Closed)
		b.happened(r.ID, "refund.created refund.succeeded")
		b.sound(p)
	})
	t.Run("WhatTheAppRefundedMeanwhileIsNotRefundedTwice", func(t *testing.T) {
		t.Parallel()
		b, p, v := lateAsked(t)
		b.refund(p, "by-hand", 400)
		b.clock.advance(time.Second)
		b.decide(v, payment.ActionRefund)
		b.run(time.Second)
		if p = b.load(p); len(p.Refunds) != 2 || p.Refunds[1].Amount != 600 || p.AmountRefunding != 1000 {
			t.Errorf("%+v", p)
		}
		b.sound(p)
	})
	t.Run("WhatIsGoneIsNeitherRefundedNorAccepted", func(t *testing.T) {
		t.Parallel()
		b, p, v := lateAsked(t)
		b.refund(p, "by-hand", 1000)
		for _, action := range []payment.ReviewAction{payment.ActionRefund, payment.ActionAccept} {
			_, err := b.ResolveReview(t.Context(), decision(v, action))
			refusedWith(t, err, payment.CodeReviewAction, "action")
		}
		b.reviews("late_paid")
		b.decide(v, payment.ActionAcknowledge)
		b.sound(p)
	})
	t.Run("ARefusedGivingBackIsRepeatedUnderItsNumber", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.closed()
		b.provider.payLate(p.Current().TradeNo)
		b.provider.next("refund", refusal("NO_AUTH"), refusal("NO_AUTH"))
		b.notify("late", p, payment.Applied)
		var number string
		for range 2 {
			b.run(time.Second)
			failed := b.load(p).Refunds[0]
			if failed.Status != payment.RefundFailed {
				t.Fatalf("%+v", failed)
			}
			number = failed.RefundNo
			b.decide(b.open(), payment.ActionRefund)
		}
		b.run(time.Second)
		if p = b.load(p); len(p.Refunds) != 1 || p.Refunds[0].RefundNo != number || p.Refunds[0].Status != payment.RefundProcessing || b.provider.count("refund") != 3 {
			t.Errorf("%+v after %d requests", p.Refunds, b.provider.count("refund"))
		}
		b.provider.settle(number, payment.RefundReportedSucceeded)
		b.run(time.Hour)
		b.happened(p.Refunds[0].ID, "refund.created refund.failed refund.failed refund.succeeded")
		b.withinPaid(b.load(p))
	})
	t.Run("AGivingBackThatTheProviderClosedIsReplaced", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.closed()
		b.provider.payLate(p.Current().TradeNo)
		b.notify("late", p, payment.Applied)
		b.run(time.Second)
		first := b.load(p).Refunds[0]
		b.provider.settle(first.RefundNo, payment.RefundReportedClosed)
		b.run(time.Hour)
		b.decide(b.open(), payment.ActionRefund)
		b.run(time.Second)
		if p = b.load(p); len(p.Refunds) != 2 || p.Refunds[1].RefundNo == first.RefundNo || p.Refunds[1].Status != payment.RefundProcessing {
			t.Errorf("%+v", p.Refunds)
		}
		b.sound(p)
	})
	t.Run("AfterAYearItIsAPersonsOwn", func(t *testing.T) {
		t.Parallel()
		b, _, v := lateAsked(t)
		b.clock.advance(payment.RefundWindow + time.Second)
		_, err := b.ResolveReview(t.Context(), decision(v, payment.ActionRefund))
		refusedWith(t, err, payment.CodeNotRefundable, "")
		b.reviews("late_paid")
	})
	t.Run("AnAppCannotWriteTheNumbersOfLateRefunds", func(t *testing.T) {
		t.Parallel()
		b, p, _ := lateAsked(t)
		_, _, err := b.Refund(t.Context(), "app", payment.RefundRequest{PaymentID: p.ID, OutRefundNo: "late-" + p.Current().ID, Amount: 1})
		refusedWith(t, err, payment.CodeInvalid, "out_refund_no")
	})
}

func TestResolveReview(t *testing.T) {
	t.Parallel()
	t.Run("TheSameDecisionAgainIsDoneAlready", func(t *testing.T) {
		t.Parallel()
		b, p, v := lateAsked(t)
		for range 3 {
			b.decide(v, payment.ActionRefund)
		}
		if p = b.load(p); len(p.Refunds) != 1 {
			t.Errorf("%d refunds", len(p.Refunds))
		}
		other := decision(v, payment.ActionRefund)
		other.Note = "something else"
		for _, req := range []payment.ResolveRequest{other, decision(v, payment.ActionAccept), decision(v, payment.ActionAcknowledge)} {
			_, err := b.ResolveReview(t.Context(), req)
			refusedWith(t, err, payment.CodeReviewResolved, "")
		}
	})
	t.Run("TheSameDecisionAMomentEarlierIsDoneAlready", func(t *testing.T) {
		t.Parallel()
		for _, action := range []payment.ReviewAction{payment.ActionAccept, payment.ActionRefund, payment.ActionAcknowledge} {
			b, _, v := lateAsked(t)
			overtaken := &overtakenStore{fragileStore: b.fragile, by: func() { b.decide(v, action) }}
			second := payment.New(payment.Config{Store: overtaken, Providers: b, Now: b.clock.Now})
			if resolved, err := second.ResolveReview(t.Context(), decision(v, action)); err != nil || resolved.Resolution != action {
				t.Errorf("%s again: %+v, %v", action, resolved, err)
			}
		}
	})
	t.Run("OfManyAtOnceOneDecides", func(t *testing.T) {
		t.Parallel()
		b, p, v := lateAsked(t)
		actions := []payment.ReviewAction{payment.ActionAccept, payment.ActionRefund, payment.ActionAcknowledge}
		var mu sync.Mutex
		won := map[payment.ReviewAction]int{}
		var group sync.WaitGroup
		for i := range 12 {
			group.Go(func() {
				action := actions[i%len(actions)]
				_, err := b.ResolveReview(t.Context(), decision(v, action))
				mu.Lock()
				defer mu.Unlock()
				refusal, told := errors.AsType[*payment.Error](err)
				switch {
				case err == nil:
					won[action]++
				case !told || refusal.Code != payment.CodeReviewResolved:
					t.Error(err)
				}
			})
		}
		group.Wait()
		if len(won) != 1 {
			t.Errorf("decided: %v", won)
		}
		b.happened(v.ID, "review.opened review.resolved")
		b.sound(p)
	})
	t.Run("WhatAKindDoesNotOfferIsRefusedWithWhatItDoes", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		for i, kind := range payment.ReviewKinds {
			v := &payment.Review{ID: "rvw_" + string(rune('A'+i)), AppID: "app", Kind: kind, SubjectID: "pay_x", OpenedAt: b.clock.Now()}
			if err := b.store.Commit(t.Context(), &payment.Change{Reviews: []*payment.Review{v}}); err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(kind.Actions(), payment.ActionAcknowledge) {
				t.Errorf("%s cannot be ended by a person who saw to it elsewhere", kind)
			}
			for _, action := range []payment.ReviewAction{payment.ActionAccept, payment.ActionRefund, payment.ActionAsk, "forget"} {
				if slices.Contains(kind.Actions(), action) {
					continue
				}
				_, err := b.ResolveReview(t.Context(), decision(v, action))
				e := refusedWith(t, err, payment.CodeReviewAction, "action")
				for _, offered := range kind.Actions() {
					if !strings.Contains(e.Detail, string(offered)) {
						t.Errorf("%s by %s: %q does not name %s", kind, action, e.Detail, offered)
					}
				}
			}
		}
		if jobs := len(b.jobs.all); jobs != 0 {
			t.Errorf("%d jobs of refused decisions", jobs)
		}
	})
	t.Run("OfAnotherAppItIsNotFound", func(t *testing.T) {
		t.Parallel()
		b, _, v := lateAsked(t)
		for _, app := range []string{"other", ""} {
			req := decision(v, payment.ActionAccept)
			req.AppID = app
			_, err := b.ResolveReview(t.Context(), req)
			refusedWith(t, err, payment.CodeNotFound, "")
		}
		b.reviews("late_paid")
	})
	t.Run("OfNoAppItIsTheOperators", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.deliver(payment.Notification{AccountID: "acc", ID: "n1", EventType: "COUPON.USE", Body: []byte(`{}`)}, payment.Held)
		b.decide(b.open(), payment.ActionAcknowledge)
		b.reviews("")
		if told := b.events(""); told != "" {
			t.Errorf("an app was told of what is not its own: %s", told)
		}
	})
	t.Run("ADeathBeforeTheCommitLeavesItOpenAndAfterItDone", func(t *testing.T) {
		t.Parallel()
		b, p, v := lateAsked(t)
		b.fragile.before = b.fragile.commits + 1
		if _, err := b.ResolveReview(t.Context(), decision(v, payment.ActionRefund)); err == nil {
			t.Fatal("resolved without a commit")
		}
		b.restart()
		if b.reviews("late_paid"); len(b.load(p).Refunds) != 0 {
			t.Error("a refund without its decision")
		}
		b.decide(v, payment.ActionRefund)
		b.restart()
		b.run(time.Hour)
		b.provider.settle(b.load(p).Refunds[0].RefundNo, payment.RefundReportedSucceeded)
		b.run(time.Hour)
		b.sound(p)
	})
	t.Run("ALongNoteIsRefused", func(t *testing.T) {
		t.Parallel()
		b, _, v := lateAsked(t)
		for _, note := range []string{strings.Repeat("好", 501), "a\x00b"} {
			req := decision(v, payment.ActionAcknowledge)
			req.Note = note
			_, err := b.ResolveReview(t.Context(), req)
			refusedWith(t, err, payment.CodeInvalid, "note")
		}
	})
}

func TestAskAgain(t *testing.T) {
	t.Parallel()
	silent := slices.Repeat([]effect{lostRequest()}, 60)
	t.Run("APaymentWhoseProviderIsBackIsSettledAtOnce", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		b.provider.next("query", silent...)
		b.run(payment.ExpiryDefault + 25*time.Hour)
		v := b.open()
		b.provider.pay(p.Current().TradeNo)
		b.provider.mu.Lock()
		clear(b.provider.script)
		b.provider.mu.Unlock()
		b.decide(v, payment.ActionAsk)
		b.run(0)
		b.happened(p.ID, "payment.created payment.succeeded")
		b.reviews("")
	})
	t.Run("ASilentProviderOpensItAgainAndTheScheduleStaysOne", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.create()
		b.provider.next("query", silent...)
		b.run(payment.ExpiryDefault + 25*time.Hour)
		for range 3 {
			b.decide(b.open(), payment.ActionAsk)
			b.run(0)
			b.reviews("outcome_unknown")
		}
		if waiting := len(b.jobs.all); waiting != 1 {
			t.Errorf("%d jobs follow one payment", waiting)
		}
	})
	t.Run("ARefundIsAskedAboutAndSentAgainUnderItsNumber", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		b.provider.next("refund", slices.Repeat([]effect{later("NOT_ENOUGH")}, 60)...)
		r := b.refund(p, "r1", 300)
		b.run(25 * time.Hour)
		v := b.open()
		b.provider.mu.Lock()
		clear(b.provider.script)
		b.provider.mu.Unlock()
		b.decide(v, payment.ActionAsk)
		b.run(0)
		if again := b.refundStatus(p, r.ID, payment.RefundProcessing); again.RefundNo != r.RefundNo {
			t.Errorf("sent as %s and as %s", r.RefundNo, again.RefundNo)
		}
		b.reviews("")
	})
	t.Run("AnAbnormalRefundThatAPersonMendedSucceeds", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		r := b.refund(p, "r1", 300)
		b.provider.settle(r.RefundNo, payment.RefundReportedAbnormal)
		b.run(time.Minute)
		v := b.open()
		b.provider.settle(r.RefundNo, payment.RefundReportedSucceeded)
		b.decide(v, payment.ActionAsk)
		b.run(0)
		b.refundStatus(p, r.ID, payment.RefundSucceeded)
		b.reviews("")
	})
}
