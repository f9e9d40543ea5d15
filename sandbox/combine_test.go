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
