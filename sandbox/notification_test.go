package sandbox_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestNotificationSchedule(t *testing.T) {
	t.Parallel()

	t.Run("FifteenRepeatsAtTheProvidersTimes", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.receiver.answer(http.StatusInternalServerError)
		b.paid("ORDER0001", 1)
		b.advance(48 * time.Hour)
		got := b.receiver.wait(15)
		want(t, "sends", len(got), 16)
		var first time.Time
		var offsets []int
		for i, e := range b.journal("kind=notification") {
			due, err := time.Parse(time.RFC3339Nano, e["scheduled_for"].(string))
			if err != nil {
				t.Fatal(err)
			}
			want(t, "attempt", e["attempt"], i+1)
			if i == 0 {
				first = due
				continue
			}
			offsets = append(offsets, int(due.Sub(first).Seconds()))
		}
		want(t, "offsets", offsets, []int{15, 30, 60, 240, 840, 2040, 3840, 5640, 7440, 11040, 21840, 32640, 43440, 65040, 86640})
		nonces := map[string]bool{}
		for _, n := range got {
			want(t, "id", n.id, got[0].id)
			if n.verified != nil || n.opened != nil {
				t.Fatalf("signature %v, decryption %v", n.verified, n.opened)
			}
			nonces[string(n.raw)] = true
		}
		want(t, "different bytes", len(nonces), 16)
		want(t, "state", at(b.settled("ORDER0001")[0], "state"), "exhausted")
	})

	t.Run("SuccessEndsTheRepeats", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.receiver.answerWith(func(n int, _ received) int {
			if n < 3 {
				return http.StatusServiceUnavailable
			}
			return http.StatusOK
		})
		b.paid("ORDER0001", 1)
		b.advance(48 * time.Hour)
		want(t, "sends", len(b.receiver.wait(2)), 3)
		want(t, "state", at(b.settled("ORDER0001")[0], "state"), "delivered")
	})

	for _, status := range []int{http.StatusCreated, http.StatusAccepted, http.StatusFound, http.StatusUnauthorized} {
		t.Run(fmt.Sprintf("Status%dIsNotReceived", status), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.receiver.answer(status)
			b.paid("ORDER0001", 1)
			b.advance(15 * time.Second)
			want(t, "sends", len(b.receiver.wait(1)), 2) // a followed redirect would make three
		})
	}

	t.Run("UnreachableReceiverIsTriedAgain", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.receiver.server.Close()
		b.native("ORDER0001", 1)
		b.pay(object{"out_trade_no": "ORDER0001", "result": "success"})
		b.advance(time.Minute)
		entries := b.journal("out_trade_no=ORDER0001&operation=notify/payment")
		want(t, "attempts", len(entries), 4)
		want(t, "status", entries[3]["status"], nil)
	})

	t.Run("SlowReceiverTimesOut", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.settings(object{"notify_timeout": "50ms"})
		release := make(chan struct{})
		b.receiver.answerWith(func(n int, _ received) int {
			if n == 1 {
				<-release
			}
			return http.StatusNoContent
		})
		b.native("ORDER0001", 1)
		b.pay(object{"out_trade_no": "ORDER0001", "result": "success"})
		b.settledAfter("ORDER0001", 1)
		close(release)
		b.receiver.wait(1)
		b.advance(15 * time.Second)
		b.receiver.wait(1)
		entries := b.journal("kind=notification")
		if why := entries[0]["error"]; why == nil || !strings.Contains(why.(string), "deadline") {
			t.Fatalf("the first attempt says %v", why)
		}
		want(t, "state", at(b.settled("ORDER0001")[0], "state"), "delivered")
	})

	t.Run("ResendSendsOnceMore", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.paid("ORDER0001", 1)
		id := at(b.settled("ORDER0001")[0], "id").(string)
		sent := b.ok("POST", "/notifications/"+id+"/resend", nil)
		want(t, "received", sent["received"], true)
		got := b.receiver.wait(1)
		want(t, "id", got[1].id, got[0].id)
		status, _ := b.control("POST", "/notifications/nothing/resend", nil)
		want(t, "unknown id", status, 404)
	})
}

// settledAfter waits until the journal has n notification attempts of the order.
func (b *bundle) settledAfter(outTradeNo string, n int) {
	b.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); len(b.journal("kind=notification&out_trade_no="+outTradeNo)) < n; {
		if time.Now().After(deadline) {
			b.t.Fatalf("there are fewer than %d attempts", n)
		}
	}
}

func TestNotificationFaults(t *testing.T) {
	t.Parallel()

	// Each of these spoils the first send; the merchant refuses it, and the repeat is right.
	spoiled := map[string]func(received, received) bool{
		"bad_signature":   func(bad, _ received) bool { return bad.verified != nil && bad.opened == nil },
		"probe":           func(bad, _ received) bool { return bad.verified != nil && bad.opened == nil },
		"stale_timestamp": func(bad, _ received) bool { return bad.verified != nil && bad.verified.Error() == "stale" },
		"unknown_serial":  func(bad, _ received) bool { return bad.verified != nil && bad.verified.Error() == "unknown serial" },
		"corrupt":         func(bad, _ received) bool { return bad.verified == nil && bad.opened != nil },
		"other_key":       func(bad, _ received) bool { return bad.verified == nil && bad.opened != nil },
		"wrong_amount": func(bad, good received) bool {
			return bad.verified == nil && at(bad.content, "amount", "total").(float64) == at(good.content, "amount", "total").(float64)+1
		},
		"wrong_mchid": func(bad, good received) bool {
			return bad.verified == nil && bad.content["mchid"] != good.content["mchid"]
		},
		"wrong_appid": func(bad, good received) bool {
			return bad.verified == nil && bad.content["appid"] != good.content["appid"]
		},
	}
	for effect, holds := range spoiled {
		t.Run(effect, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.fault(object{"operation": "notify/*", "effect": effect, "times": 1})
			b.receiver.answerWith(func(n int, _ received) int {
				if n == 1 {
					return http.StatusUnauthorized
				}
				return http.StatusNoContent
			})
			b.paid("ORDER0001", 100)
			b.advance(15 * time.Second)
			got := b.receiver.wait(1)
			if !holds(got[0], got[1]) {
				t.Fatalf("spoiled %+v, right %+v", got[0], got[1])
			}
			if got[1].verified != nil || got[1].opened != nil || got[1].id != got[0].id {
				t.Fatalf("the repeat is not right: %+v", got[1])
			}
			want(t, "fault in the journal", b.journal("kind=notification")[0]["fault"], effect)
		})
	}

	t.Run("duplicate", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.fault(object{"operation": "notify/payment", "effect": "duplicate", "copies": 5, "times": 1})
		b.paid("ORDER0001", 1)
		got := b.receiver.wait(4)
		want(t, "copies", len(got), 5)
		for _, n := range got {
			want(t, "id", n.id, got[0].id)
			if n.verified != nil {
				t.Fatal(n.verified)
			}
		}
	})

	t.Run("withhold", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.fault(object{"operation": "notify/payment", "effect": "withhold", "match": object{"out_trade_no": "ORDER0001"}})
		b.native("ORDER0001", 1)
		b.pay(object{"out_trade_no": "ORDER0001", "result": "success"})
		b.paid("ORDER0002", 1)
		b.advance(48 * time.Hour)
		want(t, "sends", len(b.receiver.all()), 1)
		n := b.settled("ORDER0001")[0]
		want(t, "state", at(n, "state"), "withheld")
		b.ok("POST", "/notifications/"+at(n, "id").(string)+"/resend", nil)
		want(t, "order", b.receiver.wait(1)[1].content["out_trade_no"], "ORDER0001")
	})

	t.Run("reorder", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.fault(object{"operation": "notify/payment", "effect": "reorder", "times": 1})
		b.native("ORDER0001", 1)
		b.pay(object{"out_trade_no": "ORDER0001", "result": "success"})
		b.usedUp(1)
		b.native("ORDER0002", 1)
		b.pay(object{"out_trade_no": "ORDER0002", "result": "success"})
		got := b.receiver.wait(2)
		want(t, "first", got[0].content["out_trade_no"], "ORDER0002")
		want(t, "second", got[1].content["out_trade_no"], "ORDER0001")
	})

	t.Run("reorderWithoutAnotherWaitsAMinute", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.fault(object{"operation": "notify/payment", "effect": "reorder", "times": 1})
		b.native("ORDER0001", 1)
		b.pay(object{"out_trade_no": "ORDER0001", "result": "success"})
		b.usedUp(1)
		b.advance(59 * time.Second)
		want(t, "sends", len(b.receiver.all()), 0)
		b.advance(2 * time.Second)
		b.receiver.wait(1)
	})

	t.Run("delay", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.fault(object{"operation": "notify/payment", "effect": "delay", "delay": "10m", "times": 1})
		b.native("ORDER0001", 1)
		b.pay(object{"out_trade_no": "ORDER0001", "result": "success"})
		b.usedUp(1)
		b.advance(9 * time.Minute)
		want(t, "sends", len(b.receiver.all()), 0)
		b.advance(time.Minute)
		b.receiver.wait(1)
	})

	for _, effect := range []string{"lose_request", "lose_answer"} {
		t.Run(effect, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.fault(object{"operation": "notify/payment", "effect": effect, "times": 1})
			b.native("ORDER0001", 1)
			b.pay(object{"out_trade_no": "ORDER0001", "result": "success"})
			b.settledAfter("ORDER0001", 1)
			b.advance(15 * time.Second)
			arrivals := map[string]int{"lose_request": 1, "lose_answer": 2}[effect]
			want(t, "arrivals", len(b.receiver.wait(arrivals)), arrivals)
			want(t, "attempts", len(b.journal("kind=notification")), 2)
		})
	}

	t.Run("ProbeThatIsAcceptedIsFollowedByARightCopy", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.settings(object{"probe_rate_notifications": 1})
		b.paid("ORDER0001", 1) // answered 204: this merchant does not verify
		b.settledAfter("ORDER0001", 1)
		b.settings(object{"probe_rate_notifications": 0})
		b.advance(15 * time.Second)
		got := b.receiver.wait(1)
		if got[0].verified == nil || got[1].verified != nil {
			t.Fatalf("probe %v, copy %v", got[0].verified, got[1].verified)
		}
		want(t, "journal", b.journal("kind=notification")[0]["error"], "the merchant accepted a signature probe: it does not verify signatures")
	})
}

// usedUp waits until the first fault has happened n times.
func (b *bundle) usedUp(n int) {
	b.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		if at(b.ok("GET", "/faults", nil)["faults"].([]any)[0], "used") == float64(n) {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatal("the fault did not happen")
		}
	}
}
