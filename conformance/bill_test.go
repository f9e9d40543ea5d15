package conformance_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/core/option"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments/native"
	"github.com/wechatpay-apiv3/wechatpay-go/services/profitsharing"
	"github.com/wechatpay-apiv3/wechatpay-go/services/refunddomestic"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

const billURL = "https://api.mch.weixin.qq.com/v3/bill/"

// bill is what the provider answers to an application.
type bill struct {
	HashType    string `json:"hash_type"`
	HashValue   string `json:"hash_value"`
	DownloadURL string `json:"download_url"`
}

// now is the sandbox's present on China's clock.
func (b *bundle) now() time.Time {
	b.t.Helper()
	now, err := time.Parse(time.RFC3339Nano, b.control("GET", "/clock", nil)["now"].(string))
	must(b.t, "read the clock", err)
	return now.In(time.FixedZone("CST", 8*60*60))
}

// until moves the clock to the next full hour of that name in China and returns the day.
func (b *bundle) until(hour int) string {
	b.t.Helper()
	now := b.now()
	then := time.Date(now.Year(), now.Month(), now.Day(), hour, 0, 0, 0, now.Location())
	if !then.After(now) {
		then = then.AddDate(0, 0, 1)
	}
	b.advance(then.Sub(now))
	return then.Format(time.DateOnly)
}

// dayOfTrade has two payments of 10 yuan and 3 yuan of the first refunded, all by the SDK.
func (b *bundle) dayOfTrade(sdk *official) (day string) {
	b.t.Helper()
	day = b.until(12)
	orders := native.NativeApiService{Client: sdk.client}
	for _, number := range []string{"ORDER0001", "ORDER0002"} {
		_, _, err := orders.Prepay(b.t.Context(), b.nativeRequest(number, 1000))
		must(b.t, "prepay", err)
		b.pay(number)
		b.receiver.wait()
	}
	refunds := refunddomestic.RefundsApiService{Client: sdk.client}
	_, _, err := refunds.Create(b.t.Context(), refunddomestic.CreateRequest{
		OutTradeNo: new("ORDER0001"), OutRefundNo: new("REFUND1"),
		Amount: &refunddomestic.AmountReq{Refund: core.Int64(300), Total: core.Int64(1000), Currency: new("CNY")},
	})
	must(b.t, "refund", err)
	return day
}

// withoutValidator is the SDK as its own advice has it for downloads, whose answers carry no signature.
func (b *bundle) withoutValidator() *core.Client {
	b.t.Helper()
	w := b.wechatpay()
	client, err := core.NewClient(b.t.Context(), option.WithMerchantCredential(w.MchID, w.MerchantSerialNo, b.merchant),
		option.WithoutValidator(), option.WithHTTPClient(b.httpClient()))
	must(b.t, "make the SDK's client for downloads", err)
	return client
}

// downloaded is the plain text of a bill that the SDK downloads, with its hash checked.
func (b *bundle) downloaded(applied bill) string {
	b.t.Helper()
	result, err := b.withoutValidator().Get(b.t.Context(), applied.DownloadURL)
	must(b.t, "download", err)
	file, err := io.ReadAll(result.Response.Body)
	must(b.t, "read the download", err)
	if bytes.HasPrefix(file, []byte{0x1f, 0x8b}) {
		r, err := gzip.NewReader(bytes.NewReader(file))
		must(b.t, "unpack", err)
		file, err = io.ReadAll(r)
		must(b.t, "unpack", err)
	}
	sum := sha1.Sum(file)
	want(b.t, "hash_type", applied.HashType, "SHA1")
	want(b.t, "hash of the plain text", hex.EncodeToString(sum[:]), applied.HashValue)
	return string(file)
}

func TestOfficialBills(t *testing.T) {
	t.Parallel()
	eachKeyMode(t, func(t *testing.T, b *bundle, sdk *official) {
		day := b.dayOfTrade(sdk)
		_, err := sdk.client.Get(t.Context(), billURL+"tradebill?bill_date="+day)
		refused(t, "a bill of today", err, http.StatusBadRequest, "STATEMENT_CREATING")
		b.until(10)
		apply := func(query string) bill {
			result, err := sdk.client.Get(t.Context(), billURL+query+"bill_date="+day)
			return answered[bill](t, query, result, err)
		}

		plain := b.downloaded(apply("tradebill?"))
		want(t, "the same bill as GZIP", b.downloaded(apply("tradebill?tar_type=GZIP&")), plain)
		if !strings.Contains(plain, "`ORDER0001") || !strings.Contains(plain, "`REFUND1") || !strings.Contains(plain, "总交易单数") {
			t.Errorf("got %s", plain)
		}
		if flow := b.downloaded(apply("fundflowbill?account_type=BASIC&")); !strings.Contains(flow, "资金流水总笔数") {
			t.Errorf("got %s", flow)
		}

		applied := apply("tradebill?")
		_, err = sdk.client.Get(t.Context(), applied.DownloadURL)
		failed(t, err, "Wechatpay-") // a client that wants a signature cannot download
		second, _ := b.secondMerchant()
		_, err = second.Get(t.Context(), applied.DownloadURL)
		refused(t, "another merchant's bill", err, http.StatusForbidden, "NO_AUTH")
		b.advance(5 * time.Minute)
		_, err = b.withoutValidator().Get(t.Context(), applied.DownloadURL)
		refused(t, "an address of five minutes ago", err, http.StatusBadRequest, "INVALID_REQUEST")
		_, err = sdk.client.Get(t.Context(), billURL+"tradebill?bill_date=2020-01-01")
		refused(t, "a bill of years ago", err, http.StatusBadRequest, "NO_STATEMENT_EXIST")
	})
}

func TestOfficialProfitSharingBill(t *testing.T) {
	t.Parallel()
	eachKeyMode(t, func(t *testing.T, b *bundle, sdk *official) {
		day := b.until(12)
		b.addReceivers(sdk)
		orders := profitsharing.OrdersApiService{Client: sdk.client}
		_, _, err := orders.CreateOrder(t.Context(), b.officialSharing(b.payForSharing(sdk, "ORDER0001"), "SHARE1"))
		must(t, "share", err)
		b.until(10)
		service := profitsharing.BillShipmentApiService{Client: sdk.client}
		applied, _, err := service.SplitBill(t.Context(), profitsharing.SplitBillRequest{BillDate: &day, TarType: profitsharing.SPLITBILLTARTYPE_GZIP.Ptr()})
		must(t, "apply", err)
		plain := b.downloaded(bill{string(*applied.HashType), *applied.HashValue, *applied.DownloadUrl})
		rows := wechatpay.ReadProfitSharingBill(strings.NewReader(plain))
		count := 0
		for row, err := range rows.Rows() {
			must(t, "read with ours", err)
			want(t, "out_order_no", row.OutOrderNo, "SHARE1")
			count++
		}
		want(t, "parts", count, 2)
		must(t, "check the summary", rows.CheckSummary())
	})
}

// TestBillsEqualTheBooks reads the sandbox's bills with our library.
func TestBillsEqualTheBooks(t *testing.T) {
	t.Parallel()
	eachKeyMode(t, func(t *testing.T, b *bundle, sdk *official) {
		ours := b.library()
		day := b.dayOfTrade(sdk)
		_, err := ours.OpenTradeBill(t.Context(), wechatpay.TradeBillRequest{BillDate: day})
		if e, ok := errors.AsType[*wechatpay.Error](err); !ok || !e.StatementCreating() {
			t.Errorf("a bill of today: %v", err)
		}
		b.until(10)
		books := b.control("GET", "/wechatpay/books", nil)
		for _, tarType := range []string{"", wechatpay.TarTypeGZIP} {
			trade, err := ours.OpenTradeBill(t.Context(), wechatpay.TradeBillRequest{BillDate: day, TarType: tarType})
			must(t, "open the trade bill", err)
			numbers := map[string]int{}
			for row, err := range trade.Rows() {
				must(t, "read the trade bill", err)
				numbers[row.OutTradeNo+row.OutRefundNo]++
			}
			must(t, "check the summary", trade.CheckSummary())
			must(t, "close", trade.Close())
			want(t, "rows", numbers, map[string]int{"ORDER0001": 1, "ORDER0002": 1, "ORDER0001REFUND1": 1})
			totals := trade.Totals()
			want(t, "paid", totals.OrderAmount, books["paid"])
			want(t, "refunded", totals.RefundAmount, books["refunded"])
			want(t, "fees", totals.FeeMilliFen, books["fees"].(float64)*1000)

			flow, err := ours.OpenFundFlowBill(t.Context(), wechatpay.FundFlowBillRequest{BillDate: day, TarType: tarType})
			must(t, "open the fund flow bill", err)
			var balance int64
			for row, err := range flow.Rows() {
				must(t, "read the fund flow bill", err)
				balance = row.Balance
			}
			must(t, "check the summary", flow.CheckSummary())
			must(t, "close", flow.Close())
			want(t, "balance", balance, books["balance"])
			want(t, "income less expense", flow.Totals().IncomeAmount-flow.Totals().ExpenseAmount, books["balance"])
		}

		b.fault("bill_download", "corrupt")
		trade, err := ours.OpenTradeBill(t.Context(), wechatpay.TradeBillRequest{BillDate: day})
		must(t, "open an altered bill", err)
		for _, err = range trade.Rows() {
			if err != nil {
				break
			}
		}
		must(t, "close", trade.Close())
		if !errors.Is(err, wechatpay.ErrFileHash) && !errors.Is(err, wechatpay.ErrMalformed) {
			t.Errorf("an altered bill ends with %v", err)
		}
	})
}

// TestSubMerchantsBillIsOpened is the encrypted bill of partner mode.
func TestSubMerchantsBillIsOpened(t *testing.T) {
	t.Parallel()
	b := setup(t)
	sub := b.wechatpay().SubMerchants[0]
	ours, err := b.library().ForSubMerchant(wechatpay.SubMerchant{MchID: sub.MchID})
	must(t, "act for the sub-merchant", err)
	day := b.until(12)
	_, err = ours.PrepayNative(t.Context(), wechatpay.NativeRequest{
		AppID: b.wechatpay().AppID, Description: "一杯咖啡", OutTradeNo: "ORDER0001", NotifyURL: b.receiver.url(), Amount: wechatpay.Amount{Total: 1000},
	})
	must(t, "prepay", err)
	b.pay("ORDER0001")
	b.until(10)
	for _, rows := range []int{0, 1} {
		b.settings(object{"bills": object{"file_rows": rows}})
		bill, err := ours.OpenSubMerchantFundFlowBill(t.Context(), wechatpay.SubMerchantFundFlowBillRequest{
			BillDate: day, AccountType: wechatpay.BillAccountBasic, TarType: wechatpay.TarTypeGZIP,
		})
		must(t, "open the bill", err)
		for _, err := range bill.Rows() {
			must(t, "read the bill", err)
		}
		must(t, "check the summary", bill.CheckSummary())
		want(t, "totals", bill.Totals(), wechatpay.FundFlowBillSummary{Count: 2, IncomeCount: 1, IncomeAmount: 1000, ExpenseCount: 1, ExpenseAmount: 6})
	}
	trade, err := ours.OpenTradeBill(t.Context(), wechatpay.TradeBillRequest{BillDate: day})
	must(t, "open the trade bill", err)
	for row, err := range trade.Rows() {
		must(t, "read the trade bill", err)
		want(t, "sub_mchid", row.SubMchID, sub.MchID)
	}
	must(t, "close", trade.Close())
	want(t, "rows", trade.Totals().Count, 1)
}

const judgedBillText = "记账时间,收支类型,收支金额(元)\n资金流水总笔数\n`0.0\n"

// judgedBill is what the judge answers: an application, or the bill itself.
func judgedBill(path string) string {
	if path == "/v3/billdownload/file" {
		return judgedBillText
	}
	sum := sha1.Sum([]byte(judgedBillText))
	answer, err := json.Marshal(bill{"SHA1", hex.EncodeToString(sum[:]), "https://api.mch.weixin.qq.com/v3/billdownload/file?token=a%2Bb"})
	if err != nil {
		panic(err) // unreachable: strings alone
	}
	return string(answer)
}

// TestBillRequestsAreUnderstoodByTheSDK makes every call of our library for bills. The judge on the other side is the SDK.
func TestBillRequestsAreUnderstoodByTheSDK(t *testing.T) {
	t.Parallel()
	for name, public := range map[string]bool{"PlatformCertificate": false, "PublicKey": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := newJudge(t)
			client := j.client(public)
			const day = "2024-05-31"
			_, err := client.ApplyTradeBill(t.Context(), wechatpay.TradeBillRequest{BillDate: day, BillType: wechatpay.BillTypeAll, TarType: wechatpay.TarTypeGZIP})
			must(t, "apply for a trade bill", err)
			_, err = client.ApplyProfitSharingBill(t.Context(), wechatpay.ProfitSharingBillRequest{BillDate: day})
			must(t, "apply for a profit sharing bill", err)
			bill, err := client.OpenFundFlowBill(t.Context(), wechatpay.FundFlowBillRequest{BillDate: day})
			must(t, "open a fund flow bill", err)
			for _, err := range bill.Rows() {
				must(t, "read the bill", err)
			}
			must(t, "close", bill.Close())
			if len(j.seen) != 4 {
				t.Errorf("calls arrived at %v", j.seen)
			}
		})
	}
}
