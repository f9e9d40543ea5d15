package conformance_test

import (
	"testing"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/core/notify"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments/native"
	"github.com/wechatpay-apiv3/wechatpay-go/services/refunddomestic"
)

func TestOfficialRefund(t *testing.T) {
	t.Parallel()
	eachKeyMode(t, func(t *testing.T, b *bundle, sdk *official) {
		orders := native.NativeApiService{Client: sdk.client}
		refunds := refunddomestic.RefundsApiService{Client: sdk.client}
		_, _, err := orders.Prepay(t.Context(), b.nativeRequest("ORDER0001", 1000))
		must(t, "prepay", err)
		b.pay("ORDER0001")
		b.receiver.wait()

		request := refunddomestic.CreateRequest{
			OutTradeNo: new("ORDER0001"), OutRefundNo: new("REFUND_|*@-1"), // every character that a number may hold
			Reason: new("凉了"), NotifyUrl: new(b.receiver.url()),
			Amount: &refunddomestic.AmountReq{Refund: core.Int64(300), Total: core.Int64(1000), Currency: new("CNY")},
			GoodsDetail: []refunddomestic.GoodsDetail{{
				MerchantGoodsId: new("ABC"), WechatpayGoodsId: new("1001"), GoodsName: new("咖啡"),
				UnitPrice: core.Int64(1000), RefundAmount: core.Int64(300), RefundQuantity: core.Int64(1),
			}},
		}
		accepted, _, err := refunds.Create(t.Context(), request)
		must(t, "refund", err)
		want(t, "status", *accepted.Status, "PROCESSING")
		want(t, "channel", *accepted.Channel, "ORIGINAL")
		want(t, "refunded", *accepted.Amount.Refund, 300)
		again, _, err := refunds.Create(t.Context(), request)
		must(t, "the same refund again", err)
		want(t, "refund_id of the repeat", *again.RefundId, *accepted.RefundId)

		b.advance(time.Minute)
		settled, _, err := refunds.QueryByOutRefundNo(t.Context(), refunddomestic.QueryByOutRefundNoRequest{OutRefundNo: request.OutRefundNo})
		must(t, "query the refund", err)
		want(t, "status", *settled.Status, "SUCCESS")
		if settled.SuccessTime == nil || settled.UserReceivedAccount == nil {
			t.Errorf("a refund that succeeded lacks its time or the account: %v", settled)
		}

		var notice notify.ContentMap
		envelope, err := sdk.handler.ParseNotifyRequest(t.Context(), b.receiver.wait().request(), &notice)
		must(t, "parse the notification", err)
		want(t, "event", envelope.EventType, "REFUND.SUCCESS")
		want(t, "original type", envelope.Resource.OriginalType, "refund")
		want(t, "refund_status", notice["refund_status"], "SUCCESS")
		want(t, "refund_id", notice["refund_id"], *settled.RefundId)
	})
}
