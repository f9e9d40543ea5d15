package payment_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

// by is the request for the payment with another way to pay.
func (b *bundle) by(product payment.Product) payment.CreateRequest {
	req := b.request("order")
	req.Product = product
	switch product {
	case payment.JSAPI, payment.MiniProgram:
		req.Payer.OpenID = "o1"
	case payment.H5:
		req.ClientIP = "192.0.2.7"
	case payment.Native, payment.App:
	}
	return req
}

// switched is the payment after its payer chose another product, whose order was placed.
func (b *bundle) switched(product payment.Product) *payment.Payment {
	b.t.Helper()
	created, err := b.Create(b.t.Context(), b.app, b.by(product))
	if err != nil {
		b.t.Fatal(err)
	}
	p := created.Payment
	if created.New || p.Status != payment.Pending || p.Current().Product != product {
		b.t.Fatalf("new %v, %s by %s", created.New, p.Status, p.Current().Product)
	}
	return p
}

// attempts wants these attempts, each as "product status".
func (b *bundle) attempts(p *payment.Payment, want string) {
	b.t.Helper()
	var got []string
	for _, a := range b.load(p).Attempts {
		got = append(got, fmt.Sprint(a.Product, " ", a.Status))
	}
	if text := strings.Join(got, ", "); text != want {
		b.t.Fatalf("attempts: %s\nwant:     %s", text, want)
	}
}

// atProvider wants the order of the payment's n-th attempt in a state; empty: not there.
func (b *bundle) atProvider(p *payment.Payment, n int, want payment.OrderState) {
	b.t.Helper()
	r, _ := b.provider.order(b.load(p).Attempts[n-1].TradeNo)
	if r.State != want {
		b.t.Fatalf("the order of attempt %d is %q at the provider, want %q", n, r.State, want)
	}
}

func TestSwitch(t *testing.T) {
	t.Parallel()
	t.Run("AnotherProductIsAnotherOrderForTheSamePayment", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		first := b.create()
		created, err := b.Create(t.Context(), b.app, b.by(payment.JSAPI))
		if err != nil || created.New || created.Payment.ID != first.ID || string(created.Invoke) != `{"prepay_id":"wx2"}` {
			t.Fatal(created, err)
		}
		p := b.load(first)
		shown := p.ResourceWithCredential(b.clock.Now(), created.Invoke)
		if shown.Product != payment.JSAPI || shown.Credential.PrepayID != "wx2" || shown.TradeNo == first.Current().TradeNo || shown.TradeNo != p.Attempts[1].TradeNo {
			t.Errorf("%+v", shown)
		}
		b.attempts(p, "native open, jsapi open")
		b.happened(p.ID, "payment.created")
	})
	t.Run("TheNewOrderIsAskedAboutSoonHoweverOldThePaymentIs", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.create()
		b.run(12 * time.Minute)
		p := b.switched(payment.JSAPI)
		b.provider.pay(p.Current().TradeNo) // and no notification comes
		b.run(10 * time.Second)
		b.status(b.load(p), payment.Succeeded)
	})
	t.Run("TheOrderThatThePayerLeftIsClosedAsSoonAsTheNewOneIsPlaced", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.create()
		p := b.switched(payment.JSAPI)
		b.run(time.Second)
		b.attempts(p, "native closed, jsapi open")
		b.atProvider(p, 1, payment.OrderClosed)
		b.payOrder("n1", p.Attempts[1].TradeNo)
		b.run(time.Hour)
		b.happened(p.ID, "payment.created payment.succeeded")
		b.sound(p)
	})
	t.Run("ALeftOrderThatCannotBeClosedYetIsClosedLater", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.create()
		p := b.switched(payment.JSAPI)
		b.jobs.without(payment.FollowPayment)
		b.provider.next("close", refusal("TOO_EARLY"), refusal("TOO_EARLY"), refusal("TOO_EARLY"), lostRequest()) // at once, 10 s, 30 s, 1 min
		b.run(time.Minute)
		b.atProvider(p, 1, payment.OrderUnpaid)
		b.run(2 * time.Minute)
		b.attempts(p, "native closed, jsapi open")
		b.atProvider(p, 1, payment.OrderClosed)
	})
	t.Run("LookingAfterALeftOrderEnds", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.create()
		p := b.switched(payment.JSAPI)
		b.run(20 * time.Minute)
		if left := b.waiting(payment.FollowAttempt); left != 0 {
			t.Errorf("%d jobs still look after an order that is closed", left)
		}
		b.payOrder("n1", p.Current().TradeNo)
		b.run(time.Hour)
		if orders := b.waiting(""); orders != 0 {
			t.Errorf("%d jobs are left of a payment that succeeded", orders)
		}
	})
	t.Run("TheSameRequestAgainIsNoSwitch", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.create()
		b.switched(payment.JSAPI)
		again := b.by(payment.JSAPI)
		again.ClientIP = "192.0.2.9" // the payer came back from another address
		created, err := b.Create(t.Context(), b.app, again)
		if err != nil || string(created.Invoke) != `{"prepay_id":"wx2"}` || b.provider.count("place") != 2 {
			t.Errorf("%+v %v, placed %d times", created, err, b.provider.count("place"))
		}
		b.clock.advance(11 * time.Minute)
		if p := b.switched(payment.JSAPI); len(p.Attempts) != 2 || p.Current().Credential.PrepayID != "wx3" {
			t.Errorf("a fresh credential: %+v", p.Current())
		}
	})
	t.Run("AnotherPayerOrPageToComeBackToIsAnotherOrder", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.create()
		b.switched(payment.JSAPI)
		payer, page := b.by(payment.JSAPI), b.by(payment.H5)
		payer.Payer.OpenID, page.ReturnURL = "o2", "https://shop.example/done"
		for _, req := range []payment.CreateRequest{payer, b.by(payment.H5), page} {
			if _, err := b.Create(t.Context(), b.app, req); err != nil {
				t.Fatal(err)
			}
		}
		p := b.only()
		b.attempts(p, "native open, jsapi open, jsapi open, h5 open, h5 open")
		if a := p.Current(); a.ReturnURL != page.ReturnURL || a.ClientIP != page.ClientIP || p.Attempts[2].Payer != payer.Payer {
			t.Errorf("%+v", p.Attempts)
		}
		b.run(time.Second)
		b.attempts(p, "native closed, jsapi closed, jsapi closed, h5 closed, h5 open")
	})
	t.Run("SwitchingBackIsAnOrderOfItsOwn", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.create()
		b.switched(payment.JSAPI)
		p := b.switched(payment.Native)
		b.run(time.Second)
		b.attempts(p, "native closed, jsapi closed, native open")
		b.payOrder("n1", p.Current().TradeNo)
		b.happened(p.ID, "payment.created payment.succeeded")
	})
	t.Run("TwentySwitchesAtOnceAreOne", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.create()
		var mu sync.Mutex
		credentials := map[string]int{}
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() {
				created, err := b.Create(t.Context(), b.app, b.by(payment.JSAPI))
				mu.Lock()
				defer mu.Unlock()
				if err != nil || created.New {
					t.Error(created, err)
					return
				}
				credentials[created.Payment.Current().Credential.PrepayID]++
			})
		}
		group.Wait()
		if len(credentials) != 1 || b.provider.count("place") != 2 {
			t.Errorf("credentials %v, placed %d times", credentials, b.provider.count("place"))
		}
		b.attempts(b.only(), "native open, jsapi open")
	})
	t.Run("SwitchesAndRepeatsAtOnceLeaveOneOrderToPay", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.create()
		var group sync.WaitGroup
		for _, product := range []payment.Product{payment.JSAPI, payment.App, payment.H5, payment.JSAPI, payment.App, payment.H5} {
			group.Go(func() {
				if _, err := b.Create(t.Context(), b.app, b.by(product)); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		b.run(time.Minute)
		p := b.only()
		for i, a := range p.Attempts {
			want := payment.OrderClosed
			if a == p.Current() {
				want = payment.OrderUnpaid
			}
			b.atProvider(p, i+1, want)
		}
		b.sound(p)
	})
	t.Run("APayerSwitchesNineTimesAtMost", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		products := []payment.Product{payment.App, payment.Native}
		for n := range payment.AttemptsMax - 1 {
			b.switched(products[n%2])
		}
		_, err := b.Create(t.Context(), b.app, b.by(payment.JSAPI))
		refusedWith(t, err, payment.CodeAttemptLimit, "")
		if got := b.load(p); len(got.Attempts) != payment.AttemptsMax || got.Status != payment.Pending {
			t.Errorf("%s with %d attempts", got.Status, len(got.Attempts))
		}
		b.switched(payment.App) // a repeat
		b.run(time.Hour)
		b.happened(p.ID, "payment.created payment.closed")
	})
}

func TestASwitchComesTooLate(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*bundle) *payment.Payment{
		"AfterThePaymentWasPaid":   func(b *bundle) *payment.Payment { return b.paid() },
		"AfterThePaymentWasClosed": func(b *bundle) *payment.Payment { return b.closed() },
		"AfterThePaymentExpired": func(b *bundle) *payment.Payment {
			p := b.create()
			b.clock.advance(payment.ExpiryDefault)
			return p
		},
		"WhileThePaymentIsBeingClosed": func(b *bundle) *payment.Payment {
			p := b.create()
			b.provider.next("close", lostRequest())
			if _, err := b.Close(b.t.Context(), "app", p.ID); err != nil {
				b.t.Fatal(err)
			}
			return p
		},
		"AfterItsOrderWasClosedByTheProvider": func(b *bundle) *payment.Payment {
			p := b.create()
			b.provider.set(p.Current().TradeNo, payment.OrderClosed)
			b.run(10 * time.Second)
			return p
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t)
			p := b.load(end(b))
			created, err := b.Create(t.Context(), b.app, b.by(payment.JSAPI))
			if err != nil || created.New || created.Invoke != nil || created.Payment.Status != p.Status || len(created.Payment.Attempts) != 1 || b.provider.count("place") != 1 {
				t.Errorf("%+v %v", created, err)
			}
		})
	}
	t.Run("AfterThePaymentFailed", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		b.provider.next("place", refusal("PARAM_ERROR"))
		_, err := b.Create(t.Context(), b.app, b.request("order"))
		refusedWith(t, err, payment.CodeChannelRefused, "")
		_, err = b.Create(t.Context(), b.app, b.by(payment.JSAPI))
		if e := refusedWith(t, err, payment.CodeChannelRefused, ""); e.Channel.Code != "PARAM_ERROR" || e.Payment.Status != payment.Failed {
			t.Errorf("%+v", e)
		}
	})
	t.Run("AnAccountThatDoesNotOfferTheProductChangesNothing", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		p := b.create()
		b.without = payment.H5
		_, err := b.Create(t.Context(), b.app, b.by(payment.H5))
		refusedWith(t, err, payment.CodeAccount, "product")
		b.attempts(p, "native open")
		b.status(b.load(p), payment.Pending)
	})
}

func TestASwitchOfUnknownOutcome(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]effect{"RequestLost": lostRequest(), "AnswerLost": lostAnswer()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// unknown is a payment by a QR code whose payer switched, and nobody knows what came of it.
			unknown := func(t *testing.T) (*bundle, *payment.Payment) {
				t.Helper()
				b := newBundle(t)
				b.create()
				b.provider.next("place", lost)
				created, err := b.Create(t.Context(), b.app, b.by(payment.JSAPI))
				if err != nil {
					t.Fatal(err)
				}
				b.status(created.Payment, payment.Processing)
				if shown := created.Payment.ResourceWithCredential(b.clock.Now(), nil); shown.Credential != nil || shown.Product != payment.JSAPI {
					t.Errorf("%+v", shown)
				}
				return b, created.Payment
			}
			t.Run("TheSameRequestAgainKeepsItsNumber", func(t *testing.T) {
				t.Parallel()
				b, p := unknown(t)
				again := b.switched(payment.JSAPI)
				if again.Current().TradeNo != p.Current().TradeNo {
					t.Error("a new number was the answer to an error")
				}
				b.attempts(p, "native open, jsapi open")
			})
			t.Run("TheOldOrderIsLeftOpenUntilTheNewOneIsThere", func(t *testing.T) {
				t.Parallel()
				b, p := unknown(t)
				b.run(time.Minute)
				if lost.executed {
					b.attempts(p, "native closed, jsapi open") // asked, and there it was
					b.status(b.load(p), payment.Pending)
					return
				}
				b.attempts(p, "native open, jsapi placing")
				b.atProvider(p, 1, payment.OrderUnpaid)
			})
			t.Run("TheOldOrderIsPaid", func(t *testing.T) {
				t.Parallel()
				b, p := unknown(t)
				b.payOrder("n1", p.Attempts[0].TradeNo)
				b.run(time.Minute)
				b.attempts(p, "native paid, jsapi closed")
				if shown := b.load(p).Resource(); shown.Product != payment.Native || shown.TradeNo != p.Attempts[0].TradeNo {
					t.Errorf("%+v", shown)
				}
				if b.provider.pay(p.Attempts[1].TradeNo) {
					t.Error("the other order can still be paid")
				}
				b.run(time.Hour)
				b.happened(p.ID, "payment.created payment.succeeded")
				b.sound(p)
			})
			t.Run("ThePayerSwitchesOn", func(t *testing.T) {
				t.Parallel()
				b, p := unknown(t)
				b.switched(payment.H5)
				b.run(30 * time.Second)
				b.attempts(p, "native closed, jsapi closed, h5 open")
			})
			t.Run("ItExpires", func(t *testing.T) {
				t.Parallel()
				b, p := unknown(t)
				b.run(time.Hour)
				b.attempts(p, "native closed, jsapi closed")
				b.happened(p.ID, "payment.created payment.closed")
			})
		})
	}
	t.Run("WhileTheOldOrderIsBeingPlacedBothAreLookedAfter", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		effect, entered, release := slow()
		b.provider.next("place", effect)
		done := make(chan *payment.Created, 1)
		go func() {
			created, err := b.Create(t.Context(), b.app, b.request("order"))
			if err != nil {
				t.Error(err)
			}
			done <- created
		}()
		<-entered
		p := b.switched(payment.JSAPI)
		b.run(time.Second)
		b.attempts(p, "native placing, jsapi open") // it could appear after the provider said that there is none
		release()
		if first := <-done; first.Payment.Current().Product != payment.JSAPI {
			t.Errorf("the first caller is sent to %+v", first.Payment.Current())
		}
		b.run(time.Minute)
		b.attempts(p, "native closed, jsapi open")
		b.atProvider(p, 1, payment.OrderClosed)
	})
}

func TestASwitchThatIsFoundByAskingWhileItsAnswerIsLost(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	p := b.create()
	effect, entered, release := slow()
	effect.answer, effect.executed = false, true
	b.provider.next("place", lostAnswer(), effect)
	if _, err := b.Create(t.Context(), b.app, b.by(payment.JSAPI)); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := b.Create(t.Context(), b.app, b.by(payment.JSAPI))
		done <- err
	}()
	<-entered
	if _, err := b.Sync(t.Context(), "app", p.ID); err != nil {
		t.Error(err)
	}
	release()
	if err := <-done; err != nil {
		t.Error(err)
	}
	b.attempts(p, "native open, jsapi open")
	b.switched(payment.JSAPI)
}
