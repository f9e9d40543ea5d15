package payment_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

var update = flag.Bool("update", false, "write the documentation's diagrams anew")

// moves is what a machine must do: "state trigger": next state. Every pair that is not here must not move.
func expectMachine[S, T ~string](t *testing.T, m payment.Machine[S, T], moves map[string]S) {
	t.Helper()
	seen := 0
	for _, from := range m.States() {
		for _, on := range m.Triggers() {
			to, ok := m.Next(from, on)
			want, moving := moves[string(from)+" "+string(on)]
			if moving {
				seen++
			} else {
				want = from
			}
			if ok != moving || to != want {
				t.Errorf("%s on %s: %s, %v; want %s, %v", from, on, to, ok, want, moving)
			}
		}
	}
	if seen != len(moves) {
		t.Errorf("%d of %d moves name a state or trigger of the machine", seen, len(moves))
	}
}

func TestMachines(t *testing.T) {
	t.Parallel()
	t.Run("APaymentMovesAsItsTableSays", func(t *testing.T) {
		t.Parallel()
		expectMachine(t, payment.Payments, map[string]payment.Status{
			"processing placed": payment.Pending, "processing refused": payment.Failed, "processing paid": payment.Succeeded, "processing closed": payment.Closed,
			"pending switched": payment.Processing, "pending paid": payment.Succeeded, "pending closed": payment.Closed,
			"closed late_accepted": payment.Succeeded, "failed late_accepted": payment.Succeeded,
			"succeeded refunded_full": payment.Refunded,
		})
	})
	t.Run("AnAttemptCanBePaidFromEveryStateButPaid", func(t *testing.T) {
		t.Parallel()
		expectMachine(t, payment.Attempts, map[string]payment.AttemptStatus{
			"placing placed": payment.AttemptOpen, "placing refused": payment.AttemptRefused, "placing paid": payment.AttemptPaid, "placing closed": payment.AttemptClosed,
			"open paid": payment.AttemptPaid, "open closed": payment.AttemptClosed,
			"closed paid": payment.AttemptPaid, "refused paid": payment.AttemptPaid,
		})
	})
	t.Run("ARefundThatSucceededNeverMovesAgainAndOneThatFailedMayComeBack", func(t *testing.T) {
		t.Parallel()
		expectMachine(t, payment.Refunds, map[string]payment.RefundStatus{
			"pending accepted": payment.RefundProcessing, "pending succeeded": payment.RefundSucceeded, "pending abnormal": payment.RefundAbnormal,
			"pending closed": payment.RefundClosed, "pending refused": payment.RefundFailed,
			"processing succeeded": payment.RefundSucceeded, "processing abnormal": payment.RefundAbnormal, "processing closed": payment.RefundClosed,
			"abnormal accepted": payment.RefundProcessing, "abnormal succeeded": payment.RefundSucceeded, "abnormal closed": payment.RefundClosed,
			"failed accepted": payment.RefundProcessing, "failed succeeded": payment.RefundSucceeded, "failed abnormal": payment.RefundAbnormal,
			"closed succeeded": payment.RefundSucceeded, "failed repeated": payment.RefundPending,
		})
	})
	t.Run("EveryStateIsReached", func(t *testing.T) {
		t.Parallel()
		if got := payment.Payments.States(); len(got) != 6 || got[0] != payment.Processing {
			t.Errorf("payments: %v", got)
		}
		if got := payment.Refunds.States(); len(got) != 6 || got[0] != payment.RefundPending {
			t.Errorf("refunds: %v", got)
		}
		if got := payment.Attempts.States(); len(got) != 5 || got[0] != payment.AttemptPlacing {
			t.Errorf("attempts: %v", got)
		}
	})
	t.Run("EveryEventTypeIsListedOnce", func(t *testing.T) {
		t.Parallel()
		types := slices.Sorted(slices.Values(payment.EventTypes))
		if len(types) != 13 || len(slices.Compact(types)) != 13 {
			t.Errorf("%v", payment.EventTypes)
		}
	})
}

const statesPage = "../../docs/states.md"

func TestThePageOfStatesIsFresh(t *testing.T) {
	t.Parallel()
	page := statesText()
	if *update {
		if err := os.WriteFile(statesPage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(statesPage)
	if err != nil || string(got) != page {
		t.Errorf("docs/states.md is not what the tables say (%v); run 'go generate ./internal/payment'", err)
	}
}

func statesText() string {
	var b strings.Builder
	b.WriteString("# States\n\nGenerated from the tables in `internal/payment/states.go` by `go generate ./internal/payment`; what a table does not\nlist does not happen.\n")
	for _, section := range []struct{ title, text, diagram string }{
		{"Payment", "What an app sees as `status`. Money that arrives after the end moves a payment only where the app's policy accepts it.", payment.Payments.Mermaid()},
		{"Attempt", "One order at the provider. The provider's word about money outranks what was believed before.", payment.Attempts.Mermaid()},
		{"Refund", "What an app sees as a refund's `status`. An abnormal refund waits for a person, or for the provider's next word.", payment.Refunds.Mermaid()},
	} {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n```mermaid\n%s```\n", section.title, section.text, section.diagram)
	}
	return b.String()
}
