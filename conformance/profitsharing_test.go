package conformance_test

import (
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/core/notify"
	partnernative "github.com/wechatpay-apiv3/wechatpay-go/services/partnerpayments/native"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments/native"
	"github.com/wechatpay-apiv3/wechatpay-go/services/profitsharing"
	"github.com/wechatpay-apiv3/wechatpay-go/utils"

	"github.com/tongbao-pay/tongbao/sandbox"
	"github.com/tongbao-pay/tongbao/wechatpay"
)

// receivingMerchant is the merchant that money is shared with.
func (b *bundle) receivingMerchant() sandbox.SubMerchantCredentials {
	return b.wechatpay().SubMerchants[0]
}

// payForSharing places an order of 1000 fen for sharing with the SDK, pays it, waits the provider's minute and returns its
// transaction_id.
func (b *bundle) payForSharing(sdk *official, outTradeNo string) *string {
	b.t.Helper()
	service := native.NativeApiService{Client: sdk.client}
	request := b.nativeRequest(outTradeNo, 1000)
	request.SettleInfo = &native.SettleInfo{ProfitSharing: new(true)}
	_, _, err := service.Prepay(b.t.Context(), request)
	must(b.t, "prepay", err)
	b.pay(outTradeNo)
	b.receiver.wait()
	b.advance(time.Minute)
	order, _, err := service.QueryOrderByOutTradeNo(b.t.Context(), native.QueryOrderByOutTradeNoRequest{OutTradeNo: &outTradeNo, Mchid: request.Mchid})
	must(b.t, "query", err)
	return order.TransactionId
}

// addReceivers adds the other merchant and a person with the SDK, which encrypts their names and decrypts them in the answers.
func (b *bundle) addReceivers(sdk *official) {
	b.t.Helper()
	w, other := b.wechatpay(), b.receivingMerchant()
	service := profitsharing.ReceiversApiService{Client: sdk.client}
	merchant, _, err := service.AddReceiver(b.t.Context(), profitsharing.AddReceiverRequest{
		Appid: &w.AppID, Type: profitsharing.RECEIVERTYPE_MERCHANT_ID.Ptr(), Account: &other.MchID, Name: &other.Name,
		RelationType: profitsharing.RECEIVERRELATIONTYPE_CUSTOM.Ptr(), CustomRelation: new("加盟商"),
	})
	must(b.t, "add the merchant", err)
	want(b.t, "the merchant's name", *merchant.Name, other.Name)
	want(b.t, "custom_relation", *merchant.CustomRelation, "加盟商")
	person, _, err := service.AddReceiver(b.t.Context(), profitsharing.AddReceiverRequest{
		Appid: &w.AppID, Type: profitsharing.RECEIVERTYPE_PERSONAL_OPENID.Ptr(), Account: &w.OpenID, Name: new("张三"),
		RelationType: profitsharing.RECEIVERRELATIONTYPE_STAFF.Ptr(),
	})
	must(b.t, "add the person", err)
	want(b.t, "the person's name", *person.Name, "张三")
}

func (b *bundle) officialSharing(transactionID *string, outOrderNo string) profitsharing.CreateOrderRequest {
	w, other := b.wechatpay(), b.receivingMerchant()
	return profitsharing.CreateOrderRequest{
		Appid: &w.AppID, TransactionId: transactionID, OutOrderNo: &outOrderNo, UnfreezeUnsplit: new(false),
		Receivers: []profitsharing.CreateOrderReceiver{
			{Type: new("MERCHANT_ID"), Account: &other.MchID, Amount: core.Int64(200), Description: new("分给商户")},
			{Type: new("PERSONAL_OPENID"), Account: &w.OpenID, Name: new("张三"), Amount: core.Int64(50), Description: new("分给个人")},
		},
	}
}

func TestOfficialProfitSharing(t *testing.T) {
	t.Parallel()
	eachKeyMode(t, func(t *testing.T, b *bundle, sdk *official) {
		w, other := b.wechatpay(), b.receivingMerchant()
		b.addReceivers(sdk)
		orders := profitsharing.OrdersApiService{Client: sdk.client}
		unsplit := func(transactionID *string) int64 {
			t.Helper()
			service := profitsharing.TransactionsApiService{Client: sdk.client}
			amounts, _, err := service.QueryOrderAmount(t.Context(), profitsharing.QueryOrderAmountRequest{TransactionId: transactionID})
			must(t, "query the amounts", err)
			return *amounts.UnsplitAmount
		}
		query := func(transactionID *string, outOrderNo string) *profitsharing.OrdersEntity {
			t.Helper()
			order, _, err := orders.QueryOrder(t.Context(), profitsharing.QueryOrderRequest{TransactionId: transactionID, OutOrderNo: &outOrderNo})
			must(t, "query the sharing", err)
			return order
		}

		transactionID := b.payForSharing(sdk, "ORDER0001")
		t.Run("SharedOnceEachReceiverWithItsResult", func(t *testing.T) {
			made, _, err := orders.CreateOrder(t.Context(), b.officialSharing(transactionID, "SHARE@1"))
			must(t, "share", err)
			want(t, "state", *made.State, profitsharing.ORDERSTATUS_PROCESSING)
			again, _, err := orders.CreateOrder(t.Context(), b.officialSharing(transactionID, "SHARE@1"))
			must(t, "share again under the same number", err)
			want(t, "order_id", *again.OrderId, *made.OrderId)
			b.advance(time.Minute)
			done := query(transactionID, "SHARE@1")
			want(t, "state", *done.State, profitsharing.ORDERSTATUS_FINISHED)
			for _, receiver := range done.Receivers {
				want(t, "result", *receiver.Result, profitsharing.DETAILSTATUS_SUCCESS)
			}
			want(t, "left", unsplit(transactionID), 744)
			ours, err := b.library().QueryProfitSharing(t.Context(), *transactionID, "SHARE@1")
			must(t, "query with ours", err)
			sameFields(t, ours, done)
		})
		t.Run("Refusals", func(t *testing.T) {
			changed := b.officialSharing(transactionID, "SHARE@1")
			changed.Receivers[0].Amount = core.Int64(199)
			_, _, err := orders.CreateOrder(t.Context(), changed)
			refused(t, "the same number with another amount", err, http.StatusBadRequest, "INVALID_REQUEST")
			_, _, err = orders.CreateOrder(t.Context(), b.officialSharing(transactionID, "SHARE@2"))
			refused(t, "more than the ratio", err, http.StatusForbidden, "RULE_LIMIT")
			_, _, err = orders.QueryOrder(t.Context(), profitsharing.QueryOrderRequest{TransactionId: transactionID, OutOrderNo: new("NONE")})
			refused(t, "query of an unknown number", err, http.StatusNotFound, "RESOURCE_NOT_EXISTS")
			receivers := profitsharing.ReceiversApiService{Client: sdk.client}
			_, _, err = receivers.AddReceiver(t.Context(), profitsharing.AddReceiverRequest{
				Appid: &w.AppID, Type: profitsharing.RECEIVERTYPE_MERCHANT_ID.Ptr(), Account: &other.MchID, Name: new("别的公司"),
				RelationType: profitsharing.RECEIVERRELATIONTYPE_STORE.Ptr(),
			})
			refused(t, "a merchant of another name", err, http.StatusBadRequest, "INVALID_REQUEST")
		})
		t.Run("ReturnedAndReleased", func(t *testing.T) {
			returns := profitsharing.ReturnOrdersApiService{Client: sdk.client}
			made, _, err := returns.CreateReturnOrder(t.Context(), profitsharing.CreateReturnOrderRequest{
				OutOrderNo: new("SHARE@1"), OutReturnNo: new("BACK@1"), ReturnMchid: &other.MchID, Amount: core.Int64(120), Description: new("用户退款"),
			})
			must(t, "return", err)
			want(t, "result", *made.Result, profitsharing.RETURNORDERSTATUS_SUCCESS)
			queried, _, err := returns.QueryReturnOrder(t.Context(), profitsharing.QueryReturnOrderRequest{OutOrderNo: new("SHARE@1"), OutReturnNo: new("BACK@1")})
			must(t, "query the return", err)
			want(t, "the return", queried.String(), made.String())
			ours, err := b.library().QueryProfitSharingReturn(t.Context(), "SHARE@1", "BACK@1")
			must(t, "query with ours", err)
			sameFields(t, ours, queried)
			released, _, err := orders.UnfreezeOrder(t.Context(), profitsharing.UnfreezeOrderRequest{
				TransactionId: transactionID, OutOrderNo: new("FREE@1"), Description: new("解冻全部剩余资金"),
			})
			must(t, "release", err)
			want(t, "released to", *released.Receivers[0].Account, w.MchID)
			b.advance(time.Minute)
			want(t, "amount", *query(transactionID, "FREE@1").Receivers[0].Amount, 744)
			want(t, "left", unsplit(transactionID), 0)
			_, _, err = orders.CreateOrder(t.Context(), b.officialSharing(transactionID, "SHARE@3"))
			refused(t, "sharing after the release", err, http.StatusBadRequest, "INVALID_REQUEST")
		})
		t.Run("RemovedReceiverIsRefused", func(t *testing.T) {
			another := b.payForSharing(sdk, "ORDER0002")
			receivers := profitsharing.ReceiversApiService{Client: sdk.client}
			_, _, err := receivers.DeleteReceiver(t.Context(), profitsharing.DeleteReceiverRequest{
				Appid: &w.AppID, Type: profitsharing.RECEIVERTYPE_MERCHANT_ID.Ptr(), Account: &other.MchID,
			})
			must(t, "delete", err)
			_, _, err = orders.CreateOrder(t.Context(), b.officialSharing(another, "SHARE@4"))
			refused(t, "sharing with a removed receiver", err, http.StatusBadRequest, "INVALID_REQUEST")
		})
		t.Run("RatioOfASubMerchant", func(t *testing.T) {
			service := profitsharing.MerchantsApiService{Client: sdk.client}
			ratio, _, err := service.QueryMerchantRatio(t.Context(), profitsharing.QueryMerchantRatioRequest{SubMchid: &other.MchID})
			must(t, "query the ratio", err)
			want(t, "max_ratio", *ratio.MaxRatio, 3000)
		})
	})
}

// TestOfficialProfitSharingForASubMerchant is partner mode (服务商模式): the SDK of the service provider and our library share the same
// money of its sub-merchant.
func TestOfficialProfitSharingForASubMerchant(t *testing.T) {
	t.Parallel()
	eachKeyMode(t, func(t *testing.T, b *bundle, sdk *official) {
		w, other := b.wechatpay(), b.receivingMerchant()
		ours, err := b.library().ForSubMerchant(wechatpay.SubMerchant{MchID: other.MchID, AppID: other.AppID})
		must(t, "act for the sub-merchant", err)
		payments := partnernative.NativeApiService{Client: sdk.client}
		_, _, err = payments.Prepay(t.Context(), partnernative.PrepayRequest{
			SpAppid: &w.AppID, SpMchid: &w.MchID, SubMchid: &other.MchID, Description: new(description), OutTradeNo: new("ORDER0001"),
			NotifyUrl: new(b.receiver.url()), Amount: &partnernative.Amount{Total: core.Int64(1000)}, SettleInfo: &partnernative.SettleInfo{ProfitSharing: new(true)},
		})
		must(t, "prepay", err)
		b.pay("ORDER0001")
		b.advance(time.Minute)
		order, err := ours.QueryOrderByOutTradeNo(t.Context(), "ORDER0001")
		must(t, "query the order", err)

		receivers := profitsharing.ReceiversApiService{Client: sdk.client}
		_, _, err = receivers.AddReceiver(t.Context(), profitsharing.AddReceiverRequest{
			Appid: &w.AppID, SubMchid: &other.MchID, Type: profitsharing.RECEIVERTYPE_MERCHANT_ID.Ptr(), Account: &w.MchID, Name: &w.Name,
			RelationType: profitsharing.RECEIVERRELATIONTYPE_SERVICE_PROVIDER.Ptr(),
		})
		must(t, "add the service provider", err)
		orders := profitsharing.OrdersApiService{Client: sdk.client}
		_, _, err = orders.CreateOrder(t.Context(), profitsharing.CreateOrderRequest{
			Appid: &w.AppID, SubMchid: &other.MchID, TransactionId: &order.TransactionID, OutOrderNo: new("SHARE1"), UnfreezeUnsplit: new(false),
			Receivers: []profitsharing.CreateOrderReceiver{
				{Type: new("MERCHANT_ID"), Account: &w.MchID, Amount: core.Int64(200), Description: new("服务费")},
			},
		})
		must(t, "share", err)
		b.advance(time.Minute)
		theirs, _, err := orders.QueryOrder(t.Context(), profitsharing.QueryOrderRequest{
			SubMchid: &other.MchID, TransactionId: &order.TransactionID, OutOrderNo: new("SHARE1"),
		})
		must(t, "query with the SDK", err)
		want(t, "sub_mchid", *theirs.SubMchid, other.MchID)
		shared, err := ours.QueryProfitSharing(t.Context(), order.TransactionID, "SHARE1")
		must(t, "query with ours", err)
		sameFields(t, shared, theirs)

		back, err := ours.CreateProfitSharingReturn(t.Context(), wechatpay.ProfitSharingReturnRequest{
			OutOrderNo: "SHARE1", OutReturnNo: "BACK1", ReturnMchID: w.MchID, Amount: 50, Description: "退回",
		})
		must(t, "return", err)
		returns := profitsharing.ReturnOrdersApiService{Client: sdk.client}
		queried, _, err := returns.QueryReturnOrder(t.Context(), profitsharing.QueryReturnOrderRequest{
			SubMchid: &other.MchID, OutOrderNo: new("SHARE1"), OutReturnNo: new("BACK1"),
		})
		must(t, "query the return with the SDK", err)
		sameFields(t, back, queried)
		_, err = ours.UnfreezeProfitSharing(t.Context(), wechatpay.ProfitSharingUnfreezeRequest{
			TransactionID: order.TransactionID, OutOrderNo: "FREE1", Description: "解冻全部剩余资金",
		})
		must(t, "release", err)
		b.advance(time.Minute)
		left, err := ours.QueryUnsplitAmount(t.Context(), order.TransactionID)
		must(t, "query the amount", err)
		want(t, "left", left, 0)
	})
}

// TestOfficialProfitSharingNotification gives the receiving merchant's handlers, the SDK's and ours, what the sandbox sends to it.
func TestOfficialProfitSharingNotification(t *testing.T) {
	t.Parallel()
	eachKeyMode(t, func(t *testing.T, b *bundle, sdk *official) {
		other := b.receivingMerchant()
		b.addReceivers(sdk)
		handler, err := notify.NewRSANotifyHandler(other.APIv3Key, sdk.verifier)
		must(t, "make the receiver's handler", err)
		orders := profitsharing.OrdersApiService{Client: sdk.client}
		for _, event := range []string{"TRANSACTION.SUCCESS", "PROFITSHARING", "PROFITSHARING.SUCCESS"} {
			b.settings(object{"profit_sharing": object{"event_type": event, "notify_urls": object{other.MchID: b.receiver.url()}}})
			transactionID := b.payForSharing(sdk, "ORDER"+event[:5]+event[len(event)-5:])
			_, _, err := orders.CreateOrder(t.Context(), b.officialSharing(transactionID, "SHARE"+*transactionID))
			must(t, "share", err)
			b.advance(time.Minute)
			got := b.receiver.wait()
			var content notify.ContentMap
			envelope, err := handler.ParseNotifyRequest(t.Context(), got.request(), &content)
			must(t, "parse with the SDK", err)
			want(t, "event", envelope.EventType, event)
			want(t, "transaction_id", content["transaction_id"], *transactionID)
			n, err := b.libraryOf(other).ParseNotification(got.request())
			must(t, "parse with ours", err)
			agree(t, n, envelope)
			sharing, ok := n.ProfitSharing()
			if !ok || sharing.Receiver.Account != other.MchID || sharing.Receiver.Amount != 200 || sharing.MchID != b.wechatpay().MchID {
				t.Errorf("%s: we read %+v", event, sharing)
			}
			_, err = sdk.handler.ParseNotifyRequest(t.Context(), got.request(), &content)
			failed(t, err, "decrypt") // it is not for the merchant that shared
		}
	})
}

// libraryOf is our library as another merchant of the sandbox.
func (b *bundle) libraryOf(m sandbox.SubMerchantCredentials) *wechatpay.Client {
	b.t.Helper()
	key, err := wechatpay.ParsePrivateKey(b.sandbox.Credentials().PEM(m.MerchantPrivateKeyFile))
	must(b.t, "read the merchant's key", err)
	w := b.wechatpay()
	return newClient(b.t, wechatpay.Config{
		MchID: m.MchID, SerialNo: m.MerchantSerialNo, Signer: key, APIv3Key: m.APIv3Key, BaseURL: w.BaseURL, BackupURL: w.BackupURL,
		PublicKeys: map[string]*rsa.PublicKey{w.PublicKeyID: b.publicKey()}, DownloadCertificates: true,
	})
}

// TestLibraryProfitSharing takes our library through a sharing at the sandbox.
func TestLibraryProfitSharing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ours, w, other := b.library(), b.wechatpay(), b.receivingMerchant()
	must(t, "add the merchant", ours.AddProfitSharingReceiver(t.Context(), wechatpay.ProfitSharingReceiver{
		AppID: w.AppID, Type: wechatpay.ReceiverTypeMerchantID, Account: other.MchID, Name: wechatpay.Sensitive(other.Name),
		RelationType: wechatpay.RelationTypeStore,
	}))
	person := wechatpay.ProfitSharingReceiver{
		AppID: w.AppID, Type: wechatpay.ReceiverTypePersonalOpenID, Account: w.OpenID, Name: "张三", RelationType: wechatpay.RelationTypeStaff,
	}
	must(t, "add the person", ours.AddProfitSharingReceiver(t.Context(), person))
	_, err := ours.PrepayNative(t.Context(), wechatpay.NativeRequest{
		AppID: w.AppID, Description: description, OutTradeNo: "ORDER0001", NotifyURL: b.receiver.url(), Amount: wechatpay.Amount{Total: 1000},
		SettleInfo: &wechatpay.SettleInfo{ProfitSharing: true},
	})
	must(t, "prepay", err)
	b.pay("ORDER0001")
	b.advance(time.Minute)
	order, err := ours.QueryOrderByOutTradeNo(t.Context(), "ORDER0001")
	must(t, "query", err)

	limit := wechatpay.ProfitSharingLimit(order.Amount.Total, 6, 3000)
	request := wechatpay.ProfitSharingRequest{
		AppID: w.AppID, TransactionID: order.TransactionID, OutOrderNo: "SHARE@1|2*3",
		Receivers: []wechatpay.ProfitSharingPart{
			{Type: wechatpay.ReceiverTypeMerchantID, Account: other.MchID, Amount: limit - 50, Description: "分给商户"},
			{Type: wechatpay.ReceiverTypePersonalOpenID, Account: w.OpenID, Name: "张三", Amount: 50, Description: "分给个人"},
		},
	}
	b.fault("profitsharing", "lose_answer") // the library repeats by itself, under the same number
	made, err := ours.CreateProfitSharing(t.Context(), request)
	must(t, "share", err)
	want(t, "state", made.State, wechatpay.ProfitSharingStateProcessing)
	b.control("POST", "/wechatpay/profitsharing/orders/SHARE@1%7C2*3/settle", object{"results": object{w.OpenID: "RECEIVER_HIGH_RISK"}})
	done, err := ours.QueryProfitSharing(t.Context(), order.TransactionID, request.OutOrderNo)
	must(t, "query the sharing", err)
	want(t, "state", done.State, wechatpay.ProfitSharingStateFinished)
	want(t, "the merchant's result", done.Receivers[0].Result, wechatpay.ProfitSharingResultSuccess)
	want(t, "the person's result", done.Receivers[1].Result, wechatpay.ProfitSharingResultClosed)
	want(t, "why", done.Receivers[1].FailReason, "RECEIVER_HIGH_RISK")
	left, err := ours.QueryUnsplitAmount(t.Context(), order.TransactionID)
	must(t, "query the amount", err)
	want(t, "left", left, 994-(limit-50))

	b.advance(time.Second)
	request.OutOrderNo, request.Receivers = "SHARE@2", []wechatpay.ProfitSharingPart{
		{Type: wechatpay.ReceiverTypeMerchantID, Account: other.MchID, Amount: left + 1, Description: "分给商户"},
	}
	_, err = ours.CreateProfitSharing(t.Context(), request)
	want(t, "outcome of sharing more than is left", wechatpay.OutcomeOf(err), wechatpay.OutcomeRefused)
	want(t, "its code", wechatpay.CodeOf(err), wechatpay.CodeNotEnough)

	back, err := ours.CreateProfitSharingReturn(t.Context(), wechatpay.ProfitSharingReturnRequest{
		OrderID: done.OrderID, OutReturnNo: "BACK@1", ReturnMchID: other.MchID, Amount: 100, Description: "用户退款",
	})
	must(t, "return", err)
	want(t, "result", back.Result, wechatpay.ProfitSharingReturnSuccess)
	back, err = ours.QueryProfitSharingReturn(t.Context(), done.OutOrderNo, "BACK@1")
	must(t, "query the return", err)
	want(t, "amount", back.Amount, 100)
	_, err = ours.UnfreezeProfitSharing(t.Context(), wechatpay.ProfitSharingUnfreezeRequest{
		TransactionID: order.TransactionID, OutOrderNo: "FREE@1", Description: "解冻全部剩余资金",
	})
	must(t, "release", err)
	b.advance(time.Minute)
	left, err = ours.QueryUnsplitAmount(t.Context(), order.TransactionID)
	must(t, "query the amount", err)
	want(t, "left after the release", left, 0)
	must(t, "delete the person", ours.DeleteProfitSharingReceiver(t.Context(), person))

	_, err = ours.QueryProfitSharing(t.Context(), order.TransactionID, "NONE")
	if provider, ok := errors.AsType[*wechatpay.Error](err); !ok || !provider.NotExist() {
		t.Errorf("query of an unknown number: %v", err)
	}
	partner, err := ours.ForSubMerchant(wechatpay.SubMerchant{MchID: other.MchID, AppID: other.AppID})
	must(t, "act for the sub-merchant", err)
	ratio, err := partner.QueryProfitSharingMaxRatio(t.Context())
	must(t, "query the ratio", err)
	want(t, "ratio", ratio, 3000)
	must(t, "add a receiver of the sub-merchant", partner.AddProfitSharingReceiver(t.Context(), wechatpay.ProfitSharingReceiver{
		AppID: w.AppID, Type: wechatpay.ReceiverTypePersonalSubOpenID, Account: w.OpenID, RelationType: wechatpay.RelationTypeServiceProvider,
	}))
}

// judgedSharing has what the answers of all sharing calls need; unknown fields are none of the library's business.
const judgedSharing = `{"transaction_id":"4200002222202406011234567890","out_order_no":"SHARE_|*@-1","order_id":"3008450740202406010000000001",` +
	`"state":"PROCESSING","receivers":[{"type":"PERSONAL_OPENID","account":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o","amount":30,"description":"分给个人","result":"PENDING"}],` +
	`"type":"PERSONAL_OPENID","account":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o","relation_type":"STAFF",` +
	`"out_return_no":"BACK_|*@-1","return_id":"3008450740202406010000000002","return_mchid":"1900009192","amount":10,"result":"SUCCESS",` +
	`"unsplit_amount":65,"sub_mchid":"1900009192","max_ratio":2000}`

// openNames has the SDK decrypt the names in a request of sharing.
func (j *judge) openNames(r *http.Request, body []byte) {
	if r.Method != http.MethodPost || !strings.HasPrefix(r.URL.Path, "/v3/profitsharing/") {
		return
	}
	type named struct {
		Name string `json:"name"`
	}
	var request struct {
		named
		Receivers []named `json:"receivers"`
	}
	if err := json.Unmarshal(body, &request); err != nil {
		j.t.Errorf("%s: %v", r.URL, err)
		return
	}
	for _, field := range append(request.Receivers, request.named) {
		if field.Name == "" {
			continue
		}
		name, err := utils.DecryptOAEP(field.Name, j.decrypter[r.Header.Get("Wechatpay-Serial")])
		want(j.t, "name", fmt.Sprint(name, err), "张三<nil>")
	}
}

// TestProfitSharingIsUnderstoodByTheSDK makes every call of our library for sharing. The judge on the other side is the SDK.
func TestProfitSharingIsUnderstoodByTheSDK(t *testing.T) {
	t.Parallel()
	for name, public := range map[string]bool{"PlatformCertificate": false, "PublicKey": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := newJudge(t)
			client, err := j.client(public).ForSubMerchant(wechatpay.SubMerchant{MchID: "1900009192"})
			must(t, "act for the sub-merchant", err)
			const transactionID, outOrderNo, openID = "4200002222202406011234567890", "SHARE_|*@-1", "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
			person := wechatpay.ProfitSharingReceiver{
				AppID: "wx8888888888888888", Type: wechatpay.ReceiverTypePersonalOpenID, Account: openID, Name: "张三", RelationType: wechatpay.RelationTypeStaff,
			}
			calls := map[string]func() error{
				"add":    func() error { return client.AddProfitSharingReceiver(t.Context(), person) },
				"delete": func() error { return client.DeleteProfitSharingReceiver(t.Context(), person) },
				"share": func() error {
					_, err := client.CreateProfitSharing(t.Context(), wechatpay.ProfitSharingRequest{
						AppID: person.AppID, TransactionID: transactionID, OutOrderNo: outOrderNo, Receivers: []wechatpay.ProfitSharingPart{
							{Type: person.Type, Account: openID, Name: "张三", Amount: 30, Description: "分给个人"},
						},
					})
					return err
				},
				"query": func() error { _, err := client.QueryProfitSharing(t.Context(), transactionID, outOrderNo); return err },
				"unfreeze": func() error {
					_, err := client.UnfreezeProfitSharing(t.Context(), wechatpay.ProfitSharingUnfreezeRequest{
						TransactionID: transactionID, OutOrderNo: outOrderNo, Description: "解冻",
					})
					return err
				},
				"return": func() error {
					_, err := client.CreateProfitSharingReturn(t.Context(), wechatpay.ProfitSharingReturnRequest{
						OutOrderNo: outOrderNo, OutReturnNo: "BACK_|*@-1", ReturnMchID: "1900009192", Amount: 10, Description: "用户退款",
					})
					return err
				},
				"query return": func() error {
					_, err := client.QueryProfitSharingReturn(t.Context(), outOrderNo, "BACK_|*@-1")
					return err
				},
				"amounts": func() error { _, err := client.QueryUnsplitAmount(t.Context(), transactionID); return err },
				"ratio":   func() error { _, err := client.QueryProfitSharingMaxRatio(t.Context()); return err },
			}
			for what, call := range calls {
				must(t, what, call())
			}
			if len(j.seen) != len(calls) {
				t.Errorf("%d calls arrived at %v", len(calls), j.seen)
			}
		})
	}
}
