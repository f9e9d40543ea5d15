package adr_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// linesMax is one page.
const linesMax = 70

var (
	fileName = regexp.MustCompile(`^(\d{4})-[a-z0-9]+(?:-[a-z0-9]+)*\.md$`)
	status   = regexp.MustCompile(`^(Proposed|Accepted|Superseded by \[\d{4}\]\((\d{4}-[a-z0-9-]+\.md)\))$`)
	sections = []string{"## Context", "## Decision", "## Consequences"}
)

func TestRecords(t *testing.T) {
	t.Parallel()
	for i, name := range records(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, mistake := range mistakes(name, fmt.Sprintf("%04d", i+1), read(t, name)) {
				t.Error(mistake)
			}
		})
	}
}

func TestIndexListsEveryRecordWithItsTitleAndStatus(t *testing.T) {
	t.Parallel()
	index := read(t, "README.md")
	names := records(t)
	for _, name := range names {
		number, title, _ := strings.Cut(strings.TrimPrefix(firstLine(read(t, name)), "# "), ". ")
		state, _, _ := strings.Cut(header(read(t, name), "Status"), " by ")
		line := fmt.Sprintf("| %s | [%s](%s) | %s", number, title, name, state)
		if !strings.Contains(index, "\n"+line) {
			t.Errorf("README.md does not have the line %q", line)
		}
	}
	listed := regexp.MustCompile(`(?m)^\| \d{4} \|`).FindAllString(index, -1)
	if len(listed) != len(names) {
		t.Errorf("README.md lists %d records, there are %d", len(listed), len(names))
	}
}

func TestTemplateHasTheFormOfARecord(t *testing.T) {
	t.Parallel()
	template := strings.NewReplacer("NNNN", "0009", "YYYY-MM-DD", "2026-01-31").Replace(read(t, "template.md"))
	for _, mistake := range mistakes("0009-template.md", "0009", template) {
		t.Error(mistake)
	}
}

func TestEveryMistakeOfFormIsFound(t *testing.T) {
	t.Parallel()
	good := "# 0001. Title\n\nDate: 2026-11-21\n\nStatus: Accepted\n\n" +
		"## Context\n\nWhy.\n\n## Decision\n\nWhat.\n\n## Consequences\n\nThen.\n"
	if got := mistakes("0001-title.md", "0001", good); len(got) != 0 {
		t.Fatalf("a good record has mistakes: %q", got)
	}
	for name, bad := range map[string]string{
		"NoTitle":           strings.Replace(good, "# 0001. Title", "Title", 1),
		"OtherNumber":       strings.Replace(good, "0001", "0002", 1),
		"NoDate":            strings.Replace(good, "Date: 2026-11-21", "", 1),
		"ImpossibleDate":    strings.Replace(good, "2026-11-21", "2026-13-21", 1),
		"UnknownStatus":     strings.Replace(good, "Accepted", "Done", 1),
		"SupersededByNone":  strings.Replace(good, "Accepted", "Superseded by [0002](0002-missing.md)", 1),
		"SectionMissing":    strings.Replace(good, "## Decision\n\nWhat.\n\n", "", 1),
		"SectionEmpty":      strings.Replace(good, "What.\n", "", 1),
		"SectionOutOfOrder": strings.NewReplacer("Context", "Decision", "Decision", "Context").Replace(good),
		"TooLong":           good + strings.Repeat("And more.\n", linesMax),
	} {
		if got := mistakes("0001-title.md", "0001", bad); len(got) == 0 {
			t.Errorf("%s was not found", name)
		}
	}
}

// mistakes lists what is wrong with the form of a record that should have the given number.
func mistakes(name, number, text string) []string {
	var found []string
	report := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }

	if match := fileName.FindStringSubmatch(name); len(match) != 2 || match[1] != number {
		report("the file name %s is not %s-words-with-hyphens.md; numbers have no gaps", name, number)
	}
	if title := firstLine(text); !strings.HasPrefix(title, "# "+number+". ") {
		report("the title %q does not begin with %q", title, "# "+number+". ")
	}
	if _, err := time.Parse(time.DateOnly, header(text, "Date")); err != nil {
		report("the header Date: %v", err)
	}
	state := status.FindStringSubmatch(header(text, "Status"))
	switch {
	case state == nil:
		report("the status %q is neither Proposed, Accepted nor Superseded by [NNNN](file)", header(text, "Status"))
	case state[2] != "":
		if _, err := os.Stat(state[2]); err != nil {
			report("the record that supersedes this one: %v", err)
		}
	}
	headings := regexp.MustCompile(`(?m)^## .*$`).FindAllString(text, -1)
	if !slices.Equal(headings, sections) {
		report("the sections are %q, want %q", headings, sections)
	}
	for _, body := range regexp.MustCompile(`(?m)^## .*$`).Split(text, -1)[1:] {
		if strings.TrimSpace(body) == "" {
			report("a section is empty")
		}
	}
	if lines := strings.Count(text, "\n"); lines > linesMax {
		report("the record has %d lines; a page has %d", lines, linesMax)
	}
	return found
}

// records returns the file names of all records in the order of their numbers.
func records(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("[0-9]*.md")
	if err != nil {
		t.Fatal(err)
	}
	if len(names) == 0 {
		t.Fatal("there is no record")
	}
	return names
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// header returns the value of a "Name: value" line; empty when there is none.
func header(text, name string) string {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+": "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
