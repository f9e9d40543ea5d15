package wechatpay

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

func sha1Hex(text string) string {
	sum := sha1.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

func gzipped(t testing.TB, text string) string {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.String()
}

// fileAt is the file of a text at a provider. The address names another host, as it does when a bill was applied for at
// the other access point.
func fileAt(text string) BillFile {
	return BillFile{HashType: "SHA1", HashValue: sha1Hex(text), DownloadURL: "https://api.mch.weixin.qq.com/v3/billdownload/file?token=a%2Fb%3D&tartype=gzip"}
}

// What each application puts on the wire, for the merchant and for a sub-merchant.
func TestBillApplicationsOnTheWire(t *testing.T) {
	t.Parallel()
	vector := readVectors(t).Bill
	answer := fmt.Sprintf(`{"hash_type":"SHA1","hash_value":%q,"download_url":"https://api.mch.weixin.qq.com/v3/billdownload/file?token=xxx"}`, vector.SHA1)
	sub := SubMerchant{MchID: testSubMchID}
	cases := []struct {
		name, target string
		sub          SubMerchant
		run          func(*Client) (BillFile, error)
	}{
		{"TradeBill", "/v3/bill/tradebill?bill_date=2024-05-31", SubMerchant{}, func(c *Client) (BillFile, error) {
			return c.ApplyTradeBill(t.Context(), TradeBillRequest{BillDate: "2024-05-31"})
		}},
		{"TradeBillOfTheVectors", "/v3/bill/tradebill?bill_date=2024-05-31&bill_type=ALL&tar_type=GZIP", SubMerchant{}, func(c *Client) (BillFile, error) {
			return c.ApplyTradeBill(t.Context(), TradeBillRequest{BillDate: "2024-05-31", BillType: BillTypeAll, TarType: TarTypeGZIP})
		}},
		{"TradeBillOfASubMerchant", "/v3/bill/tradebill?bill_date=2024-05-31&bill_type=REFUND&sub_mchid=" + testSubMchID + "", sub, func(c *Client) (BillFile, error) {
			return c.ApplyTradeBill(t.Context(), TradeBillRequest{BillDate: "2024-05-31", BillType: BillTypeRefund})
		}},
		{"FundFlowBill", "/v3/bill/fundflowbill?account_type=OPERATION&bill_date=2024-05-31&tar_type=GZIP", SubMerchant{}, func(c *Client) (BillFile, error) {
			return c.ApplyFundFlowBill(t.Context(), FundFlowBillRequest{BillDate: "2024-05-31", AccountType: BillAccountOperation, TarType: TarTypeGZIP})
		}},
		{"ProfitSharingBill", "/v3/profitsharing/bills?bill_date=2024-05-31", SubMerchant{}, func(c *Client) (BillFile, error) {
			return c.ApplyProfitSharingBill(t.Context(), ProfitSharingBillRequest{BillDate: "2024-05-31"})
		}},
		{"ProfitSharingBillOfASubMerchant", "/v3/profitsharing/bills?bill_date=2024-05-31&sub_mchid=" + testSubMchID + "", sub, func(c *Client) (BillFile, error) {
			return c.ApplyProfitSharingBill(t.Context(), ProfitSharingBillRequest{BillDate: "2024-05-31"})
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, _ int) { p.reply(w, 200, answer) })
			client := clientOf(t, p)
			if c.sub.MchID != "" {
				client = subMerchantOf(t, client, c.sub)
			}
			file, err := c.run(client)
			if err != nil || file.HashValue != vector.SHA1 || !strings.HasSuffix(file.DownloadURL, "token=xxx") {
				t.Fatalf("got %+v, %v", file, err)
			}
			if r := p.received()[0]; r.Method != http.MethodGet || r.RequestURI != c.target {
				t.Errorf("got %s %s", r.Method, r.RequestURI)
			}
		})
	}
}

func TestBillRequestsThatCannotBeRight(t *testing.T) {
	t.Parallel()
	client := vectorClient(t)
	sub := subMerchantOf(t, client, SubMerchant{MchID: testSubMchID})
	for _, c := range []struct {
		name, field string
		run         func() error
	}{
		{"NoDate", "bill_date", func() error { _, err := client.ApplyTradeBill(t.Context(), TradeBillRequest{}); return err }},
		{"DateThatIsNone", "bill_date", func() error {
			_, err := client.ApplyTradeBill(t.Context(), TradeBillRequest{BillDate: "2024-02-30"})
			return err
		}},
		{"CompactDate", "bill_date", func() error {
			_, err := client.ApplyProfitSharingBill(t.Context(), ProfitSharingBillRequest{BillDate: "20240531"})
			return err
		}},
		{"UnknownTarType", "tar_type", func() error {
			_, err := client.ApplyFundFlowBill(t.Context(), FundFlowBillRequest{BillDate: "2024-05-31", TarType: "ZIP"})
			return err
		}},
		{"BillTypeWithQuery", "bill_type", func() error {
			_, err := client.ApplyTradeBill(t.Context(), TradeBillRequest{BillDate: "2024-05-31", BillType: "ALL&x=1"})
			return err
		}},
		{"FundFlowBillOfASubMerchant", "sub_mchid", func() error {
			_, err := sub.ApplyFundFlowBill(t.Context(), FundFlowBillRequest{BillDate: "2024-05-31"})
			return err
		}},
		{"SubMerchantBillOfNobody", "sub_mchid", func() error {
			_, err := client.ApplySubMerchantFundFlowBill(t.Context(), SubMerchantFundFlowBillRequest{BillDate: "2024-05-31", AccountType: BillAccountBasic})
			return err
		}},
		{"SubMerchantBillWithoutAccount", "account_type", func() error {
			_, err := sub.ApplySubMerchantFundFlowBill(t.Context(), SubMerchantFundFlowBillRequest{BillDate: "2024-05-31"})
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := c.run()
			field, ok := errors.AsType[*FieldError](err)
			if !ok || field.Field != c.field || OutcomeOf(err) != OutcomeRefused {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestBillAnswersThatNameNoBill(t *testing.T) {
	t.Parallel()
	hash := sha1Hex("")
	for name, answer := range map[string]string{
		"OtherHash":       `{"hash_type":"SHA256","hash_value":"` + hash + `","download_url":"https://x/v3?token=1"}`,
		"ShortHash":       `{"hash_type":"SHA1","hash_value":"abcd","download_url":"https://x/v3?token=1"}`,
		"HashInWords":     `{"hash_type":"SHA1","hash_value":"` + strings.Repeat("z", 40) + `","download_url":"https://x/v3?token=1"}`,
		"NoAddress":       `{"hash_type":"SHA1","hash_value":"` + hash + `"}`,
		"AddressOfAFile":  `{"hash_type":"SHA1","hash_value":"` + hash + `","download_url":"file:///etc/passwd"}`,
		"RelativeAddress": `{"hash_type":"SHA1","hash_value":"` + hash + `","download_url":"/v3/billdownload/file?token=1"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, _ int) { p.reply(w, 200, answer) })
			if _, err := clientOf(t, p).ApplyTradeBill(t.Context(), TradeBillRequest{BillDate: "2024-05-31"}); !errors.Is(err, ErrMalformed) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestBillThatCannotBeHad(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code               string
		creating, notExist bool
		outcome            Outcome
	}{
		{"STATEMENT_CREATING", true, false, OutcomeRetry},
		{"STATEMENTCREATING", true, false, OutcomeRetry},
		{"NO_STATEMENT_EXIST", false, true, OutcomeRefused},
		{"NO_AUTH", false, false, OutcomeRefused},
	} {
		t.Run(c.code, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, func(_ *provider, w http.ResponseWriter, _ receivedRequest, _ int) { refuse(w, 400, c.code) })
			_, err := clientOf(t, p).OpenTradeBill(t.Context(), TradeBillRequest{BillDate: "2024-05-31"})
			provider, ok := errors.AsType[*Error](err)
			if !ok || provider.StatementCreating() != c.creating || provider.NoStatementExist() != c.notExist || OutcomeOf(err) != c.outcome {
				t.Errorf("got %v, %s", err, OutcomeOf(err))
			}
		})
	}
}

func TestDownloadedBillIsThePlainText(t *testing.T) {
	t.Parallel()
	text := readVectors(t).Bill.CSV
	for name, body := range map[string]string{"Plain": text, "GZIP": gzipped(t, text), "GZIPOfTheVectors": string(readVectors(t).Bill.Gzip)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, func(_ *provider, w http.ResponseWriter, _ receivedRequest, _ int) { _, _ = io.WriteString(w, body) })
			bill, err := clientOf(t, p).DownloadBill(t.Context(), fileAt(text))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(bill)
			if err != nil || string(got) != text || bill.Close() != nil {
				t.Errorf("got %d bytes, %v", len(got), err)
			}
			if target := p.received()[0].RequestURI; target != "/v3/billdownload/file?token=a%2Fb%3D&tartype=gzip" {
				t.Errorf("asked for %s", target)
			}
		})
	}
}

// Whatever arrives in place of the bill, its reader must not end well.
func TestBillThatDiffersFromItsHashNeverEndsWell(t *testing.T) {
	t.Parallel()
	vector := readVectors(t).Bill
	text := vector.CSV
	altered := []byte(text)
	altered[len(altered)-4] ^= 1
	packed := gzipped(t, text)
	ofGzip := fileAt(text)
	ofGzip.HashValue = vector.GzipSHA1
	for _, c := range []struct {
		name, body string
		file       BillFile
		is         error
	}{
		{"OneBitAltered", string(altered), fileAt(text), ErrFileHash},
		{"CutAtALine", text[:strings.LastIndex(text, "总交易单数")], fileAt(text), ErrFileHash},
		{"BytesAfterTheEnd", text + "\n", fileAt(text), ErrFileHash},
		{"Nothing", "", fileAt(text), ErrFileHash},
		{"ErrorWithStatus200", `{"code":"SYSTEM_ERROR"}`, fileAt(text), ErrFileHash},
		{"HashOverTheGZIPFile", string(vector.Gzip), ofGzip, ErrFileHash},
		{"GZIPCut", packed[:len(packed)-9], fileAt(text), io.ErrUnexpectedEOF},
		{"BytesAfterTheGZIP", packed + "x", fileAt(text), io.ErrUnexpectedEOF},
		{"GZIPChecksumAltered", packed[:len(packed)-8] + "xxxx" + packed[len(packed)-4:], fileAt(text), gzip.ErrChecksum},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, func(_ *provider, w http.ResponseWriter, _ receivedRequest, _ int) { _, _ = io.WriteString(w, c.body) })
			bill, err := clientOf(t, p).DownloadBill(t.Context(), c.file)
			if err != nil {
				t.Fatal(err)
			}
			defer bill.Close()
			for range 2 { // the second time as well
				if _, err = io.ReadAll(bill); !errors.Is(err, c.is) || OutcomeOf(err) != OutcomeRetry {
					t.Errorf("got %v, %s", err, OutcomeOf(err))
				}
			}
		})
	}
}

func TestRowsOfABillThatDiffersFromItsHashEndWithTheError(t *testing.T) {
	t.Parallel()
	text := readVectors(t).Bill.CSV
	p := newProvider(t, func(p *provider, w http.ResponseWriter, r receivedRequest, _ int) {
		if strings.HasPrefix(r.URL.Path, "/v3/bill/") {
			file := fileAt(text)
			p.reply(w, 200, fmt.Sprintf(`{"hash_type":"SHA1","hash_value":%q,"download_url":%q}`, file.HashValue, file.DownloadURL))
			return
		}
		_, _ = io.WriteString(w, strings.Replace(text, "VEC20240601000001", "VEC20240601000002", 1))
	})
	bill, err := clientOf(t, p).OpenTradeBill(t.Context(), TradeBillRequest{BillDate: "2024-06-01"})
	if err != nil {
		t.Fatal(err)
	}
	defer bill.Close()
	if rows, err := collect(bill); !errors.Is(err, ErrFileHash) || len(rows) != 2 {
		t.Errorf("got %d rows, %v", len(rows), err)
	}
	if _, ok := bill.Summary(); ok || bill.CheckSummary() == nil {
		t.Error("the summary of an altered bill counts")
	}
}

func TestSmallFileDoesNotGrowWithoutEnd(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("`", 8<<20)
	p := newProvider(t, func(_ *provider, w http.ResponseWriter, _ receivedRequest, _ int) {
		_, _ = io.WriteString(w, gzipped(t, text))
	})
	client := clientOf(t, p, func(c *Config) { c.BillBytesMax = 1 << 20 })
	bill, err := client.DownloadBill(t.Context(), fileAt(text))
	if err != nil {
		t.Fatal(err)
	}
	defer bill.Close()
	got, err := io.ReadAll(bill)
	if !errors.Is(err, ErrBodyTooLarge) || len(got) > 1<<20 || OutcomeOf(err) != OutcomeRefused {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}

func TestDownloadTriesTheOtherAccessPointWithTheSameTarget(t *testing.T) {
	t.Parallel()
	text := readVectors(t).Bill.CSV
	primary := newProvider(t, func(_ *provider, w http.ResponseWriter, _ receivedRequest, _ int) { refuse(w, 500, CodeSystemError) })
	backup := newProvider(t, func(_ *provider, w http.ResponseWriter, _ receivedRequest, _ int) { _, _ = io.WriteString(w, text) })
	bill, err := clientOf(t, primary, func(c *Config) { c.BackupURL = backup.URL }).DownloadBill(t.Context(), fileAt(text))
	if err != nil {
		t.Fatal(err)
	}
	defer bill.Close()
	if got, err := io.ReadAll(bill); err != nil || string(got) != text {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	first, second := primary.received()[0], backup.received()[0]
	if first.RequestURI != second.RequestURI || first.authorization["nonce_str"] == second.authorization["nonce_str"] {
		t.Errorf("asked for %s, then for %s", first.RequestURI, second.RequestURI)
	}
}

func TestRefusedDownloadIsNotRepeated(t *testing.T) {
	t.Parallel()
	for _, code := range []string{CodeInvalidRequest, CodeNoAuth} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, func(_ *provider, w http.ResponseWriter, _ receivedRequest, _ int) { refuse(w, 400, code) })
			_, err := clientOf(t, p).DownloadBill(t.Context(), fileAt("x"))
			if CodeOf(err) != code || OutcomeOf(err) != OutcomeRefused || len(p.received()) != 1 {
				t.Errorf("got %v after %d tries", err, len(p.received()))
			}
		})
	}
}

func TestAnswerWithoutABodyIsNoBill(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, _ int) { p.reply(w, 204, "") })
	if _, err := clientOf(t, p).DownloadBill(t.Context(), fileAt("")); !errors.Is(err, ErrMalformed) {
		t.Errorf("got %v", err)
	}
}

func TestBillThatBreaksOffIsNoBill(t *testing.T) {
	t.Parallel()
	text := readVectors(t).Bill.CSV
	p := newProvider(t, func(_ *provider, w http.ResponseWriter, _ receivedRequest, _ int) {
		w.Header().Set("Content-Length", strconv.Itoa(len(text)))
		_, _ = io.WriteString(w, text[:len(text)/2])
	})
	bill, err := clientOf(t, p).DownloadBill(t.Context(), fileAt(text))
	if err != nil {
		t.Fatal(err)
	}
	defer bill.Close()
	if _, err := io.ReadAll(bill); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
}

// body is an answer's body made of a reader, that knows its request's context.
type body struct {
	io.Reader
	io.Closer
}

func TestDownloadWaitsForTheProviderOnlySoLong(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		answer func(r *http.Request) (*http.Response, error)
		took   time.Duration
	}{
		{"NoAnswer", func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}, 90 * time.Second},
		{"AnswerThatStops", func(r *http.Request) (*http.Response, error) {
			half := io.MultiReader(strings.NewReader("half"), waiting(r.Context()))
			return &http.Response{StatusCode: http.StatusOK, Body: body{half, io.NopCloser(nil)}}, nil
		}, 90 * time.Second},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				config := testConfig(t)
				config.BillTimeout = 90 * time.Second
				config.Transport = roundTrip(c.answer)
				began := time.Now()
				err := readAll(t, newClient(t, config), "half a bill")
				if took := time.Since(began); !errors.Is(err, errDownloadTimeout) || took != c.took {
					t.Errorf("got %v after %s", err, took)
				}
			})
		})
	}
}

// waiting gives nothing until the context ends.
func waiting(ctx context.Context) io.Reader {
	return readFunc(func([]byte) (int, error) {
		<-ctx.Done()
		return 0, ctx.Err()
	})
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

func readAll(t *testing.T, client *Client, text string) error {
	t.Helper()
	bill, err := client.DownloadBill(t.Context(), fileAt(text))
	if err != nil {
		return err
	}
	defer bill.Close()
	_, err = io.ReadAll(bill)
	return err
}

func TestTimeTheCallerTakesDoesNotCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const text = "a bill that is read slowly"
		config := testConfig(t)
		config.BillTimeout = time.Minute
		config.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(iotest.OneByteReader(strings.NewReader(text)))}, nil
		})
		bill, err := newClient(t, config).DownloadBill(t.Context(), fileAt(text))
		if err != nil {
			t.Fatal(err)
		}
		defer bill.Close()
		slow := readFunc(func(p []byte) (int, error) {
			<-time.After(time.Hour)
			return bill.Read(p[:1])
		})
		if got, err := io.ReadAll(slow); err != nil || string(got) != text {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestCancelledContextEndsTheReading(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(_ *provider, w http.ResponseWriter, r receivedRequest, _ int) {
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	bill, err := clientOf(t, p).DownloadBill(ctx, fileAt("half a bill"))
	if err != nil {
		t.Fatal(err)
	}
	defer bill.Close()
	cancel()
	if _, err := io.ReadAll(bill); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// sealBill encrypts a file like the provider, under a key of its own with a nonce of 16 bytes.
func sealBill(t testing.TB, text, key, nonce string, to *rsa.PublicKey) (body, encryptKey string) {
	t.Helper()
	block, err := aes.NewCipher([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCMWithNonceSize(block, len(nonce))
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, to, []byte(key), nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(aead.Seal(nil, []byte(nonce), []byte(text), nil)), base64.StdEncoding.EncodeToString(sealed)
}

func TestSubMerchantFundFlowBill(t *testing.T) {
	t.Parallel()
	merchant := &privateKey(t, "merchant_private_key.pem").PublicKey
	const first = "记账时间,收支类型,收支金额(元)\r\n`2018-02-01 04:20:00,`收入,`0.35\r\n"
	const second = "`2018-02-01 04:21:23,`支出,`0.02\r\n资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额\r\n`2.0,`1.0,`0.35,`1.0,`0.02\r\n"
	firstBody, firstKey := sealBill(t, gzipped(t, first), strings.Repeat("k", 32), "a8607ef79034c49c", merchant)
	secondBody, secondKey := sealBill(t, second, strings.Repeat("l", 32), "nonce1234567", merchant)
	answer := fmt.Sprintf(`{"download_bill_count":2,"download_bill_list":[
{"bill_sequence":2,"download_url":"https://api.mch.weixin.qq.com/v3/bill/downloadurl?token=2","encrypt_key":%q,"hash_type":"SHA1","hash_value":%q,"nonce":"nonce1234567"},
{"bill_sequence":1,"download_url":"https://api.mch.weixin.qq.com/v3/bill/downloadurl?token=1","encrypt_key":%q,"hash_type":"SHA1","hash_value":%q,"nonce":"a8607ef79034c49c"}]}`,
		secondKey, sha1Hex(second), firstKey, sha1Hex(first))
	altered := false
	p := newProvider(t, func(p *provider, w http.ResponseWriter, r receivedRequest, _ int) {
		switch r.URL.Query().Get("token") {
		case "":
			p.reply(w, 200, answer)
		case "1":
			_, _ = io.WriteString(w, firstBody)
		default:
			body := []byte(secondBody)
			if altered {
				body[3] ^= 1
			}
			_, _ = w.Write(body)
		}
	})
	sub := SubMerchant{MchID: testSubMchID}
	request := SubMerchantFundFlowBillRequest{BillDate: "2018-02-01", AccountType: BillAccountBasic, TarType: TarTypeGZIP}

	bill, err := subMerchantOf(t, clientOf(t, p), sub).OpenSubMerchantFundFlowBill(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := collect(bill)
	if err != nil || len(rows) != 2 || bill.CheckSummary() != nil || bill.Close() != nil {
		t.Errorf("got %+v, %v", rows, err)
	}
	if target := p.received()[0].RequestURI; target != "/v3/bill/sub-merchant-fundflowbill?account_type=BASIC&algorithm=AEAD_AES_256_GCM&bill_date=2018-02-01&sub_mchid="+testSubMchID+"&tar_type=GZIP" {
		t.Errorf("asked for %s", target)
	}

	small := subMerchantOf(t, clientOf(t, p, func(c *Config) { c.SealedBillBytesMax = 50 }), sub)
	if _, err := small.OpenSubMerchantFundFlowBill(t.Context(), request); !errors.Is(err, ErrBodyTooLarge) || OutcomeOf(err) != OutcomeRefused {
		t.Errorf("a file over the limit: %v", err)
	}
	blind := subMerchantOf(t, clientOf(t, p, func(c *Config) { c.Signer = struct{ crypto.Signer }{c.Signer} }), sub)
	if _, err := blind.OpenSubMerchantFundFlowBill(t.Context(), request); !errors.Is(err, ErrDecrypt) || OutcomeOf(err) != OutcomeRefused {
		t.Errorf("a signer that cannot decrypt: %v", err)
	}
	altered = true
	if _, err := subMerchantOf(t, clientOf(t, p), sub).OpenSubMerchantFundFlowBill(t.Context(), request); !errors.Is(err, ErrDecrypt) {
		t.Errorf("an altered file: %v", err)
	}
}

func TestSealedBillAnswersThatAreNotWhole(t *testing.T) {
	t.Parallel()
	file := func(sequence int, key, nonce string) string {
		return fmt.Sprintf(`{"bill_sequence":%d,"download_url":"https://x/v3?token=1","encrypt_key":%q,"hash_type":"SHA1","hash_value":%q,"nonce":%q}`, sequence, key, sha1Hex(""), nonce)
	}
	for name, answer := range map[string]string{
		"NoFile":       `{"download_bill_count":0,"download_bill_list":[]}`,
		"FileMissing":  `{"download_bill_count":2,"download_bill_list":[` + file(1, "k", "n") + `]}`,
		"SameTwice":    `{"download_bill_count":2,"download_bill_list":[` + file(1, "k", "n") + `,` + file(1, "k", "n") + `]}`,
		"FirstMissing": `{"download_bill_count":1,"download_bill_list":[` + file(2, "k", "n") + `]}`,
		"NoKey":        `{"download_bill_count":1,"download_bill_list":[` + file(1, "", "n") + `]}`,
		"NoNonce":      `{"download_bill_count":1,"download_bill_list":[` + file(1, "k", "") + `]}`,
		"LongNonce":    `{"download_bill_count":1,"download_bill_list":[` + file(1, "k", strings.Repeat("n", 65)) + `]}`,
		"NotJSON":      `<html>`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if files, err := decodeSealedBillFiles([]byte(answer)); !errors.Is(err, ErrMalformed) {
				t.Errorf("got %+v, %v", files, err)
			}
		})
	}
}

func TestBillDateIsADayInChina(t *testing.T) {
	t.Parallel()
	if got := BillDateOf(time.Date(2024, 5, 31, 16, 0, 0, 0, time.UTC)); got != "2024-06-01" {
		t.Errorf("got %s", got)
	}
	if got := BillDateOf(time.Date(2024, 5, 31, 15, 59, 59, 0, time.UTC)); got != "2024-05-31" {
		t.Errorf("got %s", got)
	}
}
