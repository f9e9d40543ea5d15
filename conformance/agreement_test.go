package conformance_test

import (
	"crypto/rsa"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/core/cipher/decryptors"
	"github.com/wechatpay-apiv3/wechatpay-go/core/cipher/encryptors"
	"github.com/wechatpay-apiv3/wechatpay-go/core/notify"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments/native"
	"github.com/wechatpay-apiv3/wechatpay-go/services/refunddomestic"
	"github.com/wechatpay-apiv3/wechatpay-go/utils"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

// library is ours as a merchant of the sandbox, with both kinds of key.
func (b *bundle) library() *wechatpay.Client {
	b.t.Helper()
	w := b.wechatpay()
	return newClient(b.t, wechatpay.Config{
		MchID: w.MchID, SerialNo: w.MerchantSerialNo, Signer: b.merchant, APIv3Key: w.APIv3Key, BaseURL: w.BaseURL, BackupURL: w.BackupURL,
		PublicKeys: map[string]*rsa.PublicKey{w.PublicKeyID: b.publicKey()}, DownloadCertificates: true, CodepayV3: true,
	})
}

// TestNotificationsAreReadAlike gives what the sandbox sends to our library and to the SDK.
func TestNotificationsAreReadAlike(t *testing.T) {
	t.Parallel()
	eachKeyMode(t, func(t *testing.T, b *bundle, sdk *official) {
		ours := b.library()
		t.Run("PaymentWithCoupon", func(t *testing.T) {
			service := native.NativeApiService{Client: sdk.client}
			_, _, err := service.Prepay(t.Context(), b.nativeRequest("ORDER0001", 1000))
			must(t, "prepay", err)
			b.control("POST", "/wechatpay/pay", object{"out_trade_no": "ORDER0001", "result": "success", "coupon": 300})
			got := b.receiver.wait()
			var theirs payments.Transaction
			envelope, err := sdk.handler.ParseNotifyRequest(t.Context(), got.request(), &theirs)
			must(t, "parse with the SDK", err)
			n, err := ours.ParseNotification(got.request())
			must(t, "parse with ours", err)
			agree(t, n, envelope)
			order, ok := n.Order()
			if !ok {
				t.Fatal("we do not take it for a payment")
			}
			want(t, "payer_total", order.Amount.PayerTotal, 700)
			queried, err := ours.QueryOrderByTransactionID(t.Context(), order.TransactionID)
			must(t, "query with ours", err)
			sameFields(t, order, theirs)
			sameFields(t, queried, theirs)
		})
		t.Run("Refund", func(t *testing.T) {
			service := refunddomestic.RefundsApiService{Client: sdk.client}
			_, _, err := service.Create(t.Context(), refunddomestic.CreateRequest{
				OutTradeNo: new("ORDER0001"), OutRefundNo: new("REFUND0001"), NotifyUrl: new(b.receiver.url()),
				Amount: &refunddomestic.AmountReq{Refund: core.Int64(100), Total: core.Int64(1000), Currency: new("CNY")},
			})
			must(t, "refund", err)
			b.advance(time.Minute)
			got := b.receiver.wait()
			envelope, err := sdk.handler.ParseNotifyRequest(t.Context(), got.request(), new(notify.ContentMap))
			must(t, "parse with the SDK", err)
			n, err := ours.ParseNotification(got.request())
			must(t, "parse with ours", err)
			agree(t, n, envelope)
			if _, ok := n.Refund(); !ok {
				t.Error("we do not take it for a refund")
			}
			theirs, _, err := service.QueryByOutRefundNo(t.Context(), refunddomestic.QueryByOutRefundNoRequest{OutRefundNo: new("REFUND0001")})
			must(t, "query with the SDK", err)
			refund, err := ours.QueryRefund(t.Context(), "REFUND0001")
			must(t, "query with ours", err)
			sameFields(t, refund, theirs)
		})
		for effect, refusal := range map[string]error{
			"bad_signature": wechatpay.ErrSignature, "probe": wechatpay.ErrSignature, "stale_timestamp": wechatpay.ErrTimestamp,
			"unknown_serial": wechatpay.ErrUnknownSerial, "corrupt": wechatpay.ErrDecrypt, "other_key": wechatpay.ErrDecrypt,
		} {
			t.Run("BothRefuse/"+effect, func(t *testing.T) {
				b.fault("notify/payment", effect)
				got := b.paid(sdk, "REFUSED_"+effect)
				if _, err := ours.ParseNotification(got.request()); !errors.Is(err, refusal) {
					t.Errorf("we say %v, want %v", err, refusal)
				}
				if _, err := sdk.handler.ParseNotifyRequest(t.Context(), got.request(), new(notify.ContentMap)); err == nil {
					t.Error("the SDK accepts it")
				}
			})
		}
	})
}

// TestSensitiveFieldsBothWays lets each side open what the other encrypted.
func TestSensitiveFieldsBothWays(t *testing.T) {
	t.Parallel()
	v := readVectors(t)
	j := newJudge(t)
	merchant := loadPrivateKey(t, v.Meta.Files.MerchantPrivateKey)
	for serial, client := range map[string]*wechatpay.Client{v.Meta.PlatformSerialNo: j.client(false), v.Meta.PublicKeyID: j.client(true)} {
		for _, plaintext := range []string{"张三", strings.Repeat("x", 214)} {
			ciphertext, encryptedFor, err := client.EncryptSensitive(t.Context(), wechatpay.Sensitive(plaintext))
			must(t, "encrypt with ours", err)
			want(t, "encrypted for", encryptedFor, serial)
			opened, err := decryptors.NewWechatPayDecryptor(j.decrypter[serial]).Decrypt(t.Context(), ciphertext)
			must(t, "decrypt with the SDK", err)
			want(t, "what the SDK opens", opened, plaintext)

			ciphertext, err = encryptors.NewWechatPayPubKeyEncryptor("merchant", merchant.PublicKey).Encrypt(t.Context(), "merchant", plaintext)
			must(t, "encrypt with the SDK", err)
			ours, err := client.DecryptSensitive(ciphertext)
			must(t, "decrypt with ours", err)
			want(t, "what we open", string(ours), plaintext)
		}
		if _, _, err := client.EncryptSensitive(t.Context(), wechatpay.Sensitive(strings.Repeat("x", 215))); err == nil {
			t.Error("we encrypt 215 bytes")
		}
	}
	if _, err := utils.EncryptOAEPWithPublicKey(strings.Repeat("x", 215), &merchant.PublicKey); err == nil {
		t.Error("the SDK encrypts 215 bytes")
	}
}

// sameFields wants every field that the SDK has for the object to be the same in ours. Times are compared as moments, and a field that
// is empty is as good as one that is not there.
func sameFields(t *testing.T, ours, theirs any) {
	t.Helper()
	compare(t, "", asJSON(t, ours), asJSON(t, theirs))
}

func asJSON(t *testing.T, v any) any {
	t.Helper()
	raw, err := json.Marshal(v)
	must(t, "encode", err)
	var decoded any
	must(t, "decode", json.Unmarshal(raw, &decoded))
	return decoded
}

func compare(t *testing.T, at string, ours, theirs any) {
	t.Helper()
	if ours == nil && empty(theirs) {
		return
	}
	switch theirs := theirs.(type) {
	case object:
		fields, ok := ours.(object)
		if !ok {
			t.Errorf("%s: ours has %v", at, ours)
			return
		}
		for name, value := range theirs {
			compare(t, at+"/"+name, fields[name], value)
		}
	case []any:
		items, ok := ours.([]any)
		if !ok || len(items) != len(theirs) {
			t.Errorf("%s: ours has %v, the SDK %v", at, ours, theirs)
			return
		}
		for i, value := range theirs {
			compare(t, at+"/-", items[i], value)
		}
	case string:
		if moment, err := time.Parse(time.RFC3339, theirs); err == nil {
			if text, ok := ours.(string); ok {
				if other, err := time.Parse(time.RFC3339, text); err == nil && other.Equal(moment) {
					return
				}
			}
		}
		want(t, at, ours, theirs)
	default:
		want(t, at, ours, theirs)
	}
}

func empty(v any) bool {
	switch v := v.(type) {
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	}
	return v == nil
}
