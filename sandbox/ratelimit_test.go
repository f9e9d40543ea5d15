package sandbox_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// still is a sandbox whose time passes only when it is moved, so that no bucket fills while a test is slow.
func still(t *testing.T) *bundle {
	t.Helper()
	c := config(newDir(t))
	started := time.Now()
	c.Real = func() time.Time { return started }
	return run(t, c)
}

func TestRateLimits(t *testing.T) {
	t.Parallel()

	t.Run("OffUnlessAskedFor", func(t *testing.T) {
		t.Parallel()
		b := still(t)
		b.settings(object{"rate_limit_per_second": object{"prepay": 1}})
		b.native("ORDER0001", 1)
		b.native("ORDER0002", 1)
	})

	t.Run("PublishedNumbersAreShown", func(t *testing.T) {
		t.Parallel()
		rates := setup(t).ok("GET", "/wechatpay/settings", nil)["rate_limit_per_second"]
		for name, wanted := range map[string]float64{
			"prepay": 500, "refund": 150, "refund_failing": 6, "refund_query": 300, "codepay": 33, "profitsharing": 300,
			"profitsharing_payer": 30, "profitsharing_query": 500, "profitsharing_return": 100,
			"transfer": 100, "transfer_query": 100, "transfer_cancel": 100, "certificates": 1000,
		} {
			want(t, name, at(rates, name), wanted)
		}
	})

	t.Run("OneSecondsWorthThen429UntilTimePasses", func(t *testing.T) {
		t.Parallel()
		b := still(t)
		b.settings(object{"rate_limits": true, "rate_limit_per_second": object{"prepay": 2}})
		b.native("ORDER0001", 1)
		b.native("ORDER0002", 1)
		a := b.merchant.refused("POST", nativePath, b.prepayBody("ORDER0003", 1), 429, "FREQUENCY_LIMITED")
		if !strings.HasSuffix(a.header.Get("Request-ID"), "-268447840") {
			t.Fatalf("Request-ID %q", a.header.Get("Request-ID"))
		}
		status, _ := b.control("GET", "/wechatpay/orders/ORDER0003", nil)
		want(t, "executed", status, 404)
		b.query("ORDER0001") // another kind of call has a bucket of its own
		b.advance(500 * time.Millisecond)
		b.native("ORDER0003", 1)
		b.merchant.refused("POST", nativePath, b.prepayBody("ORDER0004", 1), 429, "FREQUENCY_LIMITED")
		b.advance(time.Hour)
		b.native("ORDER0004", 1)
		b.native("ORDER0005", 1)
		b.merchant.refused("POST", nativePath, b.prepayBody("ORDER0006", 1), 429, "FREQUENCY_LIMITED") // a bucket holds no more than a second
	})

	t.Run("TheOtherCode", func(t *testing.T) {
		t.Parallel()
		b := still(t)
		b.settings(object{"rate_limits": true, "rate_limit_code": "RATELIMIT_EXCEEDED", "rate_limit_per_second": object{"certificates": 1}})
		b.merchant.must("GET", "/v3/certificates", nil)
		b.merchant.refused("GET", "/v3/certificates", nil, 429, "RATELIMIT_EXCEEDED")
	})

	t.Run("ZeroIsNoLimit", func(t *testing.T) {
		t.Parallel()
		b := still(t)
		b.settings(object{"rate_limits": true, "rate_limit_per_second": object{"certificates": 1}})
		b.settings(object{"rate_limit_per_second": object{"certificates": 0}})
		for range 3 {
			b.merchant.must("GET", "/v3/certificates", nil)
		}
	})

	t.Run("FailingRefundsHoldUpAllRefunds", func(t *testing.T) {
		t.Parallel()
		b := still(t)
		b.settings(object{"rate_limits": true})
		b.paid("ORDER0001", 100)
		for range 6 {
			b.merchant.refused("POST", refundsPath, b.refundBody("ORDER0009", "REFUND9", 1, 100), 404, "RESOURCE_NOT_EXISTS")
		}
		b.merchant.refused("POST", refundsPath, b.refundBody("ORDER0001", "REFUND1", 1, 100), 429, "FREQUENCY_LIMITED")
		b.advance(200 * time.Millisecond)
		b.merchant.must("POST", refundsPath, b.refundBody("ORDER0001", "REFUND1", 1, 100))
	})

	t.Run("SucceedingRefundsDoNotCountAsFailing", func(t *testing.T) {
		t.Parallel()
		b := still(t)
		b.settings(object{"rate_limits": true, "refund_interval": "0s"})
		b.paid("ORDER0001", 100)
		for range 10 { // the same refund, repeated
			b.merchant.must("POST", refundsPath, b.refundBody("ORDER0001", "REFUND1", 1, 100))
		}
	})

	t.Run("CallsThatAreNotSignedTakeNothing", func(t *testing.T) {
		t.Parallel()
		b := still(t)
		b.settings(object{"rate_limits": true, "rate_limit_per_second": object{"certificates": 1}})
		b.merchant.change = func(r *http.Request) { r.URL.RawQuery = "a=b" }
		for range 3 {
			b.merchant.refused("GET", "/v3/certificates", nil, 401, "SIGN_ERROR")
		}
		b.merchant.change = nil
		b.merchant.must("GET", "/v3/certificates", nil)
	})

	t.Run("ResetFillsTheBuckets", func(t *testing.T) {
		t.Parallel()
		b := still(t)
		slow := object{"rate_limits": true, "rate_limit_per_second": object{"certificates": 1}}
		b.settings(slow)
		b.merchant.must("GET", "/v3/certificates", nil)
		b.ok("POST", "/reset", nil)
		b.settings(slow)
		b.merchant.must("GET", "/v3/certificates", nil)
	})

	t.Run("NumbersAreChecked", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for field, body := range map[string]object{
			"rate_limit_per_second":        {"rate_limit_per_second": object{"close": 1}},
			"rate_limit_per_second.refund": {"rate_limit_per_second": object{"refund": -1}},
			"rate_limit_code":              {"rate_limit_code": "TOO_FAST"},
		} {
			status, answer := b.control("POST", "/wechatpay/settings", body)
			want(t, field+": status", status, 400)
			want(t, "field", answer["field"], field)
		}
		want(t, "refund", at(b.ok("GET", "/wechatpay/settings", nil), "rate_limit_per_second", "refund"), 150)
	})
}
