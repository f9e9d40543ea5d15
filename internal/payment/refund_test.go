package payment_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

func TestRefund(t *testing.T) {
	t.Parallel()
	t.Run("APartIsReservedAcceptedAndGoesBack", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		r := b.refund(p, "r1", 300)
		if p = b.load(p); r.Status != payment.RefundProcessing || p.AmountRefunding != 300 || p.Refundable() != 700 {
			t.Errorf("%+v of %+v", r, p)
		}
		b.provider.settle(r.RefundNo, payment.RefundReportedSucceeded)
		b.deliver(b.refundNews("n2", r), payment.Applied)
		p = b.load(p)
		b.status(p, payment.Succeeded)
		if p.AmountRefunded != 300 || p.AmountRefunding != 0 {
			t.Errorf("%+v", p)
		}
		b.happened(r.ID, "refund.created refund.succeeded")
		b.sound(p)
	})
	t.Run("TheLastPartMakesThePaymentRefunded", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		for n, amount := range []int64{300, 600, 100} {
			r := b.refund(p, fmt.Sprint("r", n), amount)
			b.provider.settle(r.RefundNo, payment.RefundReportedSucceeded)
			b.deliver(b.refundNews(fmt.Sprint("n-", n), r), payment.Applied)
		}
		b.happened(p.ID, "payment.created payment.succeeded payment.refunded")
		b.sound(p)
	})
	t.Run("TheSameRequestAgainIsTheSameRefund", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		r := b.refund(p, "r1", 300)
		again, created, err := b.Refund(t.Context(), "app", payment.RefundRequest{PaymentID: p.ID, OutRefundNo: "r1", Amount: 300})
		if err != nil || created || again.ID != r.ID || b.provider.count("refund") != 1 {
			t.Error(again, created, err)
		}
	})
	t.Run("OtherContentUnderTheSameNumberIsAConflict", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		b.refund(p, "r1", 300)
		for _, req := range []payment.RefundRequest{
			{PaymentID: p.ID, OutRefundNo: "r1", Amount: 301},
			{PaymentID: p.ID, OutRefundNo: "r1", Amount: 300, Reason: "cold"},
			{PaymentID: "pay_other", OutRefundNo: "r1", Amount: 300},
		} {
			_, _, err := b.Refund(t.Context(), "app", req)
			refusedWith(t, err, payment.CodeNumberConflict, "out_refund_no")
		}
	})
	t.Run("MoreThanIsLeftIsRefused", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		b.refund(p, "r1", 600)
		_, _, err := b.Refund(t.Context(), "app", payment.RefundRequest{PaymentID: p.ID, OutRefundNo: "r2", Amount: 401})
		if refusal := refusedWith(t, err, payment.CodeRefundExceeds, "amount"); !strings.Contains(refusal.Detail, "the 400 left") {
			t.Errorf("the app is told %q, not how much is left", refusal.Detail)
		}
		b.refund(p, "r3", 400)
	})
	t.Run("AnUnpaidPaymentIsNotRefundable", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		_, _, err := b.Refund(t.Context(), "app", payment.RefundRequest{PaymentID: b.create().ID, OutRefundNo: "r1", Amount: 1})
		refusedWith(t, err, payment.CodeNotRefundable, "")
	})
	t.Run("APaymentOfAnotherAppIsNotFound", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		_, _, err := b.Refund(t.Context(), "other", payment.RefundRequest{PaymentID: b.paid().ID, OutRefundNo: "r1", Amount: 1})
		refusedWith(t, err, payment.CodeNotFound, "")
	})
	t.Run("AfterAYearTheProviderRefundsNoLonger", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		b.clock.advance(payment.RefundWindow)
		b.refund(p, "r1", 1)
		b.clock.advance(time.Second)
		_, _, err := b.Refund(t.Context(), "app", payment.RefundRequest{PaymentID: p.ID, OutRefundNo: "r2", Amount: 1})
		refusedWith(t, err, payment.CodeNotRefundable, "")
	})
	t.Run("TheFiftyFirstRefundIsRefused", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		for n := range payment.RefundsMax {
			b.refund(p, fmt.Sprint("r", n), 1)
		}
		_, _, err := b.Refund(t.Context(), "app", payment.RefundRequest{PaymentID: p.ID, OutRefundNo: "r-last", Amount: 1})
		refusedWith(t, err, payment.CodeRefundLimit, "")
	})
	t.Run("TwentyInParallelNeverExceedThePayment", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		var mu sync.Mutex
		made := 0
		var group sync.WaitGroup
		for n := range 20 {
			group.Go(func() {
				r, _, err := b.Refund(t.Context(), "app", payment.RefundRequest{PaymentID: p.ID, OutRefundNo: fmt.Sprint("r", n), Amount: 150})
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					refusedWith(t, err, payment.CodeRefundExceeds, "")
				} else if r.Amount == 150 {
					made++
				}
			})
		}
		group.Wait()
		if p = b.load(p); made != 6 || p.AmountRefunding != 900 {
			t.Errorf("%d made, %d reserved of %d", made, p.AmountRefunding, p.AmountPaid)
		}
		b.sound(p)
	})
	t.Run("TwentyIdenticalInParallelAreOne", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		var mu sync.Mutex
		ids, fresh := map[string]int{}, 0
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() {
				r, created, err := b.Refund(t.Context(), "app", payment.RefundRequest{PaymentID: p.ID, OutRefundNo: "r1", Amount: 50})
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
					return
				}
				ids[r.ID]++
				if created {
					fresh++
				}
			})
		}
		group.Wait()
		if len(ids) != 1 || fresh != 1 || b.load(p).AmountRefunding != 50 {
			t.Errorf("%v, %d new", ids, fresh)
		}
	})
}

func TestRefundOutcomes(t *testing.T) {
	t.Parallel()
	t.Run("RefusedFailsAndReleasesTheAmount", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		b.provider.next("refund", refusal("USER_ACCOUNT_ABNORMAL"))
		r := b.refund(p, "r1", 1000)
		if r.Status != payment.RefundFailed || r.Error == nil || r.Error.Code != "USER_ACCOUNT_ABNORMAL" || b.load(p).Refundable() != 1000 {
			t.Errorf("%+v", r)
		}
		b.happened(r.ID, "refund.created refund.failed")
		b.run(48 * time.Hour)
		if b.provider.count("refund") != 1 {
			t.Error("a refusal was repeated")
		}
	})
	t.Run("RefusedAfterALostAnswerIsNotFailed", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		b.provider.next("refund", lostAnswer(), refusal("INVALID_REQUEST"))
		b.provider.next("query refund", effect{outcome: payment.Absent}) // the provider is behind itself
		r := b.refund(p, "r1", 300)
		b.run(40 * time.Second) // absent, so sent again; refused; asked: it is there
		b.refundStatus(p, r.ID, payment.RefundProcessing)
	})
	t.Run("RefusedButTheProviderIsSilentStaysPending", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		b.provider.next("refund", refusal("PARAM_ERROR"))
		b.provider.next("query refund", lostRequest())
		r := b.refund(p, "r1", 300)
		if r.Status != payment.RefundPending || b.load(p).AmountRefunding != 300 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("ALostAnswerIsSettledByAsking", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		b.provider.next("refund", lostAnswer())
		r := b.refund(p, "r1", 300)
		if r.Status != payment.RefundPending {
			t.Errorf("%+v", r)
		}
		b.run(5 * time.Second)
		b.refundStatus(p, r.ID, payment.RefundProcessing)
		if b.provider.count("refund") != 1 {
			t.Error("sent again though it was there")
		}
	})
	t.Run("ALostRequestIsSentAgainUnderTheSameNumber", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		b.provider.next("refund", lostRequest())
		r := b.refund(p, "r1", 300)
		b.run(15 * time.Second) // the first request could still arrive
		b.refundStatus(p, r.ID, payment.RefundPending)
		b.run(25 * time.Second)
		b.refundStatus(p, r.ID, payment.RefundProcessing)
		if _, refunds := b.provider.sizes(); refunds != 1 {
			t.Errorf("%d refunds", refunds)
		}
	})
	t.Run("RetryIsRepeatedOnTheScheduleAndReportedAfterADay", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		b.provider.next("refund", slices.Repeat([]effect{later("NOT_ENOUGH")}, 200)...)
		r := b.refund(p, "r1", 300)
		if r.Error == nil || r.Error.Code != "NOT_ENOUGH" {
			t.Errorf("the app does not see why: %+v", r)
		}
		const s, m, h = time.Second, time.Minute, time.Hour
		want := []time.Duration{40 * s, m, 2 * m, 3 * m, 4 * m, 5 * m, 10 * m, 20 * m, 40 * m, 70 * m, h + 70*m}
		if got := b.asked("refund", 3*time.Hour, 5*time.Second); !slices.Equal(got, want) {
			t.Errorf("sent after %v\nwant       %v", got, want)
		}
		b.run(20 * time.Hour)
		b.reviews("")
		b.run(3 * time.Hour)
		b.reviews("refund_stuck")
		b.refundStatus(p, r.ID, payment.RefundPending)
		b.provider.mu.Lock()
		b.provider.script["refund"] = nil // the balance was topped up
		b.provider.mu.Unlock()
		b.run(time.Hour)
		if r = b.refundStatus(p, r.ID, payment.RefundProcessing); r.Error != nil {
			t.Errorf("an old refusal stays: %v", r.Error)
		}
	})
	t.Run("ADuplicateCallIsHarmless", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		effect, entered, release := slow()
		b.provider.next("refund", effect)
		done := make(chan struct{})
		go func() {
			defer close(done)
			b.refund(p, "r1", 300)
		}()
		<-entered
		b.run(5 * time.Second) // the job sends it while the first call is under way
		release()
		<-done
		p = b.load(p)
		b.refundStatus(p, p.Refunds[0].ID, payment.RefundProcessing)
		b.sound(p)
	})
	t.Run("NewsBeforeTheAnswerIsApplied", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		b.provider.next("refund", lostAnswer())
		r := b.refund(p, "r1", 1000)
		b.provider.settle(r.RefundNo, payment.RefundReportedSucceeded)
		b.deliver(b.refundNews("n2", r), payment.Applied)
		b.run(time.Hour)
		b.happened(r.ID, "refund.created refund.succeeded")
		b.happened(p.ID, "payment.created payment.succeeded payment.refunded")
		b.sound(p)
	})
	t.Run("ClosedReleasesTheAmount", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		r := b.refund(p, "r1", 1000)
		b.provider.settle(r.RefundNo, payment.RefundReportedClosed)
		b.run(time.Hour)
		b.happened(r.ID, "refund.created refund.closed")
		b.refund(p, "r2", 1000)
	})
	t.Run("AbnormalOpensAReviewAndKeepsTheReserve", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		r := b.refund(p, "r1", 1000)
		b.provider.settle(r.RefundNo, payment.RefundReportedAbnormal)
		b.run(time.Hour)
		b.happened(r.ID, "refund.created refund.abnormal")
		b.reviews("refund_abnormal")
		if b.load(p).AmountRefunding != 1000 {
			t.Error("the reserve is gone")
		}
		b.provider.settle(r.RefundNo, payment.RefundReportedSucceeded)
		b.run(2 * time.Hour)
		b.happened(r.ID, "refund.created refund.abnormal refund.succeeded")
		b.sound(p)
	})
	t.Run("MoneyThatWentBackAfterAllIsBookedAndReviewed", func(t *testing.T) {
		t.Parallel()
		for _, end := range []payment.RefundState{payment.RefundReportedClosed, ""} {
			b := newBundle(t)
			p := b.paid()
			if end == "" {
				b.provider.next("refund", effect{outcome: payment.Refused, executed: true})
				b.provider.next("query refund", effect{outcome: payment.Absent})
			}
			r := b.refund(p, "r1", 300)
			b.provider.settle(r.RefundNo, end)
			if end != "" {
				b.deliver(b.refundNews("closed", r), payment.Applied)
			}
			n := b.refundNews("late", r)
			n.Refund.State = payment.RefundReportedSucceeded
			b.deliver(n, payment.Applied)
			b.reviews("report_mismatch")
			if after := b.load(p); after.AmountRefunded != 300 || after.AmountRefunding != 0 {
				t.Errorf("%d refunded, %d reserved", after.AmountRefunded, after.AmountRefunding)
			}
			n.ID = "later"
			b.deliver(n, payment.NoEffect)
			b.sound(p)
		}
	})
	t.Run("AFailedRefundThatTheProviderHasIsReservedAgainAndFollowed", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		b.provider.next("refund", effect{outcome: payment.Refused, executed: true})
		b.provider.next("query refund", effect{outcome: payment.Absent})
		r := b.refund(p, "r1", 300)
		b.refundStatus(p, r.ID, payment.RefundFailed)
		b.provider.settle(r.RefundNo, payment.RefundReportedAbnormal)
		b.deliver(b.refundNews("late", r), payment.Applied)
		b.refundStatus(p, r.ID, payment.RefundAbnormal)
		if got := b.load(p).AmountRefunding; got != 300 {
			t.Errorf("%d reserved", got)
		}
		b.provider.settle(r.RefundNo, payment.RefundReportedSucceeded)
		b.run(2 * time.Hour)
		b.refundStatus(p, r.ID, payment.RefundSucceeded)
		b.sound(p)
	})
	t.Run("MoneyThatWentBackTwiceIsHeld", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		b.provider.next("refund", effect{outcome: payment.Refused, executed: true}, lostRequest())
		b.provider.next("query refund", effect{outcome: payment.Absent})
		r := b.refund(p, "r1", p.Amount)
		b.refund(p, "r2", p.Amount) // the app believed the failure; this one is on its way
		b.provider.settle(r.RefundNo, payment.RefundReportedSucceeded)
		b.deliver(b.refundNews("late", r), payment.Held)
		b.reviews("report_mismatch")
		b.refundStatus(p, r.ID, payment.RefundFailed)
	})
	t.Run("RefusedRefundsDoNotUseUpTheProvidersLimit", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		b.provider.next("refund", slices.Repeat([]effect{refusal("PARAM_ERROR")}, payment.RefundsMax)...)
		for i := range payment.RefundsMax {
			b.refund(p, fmt.Sprint("no", i), 1)
		}
		if r := b.refund(p, "yes", 1); r.Status != payment.RefundProcessing {
			t.Errorf("%+v", r)
		}
	})
	t.Run("AWrongKeyAfterALostAnswerDoesNotReleaseTheAmount", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		b.provider.next("refund", lostAnswer(), refusal("SIGN_ERROR"))
		b.provider.next("query refund", slices.Repeat([]effect{{outcome: payment.Absent}}, 3)...) // behind itself
		r := b.refund(p, "r1", 300)
		b.run(15 * time.Second)
		b.provider.next("query refund", refusal("SIGN_ERROR")) // the key was revoked meanwhile
		b.run(25 * time.Second)
		if got := b.load(p); got.AmountRefunding != 300 {
			t.Errorf("%d reserved, the refund is %s", got.AmountRefunding, got.RefundByID(r.ID).Status)
		}
		b.run(time.Hour)
		b.refundStatus(p, r.ID, payment.RefundProcessing)
	})
	t.Run("TwoSendsOfOneRefundNeverOverlap", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		b.provider.next("refund", lostRequest())
		r := b.refund(p, "r1", 300)
		for range 25 { // the request may take as long as its timeout, and its answer's commit as long as its own
			b.run(time.Second)
			if _, err := b.FollowRefund(t.Context(), "app", r.ID); err != nil {
				t.Fatal(err)
			}
		}
		if n := b.provider.count("refund"); n != 1 {
			t.Errorf("sent %d times", n)
		}
	})
}

func TestRefundReportsAreCompared(t *testing.T) {
	t.Parallel()
	for name, distort := range map[string]func(*payment.RefundReport){
		"Merchant":           func(r *payment.RefundReport) { r.MerchantID = "1900000002" },
		"TradeNumber":        func(r *payment.RefundReport) { r.TradeNo += "x" },
		"Transaction":        func(r *payment.RefundReport) { r.TransactionID += "x" },
		"NoTransaction":      func(r *payment.RefundReport) { r.TransactionID = "" },
		"Amount":             func(r *payment.RefundReport) { r.Amount++ },
		"Total":              func(r *payment.RefundReport) { r.Total-- },
		"ProvidersOwnNumber": func(r *payment.RefundReport) { r.ChannelRefundID += "x" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t)
			p := b.paid()
			r := b.refund(p, "r1", 300)
			b.provider.settle(r.RefundNo, payment.RefundReportedSucceeded)
			before := b.load(p)
			n := b.refundNews("n2", r)
			distort(n.Refund)
			b.deliver(n, payment.Held)
			b.reviews("report_mismatch")
			if after := b.load(p); after.Version != before.Version {
				t.Error("the payment moved")
			}
		})
	}
	t.Run("AnAnswerAboutAnotherRefundIsHeld", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		b.provider.distortR = func(r *payment.RefundReport) { r.RefundNo = "R0" }
		r := b.refund(p, "r1", 300)
		if r.Status != payment.RefundPending {
			t.Errorf("the refund is %s", r.Status)
		}
		b.reviews("report_mismatch")
	})
	t.Run("AnUnknownStateIsHeld", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.paid()
		r := b.refund(p, "r1", 300)
		b.provider.settle(r.RefundNo, payment.RefundReportedUnrecognised)
		b.deliver(b.refundNews("n2", r), payment.Held)
		b.reviews("unrecognised_state")
	})
}

func TestRefundRequestsAreChecked(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	p := b.paid()
	for _, test := range []struct {
		name, field string
		change      func(*payment.RefundRequest)
	}{
		{"NoPayment", "payment_id", func(r *payment.RefundRequest) { r.PaymentID = "" }},
		{"NoNumber", "out_refund_no", func(r *payment.RefundRequest) { r.OutRefundNo = "" }},
		{"NumberWithASpace", "out_refund_no", func(r *payment.RefundRequest) { r.OutRefundNo = "a b" }},
		{"OurOwnNumber", "out_refund_no", func(r *payment.RefundRequest) { r.OutRefundNo = "late-att_1" }},
		{"NoAmount", "amount", func(r *payment.RefundRequest) { r.Amount = 0 }},
		{"NegativeAmount", "amount", func(r *payment.RefundRequest) { r.Amount = -1 }},
		{"LongReason", "reason", func(r *payment.RefundRequest) { r.Reason = strings.Repeat("字", 81) }},
		{"EmojiInReason", "reason", func(r *payment.RefundRequest) { r.Reason = "🍵" }},
	} {
		t.Run(test.name, func(t *testing.T) {
			req := payment.RefundRequest{PaymentID: p.ID, OutRefundNo: "r1", Amount: 1}
			test.change(&req)
			_, _, err := b.Refund(t.Context(), "app", req)
			refusedWith(t, err, payment.CodeInvalid, test.field)
		})
	}
	_, _, err := b.Refund(t.Context(), "app", payment.RefundRequest{PaymentID: p.ID, OutRefundNo: "r1", Amount: 1<<63 - 1})
	refusedWith(t, err, payment.CodeRefundExceeds, "amount")
}
