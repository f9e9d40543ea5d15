package wechatpay

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var (
	methodOfClient         = regexp.MustCompile("`Client\\.(\\w+)`")
	accessorOfNotification = regexp.MustCompile("`Notification\\.(\\w+)`")
	quoted                 = regexp.MustCompile("`([^`]+)`")
)

// coveragePage is docs/wechatpay-coverage.md and the cells of its tables' rows.
func coveragePage(t *testing.T) (text string, rows [][]string) {
	t.Helper()
	page, err := os.ReadFile("../docs/wechatpay-coverage.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(page)) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "| \n"), " | ")
		if len(cells) != 5 {
			t.Fatalf("not five cells: %s", line)
		}
		rows = append(rows, cells)
	}
	return string(page), rows
}

// sampled puts the numbers that coverageCalls gives into a row's path.
func sampled(endpoint string) string {
	return strings.NewReplacer(
		"`", "", "{out_trade_no}", "ORDER0001", "{transaction_id}", "42000001", "{out_refund_no}", "REFUND0001", "{refund_id}", "50300001",
		"{combine_out_trade_no}", "COMBINE0001", "{out_order_no}", "SHARE0001", "{out_return_no}", "RETURN0001", "{sub_mchid}", testSubMchID,
		"{out_bill_no}", "BILL0001", "{transfer_bill_no}", "13300001", "{out_authorization_no}", "AUTH0001",
	).Replace(endpoint)
}

// requestsOf is what the page says that each method sends, by its name.
func requestsOf(rows [][]string, partner bool) map[string][]string {
	requests := map[string][]string{}
	for _, row := range rows {
		request := sampled(row[0])
		switch of := row[1]; {
		case partner && strings.HasPrefix(of, "`"):
			method, _, _ := strings.Cut(request, " ")
			request = method + " " + sampled(of)
		case partner && of != "same" && of != "only", !partner && of == "only":
			continue
		}
		for _, method := range methodOfClient.FindAllStringSubmatch(row[2], -1) {
			requests[method[1]] = append(requests[method[1]], request)
		}
	}
	return requests
}

// recorder answers no more than it takes for a method to go on to its next request.
type recorder struct {
	t        *testing.T
	provider signingKey

	mu       sync.Mutex
	requests map[string]bool
}

func (r *recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	r.mu.Lock()
	r.requests[request.Method+" "+request.URL.Path] = true
	r.mu.Unlock()
	status, body := http.StatusBadRequest, `{"code":"PARAM_ERROR"}`
	switch path := request.URL.Path; {
	case strings.HasSuffix(path, "/codepay"):
		status, body = http.StatusAccepted, `{"code":"USERPAYING"}`
	case strings.HasSuffix(path, "/sub-merchant-fundflowbill"):
		_, key := sealBill(r.t, "", strings.Repeat("k", 32), "nonce", &privateKey(r.t, "merchant_private_key.pem").PublicKey)
		status, body = http.StatusOK, fmt.Sprintf(`{"download_bill_count":1,"download_bill_list":[{"bill_sequence":1,"hash_type":"SHA1","hash_value":%q,`+
			`"download_url":"https://one.test/v3/billdownload/file?token=1","encrypt_key":%q,"nonce":"nonce"}]}`, sha1Hex(""), key)
	case strings.HasPrefix(path, "/v3/bill/"), path == "/v3/profitsharing/bills":
		status, body = http.StatusOK, fmt.Sprintf(`{"hash_type":"SHA1","hash_value":%q,"download_url":"https://one.test/v3/billdownload/file?token=1"}`, sha1Hex(""))
	}
	header := http.Header{}
	for name, value := range signatureHeaders(r.t, r.provider, time.Now(), []byte(body)) {
		header.Set(name, value)
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(bytes.NewReader([]byte(body)))}, nil
}

// sentBy runs a call and returns the requests it made, each once.
func (r *recorder) sentBy(call func()) []string {
	r.requests = map[string]bool{}
	call()
	return slices.Sorted(maps.Keys(r.requests))
}

func newRecorder(t *testing.T) (*recorder, *Client) {
	t.Helper()
	r := &recorder{t: t, provider: signingKey{testPublicKeyID, privateKey(t, "wechatpay_pubkey_mode_private_key.pem")}}
	config := testConfig(t)
	config.Transport, config.CodepayV3 = r, true
	config.Certificate, config.PlatformCertificates = nil, nil // not valid in the year 2000 of a bubble
	return r, newClient(t, config)
}

// coverageCalls calls each method that takes a context with as little as it takes. What comes back does not matter.
func coverageCalls() map[string]func(context.Context, *Client) {
	order := NativeRequest{AppID: testAppID, Description: "d", OutTradeNo: "ORDER0001", NotifyURL: "https://pay.example.com/n", Amount: Amount{Total: 1}}
	combine := combineRequest()
	combine.CombineOutTradeNo = "COMBINE0001"
	code := codePayRequest()
	code.OutTradeNo = order.OutTradeNo
	transfer := transferRequest()
	transfer.OutBillNo = "BILL0001"
	file := func() File { return File{Name: "a.png", Content: strings.NewReader("a")} }
	const day = "2024-05-31"
	return map[string]func(context.Context, *Client){
		"PrepayNative": func(ctx context.Context, c *Client) { _, _ = c.PrepayNative(ctx, order) },
		"PrepayApp":    func(ctx context.Context, c *Client) { _, _ = c.PrepayApp(ctx, AppRequest(order)) },
		"PrepayJSAPI": func(ctx context.Context, c *Client) {
			_, _ = c.PrepayJSAPI(ctx, JSAPIRequest{
				AppID: order.AppID, Description: order.Description, OutTradeNo: order.OutTradeNo, NotifyURL: order.NotifyURL, Amount: order.Amount,
				Payer: Payer{OpenID: testOpenID},
			})
		},
		"PrepayH5": func(ctx context.Context, c *Client) {
			_, _ = c.PrepayH5(ctx, H5Request{
				AppID: order.AppID, Description: order.Description, OutTradeNo: order.OutTradeNo, NotifyURL: order.NotifyURL, Amount: order.Amount,
				SceneInfo: H5SceneInfo{PayerClientIP: "192.0.2.1", H5Info: H5Info{Type: "Wap"}},
			})
		},
		"QueryOrderByOutTradeNo":    func(ctx context.Context, c *Client) { _, _ = c.QueryOrderByOutTradeNo(ctx, "ORDER0001") },
		"QueryOrderByTransactionID": func(ctx context.Context, c *Client) { _, _ = c.QueryOrderByTransactionID(ctx, "42000001") },
		"CloseOrder":                func(ctx context.Context, c *Client) { _ = c.CloseOrder(ctx, "ORDER0001") },
		"CodePay":                   func(ctx context.Context, c *Client) { _, _ = c.CodePay(ctx, code) },
		"PayByCode":                 func(ctx context.Context, c *Client) { _, _ = c.PayByCode(ctx, code) },
		"ReverseOrder": func(ctx context.Context, c *Client) {
			_ = c.ReverseOrder(ctx, ReverseRequest{AppID: testAppID, OutTradeNo: "ORDER0001"})
		},
		"CreateRefund": func(ctx context.Context, c *Client) { _, _ = c.CreateRefund(ctx, refundRequest()) },
		"QueryRefund":  func(ctx context.Context, c *Client) { _, _ = c.QueryRefund(ctx, "REFUND0001") },
		"ApplyAbnormalRefund": func(ctx context.Context, c *Client) {
			_, _ = c.ApplyAbnormalRefund(ctx, AbnormalRefundRequest{RefundID: "50300001", OutRefundNo: "REFUND0001", Type: AbnormalRefundMerchantBankCard})
		},
		"PrepayCombineNative": func(ctx context.Context, c *Client) { _, _ = c.PrepayCombineNative(ctx, combine) },
		"PrepayCombineApp":    func(ctx context.Context, c *Client) { _, _ = c.PrepayCombineApp(ctx, CombineAppRequest(combine)) },
		"PrepayCombineJSAPI": func(ctx context.Context, c *Client) {
			_, _ = c.PrepayCombineJSAPI(ctx, CombineJSAPIRequest{
				CombineAppID: combine.CombineAppID, CombineOutTradeNo: combine.CombineOutTradeNo, NotifyURL: combine.NotifyURL, SubOrders: combine.SubOrders,
				CombinePayerInfo: CombinePayerInfo{OpenID: testOpenID},
			})
		},
		"PrepayCombineH5": func(ctx context.Context, c *Client) {
			_, _ = c.PrepayCombineH5(ctx, CombineH5Request{
				CombineAppID: combine.CombineAppID, CombineOutTradeNo: combine.CombineOutTradeNo, NotifyURL: combine.NotifyURL, SubOrders: combine.SubOrders,
				SceneInfo: CombineH5SceneInfo{PayerClientIP: "192.0.2.1", H5Info: H5Info{Type: "Wap"}},
			})
		},
		"QueryCombineOrder": func(ctx context.Context, c *Client) { _, _ = c.QueryCombineOrder(ctx, "COMBINE0001") },
		"CloseCombineOrder": func(ctx context.Context, c *Client) {
			request := combineCloseRequest()
			request.CombineOutTradeNo = "COMBINE0001"
			_ = c.CloseCombineOrder(ctx, request)
		},
		"ApplyTradeBill": func(ctx context.Context, c *Client) { _, _ = c.ApplyTradeBill(ctx, TradeBillRequest{BillDate: day}) },
		"OpenTradeBill":  func(ctx context.Context, c *Client) { _, _ = c.OpenTradeBill(ctx, TradeBillRequest{BillDate: day}) },
		"ApplyFundFlowBill": func(ctx context.Context, c *Client) {
			_, _ = c.ApplyFundFlowBill(ctx, FundFlowBillRequest{BillDate: day})
		},
		"OpenFundFlowBill": func(ctx context.Context, c *Client) {
			_, _ = c.OpenFundFlowBill(ctx, FundFlowBillRequest{BillDate: day})
		},
		"ApplySubMerchantFundFlowBill": func(ctx context.Context, c *Client) {
			_, _ = c.ApplySubMerchantFundFlowBill(ctx, SubMerchantFundFlowBillRequest{BillDate: day, AccountType: BillAccountBasic})
		},
		"OpenSubMerchantFundFlowBill": func(ctx context.Context, c *Client) {
			_, _ = c.OpenSubMerchantFundFlowBill(ctx, SubMerchantFundFlowBillRequest{BillDate: day, AccountType: BillAccountBasic})
		},
		"ApplyProfitSharingBill": func(ctx context.Context, c *Client) {
			_, _ = c.ApplyProfitSharingBill(ctx, ProfitSharingBillRequest{BillDate: day})
		},
		"OpenProfitSharingBill": func(ctx context.Context, c *Client) {
			_, _ = c.OpenProfitSharingBill(ctx, ProfitSharingBillRequest{BillDate: day})
		},
		"DownloadFile": func(ctx context.Context, c *Client) {
			_, _ = c.DownloadFile(ctx, FileLink{DownloadURL: fileAt("").DownloadURL})
		},
		"DownloadBill":                func(ctx context.Context, c *Client) { _, _ = c.DownloadBill(ctx, fileAt("")) },
		"AddProfitSharingReceiver":    func(ctx context.Context, c *Client) { _ = c.AddProfitSharingReceiver(ctx, personalReceiver()) },
		"DeleteProfitSharingReceiver": func(ctx context.Context, c *Client) { _ = c.DeleteProfitSharingReceiver(ctx, personalReceiver()) },
		"CreateProfitSharing":         func(ctx context.Context, c *Client) { _, _ = c.CreateProfitSharing(ctx, sharingRequest()) },
		"QueryProfitSharing":          func(ctx context.Context, c *Client) { _, _ = c.QueryProfitSharing(ctx, "42000001", "SHARE0001") },
		"UnfreezeProfitSharing": func(ctx context.Context, c *Client) {
			_, _ = c.UnfreezeProfitSharing(ctx, ProfitSharingUnfreezeRequest{TransactionID: "42000001", OutOrderNo: "SHARE0001", Description: "d"})
		},
		"CreateProfitSharingReturn": func(ctx context.Context, c *Client) { _, _ = c.CreateProfitSharingReturn(ctx, sharingReturnRequest()) },
		"QueryProfitSharingReturn": func(ctx context.Context, c *Client) {
			_, _ = c.QueryProfitSharingReturn(ctx, "SHARE0001", "RETURN0001")
		},
		"QueryUnsplitAmount": func(ctx context.Context, c *Client) { _, _ = c.QueryUnsplitAmount(ctx, "42000001") },
		"QueryProfitSharingMaxRatio": func(ctx context.Context, c *Client) {
			_, _ = c.QueryProfitSharingMaxRatio(ctx)
		},
		"CreateTransfer":                func(ctx context.Context, c *Client) { _, _ = c.CreateTransfer(ctx, transfer) },
		"QueryTransferByOutBillNo":      func(ctx context.Context, c *Client) { _, _ = c.QueryTransferByOutBillNo(ctx, "BILL0001") },
		"QueryTransferByTransferBillNo": func(ctx context.Context, c *Client) { _, _ = c.QueryTransferByTransferBillNo(ctx, "13300001") },
		"CancelTransfer":                func(ctx context.Context, c *Client) { _, _ = c.CancelTransfer(ctx, "BILL0001") },
		"UploadImage":                   func(ctx context.Context, c *Client) { _, _ = c.UploadImage(ctx, file()) },
		"UploadVideo":                   func(ctx context.Context, c *Client) { _, _ = c.UploadVideo(ctx, file()) },
		"UploadFavorImage":              func(ctx context.Context, c *Client) { _, _ = c.UploadFavorImage(ctx, file()) },
		"UploadMerchantServiceImage":    func(ctx context.Context, c *Client) { _, _ = c.UploadMerchantServiceImage(ctx, file()) },
		"RefreshCertificates":           func(ctx context.Context, c *Client) { _ = c.RefreshCertificates(ctx) },
		"Echo":                          func(ctx context.Context, c *Client) { _, _ = c.Echo(ctx, EchoRequest{EchoMessage: "m"}) },
		"EncryptSensitive":              func(ctx context.Context, c *Client) { _, _, _ = c.EncryptSensitive(ctx, "张三") },
	}
}

func TestCoverageNamesWhatEachMethodSends(t *testing.T) {
	t.Parallel()
	_, rows := coveragePage(t)
	calls := coverageCalls()
	for method := range reflect.TypeFor[*Client]().Methods() {
		if method.Type.NumIn() < 2 || method.Type.In(1) != reflect.TypeFor[context.Context]() || method.Name == "Do" {
			continue
		}
		if calls[method.Name] == nil {
			t.Errorf("Client.%s is not called here: add it, and its rows to docs/wechatpay-coverage.md", method.Name)
		}
	}
	for name, partner := range map[string]bool{"Merchant": false, "SubMerchant": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // PayByCode waits for a payer
				recorder, client := newRecorder(t)
				if partner {
					client = subMerchantOf(t, client, SubMerchant{MchID: testSubMchID})
				}
				want := requestsOf(rows, partner)
				for method, call := range calls {
					got := recorder.sentBy(func() { call(t.Context(), client) })
					slices.Sort(want[method])
					if !slices.Equal(got, want[method]) {
						t.Errorf("Client.%s sends %q, the page says %q", method, got, want[method])
					}
				}
			})
		})
	}
}

func TestCoverageSendsByDoWhatHasNoMethod(t *testing.T) {
	t.Parallel()
	_, rows := coveragePage(t)
	recorder, client := newRecorder(t)
	requests := slices.Concat(requestsOf(rows, false)["Do"], requestsOf(rows, true)["Do"])
	if len(requests) < 10 {
		t.Fatalf("only %d endpoints are reached by Client.Do", len(requests))
	}
	for _, request := range requests {
		method, path, _ := strings.Cut(request, " ")
		got := recorder.sentBy(func() { _ = client.Do(t.Context(), Request{Method: method, Path: path}, nil) })
		if !slices.Equal(got, []string{request}) {
			t.Errorf("Client.Do sends %q for %s", got, request)
		}
	}
}

func TestCoverageNamesTheMethodsThereAre(t *testing.T) {
	t.Parallel()
	text, _ := coveragePage(t)
	named := map[string]bool{}
	for _, method := range methodOfClient.FindAllStringSubmatch(text, -1) {
		named[method[1]] = true
	}
	for method := range reflect.TypeFor[*Client]().Methods() {
		if !named[method.Name] {
			t.Errorf("docs/wechatpay-coverage.md does not name Client.%s", method.Name)
		}
		delete(named, method.Name)
	}
	for name := range named {
		t.Errorf("there is no Client.%s", name)
	}
}

// notified are contents of notifications, by the accessor that has them.
func notified() map[string]string {
	return map[string]string{
		"Order":         orderAnswer("ORDER0001"),
		"CombineOrder":  combineAnswer("COMBINE0001"),
		"Refund":        `{"out_refund_no":"REFUND0001","refund_status":"SUCCESS"}`,
		"ProfitSharing": `{"order_id":"1","out_order_no":"SHARE0001","transaction_id":"42000001","receiver":{"type":"MERCHANT_ID","account":"1900009192","amount":1}}`,
		"Transfer":      transferQueried,
		"Echo":          `{"echo_message":"m"}`,
		"Plaintext":     `{"what_nobody_knows":"1"}`,
	}
}

func TestCoverageNamesTheAccessorOfEachNotification(t *testing.T) {
	t.Parallel()
	_, rows := coveragePage(t)
	_, client := newRecorder(t)
	covered := map[string]bool{}
	for _, row := range rows {
		accessor := accessorOfNotification.FindStringSubmatch(row[2])
		if accessor == nil {
			continue
		}
		covered[accessor[1]] = true
		for _, event := range quoted.FindAllStringSubmatch(row[0], -1) {
			r := notificationRequest(t, publicKeyMode(t), time.Now(), event[1], strings.Trim(row[1], "`"), notified()[accessor[1]])
			n, err := client.ParseNotification(r)
			if err != nil {
				t.Fatal(err)
			}
			if got := accessorsOf(n); len(got) > 1 || len(got) == 1 && got[0] != accessor[1] || len(got) == 0 && accessor[1] != "Plaintext" {
				t.Errorf("%s has its content in %q, the page says %s", event[1], got, accessor[1])
			}
		}
	}
	for method := range reflect.TypeFor[*Notification]().Methods() {
		if isAccessor(method.Type) && !covered[method.Name] {
			t.Errorf("docs/wechatpay-coverage.md does not name Notification.%s", method.Name)
		}
	}
}

// accessorsOf are the accessors that have a content.
func accessorsOf(n *Notification) []string {
	var names []string
	for method, value := range reflect.ValueOf(n).Methods() {
		if isAccessor(method.Type) && value.Call(nil)[1].Bool() {
			names = append(names, method.Name)
		}
	}
	return names
}

// isAccessor knows methods like Order by their results.
func isAccessor(method reflect.Type) bool {
	return method.NumOut() == 2 && method.Out(1).Kind() == reflect.Bool
}
