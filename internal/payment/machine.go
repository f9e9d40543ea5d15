package payment

import (
	"fmt"
	"slices"
	"strings"
)

// Machine is a table of the transitions between states S on triggers T. The types make it impossible to ask
// one thing's table about another thing's states; what a table does not list does not happen.
type Machine[S, T ~string] struct {
	name  string
	first S
	rows  []Transition[S, T]
}

// Transition is one row: in any state of From, On leads to To.
type Transition[S, T ~string] struct {
	From []S
	On   T
	To   S
}

// Next returns the state that on leads to from the given one, and false where the table has no such row.
func (m Machine[S, T]) Next(from S, on T) (S, bool) {
	for _, row := range m.rows {
		if row.On == on && slices.Contains(row.From, from) {
			return row.To, true
		}
	}
	return from, false
}

// States lists every state of the table, the first one first, then in order of appearance.
func (m Machine[S, T]) States() []S {
	states := []S{m.first}
	for _, row := range m.rows {
		for _, s := range append(slices.Clone(row.From), row.To) {
			if !slices.Contains(states, s) {
				states = append(states, s)
			}
		}
	}
	return states
}

// Triggers lists every trigger of the table in order of appearance.
func (m Machine[S, T]) Triggers() []T {
	var triggers []T
	for _, row := range m.rows {
		if !slices.Contains(triggers, row.On) {
			triggers = append(triggers, row.On)
		}
	}
	return triggers
}

// Mermaid draws the table as a state diagram; the documentation's diagrams are this text.
func (m Machine[S, T]) Mermaid() string {
	var b strings.Builder
	fmt.Fprintf(&b, "stateDiagram-v2\n    %%%% %s\n    [*] --> %s\n", m.name, m.first)
	for _, row := range m.rows {
		for _, from := range row.From {
			fmt.Fprintf(&b, "    %s --> %s: %s\n", from, row.To, row.On)
		}
	}
	for _, s := range m.States() {
		if !slices.ContainsFunc(m.rows, func(row Transition[S, T]) bool { return slices.Contains(row.From, s) }) {
			fmt.Fprintf(&b, "    %s --> [*]\n", s)
		}
	}
	return b.String()
}
