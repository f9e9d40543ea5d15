package sandbox_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestCallFaults(t *testing.T) {
	t.Parallel()

	t.Run("delay", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.fault(object{"operation": "prepay", "effect": "delay", "delay": "150ms", "times": 1})
		started := time.Now()
		b.native("ORDER0001", 1)
		if took := time.Since(started); took < 150*time.Millisecond {
			t.Fatalf("took %v", took)
		}
	})

	cut := map[string]bool{"refuse": false, "lose_request": false, "lose_answer": true, "truncate": true} // and whether it is executed
	for effect, executed := range cut {
		t.Run(effect, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.fault(object{"operation": "prepay", "effect": effect, "times": 1})
			_, err := b.merchant.try("POST", nativePath, b.prepayBody("ORDER0001", 1))
			if err == nil {
				t.Fatal("the connection was not cut")
			}
			if effect == "truncate" && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("the answer did not break off: %v", err)
			}
			status, _ := b.control("GET", "/wechatpay/orders/ORDER0001", nil)
			want(t, "executed", status == 200, executed)
			want(t, "fault in the journal", b.journal("operation=prepay")[0]["fault"], effect)
			b.native("ORDER0001", 1) // the fault is used up
		})
	}

	t.Run("truncateOfAnEmptyAnswerBreaksOffToo", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.native("ORDER0001", 1)
		b.fault(object{"operation": "close", "effect": "truncate", "times": 1})
		mchID := b.sandbox.Credentials().WeChatPay.MchID
		if _, err := b.merchant.try("POST", "/v3/pay/transactions/out-trade-no/ORDER0001/close", object{"mchid": mchID}); err == nil {
			t.Fatal("the answer did not break off")
		}
		want(t, "state", b.query("ORDER0001")["trade_state"], "CLOSED")
	})

	for _, executed := range []bool{false, true} {
		for _, effect := range []string{"status", "html"} {
			name := map[bool]string{true: "Executed", false: "NotExecuted"}[executed]
			t.Run(effect+name, func(t *testing.T) {
				t.Parallel()
				b := setup(t)
				b.fault(object{"operation": "prepay", "effect": effect, "status": 502, "executed": executed, "times": 1})
				a := b.merchant.call("POST", nativePath, b.prepayBody("ORDER0001", 1))
				want(t, "status", a.status, 502)
				if effect == "html" && !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
					t.Fatalf("content type %q", a.header.Get("Content-Type"))
				}
				status, _ := b.control("GET", "/wechatpay/orders/ORDER0001", nil)
				want(t, "executed", status == 200, executed)
			})
		}
	}

	t.Run("rate_limit", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.fault(object{"operation": "*", "effect": "rate_limit", "times": 1})
		b.merchant.refused("POST", nativePath, b.prepayBody("ORDER0001", 1), 429, "FREQUENCY_LIMITED")
		status, _ := b.control("GET", "/wechatpay/orders/ORDER0001", nil)
		want(t, "order", status, 404)
	})

	for effect, verdict := range map[string]string{
		"bad_signature": "verification error", "probe": "base64", "stale_timestamp": "stale", "unknown_serial": "unknown serial",
	} {
		t.Run(effect, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.fault(object{"operation": "prepay", "effect": effect, "times": 1})
			a := b.merchant.call("POST", nativePath, b.prepayBody("ORDER0001", 1))
			want(t, "status", a.status, 200)
			if a.verified == nil {
				t.Fatal("the signature is right")
			}
			if effect == "probe" {
				if !strings.HasPrefix(a.header.Get("Wechatpay-Signature"), "WECHATPAY/SIGNTEST/") {
					t.Fatalf("signature %q", a.header.Get("Wechatpay-Signature"))
				}
			} else if !strings.Contains(a.verified.Error(), verdict) {
				t.Fatalf("verdict %v, want %s", a.verified, verdict)
			}
			b.native("ORDER0001", 1)
		})
	}

	t.Run("MatchAndProbabilityNarrowARule", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.fault(object{"operation": "prepay", "effect": "status", "match": object{"out_trade_no": "ORDER0002"}})
		b.fault(object{"operation": "prepay", "effect": "status", "probability": 0})
		b.native("ORDER0001", 1)
		b.merchant.refused("POST", nativePath, b.prepayBody("ORDER0002", 1), 500, "SYSTEM_ERROR")
	})

	t.Run("DeletedRulesAreOver", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.fault(object{"operation": "prepay", "effect": "status"})
		id := at(b.ok("GET", "/faults", nil)["faults"].([]any)[0], "id").(string)
		b.ok("DELETE", "/faults/"+id, nil)
		b.native("ORDER0001", 1)
		b.fault(object{"operation": "prepay", "effect": "status"})
		b.ok("DELETE", "/faults", nil)
		b.native("ORDER0002", 1)
	})
}

func TestHosts(t *testing.T) {
	t.Parallel()

	t.Run("BothHostsShowTheSameBooks", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.native("ORDER0001", 1)
		b.merchant.base = b.sandbox.BackupURL()
		want(t, "state", b.query("ORDER0001")["trade_state"], "NOTPAY")
		want(t, "host", b.journal("operation=query")[0]["host"], "backup")
	})

	t.Run("AHostThatIsDownRefusesConnections", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.settings(object{"hosts": object{"primary": object{"state": "down"}}})
		if _, err := b.merchant.try("POST", nativePath, b.prepayBody("ORDER0001", 1)); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Fatalf("error %v", err)
		}
		b.merchant.base = b.sandbox.BackupURL()
		b.native("ORDER0001", 1)
		b.merchant.base = b.sandbox.URL()
		b.settings(object{"hosts": object{"primary": object{"state": "up"}}})
		b.native("ORDER0001", 1)
	})

	t.Run("AFailingHostExecutesAllTheSame", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.settings(object{"hosts": object{"primary": object{"state": "error"}}})
		b.merchant.refused("POST", nativePath, b.prepayBody("ORDER0001", 1), http.StatusServiceUnavailable, "SERVICE_UNAVAILABLE")
		b.merchant.base = b.sandbox.BackupURL()
		want(t, "state", b.query("ORDER0001")["trade_state"], "NOTPAY")
	})

	t.Run("AFailingHostExecutesEveryWrite", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.settings(object{"refund_outcome": "ABNORMAL", "refund_delay": "0s"})
		b.paid("ORDER0001", 100)
		b.native("ORDER0002", 100)
		b.settings(object{"hosts": object{"primary": object{"state": "error"}}})
		fails := func(target string, body object) {
			t.Helper()
			b.merchant.refused("POST", target, body, 503, "SERVICE_UNAVAILABLE")
		}
		fails(refundsPath, b.refundBody("ORDER0001", "REFUND1", 40, 100))
		refund := b.ok("GET", "/wechatpay/refunds/REFUND1", nil)
		want(t, "refund", refund["status"], "ABNORMAL")
		b.settings(object{"refund_outcome": "SUCCESS"})
		fails(refundsPath+"/"+refund["refund_id"].(string)+"/apply-abnormal-refund", object{"out_refund_no": "REFUND1", "type": "MERCHANT_BANK_CARD"})
		b.advance(time.Minute)
		want(t, "refund, sent elsewhere", b.ok("GET", "/wechatpay/refunds/REFUND1", nil)["status"], "SUCCESS")
		fails("/v3/pay/transactions/out-trade-no/ORDER0002/close", object{"mchid": b.sandbox.Credentials().WeChatPay.MchID})
		want(t, "order", b.ok("GET", "/wechatpay/orders/ORDER0002", nil)["trade_state"], "CLOSED")
		fails("/v3/security/echo", object{"echo_message": "hello", "notify_url": b.receiver.url("/notify")})
		for _, got := range b.receiver.wait(3) { // of the two refund results and the echo, in any order
			if got.event == "SECURITY_ECHO.SUCCESS" {
				return
			}
		}
		t.Fatal("the echo was not executed")
	})

	t.Run("ASlowHostAnswersLate", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.settings(object{"hosts": object{"primary": object{"delay": "120ms"}}})
		started := time.Now()
		b.native("ORDER0001", 1)
		if took := time.Since(started); took < 120*time.Millisecond {
			t.Fatalf("took %v", took)
		}
	})
}
