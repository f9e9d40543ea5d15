package sandbox_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestTransferRules(t *testing.T) {
	t.Parallel()
	b := transfers(t, object{})
	changed := func(change func(object)) object {
		body := b.transferBody("BILLNEW", 500)
		change(body)
		return body
	}
	report := func(types ...string) []object {
		infos := []object{}
		for _, name := range types {
			infos = append(infos, object{"info_type": name, "info_content": "x"})
		}
		return infos
	}
	cases := []struct {
		name string
		body object
		code string
	}{
		{"number with dash", changed(func(o object) { o["out_bill_no"] = "BILL-1" }), "PARAM_ERROR"},
		{"long number", changed(func(o object) { o["out_bill_no"] = strings.Repeat("1", 33) }), "PARAM_ERROR"},
		{"amount of nothing", changed(func(o object) { o["transfer_amount"] = 0 }), "PARAM_ERROR"},
		{"no remark", changed(func(o object) { delete(o, "transfer_remark") }), "PARAM_ERROR"},
		{"long remark", changed(func(o object) { o["transfer_remark"] = strings.Repeat("奖", 33) }), "PARAM_ERROR"},
		{"unknown field", changed(func(o object) { o["sub_mchid"] = "1900000001" }), "PARAM_ERROR"},
		{"unknown style", changed(func(o object) { o["user_recv_style"] = object{"type": "POSTCARD"} }), "PARAM_ERROR"},
		{"red packet over 200 yuan", changed(func(o object) { o["user_recv_style"], o["transfer_amount"] = object{"type": "RED_PACKET"}, 20_001 }), "PARAM_ERROR"},
		{"openid of another kind", changed(func(o object) { o["openid"] = "someone" }), "PARAM_ERROR"},
		{"address with query", changed(func(o object) { o["notify_url"] = "https://pay.example.com/n?a=1" }), "PARAM_ERROR"},
		{"app of another merchant", changed(func(o object) { o["appid"] = "wx0000000000000000" }), "INVALID_REQUEST"},
		{"unknown scene", changed(func(o object) { o["transfer_scene_id"] = "9999" }), "INVALID_REQUEST"},
		{"perception of another scene", changed(func(o object) { o["user_recv_perception"] = "劳务报酬" }), "INVALID_REQUEST"},
		{"no report", changed(func(o object) { delete(o, "transfer_scene_report_infos") }), "PARAM_ERROR"},
		{"incomplete report", changed(func(o object) { o["transfer_scene_report_infos"] = report("活动名称") }), "PARAM_ERROR"},
		{"report twice the same", changed(func(o object) { o["transfer_scene_report_infos"] = report("活动名称", "活动名称") }), "PARAM_ERROR"},
		{"report of another scene", changed(func(o object) { o["transfer_scene_report_infos"] = report("岗位类型", "报酬说明") }), "PARAM_ERROR"},
		{"report too many", changed(func(o object) {
			o["transfer_scene_report_infos"] = report("活动名称", "奖励说明", "赔付原因")
		}), "PARAM_ERROR"},
		{"large amount without name", changed(func(o object) { o["transfer_amount"] = 200_000 }), "PARAM_ERROR"},
		{"small amount with name", changed(func(o object) { o["transfer_amount"], o["user_name"] = 29, b.sealed("张三") }), "PARAM_ERROR"},
		{"name in the clear", changed(func(o object) { o["user_name"] = "张三" }), "PARAM_ERROR"},
	}
	for _, c := range cases {
		if got := b.merchant.call("POST", transfersPath, c.body); got.status != 400 || got.text("code") != c.code {
			t.Errorf("%s: %d %s, want 400 %s", c.name, got.status, got.body, c.code)
		}
	}
	want(t, "transfers", b.books()["transfers"], 0)
	for name, body := range map[string]object{
		"report in another order": changed(func(o object) { o["transfer_scene_report_infos"] = report("奖励说明", "活动名称") }),
		"perception left out":     changed(func(o object) { o["out_bill_no"] = "BILL2"; delete(o, "user_recv_perception") }),
		"scene nobody documents":  changed(func(o object) { o["out_bill_no"], o["transfer_scene_id"] = "BILL3", "1010" }),
		"compensation": changed(func(o object) {
			o["out_bill_no"], o["transfer_scene_id"], o["user_recv_perception"], o["transfer_scene_report_infos"] = "BILL4", "1011", "商家赔付", report("赔付原因")
		}),
		"large amount with name": changed(func(o object) {
			o["out_bill_no"], o["transfer_amount"], o["user_name"] = "BILL5", 200_000, b.sealed("张三")
		}),
		"name from 30 fen": changed(func(o object) {
			o["out_bill_no"], o["transfer_amount"], o["user_name"] = "BILL6", 30, b.sealed("张三")
		}),
		"red packet": changed(func(o object) { o["out_bill_no"], o["user_recv_style"] = "BILL7", object{"type": "RED_PACKET"} }),
	} {
		if got := b.merchant.call("POST", transfersPath, body); got.status != 200 || got.text("state") != "WAIT_USER_CONFIRM" {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	b.books()
}

func TestTransferKnobs(t *testing.T) {
	t.Parallel()

	t.Run("SceneProductAndAddressAreGrantedOrNot", func(t *testing.T) {
		t.Parallel()
		b := transfers(t, object{"scenes": []string{"1005"}})
		b.merchant.refused("POST", transfersPath, b.transferBody("BILL1", 500), 400, "INVALID_REQUEST")
		b.settings(object{"transfer": object{"scenes": []string{"1000"}, "ip_allow_list": []string{"203.0.113.5"}}})
		refusal := b.merchant.refused("POST", transfersPath, b.transferBody("BILL1", 500), 400, "INVALID_REQUEST")
		want(t, "message", refusal.text("message"), "此IP地址不允许调用接口，请按开发指引设置")
		b.settings(object{"transfer": object{"ip_allow_list": []string{"203.0.113.5", "127.0.0.1"}, "authorized": false}})
		b.merchant.refused("POST", transfersPath, b.transferBody("BILL1", 500), 403, "NO_AUTH")
		b.settings(object{"transfer": object{"authorized": true}})
		b.transfer("BILL1", 500)
	})

	t.Run("DailyLimits", func(t *testing.T) {
		t.Parallel()
		b := transfers(t, object{"daily_limit": 1000, "delay": "0s"})
		b.transfer("BILL1", 600)
		b.merchant.refused("POST", transfersPath, b.transferBody("BILL2", 401), 400, "INVALID_REQUEST")
		b.transfer("BILL2", 400)
		b.transfer("BILL2", 400) // a repeat counts once
		b.ok("POST", "/wechatpay/transfers/BILL2/refuse", nil)
		b.transfer("BILL3", 400) // what failed does not count
		b.advance(24 * time.Hour)
		b.transfer("BILL4", 1000)

		b.settings(object{"transfer": object{"daily_limit": 0, "scene_daily_limit": 1000}})
		b.merchant.refused("POST", transfersPath, b.transferBody("BILL5", 1), 400, "INVALID_REQUEST")
		other := b.transferBody("BILL5", 1000)
		other["transfer_scene_id"] = "1010"
		delete(other, "user_recv_perception")
		b.merchant.must("POST", transfersPath, other)

		b.advance(24 * time.Hour)
		b.settings(object{"transfer": object{"scene_daily_limit": 0, "user_daily_limit": 1000}})
		b.transfer("BILL6", 600)
		b.transfer("BILL7", 401)
		b.confirmTransfer("BILL6")
		failed := b.confirmTransfer("BILL7")
		want(t, "state, reason", []any{failed["state"], failed["fail_reason"]}, []any{"FAIL", "DAY_RECEIVED_QUOTA_EXCEED"})
	})

	t.Run("NamesAreCompared", func(t *testing.T) {
		t.Parallel()
		b := transfers(t, object{"real_name": "张三", "delay": "0s"})
		for number, c := range map[string]struct{ name, state, reason string }{"BILL1": {"张三", "SUCCESS", ""}, "BILL2": {"李四", "FAIL", "NAME_NOT_CORRECT"}} {
			body := b.transferBody(number, 500)
			body["user_name"] = b.sealed(c.name)
			b.merchant.must("POST", transfersPath, body)
			confirmed := b.confirmTransfer(number)
			want(t, "state", confirmed["state"], c.state)
			if c.reason != "" {
				want(t, "reason", confirmed["fail_reason"], c.reason)
			}
			want(t, "name in the clear, for a test", confirmed["user_name"], c.name)
			queried := b.queryTransfer(number)
			if sealed, ok := queried["user_name"].(string); !ok || len(sealed) != 344 {
				t.Fatalf("the query shows the name as %v", queried["user_name"])
			}
		}
	})

	t.Run("OnlyTheUserItIsForConfirms", func(t *testing.T) {
		t.Parallel()
		b := transfers(t, object{})
		b.transfer("BILL1", 500)
		status, _ := b.control("POST", "/wechatpay/transfers/BILL1/confirm", object{"openid": "oSomeoneElse"})
		want(t, "status", status, http.StatusConflict)
		b.ok("POST", "/wechatpay/transfers/BILL1/confirm", object{"openid": b.sandbox.Credentials().WeChatPay.OpenID})
		status, _ = b.control("POST", "/wechatpay/transfers/BILL9/confirm", nil)
		want(t, "unknown", status, http.StatusNotFound)
	})

	t.Run("WrongKnobsAreRefused", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		before := b.ok("GET", "/wechatpay/settings", nil)
		for field, value := range map[string]any{
			"short": "LATER", "outcome": "MAYBE", "different_code": "X", "unknown_code": "X", "notice_merchant": "x", "notify_schedule": "x",
			"delay": "-1s", "cancel_delay": "-1s", "daily_limit": -1, "scene_daily_limit": -1, "user_daily_limit": -1, "name_refused_below": -1,
			"scenes": []string{"42"}, "ip_allow_list": []string{"localhost"},
		} {
			status, answer := b.control("POST", "/wechatpay/settings", object{"transfer": object{field: value}})
			want(t, field, []any{status, answer["field"]}, []any{400, "transfer." + field})
		}
		want(t, "settings", b.ok("GET", "/wechatpay/settings", nil), before)
	})

	t.Run("NotificationsNameTheMerchantAsToldAndRepeatOnTheirOwnSchedule", func(t *testing.T) {
		t.Parallel()
		b := transfers(t, object{"notice_merchant": "mchid", "delay": "0s"})
		b.receiver.answer(http.StatusInternalServerError)
		b.transfer("BILL1", 500)
		b.confirmTransfer("BILL1")
		got := b.receiver.wait(1)[0]
		want(t, "mchid", got.content["mchid"], b.sandbox.Credentials().WeChatPay.MchID)
		want(t, "mch_id", got.content["mch_id"], nil)
		b.sentTransfer("BILL1", 1)
		b.advance(150 * time.Second)
		want(t, "sent every 15 s", len(b.receiver.all()), 11)
		b.advance(50 * time.Minute)
		want(t, "then every 5 min", len(b.receiver.all()), 21)
		b.advance(30 * 24 * time.Hour)
		want(t, "then every 30 min", len(b.receiver.all()), 65)
		notice := b.ok("GET", "/wechatpay/transfers/BILL1", nil)["notifications"].([]any)[0]
		want(t, "state", at(notice, "state"), "exhausted")

		b.settings(object{"transfer": object{"notify_schedule": "payment"}})
		b.transfer("BILL2", 500)
		b.confirmTransfer("BILL2")
		b.receiver.wait(65) // those of before and the first of this
		b.sentTransfer("BILL2", 1)
		b.advance(48 * time.Hour)
		want(t, "as payments", len(b.receiver.all()), 65+16)
	})

	t.Run("FaultsOfItsNotifications", func(t *testing.T) {
		t.Parallel()
		b := transfers(t, object{"delay": "0s"})
		for i, c := range []struct {
			effect, field string
			value         any
		}{{"wrong_amount", "transfer_amount", 501}, {"wrong_mchid", "mch_id", "1900000000"}} {
			b.fault(object{"operation": "notify/transfer", "effect": c.effect, "times": 1})
			number := "BILL" + string(rune('1'+i))
			b.transfer(number, 500)
			b.confirmTransfer(number)
			want(t, c.effect, b.receiver.wait(1)[i].content[c.field], c.value)
		}
	})
}

// sentTransfer waits until the notification of a transfer was sent so often.
func (b *bundle) sentTransfer(outBillNo string, sends int) {
	b.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		notices := b.ok("GET", "/wechatpay/transfers/"+outBillNo, nil)["notifications"].([]any)
		if len(notices) == 1 && at(notices[0], "sends") == float64(sends) && at(notices[0], "next_at") != nil {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("notifications of %s: %v", outBillNo, notices)
		}
	}
}

func TestPartnerTransfer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.sandbox.Credentials().WeChatPay
	sub := w.SubMerchants[0]
	b.settings(object{"transfer": object{"delay": "0s", "cancel_delay": "0s"}})
	b.ok("POST", "/wechatpay/funds", object{"action": "top_up", "account": "operation", "amount": 1000, "mchid": sub.MchID})
	body := func(number string, subMchID string) object {
		o := b.transferBody(number, 500)
		o["sub_mchid"] = subMchID
		return o
	}
	b.merchant.refused("POST", transfersPath, b.transferBody("BILL1", 500), 403, "NOT_ENOUGH") // the sub-merchant's money is not the first's
	made := b.merchant.must("POST", partnerTransfersPath, body("BILL1", sub.MchID))
	want(t, "state", made.text("state"), "WAIT_USER_CONFIRM")
	b.merchant.refused("POST", partnerTransfersPath, body("BILL2", w.MchID), 400, "INVALID_REQUEST") // of itself
	b.merchant.refused("POST", partnerTransfersPath, b.transferBody("BILL2", 500), 400, "PARAM_ERROR")

	query := partnerTransfersPath + "/out-bill-no/BILL1"
	b.merchant.refused("GET", query, nil, 400, "PARAM_ERROR")
	b.merchant.refused("GET", query+"?sub_mchid=1900000000", nil, 400, "MCH_NOT_EXISTS")
	b.merchant.refused("GET", transfersPath+"/out-bill-no/BILL1", nil, 404, "NOT_FOUND") // not the first merchant's own
	b.merchant.refused("GET", transfersPath+"/transfer-bill-no/"+made.text("transfer_bill_no"), nil, 404, "NOT_FOUND")
	want(t, "payer", b.merchant.must("GET", query+"?sub_mchid="+sub.MchID, nil).text("mch_id"), sub.MchID)

	_, page, _ := b.page(b.sandbox.PhoneURL() + "/transfer?mchId=" + w.MchID + "&package=" + made.text("package_info"))
	shows(t, page, sub.Name, "确认收款")
	b.confirmTransfer("BILL1")
	want(t, "told is the service provider", b.receiver.wait(1)[0].opened, nil)
	want(t, "transferred", b.books()["transferred"], 500)

	b.merchant.must("POST", partnerTransfersPath, body("BILL2", sub.MchID))
	b.merchant.refused("POST", partnerTransfersPath+"/out-bill-no/BILL2/cancel", object{}, 400, "PARAM_ERROR")
	cancelled := b.merchant.must("POST", partnerTransfersPath+"/out-bill-no/BILL2/cancel", object{"sub_mchid": sub.MchID})
	want(t, "state", cancelled.text("state"), "CANCELLED")
	want(t, "operation", b.books()["operation"], 500)

	b.settings(object{"sub_merchants_authorize": false})
	b.merchant.refused("POST", partnerTransfersPath, body("BILL3", sub.MchID), 403, "NO_AUTH")
}

func TestTransfersSurviveARestart(t *testing.T) {
	t.Parallel()
	b := transfers(t, object{"outcome": "TRANSFER_RISK"})
	packageInfo := b.transfer("BILL1", 500)["package_info"]
	b.transfer("BILL2", 500)
	b.confirmTransfer("BILL2")
	b.transfer("BILL3", 500)
	b.merchant.must("POST", transfersPath+"/out-bill-no/BILL3/cancel", nil)
	before := b.books()

	next := b.again()
	want(t, "books", next.books(), before)
	want(t, "package_info", next.transfer("BILL1", 500)["package_info"], packageInfo)
	next.advance(3 * time.Second)
	next.receiver.wait(2)
	want(t, "confirmed one", next.queryTransfer("BILL2")["fail_reason"], "TRANSFER_RISK")
	want(t, "cancelled one", next.queryTransfer("BILL3")["state"], "CANCELLED")
	next.advance(24 * time.Hour)
	want(t, "forgotten one", next.queryTransfer("BILL1")["fail_reason"], "OVERDUE_CLOSE")
	want(t, "operation", next.books()["operation"], 900_000)
}
