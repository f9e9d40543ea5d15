// Package wechatpayv2 speaks WeChat Pay APIv2, the provider's older protocol of signed XML, for what APIv3 does not offer every
// merchant: above all the code payment (付款码支付), where the till scans the code that the payer shows. For all else take package
// wechatpay. Import it by name:
//
//	import wechatpayv2 "github.com/tongbao-pay/tongbao/wechatpay/v2"
//
// It uses the standard library only. Both protocols act on the same orders: what one made, the other can query and refund; within
// one flow, stay with one.
//
// # Take a code payment
//
// Make one [Client] and keep it. The APIv2 key and the files come from the merchant console (账户中心, API安全).
//
//	certificate, err := tls.LoadX509KeyPair("apiclient_cert.pem", "apiclient_key.pem")
//	client, err := wechatpayv2.New(wechatpayv2.Config{
//		MchID: "1900009191", AppID: "wx8888888888888888", APIv2Key: apiV2Key, Certificate: &certificate,
//	})
//
// Store your order and its out_trade_no first, durably. Then:
//
//	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
//	defer cancel()
//	order, err := client.MicroPayToEnd(ctx, wechatpayv2.MicroPayRequest{
//		OutTradeNo: "ORDER-20240601-1", AuthCode: scanned, Body: "一杯茶", TotalFee: 100, SpbillCreateIP: "203.0.113.8",
//	})
//	switch {
//	case err == nil:
//		// paid: order.TransactionID
//	case wechatpayv2.OutcomeOf(err) == wechatpay.OutcomeRefused:
//		// not paid, for sure: ask for a new code, and place a new order with a new number
//	default:
//		// perhaps paid: keep the number, and settle it as below
//	}
//
// [Client.MicroPayToEnd] queries while the payer types a password and reverses what is not paid in time. There is no
// notification for code payments.
//
// # Never a new number after unknown
//
// When the outcome is unknown, or the program was stopped in between, the payer may have paid. A new out_trade_no is then a second
// payment. Keep the number; ask [Client.QueryOrder]; what is not paid, end with [Client.ReverseToEnd]; and only when that returns
// nil, or an error is [wechatpay.OutcomeRefused], take the next payment. Every error has one of three meanings, told by
// [OutcomeOf]:
//
//	[wechatpay.OutcomeRefused]   not done, and repeating will not help: fix it, or tell the payer
//	[wechatpay.OutcomeRetry]     not done now: repeat later with the same number
//	[wechatpay.OutcomeUnknown]   perhaps done: query, and keep the number
//
// The provider's own words are in [Error], by errors.As; local mistakes are [wechatpay.FieldError] values that name the field.
//
// # Refund
//
// [Client.CreateRefund] with your own OutRefundNo, stored before the call, and [Client.QueryRefund] until it is settled. A payment
// that ended well is refunded, never reversed.
//
// # Receive a notification
//
// Orders of [Client.PlaceUnifiedOrder] and refunds notify; code payments do not. Serve NotifyURL with a handler that parses with
// [Client.ParseNotification], stores, and only then answers with [AnswerNotification], within five seconds. Here the body of
// the answer decides, not its status.
//
// # What is trusted
//
// An answer and a payment notification count only when their signature over every field received is right. An answer with
// return_code FAIL has no signature: it says that the provider did not take the request. Refund notifications are encrypted but
// not signed, see [Notification.Refund]. Messages are read by a parser of their flat form alone, which knows no document types
// and no entities.
//
// # Limits
//
// Amounts are in fen, 1/100 yuan. Times are sent and read in China's zone.
package wechatpayv2
