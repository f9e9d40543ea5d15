package wechatpay_test

import (
	"context"
	"fmt"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

func ExampleClient_AddProfitSharingReceiver() {
	client, stop := exampleClient()
	defer stop()
	err := client.AddProfitSharingReceiver(context.Background(), wechatpay.ProfitSharingReceiver{
		AppID: "wx8888888888888888", Type: wechatpay.ReceiverTypeMerchantID, Account: "1900009192",
		Name: "示例商户有限公司", RelationType: wechatpay.RelationTypeStore, // in the clear here, it travels encrypted
	})
	fmt.Println(err)
	// Output: <nil>
}

func ExampleClient_CreateProfitSharing() {
	client, stop := exampleClient()
	defer stop()
	order, err := client.CreateProfitSharing(context.Background(), wechatpay.ProfitSharingRequest{
		AppID: "wx8888888888888888", TransactionID: "4200002222202406011234567890",
		OutOrderNo: "SHARE-20240601-1", // stored before the call, kept whatever comes
		Receivers: []wechatpay.ProfitSharingPart{
			{Type: wechatpay.ReceiverTypeMerchantID, Account: "1900009192", Amount: 30, Description: "分给商户"},
		},
		UnfreezeUnsplit: true, // nothing more is to be shared of this order
	})
	if err != nil {
		fmt.Println(wechatpay.OutcomeOf(err), err)
		return
	}
	fmt.Println(order.State) // ask QueryProfitSharing how it ends
	// Output: PROCESSING
}

func ExampleClient_QueryProfitSharing() {
	client, stop := exampleClient()
	defer stop()
	order, err := client.QueryProfitSharing(context.Background(), "4200002222202406011234567890", "SHARE-20240601-1")
	if err != nil {
		fmt.Println(wechatpay.OutcomeOf(err), err)
		return
	}
	for _, receiver := range order.Receivers { // FINISHED alone says nothing of the money
		fmt.Println(receiver.Account, receiver.Amount, receiver.Result, receiver.FailReason)
	}
	// Output: 1900009192 30 CLOSED NO_RELATION
}

func ExampleClient_UnfreezeProfitSharing() {
	client, stop := exampleClient()
	defer stop()
	order, err := client.UnfreezeProfitSharing(context.Background(), wechatpay.ProfitSharingUnfreezeRequest{
		TransactionID: "4200002222202406011234567890", OutOrderNo: "SHARE-20240601-1", Description: "解冻全部剩余资金",
	})
	if err != nil {
		fmt.Println(wechatpay.OutcomeOf(err), err)
		return
	}
	fmt.Println(order.State)
	// Output: PROCESSING
}

func ExampleClient_CreateProfitSharingReturn() {
	client, stop := exampleClient()
	defer stop()
	back, err := client.CreateProfitSharingReturn(context.Background(), wechatpay.ProfitSharingReturnRequest{
		OutOrderNo: "SHARE-20240601-1", OutReturnNo: "BACK-20240601-1", ReturnMchID: "1900009192", Amount: 30, Description: "用户退款",
	})
	if err != nil {
		fmt.Println(wechatpay.OutcomeOf(err), err)
		return
	}
	fmt.Println(back.Result) // SUCCESS, FAILED, or PROCESSING: then ask QueryProfitSharingReturn
	// Output: SUCCESS
}

func ExampleProfitSharingLimit() {
	const total, fee = 10000, 60 // fen
	limit := wechatpay.ProfitSharingLimit(total, fee, 3000)
	fmt.Println(limit) // of all requests of the order together
	// Output: 2940
}

// exampleSharing answers the calls of sharing.
func exampleSharing(method, path string) string {
	switch path {
	case "/v3/profitsharing/receivers/add":
		return `{"type":"MERCHANT_ID","account":"1900009192","relation_type":"STORE"}`
	case "/v3/profitsharing/return-orders":
		return `{"order_id":"3008450740202406010000000001","out_order_no":"SHARE-20240601-1","out_return_no":"BACK-20240601-1",
"return_id":"3008450740202406010000000002","return_mchid":"1900009192","amount":30,"result":"SUCCESS"}`
	}
	state, result := "PROCESSING", `"PENDING"`
	if method == "GET" {
		state, result = "FINISHED", `"CLOSED","fail_reason":"NO_RELATION"`
	}
	return `{"transaction_id":"4200002222202406011234567890","out_order_no":"SHARE-20240601-1","order_id":"3008450740202406010000000001","state":"` + state + `",
"receivers":[{"type":"MERCHANT_ID","account":"1900009192","amount":30,"description":"分给商户","result":` + result + `}]}`
}
