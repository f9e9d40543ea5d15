// Package wechatpay speaks WeChat Pay APIv3 (微信支付) for a merchant (直连商户) or a service provider (服务商): it
// places orders, queries, closes and refunds them, reads the provider's notifications, and makes any other call of the
// API signed and verified. It uses the standard library only.
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
// [Client.Echo] proves that all of it fits, before the first order.
//
// Store your order and its out_trade_no first, durably. Then place it, by where the payer is:
//
//	the payer                      call                    what to do with the answer
//	looks at a screen or poster    [Client.PrepayNative]   show CodeURL as a QR code
//	is in the WeChat browser       [Client.PrepayJSAPI]    [Client.SignJSAPI], hand to the page
//	is in a mini program           [Client.PrepayJSAPI]    [Client.SignJSAPI], hand to the program
//	is in an app                   [Client.PrepayApp]      [Client.SignApp], hand to the app
//	is in another mobile browser   [Client.PrepayH5]       navigate to H5URL
//	shows a payment code           [Client.PayByCode]      nothing: nil error means paid
//
//	order, err := client.PrepayNative(ctx, wechatpay.NativeRequest{
//		AppID: "wx8888888888888888", Description: "一杯茶", OutTradeNo: "ORDER-20240601-1",
//		NotifyURL: "https://pay.example.com/notify/wechat",
//		Amount:    wechatpay.Amount{Total: 100}, // one yuan
//	})
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
//		if err == nil { // what you store must be durable, and harmless when it comes twice
//			if order, ok := n.Order(); ok {
//				err = storeOrder(r.Context(), order)
//			} else if refund, ok := n.Refund(); ok {
//				err = storeRefund(r.Context(), refund)
//			} else {
//				err = storeForAPerson(r.Context(), n) // of another kind, or not of the shape that is known
//			}
//		}
//		wechatpay.AnswerNotification(w, err)
//	}
//
// A [Notification] is authentic: nothing else can be put into the type. It may still be late, repeated or
// about something else: compare [Order]'s AppID, MchID, OutTradeNo, Amount.Total, Amount.Currency and
// TradeState with your own record, under a lock, before goods leave. Notifications get lost too: query
// unpaid orders with [Client.QueryOrderByOutTradeNo] on a schedule, and before closing them with [Client.CloseOrder].
//
// # Refund it
//
// [Client.CreateRefund] with your own OutRefundNo, stored before the call:
//
//	refund, err := client.CreateRefund(ctx, wechatpay.RefundRequest{
//		OutTradeNo: "ORDER-20240601-1", OutRefundNo: "REFUND-1",
//		NotifyURL: "https://pay.example.com/notify/wechat", // without it, the address of the merchant console, if any
//		Amount:    wechatpay.RefundAmount{Refund: 40, Total: 100},
//	})
//
// The answer says accepted; [Notification.Refund] or [Client.QueryRefund] says when the money is back. An ABNORMAL
// refund waits for [Client.ApplyAbnormalRefund] or a person.
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
//
// # Share the money of an order
//
// An order placed with [SettleInfo.ProfitSharing] keeps its money frozen (分账). Add whom to share with once,
// [Client.AddProfitSharingReceiver]; from a minute after the payment [Client.CreateProfitSharing] shares, within
// [ProfitSharingLimit], under your own OutOrderNo, stored before the call. [Client.QueryProfitSharing] tells the end, and only
// each receiver's Result is one: the state FINISHED says that the order was worked through. Then release the rest with
// [Client.UnfreezeProfitSharing], or with the last request; this is due for orders that share nothing too. Before a refund
// of what was shared, take it back with [Client.CreateProfitSharingReturn].
//
// # Send money to a user
//
// [Client.CreateTransfer] with your own OutBillNo, stored before the call. The user confirms on the page that
// [Client.InvokeTransfer] opens; [Notification.Transfer] or [Client.QueryTransferByOutBillNo] says what became of it, and
// [Client.CancelTransfer] takes it back before. When the operating account is short, top it up and repeat the same
// number: a new one is legitimate only after FAIL or CANCELLED.
//
// # Reconcile the day
//
// After ten the next morning in China, [Client.OpenTradeBill] and [Client.OpenFundFlowBill] give the day's bills, row by
// row, in the same little memory for ten rows as for ten million:
//
//	bill, err := client.OpenTradeBill(ctx, wechatpay.TradeBillRequest{BillDate: "2024-05-31", TarType: wechatpay.TarTypeGZIP})
//	if err != nil {
//		return err // not ready: Error.StatementCreating; an empty day: Error.NoStatementExist
//	}
//	defer bill.Close()
//	for row, err := range bill.Rows() {
//		if err != nil {
//			return err
//		}
//		compare(row) // provisional until the loop has ended by itself
//	}
//	return bill.CheckSummary()
//
// A download is unsigned: the loop ends without an error only if the bill matched the hash of the signed answer.
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
// Inside a call, up to three tries are made (one, of a write that the provider would not know again) within its time
// limit, with the same bytes, a fresh timestamp, nonce and signature, and the other access point when one fails. A
// refusal is never repeated. An answer counts only when its signature verifies.
//
// # Keys of the provider
//
// A Client trusts a set of keys: WeChat Pay public keys and platform certificates together, chosen by the
// serial number that each signature names, as the switch from one to the other demands. With
// Config.DownloadCertificates, certificates are fetched, refreshed and replaced while calls go on; watch
// [Client.VerificationKeys] for their expiry.
//
// # For a sub-merchant
//
// A service provider makes one Client with its own number and key, and from it one for each sub-merchant (特约商户):
//
//	shop, err := client.ForSubMerchant(wechatpay.SubMerchant{MchID: "1900000109"})
//
// Its methods are the same; the requests are in partner mode (服务商模式), AppID is the service provider's (sp_appid),
// and answers about another sub-merchant are not accepted. Orders have SpMchID and SubMchID in place of MchID.
// Notifications of all sub-merchants come signed and encrypted for the service provider: any of its Clients reads them.
//
// # Every other endpoint
//
// [Client.Do] makes any call this package has no method for: signed, verified, repeated where that is safe, with the
// same errors.
//
//	var complaints struct{ Data []Complaint `json:"data"` }
//	err := client.Do(ctx, wechatpay.Request{
//		Method: http.MethodGet, Path: "/v3/merchant-service/complaints-v2", Query: url.Values{"limit": {"10"}},
//	}, &complaints)
//
// Pictures and videos go up with [Client.UploadImage] and its neighbours, or with Request.File; files that an answer
// offers come down with [Client.DownloadFile]. Personal data is
// encrypted by the methods that send it; for Do there is [Client.EncryptSensitive].
//
// # Limits
//
// Amounts are in fen, 1/100 yuan. Payment codes over APIv3 need the provider's permission (Config.CodepayV3);
// without it use the package wechatpay/v2. The SM algorithms (国密) need Config.Suite and the package wechatpay/sm; a
// Client without it refuses their signatures.
package wechatpay
