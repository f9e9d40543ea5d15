package conformance_test

import (
	"strings"
	"testing"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/services/fileuploader"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

// TestOfficialUpload sends files with the SDK's uploaders, which sign the meta part alone.
func TestOfficialUpload(t *testing.T) {
	t.Parallel()
	eachKeyMode(t, func(t *testing.T, b *bundle, sdk *official) {
		id := func(what string, id *string, _ *core.APIResult, err error) {
			t.Helper()
			must(t, what, err)
			if id == nil || *id == "" {
				t.Errorf("%s: no id", what)
			}
		}
		image, result, err := (&fileuploader.ImageUploader{Client: sdk.client}).Upload(t.Context(), strings.NewReader("picture"), "店面.png", "image/png")
		id("image", image.MediaId, result, err)
		video, result, err := (&fileuploader.VideoUploader{Client: sdk.client}).Upload(t.Context(), strings.NewReader("video"), "a.mp4", "video/mp4")
		id("video", video.MediaId, result, err)
		favor, result, err := (&fileuploader.MarketingImageUploader{Client: sdk.client}).Upload(t.Context(), strings.NewReader("picture"), "a.jpg", "image/jpg")
		id("coupon", favor.MediaUrl, result, err)
		complaint, result, err := (&fileuploader.MchBizUploader{Client: sdk.client}).Upload(t.Context(), strings.NewReader("picture"), "a.bmp", "image/bmp")
		id("complaint", complaint.MediaId, result, err)
		_, _, err = (&fileuploader.ImageUploader{Client: sdk.client}).Upload(t.Context(), strings.NewReader("video"), "a.mp4", "video/mp4")
		refused(t, "a video as a picture", err, 400, "PARAM_ERROR")
	})
}

// TestLibraryAtTheSandbox makes those calls of our library whose other side the SDK has no part for.
func TestLibraryAtTheSandbox(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.settings(object{"codepay_v3": true})
	w := b.wechatpay()
	ours := b.library()

	t.Run("Uploads", func(t *testing.T) {
		for name, upload := range map[string]func() (string, error){
			"image":     func() (string, error) { return ours.UploadImage(t.Context(), file("店面.png")) },
			"pdf":       func() (string, error) { return ours.UploadImage(t.Context(), file("a.pdf")) },
			"video":     func() (string, error) { return ours.UploadVideo(t.Context(), file("a.mp4")) },
			"coupon":    func() (string, error) { return ours.UploadFavorImage(t.Context(), file("a.jpg")) },
			"complaint": func() (string, error) { return ours.UploadMerchantServiceImage(t.Context(), file("a.bmp")) },
		} {
			if id, err := upload(); err != nil || id == "" {
				t.Errorf("%s: %q, %v", name, id, err)
			}
		}
		var answer struct {
			MediaID string `json:"media_id"`
		}
		upload := file("a.png")
		must(t, "Do", ours.Do(t.Context(), wechatpay.Request{Method: "POST", Path: "/v3/merchant/media/upload", File: &upload}, &answer))
		_, err := ours.UploadVideo(t.Context(), file("a.png"))
		want(t, "a picture as a video", wechatpay.CodeOf(err), wechatpay.CodeParamError)
	})
	t.Run("Echo", func(t *testing.T) {
		answer, err := ours.Echo(t.Context(), wechatpay.EchoRequest{EchoMessage: "你好", EncryptedEchoMessage: "暗号", NotifyURL: b.receiver.url()})
		must(t, "echo", err)
		want(t, "secret", string(answer.EncryptedEchoMessage), "暗号")
		n, err := ours.ParseNotification(b.receiver.wait().request())
		must(t, "notification", err)
		echo, _ := n.Echo()
		want(t, "echo", echo.EchoMessage, "你好")
	})
	t.Run("PaymentCode", func(t *testing.T) {
		pay := func(number, outcome string) (*wechatpay.Order, error) {
			code := b.control("POST", "/wechatpay/auth_code", object{"outcome": outcome})["auth_code"].(string)
			return ours.PayByCode(t.Context(), wechatpay.CodePayRequest{
				AppID: w.AppID, Description: description, OutTradeNo: number, AuthCode: wechatpay.Sensitive(code), Amount: wechatpay.Amount{Total: 100},
				SceneInfo: wechatpay.CodePaySceneInfo{StoreInfo: wechatpay.CodePayStoreInfo{OutID: "S1"}},
			})
		}
		order, err := pay("CODE0001", "success")
		must(t, "pay", err)
		want(t, "state", order.TradeState, wechatpay.TradeStateSuccess)
		b.advance(15 * time.Second)
		reverse := wechatpay.ReverseRequest{AppID: w.AppID, OutTradeNo: "CODE0001"}
		b.fault("reverse", "lose_answer")
		must(t, "reverse", ours.ReverseOrder(t.Context(), reverse))
		_, err = pay("CODE0002", "fail")
		want(t, "failed", wechatpay.OutcomeOf(err), wechatpay.OutcomeRefused)
		_, err = pay("CODE0003", "not_enough")
		want(t, "balance short", wechatpay.OutcomeOf(err), wechatpay.OutcomeRefused)
		order, err = ours.QueryOrderByOutTradeNo(t.Context(), "CODE0001")
		must(t, "query", err)
		want(t, "state", order.TradeState, wechatpay.TradeStateRevoked)
	})
	t.Run("DoOfWhatHasAMethod", func(t *testing.T) {
		var order wechatpay.Order
		must(t, "Do", ours.Do(t.Context(), wechatpay.Request{
			Method: "GET", Path: "/v3/pay/transactions/out-trade-no/CODE0001", Query: map[string][]string{"mchid": {w.MchID}},
		}, &order))
		want(t, "state", order.TradeState, wechatpay.TradeStateRevoked)
		err := ours.Do(t.Context(), wechatpay.Request{Method: "GET", Path: "/v3/nothing"}, nil)
		want(t, "nothing there", wechatpay.CodeOf(err), wechatpay.CodeNotFound)
	})
}

func file(name string) wechatpay.File {
	return wechatpay.File{Name: name, Content: strings.NewReader("the file")}
}
