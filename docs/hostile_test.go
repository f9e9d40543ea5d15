package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// shownBy is a test's name on the page of hostile inputs: its package, then its parts.
var shownBy = regexp.MustCompile("`([a-z/]+): ([^`]+)`")

func TestTheTestsOfHostileInputsExist(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("hostile-inputs.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for line := range strings.Lines(string(page)) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| ---") || strings.HasPrefix(line, "| input |") {
			continue
		}
		lines++
		named := shownBy.FindAllStringSubmatch(line, -1)
		if len(named) == 0 {
			t.Errorf("no test is named: %s", line)
		}
		for _, name := range named {
			source := testsOf(t, name[1])
			for part := range strings.SplitSeq(name[2], "/") {
				if !strings.Contains(source, part) {
					t.Errorf("package %s has no test %s: %q is nowhere in it", name[1], name[2], part)
				}
			}
		}
	}
	if lines == 0 {
		t.Error("the table is not found")
	}
}

// testsOf is the source of a package's tests.
func testsOf(t *testing.T, folder string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", folder, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("the tests of %s: %q, %v", folder, files, err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}
