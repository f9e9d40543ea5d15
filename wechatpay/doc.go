// Package wechatpay speaks WeChat Pay APIv3 (微信支付) for a merchant (直连商户): it places orders, queries, closes
// and refunds them, and reads the provider's notifications. It uses the standard library only.
//
// # Take a payment
//
// Make one [Client] and keep it. The key files come from the merchant console (账户中心, API安全).
//
//	key, err := wechatpay.ParsePrivateKey(apiclientKeyPEM)
//	public, err := wechatpay.ParsePublicKey(pubKeyPEM)
//	client, err := wechatpay.New(wechatpay.Config{
//		MchID:      "1900009191",
//		SerialNo:   "4D3E5F60718293A4B5C6D7E8F9010203A0B1C2D3", // of the merchant API certificate
//		Signer:     key,
//		APIv3Key:   apiV3Key,
//		PublicKeys: map[string]*rsa.PublicKey{"PUB_KEY_ID_0119...": public},
//	})
//
// Store your order and its out_trade_no first, durably. Then place it, by where the payer is:
//
//	the payer                      call                    what to do with the answer
//	looks at a screen or poster    [Client.PrepayNative]   show CodeURL as a QR code
//	is in the WeChat browser       [Client.PrepayJSAPI]    [Client.SignJSAPI], hand to the page
//	is in a mini program           [Client.PrepayJSAPI]    [Client.SignJSAPI], hand to the program
//	is in an app                   [Client.PrepayApp]      [Client.SignApp], hand to the app
//	is in another mobile browser   [Client.PrepayH5]       navigate to H5URL
//
// What the payer's device reports proves nothing. An order is paid when a verified notification or a
// query says so.
//
// # Receive the notification
//
// Serve NotifyURL with a handler that parses, stores, and only then answers, within five seconds:
//
//	func notify(w http.ResponseWriter, r *http.Request) {
//		n, err := client.ParseNotification(r)
//		if err == nil {
//			err = store(r.Context(), n) // durable, and harmless when it comes twice
//		}
//		wechatpay.AnswerNotification(w, err)
//	}
//
// A [Notification] is authentic: nothing else can be put into the type. It may still be late, repeated or
// about something else: compare [Order]'s AppID, MchID, OutTradeNo, Amount.Total, Amount.Currency and
// TradeState with your own record, under a lock, before goods leave. Notifications get lost too: query
// unpaid orders on a schedule, and before closing.
//
// # Refund it
//
// [Client.CreateRefund] with your own OutRefundNo, stored before the call. The answer says accepted;
// [Notification.Refund] or [Client.QueryRefund] says when the money is back. An ABNORMAL refund waits for
// [Client.ApplyAbnormalRefund] or a person.
//
// # Combined payments
//
// One payment for orders of several merchants (合单支付): [Client.PrepayCombineNative] and its sisters for the other
// places a payer may be, with [Client.SignJSAPI] and [Client.SignApp] given CombineAppID. The initiator needs the
// permission 发起合单支付, every receiver 接收合单支付, and CombineAppID is bound to all of them. All sub orders are paid or
// none. One notification tells them all, [Notification.CombineOrder]; [Client.QueryCombineOrder] and
// [Client.CloseCombineOrder] are the only calls that know the payment, and a [CombineOutTradeNo] fits no other:
// the calls for orders know neither its number nor those of its sub orders. Refunds are the exception: each sub
// order is refunded by its own merchant, with that merchant's Client, by its own number; there is no refund of
// the whole.
// # Send money to a user
//
// [Client.CreateTransfer] with your own OutBillNo, stored before the call. The user confirms on the page that
// [Client.InvokeTransfer] opens; [Notification.Transfer] or [Client.QueryTransferByOutBillNo] says what became of it, and
// [Client.CancelTransfer] takes it back before. When the operating account is short, top it up and repeat the same
// number: a new one is legitimate only after FAIL or CANCELLED.
//
// # When a call fails
//
// Every error has one of three meanings, told by [OutcomeOf]:
//
//	OutcomeRefused   not done, and repeating will not help: fix it, or tell the payer
//	OutcomeRetry     not done now: repeat later with the same number
//	OutcomeUnknown   perhaps done: query, or repeat with the same number and parameters
//
// A new number is never the answer to an error: it is a second order or a second refund. The provider's
// own words are in [Error], by errors.As; local mistakes are [FieldError] values that name the field.
//
// Inside a call, up to three tries are made within its time limit, with the same bytes, a fresh timestamp, nonce
// and signature, and the other access point when one fails. A refusal is never repeated. An answer counts
// only when its signature verifies.
//
// # Keys of the provider
//
// A Client trusts a set of keys: WeChat Pay public keys and platform certificates together, chosen by the
// serial number that each signature names, as the switch from one to the other demands. With
// Config.DownloadCertificates, certificates are fetched, refreshed and replaced while calls go on; watch
// [Client.VerificationKeys] for their expiry.
//
// # Limits
//
// Amounts are in fen, 1/100 yuan. Partner mode (服务商) is read in answers but not written in requests. The SM
// algorithms (国密) need Config.Suite and the package wechatpay/sm; a Client without it refuses their signatures.
package wechatpay
