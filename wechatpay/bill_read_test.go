package wechatpay

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// collect reads a bill to its end, or to its first error.
func collect[Row, Summary any](bill *Bill[Row, Summary]) (rows []Row, err error) {
	for row, err := range bill.Rows() {
		if err != nil {
			return rows, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func TestTradeBillOfTheVectors(t *testing.T) {
	t.Parallel()
	vector := readVectors(t).Bill
	unpacked, err := gzip.NewReader(bytes.NewReader(vector.Gzip))
	if err != nil {
		t.Fatal(err)
	}
	plain := strings.TrimPrefix(vector.CSV, byteOrderMark)
	payment := TradeBillRow{
		TradeTime: time.Date(2024, 6, 1, 8, 0, 30, 0, chinaTime()), AppID: testAppID, MchID: testMchID,
		TransactionID: "4200002222202406011234567890", OutTradeNo: "VEC20240601000001", OpenID: "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
		TradeType: "JSAPI", TradeState: TradeStateSuccess, BankType: "OTHERS", Currency: "CNY", SettlementAmount: 100,
		Description: "Image形象店", FeeMilliFen: 1000, FeeRate: "0.60%", OrderAmount: 100,
	}
	refund := payment
	refund.TradeTime, refund.TradeState = time.Date(2024, 6, 1, 8, 10, 0, 0, chinaTime()), TradeStateRefund
	refund.RefundID, refund.OutRefundNo = "50300002222024060112345678901", "VECR20240601000001"
	refund.SettlementAmount, refund.OrderAmount, refund.FeeMilliFen = 0, 0, 0
	refund.SettlementRefund, refund.RefundAmount, refund.RefundChannel, refund.RefundStatus = 40, 40, "ORIGINAL", RefundStatusSuccess

	for name, text := range map[string]io.Reader{
		"AsGiven":              strings.NewReader(vector.CSV),
		"Unpacked":             unpacked,
		"WithoutByteOrderMark": strings.NewReader(plain),
		"WithLineFeedsAlone":   strings.NewReader(strings.ReplaceAll(plain, "\r\n", "\n")),
		"WithoutLastLineEnd":   strings.NewReader(strings.TrimSuffix(vector.CSV, "\r\n")),
		"WithBlankLines":       strings.NewReader("\r\n" + strings.ReplaceAll(plain, "\r\n", "\r\n \r\n")),
		"WithBacktickedHeader": strings.NewReader("`" + strings.Replace(plain, tradeHeader, strings.ReplaceAll(tradeHeader, ",", ",`"), 1)),
		"ByteByByte":           iotest.OneByteReader(strings.NewReader(vector.CSV)),
		"EndAndDataAtOnce":     iotest.DataErrReader(strings.NewReader(vector.CSV)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bill := ReadTradeBill(text)
			rows, err := collect(bill)
			if err != nil || !reflect.DeepEqual(rows, []TradeBillRow{payment, refund}) {
				t.Fatalf("got %+v, %v", rows, err)
			}
			if rows[0].IsRefund() || !rows[1].IsRefund() {
				t.Error("payment and refund are not told apart")
			}
			want := TradeBillSummary{Count: 2, SettlementAmount: 100, SettlementRefund: 40, FeeMilliFen: 1000, OrderAmount: 100, RefundAmount: 40}
			if got, ok := bill.Summary(); !ok || got != want || bill.Totals() != want {
				t.Errorf("got summary %+v, %v, and totals %+v", got, ok, bill.Totals())
			}
			if err := bill.CheckSummary(); err != nil {
				t.Error(err)
			}
			if columns := bill.Columns(); strings.Join(columns, ",") != tradeHeader {
				t.Errorf("got columns %q", columns)
			}
		})
	}
}

// What accounts and other programs make of the columns and cells.
func TestTradeBillLayouts(t *testing.T) {
	t.Parallel()
	const row = "`2024-06-01 08:00:30,`T1,`VEC1,`SUCCESS,`1.00"
	const end = "\n总交易单数,订单总金额\n`1,`1.00\n"
	cases := []struct {
		name, text string
		check      func(TradeBillRow) bool
	}{
		{"FewColumns", "交易时间,微信订单号,商户订单号,交易状态,订单金额\n" + row + end, func(r TradeBillRow) bool { return r.TransactionID == "T1" }},
		{"OtherOrder", "订单金额,交易状态,商户订单号,微信订单号,交易时间\n`1.00,`SUCCESS,`VEC1,`T1,`2024-06-01 08:00:30" + end, func(r TradeBillRow) bool { return r.TransactionID == "T1" && r.OutTradeNo == "VEC1" }},
		{"FurtherColumn", "交易时间,微信订单号,商户订单号,交易状态,订单金额,门店编号\n" + row + ",`S7" + end, func(r TradeBillRow) bool { return r.Other["门店编号"] == "S7" }},
		{"UnitInHeader", "交易时间,微信订单号,商户订单号,交易状态,订单金额(元)\n" + row + end, func(r TradeBillRow) bool { return r.OrderAmount == 100 }},
		{"CommasInCell", "交易时间,微信订单号,商户订单号,交易状态,商品名称,订单金额\n`2024-06-01 08:00:30,`T1,`VEC1,`SUCCESS,`茶,水, 饭,`1.00" + end, func(r TradeBillRow) bool { return r.Description == "茶,水, 饭" }},
		{"QuotesInCell", "交易时间,微信订单号,商户订单号,交易状态,商品名称,订单金额\n`2024-06-01 08:00:30,`T1,`VEC1,`SUCCESS,`\"茶\" 5\",`1.00" + end, func(r TradeBillRow) bool { return r.Description == `"茶" 5"` }},
		{"FormulaInCell", "交易时间,微信订单号,商户订单号,交易状态,商品名称,订单金额\n`2024-06-01 08:00:30,`T1,`VEC1,`SUCCESS,`=HYPERLINK(\"http://x\"),`1.00" + end, func(r TradeBillRow) bool { return r.Description == `=HYPERLINK("http://x")` }},
		{"CellNamedLikeTheSummary", "交易时间,微信订单号,商户订单号,交易状态,商品名称,订单金额\n`2024-06-01 08:00:30,`T1,`VEC1,`SUCCESS,`总交易单数,`1.00" + end, func(r TradeBillRow) bool { return r.Description == "总交易单数" }},
		{"QuotedLine", "交易时间,微信订单号,商户订单号,交易状态,商品名称,订单金额\n\"`2024-06-01 08:00:30\",\"`T1\",\"`VEC1\",\"`SUCCESS\",\"`茶,\"\"水\"\"\",\"`1.00\"" + end, func(r TradeBillRow) bool { return r.Description == `茶,"水"` }},
		{"QuotedHeader", "\"交易时间\",\"微信订单号\",\"商户订单号\",\"交易状态\",\"订单金额\"\n" + row + end, func(r TradeBillRow) bool { return r.OutTradeNo == "VEC1" }},
		{"NoBackticks", "交易时间,微信订单号,商户订单号,交易状态,订单金额\n2024-06-01 08:00:30,T1,VEC1,SUCCESS,1.00" + end, func(r TradeBillRow) bool { return r.OutTradeNo == "VEC1" }},
		{"SomeBackticks", "交易时间,微信订单号,商户订单号,交易状态,订单金额\n`2024-06-01 08:00:30,T1,VEC1,`SUCCESS,1.00" + end, func(r TradeBillRow) bool { return r.TransactionID == "T1" && r.TradeState == TradeStateSuccess }},
		{"TabsAfterCells", "交易时间,微信订单号,商户订单号,交易状态,订单金额\n`2024-06-01 08:00:30\t,`T1\t,`VEC1\t,`SUCCESS\t,`1.00\t" + end, func(r TradeBillRow) bool { return r.OutTradeNo == "VEC1" }},
		{"SummaryInOtherOrder", "交易时间,微信订单号,商户订单号,交易状态,订单金额\n" + row + "\n新列,订单总金额,总交易单数\n`9,`1.00,`1\n", func(TradeBillRow) bool { return true }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			bill := ReadTradeBill(strings.NewReader(c.text))
			rows, err := collect(bill)
			if err != nil || len(rows) != 1 || rows[0].OrderAmount != 100 || !c.check(rows[0]) {
				t.Fatalf("got %+v, %v", rows, err)
			}
			if err := bill.CheckSummary(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestUnreadableBillsAreRefused(t *testing.T) {
	t.Parallel()
	const header = "交易时间,微信订单号,商户订单号,交易状态,订单金额\n"
	const row = "`2024-06-01 08:00:30,`T1,`VEC1,`SUCCESS,`1.00\n"
	const summary = "总交易单数,订单总金额\n`1,`1.00\n"
	cases := []struct{ name, text, problem string }{
		{"Empty", "", "is empty"},
		{"Page", "<html><body>", "column 交易时间: is missing"},
		{"ErrorObject", `{"code":"INVALID_REQUEST","message":"x"}`, "column 交易时间: is missing"},
		{"AmountColumnMissing", "交易时间,微信订单号,商户订单号,交易状态\n", "column 订单金额: is missing"},
		{"RefundAmountColumnMissing", "交易时间,微信订单号,商户订单号,交易状态,订单金额,微信退款单号\n", "column 申请退款金额: is missing"},
		{"ColumnTwice", "交易时间,微信订单号,商户订单号,交易状态,订单金额,订单金额\n", "column 订单金额: is there twice"},
		{"OtherCharset", "\xbd\xbb\xd2\xd7\xca\xb1\xbc\xe4\n", "line 1 is not UTF-8"},
		{"OtherCharsetLater", header + row + "`\xff\xfe\n", "line 3 is not UTF-8"},
		{"HeaderAlone", header, "cut off"},
		{"CutAfterARow", header + row, "cut off"},
		{"CutInTheSummary", header + row + "总交易单数,订单总金额\n", "cut off"},
		{"CutInTheSummarysRow", header + row + "总交易单数,订单总金额\n`1", "line 4: does not have as many cells"},
		{"SummaryOfNoNumber", header + row + "总交易单数,订单总金额\n`one,`1.00\n", "line 4, column 总交易单数: is not a decimal number"},
		{"RowsAfterTheSummary", header + row + summary + row, "line 5: follows the summary"},
		{"TwoBills", header + row + summary + header + row + summary, "line 5: follows the summary"},
		{"EndlessLine", header + "`" + strings.Repeat("x", billLineBytesMax) + "\n", "line 2 has more than"},
		{"MoreCells", header + "`2024-06-01 08:00:30,`T1,`VEC1,`SUCCESS,`1.00,`\n" + summary, "line 2: does not have as many cells"},
		{"FewerCells", header + "`2024-06-01 08:00:30,`T1,`VEC1,`SUCCESS\n" + summary, "line 2: does not have as many cells"},
		{"BrokenQuotes", header + "\"`2024-06-01 08:00:30\",\"\n" + summary, "line 2: does not have as many cells"},
		{"EmptyAmount", header + "`2024-06-01 08:00:30,`T1,`VEC1,`SUCCESS,`\n" + summary, "line 2, column 订单金额: is empty"},
		{"AmountInWords", header + "`2024-06-01 08:00:30,`T1,`VEC1,`SUCCESS,`1e3\n" + summary, "line 2, column 订单金额: is not a decimal number"},
		{"AmountBelowFen", header + "`2024-06-01 08:00:30,`T1,`VEC1,`SUCCESS,`1.005\n" + summary, "line 2, column 订单金额: has too many decimals"},
		{"AmountTooLarge", header + "`2024-06-01 08:00:30,`T1,`VEC1,`SUCCESS,`92233720368547758.08\n" + summary, "line 2, column 订单金额: is too large"},
		{"TimeOfOtherShape", header + "`2024/6/1 8:00,`T1,`VEC1,`SUCCESS,`1.00\n" + summary, "line 2, column 交易时间: is not a time"},
		{"NoTime", header + "`,`T1,`VEC1,`SUCCESS,`1.00\n" + summary, "line 2, column 交易时间: is empty"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			bill := ReadTradeBill(strings.NewReader(c.text))
			var first, last error
			for _, err := range bill.Rows() { // as a loop that holds lines and goes on
				if first == nil {
					first = err
				}
				last = err
			}
			if !errors.Is(first, ErrMalformed) || !strings.Contains(first.Error(), c.problem) {
				t.Errorf("got %v, want %q", first, c.problem)
			}
			_, held := errors.AsType[*BillLineError](last)
			if _, whole := bill.Summary(); whole != (held || last == nil) {
				t.Errorf("the loop ended with %v, and the bill was read to its end: %v", last, whole)
			}
			if err := bill.CheckSummary(); err == nil {
				t.Error("the summary of half a bill was checked")
			}
		})
	}
}

func TestLineThatCannotBeReadIsHeldAndTheRestGoesOn(t *testing.T) {
	t.Parallel()
	bill := ReadTradeBill(strings.NewReader("交易时间,微信订单号,商户订单号,交易状态,订单金额\n" +
		"`2024-06-01 08:00:30,`T1,`VEC1,`SUCCESS,`1.00\n`2024-06-01 08:00:30,`T2,`VEC2,`SUCCESS,`2.00,`?\n" +
		"`2024-06-01 08:00:30,`T3,`VEC3,`SUCCESS,`3.00\n总交易单数,订单总金额\n`3,`6.00\n"))
	var numbers []string
	var held []*BillLineError
	for row, err := range bill.Rows() {
		if line, ok := errors.AsType[*BillLineError](err); ok {
			held = append(held, line)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, row.OutTradeNo)
	}
	if !slices.Equal(numbers, []string{"VEC1", "VEC3"}) || len(held) != 1 || held[0].Line != 3 {
		t.Errorf("got %v, held %v", numbers, held)
	}
	err := bill.CheckSummary()
	if !errors.Is(err, ErrBillSummary) {
		t.Fatalf("got %v", err)
	}
	for _, part := range []string{"1 lines could not be read", "总交易单数 is 3, the rows have 2", "订单总金额 is 600, the rows have 400"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not say %q", err, part)
		}
	}
}

func TestRowMissingFromTheBillShowsInTheSummary(t *testing.T) {
	t.Parallel()
	text := readVectors(t).Bill.CSV
	lines := strings.SplitAfter(text, "\r\n")
	bill := ReadTradeBill(strings.NewReader(strings.Join(slices.Delete(lines, 2, 3), "")))
	if rows, err := collect(bill); err != nil || len(rows) != 1 {
		t.Fatalf("got %d rows, %v", len(rows), err)
	}
	if err := bill.CheckSummary(); !errors.Is(err, ErrBillSummary) || !strings.Contains(err.Error(), "申请退款总金额 is 40, the rows have 0") {
		t.Errorf("got %v", err)
	}
}

func TestLoopThatStopsCanGoOn(t *testing.T) {
	t.Parallel()
	bill := ReadTradeBill(newEndlessBill(3))
	for range bill.Rows() {
		break
	}
	if rows, err := collect(bill); err != nil || len(rows) != 2 || bill.CheckSummary() != nil {
		t.Errorf("got %d rows, %v", len(rows), err)
	}
	if rows, err := collect(bill); err != nil || rows != nil {
		t.Errorf("a second time: got %d rows, %v", len(rows), err)
	}
}

func TestFundFlowBill(t *testing.T) {
	t.Parallel()
	const header = "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),资金变更提交申请人,备注,业务凭证号\r\n"
	bill := ReadFundFlowBill(io.MultiReader( // in two files
		strings.NewReader(header+"`2018-02-01 04:20:00,`4200000068201801293084726067,`1900009231201802015884652185,`交易,`交易,`收入,`0.35,`0.19,`system,`,`\r\n"),
		strings.NewReader("`2018-02-01 04:21:23,`50000305742018020103387128253,`1900009231201802015884652186,`退款,`退款,`支出,`0.02,`0.17,`system,`缺货,`REF4200000068201801293084726067\r\n"+
			"资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额\r\n`2.0,`1.0,`0.35,`1.0,`0.02\r\n")))
	rows, err := collect(bill)
	if err != nil || len(rows) != 2 {
		t.Fatalf("got %+v, %v", rows, err)
	}
	want := FundFlowBillRow{
		AccountingTime: time.Date(2018, 2, 1, 4, 21, 23, 0, chinaTime()), BusinessNo: "50000305742018020103387128253",
		FlowNo: "1900009231201802015884652186", BusinessName: "退款", BusinessType: "退款", Direction: FundFlowExpense,
		Amount: 2, Balance: 17, Applicant: "system", Remark: "缺货", VoucherNo: "REF4200000068201801293084726067",
	}
	if !reflect.DeepEqual(rows[1], want) {
		t.Errorf("got %+v", rows[1])
	}
	summary, _ := bill.Summary()
	if want := (FundFlowBillSummary{Count: 2, IncomeCount: 1, IncomeAmount: 35, ExpenseCount: 1, ExpenseAmount: 2}); summary != want || bill.CheckSummary() != nil {
		t.Errorf("got %+v, %v", summary, bill.CheckSummary())
	}
}

func TestProfitSharingBill(t *testing.T) {
	t.Parallel()
	for name, amount := range map[string]string{"Amount": "金额", "AmountOfOlderBills": "分账金额"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bill := ReadProfitSharingBill(strings.NewReader("分账时间,分账发起方,分账方,微信订单号,微信分账/回退单号,分账明细单号,商户分账/回退单号,订单金额,分账接收方," +
				amount + ",业务类型,处理状态,分账描述,备注\n`2024-06-01 09:00:00,`1900009191,`1900009191,`4200002222202406011234567890,`3008450740201411110007820472,`36011111111111111111111,`P1,`1.00,`1900009192,`0.30,`分账,`分账成功,`给门店,`\n总笔数,总金额\n`1,`0.30\n"))
			rows, err := collect(bill)
			if err != nil || len(rows) != 1 || rows[0].Amount != 30 || rows[0].OrderAmount != 100 || rows[0].Receiver != "1900009192" || rows[0].OutOrderNo != "P1" {
				t.Fatalf("got %+v, %v", rows, err)
			}
			if err := bill.CheckSummary(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDecimals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text     string
		decimals int
		value    int64
		ok       bool
	}{
		{"1.00", 2, 100, true},
		{"0.07", 2, 7, true},
		{"12", 2, 1200, true},
		{"1.5", 2, 150, true},
		{"-0.01", 2, -1, true},
		{"0.60000", 5, 60000, true},
		{"0.6", 5, 60000, true},
		{"-0.00600", 5, -600, true},
		{"20.0", 0, 20, true},
		{"1.00000", 2, 100, true},
		{"92233720368547758.07", 2, 9223372036854775807, true},
		{"92233720368547758.08", 2, 0, false},
		{"9223372036854775808", 0, 0, false},
		{"99999999999999999999", 2, 0, false},
		{"", 2, 0, false},
		{".5", 2, 0, false},
		{"1.", 2, 0, false},
		{"-", 2, 0, false},
		{"--1", 2, 0, false},
		{"+1", 2, 0, false},
		{"1,000.00", 2, 0, false},
		{"1.0.0", 2, 0, false},
		{"0.001", 2, 0, false},
		{"1e2", 2, 0, false},
		{"0x10", 2, 0, false},
		{"１", 2, 0, false},
		{"NaN", 2, 0, false},
		{"1.-1", 2, 0, false},
		{"20.5", 0, 0, false},
	} {
		value, err := parseDecimal(c.text, c.decimals)
		if (err == nil) != c.ok || c.ok && value != c.value {
			t.Errorf("%q with %d decimals: got %d, %v", c.text, c.decimals, value, err)
		}
	}
}

// A bill of a million rows, 350 MB, is read with less memory than its first megabyte.
func TestBillOfAMillionRowsNeedsLittleMemory(t *testing.T) {
	rows := int64(1_000_000)
	before := heapBytes()
	bill := ReadTradeBill(newEndlessBill(rows))
	var count, peak int64
	for _, err := range bill.Rows() {
		if err != nil {
			t.Fatal(err)
		}
		if count++; count%(rows/4) == 0 {
			peak = max(peak, heapBytes()-before)
		}
	}
	if count != rows || peak > 1<<20 {
		t.Errorf("%d rows took %d bytes", count, peak)
	}
	if err := bill.CheckSummary(); err != nil {
		t.Error(err)
	}
}

func heapBytes() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestRowIsOneAllocation(t *testing.T) {
	bill := ReadTradeBill(newEndlessBill(3000))
	if _, err := bill.next(); err != nil {
		t.Fatal(err)
	}
	allocations := testing.AllocsPerRun(2000, func() {
		if _, err := bill.next(); err != nil {
			t.Error(err)
		}
	})
	if allocations > 1.5 { // the generator's buffer grows a few times
		t.Errorf("a row takes %.2f allocations", allocations)
	}
}

func BenchmarkTradeBillRow(b *testing.B) {
	bill := ReadTradeBill(newEndlessBill(1 << 40))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bill.next(); err != nil {
			b.Fatal(err)
		}
	}
}
