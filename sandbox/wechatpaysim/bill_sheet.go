package wechatpaysim

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// billSheet is a bill before it is written (WeChat Pay APIv3, 下载账单: 账单格式).
type billSheet struct {
	header  []string
	rows    [][]string
	sums    []string // the header of the summary
	summary []string
}

// text writes a bill: the headers as they are, a backtick before each other cell.
func (b billSheet) text(s BillSettings) []byte {
	var text bytes.Buffer
	end := "\n"
	if s.CRLF {
		end = "\r\n"
	}
	if s.ByteOrderMark {
		text.WriteString("\ufeff")
	}
	clean := strings.NewReplacer("\r", `\r`, "\n", `\n`, ",", " ")
	if s.Commas {
		clean = strings.NewReplacer("\r", `\r`, "\n", `\n`)
	}
	line := func(cells []string) {
		for i, cell := range cells {
			if i > 0 {
				text.WriteByte(',')
			}
			text.WriteByte('`')
			text.WriteString(clean.Replace(cell))
		}
		text.WriteString(end)
	}
	text.WriteString(strings.Join(b.header, ",") + end)
	for _, row := range b.rows {
		line(row)
	}
	text.WriteString(strings.Join(b.sums, ",") + end)
	line(b.summary)
	return text.Bytes()
}

// billTime writes a moment on China's clock; nothing for the zero time.
func billTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(chinaZone()).Format(time.DateTime)
}

// yuan writes fen as the provider writes amounts in bills.
func yuan(fen int64) string {
	sign := ""
	if fen < 0 {
		sign, fen = "-", -fen
	}
	return fmt.Sprintf("%s%d.%02d", sign, fen/100, fen%100)
}

// feeYuan is yuan with the five decimals of a fee.
func feeYuan(fen int64) string { return yuan(fen) + "000" }
