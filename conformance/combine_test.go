package conformance_test

import (
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/core/consts"
	"github.com/wechatpay-apiv3/wechatpay-go/core/notify"
	"github.com/wechatpay-apiv3/wechatpay-go/core/option"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments/native"
	"github.com/wechatpay-apiv3/wechatpay-go/services/refunddomestic"
	"github.com/wechatpay-apiv3/wechatpay-go/utils"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

// The SDK has no service for combined payments (合单支付); its merchants call them through core.Client, which signs and verifies all
// the same.
const combineURL = consts.WechatPayAPIServer + "/v3/combine-transactions/"

// combineBody is a cart of two merchants, whose sub orders are number+"A" and number+"B".
func (b *bundle) combineBody(number string) object {
	w := b.wechatpay()
	subOrder := func(mchID, suffix string, total int64) object {
		return object{
			"mchid": mchID, "out_trade_no": number + suffix, "attach": "店 " + suffix, "description": description,
			"amount": object{"total_amount": total, "currency": "CNY"},
		}
	}
	return object{
		"combine_appid": w.AppID, "combine_mchid": w.MchID, "combine_out_trade_no": number, "notify_url": b.receiver.url(),
		"sub_orders": []object{subOrder(w.MchID, "A", 60), subOrder(w.SubMerchants[0].MchID, "B", 40)},
	}
}

func (b *bundle) combineClosing(number string) object {
	w := b.wechatpay()
	return object{"combine_appid": w.AppID, "sub_orders": []object{
		{"mchid": w.MchID, "out_trade_no": number + "A"}, {"mchid": w.SubMerchants[0].MchID, "out_trade_no": number + "B"},
	}}
}

// combineTransaction is what a merchant of the SDK writes for himself to read a combined payment.
type combineTransaction struct {
	CombineAppid      *string `json:"combine_appid"`
	CombineMchid      *string `json:"combine_mchid"`
	CombineOutTradeNo *string `json:"combine_out_trade_no"`
	CombinePayerInfo  *struct {
		Openid *string `json:"openid"`
	} `json:"combine_payer_info"`
	SubOrders []struct {
		Mchid         *string `json:"mchid"`
		OutTradeNo    *string `json:"out_trade_no"`
		TransactionID *string `json:"transaction_id"`
		TradeType     *string `json:"trade_type"`
		TradeState    *string `json:"trade_state"`
		BankType      *string `json:"bank_type"`
		Attach        *string `json:"attach"`
		SuccessTime   *string `json:"success_time"`
		Amount        *struct {
			TotalAmount   *int64  `json:"total_amount"`
			PayerAmount   *int64  `json:"payer_amount"`
			Currency      *string `json:"currency"`
			PayerCurrency *string `json:"payer_currency"`
		} `json:"amount"`
	} `json:"sub_orders"`
}

// answered decodes an answer that the SDK has verified.
func answered[T any](t *testing.T, what string, result *core.APIResult, err error) T {
	t.Helper()
	must(t, what, err)
	defer result.Response.Body.Close()
	raw, err := io.ReadAll(result.Response.Body)
	must(t, what, err)
	var answer T
	must(t, what, json.Unmarshal(raw, &answer))
	return answer
}

func (b *bundle) payCombined(number string) received {
	b.t.Helper()
	b.control("POST", "/wechatpay/pay", object{"combine_out_trade_no": number, "result": "success"})
	return b.receiver.wait()
}

// secondMerchant is the SDK of the other merchant of a cart, with a key of its own.
func (b *bundle) secondMerchant() (client *core.Client, key *rsa.PrivateKey) {
	b.t.Helper()
	w := b.wechatpay()
	sub := w.SubMerchants[0]
	key, err := utils.LoadPrivateKey(string(b.sandbox.Credentials().PEM(sub.MerchantPrivateKeyFile)))
	must(b.t, "load the second merchant's key", err)
	client, err = core.NewClient(b.t.Context(), option.WithHTTPClient(b.httpClient()),
		option.WithWechatPayPublicKeyAuthCipher(sub.MchID, sub.MerchantSerialNo, key, w.PublicKeyID, b.publicKey()))
	must(b.t, "make the second merchant's client", err)
	return client, key
}

func TestOfficialCombine(t *testing.T) {
	t.Parallel()
	eachKeyMode(t, func(t *testing.T, b *bundle, sdk *official) {
		w := b.wechatpay()
		query := func(t *testing.T, number string) combineTransaction {
			t.Helper()
			result, err := sdk.client.Get(t.Context(), combineURL+"out-trade-no/"+number)
			return answered[combineTransaction](t, "query", result, err)
		}
		place := func(t *testing.T, kind string, body object) map[string]string {
			t.Helper()
			result, err := sdk.client.Post(t.Context(), combineURL+kind, body)
			return answered[map[string]string](t, "prepay "+kind, result, err)
		}
		for kind, credential := range map[string]string{"native": "code_url", "h5": "h5_url", "jsapi": "prepay_id", "app": "prepay_id"} {
			t.Run("Prepay/"+kind, func(t *testing.T) {
				number := "CART_|*-" + kind
				body := b.combineBody(number)
				switch kind {
				case "jsapi":
					body["combine_payer_info"] = object{"openid": w.OpenID}
				case "h5":
					body["scene_info"] = object{"payer_client_ip": "14.23.150.211", "device_id": "POS1", "h5_info": object{"type": "iOS"}}
				}
				code := place(t, kind, body)[credential]
				b.control("POST", "/wechatpay/pay", object{credential: code, "result": "success"})
				b.receiver.wait()
				paid := query(t, strings.NewReplacer("|", "%7C", "*", "%2A").Replace(number))
				want(t, "state", *paid.SubOrders[1].TradeState, "SUCCESS")
			})
		}
		t.Run("OneNotificationIsTheQuery", func(t *testing.T) {
			place(t, "native", b.combineBody("CART0001"))
			got := b.payCombined("CART0001")
			want(t, "signed by", got.header.Get("Wechatpay-Serial"), sdk.serial)
			var notified combineTransaction
			envelope, err := sdk.handler.ParseNotifyRequest(t.Context(), got.request(), &notified)
			must(t, "parse", err)
			want(t, "event", envelope.EventType, "TRANSACTION.SUCCESS")
			want(t, "original type", envelope.Resource.OriginalType, "transaction")
			want(t, "sub orders", len(notified.SubOrders), 2)
			want(t, "total_amount", *notified.SubOrders[1].Amount.TotalAmount, 40)
			sameFields(t, query(t, "CART0001"), notified)
		})
		t.Run("ClosedOnlyByItsExactList", func(t *testing.T) {
			place(t, "native", b.combineBody("CART0002"))
			short := b.combineClosing("CART0002")
			short["sub_orders"] = short["sub_orders"].([]object)[:1]
			_, err := sdk.client.Post(t.Context(), combineURL+"out-trade-no/CART0002/close", short)
			refused(t, "close by a shorter list", err, http.StatusBadRequest, "INVALID_REQUEST")
			result, err := sdk.client.Post(t.Context(), combineURL+"out-trade-no/CART0002/close", b.combineClosing("CART0002"))
			must(t, "close", err)
			want(t, "status", result.Response.StatusCode, http.StatusNoContent)
			want(t, "state", *query(t, "CART0002").SubOrders[0].TradeState, "CLOSED")
		})
		t.Run("SingleOrderServiceDoesNotKnowIt", func(t *testing.T) {
			place(t, "native", b.combineBody("CART0003"))
			service := native.NativeApiService{Client: sdk.client}
			for _, number := range []string{"CART0003", "CART0003A"} {
				_, _, err := service.QueryOrderByOutTradeNo(t.Context(), native.QueryOrderByOutTradeNoRequest{OutTradeNo: &number, Mchid: &w.MchID})
				refused(t, "single query of "+number, err, http.StatusNotFound, "ORDER_NOT_EXIST")
			}
		})
		t.Run("EachMerchantRefundsItsOwn", func(t *testing.T) {
			place(t, "native", b.combineBody("CART0004"))
			b.payCombined("CART0004")
			request := refunddomestic.CreateRequest{
				TransactionId: query(t, "CART0004").SubOrders[1].TransactionID, OutRefundNo: new("REFUND0001"),
				Amount: &refunddomestic.AmountReq{Refund: core.Int64(15), Total: core.Int64(40), Currency: new("CNY")},
			}
			initiator := refunddomestic.RefundsApiService{Client: sdk.client}
			_, _, err := initiator.Create(t.Context(), request)
			refused(t, "refund by the initiator", err, http.StatusNotFound, "RESOURCE_NOT_EXISTS")
			client, _ := b.secondMerchant()
			refund, _, err := (&refunddomestic.RefundsApiService{Client: client}).Create(t.Context(), request)
			must(t, "refund by its merchant", err)
			want(t, "out_trade_no", *refund.OutTradeNo, "CART0004B")
			want(t, "state", *query(t, "CART0004").SubOrders[1].TradeState, "REFUND")
		})
		t.Run("ChangedRepeatAndMissingPermissionAreRefused", func(t *testing.T) {
			place(t, "native", b.combineBody("CART0005"))
			changed := b.combineBody("CART0005")
			changed["sub_orders"].([]object)[0]["settle_info"] = object{"profit_sharing": true}
			_, err := sdk.client.Post(t.Context(), combineURL+"native", changed)
			refused(t, "changed repeat", err, http.StatusBadRequest, "INVALID_REQUEST")
			b.settings(object{"combine_receive": false})
			defer b.settings(object{"combine_receive": true})
			_, err = sdk.client.Post(t.Context(), combineURL+"native", b.combineBody("CART0006"))
			refused(t, "no permission", err, http.StatusForbidden, "NO_AUTH")
		})
	})
}

// TestCombineIsReadAlike lets our library take combined payments from the sandbox; the SDK reads the same ones.
func TestCombineIsReadAlike(t *testing.T) {
	t.Parallel()
	b := setup(t)
	sdk, ours, w := b.withPublicKey(), b.library(), b.wechatpay()
	subOrders := func(number string) []wechatpay.SubOrderRequest {
		return []wechatpay.SubOrderRequest{
			{MchID: w.MchID, OutTradeNo: number + "A", Attach: "店 A", Description: description, Amount: wechatpay.CombineAmount{TotalAmount: 60}},
			{MchID: w.SubMerchants[0].MchID, OutTradeNo: number + "B", Attach: "店 B", Description: description, Amount: wechatpay.CombineAmount{TotalAmount: 40}},
		}
	}
	cart := func(number string) wechatpay.CombineNativeRequest {
		return wechatpay.CombineNativeRequest{
			CombineAppID: w.AppID, CombineOutTradeNo: wechatpay.CombineOutTradeNo(number), NotifyURL: b.receiver.url(), SubOrders: subOrders(number),
		}
	}
	t.Run("EveryKindIsPlaced", func(t *testing.T) {
		_, err := ours.PrepayCombineNative(t.Context(), cart("NATIVE0001"))
		must(t, "native", err)
		_, err = ours.PrepayCombineApp(t.Context(), wechatpay.CombineAppRequest(cart("APP0001")))
		must(t, "app", err)
		_, err = ours.PrepayCombineJSAPI(t.Context(), wechatpay.CombineJSAPIRequest{
			CombineAppID: w.AppID, CombineOutTradeNo: "JSAPI0001", NotifyURL: b.receiver.url(), SubOrders: subOrders("JSAPI0001"),
			CombinePayerInfo: wechatpay.CombinePayerInfo{OpenID: w.OpenID},
		})
		must(t, "jsapi", err)
		_, err = ours.PrepayCombineH5(t.Context(), wechatpay.CombineH5Request{
			CombineAppID: w.AppID, CombineOutTradeNo: "H50001", NotifyURL: b.receiver.url(), SubOrders: subOrders("H50001"),
			SceneInfo: wechatpay.CombineH5SceneInfo{PayerClientIP: "203.0.113.8", H5Info: wechatpay.H5Info{Type: "Wap"}},
		})
		must(t, "h5", err)
	})
	t.Run("PaymentIsReadAlike", func(t *testing.T) {
		placed, err := ours.PrepayCombineNative(t.Context(), cart("CART0001"))
		must(t, "prepay", err)
		b.control("POST", "/wechatpay/pay", object{"code_url": placed.CodeURL, "result": "success", "coupon": 70})
		got := b.receiver.wait()
		var theirs combineTransaction
		envelope, err := sdk.handler.ParseNotifyRequest(t.Context(), got.request(), &theirs)
		must(t, "parse with the SDK", err)
		n, err := ours.ParseNotification(got.request())
		must(t, "parse with ours", err)
		agree(t, n, envelope)
		order, ok := n.CombineOrder()
		if !ok {
			t.Fatal("we do not take it for a combined payment")
		}
		want(t, "payer_amount", order.SubOrders[1].Amount.PayerAmount, 30)
		sameFields(t, order, nothingPaidLeftOut(theirs))
		queried, err := ours.QueryCombineOrder(t.Context(), "CART0001")
		must(t, "query with ours", err)
		sameFields(t, queried, nothingPaidLeftOut(theirs))
		_, err = ours.QueryOrderByOutTradeNo(t.Context(), order.SubOrders[0].OutTradeNo)
		want(t, "a sub order by the single query", wechatpay.CodeOf(err), wechatpay.CodeOrderNotExist)
	})
	t.Run("EachMerchantRefundsItsOwn", func(t *testing.T) {
		_, err := ours.PrepayCombineNative(t.Context(), cart("CART0002"))
		must(t, "prepay", err)
		b.payCombined("CART0002")
		sub := w.SubMerchants[0]
		_, key := b.secondMerchant()
		second := newClient(t, wechatpay.Config{
			MchID: sub.MchID, SerialNo: sub.MerchantSerialNo, Signer: key, APIv3Key: sub.APIv3Key, BaseURL: w.BaseURL,
			PublicKeys: map[string]*rsa.PublicKey{w.PublicKeyID: b.publicKey()},
		})
		request := wechatpay.RefundRequest{OutTradeNo: "CART0002B", OutRefundNo: "REFUND0001", Amount: wechatpay.RefundAmount{Refund: 40, Total: 40}}
		_, err = ours.CreateRefund(t.Context(), request)
		want(t, "the initiator's try", wechatpay.CodeOf(err), wechatpay.CodeResourceNotExists)
		_, err = second.CreateRefund(t.Context(), request)
		must(t, "refund by its merchant", err)
	})
	t.Run("CloseRepeatAndLostAnswer", func(t *testing.T) {
		b.fault("combine_prepay", "lose_answer") // placed, and the answer cut off: the library repeats
		_, err := ours.PrepayCombineNative(t.Context(), cart("CART0003"))
		must(t, "prepay", err)
		changed := cart("CART0003")
		changed.SubOrders[0].Amount.TotalAmount++
		_, err = ours.PrepayCombineNative(t.Context(), changed)
		if api, ok := errors.AsType[*wechatpay.Error](err); !ok || !api.ParametersDiffer() || wechatpay.OutcomeOf(err) != wechatpay.OutcomeRefused {
			t.Errorf("got %v, want parameters that differ", err)
		}
		closing := wechatpay.CombineCloseRequest{CombineAppID: w.AppID, CombineOutTradeNo: "CART0003", SubOrders: []wechatpay.CombineCloseSubOrder{
			{MchID: w.MchID, OutTradeNo: "CART0003A"}, {MchID: w.SubMerchants[0].MchID, OutTradeNo: "CART0003B"},
		}}
		b.fault("combine_close", "lose_answer")
		must(t, "close", ours.CloseCombineOrder(t.Context(), closing))
		order, err := ours.QueryCombineOrder(t.Context(), "CART0003")
		must(t, "query", err)
		want(t, "state", order.SubOrders[1].TradeState, wechatpay.TradeStateClosed)
	})
	t.Run("PartnerMode", func(t *testing.T) {
		request := cart("CART0004")
		request.SubOrders = request.SubOrders[:1]
		request.SubOrders[0].MchID, request.SubOrders[0].SubMchID = "", w.SubMerchants[0].MchID
		_, err := ours.PrepayCombineNative(t.Context(), request)
		must(t, "prepay", err)
		n, err := ours.ParseNotification(b.payCombined("CART0004").request())
		must(t, "parse", err)
		order, _ := n.CombineOrder()
		want(t, "sub_mchid", order.SubOrders[0].SubMchID, w.SubMerchants[0].MchID)
	})
	for effect, refusal := range map[string]error{"bad_signature": wechatpay.ErrSignature, "corrupt": wechatpay.ErrDecrypt} {
		t.Run("BothRefuse/"+effect, func(t *testing.T) {
			b.fault("notify/combine", effect)
			number := "REFUSED_" + effect
			_, err := ours.PrepayCombineNative(t.Context(), cart(number))
			must(t, "prepay", err)
			got := b.payCombined(number)
			if _, err := ours.ParseNotification(got.request()); !errors.Is(err, refusal) {
				t.Errorf("we say %v, want %v", err, refusal)
			}
			if _, err := sdk.handler.ParseNotifyRequest(t.Context(), got.request(), new(notify.ContentMap)); err == nil {
				t.Error("the SDK accepts it")
			}
		})
	}
}

// nothingPaidLeftOut takes away amounts of zero, which our library leaves out when it writes JSON.
func nothingPaidLeftOut(order combineTransaction) combineTransaction {
	for i := range order.SubOrders {
		if amount := order.SubOrders[i].Amount; amount.PayerAmount != nil && *amount.PayerAmount == 0 {
			amount.PayerAmount = nil
		}
	}
	return order
}

// TestCombineIsUnderstoodByTheSDK makes every call of our library for combined payments. The judge on the other side is the SDK.
func TestCombineIsUnderstoodByTheSDK(t *testing.T) {
	t.Parallel()
	for name, public := range map[string]bool{"PlatformCertificate": false, "PublicKey": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := newJudge(t)
			client := j.client(public)
			cart := wechatpay.CombineNativeRequest{
				CombineAppID: "wx8888888888888888", CombineOutTradeNo: "CART_|*-0001", NotifyURL: "https://pay.example.com/notify",
				SubOrders: []wechatpay.SubOrderRequest{
					{MchID: "1900009191", OutTradeNo: "CART_|*-0001A", Attach: "a", Description: description, Amount: wechatpay.CombineAmount{TotalAmount: 60}},
					{MchID: "1900009192", OutTradeNo: "CART_|*-0001B", Attach: "b", Description: description, Amount: wechatpay.CombineAmount{TotalAmount: 40}},
				},
			}
			_, err := client.PrepayCombineNative(t.Context(), cart)
			must(t, "native", err)
			_, err = client.PrepayCombineApp(t.Context(), wechatpay.CombineAppRequest(cart))
			must(t, "app", err)
			_, err = client.PrepayCombineJSAPI(t.Context(), wechatpay.CombineJSAPIRequest{
				CombineAppID: cart.CombineAppID, CombineOutTradeNo: cart.CombineOutTradeNo, NotifyURL: cart.NotifyURL, SubOrders: cart.SubOrders,
				CombinePayerInfo: wechatpay.CombinePayerInfo{OpenID: "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
			})
			must(t, "jsapi", err)
			_, err = client.PrepayCombineH5(t.Context(), wechatpay.CombineH5Request{
				CombineAppID: cart.CombineAppID, CombineOutTradeNo: cart.CombineOutTradeNo, NotifyURL: cart.NotifyURL, SubOrders: cart.SubOrders,
				SceneInfo: wechatpay.CombineH5SceneInfo{PayerClientIP: "203.0.113.8", H5Info: wechatpay.H5Info{Type: "Wap"}},
			})
			must(t, "h5", err)
			_, err = client.QueryCombineOrder(t.Context(), cart.CombineOutTradeNo)
			must(t, "query", err)
			must(t, "close", client.CloseCombineOrder(t.Context(), wechatpay.CombineCloseRequest{
				CombineAppID: cart.CombineAppID, CombineOutTradeNo: cart.CombineOutTradeNo,
				SubOrders: []wechatpay.CombineCloseSubOrder{{MchID: "1900009191", OutTradeNo: "CART_|*-0001A"}, {MchID: "1900009192", OutTradeNo: "CART_|*-0001B"}},
			}))
			want(t, "calls that arrived", len(j.seen), 6)
		})
	}
}
