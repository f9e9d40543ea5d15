package wechatpay

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
)

const (
	tradeHeader  = "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
	tradeSummary = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
)

// endlessBill is a trade bill of any number of payments of 12.34 yuan, made while it is read.
type endlessBill struct {
	rows, made int64
	buffer     bytes.Buffer
}

func newEndlessBill(rows int64) *endlessBill {
	b := &endlessBill{rows: rows}
	b.buffer.WriteString(byteOrderMark + tradeHeader + "\r\n")
	return b
}

func (b *endlessBill) Read(p []byte) (int, error) {
	for b.buffer.Len() < len(p) && b.made <= b.rows {
		if b.made == b.rows {
			fmt.Fprintf(&b.buffer, "%s\r\n`%d,`%s,`0.00,`0.00,`%s,`%s,`0.00\r\n", tradeSummary, b.rows,
				yuan(1234*b.rows), fmt.Sprintf("%d.%05d", 7404*b.rows/100000, 7404*b.rows%100000), yuan(1234*b.rows))
		} else {
			b.buffer.WriteString("`2024-06-01 08:00:30,`wx8888888888888888,`1900009191,`0,`,`4200002222202406011234567890,`VEC")
			b.buffer.Write(strconv.AppendInt(b.buffer.AvailableBuffer(), b.made, 10))
			b.buffer.WriteString(",`oUpF8uMuAJO_M2pxb1Q9zNjWeS6o,`JSAPI,`SUCCESS,`OTHERS,`CNY,`12.34,`0.00,`0,`0,`0.00,`0.00,`,`,`Image形象店, 深圳,`,`0.07404,`0.60%,`12.34,`0.00,`\r\n")
		}
		b.made++
	}
	if b.buffer.Len() == 0 {
		return 0, io.EOF
	}
	return b.buffer.Read(p)
}

func yuan(fen int64) string { return fmt.Sprintf("%d.%02d", fen/100, fen%100) }
