package sandbox_test

import (
	"testing"
	"time"
)

// sharingsTold returns what a receiver was told of sharings, leaving out payments.
func sharingsTold(r *receiver, summaryOf func(received) bool) []received {
	var told []received
	for _, got := range r.all() {
		if summaryOf(got) {
			told = append(told, got)
		}
	}
	return told
}

func aboutReceiver(got received) bool { return got.content["receiver"] != nil }

// newOtherReceiver is the other merchant's endpoint, which opens with its own APIv3 key.
func (s *sharer) newOtherReceiver() *receiver {
	s.t.Helper()
	r := newReceiver(s.t, s.sandbox.Credentials())
	r.keys, r.apiKey = s.merchant.keys, s.other.APIv3Key
	s.t.Cleanup(r.server.Close)
	return r
}

func TestProfitSharingNotification(t *testing.T) {
	t.Parallel()

	t.Run("GoesToTheReceivingMerchantUnderItsKeyAndNotToThePayer", func(t *testing.T) {
		t.Parallel()
		s := setupSharing(t)
		other := s.newOtherReceiver()
		s.sharingSettings(object{"notify_urls": object{s.other.MchID: other.url("/sharing")}})
		transaction := s.shared("ORDER0001", "SHARE1")
		got := other.wait(1)[0]
		want(t, "signature", got.verified, nil)
		want(t, "decryption", got.opened, nil)
		want(t, "event", got.event, "TRANSACTION.SUCCESS")
		want(t, "mchid", got.content["mchid"], s.self)
		want(t, "transaction_id", got.content["transaction_id"], transaction)
		want(t, "out_order_no", got.content["out_order_no"], "SHARE1")
		want(t, "receiver", got.content["receiver"], object{"type": "MERCHANT_ID", "account": s.other.MchID, "amount": 200, "description": "分给商户"})
		s.settled("ORDER0001")
		want(t, "told to the payer", len(sharingsTold(s.receiver, aboutReceiver)), 0)
	})

	t.Run("ReturnIsToldToTheMerchantThatGetsTheMoneyBack", func(t *testing.T) {
		t.Parallel()
		s := setupSharing(t)
		s.sharingSettings(object{"notify_urls": object{s.self: s.receiver.url("/sharing")}, "event_type": "PROFITSHARING"})
		s.shared("ORDER0001", "SHARE1")
		s.receiver.wait(1) // the payment
		made := s.giveBack("SHARE1", "BACK1", 120)
		s.receiver.wait(1)
		got := sharingsTold(s.receiver, aboutReceiver)[0]
		want(t, "event", got.event, "PROFITSHARING_RETURN")
		want(t, "order_id", got.content["order_id"], made["return_id"])
		want(t, "out_order_no", got.content["out_order_no"], "BACK1")
		want(t, "receiver", at(got.content, "receiver", "account"), s.self)
		want(t, "amount", at(got.content, "receiver", "amount"), 120)
	})

	t.Run("IsRepeatedUntilReceived", func(t *testing.T) {
		t.Parallel()
		s := setupSharing(t)
		other := s.newOtherReceiver()
		other.answer(500)
		s.sharingSettings(object{"notify_urls": object{s.other.MchID: other.url("/sharing")}, "event_type": "PROFITSHARING.SUCCESS"})
		s.shared("ORDER0001", "SHARE1")
		other.wait(1)
		s.settled("ORDER0001")
		other.answer(204)
		s.advance(15 * time.Second)
		all := other.wait(1)
		want(t, "same event", all[1].id, all[0].id)
		want(t, "event", all[1].event, "PROFITSHARING.SUCCESS")
	})

	t.Run("ClosedPartIsNotTold", func(t *testing.T) {
		t.Parallel()
		s := setupSharing(t)
		other := s.newOtherReceiver()
		s.sharingSettings(object{"notify_urls": object{s.other.MchID: other.url("/sharing")}, "outcome": "NO_AUTH"})
		s.shared("ORDER0001", "SHARE1")
		s.settled("ORDER0001")
		want(t, "told", len(other.all()), 0)
	})
}
