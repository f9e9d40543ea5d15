package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

var eventTests = map[string]func(*testing.T, *bundle){
	"EventsComeInOrderAndContinueAfterAnyOfThem":  eventsComeInOrderAndContinueAfterAnyOfThem,
	"EventsAreFiltered":                           eventsAreFiltered,
	"AnUnknownEventIsNoPlaceToContinueFrom":       anUnknownEventIsNoPlaceToContinueFrom,
	"ASequenceIsUsedOnce":                         aSequenceIsUsedOnce,
	"AReaderMissesNoEventOfConcurrentCommits":     aReaderMissesNoEventOfConcurrentCommits,
	"NoEventAppearsBeforeOneThatIsStillCommitted": noEventAppearsBeforeOneThatIsStillCommitted,
}

// events reads n events. PostgreSQL shows an event once no older database transaction of the whole server is
// open, and other tests use the same server; so the reader asks until they are there.
func (b *bundle) events(f payment.EventFilter, n int) []payment.Event {
	b.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); ; <-tick.C {
		all := must(b.Events(b.t.Context(), f, 1000))(b.t)
		if len(all) >= n || time.Now().After(deadline) {
			if len(all) != n {
				b.t.Fatalf("%d events, want %d", len(all), n)
			}
			return all
		}
	}
}

func eventsComeInOrderAndContinueAfterAnyOfThem(t *testing.T, b *bundle) {
	var want []payment.Event
	for n := range 5 {
		p := newPayment(9 - n) // ids fall, the order of commits counts
		c := created(p)
		b.commit(c)
		want = append(want, c.Events...)
	}
	all := b.events(payment.EventFilter{AppID: appID}, 5)
	same(t, "events", all, want)
	for i, e := range all {
		rest := must(b.Events(t.Context(), payment.EventFilter{AppID: appID, After: e.ID}, 2))(t)
		same(t, "after "+e.ID, rest, want[i+1:min(i+3, 5)])
	}
}

func eventsAreFiltered(t *testing.T, b *bundle) {
	p := newPayment(1)
	b.commit(created(p))
	b.commit(paid(p))
	b.commit(addRefund(p, 1, 100))
	other := newPayment(2)
	other.AppID = "app_2"
	b.commit(created(other))
	ids := func(f payment.EventFilter, n int) (ids []string) {
		for _, e := range b.events(f, n) {
			ids = append(ids, e.ID)
		}
		return ids
	}
	same(t, "by app", ids(payment.EventFilter{AppID: "app_2"}, 1), []string{"evt_0002P1"})
	same(t, "by resource", ids(payment.EventFilter{AppID: appID, ResourceID: p.ID}, 2), []string{"evt_0001P1", "evt_0001P2"})
	same(t, "by types", ids(payment.EventFilter{AppID: appID, Types: []string{payment.EventRefundCreated, payment.EventPaymentCreated}}, 2), []string{"evt_0001P1", "evt_0001R1"})
	same(t, "by all", ids(payment.EventFilter{AppID: appID, ResourceID: p.ID, Types: []string{payment.EventPaymentSucceeded}, After: "evt_0001P1"}, 1), []string{"evt_0001P2"})
}

func anUnknownEventIsNoPlaceToContinueFrom(t *testing.T, b *bundle) {
	p := newPayment(1)
	p.AppID = "app_2"
	b.commit(created(p))
	for _, after := range []string{"evt_x", "evt_0001P1", "'"} { // the second is another app's
		if _, err := b.Events(t.Context(), payment.EventFilter{AppID: appID, After: after}, 10); !isUnknown(err, "after") {
			t.Errorf("after %s: %v", after, err)
		}
	}
}

func aSequenceIsUsedOnce(t *testing.T, b *bundle) {
	p := newPayment(1)
	b.commit(created(p))
	e := paymentEvent(p, payment.EventPaymentClosed)
	e.ID = "evt_other"
	b.refused(&payment.Change{Events: []payment.Event{e}}, payment.ErrConflict)
}

func aReaderMissesNoEventOfConcurrentCommits(t *testing.T, b *bundle) {
	const writers, each = 6, 15
	done := make(chan struct{})
	go func() {
		defer close(done)
		var group sync.WaitGroup
		for w := range writers {
			group.Go(func() {
				for n := range each {
					p := newPayment(w*each + n)
					if err := b.Commit(t.Context(), created(p)); err != nil {
						t.Errorf("commit: %v", err)
					}
				}
			})
		}
		group.Wait()
	}()
	var seen []string
	after := ""
	for deadline := time.Now().Add(30 * time.Second); len(seen) < writers*each && time.Now().Before(deadline); {
		page := must(b.Events(t.Context(), payment.EventFilter{AppID: appID, After: after}, 7))(t)
		for _, e := range page {
			seen, after = append(seen, e.ID), e.ID
		}
	}
	<-done
	slices.Sort(seen)
	if distinct := len(slices.Compact(seen)); distinct != writers*each || len(seen) != writers*each {
		t.Errorf("saw %d events, %d distinct; want each of %d once", len(seen), distinct, writers*each)
	}
}

func noEventAppearsBeforeOneThatIsStillCommitted(t *testing.T, b *bundle) {
	if b.Postgres() == nil {
		// One writer: a second commit cannot even begin before the first ends.
		b.commit(created(newPayment(1)))
		b.events(payment.EventFilter{AppID: appID}, 1)
		return
	}
	const held = 2 // as many as are under way at once
	entered := make(chan chan struct{})
	b.queue.before = func(ctx context.Context) error {
		gate := make(chan struct{})
		select {
		case entered <- gate:
		case <-ctx.Done():
			return ctx.Err()
		}
		<-gate
		return nil
	}
	var gates, finished []chan struct{}
	for n := range held { // each begins, and stays open, before the next begins
		end := make(chan struct{})
		go func() {
			defer close(end)
			if err := b.Commit(t.Context(), created(newPayment(n))); err != nil {
				t.Errorf("commit: %v", err)
			}
		}()
		gates, finished = append(gates, <-entered), append(finished, end)
	}
	for n := held - 1; n > 0; n-- { // the youngest ends first
		close(gates[n])
		<-finished[n]
		if early := must(b.Events(t.Context(), payment.EventFilter{AppID: appID}, 10))(t); len(early) > 0 {
			t.Errorf("%s appeared while an older commit was open", early[0].ID)
		}
	}
	close(gates[0])
	<-finished[0]
	for n, e := range b.events(payment.EventFilter{AppID: appID}, held) {
		if want := fmt.Sprintf("evt_%04dP1", n); e.ID != want {
			t.Errorf("event %d is %s, want %s", n, e.ID, want)
		}
	}
}
