package wechatpay_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

func ExampleClient_CreateTransfer() {
	client, stop := exampleClient()
	defer stop()
	transfer, err := client.CreateTransfer(context.Background(), wechatpay.TransferRequest{
		AppID: "wx8888888888888888", OutBillNo: "BILL202406011", // stored before the call, kept whatever comes
		TransferSceneID: "1000", OpenID: "o-MYE42l80oelYMDE34nYD456Xoy", TransferAmount: 500, TransferRemark: "六月奖励",
		UserRecvPerception: "现金奖励",
		TransferSceneReportInfos: []wechatpay.TransferSceneReportInfo{
			{InfoType: "活动名称", InfoContent: "注册会员有礼"}, {InfoType: "奖励说明", InfoContent: "注册奖励"},
		},
	})
	if err != nil {
		switch wechatpay.OutcomeOf(err) {
		case wechatpay.OutcomeRetry: // such as NOT_ENOUGH: top up the operating account, then BILL202406011 again
		case wechatpay.OutcomeUnknown: // query BILL202406011, or send it again as it is
		case wechatpay.OutcomeRefused: // fix the request; a new number only if no call with this one came before
		}
		fmt.Println(err)
		return
	}
	switch transfer.State {
	case wechatpay.TransferStateWaitUserConfirm: // the user can confirm; keep PackageInfo
		fmt.Println(transfer.State, transfer.PackageInfo)
	case wechatpay.TransferStateAccepted, wechatpay.TransferStateProcessing: // send BILL202406011 again later
	default: // a repeat may find it further on, even final
	}
	// Output: WAIT_USER_CONFIRM affffddafdfafddffda==
}

func ExampleClient_QueryTransferByOutBillNo() {
	client, stop := exampleClient()
	defer stop()
	transfer, err := client.QueryTransferByOutBillNo(context.Background(), "BILL202406011")
	if err != nil {
		fmt.Println(wechatpay.OutcomeOf(err), err)
		return
	}
	switch transfer.State {
	case wechatpay.TransferStateFail, wechatpay.TransferStateCancelled: // only now a new number is no second transfer
		fmt.Println(transfer.State, transfer.FailReason)
	default:
		fmt.Println(transfer.State)
	}
	// Output: FAIL OVERDUE_CLOSE
}

func ExampleClient_QueryTransferByTransferBillNo() {
	client, stop := exampleClient()
	defer stop()
	transfer, err := client.QueryTransferByTransferBillNo(context.Background(), "1330000071100999991182020050700019480001")
	if err != nil {
		fmt.Println(wechatpay.OutcomeOf(err), err)
		return
	}
	fmt.Println(transfer.OutBillNo, transfer.TransferAmount)
	// Output: BILL202406011 500
}

func ExampleClient_CancelTransfer() {
	client, stop := exampleClient()
	defer stop()
	transfer, err := client.CancelTransfer(context.Background(), "BILL202406011")
	if err != nil {
		fmt.Println(wechatpay.OutcomeOf(err), err)
		return
	}
	fmt.Println(transfer.State) // the money is back when a query says CANCELLED
	// Output: CANCELING
}

func ExampleClient_InvokeTransfer() {
	client, stop := exampleClient()
	defer stop()
	invocation, err := client.InvokeTransfer("wx8888888888888888", "affffddafdfafddffda==")
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := json.Marshal(invocation) // hand it to the page, which calls requestMerchantTransfer with it
	fmt.Println(string(text), err)
	// Output: {"mchId":"1900009191","appId":"wx8888888888888888","package":"affffddafdfafddffda=="} <nil>
}
