package conformance_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/core/consts"
	"github.com/wechatpay-apiv3/wechatpay-go/core/notify"
	"github.com/wechatpay-apiv3/wechatpay-go/services/refunddomestic"
)

// echo is the provider's self-test (安全联调), which the SDK has no package for: its raw signed calls reach everything.
type echo struct {
	EchoMessage          *string `json:"echo_message"`
	EncryptedEchoMessage *string `json:"encrypted_echo_message" encryption:"EM_APIV3"`
	NotifyURL            *string `json:"notify_url,omitempty"`
}

// echoes sends a sensitive field through the SDK's cipher and returns what comes back through it.
func (sdk *official) echoes(t *testing.T, message, notifyURL string) (answered, serial string) {
	t.Helper()
	request := echo{EchoMessage: new("hello"), EncryptedEchoMessage: new(message)}
	if notifyURL != "" {
		request.NotifyURL = &notifyURL
	}
	serial, err := sdk.client.EncryptRequest(t.Context(), &request)
	must(t, "encrypt", err)
	if strings.Contains(*request.EncryptedEchoMessage, message) {
		t.Fatal("the SDK did not encrypt the field")
	}
	result, err := sdk.client.Post(t.Context(), consts.WechatPayAPIServer+"/v3/security/echo", request)
	must(t, "echo", err)
	var answer echo
	must(t, "decode", core.UnMarshalResponse(result.Response, &answer))
	must(t, "decrypt", sdk.client.DecryptResponse(t.Context(), &answer))
	return *answer.EncryptedEchoMessage, serial
}

func TestOfficialSensitiveFields(t *testing.T) {
	t.Parallel()
	eachKeyMode(t, func(t *testing.T, b *bundle, sdk *official) {
		t.Run("GoToTheProviderAndBack", func(t *testing.T) {
			for _, message := range []string{"张三", strings.Repeat("x", 214)} {
				answered, serial := sdk.echoes(t, message, "")
				want(t, "the message that came back", answered, message)
				want(t, "encrypted for", serial, sdk.serial)
			}
		})
		t.Run("EchoIsNotified", func(t *testing.T) {
			sdk.echoes(t, "张三", b.receiver.url())
			var content notify.ContentMap
			envelope, err := sdk.handler.ParseNotifyRequest(t.Context(), b.receiver.wait().request(), &content)
			must(t, "parse", err)
			want(t, "event", envelope.EventType, "SECURITY_ECHO.SUCCESS")
			want(t, "message", content["echo_message"], "hello")
		})
		t.Run("FieldInTheClearIsRefused", func(t *testing.T) {
			_, err := sdk.client.Post(t.Context(), consts.WechatPayAPIServer+"/v3/security/echo",
				echo{EchoMessage: new("hello"), EncryptedEchoMessage: new("张三")})
			refused(t, "echo", err, http.StatusBadRequest, "PARAM_ERROR")
		})
		t.Run("AbnormalRefundTakesTheCard", func(t *testing.T) {
			b.settings(object{"refund_outcome": "ABNORMAL"})
			b.paid(sdk, "ORDER0001")
			refunds := refunddomestic.RefundsApiService{Client: sdk.client}
			refund, _, err := refunds.Create(t.Context(), refunddomestic.CreateRequest{
				OutTradeNo: new("ORDER0001"), OutRefundNo: new("REFUND0001"),
				Amount: &refunddomestic.AmountReq{Refund: core.Int64(1), Total: core.Int64(1234), Currency: new("CNY")},
			})
			must(t, "refund", err)
			b.advance(time.Minute)
			b.settings(object{"refund_outcome": "SUCCESS"})
			request := struct {
				OutRefundNo *string `json:"out_refund_no"`
				Type        *string `json:"type"`
				BankType    *string `json:"bank_type"`
				BankAccount *string `json:"bank_account" encryption:"EM_APIV3"`
				RealName    *string `json:"real_name" encryption:"EM_APIV3"`
			}{refund.OutRefundNo, new("USER_BANK_CARD"), new("ICBC_DEBIT"), new("6222020000000000000"), new("张三")}
			_, err = sdk.client.EncryptRequest(t.Context(), &request)
			must(t, "encrypt", err)
			_, err = sdk.client.Post(t.Context(), consts.WechatPayAPIServer+"/v3/refund/domestic/refunds/"+*refund.RefundId+"/apply-abnormal-refund", request)
			must(t, "apply for the abnormal refund", err)
			b.advance(time.Minute)
			settled, _, err := refunds.QueryByOutRefundNo(t.Context(), refunddomestic.QueryByOutRefundNoRequest{OutRefundNo: refund.OutRefundNo})
			must(t, "query the refund", err)
			want(t, "status", *settled.Status, "SUCCESS")
		})
	})
}
