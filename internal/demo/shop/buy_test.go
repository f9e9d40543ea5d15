package shop

import (
	"encoding/xml"
	"fmt"
	"image"
	"image/color"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/makiuchi-d/gozxing"
	zxing "github.com/makiuchi-d/gozxing/qrcode"

	"github.com/tongbao-pay/tongbao/client"
)

func TestBuy(t *testing.T) {
	t.Parallel()

	t.Run("ThePriceComesFromTheShopsTableNeverFromTheForm", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		at := b.pressed("/orders", url.Values{"product": {"umbrella"}, "amount": {"1"}, "price": {"1"}})
		p := b.gateway.payment(strings.TrimPrefix(at, "/orders/"))
		if p["amount"] != 8800.0 || p["channel"] != "wechat" || p["product"] != "native" {
			t.Fatalf("the gateway was asked for %v", p)
		}
	})

	t.Run("AProductThatIsNotSoldMakesNoOrder", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		if w := b.press("/orders", url.Values{"product": {"gold"}}); w.Code != http.StatusBadRequest || b.gateway.count("create") != 0 {
			t.Fatalf("%d, %d calls", w.Code, b.gateway.count("create"))
		}
	})

	t.Run("OrderNumbersCannotBeGuessedAndFitTheGateway", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		first, second := b.buy("tea"), b.buy("tea")
		fits := regexp.MustCompile(`^shop-[A-Z2-7]{26}$`) // 130 bits
		if first == second || !fits.MatchString(first) || !fits.MatchString(second) {
			t.Fatalf("%s and %s", first, second)
		}
	})

	t.Run("TheOrderShowsAQRCodeThatScansToTheCodeURL", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		no := b.buy("tea")
		page := b.page("/orders/" + no)
		want := b.gateway.payment(no)["credential"].(object)["code_url"].(string)
		if got := scan(t, page); got != want {
			t.Fatalf("the code says %q, not %q", got, want)
		}
		b.wantState(no, "pending")
		shows(t, page, "等待付款", "Waiting for payment", "0.88", "15:00", `data-left="900"`, `http-equiv="refresh"`,
			"http://phone.test/pay?code_url="+url.QueryEscape(want), "pay_1", "关闭订单", "20:15:00 UTC+8")
	})

	t.Run("AnExpiredOrderShowsNoCode", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		no := b.buy("tea")
		b.advance(payWithin - time.Second)
		b.wantState(no, "pending")
		b.advance(time.Second)
		b.wantState(no, "expired")
		hides(t, b.page("/orders/"+no), `id="qr"`, `id="phone"`, `id="close"`)
	})

	t.Run("AWebhookThatOvertakesTheAnswerFindsItsOrder", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.gateway.created = func(p object) { b.event("evt_first", client.EventPaymentCreated, 1, p) }
		no := b.buy("tea")
		b.wantState(no, "pending")
		shows(t, b.page("/orders/"+no), "evt_first", `id="qr"`)
	})

	t.Run("AWebhookAfterTheAnswerLeavesTheCodeOnThePage", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		no := b.buy("tea")
		b.event("evt_first", client.EventPaymentCreated, 1, with(b.gateway.payment(no), object{"status": "processing", "credential": nil}))
		b.wantState(no, "pending")
		shows(t, b.page("/orders/"+no), `id="qr"`)
	})

	t.Run("ARefusalIsShownInWordsWithItsCodeAndRequestID", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.gateway.refuse = &refusal{422, object{
			"code": "channel_refused", "detail": "see <channel_error>", "request_id": "req_42",
			"channel_error": object{"code": "NO_AUTH", "message": "商户号未开通"},
		}}
		no := b.buy("tea")
		b.wantState(no, "failed")
		shows(t, b.page("/orders/"+no), "支付渠道拒绝了这个请求", "channel_refused", "req_42", "NO_AUTH 商户号未开通", "see &lt;channel_error&gt;")
	})

	t.Run("AnyRefusalForGoodOffersNoRepetition", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.gateway.refuse = &refusal{401, object{"code": "unauthenticated", "detail": "check the key", "request_id": "req_45"}}
		no := b.buy("tea")
		b.wantState(no, "failed")
		hides(t, b.page("/orders/"+no), `id="retry"`)
	})

	t.Run("AnUnknownOutcomeIsRepeatedUnderTheSameNumber", func(t *testing.T) {
		t.Parallel()
		for name, no := range map[string]*refusal{
			"ProviderUnavailable": {503, object{"code": "channel_unavailable", "detail": "repeat", "request_id": "req_43"}},
			"NoAnswer":            {},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				b := setup(t)
				b.gateway.refuse = no
				order := b.buy("tea")
				b.wantState(order, "unknown")
				shows(t, b.page("/orders/"+order), "用同一单号重试")
				b.gateway.set(func() { b.gateway.refuse = nil })
				b.advance(time.Minute)
				b.pressed("/orders/"+order+"/payment", nil)
				b.wantState(order, "pending")
				hides(t, b.page("/orders/"+order), `class="problem"`, `id="retry"`)
				if b.gateway.count("create") != 2 || len(b.gateway.payments) != 1 {
					t.Fatalf("%d calls made %d payments", b.gateway.count("create"), len(b.gateway.payments))
				}
				b.pressed("/orders/"+order+"/payment", nil)
				if b.gateway.count("create") != 2 {
					t.Error("an order that has its code was placed again")
				}
			})
		}
	})

	t.Run("AnAcceptedPaymentWithoutACodeYetCanBeAskedForAgain", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.gateway.unpaid = true
		no := b.buy("tea")
		b.wantState(no, "placing")
		shows(t, b.page("/orders/"+no), "用同一单号重试")
		b.gateway.set(func() { b.gateway.unpaid = false })
		b.advance(time.Minute) // the repetition must have the same content all the same
		b.pressed("/orders/"+no+"/payment", nil)
		b.wantState(no, "pending")
	})

	t.Run("CausesOfLostAnswersGoToTheLogAndNotToThePage", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.gateway.refuse = &refusal{}
		no := b.buy("tea")
		hides(t, b.page("/orders/"+no), b.gateway.server.URL)
		shows(t, b.log.String(), "a call to the gateway failed", no)
		hides(t, b.log.String(), "sk_test")
	})
}

func TestClose(t *testing.T) {
	t.Parallel()

	t.Run("AClosedOrderIsClosedAtTheGatewayAndShowsNoCode", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		no := b.buy("tea")
		b.pressed("/orders/"+no+"/close", nil)
		b.wantState(no, "closed")
		hides(t, b.page("/orders/"+no), `id="qr"`, `id="close"`)
	})

	t.Run("AnOrderThatEndedAlreadyIsNotClosedAgain", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		no := b.paid()
		b.pressed("/orders/"+no+"/close", nil)
		if b.gateway.count("close") != 0 {
			t.Fatal("the gateway was asked")
		}
		b.wantState(no, "paid")
	})

	t.Run("AClosureByTheGatewayAtExpirySaysThatNobodyPaid", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		no := b.buy("tea")
		b.advance(payWithin + time.Second)
		b.event("evt_closed", client.EventPaymentClosed, 2, with(b.gateway.payment(no), object{
			"status": "closed", "closed_at": b.clock().Format(time.RFC3339), "credential": nil,
		}))
		b.wantState(no, "overdue")
	})

	t.Run("ARefusedClosureLeavesTheOrderPayable", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		no := b.buy("tea")
		b.gateway.refuse = &refusal{409, object{"code": "payment_not_closable", "detail": "it is paid", "request_id": "req_44"}}
		b.pressed("/orders/"+no+"/close", nil)
		b.wantState(no, "pending")
		shows(t, b.page("/orders/"+no), "这个订单现在不能关闭", "req_44")
	})
}

// scan draws the page's QR code as a browser would and reads it with another library.
func scan(t *testing.T, page string) string {
	t.Helper()
	source := regexp.MustCompile(`(?s)<svg id="qr".*?</svg>`).FindString(page)
	var svg struct {
		ViewBox string `xml:"viewBox,attr"`
		Rect    struct {
			Fill string `xml:"fill,attr"`
		} `xml:"rect"`
		Path struct {
			Fill string `xml:"fill,attr"`
			D    string `xml:"d,attr"`
		} `xml:"path"`
	}
	if err := xml.Unmarshal([]byte(source), &svg); err != nil {
		t.Fatalf("no QR code on the page: %v", err)
	}
	if svg.Rect.Fill != "#fff" || svg.Path.Fill != "#000" {
		t.Fatalf("the code is %s on %s", svg.Path.Fill, svg.Rect.Fill)
	}
	var side int
	if _, err := fmt.Sscanf(svg.ViewBox, "0 0 %d", &side); err != nil {
		t.Fatal(err)
	}
	const scale = 6
	drawn := image.NewGray(image.Rect(0, 0, side*scale, side*scale))
	for i := range drawn.Pix {
		drawn.Pix[i] = 0xff
	}
	low, high := side, 0
	for part := range strings.SplitSeq(strings.TrimSuffix(svg.Path.D, "z"), "z") {
		var x, y, run, back int
		if _, err := fmt.Sscanf(part, "M%d %dh%dv1h-%d", &x, &y, &run, &back); err != nil || run != back {
			t.Fatalf("path %q: %v", part, err)
		}
		low, high = min(low, x, y), max(high, x+run, y+1)
		for px := x * scale; px < (x+run)*scale; px++ {
			for py := y * scale; py < (y+1)*scale; py++ {
				drawn.SetGray(px, py, color.Gray{})
			}
		}
	}
	if low != quietZone || side-high != quietZone {
		t.Fatalf("quiet zone of %d and %d modules", low, side-high)
	}
	bitmap, err := gozxing.NewBinaryBitmapFromImage(drawn)
	if err != nil {
		t.Fatal(err)
	}
	// The picture is the code alone: searching it for a code fails for about one code in two hundred.
	result, err := zxing.NewQRCodeReader().Decode(bitmap, map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_PURE_BARCODE: true})
	if err != nil {
		t.Fatal(err)
	}
	return result.GetText()
}
