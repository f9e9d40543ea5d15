package sandbox_test

import (
	"bytes"
	"compress/gzip"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"strings"
	"testing"
)

// fen reads an amount of a bill.
func fen(t *testing.T, yuan string) int64 {
	t.Helper()
	r, ok := new(big.Rat).SetString(yuan)
	if !ok {
		t.Fatalf("%q is no amount", yuan)
	}
	r.Mul(r, big.NewRat(100, 1))
	if !r.IsInt() {
		t.Fatalf("%q is not in fen", yuan)
	}
	return r.Num().Int64()
}

// checkFlow adds up a fund flow bill: each balance follows from the one before, and the summary from the rows. It returns the last.
func checkFlow(t *testing.T, bill sheet, opening int64) (closing int64) {
	t.Helper()
	var income, expense int64
	incomes, expenses := 0, 0
	numbers := map[string]bool{}
	for _, row := range bill.rows {
		amount := fen(t, row["收支金额(元)"])
		if row["收支类型"] == "支出" {
			expense += amount
			expenses++
			opening -= amount
		} else {
			income += amount
			incomes++
			opening += amount
		}
		want(t, "账户结余", fen(t, row["账户结余(元)"]), opening)
		if numbers[row["资金流水单号"]] {
			t.Errorf("number %s is there twice", row["资金流水单号"])
		}
		numbers[row["资金流水单号"]] = true
	}
	want(t, "资金流水总笔数", bill.summary["资金流水总笔数"], fmt.Sprintf("%d.0", incomes+expenses))
	want(t, "收入笔数", bill.summary["收入笔数"], fmt.Sprintf("%d.0", incomes))
	want(t, "支出笔数", bill.summary["支出笔数"], fmt.Sprintf("%d.0", expenses))
	want(t, "收入金额", fen(t, bill.summary["收入金额"]), income)
	want(t, "支出金额", fen(t, bill.summary["支出金额"]), expense)
	return opening
}

func TestFundFlowBill(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.settings(object{"refund_interval": "0s", "refund_outcome": "PROCESSING"})
	day := b.noon()
	b.paid("ORDER0001", 1000)
	b.merchant.must("POST", refundsPath, b.refundBody("ORDER0001", "REFUND1", 500, 1000))
	b.merchant.must("POST", refundsPath, b.refundBody("ORDER0001", "REFUND2", 100, 1000))
	b.ok("POST", "/wechatpay/refunds/REFUND1/settle", object{"outcome": "SUCCESS"})
	b.ok("POST", "/wechatpay/refunds/REFUND2/settle", object{"outcome": "CLOSED"})
	b.ok("POST", "/wechatpay/funds", object{"action": "settle", "amount": 200})
	b.ok("POST", "/wechatpay/funds", object{"action": "withdraw", "amount": 150})
	b.ok("POST", "/wechatpay/funds", object{"action": "top_up", "amount": 7000, "account": "operation"})
	balance, operation := int64(b.books()["balance"].(float64)), int64(b.books()["operation"].(float64))
	b.until(10, 0)

	basic := b.bill(b.merchant, fundFlowBillPath+"?bill_date="+day)
	want(t, "columns", len(basic.columns), 11)
	want(t, "closing balance", checkFlow(t, basic, 0), balance-operation)
	var lines []string
	for _, row := range basic.rows {
		lines = append(lines, strings.Join([]string{row["业务类型"], row["收支类型"], row["收支金额(元)"], row["业务凭证号"]}, " "))
	}
	want(t, "lines", strings.Join(lines, "\n"), `交易 收入 10.00 ORDER0001
扣除交易手续费 支出 0.06 ORDER0001
退款 支出 5.00 REFUND1
扣除交易手续费 收入 0.03 REFUND1
退款 支出 1.00 REFUND2
扣除交易手续费 收入 0.01 REFUND2
退款 收入 1.00 REFUND2
扣除交易手续费 支出 0.01 REFUND2
提现 支出 1.50 `)
	want(t, "微信支付业务单号", basic.rows[0]["微信支付业务单号"], b.ok("GET", "/wechatpay/orders/ORDER0001", nil)["transaction_id"])

	other := b.bill(b.merchant, fundFlowBillPath+"?account_type=OPERATION&bill_date="+day)
	want(t, "operation account", checkFlow(t, other, 0), 7000)
	b.merchant.refused("GET", fundFlowBillPath+"?account_type=FEES&bill_date="+day, nil, 400, "NO_STATEMENT_EXIST")
	b.merchant.refused("GET", fundFlowBillPath+"?account_type=DEPOSIT&bill_date="+day, nil, 400, "INVALID_REQUEST")
	b.secondMerchant().refused("GET", fundFlowBillPath+"?bill_date="+day, nil, 400, "NO_STATEMENT_EXIST")

	next := b.noon()
	b.paid("ORDER0002", 300)
	b.until(10, 0)
	second := b.bill(b.merchant, fundFlowBillPath+"?bill_date="+next)
	want(t, "rows of the next day", len(second.rows), 2)
	want(t, "its closing balance", checkFlow(t, second, balance-operation), int64(b.books()["balance"].(float64))-operation)
}

func TestEveryMerchantOfACombinedPaymentHasItsOwnBill(t *testing.T) {
	t.Parallel()
	b := setup(t)
	day := b.noon()
	b.merchant.must("POST", combinePath, b.combineBody("CART0001", 60, 40))
	b.pay(object{"combine_out_trade_no": "CART0001", "result": "success"})
	b.until(10, 0)
	_, secondMchID := b.mchIDs()
	for m, amount := range map[*merchant]string{b.merchant: "0.60", b.secondMerchant(): "0.40"} {
		bill := b.bill(m, tradeBillPath+"?bill_date="+day)
		want(t, "rows", len(bill.rows), 1)
		want(t, "订单金额", bill.rows[0]["订单金额"], amount)
		checkFlow(t, b.bill(m, fundFlowBillPath+"?bill_date="+day), 0)
	}
	want(t, "商户号", b.bill(b.secondMerchant(), tradeBillPath+"?bill_date="+day).rows[0]["商户号"], secondMchID)
}

const subFundFlowPath = "/v3/bill/sub-merchant-fundflowbill?account_type=BASIC&algorithm=AEAD_AES_256_GCM"

// unsealBill opens an encrypted file as its service provider does.
func unsealBill(t *testing.T, m *merchant, file []byte, encryptKey, nonce string) []byte {
	t.Helper()
	sealed, err := base64.StdEncoding.DecodeString(encryptKey)
	if err != nil {
		t.Fatal(err)
	}
	key, err := rsa.DecryptOAEP(sha1.New(), nil, m.key, sealed, nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCMWithNonceSize(block, len(nonce))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := gcm.Open(nil, []byte(nonce), file, nil)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

func TestSubMerchantFundFlowBill(t *testing.T) {
	t.Parallel()
	b := setup(t)
	day := b.noon()
	b.merchant.must("POST", combinePath, b.combineBody("CART0001", 60, 40))
	b.pay(object{"combine_out_trade_no": "CART0001", "result": "success"})
	b.until(10, 0)
	first, second := b.mchIDs()
	target := subFundFlowPath + "&bill_date=" + day + "&sub_mchid="

	for name, rows := range map[string]int{"InOneFile": 0, "InSeveralFiles": 2} {
		t.Run(name, func(t *testing.T) {
			b.settings(object{"bills": object{"file_rows": rows}})
			var answer struct {
				Count int `json:"download_bill_count"`
				List  []struct {
					Sequence   int    `json:"bill_sequence"`
					URL        string `json:"download_url"`
					EncryptKey string `json:"encrypt_key"`
					Nonce      string `json:"nonce"`
					HashValue  string `json:"hash_value"`
				} `json:"download_bill_list"`
			}
			if err := json.Unmarshal(b.merchant.must("GET", target+second+"&tar_type=GZIP", nil).body, &answer); err != nil {
				t.Fatal(err)
			}
			want(t, "several files", answer.Count > 1, rows > 0)
			want(t, "count", len(answer.List), answer.Count)
			var text bytes.Buffer
			for i, file := range answer.List {
				want(t, "sequence", file.Sequence, i+1)
				sealed := b.merchant.call("GET", downloadTarget(t, file.URL), nil)
				r, err := gzip.NewReader(bytes.NewReader(unsealBill(t, b.merchant, sealed.body, file.EncryptKey, file.Nonce)))
				if err != nil {
					t.Fatal(err)
				}
				plain, err := io.ReadAll(r)
				if err != nil {
					t.Fatal(err)
				}
				want(t, "hash", file.HashValue, fmt.Sprintf("%x", sha1.Sum(plain)))
				text.Write(plain)
			}
			bill := readSheet(t, text.String())
			want(t, "closing balance", checkFlow(t, bill, 0), 40)
			want(t, "rows", len(bill.rows), 1) // a fee of 0.6 % of 0.40 yuan is none
		})
	}
	b.merchant.refused("GET", target+first, nil, 403, "NO_AUTH")
	b.merchant.refused("GET", target+"1900000000", nil, 403, "NO_AUTH")
	b.merchant.refused("GET", target, nil, 400, "INVALID_REQUEST")
	b.secondMerchant().refused("GET", target+first, nil, 403, "NO_AUTH")
	b.merchant.refused("GET", strings.Replace(target, "AEAD_AES_256_GCM", "SM4_GCM", 1)+second, nil, 400, "INVALID_REQUEST")
	b.merchant.refused("GET", strings.Replace(target, "BASIC", "DEPOSIT", 1)+second, nil, 400, "NO_STATEMENT_EXIST")
}

func TestTransfersAreInTheBillOfTheOperatingAccount(t *testing.T) {
	t.Parallel()
	b := setup(t)
	day := b.noon()
	b.operation(5000)
	b.transfer("BILL0001", 300)
	b.confirmTransfer("BILL0001")
	b.transfer("BILL0002", 200) // nobody confirms it: a day later its money comes back
	b.until(10, 0)
	bill := b.bill(b.merchant, fundFlowBillPath+"?account_type=OPERATION&bill_date="+day)
	want(t, "closing balance", checkFlow(t, bill, 0), 4500)
	want(t, "业务类型", bill.row(t, "业务凭证号", "BILL0001")["业务类型"], "商家转账")
	next := b.noon()
	b.until(10, 0)
	bill = b.bill(b.merchant, fundFlowBillPath+"?account_type=OPERATION&bill_date="+next)
	want(t, "closing balance of the next day", checkFlow(t, bill, 4500), 4700)
	want(t, "returned", bill.row(t, "业务凭证号", "BILL0002")["收支类型"], "收入")
}
