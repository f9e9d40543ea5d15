package docs_test

import (
	"os"
	"strings"
	"testing"
)

func TestTheConsumerOfTheEventStreamIsTheOneThatIsTested(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("event-stream.md")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("../internal/stream/consumer_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, found := strings.Cut(string(page), "```go\n")
	shown, _, closed := strings.Cut(shown, "```\n")
	if !found || !closed || !strings.Contains(string(code), "\n"+shown) {
		t.Errorf("event-stream.md shows another consumer than internal/stream/consumer_test.go:\n%s", shown)
	}
}
