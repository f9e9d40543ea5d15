package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/store"
)

var streamTests = map[string]func(*testing.T, *bundle){
	"TheStreamGoesOnAfterTheLastEventSent":             theStreamGoesOnAfterTheLastEventSent,
	"AppsTakeTurnsInTheStream":                         appsTakeTurnsInTheStream,
	"TheStreamMissesNoEventOfConcurrentCommits":        theStreamMissesNoEventOfConcurrentCommits,
	"OneProcessFeedsTheStream":                         oneProcessFeedsTheStream,
	"WhatTheStreamDoesNotHaveIsNotPruned":              whatTheStreamDoesNotHaveIsNotPruned,
	"AStreamThatWasSwitchedOffGoesOnWithWhatIsKept":    aStreamThatWasSwitchedOffGoesOnWithWhatIsKept,
	"TheOldestEventThatTheStreamDoesNotHaveIsFound":    theOldestEventThatTheStreamDoesNotHaveIsFound,
	"EventsOfOneChangeAreStreamedInTheOrderOfTheirIDs": eventsOfOneChangeAreStreamedInTheOrderOfTheirIDs,
}

func (b *bundle) openStream() *store.Stream {
	b.t.Helper()
	stream, err := b.OpenStream(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { stream.Close(context.WithoutCancel(b.t.Context())) })
	return stream
}

// streamed asks until there are events to send, as [bundle.events] does, and returns their ids.
func (b *bundle) streamed(stream *store.Stream, limit int) (ids []string, last payment.Event) {
	b.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); ; <-tick.C {
		events := must(stream.Next(b.t.Context(), limit))(b.t)
		for _, e := range events {
			ids = append(ids, e.ID)
		}
		if len(events) > 0 {
			return ids, events[len(events)-1]
		}
		if time.Now().After(deadline) {
			b.t.Fatal("nothing to send")
		}
	}
}

// settle waits until every event of an app is visible.
func (b *bundle) settle(appID string, n int) {
	b.t.Helper()
	b.events(payment.EventFilter{AppID: appID}, n)
}

func (b *bundle) nothingWaits(stream *store.Stream) {
	b.t.Helper()
	if events := must(stream.Next(b.t.Context(), 10))(b.t); len(events) != 0 {
		b.t.Errorf("%d events wait, the first %s", len(events), events[0].ID)
	}
}

func theStreamGoesOnAfterTheLastEventSent(t *testing.T, b *bundle) {
	AddApp(t, b.Store, appID)
	stream := b.openStream()
	b.nothingWaits(stream)
	all := AddEvents(t, b.Store, appID, 0, 5)
	b.settle(appID, 5)
	for range 2 { // what was not sent is given again
		ids, _ := b.streamed(stream, 2)
		same(t, "first", ids, all[:2])
	}
	_, last := b.streamed(stream, 2)
	if err := stream.Sent(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	stream.Close(t.Context())
	stream = b.openStream()
	ids, last := b.streamed(stream, 10)
	same(t, "after a new start", ids, all[2:])
	if err := stream.Sent(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	b.nothingWaits(stream)
	added := AddEvents(t, b.Store, appID, 5, 6)
	ids, _ = b.streamed(stream, 10)
	same(t, "added", ids, added)
}

func appsTakeTurnsInTheStream(t *testing.T, b *bundle) {
	var want []string
	for _, app := range []string{"a", "b", "c"} {
		AddApp(t, b.Store, app)
		for i := range 3 {
			e := payment.Event{ID: fmt.Sprintf("evt_%s%d", app, i), AppID: app, Type: payment.EventPaymentCreated, ResourceType: "payment", ResourceID: fmt.Sprintf("pay_%d", i), Sequence: 1, CreatedAt: epoch, Object: []byte(`{}`)}
			b.commit(&payment.Change{Events: []payment.Event{e}})
		}
		b.settle(app, 3)
	}
	for i := range 3 {
		for _, app := range []string{"a", "b", "c"} {
			want = append(want, fmt.Sprintf("evt_%s%d", app, i))
		}
	}
	stream := b.openStream()
	var got []string
	for range want {
		ids, last := b.streamed(stream, 1)
		got = append(got, ids...)
		if err := stream.Sent(t.Context(), last); err != nil {
			t.Fatal(err)
		}
	}
	same(t, "sent", got, want)
	b.nothingWaits(stream)
}

func theStreamMissesNoEventOfConcurrentCommits(t *testing.T, b *bundle) {
	AddApp(t, b.Store, appID)
	const writers, each = 6, 15
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for n := range each {
				if err := b.Commit(t.Context(), created(newPayment(w*each+n))); err != nil {
					t.Errorf("commit: %v", err)
				}
			}
		})
	}
	stream := b.openStream()
	var seen []string
	for len(seen) < writers*each && !t.Failed() {
		ids, last := b.streamed(stream, 7)
		seen = append(seen, ids...)
		if err := stream.Sent(t.Context(), last); err != nil {
			t.Fatal(err)
		}
	}
	group.Wait()
	var listed []string
	for _, e := range b.events(payment.EventFilter{AppID: appID}, writers*each) {
		listed = append(listed, e.ID)
	}
	same(t, "sent", seen, listed)
}

func oneProcessFeedsTheStream(t *testing.T, b *bundle) {
	if b.Postgres() == nil {
		// One process serves the file, so that a stream is always there to be had.
		b.openStream()
		b.openStream()
		return
	}
	other := Open(t, b.Postgres().Config().ConnString())
	first := b.openStream()
	for range 3 {
		if _, err := other.OpenStream(t.Context()); !errors.Is(err, store.ErrStreamed) {
			t.Fatalf("a second process: %v", err)
		}
	}
	first.Close(t.Context())
	second, err := other.OpenStream(t.Context())
	if err != nil {
		t.Fatalf("after the first: %v", err)
	}
	second.Close(t.Context())
}

// pruneStreamed prunes long after everything, with a stream that must have it first, and returns the events that are left.
func (b *bundle) pruneStreamed(appID string) (ids []string) {
	b.t.Helper()
	keep := retention
	keep.Stream = true
	if err := b.Prune(b.t.Context(), keep, epoch.Add(1000*day)); err != nil {
		b.t.Fatal(err)
	}
	for _, e := range must(b.Events(b.t.Context(), payment.EventFilter{AppID: appID}, 100))(b.t) {
		ids = append(ids, e.ID)
	}
	return ids
}

func whatTheStreamDoesNotHaveIsNotPruned(t *testing.T, b *bundle) {
	AddApp(t, b.Store, appID)
	all := AddEvents(t, b.Store, appID, 0, 5)
	b.settle(appID, 5)
	same(t, "before the stream had any", b.pruneStreamed(appID), all)
	stream := b.openStream()
	_, last := b.streamed(stream, 3)
	if err := stream.Sent(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	same(t, "after three were sent", b.pruneStreamed(appID), all[2:])
	ids, last := b.streamed(stream, 3)
	same(t, "next", ids, all[3:])
	if err := stream.Sent(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	same(t, "after all were sent", b.pruneStreamed(appID), all[4:])
}

func aStreamThatWasSwitchedOffGoesOnWithWhatIsKept(t *testing.T, b *bundle) {
	AddApp(t, b.Store, appID)
	AddEvents(t, b.Store, appID, 0, 3)
	b.settle(appID, 3)
	stream := b.openStream()
	_, last := b.streamed(stream, 1)
	if err := stream.Sent(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	b.prune(1000) // nobody waits for a stream
	kept := append([]string{b.events(payment.EventFilter{AppID: appID}, 1)[0].ID}, AddEvents(t, b.Store, appID, 3, 5)...)
	b.settle(appID, 3)
	ids, _ := b.streamed(stream, 10)
	same(t, "sent", ids, kept)
}

func theOldestEventThatTheStreamDoesNotHaveIsFound(t *testing.T, b *bundle) {
	ctx := t.Context()
	if at := must(b.Unsent(ctx))(t); !at.IsZero() {
		t.Errorf("none: %s", at)
	}
	for i, app := range []string{"a", "b"} {
		AddApp(t, b.Store, app)
		e := payment.Event{ID: "evt_" + app, AppID: app, Type: payment.EventPaymentCreated, ResourceType: "payment", ResourceID: "pay_1", Sequence: 1, CreatedAt: epoch.Add(-time.Duration(i) * time.Hour), Object: []byte(`{}`)}
		b.commit(&payment.Change{Events: []payment.Event{e}})
		b.settle(app, 1)
	}
	if at := must(b.Unsent(ctx))(t); !at.Equal(epoch.Add(-time.Hour)) {
		t.Errorf("two: %s", at)
	}
	stream := b.openStream()
	for range 2 {
		_, last := b.streamed(stream, 1)
		if err := stream.Sent(ctx, last); err != nil {
			t.Fatal(err)
		}
	}
	if at := must(b.Unsent(ctx))(t); !at.IsZero() {
		t.Errorf("all sent: %s", at)
	}
}

func eventsOfOneChangeAreStreamedInTheOrderOfTheirIDs(t *testing.T, b *bundle) {
	AddApp(t, b.Store, appID)
	p := newPayment(1)
	c := created(p)
	for i := range 5 {
		e := paymentEvent(p, payment.EventPaymentClosed)
		e.Sequence, e.ID = int64(i+2), fmt.Sprintf("evt_0001P%d", i+2)
		c.Events = append(c.Events, e)
	}
	b.commit(c)
	b.settle(appID, 6)
	ids, _ := b.streamed(b.openStream(), 10)
	if len(ids) != 6 || !slices.IsSorted(ids) {
		t.Errorf("sent %q", ids)
	}
}
