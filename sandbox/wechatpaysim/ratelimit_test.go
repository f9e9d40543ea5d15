package wechatpaysim

import (
	"fmt"
	"testing"
	"time"
)

// Each limit that two kinds of calls or two payers could confuse has a bucket of its own.
func TestSharingHasThreeLimits(t *testing.T) {
	t.Parallel()
	sharing := func(subMchID, transactionID string) *call {
		return &call{caller: "1900000001", body: fmt.Appendf(nil, `{"sub_mchid":%q,"transaction_id":%q}`, subMchID, transactionID)}
	}
	scopes := map[string]func(*call) string{}
	for _, limit := range newLimiter().limits["profitsharing"] {
		scopes[limit.name] = limit.scope
	}
	if len(scopes) != 3 {
		t.Fatalf("limits %v", scopes)
	}
	first := sharing("1900000002", "4200001")
	for name, c := range map[string]struct {
		other  *call
		shared bool
	}{
		"profitsharing":       {sharing("1900000003", "4200002"), true},
		"profitsharing_payer": {sharing("1900000002", "4200002"), true},
		"profitsharing_order": {sharing("1900000002", "4200002"), false},
	} {
		if shared := scopes[name](first) == scopes[name](c.other); shared != c.shared {
			t.Errorf("%s: shared %v", name, shared)
		}
	}
	if scopes["profitsharing_payer"](first) == scopes["profitsharing_payer"](sharing("1900000003", "4200001")) {
		t.Error("two payers share a bucket")
	}
	own := &call{caller: "1900000001", body: []byte(`{"transaction_id":"4200001"}`)}
	if scopes["profitsharing_payer"](own) != "1900000001" {
		t.Error("a merchant who shares his own money is not its payer")
	}
}

func TestBucketsAreForgotten(t *testing.T) {
	t.Parallel()
	l, now := newLimiter(), time.Unix(1717200000, 0)
	for i := range bucketsMax {
		l.bucket(bucketKey{"profitsharing_order", fmt.Sprint(i)}, 1, now)
	}
	l.bucket(bucketKey{"profitsharing_order", "one more"}, 1, now.Add(2*time.Minute))
	if len(l.buckets) != 1 {
		t.Errorf("%d buckets are left", len(l.buckets))
	}
}
