package wechatpaysim

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

var coveredOperation = regexp.MustCompile("^`([a-z0-9_/]+)`$")

// coveredOperations is what docs/wechatpay-coverage.md says that the sandbox has: an operation with each of its routes, and the names of
// notifications.
func coveredOperations(t *testing.T) map[string]bool {
	t.Helper()
	page, err := os.ReadFile("../../docs/wechatpay-coverage.md")
	if err != nil {
		t.Fatal(err)
	}
	covered := map[string]bool{}
	for line := range strings.Lines(string(page)) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "| \n"), " | ")
		if len(cells) != 5 {
			t.Fatalf("not five cells: %s", line)
		}
		operation := coveredOperation.FindStringSubmatch(cells[3])
		method, path, isRoute := strings.Cut(strings.Trim(cells[0], "`"), " ")
		switch {
		case operation == nil && cells[3] != "no":
			t.Errorf("neither an operation nor no: %s", line)
		case operation == nil:
		case strings.HasPrefix(operation[1], "notify/"):
			covered[operation[1]] = true
		case !isRoute:
			t.Errorf("no method and path: %s", line)
		default:
			covered[operation[1]+" "+method+" "+path] = true
			if partner := strings.Trim(cells[1], "`"); strings.HasPrefix(partner, "/") {
				covered[operation[1]+" "+method+" "+partner] = true
			}
		}
	}
	return covered
}

func TestCoverageNamesEveryOperation(t *testing.T) {
	t.Parallel()
	covered := coveredOperations(t)
	var served []string
	for _, op := range operations() {
		served = append(served, op.name+" "+op.route)
	}
	for _, op := range v2Operations() {
		served = append(served, op.name+" POST "+op.path)
	}
	for name := range Effects() {
		if strings.HasPrefix(name, "notify/") {
			served = append(served, name)
		}
	}
	for _, what := range served {
		if !covered[what] {
			t.Errorf("docs/wechatpay-coverage.md does not say that the sandbox has %s", what)
		}
		delete(covered, what)
	}
	for what := range covered {
		t.Errorf("the sandbox does not have %s", what)
	}
}
