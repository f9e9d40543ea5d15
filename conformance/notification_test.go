package conformance_test

import (
	"testing"

	"github.com/wechatpay-apiv3/wechatpay-go/core/auth/verifiers"
	"github.com/wechatpay-apiv3/wechatpay-go/core/notify"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments/native"
)

func (b *bundle) paid(sdk *official, outTradeNo string) received {
	b.t.Helper()
	service := native.NativeApiService{Client: sdk.client}
	_, _, err := service.Prepay(b.t.Context(), b.nativeRequest(outTradeNo, 1234))
	must(b.t, "prepay", err)
	b.pay(outTradeNo)
	return b.receiver.wait()
}

func TestOfficialNotificationHandler(t *testing.T) {
	t.Parallel()
	eachKeyMode(t, func(t *testing.T, b *bundle, sdk *official) {
		t.Run("PaymentIsRead", func(t *testing.T) {
			got := b.paid(sdk, "ORDER0001")
			want(t, "signed by", got.header.Get("Wechatpay-Serial"), sdk.serial)
			var order payments.Transaction
			envelope, err := sdk.handler.ParseNotifyRequest(t.Context(), got.request(), &order)
			must(t, "parse", err)
			want(t, "event", envelope.EventType, "TRANSACTION.SUCCESS")
			want(t, "resource_type", envelope.ResourceType, "encrypt-resource")
			want(t, "summary", envelope.Summary, "支付成功")
			service := native.NativeApiService{Client: sdk.client}
			queried, _, err := service.QueryOrderByOutTradeNo(t.Context(),
				native.QueryOrderByOutTradeNoRequest{OutTradeNo: order.OutTradeNo, Mchid: order.Mchid})
			must(t, "query", err)
			want(t, "the order notified", order.String(), queried.String())
		})
		for effect, why := range map[string]string{
			"bad_signature": "verify signature", "probe": "verify", "stale_timestamp": "expires", "unknown_serial": "serial", "corrupt": "decrypt", "other_key": "decrypt",
		} {
			t.Run("Refuses/"+effect, func(t *testing.T) {
				b.fault("notify/payment", effect)
				got := b.paid(sdk, "REFUSED_"+effect)
				_, err := sdk.handler.ParseNotifyRequest(t.Context(), got.request(), new(payments.Transaction))
				failed(t, err, why)
			})
		}
	})
}

// TestOfficialNotificationDuringTheSwitch is a merchant between the two kinds of key, whose notifications are signed with either.
func TestOfficialNotificationDuringTheSwitch(t *testing.T) {
	t.Parallel()
	b := setup(t)
	manager := newManager(t)
	certificates, public := b.withManager(manager, b.httpClient()), b.withPublicKey()
	w := b.wechatpay()
	handler, err := notify.NewRSANotifyHandler(w.APIv3Key,
		verifiers.NewSHA256WithRSACombinedVerifier(manager.GetCertificateVisitor(w.MchID), w.PublicKeyID, *b.publicKey()))
	must(t, "make the combined handler", err)
	for outTradeNo, sdk := range map[string]*official{"ORDER0001": certificates, "ORDER0002": public} {
		got := b.paid(sdk, outTradeNo)
		want(t, "signed by", got.header.Get("Wechatpay-Serial"), sdk.serial)
		_, err := handler.ParseNotifyRequest(t.Context(), got.request(), new(payments.Transaction))
		must(t, "parse", err)
	}
}
