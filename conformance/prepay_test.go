package conformance_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments/app"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments/h5"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments/jsapi"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments/native"
)

// A description with characters that JSON encoders may escape, to see that signatures are over the bytes sent.
const description = "一杯咖啡 <大> & 小"

func (b *bundle) nativeRequest(outTradeNo string, total int64) native.PrepayRequest {
	w := b.wechatpay()
	return native.PrepayRequest{
		Appid: &w.AppID, Mchid: &w.MchID, Description: new(description), OutTradeNo: &outTradeNo,
		NotifyUrl: new(b.receiver.url()), Amount: &native.Amount{Total: &total, Currency: new("CNY")},
	}
}

func (b *bundle) jsapiRequest(outTradeNo string, total int64) jsapi.PrepayRequest {
	w := b.wechatpay()
	return jsapi.PrepayRequest{
		Appid: &w.AppID, Mchid: &w.MchID, Description: new(description), OutTradeNo: &outTradeNo, Attach: new("桌 7"),
		TimeExpire: new(time.Now().Add(time.Hour)), NotifyUrl: new(b.receiver.url()), GoodsTag: new("WXG"),
		LimitPay: []string{"no_credit"}, SupportFapiao: new(false),
		Amount: &jsapi.Amount{Total: &total, Currency: new("CNY")}, Payer: &jsapi.Payer{Openid: &w.OpenID},
		Detail: &jsapi.Detail{
			CostPrice: &total, InvoiceId: new("wx123"),
			GoodsDetail: []jsapi.GoodsDetail{{
				MerchantGoodsId: new("ABC"), WechatpayGoodsId: new("1001"), GoodsName: new("咖啡"),
				Quantity: core.Int64(1), UnitPrice: &total,
			}},
		},
		SceneInfo: &jsapi.SceneInfo{
			PayerClientIp: new("14.23.150.211"), DeviceId: new("013467007045764"),
			StoreInfo: &jsapi.StoreInfo{Id: new("0001"), Name: new("一号店"), AreaCode: new("440305"), Address: new("科技中一道")},
		},
		SettleInfo: &jsapi.SettleInfo{ProfitSharing: new(false)},
	}
}

// TestOfficialPrepay places an order of each kind with every field that the SDK has for it.
func TestOfficialPrepay(t *testing.T) {
	t.Parallel()
	eachKeyMode(t, func(t *testing.T, b *bundle, sdk *official) {
		w := b.wechatpay()
		t.Run("Native", func(t *testing.T) {
			service := native.NativeApiService{Client: sdk.client}
			answer, result, err := service.Prepay(t.Context(), b.nativeRequest("NATIVE0001", 100))
			must(t, "prepay", err)
			if !strings.HasPrefix(*answer.CodeUrl, "weixin://wxpay/") {
				t.Errorf("code_url is %s", *answer.CodeUrl)
			}
			want(t, "the answer is signed by", result.Response.Header.Get("Wechatpay-Serial"), sdk.serial)
		})
		t.Run("H5", func(t *testing.T) {
			service := h5.H5ApiService{Client: sdk.client}
			answer, _, err := service.Prepay(t.Context(), h5.PrepayRequest{
				Appid: &w.AppID, Mchid: &w.MchID, Description: new(description), OutTradeNo: new("H50001"),
				NotifyUrl: new(b.receiver.url()), Amount: &h5.Amount{Total: core.Int64(100), Currency: new("CNY")},
				SceneInfo: &h5.SceneInfo{
					PayerClientIp: new("14.23.150.211"),
					H5Info:        &h5.H5Info{Type: new("iOS"), AppName: new("店"), AppUrl: new("https://pay.qq.com"), BundleId: new("com.tencent.wzryiOS")},
				},
			})
			must(t, "prepay", err)
			if !strings.HasPrefix(*answer.H5Url, "https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=") {
				t.Errorf("h5_url is %s", *answer.H5Url)
			}
		})
		t.Run("JSAPIWithInvocation", func(t *testing.T) {
			service := jsapi.JsapiApiService{Client: sdk.client}
			answer, _, err := service.PrepayWithRequestPayment(t.Context(), b.jsapiRequest("JSAPI0001", 100))
			must(t, "prepay", err)
			want(t, "package", *answer.Package, "prepay_id="+*answer.PrepayId)
			want(t, "signType", *answer.SignType, "RSA")
			b.verifyByMerchant(*answer.PaySign, *answer.Appid, *answer.TimeStamp, *answer.NonceStr, *answer.Package)
			b.control("POST", "/wechatpay/pay", object{"prepay_id": *answer.PrepayId, "result": "success"})
			b.receiver.wait()
		})
		t.Run("AppWithInvocation", func(t *testing.T) {
			service := app.AppApiService{Client: sdk.client}
			answer, _, err := service.PrepayWithRequestPayment(t.Context(), app.PrepayRequest{
				Appid: &w.AppID, Mchid: &w.MchID, Description: new(description), OutTradeNo: new("APP0001"),
				NotifyUrl: new(b.receiver.url()), Amount: &app.Amount{Total: core.Int64(100), Currency: new("CNY")},
			})
			must(t, "prepay", err)
			want(t, "package", *answer.Package, "Sign=WXPay")
			want(t, "partnerId", *answer.PartnerId, w.MchID)
			b.verifyByMerchant(*answer.Sign, w.AppID, *answer.TimeStamp, *answer.NonceStr, *answer.PrepayId)
			b.control("POST", "/wechatpay/pay", object{"prepay_id": *answer.PrepayId, "result": "success"})
			b.receiver.wait()
		})
	})
}

// verifyByMerchant checks an invocation's signature over its four lines with the merchant's public key.
func (b *bundle) verifyByMerchant(signature string, lines ...string) {
	b.t.Helper()
	raw, err := base64.StdEncoding.DecodeString(signature)
	must(b.t, "decode the signature", err)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n") + "\n"))
	must(b.t, "verify the invocation", rsa.VerifyPKCS1v15(&b.merchant.PublicKey, crypto.SHA256, sum[:], raw))
}
