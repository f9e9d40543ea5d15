package wechatpay

import (
	"errors"
	"strings"
	"testing"
)

// A bill that ends well has read every line, and its totals are those of its rows.
func FuzzTradeBill(f *testing.F) {
	f.Add(readVectors(f).Bill.CSV)
	f.Add("交易时间,微信订单号,商户订单号,交易状态,订单金额\n\"`2024-06-01 08:00:30\",\"`T1\",\"`VEC1\",\"`SUCCESS\",\"`1.00\"\n总交易单数\n`1\n")
	f.Add("交易时间,微信订单号,商户订单号,交易状态,订单金额,,\n`,`,`,`,`-0.01,`\n,`\n总交易单数\n`0\n")
	f.Add("交易时间,微信订单号,商户订单号,交易状态,订单金额\n0,0,0,0,0\n") // "0" is no time
	f.Add("\ufeff`\n\r\r\n\"")
	f.Fuzz(func(t *testing.T, text string) {
		bill := ReadTradeBill(strings.NewReader(text))
		var count, amount int64
		for row, err := range bill.Rows() {
			if _, ok := errors.AsType[*BillLineError](err); ok {
				refusedWell(t, err)
				continue
			}
			if err != nil {
				refusedWell(t, err)
				return
			}
			if row.TradeTime.IsZero() || row.TransactionID == "" || row.OutTradeNo == "" || row.TradeState == "" {
				t.Errorf("a row without what is required: %+v", row)
			}
			count++
			amount += row.OrderAmount
		}
		if _, ok := bill.Summary(); ok == (bill.rows == nil) && bill.err == nil {
			t.Error("the loop ended without an end")
		}
		if totals := bill.Totals(); totals.Count != count || totals.OrderAmount != amount {
			t.Errorf("totals %+v of %d rows with %d fen", totals, count, amount)
		}
	})
}

func FuzzFundFlowBill(f *testing.F) {
	f.Add("记账时间,收支类型,收支金额(元)\r\n`2018-02-01 04:20:00,`收入,`0.35\r\n资金流水总笔数,收入笔数\r\n`1.0,`1.0\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		bill := ReadFundFlowBill(strings.NewReader(text))
		rows, err := collect(bill)
		if err != nil {
			refusedWell(t, err)
			return
		}
		if bill.Totals().Count != int64(len(rows)) {
			t.Errorf("totals %+v of %d rows", bill.Totals(), len(rows))
		}
	})
}

// A number is exactly what its digits say, or refused.
func FuzzDecimal(f *testing.F) {
	for _, text := range []string{"1.00", "-0.07404", "20.0", "92233720368547758.07", ".", "-"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fen, err := parseDecimal(text, fenDecimals)
		if err != nil {
			return
		}
		again, err := parseDecimal(text+"000"[:3*strings.Count(text, ".")], fenDecimals)
		if err != nil || again != fen {
			t.Errorf("%q is %d, and with more zeros %d, %v", text, fen, again, err)
		}
		if milli, err := parseDecimal(text, feeDecimals); err == nil && milli != fen*1000 {
			t.Errorf("%q is %d fen and %d 1/1000 fen", text, fen, milli)
		}
	})
}
