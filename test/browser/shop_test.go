package browser_test

import (
	"bytes"
	"image/png"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/makiuchi-d/gozxing"
	zxing "github.com/makiuchi-d/gozxing/qrcode"
)

func TestShopTurnsPaidBeforeTheBuyersEyes(t *testing.T) {
	t.Parallel()
	d, stop := startDemo(t)
	b := openBrowser(t)

	b.do(chromedp.Navigate(d.ShopURL()), chromedp.WaitVisible(chromedp.CSS(`[data-buy="tea"]`)))
	b.shot("1-shop")
	b.do(chromedp.Click(chromedp.CSS(`[data-buy="tea"]`)), b.state("pending"), b.connected("up"))
	b.shot("2-qr-code")
	phoneURL := read(b, chromedp.AttributeValue(chromedp.CSS("#phone"), "href")).Value
	b.scansTo(phoneURL)
	b.mark()

	b.payOnPhone(d.PhoneURL())
	b.front()
	b.do(b.state("paid"))
	b.sameDocument()
	b.shot("4-paid")
	b.showsVerified("payment.succeeded")

	b.do(chromedp.Click(chromedp.CSS("#refund-part")), chromedp.WaitVisible(chromedp.CSS(".refunds")))
	b.mark()
	b.do(b.state("part_refunded"))
	b.sameDocument()
	b.shot("5-part-refunded")
	b.showsVerified("refund.succeeded")
	if refunded := read(b, chromedp.Text(chromedp.CSS("#refunded"))); refunded != "¥0.44" {
		t.Errorf("the page says that %s went back", refunded)
	}

	b.do(chromedp.EmulateViewport(390, 844))
	if wide := read(b, chromedp.Evaluate[float64]("document.documentElement.scrollWidth")); wide > 390 {
		t.Errorf("on a phone the page is %v pixels wide", wide)
	}
	b.shot("6-part-refunded-on-a-phone")

	if err := stop(); err != nil {
		t.Errorf("the demo did not end cleanly while a page was open: %v", err)
	}
	b.do(b.connected("down"))
}

// state waits until the order's page shows the state.
func (b *browser) state(name string) chromedp.Action[chromedp.Void] {
	return chromedp.WaitVisible(chromedp.CSS(`#live > [data-state="` + name + `"]`))
}

// connected waits until the page says so of its live updates.
func (b *browser) connected(state string) chromedp.Action[chromedp.Void] {
	return chromedp.WaitVisible(chromedp.CSS(`#link[data-state="` + state + `"]`))
}

// mark leaves something in the document that a reload would lose.
func (b *browser) mark() {
	b.t.Helper()
	read(b, chromedp.Evaluate[bool]("window.marked = true"))
}

func (b *browser) sameDocument() {
	b.t.Helper()
	if !read(b, chromedp.Evaluate[bool]("window.marked === true")) {
		b.t.Error("the page was loaded anew")
	}
}

// scansTo reads the QR code off the screen: it is the code that the phone link opens.
func (b *browser) scansTo(phoneURL string) {
	b.t.Helper()
	picture, err := png.Decode(bytes.NewReader(read(b, chromedp.Screenshot(chromedp.CSS("#qr")))))
	if err != nil {
		b.t.Fatal(err)
	}
	bitmap, err := gozxing.NewBinaryBitmapFromImage(picture)
	if err != nil {
		b.t.Fatal(err)
	}
	// The picture is the code alone: searching it for a code fails for about one code in two hundred.
	scanned, err := zxing.NewQRCodeReader().Decode(bitmap, map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_PURE_BARCODE: true})
	if err != nil {
		b.t.Fatalf("the code on the screen cannot be scanned: %v", err)
	}
	link, err := url.Parse(phoneURL)
	if err != nil {
		b.t.Fatal(err)
	}
	if code := scanned.GetText(); !strings.HasPrefix(code, "weixin://wxpay/") || link.Query().Get("code_url") != code {
		b.t.Errorf("the code on the screen says %q and the phone link is %s", code, phoneURL)
	}
}

// payOnPhone follows the link into the phone's tab and presses Pay there.
func (b *browser) payOnPhone(phoneURL string) {
	b.t.Helper()
	opened := make(chan target.ID, 1)
	err := chromedp.ListenBrowser(b.ctx, func(event any) {
		if e, ok := event.(*target.EventTargetInfoChanged); ok && e.TargetInfo.Type == "page" && strings.HasPrefix(e.TargetInfo.URL, phoneURL) {
			select {
			case opened <- e.TargetInfo.TargetID:
			default: // it was found already
			}
		}
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.do(chromedp.Click(chromedp.CSS("#phone")))
	select {
	case id := <-opened:
		tab, closeTab := chromedp.NewContext(b.ctx, chromedp.WithTargetID(id))
		defer closeTab()
		phone := &browser{t: b.t, ctx: tab}
		phone.front()
		pay := chromedp.CSS(`button[name="result"][value="success"]`)
		phone.do(chromedp.WaitVisible(pay))
		phone.shot("3-phone")
		phone.do(chromedp.Click(pay), chromedp.WaitVisible(chromedp.CSS(".mark.good")))
		phone.shot("3-phone-paid")
	case <-b.ctx.Done():
		b.shot("failed")
		b.t.Fatal("the link to the phone opened nothing")
	}
}

// showsVerified is about the webhook's line in the order's timeline.
func (b *browser) showsVerified(eventType string) {
	b.t.Helper()
	for _, line := range read(b, chromedp.Evaluate[[]string](`Array.from(document.querySelectorAll("[data-event]"), (e) => e.innerText)`)) {
		if strings.Contains(line, eventType) && strings.Contains(line, "已验证 verified") {
			return
		}
	}
	b.t.Errorf("no verified webhook %s on the page", eventType)
}
