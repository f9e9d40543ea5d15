package notify

import (
	"testing"
	"time"
)

// fill takes in as many as the house takes.
func fill(h *house) (n int) {
	for h.enter() {
		n++
	}
	return n
}

func TestTheBoundFollowsHowLongNotificationsStay(t *testing.T) {
	t.Parallel()
	h := &house{bound: boundMax}
	if n := fill(h); n != boundMax {
		t.Fatalf("took in %d at first, want %d", n, boundMax)
	}
	for range boundMax {
		h.leave(3 * time.Second)
	}
	late := fill(h)
	if late > boundMax/8 || late < boundMin {
		t.Errorf("took in %d after a crowd that was late", late)
	}
	for range 100_000 {
		h.leave(time.Minute)
		h.enter()
	}
	if h.bound != boundMin {
		t.Errorf("a bound of %d where all are late, want %d: with fewer nothing would ever be measured again", h.bound, boundMin)
	}
	for range 2 * boundMax {
		h.leave(time.Millisecond)
		h.enter()
	}
	for range h.inside {
		h.leave(time.Millisecond)
	}
	if n := fill(h); n != boundMax {
		t.Errorf("took in %d after all was fast again, want %d", n, boundMax)
	}
}
