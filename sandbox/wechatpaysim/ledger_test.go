package wechatpaysim

import (
	"strings"
	"testing"
)

// TestLedgerShowsWhatBreaksItsRules is in the names of its cases: the books do not hide a mistake of the sandbox.
func TestLedgerShowsWhatBreaksItsRules(t *testing.T) {
	t.Parallel()
	merchant := account{"1900000001", potAvailable}
	for _, c := range []struct {
		name string
		legs []leg
		want string // in the complaint; empty: none
	}{
		{"MovementInBalance", []leg{{world(potToppedUp), -100}, {merchant, 100}}, ""},
		{"LegsThatDoNotAddUp", []leg{{world(potToppedUp), -100}, {merchant, 99}}, "-1 fen off balance"},
		{"MerchantBelowNothing", []leg{{merchant, -1}, {world(potWithdrawn), 1}}, "left -1 fen in available"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLedger()
			l.book(posting{No: 1, Kind: "test", Legs: c.legs})
			got := strings.Join(l.broken, "\n")
			if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
				t.Fatalf("complaint %q, want %q", got, c.want)
			}
		})
	}
}
