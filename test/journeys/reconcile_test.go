package journeys_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tongbao-pay/tongbao/client"
)

// resource is what all resources have.
type resource struct {
	Object string `json:"object"`
	ID     string `json:"id"`
}

func resourceOf(t *testing.T, e *client.Event) (r resource) {
	t.Helper()
	if err := json.Unmarshal(e.Data.Object, &r); err != nil || r.ID == "" {
		t.Fatalf("event %s has no resource: %s", e.ID, e.Data.Object)
	}
	return r
}

// reconcile proves that whatever happened was told once, in order, and to the fen: the app's list of events has no
// gap, its webhooks are the same events, and provider, API and ledger agree about the money. other apps' money counts.
func (w *world) reconcile(others ...*client.Client) {
	w.t.Helper()
	w.reconcileEvents()
	w.reconcileBooks(append(others, w.client)...)
}

func (w *world) events() (all []client.Event) {
	w.t.Helper()
	for e, err := range w.client.Events(w.t.Context(), client.EventQuery{Limit: 100}) {
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

func (w *world) reconcileEvents() {
	w.t.Helper()
	var events []client.Event
	var webhooks []received
	known := map[string]client.Event{}
	eventually(w.t, func() error { // what is committed is listed and delivered a moment later, in either order
		committed, err := w.number(`SELECT COUNT(*) FROM events WHERE app_id = $1`, shopApp)
		if err != nil {
			return err
		}
		events = w.events()
		webhooks, _ = w.inbox.all()
		clear(known)
		for _, e := range events {
			known[e.ID] = e
		}
		delivered := map[string]bool{}
		for _, r := range webhooks {
			delivered[r.ID] = true
		}
		if int64(len(events)) != committed || len(delivered) != len(events) {
			return fmt.Errorf("of %d events %d are listed and %d were delivered", committed, len(events), len(delivered))
		}
		return nil
	})
	if len(known) != len(events) {
		w.t.Errorf("%d events have %d ids", len(events), len(known))
	}
	last := map[resource]int64{}
	for _, e := range events {
		r := resourceOf(w.t, &e)
		if last[r]++; e.Sequence != last[r] {
			w.t.Errorf("%s of %s has sequence %d where %d is due", e.Type, r.ID, e.Sequence, last[r])
		}
	}
	for _, r := range webhooks {
		if diff := cmp.Diff(plain(known[r.ID]), plain(*r.Event)); diff != "" {
			w.t.Errorf("webhook %s is not the event of the list (-list +webhook):\n%s", r.ID, diff)
		}
	}
}

// plain is an event for comparing: JSON by its meaning, times by their instant.
func plain(e client.Event) map[string]any {
	var o any
	_ = json.Unmarshal(e.Data.Object, &o)
	return map[string]any{"id": e.ID, "type": e.Type, "sequence": e.Sequence, "created_at": e.CreatedAt.UTC(), "object": o}
}

func (w *world) reconcileBooks(apps ...*client.Client) {
	w.t.Helper()
	eventually(w.t, func() error {
		books := w.provider.books()
		if !books.Consistent {
			return fmt.Errorf("the provider's books do not add up: %v", books.Problems)
		}
		var paid, refunded int64
		for _, app := range apps {
			for p, err := range app.Payments(w.t.Context(), client.PaymentQuery{Limit: 100}) {
				if err != nil {
					return err
				}
				paid += p.AmountPaid
				refunded += p.AmountRefunded
			}
		}
		collected, collectedErr := w.posted("collected")
		returned, returnedErr := w.posted("refunded")
		if err := errors.Join(collectedErr, returnedErr); err != nil {
			return err
		}
		got := []int64{paid, refunded, collected, returned}
		want := []int64{books.Paid, books.Refunded, books.Paid, books.Refunded}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("paid and refunded at the provider and here, by the API and by the ledger:\n%s", diff)
		}
		return nil
	})
}

// exec changes the database behind the gateway's back; the statement is the engine's. It is repeated where the connection
// that it was given has died.
func (w *world) exec(onPostgres, onSQLite string) {
	w.t.Helper()
	eventually(w.t, func() (err error) {
		if pool := w.store.Postgres(); pool != nil {
			_, err = pool.Exec(w.t.Context(), onPostgres)
		} else {
			_, err = w.store.SQLite().ExecContext(w.t.Context(), onSQLite)
		}
		return err
	})
}

// posted is the ledger's sum of one kind of movement.
func (w *world) posted(kind string) (int64, error) {
	return w.number(`SELECT CAST(COALESCE(SUM(amount), 0) AS bigint) FROM postings WHERE kind = $1`, kind)
}

// number asks the database for one.
func (w *world) number(query string, args ...any) (n int64, err error) {
	if pool := w.store.Postgres(); pool != nil {
		err = pool.QueryRow(w.t.Context(), query, args...).Scan(&n)
		return n, err
	}
	err = w.store.SQLite().QueryRowContext(w.t.Context(), query, args...).Scan(&n)
	return n, err
}
