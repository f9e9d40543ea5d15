package wechatpay

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
)

// Bill is a bill while it is read, row by row: [TradeBill], [FundFlowBill] or [ProfitSharingBill]. It needs the same
// little memory however long the bill is. It is not safe for concurrent use.
//
// Columns are found by their names, so order, missing and further ones do not matter; byte order mark, line ends and
// odd quoting neither. Text is given as the bill has it: a cell may begin with "=", which a spreadsheet would run, and
// line breaks in it are written as \r and \n by the provider.
type Bill[Row, Summary any] struct {
	layout billLayout[Row, Summary]
	closer io.Closer // nil without
	lines  billLines

	rows    *columnReader[Row]
	row     Row // read last; here, because a variable would be allocated for every row
	totals  Summary
	held    int // lines that could not be read
	summary Summary
	sums    *columnReader[Summary] // nil before the summary
	err     error                  // how it ended; io.EOF is well
}

// billLayout is what one kind of bill looks like.
type billLayout[Row, Summary any] struct {
	columns []billColumn[Row]
	other   func(*Row) *map[string]string
	// summary are the columns of the summary whose header has these names; nil for the names of no such header.
	summary func(names []string) []billColumn[Summary]
	add     func(*Summary, *Row)
}

func newBill[Row, Summary any](r io.Reader, layout billLayout[Row, Summary]) *Bill[Row, Summary] {
	closer, _ := r.(io.Closer)
	return &Bill[Row, Summary]{layout: layout, closer: closer, lines: billLines{reader: bufio.NewReaderSize(r, billBufferBytes)}}
}

// Rows are the rows in the bill's order, to be ranged over once. When the loop ends by itself and its last error, if there
// was any, was a *[BillLineError], then the bill was read to its end, the summary is there and a download's hash matched: only
// then do the rows count. A *BillLineError is about one line: a loop that goes on gets the lines after it. Any other error is
// the last.
func (b *Bill[Row, Summary]) Rows() iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for {
			row, err := b.next()
			if err == io.EOF { //nolint:errorlint // exactly io.EOF is a good end
				return
			}
			if !yield(row, err) || err != nil && b.err != nil {
				return
			}
		}
	}
}

// Columns are the names in the header as the bill has them, for columns that only some accounts have. Nil before
// the first row.
func (b *Bill[Row, Summary]) Columns() []string {
	if b.rows == nil {
		return nil
	}
	return slices.Clone(b.rows.names)
}

// Summary is the provider's summary; false until the rows were read to their end.
func (b *Bill[Row, Summary]) Summary() (Summary, bool) { return b.summary, b.err == io.EOF } //nolint:errorlint // see Rows

// Totals are the same numbers as in the summary, added up from the rows read so far.
func (b *Bill[Row, Summary]) Totals() Summary { return b.totals }

// CheckSummary compares the summary with the rows, after the last: [ErrBillSummary] names the columns that differ.
// Columns that this bill's summary does not have are not compared.
func (b *Bill[Row, Summary]) CheckSummary() error {
	if _, ok := b.Summary(); !ok {
		return errors.New("wechatpay: read the bill's rows to their end first")
	}
	var differences []string
	if b.held > 0 {
		differences = append(differences, fmt.Sprintf("%d lines could not be read", b.held))
	}
	for _, column := range b.sums.columns {
		if column == nil || column.number == nil {
			continue
		}
		if said, added := *column.number(&b.summary), *column.number(&b.totals); said != added {
			differences = append(differences, fmt.Sprintf("%s is %d, the rows have %d", column.name, said, added))
		}
	}
	if differences == nil {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrBillSummary, strings.Join(differences, "; "))
}

// Close ends the download, if the bill is one. What was read stays readable.
func (b *Bill[Row, Summary]) Close() error {
	if b.closer == nil {
		return nil
	}
	return b.closer.Close()
}

// next is the next row. Errors end the bill but for *BillLineError.
func (b *Bill[Row, Summary]) next() (row Row, err error) {
	if b.err != nil {
		return row, b.err
	}
	if b.rows == nil {
		if b.err = lastLine(b.readHeader()); b.err != nil {
			return row, b.err
		}
	}
	line, err := b.line("bill ends without a summary: it is cut off")
	if err != nil {
		return row, err
	}
	if names, columns := b.summaryHeader(line); columns != nil {
		if b.err = lastLine(b.readSummary(names, columns)); b.err == nil {
			b.err = io.EOF
		}
		return row, b.err
	}
	b.row = row
	if err := b.rows.read(line, b.lines.number, &b.row); err != nil {
		b.held++
		return row, err
	}
	b.layout.add(&b.totals, &b.row)
	return b.row, nil
}

// line is the next line, where the bill may not end.
func (b *Bill[Row, Summary]) line(atEnd string) (string, error) {
	line, err := b.lines.next()
	if err == io.EOF { //nolint:errorlint // see Rows
		err = fmt.Errorf("%w: %s", ErrMalformed, atEnd)
	}
	if err != nil {
		b.err = err
	}
	return line, err
}

func (b *Bill[Row, Summary]) readHeader() error {
	line, err := b.line("bill is empty")
	if err != nil {
		return err
	}
	names, ok := columnNames(line)
	if !ok {
		return &BillLineError{Line: b.lines.number, Problem: "is not the header of a bill"}
	}
	b.rows, err = newColumnReader(names, b.layout.columns, b.layout.other, b.lines.number)
	return err
}

// summaryHeader tells by its text whether a line is the header of the summary (WeChat Pay APIv3, 下载账单): rows begin
// with a backtick, headers do not.
func (b *Bill[Row, Summary]) summaryHeader(line string) (names []string, columns []billColumn[Summary]) {
	if strings.HasPrefix(line, "`") {
		return nil, nil
	}
	names, ok := columnNames(line)
	if !ok {
		return nil, nil
	}
	return names, b.layout.summary(names)
}

// readSummary reads the one row of the summary, and that nothing follows.
func (b *Bill[Row, Summary]) readSummary(names []string, columns []billColumn[Summary]) error {
	sums, err := newColumnReader(names, columns, nil, b.lines.number)
	if err != nil {
		return err
	}
	line, err := b.line("bill ends before the summary's row: it is cut off")
	if err != nil {
		return err
	}
	if err := sums.read(line, b.lines.number, &b.summary); err != nil {
		return err
	}
	b.sums = sums
	if _, err = b.lines.next(); err == nil {
		return &BillLineError{Line: b.lines.number, Problem: "follows the summary, which is the last"}
	}
	if err == io.EOF { //nolint:errorlint // see Rows
		return nil
	}
	return err
}
