package docs_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/tongbao-pay/tongbao/sandbox/wechatpaysim"
)

var setting = regexp.MustCompile("`([a-z0-9_.]+)`")

func TestFidelityNamesSettingsThatExist(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("fidelity.md")
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(wechatpaysim.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	var settings map[string]any
	if err := json.Unmarshal(encoded, &settings); err != nil {
		t.Fatal(err)
	}
	named := 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| ---") {
			continue
		}
		if len(cells) != 5 {
			t.Errorf("not five cells: %s", line)
			continue
		}
		if strings.HasPrefix(cells[4], "—") {
			continue
		}
		last, _, _ := strings.Cut(cells[4], "(") // in brackets: another control call
		for _, name := range setting.FindAllStringSubmatch(last, -1) {
			named++
			if !has(settings, strings.Split(name[1], ".")) {
				t.Errorf("there is no setting %s: %s", name[1], line)
			}
		}
	}
	if named < 20 {
		t.Errorf("only %d settings are named", named)
	}
}

// has reports whether the path leads to a value: outcome of profit_sharing.
func has(settings map[string]any, path []string) bool {
	value, known := settings[path[0]]
	if !known || len(path) == 1 {
		return known
	}
	group, nested := value.(map[string]any)
	return nested && has(group, path[1:])
}
