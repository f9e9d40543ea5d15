package chance_test

import (
	"regexp"
	"testing"

	"github.com/tongbao-pay/tongbao/sandbox/chance"
)

func TestSource(t *testing.T) {
	t.Parallel()

	t.Run("ASeedRepeatsItselfWithinAGeneration", func(t *testing.T) {
		t.Parallel()
		if a, b := chance.New(5, 1).UUID(), chance.New(5, 1).UUID(); a != b {
			t.Fatalf("%s and %s", a, b)
		}
		if a, b := chance.New(5, 1).UUID(), chance.New(5, 2).UUID(); a == b {
			t.Fatal("another generation makes the same identifiers")
		}
		if a, b := chance.New(0, 0).UUID(), chance.New(0, 0).UUID(); a == b {
			t.Fatal("seed zero is not random")
		}
	})

	t.Run("Shapes", func(t *testing.T) {
		t.Parallel()
		s := chance.New(0, 0)
		for pattern, text := range map[string]string{
			`^[0-9]{10}$`: s.Digits(10), `^[0-9a-f]{20}$`: s.Hex(20), `^[0-9A-Za-z]{32}$`: s.Alphanumeric(32),
			`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`: s.UUID(),
		} {
			if !regexp.MustCompile(pattern).MatchString(text) {
				t.Errorf("%q does not match %s", text, pattern)
			}
		}
		if s.Happens(0) || !s.Happens(1) {
			t.Error("never and always are not kept")
		}
	})
}
