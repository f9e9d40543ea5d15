package sandbox_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	transfersPath        = "/v3/fund-app/mch-transfer/transfer-bills"
	partnerTransfersPath = "/v3/fund-app/mch-transfer/partner/transfer-bills"
)

func (b *bundle) transferBody(outBillNo string, amount int64) object {
	w := b.sandbox.Credentials().WeChatPay
	return object{
		"appid": w.AppID, "out_bill_no": outBillNo, "transfer_scene_id": "1000", "openid": w.OpenID, "transfer_amount": amount,
		"transfer_remark": "六月奖励", "notify_url": b.receiver.url("/notify"), "user_recv_perception": "现金奖励",
		"transfer_scene_report_infos": []object{
			{"info_type": "活动名称", "info_content": "注册会员有礼"}, {"info_type": "奖励说明", "info_content": "注册奖励"},
		},
	}
}

// operation fills the operating account.
func (b *bundle) operation(amount int64) {
	b.t.Helper()
	b.ok("POST", "/wechatpay/funds", object{"action": "top_up", "account": "operation", "amount": amount})
}

// transfers is setup with money in the operating account.
func transfers(t *testing.T, knobs object) *bundle {
	t.Helper()
	b := setup(t)
	b.operation(900_000)
	b.settings(object{"transfer": knobs})
	return b
}

func (b *bundle) transfer(outBillNo string, amount int64) object {
	b.t.Helper()
	return b.decode(b.merchant.must("POST", transfersPath, b.transferBody(outBillNo, amount)).body)
}

func (b *bundle) queryTransfer(outBillNo string) object {
	b.t.Helper()
	return b.decode(b.merchant.must("GET", transfersPath+"/out-bill-no/"+outBillNo, nil).body)
}

func (b *bundle) confirmTransfer(outBillNo string) object {
	b.t.Helper()
	return b.ok("POST", "/wechatpay/transfers/"+outBillNo+"/confirm", nil)
}

// sealed encrypts a sensitive field with the public key and names it in the requests.
func (b *bundle) sealed(plaintext string) string {
	b.t.Helper()
	w := b.sandbox.Credentials().WeChatPay
	b.merchant.serial = w.PublicKeyID
	ciphertext, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, b.merchant.keys[w.PublicKeyID], []byte(plaintext), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(ciphertext)
}

func TestTransfer(t *testing.T) {
	t.Parallel()

	t.Run("ConfirmedThenTransferredThenNotified", func(t *testing.T) {
		t.Parallel()
		b := transfers(t, object{})
		made := b.transfer("BILL1", 500)
		want(t, "state", made["state"], "WAIT_USER_CONFIRM")
		if made["package_info"] == nil || len(made["transfer_bill_no"].(string)) != 40 {
			t.Fatalf("got %v", made)
		}
		books := b.books()
		want(t, "operation, transferring", []any{books["operation"], books["transferring"]}, []any{899_500, 500})
		want(t, "state", b.confirmTransfer("BILL1")["state"], "TRANSFERING")
		want(t, "transferring", b.books()["transferring"], 500)
		b.advance(2 * time.Second)
		status, _ := b.control("POST", "/wechatpay/transfers/BILL1/confirm", nil)
		want(t, "confirmed again while under way", status, http.StatusConflict)
		b.advance(time.Second)
		got := b.receiver.wait(1)[0]
		if got.verified != nil || got.opened != nil {
			t.Fatalf("%v, %v", got.verified, got.opened)
		}
		want(t, "event", got.event, "MCHTRANSFER.BILL.FINISHED")
		want(t, "notified state", got.content["state"], "SUCCESS")
		want(t, "notified merchant", got.content["mch_id"], b.sandbox.Credentials().WeChatPay.MchID)
		want(t, "notified amount", got.content["transfer_amount"], 500)
		queried := b.queryTransfer("BILL1")
		want(t, "state", queried["state"], "SUCCESS")
		want(t, "amount", queried["transfer_amount"], 500)
		want(t, "update_time", queried["update_time"], got.content["update_time"])
		byBill := b.decode(b.merchant.must("GET", transfersPath+"/transfer-bill-no/"+made["transfer_bill_no"].(string), nil).body)
		want(t, "by transfer_bill_no", byBill, queried)
		books = b.books()
		want(t, "transferred, transferring", []any{books["transferred"], books["transferring"]}, []any{500, 0})
	})

	t.Run("SameNumberReturnsTheSameTransferAndOtherParametersAreRefused", func(t *testing.T) {
		t.Parallel()
		b := transfers(t, object{})
		body := b.transferBody("BILL1", 500)
		body["user_name"] = b.sealed("张三")
		first := b.merchant.must("POST", transfersPath, body)
		body["user_name"] = b.sealed("张三") // other bytes, the same name
		again := b.merchant.must("POST", transfersPath, body)
		want(t, "repeat", string(again.body), string(first.body))
		body["user_name"] = b.sealed("李四")
		b.merchant.refused("POST", transfersPath, body, 400, "ALREADY_EXISTS")
		b.merchant.refused("POST", transfersPath, b.transferBody("BILL1", 501), 400, "ALREADY_EXISTS")
		b.settings(object{"transfer": object{"different_code": "INVALID_REQUEST"}})
		b.merchant.refused("POST", transfersPath, b.transferBody("BILL1", 501), 400, "INVALID_REQUEST")
		want(t, "transferring", b.books()["transferring"], 500)
		want(t, "repeats in the journal", len(b.journal("out_bill_no=BILL1")), 5)
		want(t, "after the end", func() any {
			b.confirmTransfer("BILL1")
			b.advance(3 * time.Second)
			body["user_name"] = b.sealed("张三")
			return b.merchant.must("POST", transfersPath, body).text("state")
		}(), "SUCCESS")
		want(t, "transferred once", b.books()["transferred"], 500)
	})

	t.Run("ShortOperatingAccountIsRefusedUntilToppedUp", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.paid("ORDER0001", 100_000) // payments do not fill the operating account
		b.merchant.refused("POST", transfersPath, b.transferBody("BILL1", 500), 403, "NOT_ENOUGH")
		b.merchant.refused("GET", transfersPath+"/out-bill-no/BILL1", nil, 404, "NOT_FOUND")
		b.operation(499)
		b.merchant.refused("POST", transfersPath, b.transferBody("BILL1", 500), 403, "NOT_ENOUGH")
		b.operation(1)
		want(t, "state", b.transfer("BILL1", 500)["state"], "WAIT_USER_CONFIRM")
		want(t, "operation", b.books()["operation"], 0)
	})

	t.Run("ShortOperatingAccountMayLeaveItAcceptedUntilTheSameCallComesAgain", func(t *testing.T) {
		t.Parallel()
		for _, state := range []string{"ACCEPTED", "PROCESSING"} {
			b := setup(t)
			b.settings(object{"transfer": object{"short": state}})
			made := b.transfer("BILL1", 500)
			want(t, "state", made["state"], state)
			want(t, "package_info", made["package_info"], nil)
			b.operation(500)
			want(t, "state of its own", b.queryTransfer("BILL1")["state"], state)
			again := b.transfer("BILL1", 500)
			want(t, "state after the repeat", again["state"], "WAIT_USER_CONFIRM")
			want(t, "transfer_bill_no", again["transfer_bill_no"], made["transfer_bill_no"])
			want(t, "transferring", b.books()["transferring"], 500)
		}
	})

	t.Run("UnconfirmedIsClosedAfterADay", func(t *testing.T) {
		t.Parallel()
		b := transfers(t, object{})
		b.transfer("BILL1", 500)
		b.advance(24*time.Hour - time.Second)
		want(t, "state", b.queryTransfer("BILL1")["state"], "WAIT_USER_CONFIRM")
		b.advance(time.Second)
		queried := b.queryTransfer("BILL1")
		want(t, "state, reason", []any{queried["state"], queried["fail_reason"]}, []any{"FAIL", "OVERDUE_CLOSE"})
		want(t, "notified reason", b.receiver.wait(1)[0].content["fail_reason"], "OVERDUE_CLOSE")
		want(t, "operation", b.books()["operation"], 900_000)
		status, _ := b.control("POST", "/wechatpay/transfers/BILL1/confirm", nil)
		want(t, "late confirmation", status, http.StatusConflict)
	})

	t.Run("CancelBringsTheMoneyBackLater", func(t *testing.T) {
		t.Parallel()
		b := transfers(t, object{})
		b.transfer("BILL1", 500)
		cancel := transfersPath + "/out-bill-no/BILL1/cancel"
		want(t, "state", b.merchant.must("POST", cancel, nil).text("state"), "CANCELING")
		want(t, "again", b.merchant.must("POST", cancel, nil).text("state"), "CANCELING")
		want(t, "still locked", b.books()["transferring"], 500)
		status, _ := b.control("POST", "/wechatpay/transfers/BILL1/confirm", nil)
		want(t, "confirmation", status, http.StatusConflict)
		b.advance(3 * time.Second)
		want(t, "notified state", b.receiver.wait(1)[0].content["state"], "CANCELLED")
		want(t, "state", b.queryTransfer("BILL1")["state"], "CANCELLED")
		want(t, "after the end", b.merchant.must("POST", cancel, nil).text("state"), "CANCELLED")
		want(t, "operation", b.books()["operation"], 900_000)
		b.advance(24 * time.Hour) // the window of the confirmation passes without effect
		want(t, "operation", b.books()["operation"], 900_000)
	})

	t.Run("CancelOfWhatHoldsNoMoneyMovesNone", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.settings(object{"transfer": object{"short": "ACCEPTED", "cancel_delay": "0s"}})
		b.transfer("BILL1", 500)
		want(t, "state", b.merchant.must("POST", transfersPath+"/out-bill-no/BILL1/cancel", nil).text("state"), "CANCELLED")
		want(t, "postings", b.books()["postings"], 0)
	})

	t.Run("CancelIsRefusedOnceTheUserConfirmed", func(t *testing.T) {
		t.Parallel()
		b := transfers(t, object{})
		b.transfer("BILL1", 500)
		b.confirmTransfer("BILL1")
		b.merchant.refused("POST", transfersPath+"/out-bill-no/BILL1/cancel", nil, 400, "INVALID_REQUEST")
		b.advance(3 * time.Second)
		b.merchant.refused("POST", transfersPath+"/out-bill-no/BILL1/cancel", nil, 400, "INVALID_REQUEST")
		b.merchant.refused("POST", transfersPath+"/out-bill-no/BILL9/cancel", nil, 404, "NOT_FOUND")
		want(t, "transferred", b.books()["transferred"], 500)
	})

	t.Run("RefusedByTheUserGoesBack", func(t *testing.T) {
		t.Parallel()
		b := transfers(t, object{})
		b.transfer("BILL1", 500)
		want(t, "state", b.ok("POST", "/wechatpay/transfers/BILL1/refuse", nil)["state"], "FAIL")
		want(t, "operation", b.books()["operation"], 900_000)
		want(t, "notified state", b.receiver.wait(1)[0].content["state"], "FAIL")
		status, _ := b.control("POST", "/wechatpay/transfers/BILL1/refuse", nil)
		want(t, "twice", status, http.StatusConflict)
	})

	t.Run("EveryReasonOfFailureOnDemand", func(t *testing.T) {
		t.Parallel()
		b := transfers(t, object{"delay": "0s"})
		status, answer := b.control("POST", "/wechatpay/transfers/BILL1/settle", object{"outcome": "WHATEVER"})
		want(t, "status", status, http.StatusBadRequest)
		reasons := answer["allowed"].([]any)[1:]
		want(t, "documented reasons", len(reasons), 33)
		for i, reason := range reasons {
			number := "BILL" + strings.Repeat("1", i%20+1) + strings.Repeat("2", i/20)
			if i%2 == 0 { // chosen before the user confirms
				b.settings(object{"transfer": object{"outcome": reason}})
				b.transfer(number, 500)
				b.confirmTransfer(number)
			} else { // decided afterwards, such as by risk control
				b.transfer(number, 500)
				b.ok("POST", "/wechatpay/transfers/"+number+"/settle", object{"outcome": reason})
			}
			queried := b.queryTransfer(number)
			want(t, "state, reason", []any{queried["state"], queried["fail_reason"]}, []any{"FAIL", reason})
		}
		want(t, "operation", b.books()["operation"], 900_000)
	})

	t.Run("TransferingWithoutAResultMayBeConfirmedAgain", func(t *testing.T) {
		t.Parallel()
		b := transfers(t, object{"outcome": "TRANSFERING"})
		b.transfer("BILL1", 500)
		want(t, "state", b.confirmTransfer("BILL1")["state"], "TRANSFERING")
		b.advance(48 * time.Hour)
		want(t, "state", b.queryTransfer("BILL1")["state"], "TRANSFERING")
		status, _ := b.control("POST", "/wechatpay/transfers/BILL1/refuse", nil)
		want(t, "refusal", status, http.StatusConflict)
		b.settings(object{"transfer": object{"outcome": "SUCCESS", "delay": "0s"}})
		want(t, "state", b.confirmTransfer("BILL1")["state"], "SUCCESS")

		b.settings(object{"transfer": object{"outcome": "TRANSFERING"}})
		b.transfer("BILL2", 500)
		status, _ = b.control("POST", "/wechatpay/transfers/BILL2/settle", object{"outcome": "SUCCESS"})
		want(t, "success without confirmation", status, http.StatusConflict)
		b.confirmTransfer("BILL2")
		want(t, "state", b.ok("POST", "/wechatpay/transfers/BILL2/settle", object{"outcome": "SUCCESS"})["state"], "SUCCESS")
		status, _ = b.control("POST", "/wechatpay/transfers/BILL2/settle", object{"outcome": "TRANSFER_RISK"})
		want(t, "after the end", status, http.StatusConflict)
		want(t, "transferred", b.books()["transferred"], 1000)
	})

	t.Run("OnlyTheLastThirtyDaysAreFound", func(t *testing.T) {
		t.Parallel()
		b := transfers(t, object{})
		bill := b.transfer("BILL1", 500)["transfer_bill_no"].(string)
		b.advance(30*24*time.Hour - time.Minute)
		want(t, "state", b.queryTransfer("BILL1")["state"], "FAIL")
		b.advance(time.Minute)
		b.merchant.refused("GET", transfersPath+"/out-bill-no/BILL1", nil, 404, "NOT_FOUND")
		b.merchant.refused("GET", transfersPath+"/transfer-bill-no/"+bill, nil, 404, "NOT_FOUND")
		b.settings(object{"transfer": object{"unknown_code": "RESOURCE_NOT_EXISTS"}})
		b.merchant.refused("GET", transfersPath+"/out-bill-no/BILL1", nil, 404, "RESOURCE_NOT_EXISTS")
		want(t, "for a test", b.ok("GET", "/wechatpay/transfers/BILL1", nil)["state"], "FAIL")
	})

	t.Run("TheOperatingAccountsBillShowsWhatLeftItAndWhatCameBack", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		day := b.noon()
		b.operation(10_000)
		kept, returned := b.transfer("BILL1", 500), b.transfer("BILL2", 700)
		b.confirmTransfer("BILL1")
		b.ok("POST", "/wechatpay/transfers/BILL2/refuse", nil)
		b.until(10, 0)
		bill := b.bill(b.merchant, fundFlowBillPath+"?account_type=OPERATION&bill_date="+day)
		want(t, "balance of the day", checkFlow(t, bill, 0), 9500)
		var lines []string
		for _, row := range bill.rows {
			lines = append(lines, row["业务名称"]+" "+row["收支类型"]+row["收支金额(元)"]+" "+row["微信支付业务单号"])
		}
		want(t, "lines", lines, []string{
			"充值 收入100.00 ", "商家转账 支出5.00 " + kept["transfer_bill_no"].(string), "商家转账 支出7.00 " + returned["transfer_bill_no"].(string),
			"商家转账退回 收入7.00 " + returned["transfer_bill_no"].(string),
		})
	})

	t.Run("TheOldBatchesAreRefused", func(t *testing.T) {
		t.Parallel()
		b := transfers(t, object{})
		refusal := b.merchant.refused("POST", "/v3/transfer/batches", object{"out_batch_no": "BATCH1"}, 403, "NO_AUTH")
		if !strings.Contains(refusal.text("message"), "升级版本") {
			t.Fatalf("the message does not name the new version: %s", refusal.body)
		}
	})

	t.Run("ParallelRepeatsAndConfirmationsPayOnce", func(t *testing.T) {
		t.Parallel()
		b := transfers(t, object{"delay": "0s"})
		var bills sync.Map
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() {
				if a, err := b.merchant.try("POST", transfersPath, b.transferBody("BILL1", 500)); err == nil {
					bills.Store(a.text("transfer_bill_no"), true)
				}
			})
		}
		group.Wait()
		n := 0
		bills.Range(func(any, any) bool { n++; return true })
		want(t, "transfer_bill_nos", n, 1)
		var confirmed, cancelled atomic.Int64
		for i := range 20 {
			group.Go(func() {
				if i%2 == 0 {
					if a, err := b.merchant.try("POST", transfersPath+"/out-bill-no/BILL1/cancel", nil); err == nil && a.status == 200 {
						cancelled.Add(1)
					}
					return
				}
				if err := b.sandbox.WeChatPay().ConfirmTransfer(b.ok("GET", "/wechatpay/transfers/BILL1", nil)["package_info"].(string)); err == nil {
					confirmed.Add(1)
				}
			})
		}
		group.Wait()
		if confirmed.Load() > 1 || confirmed.Load() == 1 && cancelled.Load() > 0 || confirmed.Load()+cancelled.Load() == 0 {
			t.Fatalf("confirmed %d times and cancelled %d times", confirmed.Load(), cancelled.Load())
		}
		b.advance(3 * time.Second)
		books := b.books()
		want(t, "transferred", books["transferred"], 500*confirmed.Load())
		want(t, "operation", books["operation"], 900_000-500*confirmed.Load())
	})

	t.Run("ALostAnswerIsFoundByTheSameNumber", func(t *testing.T) {
		t.Parallel()
		b := transfers(t, object{})
		b.fault(object{"operation": "transfer", "effect": "lose_answer", "times": 1, "match": object{"out_trade_no": "BILL1"}})
		b.transfer("BILL2", 500) // is not meant
		if _, err := b.merchant.try("POST", transfersPath, b.transferBody("BILL1", 500)); err == nil {
			t.Fatal("the answer was not lost")
		}
		want(t, "state", b.transfer("BILL1", 500)["state"], "WAIT_USER_CONFIRM")
		want(t, "transfers", b.books()["transfers"], 2)
		want(t, "transferring", b.books()["transferring"], 1000)
	})
}
