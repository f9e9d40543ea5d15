package sandbox_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// blocked is what is in the way of each step of the switch.
func (b *bundle) blocked() map[string]string {
	b.t.Helper()
	blocked := map[string]string{}
	for _, step := range b.ok("GET", "/wechatpay/switch", nil)["steps"].([]any) {
		reason, _ := at(step, "blocked").(string)
		blocked[at(step, "action").(string)] = reason
	}
	return blocked
}

func (b *bundle) step(action string) object {
	b.t.Helper()
	return b.ok("POST", "/wechatpay/switch", object{"action": action})
}

func (b *bundle) refusedStep(action, reason string) {
	b.t.Helper()
	status, answer := b.control("POST", "/wechatpay/switch", object{"action": action})
	text, _ := answer["error"].(string)
	if status != 409 || !strings.Contains(text, reason) {
		b.t.Fatalf("%s: %d %v, want 409 about %q", action, status, answer, reason)
	}
}

// signer is the serial number that an answer to a request that names serial is signed with.
func (b *bundle) signer(serial string) string {
	b.t.Helper()
	b.merchant.serial = serial
	return b.merchant.call("GET", "/v3/certificates?algorithm_type=RSA", nil).header.Get("Wechatpay-Serial")
}

func TestSwitch(t *testing.T) {
	t.Parallel()

	t.Run("WholeWay", func(t *testing.T) {
		t.Parallel()
		b := still(t)
		w := b.sandbox.Credentials().WeChatPay
		b.settings(object{"verify_mode": "cert_only"})
		state := b.ok("GET", "/wechatpay/switch", nil)
		want(t, "key before it was applied for", state["public_key_id"], nil)
		b.refusedStep("start", "apply")
		b.refusedStep("retire", "no switch")

		state = b.step("apply")
		want(t, "mode", state["verify_mode"], "not_started")
		want(t, "key", state["public_key_id"], w.PublicKeyID)
		want(t, "signer before the start", b.signer(w.PublicKeyID), w.PlatformSerialNo)
		b.refusedStep("apply", "has the public key")
		b.refusedStep("stop", "no switch")

		state = b.step("start")
		want(t, "mode", state["verify_mode"], "switching")
		want(t, "day", state["day"], 1)
		want(t, "notifications", state["notification_percent"], 0.1)
		want(t, "signer as named", b.signer(w.PublicKeyID), w.PublicKeyID)
		b.refusedStep("start", "running")
		b.refusedStep("retire", "day 1")
		for day, percent := range []any{1, 5, 10, 20, 50, 100} {
			b.advance(24 * time.Hour)
			state = b.ok("GET", "/wechatpay/switch", nil)
			want(t, "day", state["day"], day+2)
			want(t, "notifications", state["notification_percent"], percent)
		}
		want(t, "what blocks the retirement", b.blocked()["retire"], "")

		want(t, "mode", b.step("retire")["verify_mode"], "pubkey_only")
		b.merchant.refused("GET", "/v3/certificates", nil, 404, "RESOURCE_NOT_EXISTS")
		b.refusedStep("start", "retired")
	})

	t.Run("StopPutsEverythingBackToTheCertificate", func(t *testing.T) {
		t.Parallel()
		b := still(t)
		w := b.sandbox.Credentials().WeChatPay
		b.settings(object{"verify_mode": "not_started"})
		b.step("start")
		b.advance(7 * 24 * time.Hour)
		want(t, "signer", b.signer(w.PublicKeyID), w.PublicKeyID)
		want(t, "mode", b.step("stop")["verify_mode"], "not_started")
		want(t, "signer", b.signer(w.PublicKeyID), w.PlatformSerialNo)
		want(t, "day of the next switch", b.step("start")["day"], 1)
		b.advance(time.Hour)
		want(t, "answers of the next switch", at(b.ok("GET", "/wechatpay/switch", nil), "progress", "answers", "signed"), 0)
	})

	t.Run("OneCallByTheCertificateKeepsItFromBeingRetired", func(t *testing.T) {
		t.Parallel()
		b := still(t)
		w := b.sandbox.Credentials().WeChatPay
		b.settings(object{"verify_mode": "not_started"})
		b.step("start")
		b.advance(8 * 24 * time.Hour)
		b.refusedStep("retire", "no call")
		b.signer(w.PublicKeyID)
		b.signer("")
		want(t, "progress before the hour is full", at(b.ok("GET", "/wechatpay/switch", nil), "progress", "answers", "signed"), 0)
		b.advance(time.Hour)
		answers := at(b.ok("GET", "/wechatpay/switch", nil), "progress", "answers")
		want(t, "progress", []any{at(answers, "signed"), at(answers, "by_public_key"), at(answers, "percent")}, []any{2, 1, 50})
		b.refusedStep("retire", "50.00 %")
		b.advance(7 * 24 * time.Hour)
		b.signer(w.PublicKeyID)
		b.advance(time.Hour)
		b.step("retire")
	})

	t.Run("NotificationsCountToo", func(t *testing.T) {
		t.Parallel()
		b := still(t)
		w := b.sandbox.Credentials().WeChatPay
		b.settings(object{"verify_mode": "not_started"})
		b.step("start")
		b.advance(6 * 24 * time.Hour)
		b.merchant.serial = w.PublicKeyID
		b.native("ORDER0001", 1)
		b.pay(object{"out_trade_no": "ORDER0001", "result": "success"})
		b.advance(time.Hour)
		want(t, "signer", b.receiver.wait(1)[0].serial, w.PublicKeyID)
		notifications := at(b.ok("GET", "/wechatpay/switch", nil), "progress", "notifications")
		want(t, "progress", []any{at(notifications, "signed"), at(notifications, "percent")}, []any{1, 100})
	})

	t.Run("AndAReplacementExcludeEachOther", func(t *testing.T) {
		t.Parallel()
		b := still(t)
		b.settings(object{"verify_mode": "not_started"})
		b.step("start")
		status, answer := b.control("POST", "/wechatpay/certificates/rotate", nil)
		want(t, "status of a replacement during the switch", status, 409)
		if text, _ := answer["error"].(string); !strings.Contains(text, "exclude") {
			t.Fatalf("answered %v", answer)
		}
		b.step("stop")
		b.ok("POST", "/wechatpay/certificates/rotate", object{"sign_after": "24h", "drop_old_after": "48h"})
		want(t, "replacing", b.ok("GET", "/wechatpay/switch", nil)["replacing"], true)
		b.refusedStep("start", "exclude")
		b.advance(48 * time.Hour)
		b.step("start")
	})

	t.Run("ProgressSurvivesARestart", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		w := b.sandbox.Credentials().WeChatPay
		b.settings(object{"verify_mode": "not_started"})
		b.step("start")
		b.signer(w.PublicKeyID)
		b.signer("")
		b.advance(time.Hour)
		before := b.ok("GET", "/wechatpay/switch", nil)
		want(t, "percent", at(before, "progress", "answers", "percent"), 50)
		next := b.again()
		want(t, "switch", next.ok("GET", "/wechatpay/switch", nil), before)
	})

	t.Run("UnknownStepsAreNamed", func(t *testing.T) {
		t.Parallel()
		status, answer := setup(t).control("POST", "/wechatpay/switch", object{"action": "finish"})
		want(t, "status", status, 400)
		want(t, "field", answer["field"], "action")
		want(t, "allowed", answer["allowed"], []any{"apply", "start", "stop", "retire"})
	})
}

func TestGradualRotation(t *testing.T) {
	t.Parallel()

	t.Run("TenDaysAsTheDocumentSays", func(t *testing.T) {
		t.Parallel()
		c := config(newDir(t))
		c.Seed = 1
		started := time.Now()
		c.Real = func() time.Time { return started }
		b := run(t, c)
		old := b.signer("")
		fresh := b.ok("POST", "/wechatpay/certificates/rotate", object{"sign_after": "120h", "sign_over": "120h", "drop_old_after": "240h"})["serial_no"].(string)
		share := func() int {
			byFresh := 0
			for range 40 {
				if b.signer("") == fresh {
					byFresh++
				}
			}
			return byFresh
		}
		b.advance(119 * time.Hour)
		serials, keys := b.certificates()
		want(t, "published", serials, []string{old, fresh})
		want(t, "by the new one in the first five days, of 40", share(), 0)
		b.merchant.keys = keys
		b.advance(61 * time.Hour)
		if half := share(); half < 8 || half > 32 {
			t.Fatalf("by the new one after seven and a half days, of 40: %d", half)
		}
		b.advance(60 * time.Hour)
		want(t, "by the new one after ten days, of 40", share(), 40)
		serials, _ = b.certificates()
		want(t, "published after ten days", serials, []string{fresh})
	})

	t.Run("MustEndBeforeTheOldOneGoes", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for _, over := range []string{"-1h", "25h"} {
			status, answer := b.control("POST", "/wechatpay/certificates/rotate", object{"sign_after": "24h", "sign_over": over, "drop_old_after": "48h"})
			want(t, "status", status, 400)
			want(t, "field", answer["field"], "sign_over")
		}
	})
}

func TestNonces(t *testing.T) {
	t.Parallel()

	t.Run("AReplayIsServedUnlessTheKnobSaysNo", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		again := b.merchant.request("GET", "/v3/certificates", nil).Header.Get("Authorization")
		b.merchant.change = func(r *http.Request) { r.Header.Set("Authorization", again) }
		b.merchant.must("GET", "/v3/certificates", nil)
		b.merchant.must("GET", "/v3/certificates", nil)
		b.settings(object{"refuse_nonce_replay": true})
		b.merchant.must("GET", "/v3/certificates", nil)
		a := b.merchant.refused("GET", "/v3/certificates", nil, 401, "SIGN_ERROR")
		want(t, "field", at(b.decode(a.body), "detail", "field"), "nonce_str")
		b.merchant.change = nil
		b.merchant.must("GET", "/v3/certificates", nil)
	})

	t.Run("NobodyBurnsAnothersNonce", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.settings(object{"refuse_nonce_replay": true})
		authorization := b.merchant.request("GET", "/v3/certificates", nil).Header.Get("Authorization")
		b.merchant.change = func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(authorization, `signature="`, `signature="AAAA`, 1))
		}
		b.merchant.refused("GET", "/v3/certificates", nil, 401, "SIGN_ERROR")
		b.merchant.change = func(r *http.Request) { r.Header.Set("Authorization", authorization) }
		b.merchant.must("GET", "/v3/certificates", nil)
	})
}
