package config

import (
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing to mend in a configuration.
type Problem struct {
	Source string // the file with its line, or the variable; empty where something is missing
	Key    string // such as accounts[0].mchid; empty where the whole file is meant
	Text   string // what is wrong and what to do
}

func (p Problem) String() string {
	parts := slices.DeleteFunc([]string{p.Source, p.Key, p.Text}, func(s string) bool { return s == "" })
	return strings.Join(parts, ": ")
}

// Error is everything that is wrong with a configuration: names that are not known, then settings in the order of the
// reference. It quotes no secret.
type Error struct{ Problems []Problem }

func (e *Error) Error() string {
	if len(e.Problems) == 1 {
		return "config: " + e.Problems[0].String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "config: %d problems:", len(e.Problems))
	for _, p := range e.Problems {
		b.WriteString("\n  " + p.String())
	}
	return b.String()
}

// nearest is the known name that a wrong one was probably meant to be, or "".
func nearest(wrong string, known []string) string {
	best, least := "", max(2, len(wrong)/3)+1
	for _, name := range known {
		if d := distance(wrong, name); d < least {
			best, least = name, d
		}
	}
	return best
}

// distance counts the letters to insert, remove or replace (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
