// Package orders stands in for a shop's database.
package orders

import (
	"crypto/rand"
	"fmt"
	"sync"
)

// Order is one order of the shop.
type Order struct {
	No          string `json:"no"`
	Description string `json:"description"`
	Total       int64  `json:"total"` // fen
	Paid        bool   `json:"paid"`
}

// Table is safe for concurrent use; its zero value is empty.
type Table struct {
	mu   sync.Mutex
	rows map[string]Order
}

// Add stores a new order under a number that is never used again.
func (t *Table) Add(description string, total int64) Order {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rows == nil {
		t.rows = map[string]Order{}
	}
	o := Order{No: "SHOP" + rand.Text(), Description: description, Total: total}
	t.rows[o.No] = o
	return o
}

// Get returns the order, and false if there is none of this number.
func (t *Table) Get(no string) (Order, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	o, ok := t.rows[no]
	return o, ok
}

// Settle marks the order paid if the amount in fen is what is due. Once or often makes no difference. It holds the order's
// lock, as a database would, so that two messages at once cannot both find it unpaid.
func (t *Table) Settle(no string, paid int64, currency string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	o, ok := t.rows[no]
	switch {
	case !ok:
		return fmt.Errorf("there is no order %s", no)
	case paid != o.Total || currency != "CNY":
		return fmt.Errorf("order %s: %d %s were paid, %d CNY are due", no, paid, currency, o.Total)
	case o.Paid:
		return nil
	}
	o.Paid = true // goods leave after this, once
	t.rows[no] = o
	return nil
}
