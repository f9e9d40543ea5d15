package wechatpay_test

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

// The examples talk to this little provider. The real one needs no BaseURL.

const (
	exampleAPIv3Key    = "VectorApiV3Key_0123456789abcdefG"
	examplePublicKeyID = "PUB_KEY_ID_0119000091912024060100000000000001"
)

func exampleFile(name string) []byte {
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		panic(err)
	}
	return text
}

// exampleClient is a client of a provider that lives as long as the example.
func exampleClient() (client *wechatpay.Client, stop func()) {
	provider := httptest.NewServer(http.HandlerFunc(exampleAnswer))
	key, err := wechatpay.ParsePrivateKey(exampleFile("merchant_private_key.pem"))
	if err != nil {
		panic(err)
	}
	public, err := wechatpay.ParsePublicKey(exampleFile("wechatpay_public_key.pem"))
	if err != nil {
		panic(err)
	}
	client, err = wechatpay.New(wechatpay.Config{
		MchID: "1900009191", SerialNo: "4D3E5F60718293A4B5C6D7E8F9010203A0B1C2D3", Signer: key, APIv3Key: exampleAPIv3Key,
		PublicKeys: map[string]*rsa.PublicKey{examplePublicKeyID: public}, BaseURL: provider.URL, CodepayV3: true,
	})
	if err != nil {
		panic(err)
	}
	return client, func() {
		client.CloseIdleConnections()
		provider.Close()
	}
}

const (
	exampleOrder = `{"appid":"wx8888888888888888","mchid":"1900009191","out_trade_no":"ORDER-20240601-1","transaction_id":"4200002222202406011234567890",
"trade_type":"NATIVE","trade_state":"SUCCESS","trade_state_desc":"支付成功","success_time":"2024-06-01T08:00:30+08:00","payer":{"openid":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
"amount":{"total":100,"payer_total":100,"currency":"CNY","payer_currency":"CNY"}}`
	exampleCombineOrder = `{"combine_appid":"wx8888888888888888","combine_mchid":"1900009191","combine_out_trade_no":"CART-20240601-1","combine_payer_info":{"openid":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
"sub_orders":[{"mchid":"1900009191","out_trade_no":"TEA-20240601-1","transaction_id":"4200002222202406011234567891","trade_type":"NATIVE","trade_state":"SUCCESS","success_time":"2024-06-01T08:00:30+08:00","amount":{"total_amount":60,"payer_amount":60,"currency":"CNY","payer_currency":"CNY"}},
{"mchid":"1900009192","out_trade_no":"CUP-20240601-1","transaction_id":"4200002222202406011234567892","trade_type":"NATIVE","trade_state":"SUCCESS","success_time":"2024-06-01T08:00:30+08:00","amount":{"total_amount":40,"payer_amount":40,"currency":"CNY","payer_currency":"CNY"}}]}`
	exampleRefund          = `{"refund_id":"50300002222024060112345678901","out_refund_no":"REFUND-1","status":"PROCESSING","amount":{"total":100,"refund":40,"currency":"CNY"}}`
	exampleTransferCreated = `{"out_bill_no":"BILL202406011","transfer_bill_no":"1330000071100999991182020050700019480001",
"create_time":"2024-06-01T08:00:00+08:00","state":"WAIT_USER_CONFIRM","package_info":"affffddafdfafddffda=="}`
	exampleTransferCanceled = `{"out_bill_no":"BILL202406011","transfer_bill_no":"1330000071100999991182020050700019480001","state":"CANCELING"}`
	exampleTransfer         = `{"mch_id":"1900009191","out_bill_no":"BILL202406011","transfer_bill_no":"1330000071100999991182020050700019480001",
"state":"FAIL","fail_reason":"OVERDUE_CLOSE","transfer_amount":500}`
	examplePartnerOrder = `{"sp_appid":"wx8888888888888888","sp_mchid":"1900009191","sub_mchid":"1900000109","out_trade_no":"ORDER-20240601-1","trade_state":"NOTPAY"}`
)

func exampleAnswer(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	status, body := http.StatusOK, ""
	switch {
	case strings.HasPrefix(path, "/v3/profitsharing/"):
		body = exampleSharing(r.Method, path)
	case path == "/v3/security/echo":
		echoed, err := io.ReadAll(r.Body)
		if err != nil {
			panic(err)
		}
		body = string(echoed)
	case strings.HasSuffix(path, "/upload"):
		body = `{"media_id":"6uqyGjGrCf2GtyXP8bxrbuH9-aAoTjH-rKeSl3Lf4"}`
	case strings.HasPrefix(path, "/v3/merchant-service/complaints-v2/"):
		body = `{"complaint_id":"200201820200101080076610000","complaint_state":"PENDING"}`
	case strings.HasPrefix(path, "/v3/pay/partner/transactions/out-trade-no/"):
		body = examplePartnerOrder
	case strings.HasSuffix(path, "/codepay"):
		body = strings.Replace(exampleOrder, "NATIVE", "MICROPAY", 1)
	case strings.HasSuffix(path, "/reverse"):
		body = `{"appid":"wx8888888888888888","mchid":"1900009191","out_trade_no":"ORDER-20240601-1"}`
	case strings.HasSuffix(path, "/native"):
		body = `{"code_url":"weixin://wxpay/bizpayurl?pr=NwY5Mz9"}`
	case strings.HasSuffix(path, "/jsapi"), strings.HasSuffix(path, "/app"):
		body = `{"prepay_id":"wx201410272009395522657a690389285100"}`
	case strings.HasSuffix(path, "/h5"):
		body = `{"h5_url":"https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=wx20"}`
	case strings.HasSuffix(path, "/close"):
		status = http.StatusNoContent
	case strings.HasSuffix(path, "/ORDER-UNKNOWN"):
		status, body = http.StatusNotFound, `{"code":"ORDER_NOT_EXIST","message":"订单不存在"}`
	case strings.HasPrefix(path, "/v3/combine-transactions/out-trade-no/"):
		body = exampleCombineOrder
	case strings.HasPrefix(path, "/v3/pay/"):
		body = exampleOrder
	case strings.HasPrefix(path, "/v3/refund/"):
		body = exampleRefund
	case strings.HasSuffix(path, "/mch-transfer/transfer-bills"):
		body = exampleTransferCreated
	case strings.HasSuffix(path, "/BILL202406011/cancel"):
		body = exampleTransferCanceled
	case strings.HasPrefix(path, "/v3/fund-app/mch-transfer/"):
		body = exampleTransfer
	case path == "/v3/certificates":
		certificate, err := json.Marshal(exampleSeal("certificate", exampleFile("wechatpay_platform_cert.pem")))
		if err != nil {
			panic(err)
		}
		body = `{"data":[{"serial_no":"5157F09EFDC096DE15EBE81A47057A72E1B2C3D4","encrypt_certificate":` + string(certificate) + `}]}`
	}
	exampleSign(w.Header(), body)
	w.WriteHeader(status)
	if status != http.StatusNoContent {
		_, _ = w.Write([]byte(body))
	}
}

// exampleNotification is the provider's request after a payment.
func exampleNotification() *http.Request { return exampleTransaction(exampleOrder) }

// exampleCombineNotification is the provider's request after a combined payment.
func exampleCombineNotification() *http.Request { return exampleTransaction(exampleCombineOrder) }

func exampleTransaction(plaintext string) *http.Request {
	resource := exampleSeal("transaction", []byte(plaintext))
	resource["original_type"] = "transaction"
	body, err := json.Marshal(map[string]any{
		"id": "EV-1", "event_type": "TRANSACTION.SUCCESS", "resource_type": "encrypt-resource", "resource": resource,
	})
	if err != nil {
		panic(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/notify/wechat", bytes.NewReader(body))
	exampleSign(r.Header, string(body))
	return r
}

func exampleSign(h http.Header, body string) {
	key, err := wechatpay.ParsePrivateKey(exampleFile("wechatpay_pubkey_mode_private_key.pem"))
	if err != nil {
		panic(err)
	}
	timestamp, nonce := strconv.FormatInt(time.Now().Unix(), 10), "c5ac7061fccab6bf3e254dcf98995b8c"
	sum := sha256.Sum256([]byte(timestamp + "\n" + nonce + "\n" + body + "\n"))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	h.Set("Wechatpay-Timestamp", timestamp)
	h.Set("Wechatpay-Nonce", nonce)
	h.Set("Wechatpay-Serial", examplePublicKeyID)
	h.Set("Wechatpay-Signature", base64.StdEncoding.EncodeToString(signature))
}

func exampleSeal(associated string, plaintext []byte) map[string]string {
	block, err := aes.NewCipher([]byte(exampleAPIv3Key))
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	const nonce = "fdasflkja484"
	return map[string]string{
		"algorithm": "AEAD_AES_256_GCM", "nonce": nonce, "associated_data": associated,
		"ciphertext": base64.StdEncoding.EncodeToString(aead.Seal(nil, []byte(nonce), plaintext, []byte(associated))),
	}
}
