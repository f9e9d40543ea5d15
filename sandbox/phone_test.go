package sandbox_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// page opens an address as a browser does, redirects included.
func (b *bundle) page(address string) (int, string, http.Header) {
	b.t.Helper()
	response, err := http.Get(address)
	if err != nil {
		b.t.Fatal(err)
	}
	return read(b.t, response)
}

func (b *bundle) press(form url.Values) (int, string, http.Header) {
	b.t.Helper()
	response, err := http.PostForm(b.sandbox.PhoneURL()+"/pay", form)
	if err != nil {
		b.t.Fatal(err)
	}
	return read(b.t, response)
}

func read(t *testing.T, response *http.Response) (int, string, http.Header) {
	t.Helper()
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body), response.Header
}

func shows(t *testing.T, page string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(page, text) {
			t.Fatalf("the page does not show %q:\n%s", text, page)
		}
	}
}

func (b *bundle) prepayID(outTradeNo string) string {
	b.t.Helper()
	return b.ok("GET", "/wechatpay/orders/"+outTradeNo, nil)["prepay_id"].(string)
}

func TestPhone(t *testing.T) {
	t.Parallel()

	t.Run("AScannedCodeIsShownAndPaid", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		code := b.native("ORDER0001", 123456)
		status, page, header := b.page(b.sandbox.PhoneURLFor(code))
		want(t, "status", status, 200)
		shows(t, page, "一杯咖啡", "1234.56", "通宝沙箱商户", "立即支付", b.prepayID("ORDER0001"))
		if !strings.Contains(header.Get("Content-Security-Policy"), "default-src 'none'") || strings.Contains(page, "<script") {
			t.Fatal("the page is not closed to scripts")
		}
		status, page, _ = b.press(url.Values{"prepay_id": {b.prepayID("ORDER0001")}, "result": {"success"}})
		want(t, "status", status, 200)
		shows(t, page, "支付成功", "1234.56")
		want(t, "state", b.query("ORDER0001")["trade_state"], "SUCCESS")
		b.receiver.wait(1)
		_, page, _ = b.page(b.sandbox.PhoneURLFor(code))
		shows(t, page, "订单已支付")
	})

	t.Run("WrongPasswordAndCancelCanBeTriedAgain", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.native("ORDER0001", 1)
		for result, text := range map[string]string{"fail": "支付密码错误", "cancel": "支付已取消"} {
			_, page, _ := b.press(url.Values{"prepay_id": {b.prepayID("ORDER0001")}, "result": {result}})
			shows(t, page, text, "重新支付", "0.01")
		}
		want(t, "state", b.query("ORDER0001")["trade_state"], "NOTPAY")
	})

	t.Run("AnAddressCannotClaimThatAnOrderIsPaid", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.native("ORDER0001", 1)
		_, page, _ := b.page(b.sandbox.PhoneURL() + "/result?result=success&prepay_id=" + b.prepayID("ORDER0001"))
		if strings.Contains(page, "支付成功") {
			t.Fatal("the page says paid")
		}
	})

	t.Run("H5LeadsBackToTheMerchant", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		body := b.prepayBody("ORDER0001", 1)
		body["scene_info"] = object{"payer_client_ip": "203.0.113.8", "h5_info": object{"type": "Wap"}}
		h5URL := b.merchant.must("POST", h5Path, body).text("h5_url")
		status, page, _ := b.page(h5URL + "&redirect_url=" + url.QueryEscape("https://shop.example.com/done?id=1"))
		want(t, "status", status, 200)
		shows(t, page, "立即支付", "https://shop.example.com/done?id=1")
		_, page, _ = b.press(url.Values{"prepay_id": {b.prepayID("ORDER0001")}, "result": {"success"}, "redirect_url": {"https://shop.example.com/done?id=1"}})
		shows(t, page, "支付成功", `href="https://shop.example.com/done?id=1"`)
		_, page, _ = b.page(h5URL + "&redirect_url=" + url.QueryEscape("javascript:alert(1)"))
		if strings.Contains(page, "javascript:") {
			t.Fatal("the page links to a script")
		}
	})

	t.Run("WhatCannotBePaidSaysWhy", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		first := b.native("ORDER0001", 1)
		b.native("ORDER0001", 1)
		_, page, _ := b.page(b.sandbox.PhoneURLFor(first))
		shows(t, page, "无法支付", "replaced")
		b.advance(2 * time.Hour)
		_, page, _ = b.page(b.sandbox.PhoneURLFor(b.prepayID("ORDER0001")))
		shows(t, page, "无法支付", "expired")
		b.closeOrder("ORDER0001")
		_, page, _ = b.press(url.Values{"prepay_id": {b.prepayID("ORDER0001")}, "result": {"success"}})
		shows(t, page, "无法支付", "closed")
		status, page, _ := b.page(b.sandbox.PhoneURLFor("weixin://nothing"))
		want(t, "status", status, 404)
		shows(t, page, "找不到这个订单")
		status, page, _ = b.press(url.Values{"prepay_id": {"nothing"}, "result": {"success"}})
		want(t, "status", status, 404)
		shows(t, page, "无法支付")
		status, _, _ = b.press(url.Values{"prepay_id": {"nothing"}, "result": {"steal"}})
		want(t, "status", status, 400)
	})

	t.Run("TheStartPageAsksForACode", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		status, page, _ := b.page(b.sandbox.PhoneURL())
		want(t, "status", status, 200)
		shows(t, page, "打开付款码", `action="pay"`)
	})

	t.Run("DescriptionsAreEscaped", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		body := b.prepayBody("ORDER0001", 1)
		body["description"] = `<img src=x onerror=alert(1)>`
		code := b.merchant.must("POST", nativePath, body).text("code_url")
		_, page, _ := b.page(b.sandbox.PhoneURLFor(code))
		if strings.Contains(page, "<img") {
			t.Fatal("the description is not escaped")
		}
	})
}
