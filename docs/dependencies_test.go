package docs_test

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

var (
	direct   = regexp.MustCompile(`(?m)^\t(\S+) v\S+$`)
	reasoned = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")
)

func TestEachDirectDependencyHasItsReason(t *testing.T) {
	t.Parallel()
	modules, reasons := listed(t, "../go.mod", direct), listed(t, "dependencies.md", reasoned)
	if len(modules) == 0 {
		t.Fatal("go.mod seems to require nothing directly")
	}
	for _, m := range modules {
		if !slices.Contains(reasons, m) {
			t.Errorf("docs/dependencies.md has no line for %s", m)
		}
	}
	for _, m := range reasons {
		if !slices.Contains(modules, m) {
			t.Errorf("docs/dependencies.md has a line for %s, which go.mod does not require directly", m)
		}
	}
}

func listed(t *testing.T, file string, pattern *regexp.Regexp) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, match := range pattern.FindAllStringSubmatch(string(text), -1) {
		names = append(names, match[1])
	}
	return names
}
