package conformance_test

import (
	"testing"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core/notify"
	"github.com/wechatpay-apiv3/wechatpay-go/services/partnerpayments"
	"github.com/wechatpay-apiv3/wechatpay-go/services/partnerpayments/jsapi"
	"github.com/wechatpay-apiv3/wechatpay-go/services/partnerpayments/native"
	"github.com/wechatpay-apiv3/wechatpay-go/services/refunddomestic"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

// TestOfficialPartner is a service provider's life (服务商模式) by the SDK's own services for it.
func TestOfficialPartner(t *testing.T) {
	t.Parallel()
	eachKeyMode(t, func(t *testing.T, b *bundle, sdk *official) {
		w := b.wechatpay()
		sub := w.SubMerchants[0]
		service := native.NativeApiService{Client: sdk.client}
		place := func(t *testing.T, number string) {
			t.Helper()
			answer, _, err := service.Prepay(t.Context(), native.PrepayRequest{
				SpAppid: new(w.AppID), SpMchid: new(w.MchID), SubAppid: new(sub.AppID), SubMchid: new(sub.MchID),
				Description: new(description), OutTradeNo: new(number), NotifyUrl: new(b.receiver.url()),
				Amount: &native.Amount{Total: new(int64(100)), Currency: new("CNY")},
			})
			must(t, "prepay", err)
			if answer.CodeUrl == nil || *answer.CodeUrl == "" {
				t.Error("no code_url")
			}
		}
		query := func(t *testing.T, number string) *partnerpayments.Transaction {
			t.Helper()
			order, _, err := service.QueryOrderByOutTradeNo(t.Context(), native.QueryOrderByOutTradeNoRequest{
				OutTradeNo: new(number), SpMchid: new(w.MchID), SubMchid: new(sub.MchID),
			})
			must(t, "query", err)
			return order
		}

		t.Run("PaidAndToldAndRefunded", func(t *testing.T) {
			place(t, "PARTNER0001")
			b.pay("PARTNER0001")
			var told partnerpayments.Transaction
			_, err := sdk.handler.ParseNotifyRequest(t.Context(), b.receiver.wait().request(), &told)
			must(t, "notification", err)
			sameFields(t, told, *query(t, "PARTNER0001"))
			want(t, "sub_mchid", *told.SubMchid, sub.MchID)
			want(t, "sp_mchid", *told.SpMchid, w.MchID)
			byID, _, err := service.QueryOrderById(t.Context(), native.QueryOrderByIdRequest{
				TransactionId: told.TransactionId, SpMchid: new(w.MchID), SubMchid: new(sub.MchID),
			})
			must(t, "query by id", err)
			sameFields(t, told, *byID)

			refunds := refunddomestic.RefundsApiService{Client: sdk.client}
			refund, _, err := refunds.Create(t.Context(), refunddomestic.CreateRequest{
				SubMchid: new(sub.MchID), TransactionId: told.TransactionId, OutRefundNo: new("PARTNERR1"), NotifyUrl: new(b.receiver.url()),
				Amount: &refunddomestic.AmountReq{Refund: new(int64(40)), Total: new(int64(100)), Currency: new("CNY")},
			})
			must(t, "refund", err)
			want(t, "status", *refund.Status, refunddomestic.STATUS_PROCESSING)
			b.advance(3 * time.Second)
			content := notify.ContentMap{}
			_, err = sdk.handler.ParseNotifyRequest(t.Context(), b.receiver.wait().request(), &content)
			must(t, "notification", err)
			want(t, "sub_mchid", content["sub_mchid"], sub.MchID)
			queried, _, err := refunds.QueryByOutRefundNo(t.Context(), refunddomestic.QueryByOutRefundNoRequest{
				OutRefundNo: new("PARTNERR1"), SubMchid: new(sub.MchID),
			})
			must(t, "query the refund", err)
			want(t, "status", *queried.Status, refunddomestic.STATUS_SUCCESS)
			_, _, err = refunds.QueryByOutRefundNo(t.Context(), refunddomestic.QueryByOutRefundNoRequest{OutRefundNo: new("PARTNERR1")})
			refused(t, "query as a merchant", err, 404, "RESOURCE_NOT_EXISTS")
		})
		t.Run("Closed", func(t *testing.T) {
			place(t, "PARTNER0002")
			_, err := service.CloseOrder(t.Context(), native.CloseOrderRequest{
				OutTradeNo: new("PARTNER0002"), SpMchid: new(w.MchID), SubMchid: new(sub.MchID),
			})
			must(t, "close", err)
			want(t, "state", *query(t, "PARTNER0002").TradeState, "CLOSED")
		})
		t.Run("JSAPI", func(t *testing.T) {
			service := jsapi.JsapiApiService{Client: sdk.client}
			answer, _, err := service.PrepayWithRequestPayment(t.Context(), jsapi.PrepayRequest{
				SpAppid: new(w.AppID), SpMchid: new(w.MchID), SubMchid: new(sub.MchID),
				Description: new(description), OutTradeNo: new("PARTNER0003"), NotifyUrl: new(b.receiver.url()),
				Amount: &jsapi.Amount{Total: new(int64(100))}, Payer: &jsapi.Payer{SpOpenid: new(w.OpenID)},
			}, w.AppID)
			must(t, "prepay", err)
			b.verifyByMerchant(*answer.PaySign, *answer.Appid, *answer.TimeStamp, *answer.NonceStr, *answer.Package)
		})
		t.Run("NotForItself", func(t *testing.T) {
			_, _, err := service.QueryOrderByOutTradeNo(t.Context(), native.QueryOrderByOutTradeNoRequest{
				OutTradeNo: new("PARTNER0001"), SpMchid: new(w.MchID), SubMchid: new(w.MchID),
			})
			refused(t, "query", err, 400, "INVALID_REQUEST")
		})
	})
}

// TestPartnerIsReadAlike gives what the sandbox sends to a service provider to our library and to the SDK.
func TestPartnerIsReadAlike(t *testing.T) {
	t.Parallel()
	b := setup(t)
	sdk, w := b.withPublicKey(), b.wechatpay() // our library names this key, so the SDK must know it
	ours, err := b.library().ForSubMerchant(wechatpay.SubMerchant{MchID: w.SubMerchants[0].MchID, AppID: w.SubMerchants[0].AppID})
	must(t, "partner", err)
	_, err = ours.PrepayNative(t.Context(), wechatpay.NativeRequest{
		AppID: w.AppID, Description: description, OutTradeNo: "PARTNER0001", NotifyURL: b.receiver.url(), Amount: wechatpay.Amount{Total: 100},
	})
	must(t, "prepay", err)
	b.pay("PARTNER0001")
	got := b.receiver.wait()
	var theirs partnerpayments.Transaction
	envelope, err := sdk.handler.ParseNotifyRequest(t.Context(), got.request(), &theirs)
	must(t, "parse with the SDK", err)
	n, err := ours.ParseNotification(got.request())
	must(t, "parse with ours", err)
	agree(t, n, envelope)
	order, _ := n.Order()
	sameFields(t, order, theirs)
	queried, err := ours.QueryOrderByTransactionID(t.Context(), order.TransactionID)
	must(t, "query", err)
	sameFields(t, queried, theirs)

	refund := wechatpay.RefundRequest{
		TransactionID: order.TransactionID, OutRefundNo: "PARTNERR1", NotifyURL: b.receiver.url(), Amount: wechatpay.RefundAmount{Refund: 40, Total: 100},
	}
	b.fault("refund", "lose_answer")
	_, err = ours.CreateRefund(t.Context(), refund)
	must(t, "refund", err)
	b.advance(3 * time.Second)
	n, err = ours.ParseNotification(b.receiver.wait().request())
	must(t, "parse with ours", err)
	told, _ := n.Refund()
	want(t, "sub_mchid", told.SubMchID, w.SubMerchants[0].MchID)
	made, err := ours.QueryRefund(t.Context(), "PARTNERR1")
	must(t, "query the refund", err)
	want(t, "status", made.Status, wechatpay.RefundStatusSuccess)

	_, err = ours.PrepayNative(t.Context(), wechatpay.NativeRequest{
		AppID: w.AppID, Description: description, OutTradeNo: "PARTNER0002", NotifyURL: b.receiver.url(), Amount: wechatpay.Amount{Total: 100},
	})
	must(t, "prepay", err)
	must(t, "close", ours.CloseOrder(t.Context(), "PARTNER0002"))
}
