package payment_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/money"
	"github.com/tongbao-pay/tongbao/internal/payment"
)

func TestCreate(t *testing.T) {
	t.Parallel()
	t.Run("APaymentIsPlacedAndPending", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		created, err := b.Create(t.Context(), b.app, b.request("order"))
		if err != nil || !created.New {
			t.Fatal(created, err)
		}
		p := b.load(created.Payment)
		b.status(p, payment.Pending)
		if c := p.Current().Credential; c.CodeURL != "weixin://1" || !c.Usable(b.clock.Now()) || p.Currency != money.CNY {
			t.Errorf("credential %+v", c)
		}
		b.happened(p.ID, "payment.created")
	})
	t.Run("ThatItWaitsForThePayerIsToldOnce", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		var heard placements
		b.Service = payment.New(payment.Config{Store: b.fragile, Providers: b, Observer: &heard, Now: b.clock.Now})
		b.create()
		b.run(time.Minute) // it is asked about
		b.create()
		if heard != 1 {
			t.Errorf("told %d times", heard)
		}
	})
	t.Run("TheInvocationComesWithTheProductsThatNeedIt", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		req := b.request("order")
		req.Product, req.Payer.OpenID = payment.JSAPI, "o1"
		for range 2 {
			created, err := b.Create(t.Context(), b.app, req)
			if err != nil || string(created.Invoke) != `{"prepay_id":"wx1"}` {
				t.Fatal(created, err)
			}
		}
	})
	t.Run("TheSameContentAgainIsTheSamePayment", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		req := b.request("order")
		req.ClientIP = "192.0.2.9" // the payer came back from another address
		again, err := b.Create(t.Context(), b.app, req)
		if err != nil || again.New || again.Payment.ID != p.ID || b.provider.count("place") != 1 {
			t.Errorf("%+v %v, placed %d times", again, err, b.provider.count("place"))
		}
	})
	t.Run("OtherContentUnderTheSameNumberIsAConflict", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.create()
		for what, change := range map[string]func(*payment.CreateRequest){
			"amount":                    func(r *payment.CreateRequest) { r.Amount++ },
			"description":               func(r *payment.CreateRequest) { r.Description += "!" },
			"metadata":                  func(r *payment.CreateRequest) { r.Metadata = map[string]string{"a": "b"} },
			"expiry":                    func(r *payment.CreateRequest) { r.ExpiresIn = time.Hour },
			"account":                   func(r *payment.CreateRequest) { r.Account = "acc" },
			"amount of another product": func(r *payment.CreateRequest) { r.Amount, r.Product = 1, payment.App },
		} {
			req := b.request("order")
			change(&req)
			_, err := b.Create(t.Context(), b.app, req)
			t.Log(what)
			refusedWith(t, err, payment.CodeNumberConflict, "out_trade_no")
		}
	})
	t.Run("TheSameNumberOfAnotherAppIsAnotherPayment", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		created, err := b.Create(t.Context(), payment.Applicant{AppID: "other", LatePolicy: payment.LateRefund}, b.request("order"))
		if err != nil || !created.New || created.Payment.ID == p.ID {
			t.Error(created, err)
		}
	})
	t.Run("ARepeatAfterTheCredentialEndedGetsAFreshOne", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		b.clock.advance(11 * time.Minute)
		again, err := b.Create(t.Context(), b.app, b.request("order"))
		if err != nil || again.New || again.Payment.ID != p.ID || again.Payment.Current().Credential.CodeURL != "weixin://2" {
			t.Errorf("%+v %v", again, err)
		}
		if orders, _ := b.provider.sizes(); orders != 1 {
			t.Errorf("%d orders", orders)
		}
	})
	t.Run("ARepeatNearTheEndOfTheExpiryIsStillTheSamePayment", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		req := b.request("order")
		req.ExpiresAt = b.clock.Now().Add(90 * time.Second).In(time.FixedZone("UTC+8", 8*3600))
		first, err := b.Create(t.Context(), b.app, req)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range []time.Duration{time.Minute, time.Minute, 24 * time.Hour} { // 30 s left; over; long over
			b.clock.advance(d)
			req.ExpiresAt = req.ExpiresAt.UTC() // the same moment in another zone
			again, err := b.Create(t.Context(), b.app, req)
			if err != nil || again.Payment.ID != first.Payment.ID {
				t.Fatalf("after %s: %+v %v", d, again, err)
			}
		}
	})
	t.Run("ARepeatAfterTheEndTellsWhatBecameOfIt", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.closed()
		again, err := b.Create(t.Context(), b.app, b.request("order"))
		if err != nil || again.New || again.Payment.Status != payment.Closed || b.provider.count("place") != 1 {
			t.Errorf("%+v %v", again, err)
		}
	})
	t.Run("ARepeatOfAPaidPaymentSaysSo", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.paid()
		again, err := b.Create(t.Context(), b.app, b.request("order"))
		if err != nil || again.Payment.Status != payment.Succeeded || again.Invoke != nil {
			t.Errorf("%+v %v", again, err)
		}
	})
	t.Run("ARepeatWhileTheFirstIsInProgressSaysProcessing", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		effect, entered, release := slow()
		defer release()
		b.provider.next("place", effect)
		done := make(chan error, 1)
		go func() {
			_, err := b.Create(t.Context(), b.app, b.request("order"))
			done <- err
		}()
		<-entered
		b.clock.ticking(time.Second)
		again, err := b.Create(t.Context(), b.app, b.request("order"))
		b.clock.ticking(0)
		if err != nil || again.Payment.Status != payment.Processing || b.provider.count("place") != 1 {
			t.Errorf("%+v %v", again, err)
		}
		release()
		if err := <-done; err != nil {
			t.Error(err)
		}
		b.status(b.load(again.Payment), payment.Pending)
	})
	t.Run("ARepeatWaitsForTheFirstAnswer", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		effect, entered, release := slow()
		b.provider.next("place", effect)
		answers := make(chan string, 2)
		ask := func() {
			created, err := b.Create(t.Context(), b.app, b.request("order"))
			if err != nil {
				t.Error(err)
				answers <- ""
				return
			}
			answers <- created.Payment.Current().Credential.CodeURL
		}
		go ask()
		<-entered
		go ask()
		release()
		if first, second := <-answers, <-answers; first != "weixin://1" || second != first {
			t.Errorf("%q and %q", first, second)
		}
	})
	t.Run("TwentyIdenticalRequestsMakeOnePaymentAndOneOrder", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		var mu sync.Mutex
		ids, fresh := map[string]int{}, 0
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() {
				created, err := b.Create(t.Context(), b.app, b.request("order"))
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
					return
				}
				ids[created.Payment.ID+" "+created.Payment.Current().Credential.CodeURL]++
				if created.New {
					fresh++
				}
			})
		}
		group.Wait()
		if len(ids) != 1 || fresh != 1 || b.provider.count("place") != 1 {
			t.Errorf("answers %v, %d new, placed %d times", ids, fresh, b.provider.count("place"))
		}
	})
	t.Run("ACallerWhoGoesAwayDoesNotStopThePlacing", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		effect, entered, release := slow()
		b.provider.next("place", effect)
		ctx, leave := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := b.Create(ctx, b.app, b.request("order"))
			done <- err
		}()
		<-entered
		leave()
		release()
		if err := <-done; err != nil {
			t.Error(err)
		}
		again, err := b.Create(t.Context(), b.app, b.request("order"))
		if err != nil || again.Payment.Status != payment.Pending {
			t.Error(again, err)
		}
	})
}

func TestPlaceOutcomes(t *testing.T) {
	t.Parallel()
	t.Run("RefusedEndsAsFailedForGood", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.provider.next("place", refusal("PARAM_ERROR"))
		for range 2 {
			_, err := b.Create(t.Context(), b.app, b.request("order"))
			e := refusedWith(t, err, payment.CodeChannelRefused, "")
			if e.Channel == nil || e.Channel.Code != "PARAM_ERROR" || e.Payment.Status != payment.Failed {
				t.Errorf("%+v", e)
			}
			b.happened(e.Payment.ID, "payment.created payment.failed")
		}
		if b.provider.count("place") != 1 {
			t.Errorf("placed %d times", b.provider.count("place"))
		}
		b.run(48 * time.Hour)
	})
	t.Run("RefusedAfterALostAnswerFindsTheOrder", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.provider.next("place", lostAnswer(), refusal("INVALID_REQUEST"))
		created, err := b.Create(t.Context(), b.app, b.request("order"))
		if err != nil {
			t.Fatal(err)
		}
		b.status(created.Payment, payment.Processing)
		_, err = b.Create(t.Context(), b.app, b.request("order"))
		refusedWith(t, err, payment.CodeChannelRefused, "")
		b.status(b.load(created.Payment), payment.Pending) // it is there: somebody may pay it
		again, err := b.Create(t.Context(), b.app, b.request("order"))
		if err != nil || again.Payment.Current().Credential.CodeURL == "" {
			t.Errorf("the refusal keeps the next caller waiting: %+v %v", again, err)
		}
	})
	t.Run("RefusedButTheProviderIsSilentStaysProcessing", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.provider.next("place", refusal("PARAM_ERROR"))
		b.provider.next("query", lostRequest())
		created, err := b.Create(t.Context(), b.app, b.request("order"))
		if err != nil {
			t.Fatal(err)
		}
		b.status(created.Payment, payment.Processing)
		b.happened(created.Payment.ID, "payment.created")
	})
	t.Run("RetryTellsTheCallerAndARepeatSucceeds", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.provider.next("place", later("FREQUENCY_LIMITED"))
		_, err := b.Create(t.Context(), b.app, b.request("order"))
		refusedWith(t, err, payment.CodeChannelUnavailable, "")
		b.create()
	})
	t.Run("ALostAnswerIsSettledByAskingAndARepeat", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.provider.next("place", lostAnswer())
		created, err := b.Create(t.Context(), b.app, b.request("order"))
		if err != nil {
			t.Fatal(err)
		}
		b.status(created.Payment, payment.Processing)
		b.run(10 * time.Second)
		b.status(b.load(created.Payment), payment.Pending)
		b.create()
		if orders, _ := b.provider.sizes(); orders != 1 {
			t.Errorf("%d orders", orders)
		}
	})
	t.Run("ALostRequestIsSettledByARepeatUnderTheSameNumber", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.provider.next("place", lostRequest())
		created, err := b.Create(t.Context(), b.app, b.request("order"))
		if err != nil {
			t.Fatal(err)
		}
		b.status(created.Payment, payment.Processing)
		if p := b.create(); p.Current().TradeNo != created.Payment.Current().TradeNo {
			t.Error("a new number was the answer to an error")
		}
	})
	t.Run("ALostRequestThatNobodyRepeatsIsClosedAtExpiry", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.provider.next("place", lostRequest())
		created, err := b.Create(t.Context(), b.app, b.request("order"))
		if err != nil {
			t.Fatal(err)
		}
		b.run(time.Hour)
		b.happened(created.Payment.ID, "payment.created payment.closed")
	})
	t.Run("PaidWhileTheAnswerWasLostSucceeds", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.provider.next("place", lostAnswer())
		created, err := b.Create(t.Context(), b.app, b.request("order"))
		if err != nil {
			t.Fatal(err)
		}
		b.provider.pay(created.Payment.Current().TradeNo)
		again, err := b.Create(t.Context(), b.app, b.request("order"))
		if err != nil || again.Payment.Status != payment.Succeeded {
			t.Errorf("%+v %v", again, err)
		}
		b.sound(created.Payment)
	})
	t.Run("PaidBeforeTheAnswerArrivesStaysPaid", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		effect, entered, release := slow()
		b.provider.next("place", lostAnswer(), effect)
		first, err := b.Create(t.Context(), b.app, b.request("order"))
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan *payment.Created, 1)
		go func() {
			created, _ := b.Create(t.Context(), b.app, b.request("order"))
			done <- created
		}()
		<-entered
		b.provider.pay(first.Payment.Current().TradeNo)
		b.notify("n1", first.Payment, payment.Applied)
		release()
		if created := <-done; created == nil || created.Payment.Status != payment.Succeeded {
			t.Errorf("%+v", created)
		}
		b.happened(first.Payment.ID, "payment.created payment.succeeded")
	})
	t.Run("RefusedWithATransactionOfAnotherOrderIsHeld", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		other := b.paid()
		b.provider.distort = func(r *payment.OrderReport) { r.TransactionID = other.Current().TransactionID }
		b.provider.next("place", lostAnswer())
		created, err := b.Create(t.Context(), b.app, b.request("second"))
		if err != nil {
			t.Fatal(err)
		}
		b.provider.pay(created.Payment.Current().TradeNo)
		_, err = b.Create(t.Context(), b.app, b.request("second"))
		refusedWith(t, err, payment.CodeChannelRefused, "")
		b.status(b.load(created.Payment), payment.Processing)
		b.reviews("double_paid")
	})
}

func TestCreateRequestsAreChecked(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	long := func(n int) string { return strings.Repeat("字", n) }
	for _, test := range []struct {
		name, field string // no field: accepted
		change      func(*payment.CreateRequest)
	}{
		{"NoNumber", "out_trade_no", func(r *payment.CreateRequest) { r.OutTradeNo = "" }},
		{"LongNumber", "out_trade_no", func(r *payment.CreateRequest) { r.OutTradeNo = strings.Repeat("1", 65) }},
		{"NumberWithASpace", "out_trade_no", func(r *payment.CreateRequest) { r.OutTradeNo = "a b" }},
		{"NumberWithANewline", "out_trade_no", func(r *payment.CreateRequest) { r.OutTradeNo = "a\n" }},
		{"LongestNumber", "", func(r *payment.CreateRequest) { r.OutTradeNo = strings.Repeat("-", 63) + "_" }},
		{"NoAmount", "amount", func(r *payment.CreateRequest) { r.Amount = 0 }},
		{"NegativeAmount", "amount", func(r *payment.CreateRequest) { r.Amount = -1 }},
		{"AmountTooLarge", "amount", func(r *payment.CreateRequest) { r.Amount = money.AmountMax + 1 }},
		{"AmountOverflowing", "amount", func(r *payment.CreateRequest) { r.Amount = 1<<63 - 1 }},
		{"LargestAmount", "", func(r *payment.CreateRequest) { r.Amount = money.AmountMax }},
		{"ForeignCurrency", "currency", func(r *payment.CreateRequest) { r.Currency = "USD" }},
		{"LowerCaseCurrency", "currency", func(r *payment.CreateRequest) { r.Currency = "cny" }},
		{"NoDescription", "description", func(r *payment.CreateRequest) { r.Description = "" }},
		{"LongDescription", "description", func(r *payment.CreateRequest) { r.Description = long(128) }},
		{"LongestDescription", "", func(r *payment.CreateRequest) { r.Description = long(127) }},
		{"EmojiInDescription", "description", func(r *payment.CreateRequest) { r.Description = "coffee 🍵" }},
		{"ControlInDescription", "description", func(r *payment.CreateRequest) { r.Description = "a\x00b" }},
		{"BrokenUTF8InDescription", "description", func(r *payment.CreateRequest) { r.Description = "a\xff" }},
		{"NoChannel", "channel", func(r *payment.CreateRequest) { r.Channel = "" }},
		{"UnknownProduct", "product", func(r *payment.CreateRequest) { r.Product = "cash" }},
		{"JSAPIWithoutOpenID", "payer.openid", func(r *payment.CreateRequest) { r.Product = payment.JSAPI }},
		{"MiniProgramWithoutOpenID", "payer.openid", func(r *payment.CreateRequest) { r.Product = payment.MiniProgram }},
		{"LongOpenID", "payer.openid", func(r *payment.CreateRequest) { r.Payer.OpenID = strings.Repeat("o", 129) }},
		{"H5WithoutAddress", "client_ip", func(r *payment.CreateRequest) { r.Product = payment.H5 }},
		{"H5WithAddress", "", func(r *payment.CreateRequest) { r.Product, r.ClientIP = payment.H5, "2001:db8::1" }},
		{"AddressThatIsNone", "client_ip", func(r *payment.CreateRequest) { r.ClientIP = "localhost" }},
		{"RelativeReturnURL", "return_url", func(r *payment.CreateRequest) { r.ReturnURL = "/done" }},
		{"ScriptAsReturnURL", "return_url", func(r *payment.CreateRequest) { r.ReturnURL = "javascript:alert(1)" }},
		{"LongReturnURL", "return_url", func(r *payment.CreateRequest) { r.ReturnURL = "https://a.example/" + strings.Repeat("a", 500) }},
		{"ExpiresTooSoon", "expires_at", func(r *payment.CreateRequest) { r.ExpiresIn = payment.ExpiryMin - 1 }},
		{"ExpiresInThePast", "expires_at", func(r *payment.CreateRequest) { r.ExpiresAt = b.clock.Now().Add(-time.Hour) }},
		{"NegativeExpiry", "expires_at", func(r *payment.CreateRequest) { r.ExpiresIn = -time.Hour }},
		{"ExpiresTooLate", "expires_at", func(r *payment.CreateRequest) { r.ExpiresIn = payment.ExpiryMax + time.Millisecond }},
		{"ExpiresLatest", "", func(r *payment.CreateRequest) { r.ExpiresIn = payment.ExpiryMax }},
		{"ManyMetadata", "metadata", func(r *payment.CreateRequest) {
			r.Metadata = map[string]string{}
			for i := range 21 {
				r.Metadata[long(i+1)] = ""
			}
		}},
		{"EmptyMetadataKey", "metadata", func(r *payment.CreateRequest) { r.Metadata = map[string]string{"": "x"} }},
		{"LongMetadataKey", "metadata", func(r *payment.CreateRequest) { r.Metadata = map[string]string{long(41): "x"} }},
		{"LongMetadataValue", "metadata", func(r *payment.CreateRequest) { r.Metadata = map[string]string{"a": long(501)} }},
	} {
		t.Run(test.name, func(t *testing.T) {
			req := b.request(test.name)
			test.change(&req)
			created, err := b.Create(t.Context(), b.app, req)
			if test.field == "" {
				if err != nil || created.Payment.Status != payment.Pending {
					t.Errorf("%+v %v", created, err)
				}
				return
			}
			refusedWith(t, err, payment.CodeInvalid, test.field)
		})
	}
}

// placements counts the changes that made a payment wait for its payer.
type placements int

func (n *placements) Committed(_ context.Context, c *payment.Change) {
	if c.Placed {
		*n++
	}
}
