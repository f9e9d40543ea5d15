package sandbox_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func (b *bundle) pressTransfer(packageInfo, result string) (int, string) {
	b.t.Helper()
	response, err := http.PostForm(b.sandbox.PhoneURL()+"/transfer", url.Values{"package": {packageInfo}, "result": {result}})
	if err != nil {
		b.t.Fatal(err)
	}
	status, page, _ := read(b.t, response)
	return status, page
}

func TestTransferOnThePhone(t *testing.T) {
	t.Parallel()

	// open makes a transfer and returns its package_info and what shows it.
	open := func(b *bundle) (packageInfo string, page func() string) {
		packageInfo = b.transfer("BILL1", 123456)["package_info"].(string)
		return packageInfo, func() string {
			_, text, _ := b.page(b.sandbox.PhoneURL() + "/transfer?package=" + url.QueryEscape(packageInfo))
			return text
		}
	}

	t.Run("IsShownConfirmedAndDone", func(t *testing.T) {
		t.Parallel()
		b := transfers(t, object{})
		packageInfo, page := open(b)
		shows(t, page(), "收款人的手机", "通宝沙箱商户", "1234.56", "六月奖励", "现金奖励", "确认收款", "拒绝收款", "收款截止", "23 h")
		status, shown := b.pressTransfer(packageInfo, "confirm")
		want(t, "status", status, 200)
		shows(t, shown, "收款处理中")
		_, shown = b.pressTransfer(packageInfo, "refuse") // too late, and without effect
		shows(t, shown, "收款处理中")
		b.advance(3 * time.Second)
		shows(t, page(), "已收款", "1234.56")
		if strings.Contains(page(), "<button") || strings.Contains(page(), "<script") {
			t.Fatal("the page of a transfer that is done has buttons or scripts")
		}
		_, shown = b.pressTransfer(packageInfo, "confirm")
		shows(t, shown, "已收款")
		want(t, "transferred once", b.books()["transferred"], 123456)
	})

	t.Run("RefusedCancelledAndOverdueSaySo", func(t *testing.T) {
		t.Parallel()
		b := transfers(t, object{})
		packageInfo, _ := open(b)
		_, shown := b.pressTransfer(packageInfo, "refuse")
		shows(t, shown, "收款失败，已退回商家", "OTHER_FAIL_REASON_TYPE")

		b = transfers(t, object{})
		_, page := open(b)
		b.merchant.must("POST", transfersPath+"/out-bill-no/BILL1/cancel", nil)
		shows(t, page(), "商家已撤销转账")
		b.advance(3 * time.Second)
		shows(t, page(), "商家已撤销转账")

		b = transfers(t, object{})
		_, page = open(b)
		b.advance(24 * time.Hour)
		shows(t, page(), "超过 24 小时未收款")
	})

	t.Run("WithoutAResultItCanBeConfirmedAgain", func(t *testing.T) {
		t.Parallel()
		b := transfers(t, object{"outcome": "TRANSFERING"})
		packageInfo, _ := open(b)
		_, shown := b.pressTransfer(packageInfo, "confirm")
		shows(t, shown, "收款处理中", "确认收款")
		if strings.Contains(shown, "拒绝收款") {
			t.Fatal("what was confirmed can be refused")
		}
		b.settings(object{"transfer": object{"outcome": "SUCCESS", "delay": "0s"}})
		_, shown = b.pressTransfer(packageInfo, "confirm")
		shows(t, shown, "已收款")
	})

	t.Run("OpensAsRequestMerchantTransferDoesAndByPasting", func(t *testing.T) {
		t.Parallel()
		b := transfers(t, object{})
		packageInfo, _ := open(b)
		w := b.sandbox.Credentials().WeChatPay
		address := b.sandbox.PhoneURL() + "/transfer?" + url.Values{"mchId": {w.MchID}, "appId": {w.AppID}, "package": {packageInfo}}.Encode()
		_, page, _ := b.page(address)
		shows(t, page, "确认收款")
		_, page, _ = b.page(b.sandbox.PhoneURLFor(packageInfo))
		shows(t, page, "确认收款")
		status, page, _ := b.page(strings.Replace(address, w.MchID, "1900000000", 1))
		want(t, "status", status, 400)
		shows(t, page, "参数错误", "mchId")
	})

	t.Run("WhatIsNoTransferSaysSo", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		status, page, _ := b.page(b.sandbox.PhoneURL() + "/transfer?package=nothing")
		want(t, "status", status, 404)
		shows(t, page, "找不到这笔转账")
		status, page = b.pressTransfer("nothing", "confirm")
		want(t, "status", status, 404)
		shows(t, page, "无法收款")
		status, _ = b.pressTransfer("nothing", "steal")
		want(t, "status", status, 400)
	})

	t.Run("ARedPacketSaysSoAndTextsAreEscaped", func(t *testing.T) {
		t.Parallel()
		b := transfers(t, object{})
		body := b.transferBody("BILL1", 100)
		body["user_recv_style"], body["transfer_remark"] = object{"type": "RED_PACKET"}, "<img src=x>"
		packageInfo := b.merchant.must("POST", transfersPath, body).text("package_info")
		_, page, _ := b.page(b.sandbox.PhoneURLFor(packageInfo))
		shows(t, page, "红包")
		if strings.Contains(page, "<img") {
			t.Fatal("the remark is not escaped")
		}
	})
}
