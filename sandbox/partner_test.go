package sandbox_test

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"
)

const spTransactions = "/v3/pay/partner/transactions"

// shop is the mchid and appid of the merchant for whom the first one acts.
func (b *bundle) shop() (mchID, appID string) {
	sub := b.sandbox.Credentials().WeChatPay.SubMerchants[0]
	return sub.MchID, sub.AppID
}

// asShop calls in the sub-merchant's own name.
func (b *bundle) asShop() *merchant {
	b.t.Helper()
	sub := b.sandbox.Credentials().WeChatPay.SubMerchants[0]
	block, _ := pem.Decode(b.sandbox.Credentials().PEM(sub.MerchantPrivateKeyFile))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		b.t.Fatal(err)
	}
	m := *b.merchant
	m.key = key.(*rsa.PrivateKey)
	m.c.WeChatPay.MchID, m.c.WeChatPay.MerchantSerialNo = sub.MchID, sub.MerchantSerialNo
	return &m
}

// spBody is an order that the service provider places for the sub-merchant.
func (b *bundle) spBody(outTradeNo string, total int64) object {
	body := b.prepayBody(outTradeNo, total)
	delete(body, "mchid")
	delete(body, "appid")
	body["sp_mchid"], body["sp_appid"] = b.merchant.c.WeChatPay.MchID, b.merchant.c.WeChatPay.AppID
	body["sub_mchid"], _ = b.shop()
	return body
}

func (b *bundle) spQuery(subMchID string) string {
	return "?sp_mchid=" + b.merchant.c.WeChatPay.MchID + "&sub_mchid=" + subMchID
}

func TestPartnerMode(t *testing.T) {
	t.Parallel()

	t.Run("PaidQueriedNotifiedAndRefundedForTheSubMerchant", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		subMchID, subAppID := b.shop()
		body := b.spBody("ORDER0001", 1000)
		body["sub_appid"] = subAppID
		b.merchant.must("POST", spTransactions+"/native", body)
		order := b.pay(object{"out_trade_no": "ORDER0001", "result": "success"})
		notified := b.receiver.wait(1)[0]
		byNumber := b.decode(b.merchant.must("GET", spTransactions+"/out-trade-no/ORDER0001"+b.spQuery(subMchID), nil).body)
		byID := b.decode(b.merchant.must("GET", spTransactions+"/id/"+order["transaction_id"].(string)+b.spQuery(subMchID), nil).body)
		for what, shown := range map[string]object{"by number": byNumber, "by id": byID, "notified": notified.content} {
			want(t, what+": sp_mchid", shown["sp_mchid"], b.merchant.c.WeChatPay.MchID)
			want(t, what+": sp_appid", shown["sp_appid"], b.merchant.c.WeChatPay.AppID)
			want(t, what+": sub_mchid", shown["sub_mchid"], subMchID)
			want(t, what+": sub_appid", shown["sub_appid"], subAppID)
			want(t, what+": mchid", shown["mchid"], nil)
			want(t, what+": appid", shown["appid"], nil)
			want(t, what+": sp_openid", at(shown, "payer", "sp_openid"), b.merchant.c.WeChatPay.OpenID)
			if id, ok := at(shown, "payer", "sub_openid").(string); !ok || len(id) != 28 || id == b.merchant.c.WeChatPay.OpenID {
				t.Errorf("%s: sub_openid %q", what, id)
			}
		}
		want(t, "decrypted with the service provider's key", notified.opened, nil)
		want(t, "money of the sub-merchant", b.balance(subMchID, "unsettled"), 994)
		want(t, "money of the service provider", b.balance(b.merchant.c.WeChatPay.MchID, "unsettled"), 0)

		refund := b.refundBody("ORDER0001", "REFUND1", 400, 1000)
		refund["sub_mchid"] = subMchID
		b.merchant.must("POST", refundsPath, refund)
		b.advance(3 * time.Second)
		told := b.receiver.wait(1)[1]
		want(t, "event", told.event, "REFUND.SUCCESS")
		want(t, "sp_mchid of the refund", told.content["sp_mchid"], b.merchant.c.WeChatPay.MchID)
		want(t, "sub_mchid of the refund", told.content["sub_mchid"], subMchID)
		want(t, "mchid of the refund", told.content["mchid"], nil)
		queried := b.decode(b.merchant.must("GET", refundsPath+"/REFUND1?sub_mchid="+subMchID, nil).body)
		want(t, "status", queried["status"], "SUCCESS")
		b.books()
	})

	t.Run("EveryKindOfPrepay", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		subMchID, subAppID := b.shop()
		jsapi := b.spBody("ORDER0001", 1)
		jsapi["payer"] = object{"sp_openid": b.merchant.c.WeChatPay.OpenID}
		b.merchant.must("POST", spTransactions+"/jsapi", jsapi)
		bySub := b.spBody("ORDER0002", 1)
		subOpenID := "o" + strings.Repeat("s", 27)
		bySub["sub_appid"], bySub["payer"] = subAppID, object{"sub_openid": subOpenID}
		b.merchant.must("POST", spTransactions+"/jsapi", bySub)
		b.pay(object{"out_trade_no": "ORDER0002", "result": "success"})
		shown := b.decode(b.merchant.must("GET", spTransactions+"/out-trade-no/ORDER0002"+b.spQuery(subMchID), nil).body)
		want(t, "sub_openid", at(shown, "payer", "sub_openid"), subOpenID)
		b.merchant.must("POST", spTransactions+"/app", b.spBody("ORDER0003", 1))
		h5 := b.spBody("ORDER0004", 1)
		h5["scene_info"] = object{"payer_client_ip": "203.0.113.8", "h5_info": object{"type": "Wap"}}
		b.merchant.must("POST", spTransactions+"/h5", h5)
	})

	t.Run("ClosedByTheServiceProvider", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		subMchID, _ := b.shop()
		b.merchant.must("POST", spTransactions+"/native", b.spBody("ORDER0001", 1))
		a := b.merchant.call("POST", spTransactions+"/out-trade-no/ORDER0001/close", object{"sp_mchid": b.merchant.c.WeChatPay.MchID, "sub_mchid": subMchID})
		want(t, "close", a.status, 204)
		shown := b.decode(b.merchant.must("GET", spTransactions+"/out-trade-no/ORDER0001"+b.spQuery(subMchID), nil).body)
		want(t, "state", shown["trade_state"], "CLOSED")
	})

	t.Run("NumbersOfTheModesDoNotMeet", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		subMchID, _ := b.shop()
		b.native("ORDER0001", 1)
		b.merchant.must("POST", spTransactions+"/native", b.spBody("ORDER0001", 2))
		b.merchant.must("POST", spTransactions+"/native", b.spBody("ORDER0002", 2))
		paid := b.pay(object{"out_trade_no": "ORDER0002", "result": "success"})["transaction_id"].(string)
		b.merchant.refused("GET", b.queryPath("ORDER0002"), nil, 404, "ORDER_NOT_EXIST")
		b.merchant.refused("GET", "/v3/pay/transactions/id/"+paid+"?mchid="+b.merchant.c.WeChatPay.MchID, nil, 404, "ORDER_NOT_EXIST")
		b.merchant.refused("GET", spTransactions+"/out-trade-no/ORDER0009"+b.spQuery(subMchID), nil, 404, "ORDER_NOT_EXIST")
		b.asShop().refused("GET", "/v3/pay/transactions/out-trade-no/ORDER0002?mchid="+subMchID, nil, 404, "ORDER_NOT_EXIST")
	})
}

func TestPartnerRefusals(t *testing.T) {
	t.Parallel()
	b := setup(t)
	subMchID, subAppID := b.shop()
	spMchID := b.merchant.c.WeChatPay.MchID
	change := func(changes object) object {
		body := b.spBody("ORDER0001", 1)
		maps.Copy(body, changes)
		return body
	}
	internal := func(t *testing.T, a answer, code string) {
		t.Helper()
		if id := a.header.Get("Request-ID"); !strings.HasSuffix(id, "-"+code) {
			t.Errorf("Request-ID %q, want -%s", id, code)
		}
	}
	const native = spTransactions + "/native"

	t.Run("SubMerchantIsTheServiceProvider", func(t *testing.T) {
		t.Parallel()
		internal(t, b.merchant.refused("POST", native, change(object{"sub_mchid": spMchID}), 400, "INVALID_REQUEST"), "268443705")
	})
	t.Run("UnknownSubMerchant", func(t *testing.T) {
		t.Parallel()
		b.merchant.refused("POST", native, change(object{"sub_mchid": "1900000000"}), 400, "MCH_NOT_EXISTS")
	})
	t.Run("NoAcceptanceRelation", func(t *testing.T) {
		t.Parallel()
		body := change(object{"sp_mchid": subMchID, "sp_appid": subAppID, "sub_mchid": spMchID})
		internal(t, b.asShop().refused("POST", native, body, 403, "NO_AUTH"), "268443701")
	})
	t.Run("AnotherServiceProviderThanSigned", func(t *testing.T) {
		t.Parallel()
		b.merchant.refused("POST", native, change(object{"sp_mchid": subMchID}), 400, "INVALID_REQUEST")
	})
	t.Run("AppsOfOthers", func(t *testing.T) {
		t.Parallel()
		b.merchant.refused("POST", native, change(object{"sp_appid": subAppID}), 400, "APPID_MCHID_NOT_MATCH")
		b.merchant.refused("POST", native, change(object{"sub_appid": "wx0000000000000000"}), 400, "APPID_MCHID_NOT_MATCH")
	})
	t.Run("FieldsOfTheOtherMode", func(t *testing.T) {
		t.Parallel()
		b.merchant.refused("POST", native, b.prepayBody("ORDER0001", 1), 400, "PARAM_ERROR")
		b.merchant.refused("POST", nativePath, b.spBody("ORDER0001", 1), 400, "PARAM_ERROR")
	})
	t.Run("Payers", func(t *testing.T) {
		t.Parallel()
		for _, payer := range []object{{}, {"sub_openid": "o" + strings.Repeat("s", 27)}, {"sp_openid": "short"}, {"openid": "o" + strings.Repeat("s", 27)}} {
			b.merchant.refused("POST", spTransactions+"/jsapi", change(object{"payer": payer}), 400, "PARAM_ERROR")
		}
	})
	t.Run("QueriesWithoutMerchants", func(t *testing.T) {
		t.Parallel()
		path := spTransactions + "/out-trade-no/ORDER0001"
		b.merchant.refused("GET", path+"?sub_mchid="+subMchID, nil, 400, "PARAM_ERROR")
		internal(t, b.merchant.refused("GET", path+"?sp_mchid="+spMchID, nil, 400, "PARAM_ERROR"), "268443704")
		b.merchant.refused("GET", path+"?sp_mchid="+subMchID+"&sub_mchid="+spMchID, nil, 400, "INVALID_REQUEST")
	})
	t.Run("RefundsOfTheOtherMode", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.merchant.must("POST", native, b.spBody("ORDER0001", 100))
		partnerID := b.pay(object{"out_trade_no": "ORDER0001", "result": "success"})["transaction_id"]
		b.native("ORDER0002", 100)
		ownID := b.pay(object{"out_trade_no": "ORDER0002", "result": "success"})["transaction_id"]
		refund := func(transactionID any, subMchID string) object {
			body := object{"transaction_id": transactionID, "out_refund_no": "REFUND1", "amount": object{"refund": 1, "total": 100, "currency": "CNY"}}
			if subMchID != "" {
				body["sub_mchid"] = subMchID
			}
			return body
		}
		shop, _ := b.shop()
		internal(t, b.merchant.refused("POST", refundsPath, refund(partnerID, ""), 400, "PARAM_ERROR"), "268443704")
		internal(t, b.merchant.refused("POST", refundsPath, refund(ownID, shop), 400, "INVALID_REQUEST"), "268447845")
		b.asShop().refused("POST", refundsPath, refund(partnerID, ""), 404, "RESOURCE_NOT_EXISTS")
		b.merchant.must("POST", refundsPath, refund(partnerID, shop))
		b.merchant.refused("GET", refundsPath+"/REFUND1", nil, 404, "RESOURCE_NOT_EXISTS")
		b.books()
	})
	t.Run("UnauthorisedProduct", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.settings(object{"sub_merchants_authorize": false})
		b.merchant.refused("POST", native, b.spBody("ORDER0001", 1), 403, "NO_AUTH")
		b.native("ORDER0002", 1)
	})
}

func TestPartnerAbnormalRefund(t *testing.T) {
	t.Parallel()
	b := setup(t)
	subMchID, _ := b.shop()
	b.settings(object{"refund_outcome": "ABNORMAL", "refund_delay": "0s"})
	b.merchant.must("POST", spTransactions+"/native", b.spBody("ORDER0001", 100))
	b.pay(object{"out_trade_no": "ORDER0001", "result": "success"})
	body := b.refundBody("ORDER0001", "REFUND@1", 100, 100)
	body["sub_mchid"] = subMchID
	refund := b.decode(b.merchant.must("POST", refundsPath, body).body)
	want(t, "status", refund["status"], "ABNORMAL")
	apply := refundsPath + "/" + refund["refund_id"].(string) + "/apply-abnormal-refund"
	elsewhere := object{"out_refund_no": "REFUND@1", "type": "MERCHANT_BANK_CARD"}
	b.merchant.refused("POST", apply, elsewhere, 404, "RESOURCE_NOT_EXISTS")
	elsewhere["sub_mchid"] = subMchID
	want(t, "status", b.merchant.must("POST", apply, elsewhere).text("status"), "SUCCESS")
	queried := b.merchant.must("GET", refundsPath+"/"+url.PathEscape("REFUND@1")+"?sub_mchid="+subMchID, nil)
	want(t, "status", queried.text("status"), "SUCCESS")
	b.books()
}

func TestPartnerNotificationFaultsChangeTheSubMerchant(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.fault(object{"operation": "notify/payment", "effect": "wrong_mchid", "times": 1})
	b.merchant.must("POST", spTransactions+"/native", b.spBody("ORDER0001", 1))
	b.pay(object{"out_trade_no": "ORDER0001", "result": "success"})
	content := b.receiver.wait(1)[0].content
	want(t, "sub_mchid", content["sub_mchid"], "1900000000")
	want(t, "mchid", content["mchid"], nil)
	want(t, "sp_mchid", content["sp_mchid"], b.merchant.c.WeChatPay.MchID)
}

// balance is what the books say lies in a merchant's account.
func (b *bundle) balance(mchID, account string) int64 {
	b.t.Helper()
	for _, row := range b.books()["accounts"].([]any) {
		if at(row, "owner") == mchID && at(row, "account") == account {
			return int64(at(row, "balance").(float64))
		}
	}
	return 0
}
