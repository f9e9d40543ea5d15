package wechatpaysim

import (
	"fmt"
	"testing"
	"time"
)

// A service provider shares 300 times a second, and 30 times for each of those whose money it is.
func TestSharingIsLimitedByPayerToo(t *testing.T) {
	t.Parallel()
	sharing := func(body string) *call { return &call{caller: "1900000001", body: []byte(body)} }
	scopes := map[string]func(*call) string{}
	for _, limit := range newLimiter().limits["profitsharing"] {
		scopes[limit.name] = limit.scope
	}
	if len(scopes) != 2 {
		t.Fatalf("limits %v", scopes)
	}
	for body, payer := range map[string]string{
		`{"sub_mchid":"1900000002"}`: "1900000002", `{}`: "1900000001", `[`: "1900000001",
	} {
		if got := scopes["profitsharing_payer"](sharing(body)); got != payer {
			t.Errorf("%s: payer %s, want %s", body, got, payer)
		}
		if got := scopes["profitsharing"](sharing(body)); got != "1900000001" {
			t.Errorf("%s: caller %s", body, got)
		}
	}
}

func TestBucketsAreForgotten(t *testing.T) {
	t.Parallel()
	l, now := newLimiter(), time.Unix(1717200000, 0)
	for i := range bucketsMax {
		l.bucket(bucketKey{"profitsharing_payer", fmt.Sprint(i)}, 1, now)
	}
	l.bucket(bucketKey{"profitsharing_payer", "one more"}, 1, now.Add(2*time.Minute))
	if len(l.buckets) != 1 {
		t.Errorf("%d buckets are left", len(l.buckets))
	}
}
