package sandbox_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestCombineAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	body := b.combineBody("CART0001", 60, 40)
	first := b.merchant.must("POST", combinePath, body).text("code_url")
	second := b.merchant.must("POST", combinePath, body).text("code_url")
	if first == second {
		t.Fatal("the credential is the same")
	}
	status, _ := b.control("POST", "/wechatpay/pay", object{"code_url": first, "result": "success"})
	want(t, "paying by the old code", status, 409)

	for name, change := range map[string]func(object){
		"Amount":     func(o object) { subOrder(o, 1)["amount"] = object{"total_amount": 41, "currency": "CNY"} },
		"SettleInfo": func(o object) { subOrder(o, 1)["settle_info"] = object{"profit_sharing": true} },
		"SubOrder":   func(o object) { subOrder(o, 1)["out_trade_no"] = "CART0001C" },
		"OneMore":    func(o object) { o["sub_orders"] = b.combineBody("CART0001", 60, 40, 30)["sub_orders"] },
	} {
		changed := b.combineBody("CART0001", 60, 40)
		change(changed)
		a := b.merchant.refused("POST", combinePath, changed, 400, "INVALID_REQUEST")
		if a.text("message") != "重复下单且结算信息不一致" || !strings.HasSuffix(a.header.Get("Request-ID"), "-268498688") {
			t.Fatalf("%s: %s %s", name, a.body, a.header.Get("Request-ID"))
		}
	}

	other := b.combineBody("CART0002", 60, 40)
	subOrder(other, 1)["out_trade_no"] = "CART0001B" // used by the first cart
	b.merchant.refused("POST", combinePath, other, 400, "INVALID_REQUEST")
	b.native("ORDER0001", 60)
	subOrder(other, 0)["out_trade_no"], subOrder(other, 1)["out_trade_no"] = "ORDER0001", "CART0002B"
	b.merchant.refused("POST", combinePath, other, 400, "INVALID_REQUEST")
	want(t, "nothing is left of a refused cart", b.merchant.call("GET", combineNo+"CART0002", nil).status, 404)

	b.pay(object{"combine_out_trade_no": "CART0001", "result": "success"})
	b.merchant.refused("POST", combinePath, body, 400, "INVALID_REQUEST") // paid
	b.books()
}

func TestCombineClose(t *testing.T) {
	t.Parallel()

	t.Run("ClosesAllAndIsReentrant", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		body := b.combineBody("CART0001", 60, 40)
		b.merchant.must("POST", combinePath, body)
		for range 2 {
			a := b.combineClose("CART0001", body)
			if a.status != 204 || len(a.body) != 0 || a.verified != nil {
				t.Fatalf("%d %s %v", a.status, a.body, a.verified)
			}
		}
		for _, item := range b.combineQuery("CART0001")["sub_orders"].([]any) {
			want(t, "state", at(item, "trade_state"), "CLOSED")
		}
		b.merchant.refused("POST", combinePath, body, 400, "ORDER_CLOSED")
		status, _ := b.control("POST", "/wechatpay/pay", object{"combine_out_trade_no": "CART0001", "result": "success"})
		want(t, "paying what is closed", status, 409)
		b.pay(object{"combine_out_trade_no": "CART0001", "result": "success", "late": true})
		want(t, "paid late", b.books()["paid"], 100)
	})

	t.Run("WantsExactlyTheSubOrdersThatWerePlaced", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.merchant.must("POST", combinePath, b.combineBody("CART0001", 60, 40, 30))
		for name, change := range map[string]func(object){
			"Fewer":         func(o object) { o["sub_orders"] = o["sub_orders"].([]any)[:2] },
			"More":          func(o object) { o["sub_orders"] = b.combineBody("CART0001", 1, 1, 1, 1)["sub_orders"] },
			"OtherNumber":   func(o object) { subOrder(o, 2)["out_trade_no"] = "CART0001D" },
			"OtherMerchant": func(o object) { subOrder(o, 2)["mchid"] = subOrder(o, 1)["mchid"] },
			"Twice":         func(o object) { o["sub_orders"].([]any)[2] = subOrder(o, 0) },
			"OtherApp":      func(o object) { o["combine_appid"] = "wx0000000000000000" },
		} {
			body := b.combineBody("CART0001", 60, 40, 30)
			change(body)
			a := b.combineClose("CART0001", body)
			want(t, name, fmt.Sprint(a.status, a.text("code")), "400INVALID_REQUEST")
		}
		b.settings(object{"combine_close_mismatch": "SYSTEM_ERROR"})
		short := b.combineBody("CART0001", 60, 40)
		want(t, "the other answer", b.combineClose("CART0001", short).status, 500)
		want(t, "state", at(b.combineQuery("CART0001")["sub_orders"].([]any)[0], "trade_state"), "NOTPAY")
		turned := b.combineBody("CART0001", 60, 40, 30)
		list := turned["sub_orders"].([]any)
		list[0], list[2] = list[2], list[0]
		want(t, "in another order", b.combineClose("CART0001", turned).status, 204)
	})

	t.Run("PaidAndUnknownOnesAreRefused", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		body := b.combineBody("CART0001", 60, 40)
		want(t, "unknown", b.combineClose("CART0001", body).text("code"), "ORDER_NOT_EXIST")
		b.merchant.must("POST", combinePath, body)
		b.pay(object{"combine_out_trade_no": "CART0001", "result": "success"})
		want(t, "paid", b.combineClose("CART0001", body).text("code"), "INVALID_REQUEST")
	})
}

func TestCombineRefusals(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.sandbox.Credentials().WeChatPay
	first, second := b.mchIDs()
	many := func(n int) []int64 {
		totals := make([]int64, n)
		for i := range totals {
			totals[i] = 1
		}
		return totals
	}
	sub := func(name string, value any) func(object) {
		return func(o object) { subOrder(o, 1)[name] = value }
	}
	for name, c := range map[string]struct {
		code   string
		field  string
		change func(object)
	}{
		"NoNumber":            {"PARAM_ERROR", "/combine_out_trade_no", func(o object) { delete(o, "combine_out_trade_no") }},
		"NoSubOrders":         {"PARAM_ERROR", "/sub_orders", func(o object) { delete(o, "sub_orders") }},
		"OneSubOrder":         {"PARAM_ERROR", "/sub_orders", func(o object) { o["sub_orders"] = b.combineBody("CART0001", many(1)...)["sub_orders"] }},
		"ElevenSubOrders":     {"PARAM_ERROR", "/sub_orders", func(o object) { o["sub_orders"] = b.combineBody("CART0001", many(11)...)["sub_orders"] }},
		"FiftyOneOfAPartner":  {"PARAM_ERROR", "/sub_orders", func(o object) { o["sub_orders"] = b.partnerBody("CART0001", many(51)...)["sub_orders"] }},
		"NoAttach":            {"PARAM_ERROR", "/sub_orders/1/attach", func(o object) { delete(subOrder(o, 1), "attach") }},
		"EmptyAttach":         {"PARAM_ERROR", "/sub_orders/1/attach", sub("attach", "")},
		"NoDescription":       {"PARAM_ERROR", "/sub_orders/1/description", func(o object) { delete(subOrder(o, 1), "description") }},
		"ZeroAmount":          {"PARAM_ERROR", "/sub_orders/1/amount/total_amount", sub("amount", object{"total_amount": 0, "currency": "CNY"})},
		"HugeAmount":          {"PARAM_ERROR", "/sub_orders/1/amount/total_amount", sub("amount", object{"total_amount": 1_000_000_001, "currency": "CNY"})},
		"NoCurrency":          {"PARAM_ERROR", "/sub_orders/1/amount/currency", sub("amount", object{"total_amount": 1})},
		"OtherCurrency":       {"PARAM_ERROR", "/sub_orders/1/amount/currency", sub("amount", object{"total_amount": 1, "currency": "USD"})},
		"NamesOfASingleOrder": {"PARAM_ERROR", "/sub_orders/1/amount/total_amount", sub("amount", object{"total": 1, "currency": "CNY"})},
		"FieldOfASingleOrder": {"PARAM_ERROR", "/appid", func(o object) { o["appid"] = w.AppID }},
		"SameNumberTwice":     {"PARAM_ERROR", "/sub_orders/1/out_trade_no", func(o object) { o["sub_orders"].([]any)[1] = subOrder(o, 0) }},
		"ModesMixed":          {"PARAM_ERROR", "/sub_orders/0/sub_mchid", func(o object) { subOrder(o, 1)["mchid"], subOrder(o, 1)["sub_mchid"] = first, second }},
		"PartnerIsNotInitiator": {"PARAM_ERROR", "/sub_orders/0/mchid", func(o object) {
			o["sub_orders"] = []any{subOrder(b.partnerBody("CART0001", 1), 0)}
			subOrder(o, 0)["mchid"] = second
		}},
		"SubAppAlone": {"PARAM_ERROR", "/sub_orders/1/sub_appid", sub("sub_appid", w.AppID)},
		"LongDeviceID": {"PARAM_ERROR", "/scene_info/device_id", func(o object) {
			o["scene_info"] = object{"payer_client_ip": "203.0.113.8", "device_id": strings.Repeat("d", 17)}
		}},
		"NotifyURLWithQuery": {"PARAM_ERROR", "/notify_url", func(o object) { o["notify_url"] = "https://shop.example.com/n?a=1" }},
		"OtherInitiator":     {"INVALID_REQUEST", "/combine_mchid", func(o object) { o["combine_mchid"] = second }},
		"AppOfAnother":       {"INVALID_REQUEST", "/combine_appid", func(o object) { o["combine_appid"] = w.SubMerchants[0].AppID }},
		"UnknownReceiver":    {"MCH_NOT_EXISTS", "/sub_orders/1/mchid", sub("mchid", "1900000001")},
		"OtherSubApp": {"INVALID_REQUEST", "/sub_orders/0/sub_appid", func(o object) {
			o["sub_orders"] = []any{subOrder(b.partnerBody("CART0001", 1), 0)}
			subOrder(o, 0)["sub_appid"] = "wx0000000000000000"
		}},
	} {
		body := b.combineBody("CART0001", 60, 40)
		c.change(body)
		a := b.merchant.refused("POST", combinePath, body, 400, c.code)
		want(t, name, at(b.decode(a.body), "detail", "field"), c.field)
	}
	for _, payer := range []object{{}, {"openid": "short"}, {"sub_openid": "o" + strings.Repeat("s", 27)}} {
		body := b.combineBody("CART0001", 60, 40)
		body["combine_payer_info"] = payer
		b.merchant.refused("POST", "/v3/combine-transactions/jsapi", body, 400, "PARAM_ERROR")
	}

	itself := b.partnerBody("CART0001", 1)
	subOrder(itself, 0)["sub_mchid"] = first
	b.merchant.refused("POST", combinePath, itself, 403, "NO_AUTH")
	for _, permission := range []string{"combine_initiate", "combine_receive"} {
		b.settings(object{permission: false})
		b.merchant.refused("POST", combinePath, b.combineBody("CART0001", 60, 40), 403, "NO_AUTH")
		b.settings(object{permission: true})
	}
	h5 := b.combineBody("CART0001", 60, 40)
	h5["scene_info"] = object{"payer_client_ip": "203.0.113.8", "h5_info": object{"type": "Wap"}}
	b.settings(object{"combine_h5_device_id": true})
	b.merchant.refused("POST", "/v3/combine-transactions/h5", h5, 400, "PARAM_ERROR")
	b.settings(object{"combine_h5_device_id": false})
	b.merchant.must("POST", "/v3/combine-transactions/h5", h5)
	want(t, "orders", b.books()["orders"], 2)
}
