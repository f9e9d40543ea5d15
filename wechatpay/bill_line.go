package wechatpay

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// BillLineError is a line of a bill that cannot be read as a row, among others that can. It is [ErrMalformed] too. It never repeats what the
// line holds.
type BillLineError struct {
	Line    int    // from 1, the header being the first
	Column  string // the provider's name; empty when the line as a whole is at fault
	Problem string
}

func (e *BillLineError) Error() string { return "wechatpay: " + e.text() }

func (e *BillLineError) text() string {
	if e.Column == "" {
		return fmt.Sprintf("bill line %d: %s", e.Line, e.Problem)
	}
	return fmt.Sprintf("bill line %d, column %s: %s", e.Line, e.Column, e.Problem)
}

// Unwrap is [ErrMalformed].
func (e *BillLineError) Unwrap() error { return ErrMalformed }

// lastLine is an error of a header or a summary, after which no line can be read: it is no *BillLineError, so that a loop that
// goes on after those does not take it for one of them.
func lastLine(err error) error {
	if line, ok := errors.AsType[*BillLineError](err); ok {
		return fmt.Errorf("%w: %s", ErrMalformed, line.text())
	}
	return err
}

const (
	billLineBytesMax = billBufferBytes
	byteOrderMark    = "\ufeff"
)

// billLines reads lines, with a buffer that does not grow.
type billLines struct {
	reader *bufio.Reader
	number int // of the line read last
}

// next is the next line that is not blank, without its end. [io.EOF] comes after the last.
func (l *billLines) next() (string, error) {
	for {
		text, err := l.reader.ReadSlice('\n')
		if errors.Is(err, io.EOF) && len(text) > 0 {
			err = nil // the last line has no end; the next read says so again
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return "", err
		}
		l.number++
		if err != nil {
			return "", fmt.Errorf("%w: bill line %d has more than %d bytes", ErrMalformed, l.number, billLineBytesMax)
		}
		line := strings.Trim(string(text), "\r\n")
		if l.number == 1 {
			line = strings.TrimPrefix(line, byteOrderMark)
		}
		if strings.TrimSpace(line) == "" {
			continue
		}
		if !utf8.ValidString(line) {
			return "", fmt.Errorf("%w: bill line %d is not UTF-8", ErrMalformed, l.number)
		}
		return line, nil
	}
}

// splitCells splits a line into as many cells as are wanted; zero wants any number. The provider puts a backtick before
// each cell and no quotes around it, so ",`" separates cells even when a text holds commas. Lines where cells lack the
// backtick, and lines that another program quoted, are understood as well. The result may use the array of into.
func splitCells(line string, wanted int, into []string) (cells []string, ok bool) {
	if strings.HasPrefix(line, "`") {
		if cells = appendCells(into[:0], line[1:], ",`"); len(cells) == wanted {
			return cells, true
		}
	}
	if strings.HasPrefix(line, `"`) {
		reader := csv.NewReader(strings.NewReader(line))
		reader.LazyQuotes = true
		record, err := reader.Read()
		if err != nil {
			return nil, false
		}
		cells = into[:0]
		for _, cell := range record {
			cells = append(cells, trimCell(cell))
		}
		return cells, wanted == 0 || len(cells) == wanted
	}
	cells = appendCells(into[:0], line, ",")
	return cells, wanted == 0 || len(cells) == wanted
}

func appendCells(cells []string, line, separator string) []string {
	for cell := range strings.SplitSeq(line, separator) {
		cells = append(cells, trimCell(cell))
	}
	return cells
}

func trimCell(cell string) string {
	return strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(cell), "`"))
}

// columnNames are the cells of a header. A unit in brackets is no part of a name: 收支金额(元).
func columnNames(line string) ([]string, bool) {
	cells, ok := splitCells(line, 0, nil)
	for i, cell := range cells {
		cell = strings.TrimPrefix(cell, byteOrderMark)
		for _, unit := range [...]string{"(元)", "（元）"} {
			cell = strings.TrimSuffix(cell, unit)
		}
		cells[i] = cell
	}
	return cells, ok
}
