package simulate

import (
	"slices"
	"strings"
	"testing"
)

func TestTheSameSeedGivesTheSameScript(t *testing.T) {
	t.Parallel()
	hashes := map[string]uint64{}
	for seed := range uint64(200) {
		first, again := Compose(seed), Compose(seed)
		if !slices.Equal(first.Lines(), again.Lines()) || first.Hash() != again.Hash() {
			t.Fatalf("seed %d gives two scripts:\n%s\n\n%s", seed, strings.Join(first.Lines(), "\n"), strings.Join(again.Lines(), "\n"))
		}
		if other, taken := hashes[first.Hash()]; taken {
			t.Errorf("seeds %d and %d give the same script", other, seed)
		}
		hashes[first.Hash()] = seed
	}
}

func TestSeedsTryEverything(t *testing.T) {
	t.Parallel()
	tried := map[Kind]int{}
	faults := map[string]int{}
	for seed := range uint64(300) {
		for _, step := range Compose(seed).Steps {
			for _, op := range step.Ops {
				tried[op.Kind]++
				if op.Kind == CallFault || op.Kind == NoticeFault {
					faults[op.Call+" "+op.Effect]++
				}
			}
		}
	}
	for _, kind := range []Kind{
		Create, Repeat, Conflict, Switch, Pay, PayOlder, PayTwice, PayerGivesUp, PayLate, Close, Sync, Refund, RefundAgain, RefundOther,
		CallFault, NoticeFault, Resend, Forge, HostFault, RefundsEnd, Inbox, TwiceOver, Skew, Stop, Start, Wait,
	} {
		if tried[kind] == 0 {
			t.Errorf("no seed tries %q", kind)
		}
	}
	for _, call := range []string{"prepay", "query", "close", "refund", "refund_query"} {
		for _, effect := range []string{"refuse", "lose_request", "lose_answer", "status", "rate_limit", "bad_signature", "probe", "stale_timestamp", "unknown_serial", "truncate", "html"} {
			if faults[call+" "+effect] == 0 {
				t.Errorf("no seed lets %s meet %s", call, effect)
			}
		}
	}
	for _, notice := range []string{"notify/payment", "notify/refund"} {
		for _, effect := range []string{"lose_request", "lose_answer", "withhold", "duplicate", "reorder", "delay", "bad_signature", "probe", "corrupt", "wrong_amount", "wrong_mchid", "other_key"} {
			if faults[notice+" "+effect] == 0 {
				t.Errorf("no seed lets %s meet %s", notice, effect)
			}
		}
	}
}
