package sandbox_test

import (
	"testing"
	"time"
)

// shareableParts places a combined payment whose sub orders are for sharing, pays it, waits the minute and returns their
// transaction_ids.
func (s *sharer) shareableParts(body object) []string {
	s.t.Helper()
	for _, sub := range body["sub_orders"].([]any) {
		sub.(object)["settle_info"] = object{"profit_sharing": true}
	}
	s.merchant.must("POST", combinePath, body)
	s.pay(object{"combine_out_trade_no": body["combine_out_trade_no"], "result": "success"})
	s.advance(time.Minute)
	var transactions []string
	for _, sub := range s.receiver.wait(1)[0].content["sub_orders"].([]any) {
		transactions = append(transactions, at(sub, "transaction_id").(string))
	}
	return transactions
}

// TestProfitSharingForASubMerchant is partner mode (服务商模式): the service provider shares its sub-merchant's money.
func TestProfitSharingForASubMerchant(t *testing.T) {
	t.Parallel()
	s := setupSharing(t)
	other := s.newOtherReceiver()
	s.sharingSettings(object{"notify_urls": object{s.self: s.receiver.url("/sharing"), s.other.MchID: other.url("/sharing")}})
	order := s.spBody("ORDER0001", 1000)
	order["settle_info"] = object{"profit_sharing": true}
	s.merchant.must("POST", spTransactions+"/native", order)
	transaction := s.pay(object{"out_trade_no": "ORDER0001", "result": "success"})["transaction_id"].(string)
	s.receiver.wait(1)
	s.advance(time.Minute)
	provider := object{"type": "MERCHANT_ID", "account": s.self, "amount": 200, "description": "服务费"}
	person := object{"type": "PERSONAL_SUB_OPENID", "account": s.person, "amount": 50, "description": "分给个人"}
	body := s.sharingBody(transaction, "SHARE1", provider, person)
	body["sub_mchid"], body["sub_appid"] = s.other.MchID, s.other.AppID
	s.merchant.refused("POST", sharingPath+"orders", body, 400, "INVALID_REQUEST") // the receivers are not the sub-merchant's
	for _, to := range []object{provider, person} {
		added := object{
			"appid": s.appID, "sub_mchid": s.other.MchID, "sub_appid": s.other.AppID, "type": to["type"], "account": to["account"],
			"name": s.sealed(s.sandbox.Credentials().WeChatPay.Name), "relation_type": "SERVICE_PROVIDER",
		}
		s.merchant.must("POST", sharingPath+"receivers/add", added)
	}
	s.shareRefused(transaction, "SHARE1", 400, "PARAM_ERROR", s.toPerson(1)) // without sub_mchid
	s.settings(object{"sub_merchants_authorize": false})
	s.merchant.refused("POST", sharingPath+"orders", body, 403, "NO_AUTH")
	s.settings(object{"sub_merchants_authorize": true})
	made := s.decode(s.merchant.must("POST", sharingPath+"orders", body).body)
	want(t, "sub_mchid", made["sub_mchid"], s.other.MchID)
	s.advance(3 * time.Second)
	query := sharingPath + "orders/SHARE1?transaction_id=" + transaction
	s.merchant.refused("GET", query, nil, 404, "RESOURCE_NOT_EXISTS")
	want(t, "state", s.merchant.must("GET", query+"&sub_mchid="+s.other.MchID, nil).text("state"), "FINISHED")
	want(t, "the service provider's", s.balance(s.self, "available"), 200)
	want(t, "left", s.unsplit(transaction), 744)
	told := s.receiver.wait(1)[1]
	want(t, "mchid", told.content["mchid"], nil)
	want(t, "sp_mchid", told.content["sp_mchid"], s.self)
	want(t, "sub_mchid", told.content["sub_mchid"], s.other.MchID)

	giveBack := object{
		"sub_mchid": s.other.MchID, "out_order_no": "SHARE1", "out_return_no": "BACK1", "return_mchid": s.self, "amount": 30, "description": "退回",
	}
	want(t, "result", s.merchant.must("POST", sharingPath+"return-orders", giveBack).text("result"), "SUCCESS")
	want(t, "the return's sub_mchid", s.merchant.must("GET", sharingPath+"return-orders/BACK1?out_order_no=SHARE1&sub_mchid="+s.other.MchID, nil).text("sub_mchid"), s.other.MchID)
	want(t, "told to the sub-merchant", at(other.wait(1)[0].content, "receiver", "account"), s.other.MchID)
	release := unfreezeBody(transaction, "FREE1")
	release["sub_mchid"] = s.other.MchID
	s.merchant.must("POST", sharingPath+"orders/unfreeze", release)
	s.advance(3 * time.Second)
	want(t, "the sub-merchant's", s.balance(s.other.MchID, "available"), 744+30)
}

// TestSharingOfACombinedPayment shares each sub order by its own merchant.
func TestSharingOfACombinedPayment(t *testing.T) {
	t.Parallel()
	s := setupSharing(t)
	second := s.secondMerchant()
	transactions := s.shareableParts(s.combineBody("CART0001", 1000, 2000))
	s.share(transactions[0], "SHARE1", s.toPerson(300))
	s.shareRefused(transactions[1], "SHARE2", 404, "RESOURCE_NOT_EXISTS", s.toPerson(300))
	body := unfreezeBody(transactions[1], "SHARE1") // the number is another merchant's
	second.must("POST", sharingPath+"orders/unfreeze", body)
	s.advance(3 * time.Second)
	want(t, "shared", s.books()["shared"], 300)
	want(t, "the second merchant's", s.balance(s.other.MchID, "available"), 1988)
	want(t, "frozen", s.books()["frozen"], 694)
}
