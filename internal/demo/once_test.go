package demo_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tongbao-pay/tongbao/internal/demo"
)

func TestOnceProvesEveryStep(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := demo.Once(t.Context(), demo.Config{Data: t.TempDir()}, &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, proof := range []string{
		"the payer scans it and pays", "its signature is verified", "refund_exceeds_payment",
		"CLOSED at the provider", "payment.late_paid", "the books agree to the fen", "Every step held",
	} {
		if !strings.Contains(out.String(), proof) {
			t.Errorf("the journey does not print %q:\n%s", proof, out.String())
		}
	}
	if strings.Contains(out.String(), "✗") {
		t.Errorf("a step did not hold:\n%s", out.String())
	}
}
