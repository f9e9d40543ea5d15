package shop

import (
	"slices"
	"sync"
)

// ordersMax bounds the memory that orders take; the oldest is forgotten first.
const ordersMax = 1000

// book holds the orders.
type book struct {
	mu        sync.Mutex
	orders    map[string]*entry
	byPayment map[string]string // payment id to order number
	age       []string          // order numbers, oldest first
}

type entry struct {
	order   order
	changed chan struct{} // closed and replaced at each change
}

func newBook() *book {
	return &book{orders: map[string]*entry{}, byPayment: map[string]string{}}
}

func (b *book) add(o order) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.age) == ordersMax {
		delete(b.byPayment, b.orders[b.age[0]].order.Payment.ID)
		delete(b.orders, b.age[0])
		b.age = b.age[1:]
	}
	b.orders[o.No] = &entry{order: o, changed: make(chan struct{})}
	b.age = append(b.age, o.No)
}

// look returns a copy of an order, and a channel that is closed when the copy is out of date.
func (b *book) look(no string) (o order, changed <-chan struct{}, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.orders[no]
	if !ok {
		return order{}, nil, false
	}
	o = e.order
	o.Refunds, o.Steps = slices.Clone(o.Refunds), slices.Clone(o.Steps)
	return o, e.changed, true
}

// change lets f alter an order and tells everybody who looks at it; false: there is no such order. f must not call
// the book.
func (b *book) change(no string, f func(*order)) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.orders[no]
	if !ok {
		return false
	}
	f(&e.order)
	e.order.Version++
	if e.order.Payment.ID != "" {
		b.byPayment[e.order.Payment.ID] = no
	}
	close(e.changed)
	e.changed = make(chan struct{})
	return true
}

// ofPayment finds the order of a payment by its id; empty: none.
func (b *book) ofPayment(id string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.byPayment[id]
}
