package conformance_test

import (
	"net/http"
	"testing"

	"github.com/wechatpay-apiv3/wechatpay-go/services/payments/h5"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments/native"
)

func TestOfficialQueryAndClose(t *testing.T) {
	t.Parallel()
	eachKeyMode(t, func(t *testing.T, b *bundle, sdk *official) {
		w := b.wechatpay()
		service := native.NativeApiService{Client: sdk.client}
		query := func(outTradeNo string) native.QueryOrderByOutTradeNoRequest {
			return native.QueryOrderByOutTradeNoRequest{OutTradeNo: &outTradeNo, Mchid: &w.MchID}
		}
		place := func(t *testing.T, outTradeNo string) {
			t.Helper()
			_, _, err := service.Prepay(t.Context(), b.nativeRequest(outTradeNo, 1234))
			must(t, "prepay", err)
		}
		t.Run("PaidOrderIsTheSameByBothNumbers", func(t *testing.T) {
			place(t, "ORDER_|*-0001") // every character that a number may hold
			unpaid, _, err := service.QueryOrderByOutTradeNo(t.Context(), query("ORDER_|*-0001"))
			must(t, "query before the payment", err)
			want(t, "state", *unpaid.TradeState, "NOTPAY")
			if unpaid.TransactionId != nil {
				t.Errorf("there is a transaction_id before the payment: %s", *unpaid.TransactionId)
			}
			b.pay("ORDER_|*-0001")
			b.receiver.wait()
			paid, _, err := service.QueryOrderByOutTradeNo(t.Context(), query("ORDER_|*-0001"))
			must(t, "query by out_trade_no", err)
			want(t, "state", *paid.TradeState, "SUCCESS")
			want(t, "total", *paid.Amount.Total, 1234)
			want(t, "trade_type", *paid.TradeType, "NATIVE")
			want(t, "openid", *paid.Payer.Openid, w.OpenID)
			other := h5.H5ApiService{Client: sdk.client} // any service queries any order
			byID, _, err := other.QueryOrderById(t.Context(), h5.QueryOrderByIdRequest{TransactionId: paid.TransactionId, Mchid: &w.MchID})
			must(t, "query by transaction_id", err)
			want(t, "the order by transaction_id", byID.String(), paid.String())
		})
		t.Run("ClosedOrderStaysClosed", func(t *testing.T) {
			place(t, "ORDER0002")
			result, err := service.CloseOrder(t.Context(), native.CloseOrderRequest{OutTradeNo: new("ORDER0002"), Mchid: &w.MchID})
			must(t, "close", err)
			want(t, "status", result.Response.StatusCode, http.StatusNoContent)
			closed, _, err := service.QueryOrderByOutTradeNo(t.Context(), query("ORDER0002"))
			must(t, "query", err)
			want(t, "state", *closed.TradeState, "CLOSED")
			_, _, err = service.Prepay(t.Context(), b.nativeRequest("ORDER0002", 1234))
			refused(t, "prepay of a closed number", err, http.StatusBadRequest, "ORDER_CLOSED")
		})
		t.Run("PaidOrderIsNotClosed", func(t *testing.T) {
			place(t, "ORDER0003")
			b.pay("ORDER0003")
			b.receiver.wait()
			_, err := service.CloseOrder(t.Context(), native.CloseOrderRequest{OutTradeNo: new("ORDER0003"), Mchid: &w.MchID})
			refused(t, "close", err, http.StatusBadRequest, "INVALID_REQUEST")
		})
		t.Run("UnknownOrderIsAnAPIError", func(t *testing.T) {
			_, _, err := service.QueryOrderByOutTradeNo(t.Context(), query("ORDER0004"))
			refused(t, "query", err, http.StatusNotFound, "ORDER_NOT_EXIST")
		})
		t.Run("OtherDataUnderTheSameNumberIsRefused", func(t *testing.T) {
			place(t, "ORDER0005")
			_, _, err := service.Prepay(t.Context(), b.nativeRequest("ORDER0005", 1235))
			refused(t, "prepay", err, http.StatusBadRequest, "INVALID_REQUEST")
		})
	})
}
