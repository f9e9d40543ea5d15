package wechatpay_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

func ExampleClient_PrepayCombineNative() {
	client, stop := exampleClient()
	defer stop()
	order, err := client.PrepayCombineNative(context.Background(), wechatpay.CombineNativeRequest{
		CombineAppID: "wx8888888888888888", CombineOutTradeNo: "CART-20240601-1",
		NotifyURL: "https://pay.example.com/notify/wechat",
		SubOrders: []wechatpay.SubOrderRequest{
			{MchID: "1900009191", OutTradeNo: "TEA-20240601-1", Description: "一杯茶", Attach: "shop-1", Amount: wechatpay.CombineAmount{TotalAmount: 60}},
			{MchID: "1900009192", OutTradeNo: "CUP-20240601-1", Description: "一个杯子", Attach: "shop-2", Amount: wechatpay.CombineAmount{TotalAmount: 40}},
		},
	})
	if err != nil {
		fmt.Println(wechatpay.OutcomeOf(err), err)
		return
	}
	fmt.Println("show as a QR code:", order.CodeURL)
	// Output: show as a QR code: weixin://wxpay/bizpayurl?pr=NwY5Mz9
}

func ExampleClient_PrepayCombineApp() {
	client, stop := exampleClient()
	defer stop()
	order, err := client.PrepayCombineApp(context.Background(), wechatpay.CombineAppRequest{
		CombineAppID: "wx8888888888888888", CombineOutTradeNo: "CART-20240601-1",
		NotifyURL: "https://pay.example.com/notify/wechat", SubOrders: exampleSubOrders(),
	})
	if err != nil {
		fmt.Println(wechatpay.OutcomeOf(err), err)
		return
	}
	invocation, err := client.SignApp("wx8888888888888888", order.PrepayID) // CombineAppID
	fmt.Println(invocation.PartnerID, invocation.PackageValue, err)
	// Output: 1900009191 Sign=WXPay <nil>
}

func ExampleClient_PrepayCombineJSAPI() {
	client, stop := exampleClient()
	defer stop()
	order, err := client.PrepayCombineJSAPI(context.Background(), wechatpay.CombineJSAPIRequest{
		CombineAppID: "wx8888888888888888", CombineOutTradeNo: "CART-20240601-1",
		NotifyURL: "https://pay.example.com/notify/wechat", SubOrders: exampleSubOrders(),
		CombinePayerInfo: wechatpay.CombinePayerInfo{OpenID: "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
	})
	if err != nil {
		fmt.Println(wechatpay.OutcomeOf(err), err)
		return
	}
	invocation, err := client.SignJSAPI("wx8888888888888888", order.PrepayID) // CombineAppID
	fmt.Println(invocation.Package, err)
	// Output: prepay_id=wx201410272009395522657a690389285100 <nil>
}

func ExampleClient_PrepayCombineH5() {
	client, stop := exampleClient()
	defer stop()
	order, err := client.PrepayCombineH5(context.Background(), wechatpay.CombineH5Request{
		CombineAppID: "wx8888888888888888", CombineOutTradeNo: "CART-20240601-1",
		NotifyURL: "https://pay.example.com/notify/wechat", SubOrders: exampleSubOrders(),
		SceneInfo: wechatpay.CombineH5SceneInfo{PayerClientIP: "192.0.2.1", DeviceID: "SHOP-1", H5Info: wechatpay.H5Info{Type: "Wap"}},
	})
	if err != nil {
		fmt.Println(wechatpay.OutcomeOf(err), err)
		return
	}
	fmt.Println(order.H5URL)
	// Output: https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=wx20
}

// A service provider names the receiving sub-merchant in each sub order.
func ExampleSubOrderRequest() {
	client, stop := exampleClient()
	defer stop()
	order, err := client.PrepayCombineNative(context.Background(), wechatpay.CombineNativeRequest{
		CombineAppID: "wx8888888888888888", CombineOutTradeNo: "CART-20240601-1",
		NotifyURL: "https://pay.example.com/notify/wechat",
		SubOrders: []wechatpay.SubOrderRequest{{
			SubMchID: "1900009299", OutTradeNo: "TEA-20240601-1", Description: "一杯茶", Attach: "shop-1",
			Amount: wechatpay.CombineAmount{TotalAmount: 60},
		}},
	})
	fmt.Println(order.CodeURL, err)
	// Output: weixin://wxpay/bizpayurl?pr=NwY5Mz9 <nil>
}

func ExampleClient_QueryCombineOrder() {
	client, stop := exampleClient()
	defer stop()
	order, err := client.QueryCombineOrder(context.Background(), "CART-20240601-1")
	if err != nil {
		fmt.Println(wechatpay.OutcomeOf(err), err)
		return
	}
	for _, sub := range order.SubOrders {
		fmt.Println(sub.MchID, sub.OutTradeNo, sub.TradeState, sub.Amount.TotalAmount)
	}
	// Output:
	// 1900009191 TEA-20240601-1 SUCCESS 60
	// 1900009192 CUP-20240601-1 SUCCESS 40
}

func ExampleClient_CloseCombineOrder() {
	client, stop := exampleClient()
	defer stop()
	fmt.Println(client.CloseCombineOrder(context.Background(), wechatpay.CombineCloseRequest{
		CombineAppID: "wx8888888888888888", CombineOutTradeNo: "CART-20240601-1",
		SubOrders: []wechatpay.CombineCloseSubOrder{ // exactly those that were placed
			{MchID: "1900009191", OutTradeNo: "TEA-20240601-1"},
			{MchID: "1900009192", OutTradeNo: "CUP-20240601-1"},
		},
	}))
	// Output: <nil>
}

func ExampleNotification_CombineOrder() {
	client, stop := exampleClient()
	defer stop()
	w, r := httptest.NewRecorder(), exampleCombineNotification() // what the handler gets

	n, err := client.ParseNotification(r)
	if err == nil {
		if order, ok := n.CombineOrder(); ok { // compare every sub order with your own record, then store all at once
			fmt.Println(order.CombineOutTradeNo, len(order.SubOrders), order.SubOrders[1].TransactionID)
		}
	}
	wechatpay.AnswerNotification(w, err)
	fmt.Println(w.Code)
	// Output:
	// CART-20240601-1 2 4200002222202406011234567892
	// 204
}

func exampleSubOrders() []wechatpay.SubOrderRequest {
	return []wechatpay.SubOrderRequest{
		{MchID: "1900009191", OutTradeNo: "TEA-20240601-1", Description: "一杯茶", Attach: "shop-1", Amount: wechatpay.CombineAmount{TotalAmount: 60}},
		{MchID: "1900009192", OutTradeNo: "CUP-20240601-1", Description: "一个杯子", Attach: "shop-2", Amount: wechatpay.CombineAmount{TotalAmount: 40}},
	}
}
