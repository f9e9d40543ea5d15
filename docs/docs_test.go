package docs_test

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	fenced = regexp.MustCompile("(?s)(?:^|\n) *```.*?\n *```")
	inline = regexp.MustCompile("`[^`\n]*`")
	link   = regexp.MustCompile(`\]\(([^)\s]+)(?:\s+"[^"]*")?\)`)
	source = regexp.MustCompile(`(?:src|href|srcset)="([^"]+)"`)
)

func TestLinksBetweenFilesLeadSomewhere(t *testing.T) {
	t.Parallel()
	pages := markdown(t, "..")
	if !slices.Contains(pages, filepath.Join("..", "CONTRIBUTING.md")) {
		t.Fatalf("CONTRIBUTING.md is not among the pages found: %q", pages)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, target := range localLinks(string(text)) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), target)); err != nil {
				t.Errorf("%s links to %s: %v", page, target, err)
			}
		}
	}
}

func TestLocalLinks(t *testing.T) {
	t.Parallel()
	text := "[a](docs/a.md) and [c](c.md#part \"title\") ![d](d%20e.png) <img src=\"f.svg\">\n" +
		"[out](https://example.com/x.md) [here](#part) [mail](mailto:a@example.com) `[code](code.md)`\n" +
		"```\n[fenced](fenced.md)\n```\n"
	want := []string{"docs/a.md", "c.md", "d e.png", "f.svg"}
	if got := localLinks(text); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// localLinks returns the files that a page links to, without their #fragments.
func localLinks(text string) []string {
	text = inline.ReplaceAllString(fenced.ReplaceAllString(text, ""), "")
	var targets []string
	for _, pattern := range []*regexp.Regexp{link, source} {
		for _, match := range pattern.FindAllStringSubmatch(text, -1) {
			location, err := url.Parse(match[1])
			if err != nil || location.Scheme != "" || location.Host != "" || location.Path == "" {
				continue
			}
			targets = append(targets, location.Path)
		}
	}
	return targets
}

// markdown returns all pages below root that belong to the project.
func markdown(t *testing.T, root string) []string {
	t.Helper()
	var pages []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		hidden := strings.HasPrefix(name, ".") && path != root
		if entry.IsDir() && (hidden || name == "testdata" || name == "node_modules") {
			return filepath.SkipDir
		}
		if !entry.IsDir() && filepath.Ext(name) == ".md" {
			pages = append(pages, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}
