package wechatpay_test

import (
	"fmt"
	"strings"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

func ExampleReadTradeBill() {
	const text = "交易时间,微信订单号,商户订单号,交易状态,订单金额\n" +
		"`2024-06-01 08:00:30,`4200002222202406011234567890,`VEC20240601000001,`SUCCESS,`1.00\n" +
		"总交易单数,订单总金额\n`1,`1.00\n"
	bill := wechatpay.ReadTradeBill(strings.NewReader(text))
	for row, err := range bill.Rows() {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(row.OutTradeNo, row.TradeState, row.OrderAmount, "fen")
	}
	fmt.Println("summary:", bill.CheckSummary())
	// Output:
	// VEC20240601000001 SUCCESS 100 fen
	// summary: <nil>
}
