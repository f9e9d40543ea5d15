package wechatpayv2_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/tongbao-pay/tongbao/wechatpay"
	wechatpayv2 "github.com/tongbao-pay/tongbao/wechatpay/v2"
)

func ExampleClient_MicroPayToEnd() {
	client, stop := exampleClient()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	order, err := client.MicroPayToEnd(ctx, wechatpayv2.MicroPayRequest{
		OutTradeNo: "ORDER-20240601-1", AuthCode: "120061098828009406", Body: "一杯茶", TotalFee: 100, SpbillCreateIP: "203.0.113.8",
	})
	switch {
	case err == nil:
		fmt.Println("paid:", order.TransactionID, order.TotalFee, "fen")
	case errors.Is(err, wechatpayv2.ErrReversed):
		fmt.Println("not paid in time: show a new code")
	case wechatpayv2.OutcomeOf(err) == wechatpay.OutcomeRefused:
		fmt.Println("not paid:", wechatpayv2.CodeOf(err))
	default:
		fmt.Println("keep the number and settle it:", err)
	}
	// Output: paid: 4200002222202406011234567893 100 fen
}

func ExampleNew() {
	// All mistakes come at once, each with the name of its field.
	_, err := wechatpayv2.New(wechatpayv2.Config{MchID: "1900009191", APIv2Key: "too short"})
	fmt.Println(err)
	// Output:
	// wechatpay/v2: configuration: AppID: is required
	// APIv2Key: must be 32 bytes, has 9
}

func ExampleClient_ParseNotification() {
	client, stop := exampleClient()
	defer stop()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := client.ParseNotification(r)
		if err == nil {
			err = store(r.Context(), n) // durable, and harmless when it comes twice
		}
		wechatpayv2.AnswerNotification(w, err)
	})
	// Nobody but the provider can sign.
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/notify", http.NoBody))
	fmt.Println(recorder.Body)
	// Output: <xml><return_code><![CDATA[FAIL]]></return_code><return_msg><![CDATA[malformed notification]]></return_msg></xml>
}

func store(context.Context, *wechatpayv2.Notification) error { return nil }

// exampleClient speaks to a provider that has one answer.
func exampleClient() (client *wechatpayv2.Client, stop func()) {
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<xml><return_code>SUCCESS</return_code><result_code>SUCCESS</result_code><appid>wx8888888888888888</appid>"+
			"<mch_id>1900009191</mch_id><out_trade_no>ORDER-20240601-1</out_trade_no><transaction_id>4200002222202406011234567893</transaction_id>"+
			"<trade_type>MICROPAY</trade_type><total_fee>100</total_fee><cash_fee>100</cash_fee><time_end>20240601080030</time_end>"+
			"<sign>4BC3E9C4E5FDAAF08861192B9506B511EF51B34DF2E0E7758B4668A856BED1E2</sign></xml>")
	}))
	client, err := wechatpayv2.New(wechatpayv2.Config{
		MchID: "1900009191", AppID: "wx8888888888888888", APIv2Key: "VectorApiV2Key0123456789abcdefGH", BaseURL: provider.URL,
	})
	if err != nil {
		panic(err)
	}
	return client, provider.Close
}
