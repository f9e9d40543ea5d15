package sandbox_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox"
)

// again ends the sandbox and starts it anew on the same directory, with the same receiver.
func (b *bundle) again() *bundle {
	b.t.Helper()
	return b.againAt(nil)
}

// againAt is again on a clock of the test's choice.
func (b *bundle) againAt(real func() time.Time) *bundle {
	b.t.Helper()
	c := config(filepath.Dir(b.sandbox.Credentials().Path("credentials.json")))
	c.Real = real
	b.stop()
	next := run(b.t, c)
	next.receiver.server.Close()
	next.receiver = b.receiver
	return next
}

func TestRestart(t *testing.T) {
	t.Parallel()

	t.Run("IdentitiesBooksSettingsAndTheClockSurvive", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.settings(object{"refund_interval": "0s", "fee_rate": 100})
		b.ok("POST", "/wechatpay/certificates/rotate", object{"sign_after": "0s", "drop_old_after": "48h"})
		_, b.merchant.keys = b.certificates()
		b.paid("ORDER0001", 1000)
		b.settled("ORDER0001")
		code := b.merchant.must("POST", nativePath, b.prepayBody("ORDER0002", 5)).text("code_url")
		b.merchant.must("POST", refundsPath, b.refundBody("ORDER0001", "REFUND1", 400, 1000))
		b.advance(time.Hour)
		b.receiver.wait(1)
		before, books, serials := b.query("ORDER0001"), b.books(), firstOf(b.certificates())

		next := b.again()
		next.merchant.keys = b.merchant.keys
		want(t, "merchant", next.sandbox.Credentials().WeChatPay.MchID, b.sandbox.Credentials().WeChatPay.MchID)
		want(t, "order", next.query("ORDER0001"), before)
		want(t, "books", next.books(), books)
		want(t, "certificates", firstOf(next.certificates()), serials)
		want(t, "fee_rate", next.ok("GET", "/wechatpay/settings", nil)["fee_rate"], 100)
		want(t, "offset", next.ok("GET", "/clock", nil)["offset"], "1h0m0s")
		want(t, "refund", next.ok("GET", "/wechatpay/refunds/REFUND1", nil)["status"], "SUCCESS")
		next.pay(object{"code_url": code, "result": "success"})
	})

	t.Run("RepeatsAndSettlementsGoOn", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.receiver.answer(http.StatusInternalServerError)
		b.paid("ORDER0001", 1000)
		b.settledAfter("ORDER0001", 1)
		b.merchant.must("POST", refundsPath, b.refundBody("ORDER0001", "REFUND1", 400, 1000))
		next := b.again()
		next.receiver.answer(http.StatusNoContent)
		next.advance(15 * time.Second)
		got := next.receiver.wait(2)[1:]
		events := map[string]bool{got[0].event: true, got[1].event: true}
		want(t, "events", events, map[string]bool{"TRANSACTION.SUCCESS": true, "REFUND.SUCCESS": true})
		want(t, "refunded", next.books()["refunded"], 400)
	})

	t.Run("ATornLastLineIsDropped", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.native("ORDER0001", 1)
		b.stop()
		state := b.sandbox.Credentials().Path("state.jsonl")
		file, err := os.OpenFile(state, os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteString(`{"kind":"wechatpay/order","id":"OR`); err != nil {
			t.Fatal(err)
		}
		file.Close()
		next := b.again()
		want(t, "state", next.query("ORDER0001")["trade_state"], "NOTPAY")
	})

	t.Run("ADamagedFileIsAnErrorThatSaysWhatToDo", func(t *testing.T) {
		t.Parallel()
		dir := newDir(t)
		if err := os.WriteFile(filepath.Join(dir, "state.jsonl"), []byte("nonsense\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := sandbox.Open(config(dir)); err == nil {
			t.Fatal("it opened")
		}
		dir = newDir(t)
		if err := os.Remove(filepath.Join(dir, "apiclient_key.pem")); err != nil {
			t.Fatal(err)
		}
		if _, err := sandbox.Open(config(dir)); err == nil {
			t.Fatal("it opened without the merchant's key")
		}
	})

	t.Run("FilesArePrivate", func(t *testing.T) {
		t.Parallel()
		b := run(t, config(t.TempDir()))
		b.native("ORDER0001", 1)
		for _, name := range []string{"credentials.json", "apiclient_key.pem", "state.jsonl", "provider/wechatpay_key.pem"} {
			info, err := os.Stat(b.sandbox.Credentials().Path(name))
			if err != nil {
				t.Fatal(err)
			}
			want(t, name, info.Mode().Perm(), os.FileMode(0o600))
		}
	})

	t.Run("InMemoryNothingIsWritten", func(t *testing.T) {
		t.Parallel()
		b := run(t, config(""))
		b.paid("ORDER0001", 1)
		want(t, "path", b.sandbox.Credentials().Path("apiclient_key.pem"), "")
	})

	t.Run("ClosedWithoutServing", func(t *testing.T) {
		t.Parallel()
		s, err := sandbox.Open(config(newDir(t)))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Serve(ctx); err != nil { // ends at once
			t.Fatal(err)
		}
	})
}

func firstOf[A, B any](a A, _ B) A { return a }

// TestResetForgetsWhatIsBeingResent resets the sandbox while a notification is on its way: nothing of it comes back with a restart.
func TestResetForgetsWhatIsBeingResent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.paid("ORDER0001", 100)
	id := at(b.settled("ORDER0001")[0], "id").(string)
	b.receiver.answerWith(func(int, received) int {
		b.ok("POST", "/reset", nil)
		return http.StatusNoContent
	})
	want(t, "received", b.ok("POST", "/notifications/"+id+"/resend", nil)["received"], true)
	b.receiver.answer(http.StatusNoContent)

	next := b.again()
	next.native("ORDER0001", 100)
	want(t, "notifications of a new order of the same number", len(next.ok("GET", "/wechatpay/orders/ORDER0001", nil)["notifications"].([]any)), 0)
	status, _ := next.control("POST", "/notifications/"+id+"/resend", nil)
	want(t, "status of a resend of what was forgotten", status, http.StatusNotFound)
}
