package sandbox_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestProfitSharing(t *testing.T) {
	t.Parallel()

	t.Run("ReceiversAreOnceProcessedPaidAndTheRestStaysFrozen", func(t *testing.T) {
		t.Parallel()
		s := setupSharing(t)
		transaction := s.shareable("ORDER0001", 1000)
		want(t, "frozen after payment", s.books()["frozen"], 994) // less the fee
		want(t, "unsettled", s.books()["unsettled"], 0)
		made := s.share(transaction, "SHARE@1|2*3", s.toMerchant(200), s.toPerson(50))
		want(t, "state", made["state"], "PROCESSING")
		want(t, "result", part(made, 0)["result"], "PENDING")
		want(t, "left", s.unsplit(transaction), 744)
		want(t, "frozen while it is processed", s.books()["frozen"], 994)
		s.advance(3 * time.Second)
		done := s.querySharing(transaction, "SHARE@1|2*3")
		want(t, "state", done["state"], "FINISHED")
		want(t, "order_id", done["order_id"], made["order_id"])
		for n, amount := range []int{200, 50} {
			want(t, "result", part(done, n)["result"], "SUCCESS")
			want(t, "amount", part(done, n)["amount"], amount)
			want(t, "has a finish_time", part(done, n)["finish_time"] != nil, true)
		}
		books := s.books()
		want(t, "frozen", books["frozen"], 744)
		want(t, "shared outside", books["shared"], 50)
		want(t, "the other merchant's", s.balance(s.other.MchID, "available"), 200)
	})

	t.Run("UnfreezeReleasesTheRestForGood", func(t *testing.T) {
		t.Parallel()
		s := setupSharing(t)
		transaction := s.shareable("ORDER0001", 1000)
		released := s.decode(s.merchant.must("POST", sharingPath+"orders/unfreeze", unfreezeBody(transaction, "FREE1")).body)
		want(t, "state", released["state"], "PROCESSING")
		want(t, "receiver", part(released, 0)["account"], s.self)
		s.shareRefused(transaction, "SHARE1", 400, "INVALID_REQUEST", s.toMerchant(1))
		s.advance(3 * time.Second)
		done := s.querySharing(transaction, "FREE1")
		want(t, "state", done["state"], "FINISHED")
		want(t, "amount", part(done, 0)["amount"], 994)
		want(t, "description", part(done, 0)["description"], "解冻全部剩余资金")
		want(t, "available", s.balance(s.self, "available"), 994)
		want(t, "left", s.unsplit(transaction), 0)
		s.advance(time.Second)
		s.shareRefused(transaction, "SHARE2", 400, "INVALID_REQUEST", s.toMerchant(1))
		s.merchant.refused("POST", sharingPath+"orders/unfreeze", unfreezeBody(transaction, "FREE2"), 403, "NOT_ENOUGH")
		want(t, "the same release again", s.decode(s.merchant.must("POST", sharingPath+"orders/unfreeze", unfreezeBody(transaction, "FREE1")).body), done)
		s.merchant.refused("POST", sharingPath+"orders", s.sharingBody(transaction, "FREE1", s.toMerchant(1)), 400, "INVALID_REQUEST") // one list of numbers
	})

	t.Run("UnfreezeUnsplitReleasesWhatTheLastRequestLeaves", func(t *testing.T) {
		t.Parallel()
		s := setupSharing(t)
		transaction := s.shareable("ORDER0001", 1000)
		body := s.sharingBody(transaction, "SHARE1", s.toMerchant(100), s.toPerson(100))
		body["unfreeze_unsplit"] = true
		s.sharingSettings(object{"outcome": "PROCESSING"})
		s.merchant.must("POST", sharingPath+"orders", body)
		s.ok("POST", "/wechatpay/profitsharing/orders/SHARE1/settle", object{"results": object{s.person: "RECEIVER_RECEIPT_LIMIT"}})
		want(t, "available, the closed part included", s.balance(s.self, "available"), 894)
		want(t, "frozen", s.books()["frozen"], 0)
		s.shareRefused(transaction, "SHARE2", 400, "INVALID_REQUEST", s.toMerchant(1))
	})

	t.Run("NothingIsTakenInTheMinuteAfterThePayment", func(t *testing.T) {
		t.Parallel()
		s := setupSharing(t)
		transaction := s.payForSharing("ORDER0001", 1000)
		s.advance(50 * time.Second)
		s.shareRefused(transaction, "SHARE1", 400, "INVALID_REQUEST", s.toMerchant(1))
		s.merchant.refused("POST", sharingPath+"orders/unfreeze", unfreezeBody(transaction, "FREE1"), 400, "INVALID_REQUEST")
		s.advance(10 * time.Second)
		s.share(transaction, "SHARE1", s.toMerchant(1))
	})

	t.Run("OneRequestOfAnOrderAtATimeAndOneASecond", func(t *testing.T) {
		t.Parallel()
		s := setupSharing(t)
		first, second := s.shareable("ORDER0001", 1000), s.shareable("ORDER0002", 1000)
		s.sharingSettings(object{"delay": "10s"})
		s.share(first, "SHARE1", s.toMerchant(1))
		s.share(second, "SHARE2", s.toMerchant(1)) // of another order
		refused := s.merchant.refused("POST", sharingPath+"orders", s.sharingBody(first, "SHARE3", s.toMerchant(1)), 400, "INVALID_REQUEST")
		want(t, "message", refused.text("message"), "订单处理中，请稍后重试")
		s.sharingSettings(object{"delay": "0s"})
		s.advance(10 * time.Second)
		want(t, "state", s.share(first, "SHARE3", s.toMerchant(1))["state"], "FINISHED")
		s.shareRefused(first, "SHARE4", 429, "FREQUENCY_LIMITED", s.toMerchant(1))
		s.advance(time.Second)
		s.share(first, "SHARE4", s.toMerchant(1))
	})

	t.Run("TheRestIsReleasedAfterThirtyDays", func(t *testing.T) {
		t.Parallel()
		s := setupSharing(t)
		transaction := s.shareable("ORDER0001", 1000)
		s.share(transaction, "SHARE1", s.toMerchant(200))
		s.advance(30*24*time.Hour - 2*time.Minute)
		want(t, "frozen on the last day", s.books()["frozen"], 794)
		s.sharingSettings(object{"outcome": "PROCESSING"})
		s.share(transaction, "SHARE2", s.toPerson(50))
		s.advance(2 * time.Minute)
		want(t, "frozen while a request is processed", s.books()["frozen"], 794)
		s.ok("POST", "/wechatpay/profitsharing/orders/SHARE2/settle", object{})
		want(t, "frozen", s.books()["frozen"], 0)
		want(t, "available", s.balance(s.self, "available"), 744)
		s.shareRefused(transaction, "SHARE3", 400, "INVALID_REQUEST", s.toMerchant(1))
	})

	t.Run("SharesTogetherStayWithinTheRatioAndTheFrozenMoney", func(t *testing.T) {
		t.Parallel()
		s := setupSharing(t)
		s.sharingSettings(object{"delay": "0s"})
		transaction := s.shareable("ORDER0001", 1000)
		s.shareRefused(transaction, "SHARE1", 403, "RULE_LIMIT", s.toMerchant(200), s.toPerson(101))
		s.share(transaction, "SHARE1", s.toMerchant(200)) // a refused number is not used up
		s.advance(time.Second)
		s.shareRefused(transaction, "SHARE2", 403, "RULE_LIMIT", s.toMerchant(101))
		s.shareRefused(transaction, "SHARE2", 403, "NOT_ENOUGH", s.toMerchant(795))
		s.sharingSettings(object{"max_ratio": 10000})
		s.share(transaction, "SHARE2", s.toMerchant(794))
		want(t, "left", s.unsplit(transaction), 0)
	})

	t.Run("EachReceiverEndsByItsOwnOutcome", func(t *testing.T) {
		t.Parallel()
		s := setupSharing(t)
		transaction := s.shareable("ORDER0001", 1000)
		for n, reason := range []string{
			"ACCOUNT_ABNORMAL", "NO_RELATION", "RECEIVER_HIGH_RISK", "RECEIVER_REAL_NAME_NOT_VERIFIED", "NO_AUTH", "RECEIVER_RECEIPT_LIMIT",
			"PAYER_ACCOUNT_ABNORMAL", "INVALID_REQUEST",
		} {
			s.sharingSettings(object{"outcome": reason})
			number := fmt.Sprintf("SHARE%d", n)
			s.share(transaction, number, s.toMerchant(200), s.toPerson(100))
			s.advance(3 * time.Second)
			done := s.querySharing(transaction, number)
			want(t, "state", done["state"], "FINISHED")
			want(t, "result", part(done, 1)["result"], "CLOSED")
			want(t, "fail_reason", part(done, 1)["fail_reason"], reason)
			want(t, "left", s.unsplit(transaction), 994)
		}
		s.sharingSettings(object{"outcome": "PROCESSING"})
		s.share(transaction, "SHARELAST", s.toMerchant(200), s.toPerson(100))
		s.advance(time.Hour)
		want(t, "state", s.querySharing(transaction, "SHARELAST")["state"], "PROCESSING")
		s.ok("POST", "/wechatpay/profitsharing/orders/SHARELAST/settle", object{"results": object{s.other.MchID: "NO_AUTH"}})
		done := s.querySharing(transaction, "SHARELAST")
		want(t, "merchant", part(done, 0)["fail_reason"], "NO_AUTH")
		want(t, "person", part(done, 1)["result"], "SUCCESS")
		want(t, "left", s.unsplit(transaction), 894)
	})

	t.Run("SameNumberReturnsTheSameSharingAndOtherParametersAreRefused", func(t *testing.T) {
		t.Parallel()
		s := setupSharing(t)
		transaction := s.shareable("ORDER0001", 1000)
		named := func(name string) object {
			to := s.toPerson(100)
			to["name"] = s.sealed(name) // each encryption differs
			return to
		}
		first := s.share(transaction, "SHARE1", named("张三"))
		want(t, "again", s.share(transaction, "SHARE1", named("张三")), first)
		s.advance(3 * time.Second)
		want(t, "order_id afterwards", s.share(transaction, "SHARE1", named("张三"))["order_id"], first["order_id"])
		s.shareRefused(transaction, "SHARE1", 400, "INVALID_REQUEST", named("李四"))
		s.shareRefused(transaction, "SHARE1", 400, "INVALID_REQUEST", s.toPerson(101))
		want(t, "shared once", s.books()["shared"], 100)
	})

	t.Run("AnswerLostAndRepeatedSharesOnce", func(t *testing.T) {
		t.Parallel()
		s := setupSharing(t)
		transaction := s.shareable("ORDER0001", 1000)
		s.fault(object{"operation": "profitsharing", "effect": "lose_answer", "times": 1})
		if _, err := s.merchant.try("POST", sharingPath+"orders", s.sharingBody(transaction, "SHARE1", s.toPerson(100))); err == nil {
			t.Fatal("the answer was not lost")
		}
		s.share(transaction, "SHARE1", s.toPerson(100))
		s.advance(3 * time.Second)
		want(t, "shared", s.books()["shared"], 100)
	})

	t.Run("FiftyRequestsOfAnOrderAndNotOneMore", func(t *testing.T) {
		t.Parallel()
		s := setupSharing(t)
		s.sharingSettings(object{"delay": "0s"})
		transaction := s.shareable("ORDER0001", 1000)
		for n := range 50 {
			s.share(transaction, fmt.Sprintf("SHARE%d", n), s.toMerchant(1))
			s.advance(time.Second)
		}
		s.shareRefused(transaction, "SHARE50", 403, "RULE_LIMIT", s.toMerchant(1))
		s.merchant.must("POST", sharingPath+"orders/unfreeze", unfreezeBody(transaction, "FREE1"))
	})

	t.Run("MerchantSharesWithItselfWithoutAddingItself", func(t *testing.T) {
		t.Parallel()
		s := setupSharing(t)
		s.sharingSettings(object{"notify_urls": object{s.self: s.receiver.url("/sharing")}})
		transaction := s.shareable("ORDER0001", 1000)
		s.share(transaction, "SHARE1", object{"type": "MERCHANT_ID", "account": s.self, "amount": 300, "description": "自留"})
		s.advance(3 * time.Second)
		want(t, "available", s.balance(s.self, "available"), 300)
		want(t, "notifications, the payment's alone", len(s.settled("ORDER0001")), 1)
	})

	t.Run("WhatIsRefused", func(t *testing.T) {
		t.Parallel()
		s := setupSharing(t)
		transaction := s.shareable("ORDER0001", 1000)
		plain := s.paid("ORDER0002", 1000)["transaction_id"].(string)
		s.advance(time.Minute)
		changed := func(change func(object)) object {
			body := s.sharingBody(transaction, "SHARE1", s.toMerchant(1))
			change(body)
			return body
		}
		var many []object
		for range 51 {
			many = append(many, s.toMerchant(1))
		}
		for _, c := range []struct {
			name   string
			body   object
			status int
			code   string
		}{
			{"OrderNotForSharing", changed(func(o object) { o["transaction_id"] = plain }), 400, "INVALID_REQUEST"},
			{"UnknownOrder", changed(func(o object) { o["transaction_id"] = "4200000000" }), 404, "RESOURCE_NOT_EXISTS"},
			{"AnothersApp", changed(func(o object) { o["appid"] = s.other.AppID }), 400, "INVALID_REQUEST"},
			{"NoReceivers", changed(func(o object) { o["receivers"] = []object{} }), 400, "PARAM_ERROR"},
			{"FiftyOneReceivers", changed(func(o object) { o["receivers"] = many }), 400, "PARAM_ERROR"},
			{"ReceiverTwice", changed(func(o object) { o["receivers"] = many[:2] }), 400, "INVALID_REQUEST"},
			{"ReceiverNotAdded", changed(func(o object) {
				o["receivers"] = []object{{"type": "PERSONAL_OPENID", "account": "o" + strings.Repeat("x", 27), "amount": 1, "description": "d"}}
			}), 400, "INVALID_REQUEST"},
			{"OpenIDOfNobody", changed(func(o object) {
				o["receivers"] = []object{{"type": "PERSONAL_OPENID", "account": "x", "amount": 1, "description": "d"}}
			}), 400, "PARAM_ERROR"},
			{"SubOpenIDWithoutSubMerchant", changed(func(o object) {
				o["receivers"] = []object{{"type": "PERSONAL_SUB_OPENID", "account": s.person, "amount": 1, "description": "d"}}
			}), 400, "PARAM_ERROR"},
			{"AmountOfNothing", changed(func(o object) { o["receivers"] = []object{s.toMerchant(0)} }), 400, "PARAM_ERROR"},
			{"NoUnfreezeUnsplit", changed(func(o object) { delete(o, "unfreeze_unsplit") }), 400, "PARAM_ERROR"},
			{"NumberWithSlash", changed(func(o object) { o["out_order_no"] = "a/b" }), 400, "PARAM_ERROR"},
			{"NameInTheClear", changed(func(o object) {
				o["receivers"] = []object{{"type": "PERSONAL_OPENID", "account": s.person, "name": "张三", "amount": 1, "description": "d"}}
			}), 400, "PARAM_ERROR"},
			{"ItselfAsSubMerchant", changed(func(o object) { o["sub_mchid"] = s.self }), 400, "INVALID_REQUEST"},
			{"SubAppWithoutSubMerchant", changed(func(o object) { o["sub_appid"] = s.other.AppID }), 400, "PARAM_ERROR"},
			{"OrderThatIsNotTheSubMerchants", changed(func(o object) { o["sub_mchid"] = s.other.MchID }), 400, "INVALID_REQUEST"},
		} {
			s.merchant.refused("POST", sharingPath+"orders", c.body, c.status, c.code)
		}
		s.merchant.refused("GET", sharingPath+"orders/NONE?transaction_id="+transaction, nil, 404, "RESOURCE_NOT_EXISTS")
		s.merchant.refused("GET", sharingPath+"orders/NONE", nil, 400, "PARAM_ERROR")
		s.merchant.refused("GET", sharingPath+"transactions/"+plain+"/amounts", nil, 400, "INVALID_REQUEST")
		s.merchant.refused("GET", sharingPath+"transactions/42/amounts", nil, 400, "INVALID_REQUEST")
		s.merchant.refused("GET", sharingPath+"merchant-configs/"+s.self, nil, 400, "INVALID_REQUEST")
		want(t, "nothing was shared", s.unsplit(transaction), 994)
		s.sharingSettings(object{"enabled": false})
		s.merchant.refused("POST", sharingPath+"orders", s.sharingBody(transaction, "SHARE1", s.toMerchant(1)), 403, "NO_AUTH")
	})
}

func TestProfitSharingReceivers(t *testing.T) {
	t.Parallel()

	t.Run("NameComesBackEncryptedForTheMerchant", func(t *testing.T) {
		t.Parallel()
		s := sharerOf(setup(t))
		answer := s.decode(s.merchant.must("POST", sharingPath+"receivers/add", s.merchantReceiver(s.other.Name)).body)
		want(t, "account", answer["account"], s.other.MchID)
		want(t, "relation_type", answer["relation_type"], "STORE")
		want(t, "name", unseal(t, s.merchant.key, answer["name"].(string)), s.other.Name)
	})

	t.Run("RemovedReceiverGetsNothing", func(t *testing.T) {
		t.Parallel()
		s := setupSharing(t)
		transaction := s.shareable("ORDER0001", 1000)
		s.share(transaction, "SHARE1", s.toPerson(10))
		person := object{"appid": s.appID, "type": "PERSONAL_OPENID", "account": s.person}
		s.merchant.must("POST", sharingPath+"receivers/delete", person)
		s.advance(3 * time.Second)
		want(t, "fail_reason", part(s.querySharing(transaction, "SHARE1"), 0)["fail_reason"], "NO_RELATION")
		s.shareRefused(transaction, "SHARE2", 400, "INVALID_REQUEST", s.toPerson(10))
		s.merchant.refused("POST", sharingPath+"receivers/delete", person, 400, "INVALID_REQUEST")
		s.merchant.must("POST", sharingPath+"receivers/add", s.personReceiver())
		s.share(transaction, "SHARE2", s.toPerson(10))
	})

	t.Run("NameOfAPersonIsCompared", func(t *testing.T) {
		t.Parallel()
		s := setupSharing(t)
		person := s.personReceiver()
		person["name"] = s.sealed("张三")
		s.merchant.must("POST", sharingPath+"receivers/add", person)
		transaction := s.shareable("ORDER0001", 1000)
		to := s.toPerson(10)
		to["name"] = s.sealed("李四")
		s.shareRefused(transaction, "SHARE1", 400, "INVALID_REQUEST", to)
		to["name"] = s.sealed("张三")
		s.share(transaction, "SHARE1", to)
	})

	t.Run("ReceiversOfASubMerchantAreItsOwn", func(t *testing.T) {
		t.Parallel()
		s := sharerOf(setup(t))
		body := s.personReceiver()
		body["type"], body["sub_mchid"], body["sub_appid"], body["relation_type"] = "PERSONAL_SUB_OPENID", s.other.MchID, s.other.AppID, "SERVICE_PROVIDER"
		answer := s.decode(s.merchant.must("POST", sharingPath+"receivers/add", body).body)
		want(t, "sub_mchid", answer["sub_mchid"], s.other.MchID)
		s.merchant.refused("POST", sharingPath+"receivers/delete", object{"appid": s.appID, "type": "PERSONAL_OPENID", "account": s.person}, 400, "INVALID_REQUEST")
		ratio := s.decode(s.merchant.must("GET", sharingPath+"merchant-configs/"+s.other.MchID, nil).body)
		want(t, "ratio", ratio, object{"sub_mchid": s.other.MchID, "max_ratio": 3000})
	})

	t.Run("WhatIsRefused", func(t *testing.T) {
		t.Parallel()
		s := sharerOf(setup(t))
		changed := func(body object, change func(object)) object {
			change(body)
			return body
		}
		for _, c := range []struct {
			name   string
			body   object
			status int
			code   string
		}{
			{"MerchantOfAnotherName", s.merchantReceiver("别的公司"), 400, "INVALID_REQUEST"},
			{"MerchantWithoutName", changed(s.merchantReceiver("x"), func(o object) { delete(o, "name") }), 400, "PARAM_ERROR"},
			{"UnknownMerchant", changed(s.merchantReceiver("x"), func(o object) { o["account"] = "1900000000" }), 400, "INVALID_REQUEST"},
			{"NameInTheClear", changed(s.merchantReceiver("x"), func(o object) { o["name"] = s.other.Name }), 400, "PARAM_ERROR"},
			{"UnknownType", changed(s.personReceiver(), func(o object) { o["type"] = "PERSONAL_WECHATID" }), 400, "PARAM_ERROR"},
			{"UnknownRelation", changed(s.personReceiver(), func(o object) { o["relation_type"] = "FRIEND" }), 400, "PARAM_ERROR"},
			{"CustomWithoutName", changed(s.personReceiver(), func(o object) { o["relation_type"] = "CUSTOM" }), 400, "PARAM_ERROR"},
			{"ServiceProviderOfNobody", changed(s.personReceiver(), func(o object) { o["relation_type"] = "SERVICE_PROVIDER" }), 400, "PARAM_ERROR"},
			{"UnknownApp", changed(s.personReceiver(), func(o object) { o["appid"] = "wx0000000000000000" }), 400, "INVALID_REQUEST"},
			{"AnotherAppOfTheSubMerchant", changed(s.personReceiver(), func(o object) {
				o["sub_mchid"], o["sub_appid"] = s.other.MchID, "wx0000000000000000"
			}), 400, "INVALID_REQUEST"},
			{"NoSubMerchant", changed(s.personReceiver(), func(o object) { o["sub_mchid"] = "1900000000" }), 400, "MCH_NOT_EXISTS"},
		} {
			s.merchant.refused("POST", sharingPath+"receivers/add", c.body, c.status, c.code)
		}
		s.merchant.serial = ""
		s.merchant.refused("POST", sharingPath+"receivers/add", s.merchantReceiver(s.other.Name), 400, "INVALID_REQUEST")
	})
}

func TestProfitSharingSettingsThatCannotBe(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for field, value := range map[string]any{
		"max_ratio": 10001, "wait": "-1s", "delay": "9000h", "outcome": "MAYBE", "return_outcome": "NO_RELATION", "return_short": "IGNORED",
		"event_type": "SHARING", "notify_urls": object{"1900000001": "ftp://x/y"},
	} {
		status, answer := b.control("POST", "/wechatpay/settings", object{"profit_sharing": object{field: value}})
		want(t, field, status, 400)
		if named, _ := answer["field"].(string); !strings.HasPrefix(named, "profit_sharing."+field) {
			t.Errorf("%s: %v", field, answer)
		}
	}
}
