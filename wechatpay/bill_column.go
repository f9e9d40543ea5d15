package wechatpay

import (
	"errors"
	"slices"
	"time"
)

// billColumn is one column of a bill and how its cells get into a T: a row or a summary.
type billColumn[T any] struct {
	name     string
	older    string // another name of it; empty without
	required bool   // in the header, and not empty in a row
	// requiredWith names the column beside which this one must be in the header; empty without.
	requiredWith string
	set          func(to *T, cell string) error
	number       func(*T) *int64 // where a number goes; nil of other columns
}

func (c billColumn[T]) must() billColumn[T] {
	c.required = true
	return c
}

func (c billColumn[T]) mustBeside(name string) billColumn[T] {
	c.requiredWith = name
	return c
}

func (c billColumn[T]) or(name string) billColumn[T] {
	c.older = name
	return c
}

// zeroIsNone leaves a cell out that holds "0", which stands for none in a column of numbers or times.
func (c billColumn[T]) zeroIsNone() billColumn[T] {
	set := c.set
	c.set = func(to *T, cell string) error {
		if cell == "0" {
			return nil
		}
		return set(to, cell)
	}
	return c
}

func textColumn[T any, S ~string](name string, field func(*T) *S) billColumn[T] {
	return billColumn[T]{name: name, set: func(to *T, cell string) error {
		*field(to) = S(cell)
		return nil
	}}
}

func timeColumn[T any](name string, field func(*T) *time.Time) billColumn[T] {
	china := chinaTime()
	return billColumn[T]{name: name, set: func(to *T, cell string) (err error) {
		if cell == "" {
			return nil
		}
		if *field(to), err = time.ParseInLocation(time.DateTime, cell, china); err != nil {
			return errors.New("is not a time as yyyy-MM-dd HH:mm:ss")
		}
		return nil
	}}
}

// amountColumn reads a number with so many decimals, such as fenDecimals. An empty cell is zero where the column need
// not be there.
func amountColumn[T any](name string, decimals int, field func(*T) *int64) billColumn[T] {
	return billColumn[T]{name: name, number: field, set: func(to *T, cell string) (err error) {
		if cell == "" {
			return nil
		}
		*field(to), err = parseDecimal(cell, decimals)
		return err
	}}
}

// columnReader puts the cells of a line where the names of the header say.
type columnReader[T any] struct {
	names   []string
	columns []*billColumn[T]            // by position; nil for a column that is not known
	other   func(*T) *map[string]string // where their cells go; nil: nowhere
	cells   []string                    // of the line read last
}

func newColumnReader[T any](names []string, known []billColumn[T], other func(*T) *map[string]string, line int) (*columnReader[T], error) {
	r := &columnReader[T]{names: names, columns: make([]*billColumn[T], len(names)), other: other}
	found := map[*billColumn[T]]bool{}
	for i, name := range names {
		for k := range known {
			column := &known[k]
			if name != column.name && (name != column.older || name == "") {
				continue
			}
			if found[column] {
				return nil, &BillLineError{Line: line, Column: column.name, Problem: "is there twice"}
			}
			found[column] = true
			r.columns[i] = column
		}
	}
	for k := range known {
		column := &known[k]
		required := column.required || column.requiredWith != "" && slices.Contains(names, column.requiredWith)
		if required && !found[column] {
			return nil, &BillLineError{Line: line, Column: column.name, Problem: "is missing in the header"}
		}
	}
	return r, nil
}

func (r *columnReader[T]) read(line string, number int, to *T) error {
	var ok bool
	if r.cells, ok = splitCells(line, len(r.names), r.cells); !ok {
		return &BillLineError{Line: number, Problem: "does not have as many cells as the header has columns"}
	}
	for i, cell := range r.cells {
		column := r.columns[i]
		if column == nil {
			r.keepOther(to, r.names[i], cell)
			continue
		}
		if column.required && cell == "" {
			return &BillLineError{Line: number, Column: column.name, Problem: "is empty"}
		}
		if err := column.set(to, cell); err != nil {
			return &BillLineError{Line: number, Column: column.name, Problem: err.Error()}
		}
	}
	return nil
}

func (r *columnReader[T]) keepOther(to *T, name, cell string) {
	if r.other == nil || name == "" {
		return
	}
	other := r.other(to)
	if *other == nil {
		*other = map[string]string{}
	}
	(*other)[name] = cell
}
