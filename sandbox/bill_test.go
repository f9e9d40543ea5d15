package sandbox_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"
)

const (
	tradeBillPath    = "/v3/bill/tradebill"
	fundFlowBillPath = "/v3/bill/fundflowbill"
)

func china() *time.Location { return time.FixedZone("CST", 8*60*60) }

// now is the sandbox's present on China's clock.
func (b *bundle) now() time.Time {
	b.t.Helper()
	now, err := time.Parse(time.RFC3339Nano, b.ok("GET", "/clock", nil)["now"].(string))
	if err != nil {
		b.t.Fatal(err)
	}
	return now.In(china())
}

// until moves the clock to the next time of day in China.
func (b *bundle) until(hour, minute int) {
	b.t.Helper()
	now := b.now()
	then := time.Date(now.Year(), now.Month(), now.Day(), hour, minute, 0, 0, china())
	if !then.After(now) {
		then = then.AddDate(0, 0, 1)
	}
	b.advance(then.Sub(now))
}

// noon moves the clock to the middle of a day and returns the day, as bill_date wants it.
func (b *bundle) noon() string {
	b.t.Helper()
	b.until(12, 0)
	return b.now().Format(time.DateOnly)
}

// sheet is a bill as a test reads it: cells by the names of their columns.
type sheet struct {
	columns []string
	rows    []map[string]string
	summary map[string]string
}

// readSheet takes the provider's layout literally.
func readSheet(t *testing.T, text string) sheet {
	t.Helper()
	var s sheet
	var names []string
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		line = strings.TrimRight(line, "\r\n")
		if !strings.HasPrefix(line, "`") {
			names = strings.Split(line, ",")
			if s.columns == nil {
				s.columns = names
			}
			continue
		}
		cells := strings.Split(line[1:], ",`")
		if len(cells) != len(names) {
			t.Fatalf("%d cells under %d columns: %s", len(cells), len(names), line)
		}
		row := map[string]string{}
		for i, name := range names {
			row[name] = cells[i]
		}
		if len(names) > 0 && (names[0] == "总交易单数" || names[0] == "资金流水总笔数" || names[0] == "总笔数") {
			s.summary = row
			continue
		}
		s.rows = append(s.rows, row)
	}
	if s.summary == nil {
		t.Fatalf("no summary in %s", text)
	}
	return s
}

// row is the one row with the cell.
func (s sheet) row(t *testing.T, column, cell string) map[string]string {
	t.Helper()
	var found []map[string]string
	for _, row := range s.rows {
		if row[column] == cell {
			found = append(found, row)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d rows with %s = %s in %v", len(found), column, cell, s.rows)
	}
	return found[0]
}

func (s sheet) has(column, cell string) bool {
	for _, row := range s.rows {
		if row[column] == cell {
			return true
		}
	}
	return false
}

// fetch downloads what an application answered, and checks it.
func fetch(t *testing.T, m *merchant, applied answer) []byte {
	t.Helper()
	file := m.call("GET", downloadTarget(t, applied.text("download_url")), nil)
	if file.status != 200 {
		t.Fatalf("download: %d %s", file.status, file.body)
	}
	for name := range file.header {
		if strings.HasPrefix(name, "Wechatpay-") {
			t.Errorf("a download carries %s", name)
		}
	}
	return file.body
}

func downloadTarget(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil || u.Path != "/v3/billdownload/file" {
		t.Fatalf("download_url %q, %v", address, err)
	}
	return u.RequestURI()
}

func checkHash(t *testing.T, applied answer, plain []byte) {
	t.Helper()
	sum := sha1.Sum(plain)
	want(t, "hash_type", applied.text("hash_type"), "SHA1")
	want(t, "hash_value", applied.text("hash_value"), hex.EncodeToString(sum[:]))
}

// bill applies for a bill and reads it.
func (b *bundle) bill(m *merchant, target string) sheet {
	b.t.Helper()
	applied := m.must("GET", target, nil)
	plain := fetch(b.t, m, applied)
	checkHash(b.t, applied, plain)
	return readSheet(b.t, string(plain))
}

func (b *bundle) tradeBill(day string) sheet {
	b.t.Helper()
	return b.bill(b.merchant, tradeBillPath+"?bill_date="+day)
}

// billedDay has a payment of 10.00 and 0.40 yuan of it refunded, and ends when its bill can be had.
func billedDay(t *testing.T) (b *bundle, day string) {
	t.Helper()
	b = setup(t)
	day = b.noon()
	b.paid("ORDER0001", 1000)
	b.merchant.must("POST", refundsPath, b.refundBody("ORDER0001", "REFUND1", 40, 1000))
	b.until(10, 0)
	return b, day
}

func TestTradeBill(t *testing.T) {
	t.Parallel()
	b, day := billedDay(t)
	w := b.sandbox.Credentials().WeChatPay

	all := b.tradeBill(day)
	want(t, "columns", len(all.columns), 27)
	want(t, "rows", len(all.rows), 2)
	order := b.ok("GET", "/wechatpay/orders/ORDER0001", nil)
	payment, refund := all.rows[0], all.rows[1]
	for column, cell := range map[string]any{
		"交易时间": day + " 12:00:00", "公众账号ID": w.AppID, "商户号": w.MchID, "特约商户号": 0, "微信订单号": order["transaction_id"], "商户订单号": "ORDER0001",
		"用户标识": w.OpenID, "交易类型": "NATIVE", "交易状态": "SUCCESS", "付款银行": "OTHERS", "货币种类": "CNY", "应结订单金额": "10.00", "代金券金额": "0.00",
		"微信退款单号": 0, "商户退款单号": 0, "退款金额": "0.00", "充值券退款金额": "0.00", "退款类型": "", "退款状态": "", "商品名称": "一杯咖啡", "手续费": "0.06000", "费率": "0.60%",
		"订单金额": "10.00", "申请退款金额": "0.00", "费率备注": "",
	} {
		if column == "交易时间" { // the second may have passed
			want(t, column, payment[column][:len("2006-01-02 15:04")], cell.(string)[:len("2006-01-02 15:04")])
			continue
		}
		want(t, column, payment[column], cell)
	}
	for column, cell := range map[string]any{
		"商户订单号": "ORDER0001", "交易状态": "REFUND", "应结订单金额": "0.00", "微信退款单号": at(order, "refunds").([]any)[0].(object)["refund_id"], "商户退款单号": "REFUND1",
		"退款金额": "0.40", "退款类型": "ORIGINAL", "退款状态": "SUCCESS", "订单金额": "0.00", "申请退款金额": "0.40", "手续费": "0.00000",
	} {
		want(t, column, refund[column], cell)
	}
	want(t, "summary", all.summary, map[string]string{
		"总交易单数": "2", "应结订单总金额": "10.00", "退款总金额": "0.40", "充值券退款总金额": "0.00", "手续费总金额": "0.06000", "订单总金额": "10.00", "申请退款总金额": "0.40",
	})

	success := b.bill(b.merchant, tradeBillPath+"?bill_date="+day+"&bill_type=SUCCESS")
	want(t, "columns", len(success.columns), 20)
	want(t, "rows", len(success.rows), 1)
	want(t, "summary", success.summary, map[string]string{"总交易单数": "1", "应结订单总金额": "10.00", "手续费总金额": "0.06000", "订单总金额": "10.00"})

	refunds := b.bill(b.merchant, tradeBillPath+"?bill_date="+day+"&bill_type=REFUND")
	want(t, "columns", len(refunds.columns), 29)
	want(t, "columns in the middle", refunds.columns[13:17], []string{"代金券金额", "退款申请时间", "退款成功时间", "微信退款单号"})
	row := refunds.row(t, "商户退款单号", "REFUND1")
	if row["退款申请时间"] == "" || row["退款成功时间"] == "" || row["退款成功时间"] <= row["退款申请时间"] {
		t.Errorf("times of the refund: %q, %q", row["退款申请时间"], row["退款成功时间"])
	}
	b.merchant.refused("GET", tradeBillPath+"?bill_date="+day+"&bill_type=NONE", nil, 400, "INVALID_REQUEST")
	b.merchant.refused("GET", tradeBillPath+"?bill_date="+day+"&bill_type=RECHARGE_REFUND", nil, 400, "NO_STATEMENT_EXIST")
}

func TestBillIsThereFromTenOClock(t *testing.T) {
	t.Parallel()
	b := setup(t)
	day := b.noon()
	b.paid("ORDER0001", 1000)
	apply := func(status int, code string) {
		t.Helper()
		for _, path := range []string{tradeBillPath, fundFlowBillPath} {
			a := b.merchant.call("GET", path+"?bill_date="+day, nil)
			want(t, path, fmt.Sprint(a.status, a.text("code")), fmt.Sprint(status, code))
		}
	}
	apply(400, "STATEMENT_CREATING") // the day itself
	b.until(8, 59)
	apply(400, "STATEMENT_CREATING")
	b.until(9, 59)
	apply(400, "STATEMENT_CREATING")
	b.until(10, 0)
	apply(200, "")
	b.advance(80 * 24 * time.Hour)
	apply(200, "")
	b.advance(13 * 24 * time.Hour)
	apply(400, "NO_STATEMENT_EXIST") // three months are over
}

func TestDayWithoutTradesHasNoBill(t *testing.T) {
	t.Parallel()
	b, day := billedDay(t)
	before, err := time.Parse(time.DateOnly, day)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{tradeBillPath, fundFlowBillPath, "/v3/profitsharing/bills"} {
		b.merchant.refused("GET", path+"?bill_date="+before.AddDate(0, 0, -1).Format(time.DateOnly), nil, 400, "NO_STATEMENT_EXIST")
		b.merchant.refused("GET", path+"?bill_date="+before.AddDate(0, 0, 9).Format(time.DateOnly), nil, 400, "INVALID_REQUEST")
		b.merchant.refused("GET", path+"?bill_date="+strings.ReplaceAll(day, "-", ""), nil, 400, "INVALID_REQUEST")
		b.merchant.refused("GET", path, nil, 400, "INVALID_REQUEST")
		b.merchant.refused("GET", path+"?bill_date="+day+"&tar_type=ZIP", nil, 400, "INVALID_REQUEST")
	}
}

func TestBillKeepsWhatWasTrueWhenItWasFrozen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.settings(object{"refund_outcome": "PROCESSING", "refund_interval": "0s"})
	day := b.noon()
	b.paid("ORDER0001", 1000)
	for _, number := range []string{"REFUND1", "REFUND2", "REFUND3"} {
		b.merchant.must("POST", refundsPath, b.refundBody("ORDER0001", number, 40, 1000))
	}
	end := func(number, outcome string) {
		b.ok("POST", "/wechatpay/refunds/"+number+"/settle", object{"outcome": outcome})
	}
	b.until(8, 59)
	end("REFUND1", "SUCCESS")
	end("REFUND2", "CLOSED")
	b.until(9, 30)
	end("REFUND3", "SUCCESS")
	b.merchant.must("POST", refundsPath, b.refundBody("ORDER0001", "REFUND4", 40, 1000)) // on the next day
	b.until(10, 0)
	bill := b.tradeBill(day)
	for number, status := range map[string]string{"REFUND1": "SUCCESS", "REFUND2": "FAIL", "REFUND3": "PROCESSING"} {
		want(t, number, bill.row(t, "商户退款单号", number)["退款状态"], status)
	}
	if bill.has("商户退款单号", "REFUND4") {
		t.Error("a refund of the next day is in the bill")
	}
	want(t, "status at the provider", b.ok("GET", "/wechatpay/refunds/REFUND3", nil)["status"], "SUCCESS")
}

func TestBillOfLayouts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	day := b.noon()
	body := b.prepayBody("ORDER0001", 1000)
	body["description"] = "茶,水\n两杯"
	b.merchant.must("POST", nativePath, body)
	b.pay(object{"out_trade_no": "ORDER0001", "result": "success", "coupon": 100})
	b.merchant.must("POST", refundsPath, b.refundBody("ORDER0001", "REFUND1", 500, 1000))
	b.until(10, 0)
	text := func() string {
		return string(fetch(t, b.merchant, b.merchant.must("GET", tradeBillPath+"?bill_date="+day, nil)))
	}

	plain := text()
	if !strings.HasPrefix(plain, "\ufeff交易时间,") || strings.Count(plain, "\r\n") != 5 || strings.Count(plain, "\n") != 5 {
		t.Errorf("not with byte order mark and CRLF: %q", plain)
	}
	bill := readSheet(t, plain)
	payment, refund := bill.rows[0], bill.rows[1]
	want(t, "商品名称", payment["商品名称"], `茶 水\n两杯`)
	want(t, "代金券金额", payment["代金券金额"], "1.00")
	want(t, "充值券退款金额", refund["充值券退款金额"], "0.50")
	want(t, "fee given back", refund["手续费"], "-0.03000")
	want(t, "fees together", bill.summary["手续费总金额"], "0.03000")

	b.settings(object{"bills": object{"byte_order_mark": false, "crlf": false, "commas": true, "refund_fee": "positive"}})
	plain = text()
	if strings.ContainsAny(plain, "\ufeff\r") {
		t.Errorf("with byte order mark or CR: %q", plain)
	}
	bill = readSheet(t, plain)
	want(t, "商品名称", bill.rows[0]["商品名称"], `茶,水\n两杯`)
	want(t, "fee given back", bill.rows[1]["手续费"], "0.03000")
	b.settings(object{"bills": object{"refund_fee": "zero"}})
	want(t, "fee given back", readSheet(t, text()).rows[1]["手续费"], "0.00000")
	for field, value := range map[string]any{"refund_fee": "none", "download_life": "0s", "file_rows": -1} {
		status, answer := b.control("POST", "/wechatpay/settings", object{"bills": object{field: value}})
		want(t, field, fmt.Sprint(status, answer["field"]), "400bills."+field)
	}
}

func TestBillDownload(t *testing.T) {
	t.Parallel()

	t.Run("GZIPIsAFileAndTheHashIsOverThePlainText", func(t *testing.T) {
		t.Parallel()
		b, day := billedDay(t)
		applied := b.merchant.must("GET", tradeBillPath+"?bill_date="+day+"&tar_type=GZIP", nil)
		packed := fetch(t, b.merchant, applied)
		r, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		plain, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		checkHash(t, applied, plain)
		want(t, "rows", len(readSheet(t, string(plain)).rows), 2)
	})

	t.Run("ContentTypeSaysWhatTheFileIs", func(t *testing.T) {
		t.Parallel()
		b, day := billedDay(t)
		for query, contentType := range map[string]string{"": "text/plain; charset=utf-8", "&tar_type=GZIP": "application/x-gzip"} {
			target := downloadTarget(t, b.merchant.must("GET", tradeBillPath+"?bill_date="+day+query, nil).text("download_url"))
			want(t, "Content-Type"+query, b.merchant.call("GET", target, nil).header.Get("Content-Type"), contentType)
		}
	})

	t.Run("AddressExpires", func(t *testing.T) {
		t.Parallel()
		b, day := billedDay(t)
		apply := func() string {
			return downloadTarget(t, b.merchant.must("GET", tradeBillPath+"?bill_date="+day, nil).text("download_url"))
		}
		target := apply()
		b.advance(4*time.Minute + 50*time.Second)
		want(t, "just in time", b.merchant.call("GET", target, nil).status, 200)
		want(t, "again", b.merchant.call("GET", target, nil).status, 200)
		b.advance(10 * time.Second)
		b.merchant.refused("GET", target, nil, 400, "INVALID_REQUEST")
		b.settings(object{"bills": object{"download_life": "30s"}})
		target = apply()
		b.advance(30 * time.Second)
		b.merchant.refused("GET", target, nil, 400, "INVALID_REQUEST")
		b.merchant.refused("GET", "/v3/billdownload/file?token=none", nil, 400, "INVALID_REQUEST")
		b.merchant.refused("GET", "/v3/billdownload/file", nil, 400, "INVALID_REQUEST")
	})

	t.Run("OnlyTheMerchantWhoAppliedMayDownload", func(t *testing.T) {
		t.Parallel()
		b, day := billedDay(t)
		target := downloadTarget(t, b.merchant.must("GET", tradeBillPath+"?bill_date="+day, nil).text("download_url"))
		b.secondMerchant().refused("GET", target, nil, 403, "NO_AUTH")
		b.merchant.refused("GET", target+"x", nil, 400, "INVALID_REQUEST")
		key := b.merchant.timestamp
		b.merchant.timestamp = func() time.Time { return key().Add(-6 * time.Minute) }
		b.merchant.refused("GET", target, nil, 401, "SIGN_ERROR")
	})

	t.Run("FileCanBeAlteredOnItsWay", func(t *testing.T) {
		t.Parallel()
		b, day := billedDay(t)
		applied := b.merchant.must("GET", tradeBillPath+"?bill_date="+day, nil)
		b.fault(object{"operation": "bill_download", "effect": "corrupt", "times": 1})
		altered := fetch(t, b.merchant, applied)
		whole := fetch(t, b.merchant, applied)
		if len(altered) != len(whole) || bytes.Equal(altered, whole) {
			t.Error("the file was not altered")
		}
		checkHash(t, applied, whole)
		for _, entry := range b.journal("operation=bill_download") {
			if text, _ := entry["answer"].(string); strings.Contains(text, "ORDER0001") {
				t.Error("the journal holds the file")
			}
		}
	})
}
