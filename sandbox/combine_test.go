package sandbox_test

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

const (
	combinePath = "/v3/combine-transactions/native"
	combineNo   = "/v3/combine-transactions/out-trade-no/"
)

// secondMerchant is a receiver of combined payments who calls the sandbox with a key of its own.
func (b *bundle) secondMerchant() *merchant {
	b.t.Helper()
	m := newMerchant(b.t, b.sandbox)
	sub := m.c.WeChatPay.SubMerchants[0]
	block, _ := pem.Decode(m.c.PEM(sub.MerchantPrivateKeyFile))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		b.t.Fatal(err)
	}
	m.key = key.(*rsa.PrivateKey)
	m.c.WeChatPay.MchID, m.c.WeChatPay.MerchantSerialNo = sub.MchID, sub.MerchantSerialNo
	return m
}

func (b *bundle) mchIDs() (first, second string) {
	w := b.sandbox.Credentials().WeChatPay
	return w.MchID, w.SubMerchants[0].MchID
}

// combineBody is a cart of two merchants: number+"A" of the first one, number+"B" of the second.
func (b *bundle) combineBody(number string, totals ...int64) object {
	w := b.sandbox.Credentials().WeChatPay
	receivers := []string{w.MchID, w.SubMerchants[0].MchID}
	subOrders := make([]any, len(totals))
	for i, total := range totals {
		subOrders[i] = object{
			"mchid": receivers[i%2], "out_trade_no": number + strings.Repeat("Z", i/26) + string(rune('A'+i%26)), "attach": fmt.Sprintf("shop-%d", i),
			"description": fmt.Sprintf("商品%d", i), "amount": object{"total_amount": total, "currency": "CNY"},
		}
	}
	return object{
		"combine_appid": w.AppID, "combine_mchid": w.MchID, "combine_out_trade_no": number,
		"notify_url": b.receiver.url("/notify"), "sub_orders": subOrders,
	}
}

func subOrder(body object, i int) object { return body["sub_orders"].([]any)[i].(object) }

// partnerBody is the same for sub-merchants of the first merchant.
func (b *bundle) partnerBody(number string, totals ...int64) object {
	first, second := b.mchIDs()
	body := b.combineBody(number, totals...)
	for i := range totals {
		sub := subOrder(body, i)
		sub["mchid"], sub["sub_mchid"] = first, second
	}
	return body
}

func (b *bundle) combineClose(number string, body object) answer {
	b.t.Helper()
	list := []any{}
	for _, item := range body["sub_orders"].([]any) {
		sub := object{}
		for _, name := range []string{"mchid", "out_trade_no", "sub_mchid", "sub_appid"} {
			if value, ok := item.(object)[name]; ok {
				sub[name] = value
			}
		}
		list = append(list, sub)
	}
	return b.merchant.call("POST", combineNo+number+"/close", object{"combine_appid": body["combine_appid"], "sub_orders": list})
}

func (b *bundle) combineQuery(number string) object {
	b.t.Helper()
	return b.decode(b.merchant.must("GET", combineNo+number, nil).body)
}

func TestCombinedPayment(t *testing.T) {
	t.Parallel()

	t.Run("EachKindIsPlacedPaidAndTold", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		w := b.sandbox.Credentials().WeChatPay
		for kind, change := range map[string]func(object){
			"native": func(object) {},
			"app":    func(body object) { body["scene_info"] = object{"payer_client_ip": "203.0.113.8", "device_id": "D1"} },
			"jsapi":  func(body object) { body["combine_payer_info"] = object{"openid": w.OpenID} },
			"h5": func(body object) {
				body["scene_info"] = object{"payer_client_ip": "2001:db8::1", "device_id": strings.Repeat("d", 32), "h5_info": object{"type": "Wap"}}
			},
		} {
			number := "CART_" + kind
			body := b.combineBody(number, 60, 40)
			change(body)
			placed := b.decode(b.merchant.must("POST", "/v3/combine-transactions/"+kind, body).body)
			name := map[string]string{"native": "code_url", "app": "prepay_id", "jsapi": "prepay_id", "h5": "h5_url"}[kind]
			paid := b.pay(object{name: placed[name], "result": "success"})
			want(t, kind, at(paid["sub_orders"].([]any)[1], "trade_type"), map[string]string{"native": "NATIVE", "app": "APP", "jsapi": "JSAPI", "h5": "MWEB"}[kind])
			got := b.receiver.wait(1)
			if last := got[len(got)-1]; last.verified != nil || last.opened != nil || last.event != "TRANSACTION.SUCCESS" || last.content["combine_out_trade_no"] != number {
				t.Fatalf("%s: got %+v", kind, last)
			}
			b.books()
		}
	})

	t.Run("OneNotificationHoldsAllSubOrdersAsTheQueryDoes", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		first, second := b.mchIDs()
		b.merchant.must("POST", combinePath, b.combineBody("CART0001", 60, 40))
		unpaid := b.combineQuery("CART0001")
		if at(unpaid["sub_orders"].([]any)[0], "transaction_id") != nil || unpaid["combine_payer_info"] != nil {
			t.Fatalf("paid before the payment: %v", unpaid)
		}
		b.pay(object{"combine_out_trade_no": "CART0001", "result": "success"})
		notified := b.receiver.wait(1)
		paid := b.combineQuery("CART0001")
		want(t, "notification", notified[0].content, paid)
		want(t, "combine_mchid", paid["combine_mchid"], first)
		want(t, "payer", at(paid, "combine_payer_info", "openid"), b.sandbox.Credentials().WeChatPay.OpenID)
		ids := map[any]bool{}
		for i, item := range paid["sub_orders"].([]any) {
			want(t, "mchid", at(item, "mchid"), []string{first, second}[i])
			want(t, "state", at(item, "trade_state"), "SUCCESS")
			want(t, "total_amount", at(item, "amount", "total_amount"), []int{60, 40}[i])
			want(t, "payer_amount", at(item, "amount", "payer_amount"), []int{60, 40}[i])
			want(t, "attach", at(item, "attach"), fmt.Sprintf("shop-%d", i))
			ids[at(item, "transaction_id")] = true
		}
		want(t, "transaction ids", len(ids), 2)
		want(t, "paid", b.books()["paid"], 100)
		b.advance(25 * time.Hour)
		want(t, "notifications", len(b.receiver.all()), 1)
	})

	t.Run("ThePayerPaysAllOrNothing", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.merchant.must("POST", combinePath, b.combineBody("CART0001", 60, 40))
		status, why := b.control("POST", "/wechatpay/pay", object{"out_trade_no": "CART0001B", "result": "success"})
		want(t, "paying one sub order", status, 409)
		if !strings.Contains(why["error"].(string), "combine_out_trade_no CART0001") {
			t.Fatalf("reason %v", why)
		}
		for _, result := range []string{"fail", "cancel"} {
			for _, item := range b.pay(object{"combine_out_trade_no": "CART0001", "result": result})["sub_orders"].([]any) {
				want(t, result, at(item, "trade_state"), "NOTPAY")
			}
		}
		b.pay(object{"combine_out_trade_no": "CART0001", "result": "success"})
		status, _ = b.control("POST", "/wechatpay/pay", object{"combine_out_trade_no": "CART0001", "result": "success"})
		want(t, "paying twice", status, 409)
		want(t, "paid", b.books()["paid"], 100)
	})

	t.Run("CouponPaysTheFirstSubOrdersFirst", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.merchant.must("POST", combinePath, b.combineBody("CART0001", 60, 40))
		status, _ := b.control("POST", "/wechatpay/pay", object{"combine_out_trade_no": "CART0001", "result": "success", "coupon": 101})
		want(t, "a coupon above the whole", status, 400)
		subOrders := b.pay(object{"combine_out_trade_no": "CART0001", "result": "success", "coupon": 70})["sub_orders"].([]any)
		want(t, "payer_amount", at(subOrders[0], "amount", "payer_amount"), 0)
		want(t, "payer_amount", at(subOrders[1], "amount", "payer_amount"), 30)
		b.books()
	})

	t.Run("FaultsReachItsNotification", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.fault(object{"operation": "notify/combine", "effect": "wrong_amount", "times": 1, "match": object{"out_trade_no": "CART0001"}})
		b.merchant.must("POST", combinePath, b.combineBody("CART0001", 60, 40))
		b.pay(object{"combine_out_trade_no": "CART0001", "result": "success"})
		content := b.receiver.wait(1)[0].content
		want(t, "total_amount", at(content["sub_orders"].([]any)[0], "amount", "total_amount"), 61)
		b.fault(object{"operation": "notify/combine", "effect": "wrong_mchid", "times": 1})
		b.merchant.must("POST", combinePath, b.combineBody("CART0002", 60, 40))
		b.pay(object{"combine_out_trade_no": "CART0002", "result": "success"})
		want(t, "combine_mchid", b.receiver.wait(1)[1].content["combine_mchid"], "1900000000")
		want(t, "journal", len(b.journal("out_trade_no=CART0002&operation=combine_prepay")), 1)
	})
}

func TestCombinedRefunds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.settings(object{"refund_delay": "0s"})
	b.merchant.must("POST", combinePath, b.combineBody("CART0001", 60, 40))
	subOrders := b.pay(object{"combine_out_trade_no": "CART0001", "result": "success"})["sub_orders"].([]any)
	b.receiver.wait(1)
	refund := func(i int, outRefundNo string, amount, total int64) object {
		body := b.refundBody("", outRefundNo, amount, total)
		delete(body, "out_trade_no")
		delete(body, "notify_url")
		body["transaction_id"] = at(subOrders[i], "transaction_id")
		return body
	}
	second := b.secondMerchant()

	// Another merchant's part of the payment is no business of the initiator.
	b.merchant.refused("POST", refundsPath, refund(1, "REFUND1", 40, 40), 404, "RESOURCE_NOT_EXISTS")
	want(t, "refund by its merchant", second.must("POST", refundsPath, refund(1, "REFUND1", 40, 40)).text("status"), "SUCCESS")
	want(t, "refund by the initiator of its own", b.merchant.must("POST", refundsPath, refund(0, "REFUND1", 10, 60)).text("status"), "SUCCESS")
	second.refused("POST", refundsPath, refund(1, "REFUND2", 1, 40), 400, "INVALID_REQUEST") // nothing is left
	whole := b.refundBody("CART0001", "REFUND3", 100, 100)
	b.merchant.refused("POST", refundsPath, whole, 404, "RESOURCE_NOT_EXISTS") // there is no refund of the whole

	for _, item := range b.combineQuery("CART0001")["sub_orders"].([]any) {
		want(t, "state", at(item, "trade_state"), "REFUND")
	}
	want(t, "refunded", b.books()["refunded"], 50)
}

func TestBasicCallsDoNotKnowCombinedPayments(t *testing.T) {
	t.Parallel()
	b := setup(t)
	second := b.secondMerchant()
	_, secondMchID := b.mchIDs()
	b.merchant.must("POST", combinePath, b.combineBody("CART0001", 60, 40))
	unknown := func(m *merchant, target string) { m.refused("GET", target, nil, 404, "ORDER_NOT_EXIST") }
	unknown(b.merchant, b.queryPath("CART0001"))
	unknown(b.merchant, b.queryPath("CART0001A"))
	unknown(second, "/v3/pay/transactions/out-trade-no/CART0001B?mchid="+secondMchID)
	for _, number := range []string{"CART0001", "CART0001A"} {
		a := b.closeOrder(number)
		want(t, "close", fmt.Sprint(a.status, a.text("code")), "404ORDER_NOT_EXIST")
	}
	unknown(second, combineNo+"CART0001") // the combined payment is the initiator's
	subOrders := b.pay(object{"combine_out_trade_no": "CART0001", "result": "success"})["sub_orders"].([]any)
	unknown(b.merchant, fmt.Sprintf("/v3/pay/transactions/id/%s?mchid=%s", at(subOrders[0], "transaction_id"), b.sandbox.Credentials().WeChatPay.MchID))
	b.merchant.refused("POST", nativePath, b.prepayBody("CART0001A", 60), 400, "INVALID_REQUEST") // the number is used
	b.native("CART0001", 7)                                                                       // a number of another space
	want(t, "state of the single order", b.query("CART0001")["trade_state"], "NOTPAY")
	want(t, "state of a sub order", at(b.combineQuery("CART0001")["sub_orders"].([]any)[0], "trade_state"), "SUCCESS")
}

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

func TestCombinePartnerMode(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.sandbox.Credentials().WeChatPay
	first, second := b.mchIDs()
	body := b.partnerBody("CART0001", 60)
	subOrder(body, 0)["sub_appid"] = w.SubMerchants[0].AppID
	body["combine_payer_info"] = object{"sub_openid": "o" + strings.Repeat("s", 27)}
	b.merchant.must("POST", "/v3/combine-transactions/jsapi", body)
	b.pay(object{"combine_out_trade_no": "CART0001", "result": "success"})
	sub := b.receiver.wait(1)[0].content["sub_orders"].([]any)[0]
	for name, wanted := range map[string]string{
		"mchid": first, "sub_mchid": second, "sub_appid": w.SubMerchants[0].AppID, "sub_openid": "o" + strings.Repeat("s", 27), "trade_state": "SUCCESS",
	} {
		want(t, name, at(sub, name), wanted)
	}
	fifty := b.partnerBody("CART0002", make([]int64, 50)...)
	for i := range 50 {
		subOrder(fifty, i)["out_trade_no"], subOrder(fifty, i)["amount"] = fmt.Sprintf("SUB%04d", i), object{"total_amount": 1_000_000_000, "currency": "CNY"}
	}
	b.merchant.must("POST", combinePath, fifty)
	b.pay(object{"combine_out_trade_no": "CART0002", "result": "success"})
	want(t, "paid", b.books()["paid"], fmt.Sprint(float64(50_000_000_060)))
	want(t, "close of a paid one", b.combineClose("CART0002", fifty).text("code"), "INVALID_REQUEST")
	third := b.partnerBody("CART0003", 1)
	subOrder(third, 0)["sub_appid"] = w.SubMerchants[0].AppID
	b.merchant.must("POST", combinePath, third)
	want(t, "close", b.combineClose("CART0003", third).status, 204)
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

func TestCombineExpiry(t *testing.T) {
	t.Parallel()
	b := setup(t)
	body := b.combineBody("CART0001", 60, 40)
	body["time_expire"] = b.sandbox.Now().Add(14 * 24 * time.Hour).Format(time.RFC3339)
	b.merchant.must("POST", combinePath, body)
	expires, err := time.Parse(time.RFC3339, b.ok("GET", "/wechatpay/combine-orders/CART0001", nil)["time_expire"].(string))
	if left := expires.Sub(b.sandbox.Now()); err != nil || left > 7*24*time.Hour || left < 7*24*time.Hour-time.Minute {
		t.Fatalf("%s is left, %v", left, err)
	}
	b.advance(2 * time.Hour)
	status, _ := b.control("POST", "/wechatpay/pay", object{"combine_out_trade_no": "CART0001", "result": "success"})
	want(t, "paying by an expired code", status, 409)
	b.merchant.must("POST", combinePath, body)
	b.advance(7 * 24 * time.Hour)
	for _, item := range b.combineQuery("CART0001")["sub_orders"].([]any) {
		want(t, "state after a week", at(item, "trade_state"), "CLOSED")
	}
}

func TestCombineRestart(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.receiver.answer(http.StatusInternalServerError)
	unpaid := b.combineBody("CART0002", 60, 40)
	b.merchant.must("POST", combinePath, b.combineBody("CART0001", 60, 40))
	code := b.merchant.must("POST", combinePath, unpaid).text("code_url")
	b.pay(object{"combine_out_trade_no": "CART0001", "result": "success"})
	b.receiver.wait(1)
	paid, books := b.combineQuery("CART0001"), b.books()

	next := b.again()
	want(t, "the paid one", next.combineQuery("CART0001"), paid)
	want(t, "books", next.books(), books)
	next.receiver.answer(http.StatusNoContent)
	next.advance(15 * time.Second)
	want(t, "notification", next.receiver.wait(1)[1].content, paid)
	next.pay(object{"code_url": code, "result": "success"})
	want(t, "paid", next.books()["paid"], 200)
	next.merchant.refused("POST", combinePath, unpaid, 400, "INVALID_REQUEST")
}

func TestCombineOnThePhone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	code := b.merchant.must("POST", combinePath, b.combineBody("CART0001", 6000, 4050)).text("code_url")
	second := b.sandbox.Credentials().WeChatPay.SubMerchants[0]
	_, page, _ := b.page(b.sandbox.PhoneURLFor(code))
	shows(t, page, "100.50", "商品0", "¥60.00", "商品1", "¥40.50", "通宝沙箱商户", second.Name, "立即支付")
	prepayID := b.ok("GET", "/wechatpay/combine-orders/CART0001", nil)["prepay_id"].(string)
	_, page, _ = b.press(url.Values{"prepay_id": {prepayID}, "result": {"success"}})
	shows(t, page, "支付成功", "100.50")
	for _, item := range b.combineQuery("CART0001")["sub_orders"].([]any) {
		want(t, "state", at(item, "trade_state"), "SUCCESS")
	}
	want(t, "a sub order shows the whole", at(b.ok("GET", "/wechatpay/orders/CART0001B", nil), "combine_order", "combine_out_trade_no"), "CART0001")
}
