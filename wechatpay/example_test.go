package wechatpay_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

func ExampleNew() {
	// All mistakes come at once, each with the name of its field.
	_, err := wechatpay.New(wechatpay.Config{MchID: "1900009191", APIv3Key: "too short"})
	fmt.Println(err)
	// Output:
	// wechatpay: configuration: SerialNo: must be the hex serial number of the merchant API certificate
	// Signer: set the merchant's private key
	// APIv3Key: must be 32 bytes, has 9
	// PublicKeys: set them, or PlatformCertificates, or DownloadCertificates: no answer could be verified
}

func ExampleClient_PrepayNative() {
	client, stop := exampleClient()
	defer stop()
	order, err := client.PrepayNative(context.Background(), wechatpay.NativeRequest{
		AppID: "wx8888888888888888", Description: "一杯茶", OutTradeNo: "ORDER-20240601-1",
		NotifyURL: "https://pay.example.com/notify/wechat", Amount: wechatpay.Amount{Total: 100, Currency: "CNY"},
	})
	if err != nil {
		fmt.Println(wechatpay.OutcomeOf(err), err)
		return
	}
	fmt.Println("show as a QR code:", order.CodeURL)
	// Output: show as a QR code: weixin://wxpay/bizpayurl?pr=NwY5Mz9
}

func ExampleClient_PrepayJSAPI() {
	client, stop := exampleClient()
	defer stop()
	order, err := client.PrepayJSAPI(context.Background(), wechatpay.JSAPIRequest{
		AppID: "wx8888888888888888", Description: "一杯茶", OutTradeNo: "ORDER-20240601-1",
		NotifyURL: "https://pay.example.com/notify/wechat", Amount: wechatpay.Amount{Total: 100},
		Payer: wechatpay.Payer{OpenID: "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
	})
	if err != nil {
		fmt.Println(wechatpay.OutcomeOf(err), err)
		return
	}
	fmt.Println(order.PrepayID)
	// Output: wx201410272009395522657a690389285100
}

func ExampleClient_PrepayApp() {
	client, stop := exampleClient()
	defer stop()
	order, err := client.PrepayApp(context.Background(), wechatpay.AppRequest{
		AppID: "wx8888888888888888", Description: "一杯茶", OutTradeNo: "ORDER-20240601-1",
		NotifyURL: "https://pay.example.com/notify/wechat", Amount: wechatpay.Amount{Total: 100},
	})
	if err != nil {
		fmt.Println(wechatpay.OutcomeOf(err), err)
		return
	}
	fmt.Println(order.PrepayID)
	// Output: wx201410272009395522657a690389285100
}

func ExampleClient_PrepayH5() {
	client, stop := exampleClient()
	defer stop()
	order, err := client.PrepayH5(context.Background(), wechatpay.H5Request{
		AppID: "wx8888888888888888", Description: "一杯茶", OutTradeNo: "ORDER-20240601-1",
		NotifyURL: "https://pay.example.com/notify/wechat", Amount: wechatpay.Amount{Total: 100},
		SceneInfo: wechatpay.H5SceneInfo{PayerClientIP: "192.0.2.1", H5Info: wechatpay.H5Info{Type: "Wap"}},
	})
	if err != nil {
		fmt.Println(wechatpay.OutcomeOf(err), err)
		return
	}
	fmt.Println(order.H5URL)
	// Output: https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=wx20
}

func ExampleClient_SignJSAPI() {
	client, stop := exampleClient()
	defer stop()
	invocation, err := client.SignJSAPI("wx8888888888888888", "wx201410272009395522657a690389285100")
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := json.Marshal(invocation) // hand it to the page
	fmt.Println(len(text) > 0, err, invocation.Package, invocation.SignType)
	// Output: true <nil> prepay_id=wx201410272009395522657a690389285100 RSA
}

func ExampleClient_SignApp() {
	client, stop := exampleClient()
	defer stop()
	invocation, err := client.SignApp("wx8888888888888888", "wx201410272009395522657a690389285100")
	fmt.Println(invocation.PartnerID, invocation.PackageValue, err)
	// Output: 1900009191 Sign=WXPay <nil>
}

func ExampleClient_QueryOrderByOutTradeNo() {
	client, stop := exampleClient()
	defer stop()
	order, err := client.QueryOrderByOutTradeNo(context.Background(), "ORDER-20240601-1")
	if err != nil {
		fmt.Println(wechatpay.OutcomeOf(err), err)
		return
	}
	fmt.Println(order.TradeState, order.Amount.Total, order.Amount.Currency)
	// Output: SUCCESS 100 CNY
}

func ExampleClient_QueryOrderByTransactionID() {
	client, stop := exampleClient()
	defer stop()
	order, err := client.QueryOrderByTransactionID(context.Background(), "4200002222202406011234567890")
	if err != nil {
		fmt.Println(wechatpay.OutcomeOf(err), err)
		return
	}
	fmt.Println(order.OutTradeNo, order.TradeState)
	// Output: ORDER-20240601-1 SUCCESS
}

func ExampleClient_CloseOrder() {
	client, stop := exampleClient()
	defer stop()
	fmt.Println(client.CloseOrder(context.Background(), "ORDER-20240601-1"))
	// Output: <nil>
}

func ExampleClient_CreateRefund() {
	client, stop := exampleClient()
	defer stop()
	refund, err := client.CreateRefund(context.Background(), wechatpay.RefundRequest{
		OutTradeNo: "ORDER-20240601-1", OutRefundNo: "REFUND-1", Reason: "退货",
		Amount: wechatpay.RefundAmount{Refund: 40, Total: 100, Currency: "CNY"},
	})
	if err != nil {
		fmt.Println(wechatpay.OutcomeOf(err), err) // keep REFUND-1 whatever it is
		return
	}
	fmt.Println(refund.Status, refund.Amount.Refund)
	// Output: PROCESSING 40
}

func ExampleClient_QueryRefund() {
	client, stop := exampleClient()
	defer stop()
	refund, err := client.QueryRefund(context.Background(), "REFUND-1")
	if err != nil {
		fmt.Println(wechatpay.OutcomeOf(err), err)
		return
	}
	fmt.Println(refund.RefundID, refund.Status)
	// Output: 50300002222024060112345678901 PROCESSING
}

func ExampleClient_ApplyAbnormalRefund() {
	client, stop := exampleClient()
	defer stop()
	refund, err := client.ApplyAbnormalRefund(context.Background(), wechatpay.AbnormalRefundRequest{
		RefundID: "50300002222024060112345678901", OutRefundNo: "REFUND-1", Type: wechatpay.AbnormalRefundUserBankCard,
		BankType: "ICBC_DEBIT", BankAccount: "6222020000000000000", RealName: "张三", // these two travel encrypted
	})
	if err != nil {
		fmt.Println(wechatpay.OutcomeOf(err), err)
		return
	}
	fmt.Println(refund.Status)
	// Output: PROCESSING
}

func ExampleClient_RefreshCertificates() {
	client, stop := exampleClient()
	defer stop()
	if err := client.RefreshCertificates(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	for _, key := range client.VerificationKeys() {
		fmt.Println(key.Serial, !key.NotAfter.IsZero())
	}
	// Output:
	// 5157F09EFDC096DE15EBE81A47057A72E1B2C3D4 true
	// PUB_KEY_ID_0119000091912024060100000000000001 false
}

func ExampleClient_ParseNotification() {
	client, stop := exampleClient()
	defer stop()
	w, r := httptest.NewRecorder(), exampleNotification() // what the handler gets

	n, err := client.ParseNotification(r)
	if err == nil {
		if order, ok := n.Order(); ok { // compare with your own record, then store
			fmt.Println(n.EventType(), order.OutTradeNo, order.TradeState, order.Amount.Total)
		}
	}
	wechatpay.AnswerNotification(w, err)
	fmt.Println(w.Code)
	// Output:
	// TRANSACTION.SUCCESS ORDER-20240601-1 SUCCESS 100
	// 204
}

func ExampleAnswerNotification() {
	client, stop := exampleClient()
	defer stop()
	w, r := httptest.NewRecorder(), exampleNotification()
	r.Header.Set("Wechatpay-Signature", "WECHATPAY/SIGNTEST/x") // the provider tests whether you verify
	_, err := client.ParseNotification(r)
	wechatpay.AnswerNotification(w, err)
	fmt.Println(errors.Is(err, wechatpay.ErrSignature), w.Code, w.Body)
	// Output: true 401 {"code":"FAIL","message":"signature not valid"}
}

func ExampleOutcomeOf() {
	client, stop := exampleClient()
	defer stop()
	_, err := client.QueryOrderByOutTradeNo(context.Background(), "ORDER-UNKNOWN")
	provider, _ := errors.AsType[*wechatpay.Error](err)
	fmt.Println(wechatpay.OutcomeOf(err), provider.Code, provider.NotExist())
	// Output: refused ORDER_NOT_EXIST true
}

func ExampleClient_EncryptSensitive() {
	client, stop := exampleClient()
	defer stop()
	ciphertext, serial, err := client.EncryptSensitive(context.Background(), "张三")
	fmt.Println(len(ciphertext), serial, err)
	// Output: 344 PUB_KEY_ID_0119000091912024060100000000000001 <nil>
}

func ExampleClient_DecryptSensitive() {
	client, stop := exampleClient()
	defer stop()
	_, err := client.DecryptSensitive("bm90IGZvciB0aGlzIGtleQ==")
	fmt.Println(errors.Is(err, wechatpay.ErrDecrypt))
	// Output: true
}

func ExampleCodeOf() {
	client, stop := exampleClient()
	defer stop()
	_, err := client.QueryOrderByOutTradeNo(context.Background(), "ORDER-UNKNOWN")
	fmt.Println(wechatpay.CodeOf(err) == wechatpay.CodeOrderNotExist)
	// Output: true
}

func ExampleParsePrivateKey() {
	key, err := wechatpay.ParsePrivateKey(exampleFile("merchant_private_key.pem"))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = wechatpay.ParsePrivateKey(exampleFile("merchant_cert.pem"))
	fmt.Println(key.N.BitLen(), err)
	// Output: 2048 wechatpay: not an RSA private key in PKCS#8; take apiclient_key.pem
}

func ExampleParsePublicKey() {
	key, err := wechatpay.ParsePublicKey(exampleFile("wechatpay_public_key.pem"))
	fmt.Println(key.N.BitLen(), err)
	// Output: 2048 <nil>
}

func ExampleParseCertificate() {
	certificate, err := wechatpay.ParseCertificate(exampleFile("merchant_cert.pem"))
	fmt.Println(certificate.Subject.CommonName, err)
	// Output: 1900009191 <nil>
}

func ExampleNewTransport() {
	transport := wechatpay.NewTransport()
	transport.Proxy = nil // straight to the provider, whatever the environment says
	fmt.Println(transport.MaxIdleConnsPerHost)
	// Output: 256
}

func ExampleClient_ForSubMerchant() {
	client, stop := exampleClient() // the service provider's
	defer stop()
	shop, err := client.ForSubMerchant(wechatpay.SubMerchant{MchID: "1900000109"})
	if err != nil {
		fmt.Println(err)
		return
	}
	order, err := shop.QueryOrderByOutTradeNo(context.Background(), "ORDER-20240601-1")
	if err != nil {
		fmt.Println(wechatpay.OutcomeOf(err), err)
		return
	}
	fmt.Println(order.SpMchID, order.SubMchID, order.TradeState)
	// Output: 1900009191 1900000109 NOTPAY
}

func ExampleClient_Do() {
	client, stop := exampleClient()
	defer stop()
	var complaint struct {
		ID    string `json:"complaint_id"`
		State string `json:"complaint_state"`
	}
	err := client.Do(context.Background(), wechatpay.Request{
		Method: http.MethodGet, Path: "/v3/merchant-service/complaints-v2/" + url.PathEscape("200201820200101080076610000"),
	}, &complaint)
	fmt.Println(complaint.State, err)
	// Output: PENDING <nil>
}

// A write with an encrypted field, to an endpoint that answers 204.
func ExampleClient_Do_encrypted() {
	client, stop := exampleClient()
	defer stop()
	mobile, serial, err := client.EncryptSensitive(context.Background(), "13900000000")
	if err != nil {
		fmt.Println(wechatpay.OutcomeOf(err), err)
		return
	}
	err = client.Do(context.Background(), wechatpay.Request{
		Method: http.MethodPost, Path: "/v3/merchant-service/complaints-v2/200201820200101080076610000/response",
		Body:   map[string]string{"complainted_mchid": "1900009191", "response_content": "call us", "mobile": mobile},
		Header: http.Header{"Wechatpay-Serial": {serial}},
	}, nil)
	fmt.Println(err)
	// Output: <nil>
}

func ExampleClient_UploadImage() {
	client, stop := exampleClient()
	defer stop()
	mediaID, err := client.UploadImage(context.Background(), wechatpay.File{
		Name: "license.png", Content: strings.NewReader("the picture"), // an *os.File as a rule
	})
	fmt.Println(mediaID, err)
	// Output: 6uqyGjGrCf2GtyXP8bxrbuH9-aAoTjH-rKeSl3Lf4 <nil>
}

func ExampleClient_Echo() {
	client, stop := exampleClient()
	defer stop()
	answer, err := client.Echo(context.Background(), wechatpay.EchoRequest{
		EchoMessage: "hello", EncryptedEchoMessage: "a secret",
	})
	if err != nil {
		fmt.Println("the configuration does not fit:", err)
		return
	}
	fmt.Println(answer.EchoMessage, len(answer.EncryptedEchoMessage))
	// Output: hello 8
}

func ExampleClient_PayByCode() {
	client, stop := exampleClient()
	defer stop()
	order, err := client.PayByCode(context.Background(), wechatpay.CodePayRequest{
		AppID: "wx8888888888888888", Description: "一杯茶", OutTradeNo: "ORDER-20240601-1",
		AuthCode: "131234567890123456", Amount: wechatpay.Amount{Total: 100}, // what the scanner read
		SceneInfo: wechatpay.CodePaySceneInfo{StoreInfo: wechatpay.CodePayStoreInfo{OutID: "SHOP-1"}},
	})
	switch {
	case err == nil:
		fmt.Println("paid:", order.TransactionID)
	case wechatpay.OutcomeOf(err) == wechatpay.OutcomeUnknown:
		fmt.Println("reverse it until that succeeds:", err)
	default:
		fmt.Println("not paid; another try takes a new code and number:", err)
	}
	// Output: paid: 4200002222202406011234567890
}

func ExampleClient_ReverseOrder() {
	client, stop := exampleClient()
	defer stop()
	err := client.ReverseOrder(context.Background(), wechatpay.ReverseRequest{
		AppID: "wx8888888888888888", OutTradeNo: "ORDER-20240601-1",
	})
	fmt.Println(err)
	// Output: <nil>
}
