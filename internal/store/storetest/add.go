package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/access"
	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/store"
)

// AddApp inserts an app.
func AddApp(t testing.TB, s *store.Store, id string) {
	t.Helper()
	if err := s.PutApp(t.Context(), access.App{ID: id, Name: id, LatePolicy: payment.LateRefund, CreatedAt: time.UnixMilli(1)}); err != nil {
		t.Fatal(err)
	}
}

// AddEvents commits the events of an app numbered from first up to but not including end, each on its own, and
// returns their ids in order.
func AddEvents(t testing.TB, s *store.Store, appID string, first, end int) []string {
	t.Helper()
	var ids []string
	for i := first; i < end; i++ {
		e := payment.Event{
			ID: fmt.Sprintf("evt_%026d", i), AppID: appID, Type: payment.EventPaymentCreated, ResourceType: "payment",
			ResourceID: fmt.Sprintf("pay_%026d", i), Sequence: 1, CreatedAt: time.UnixMilli(1), Object: []byte(`{}`),
		}
		if err := s.Commit(t.Context(), &payment.Change{Events: []payment.Event{e}}); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, e.ID)
	}
	return ids
}

// EventIDs lists an app's events after one of them, or all.
func EventIDs(t testing.TB, s *store.Store, appID, after string) []string {
	t.Helper()
	events, err := s.Events(t.Context(), payment.EventFilter{AppID: appID, After: after}, 100)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	return ids
}
