package conformance_test

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth/signers"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth/verifiers"
	"github.com/wechatpay-apiv3/wechatpay-go/core/option"
	"github.com/wechatpay-apiv3/wechatpay-go/utils"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

// judge is the provider's side played by parts of the official SDK: its verifier judges what our library signs, its signer signs
// what our library must accept. The keys are those of the vectors.
type judge struct {
	t         *testing.T
	server    *httptest.Server
	merchant  *signers.SHA256WithRSASigner
	verifier  auth.Verifier                           // of the merchant's signatures
	provider  map[string]*signers.SHA256WithRSASigner // by the serial they are known by
	decrypter map[string]*rsa.PrivateKey

	mu   sync.Mutex
	seen map[string]int // requests by method and path
}

func newJudge(t *testing.T) *judge {
	t.Helper()
	v := readVectors(t)
	certificate := loadCertificate(t, v.Meta.Files.MerchantCert)
	j := &judge{
		t: t, seen: map[string]int{},
		merchant: &signers.SHA256WithRSASigner{
			MchID: v.Meta.MchID, CertificateSerialNo: v.Meta.MerchantSerialNo, PrivateKey: loadPrivateKey(t, v.Meta.Files.MerchantPrivateKey),
		},
		verifier:  verifiers.NewSHA256WithRSAVerifier(core.NewCertificateMapWithList([]*x509.Certificate{certificate})),
		provider:  map[string]*signers.SHA256WithRSASigner{},
		decrypter: map[string]*rsa.PrivateKey{},
	}
	for serial, file := range map[string]string{v.Meta.PlatformSerialNo: v.Meta.Files.PlatformPrivateKey, v.Meta.PublicKeyID: v.Meta.Files.PublicKeyPrivateKey} {
		j.decrypter[serial] = loadPrivateKey(t, file)
		j.provider[serial] = &signers.SHA256WithRSASigner{CertificateSerialNo: serial, PrivateKey: j.decrypter[serial]}
	}
	j.server = httptest.NewServer(j)
	t.Cleanup(j.server.Close)
	return j
}

var authorizationParts = regexp.MustCompile(`^WECHATPAY2-SHA256-RSA2048 mchid="([^"]+)",nonce_str="([^"]+)",signature="([^"]+)",timestamp="([^"]+)",serial_no="([^"]+)"$`)

// ServeHTTP judges the request's signature and answers with one of the SDK's.
func (j *judge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	parts := authorizationParts.FindStringSubmatch(r.Header.Get("Authorization"))
	if err != nil || parts == nil {
		j.t.Errorf("%s: Authorization %q, body %v", r.URL, r.Header.Get("Authorization"), err)
		return
	}
	message := fmt.Sprintf("%s\n%s\n%s\n%s\n%s\n", r.Method, r.RequestURI, parts[4], parts[2], body)
	if err := j.verifier.Verify(r.Context(), parts[5], message, parts[3]); err != nil {
		j.t.Errorf("%s: the SDK's verifier refuses our signature: %v", r.URL, err)
	}
	// PKCS#1 v1.5 leaves no choice: the SDK's signature of the same text is the same.
	if theirs, err := j.merchant.Sign(r.Context(), message); err != nil || theirs.Signature != parts[3] || theirs.MchID != parts[1] {
		j.t.Errorf("%s: we sign %s, the SDK %+v, %v", r.URL, parts[3], theirs, err)
	}
	j.openFields(r, body)
	j.mu.Lock()
	j.seen[r.Method+" "+r.URL.Path]++
	j.mu.Unlock()
	status, answer := answerOf(r.URL.Path)
	j.sign(r.Context(), w.Header(), r.Header.Get("Wechatpay-Serial"), answer)
	w.WriteHeader(status)
	_, _ = w.Write([]byte(answer)) // a client who has gone fails its own test
}

// openFields has the SDK decrypt the sensitive fields of an abnormal refund, of sharings and of a transfer.
func (j *judge) openFields(r *http.Request, body []byte) {
	j.openNames(r, body)
	j.openUserName(r, body)
	if !strings.HasSuffix(r.URL.Path, "/apply-abnormal-refund") {
		return
	}
	var fields struct {
		BankAccount string `json:"bank_account"`
		RealName    string `json:"real_name"`
	}
	key := j.decrypter[r.Header.Get("Wechatpay-Serial")]
	if err := json.Unmarshal(body, &fields); err != nil || key == nil {
		j.t.Errorf("abnormal refund: %v, for the key %q", err, r.Header.Get("Wechatpay-Serial"))
		return
	}
	account, err := utils.DecryptOAEP(fields.BankAccount, key)
	want(j.t, "bank_account", fmt.Sprint(account, err), "6222020000000000000<nil>")
	name, err := utils.DecryptOAEP(fields.RealName, key)
	want(j.t, "real_name", fmt.Sprint(name, err), "张三<nil>")
}

func (j *judge) openUserName(r *http.Request, body []byte) {
	if !strings.HasSuffix(r.URL.Path, "/transfer-bills") {
		return
	}
	var fields struct {
		UserName string `json:"user_name"`
	}
	key := j.decrypter[r.Header.Get("Wechatpay-Serial")]
	if err := json.Unmarshal(body, &fields); err != nil || key == nil {
		j.t.Errorf("transfer: %v, for the key %q", err, r.Header.Get("Wechatpay-Serial"))
		return
	}
	name, err := utils.DecryptOAEP(fields.UserName, key)
	want(j.t, "user_name", fmt.Sprint(name, err), "张三<nil>")
}

// sign signs an answer or a notification with the SDK's signer and the provider's key of the serial.
func (j *judge) sign(ctx context.Context, header http.Header, serial, body string) {
	nonce, err := utils.GenerateNonce()
	if err != nil {
		j.t.Error(err)
		return
	}
	timestamp := fmt.Sprint(time.Now().Unix())
	signer := j.provider[serial]
	if signer == nil {
		j.t.Errorf("the request names no key of the provider but %q", serial)
		return
	}
	signed, err := signer.Sign(ctx, timestamp+"\n"+nonce+"\n"+body+"\n")
	if err != nil {
		j.t.Error(err)
		return
	}
	header.Set("Wechatpay-Timestamp", timestamp)
	header.Set("Wechatpay-Nonce", nonce)
	header.Set("Wechatpay-Serial", serial)
	header.Set("Wechatpay-Signature", signed.Signature)
}

const (
	judgedOrder = `{"appid":"wx8888888888888888","mchid":"1900009191","out_trade_no":"ORDER_|*-0001","transaction_id":"4200002222202406011234567890",` +
		`"trade_type":"NATIVE","trade_state":"SUCCESS","trade_state_desc":"支付成功","success_time":"2024-06-01T08:00:30+08:00",` +
		`"payer":{"openid":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},"amount":{"total":100,"payer_total":100,"currency":"CNY","payer_currency":"CNY"}}`
	judgedCombineOrder = `{"combine_appid":"wx8888888888888888","combine_mchid":"1900009191","combine_out_trade_no":"CART_|*-0001","sub_orders":[` +
		`{"mchid":"1900009191","out_trade_no":"CART_|*-0001A","trade_state":"NOTPAY","amount":{"total_amount":60,"currency":"CNY"}},` +
		`{"mchid":"1900009192","out_trade_no":"CART_|*-0001B","trade_state":"NOTPAY","amount":{"total_amount":40,"currency":"CNY"}}]}`
	judgedRefund = `{"refund_id":"50300002222024060112345678901","out_refund_no":"REFUND_|*@-1","transaction_id":"4200002222202406011234567890",` +
		`"out_trade_no":"ORDER_|*-0001","channel":"ORIGINAL","user_received_account":"支付用户零钱","create_time":"2024-06-01T08:00:30+08:00",` +
		`"status":"PROCESSING","amount":{"total":100,"refund":40,"payer_total":100,"payer_refund":40,"settlement_refund":40,"settlement_total":100,` +
		`"discount_refund":0,"currency":"CNY"}}`
	judgedTransfer = `{"mch_id":"1900009191","out_bill_no":"BILL0001","transfer_bill_no":"1330000071100999991182020050700019480001",` +
		`"state":"WAIT_USER_CONFIRM","package_info":"affffddafdfafddffda==","create_time":"2024-06-01T08:00:30+08:00"}`
)

func answerOf(path string) (status int, body string) {
	switch {
	case strings.HasSuffix(path, "/close"):
		return http.StatusNoContent, ""
	case strings.HasSuffix(path, "/native"):
		return http.StatusOK, `{"code_url":"weixin://wxpay/bizpayurl?pr=NwY5Mz9"}`
	case strings.HasSuffix(path, "/h5"):
		return http.StatusOK, `{"h5_url":"https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=wx20"}`
	case strings.HasSuffix(path, "/jsapi"), strings.HasSuffix(path, "/app"):
		return http.StatusOK, `{"prepay_id":"wx201410272009395522657a690389285100"}`
	case strings.HasPrefix(path, "/v3/combine-transactions/"):
		return http.StatusOK, judgedCombineOrder
	case strings.HasPrefix(path, "/v3/bill"), path == "/v3/profitsharing/bills":
		return http.StatusOK, judgedBill(path)
	case strings.HasPrefix(path, "/v3/profitsharing/"):
		return http.StatusOK, judgedSharing
	case strings.HasPrefix(path, "/v3/refund/"):
		return http.StatusOK, judgedRefund
	case strings.HasPrefix(path, "/v3/fund-app/mch-transfer/"):
		return http.StatusOK, judgedTransfer
	}
	return http.StatusOK, judgedOrder
}

// client is our library for the vectors' merchant, calling the judge and knowing the provider's key of one kind.
func (j *judge) client(public bool) *wechatpay.Client {
	j.t.Helper()
	v := readVectors(j.t)
	config := v.config(j.t)
	config.BaseURL = j.server.URL
	if public {
		config.PlatformCertificates = nil
	} else {
		config.PublicKeys = nil
	}
	return newClient(j.t, config)
}

func newClient(t *testing.T, config wechatpay.Config) *wechatpay.Client {
	t.Helper()
	client, err := wechatpay.New(config)
	must(t, "make our client", err)
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// TestLibraryIsUnderstoodByTheSDK makes every call of our library. The judge on the other side is the SDK.
func TestLibraryIsUnderstoodByTheSDK(t *testing.T) {
	t.Parallel()
	for name, public := range map[string]bool{"PlatformCertificate": false, "PublicKey": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := newJudge(t)
			client := j.client(public)
			order := wechatpay.NativeRequest{
				AppID: "wx8888888888888888", Description: description, OutTradeNo: "ORDER_|*-0001", NotifyURL: "https://pay.example.com/notify",
				Amount: wechatpay.Amount{Total: 100}, TimeExpire: time.Now().Add(time.Hour), Attach: "桌 7",
			}
			calls := map[string]func() error{
				"native": func() error { _, err := client.PrepayNative(t.Context(), order); return err },
				"app":    func() error { _, err := client.PrepayApp(t.Context(), wechatpay.AppRequest(order)); return err },
				"jsapi": func() error {
					_, err := client.PrepayJSAPI(t.Context(), wechatpay.JSAPIRequest{
						AppID: order.AppID, Description: description, OutTradeNo: order.OutTradeNo, NotifyURL: order.NotifyURL,
						Amount: order.Amount, Payer: wechatpay.Payer{OpenID: "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
					})
					return err
				},
				"h5": func() error {
					_, err := client.PrepayH5(t.Context(), wechatpay.H5Request{
						AppID: order.AppID, Description: description, OutTradeNo: order.OutTradeNo, NotifyURL: order.NotifyURL,
						Amount: order.Amount, SceneInfo: wechatpay.H5SceneInfo{PayerClientIP: "203.0.113.8", H5Info: wechatpay.H5Info{Type: "Wap"}},
					})
					return err
				},
				"query": func() error { _, err := client.QueryOrderByOutTradeNo(t.Context(), "ORDER_|*-0001"); return err },
				"query by transaction_id": func() error {
					_, err := client.QueryOrderByTransactionID(t.Context(), "4200002222202406011234567890")
					return err
				},
				"close": func() error { return client.CloseOrder(t.Context(), "ORDER_|*-0001") },
				"refund": func() error {
					_, err := client.CreateRefund(t.Context(), wechatpay.RefundRequest{
						OutTradeNo: order.OutTradeNo, OutRefundNo: "REFUND_|*@-1", Reason: "凉了", Amount: wechatpay.RefundAmount{Refund: 40, Total: 100},
					})
					return err
				},
				"abnormal refund": func() error {
					_, err := client.ApplyAbnormalRefund(t.Context(), wechatpay.AbnormalRefundRequest{
						RefundID: "50300002222024060112345678901", OutRefundNo: "REFUND_|*@-1", Type: wechatpay.AbnormalRefundUserBankCard,
						BankType: "ICBC_DEBIT", BankAccount: "6222020000000000000", RealName: "张三",
					})
					return err
				},
				"query refund": func() error { _, err := client.QueryRefund(t.Context(), "REFUND_|*@-1"); return err },
				"transfer": func() error {
					_, err := client.CreateTransfer(t.Context(), wechatpay.TransferRequest{
						AppID: order.AppID, OutBillNo: "BILL0001", TransferSceneID: "1000", OpenID: "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
						UserName: "张三", TransferAmount: 200_000, TransferRemark: "奖励",
						TransferSceneReportInfos: []wechatpay.TransferSceneReportInfo{{InfoType: "活动名称", InfoContent: "有礼"}},
					})
					return err
				},
				"query transfer": func() error { _, err := client.QueryTransferByOutBillNo(t.Context(), "BILL0001"); return err },
				"query transfer by transfer_bill_no": func() error {
					_, err := client.QueryTransferByTransferBillNo(t.Context(), "1330000071100999991182020050700019480001")
					return err
				},
				"cancel transfer": func() error { _, err := client.CancelTransfer(t.Context(), "BILL0001"); return err },
			}
			for what, call := range calls {
				must(t, what, call())
			}
			if len(j.seen) != len(calls) {
				t.Errorf("%d calls arrived at %v", len(calls), j.seen)
			}
		})
	}
}

// TestInvocationSignaturesAreEqual signs the same front-end parameters with both.
func TestInvocationSignaturesAreEqual(t *testing.T) {
	t.Parallel()
	j := newJudge(t)
	client := j.client(true)
	const appID, prepayID = "wx8888888888888888", "wx201410272009395522657a690389285100"
	theirs, err := core.NewClient(t.Context(), option.WithSigner(j.merchant), option.WithoutValidator())
	must(t, "make the SDK's client", err)

	jsapi, err := client.SignJSAPI(appID, prepayID)
	must(t, "sign for JSAPI", err)
	want(t, "package", jsapi.Package, "prepay_id="+prepayID)
	signed, err := theirs.Sign(t.Context(), strings.Join([]string{jsapi.AppID, jsapi.TimeStamp, jsapi.NonceStr, jsapi.Package, ""}, "\n"))
	must(t, "sign with the SDK", err)
	want(t, "paySign", jsapi.PaySign, signed.Signature)

	app, err := client.SignApp(appID, prepayID)
	must(t, "sign for an app", err)
	want(t, "prepayId", app.PrepayID, prepayID)
	signed, err = theirs.Sign(t.Context(), strings.Join([]string{app.AppID, app.TimeStamp, app.NonceStr, app.PrepayID, ""}, "\n"))
	must(t, "sign with the SDK", err)
	want(t, "sign", app.Sign, signed.Signature)
}

func loadPrivateKey(t *testing.T, name string) *rsa.PrivateKey {
	t.Helper()
	key, err := utils.LoadPrivateKeyWithPath(filepath.Join(vectorsDir, name))
	must(t, "load "+name, err)
	return key
}

func loadCertificate(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	certificate, err := utils.LoadCertificateWithPath(filepath.Join(vectorsDir, name))
	must(t, "load "+name, err)
	return certificate
}

func readVectors(t *testing.T) vectors {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(vectorsDir, "wechatpay.json"))
	must(t, "read the vectors", err)
	var v vectors
	must(t, "decode the vectors", json.Unmarshal(text, &v))
	return v
}
