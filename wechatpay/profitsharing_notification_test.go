package wechatpay

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// The pages disagree about the event type: the type of the content decides, then the event type, then the shape.
func TestNotificationOfASharing(t *testing.T) {
	t.Parallel()
	client := newClient(t, testConfig(t))
	const plaintext = `{"sp_mchid":"1900009191","sub_mchid":"1900009192","transaction_id":"42","order_id":"3008","out_order_no":"S1","receiver":{"type":"MERCHANT_ID","account":"1900009193","amount":30,"description":"分给商户"},"success_time":"2024-06-01T08:05:00+08:00"}`
	for _, c := range []struct{ event, original string }{
		{EventTransactionSuccess, "profitsharing"},
		{EventProfitSharing, "profitsharing"},
		{EventProfitSharingReturn, "profitsharing"},
		{EventProfitSharingSuccess, "profitsharing"},
		{EventProfitSharingReturnSuccess, "profitsharing"},
		{"SOMETHING.NEW", "profitsharing"},
		{EventTransactionSuccess, ""},
		{EventProfitSharing, ""},
		{EventProfitSharingReturn, ""},
		{EventProfitSharingSuccess, ""},
		{EventProfitSharingReturnSuccess, ""},
	} {
		t.Run(fmt.Sprintf("%s,%s", c.event, c.original), func(t *testing.T) {
			t.Parallel()
			n, err := client.ParseNotification(notificationRequest(t, publicKeyMode(t), time.Now(), c.event, c.original, plaintext))
			if err != nil {
				t.Fatal(err)
			}
			sharing, ok := n.ProfitSharing()
			if !ok || sharing.SpMchID != testMchID || sharing.SubMchID != "1900009192" || sharing.OrderID != "3008" || sharing.OutOrderNo != "S1" ||
				sharing.TransactionID != "42" || sharing.Receiver != (ProfitSharingNotificationReceiver{"MERCHANT_ID", "1900009193", 30, "分给商户"}) ||
				!sharing.SuccessTime.Equal(time.Date(2024, 6, 1, 0, 5, 0, 0, time.UTC)) {
				t.Fatalf("got %v, %+v", n, sharing)
			}
			sharing.Receiver.Amount = 1
			if again, _ := n.ProfitSharing(); again.Receiver.Amount != 30 {
				t.Error("a notification was changed from outside")
			}
			if _, ok := n.Order(); ok {
				t.Error("a sharing is an order")
			}
		})
	}
}

func TestNotificationThatIsNoSharingIsNotTakenForOne(t *testing.T) {
	t.Parallel()
	client := newClient(t, testConfig(t))
	for name, c := range map[string]struct{ event, original, plaintext string }{
		"Payment":       {EventTransactionSuccess, "transaction", orderAnswer("VEC1")},
		"OtherType":     {EventProfitSharing, "coupon", `{"order_id":"1","out_order_no":"1","receiver":{"account":"1"}}`},
		"NoReceiver":    {EventProfitSharing, "profitsharing", `{"order_id":"1","out_order_no":"1"}`},
		"NoNumber":      {EventProfitSharing, "profitsharing", `{"order_id":"1","receiver":{"account":"1"}}`},
		"AmountInParts": {EventProfitSharing, "profitsharing", `{"order_id":"1","out_order_no":"1","receiver":{"account":"1","amount":1.5}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, err := client.ParseNotification(notificationRequest(t, publicKeyMode(t), time.Now(), c.event, c.original, c.plaintext))
			if err != nil {
				t.Fatal(err)
			}
			if sharing, ok := n.ProfitSharing(); ok {
				t.Errorf("got %+v", sharing)
			}
		})
	}
}

func TestVectorOfASharingNotification(t *testing.T) {
	t.Parallel()
	client := vectorClient(t)
	for _, c := range readVectors(t).Notifications {
		r := httptest.NewRequest(http.MethodPost, "/notify", strings.NewReader(c.Body))
		r.Header = header(c.Headers)
		n, err := client.ParseNotification(r)
		if err != nil {
			t.Fatal(err)
		}
		sharing, ok := n.ProfitSharing()
		if ok != (c.Name == "profitsharing_receiver") {
			t.Errorf("%s: got %v", c.Name, ok)
		}
		if ok && (sharing.MchID != testMchID || sharing.Receiver.Account != "1900009192" || sharing.Receiver.Amount != 30) {
			t.Errorf("got %+v", sharing)
		}
	}
}

func FuzzProfitSharingNotification(f *testing.F) {
	for _, c := range readVectors(f).Notifications {
		f.Add([]byte(c.Decrypted))
	}
	f.Fuzz(func(t *testing.T, body []byte) { decodesTwiceAlike(t, body, decodeProfitSharingNotification) })
}
