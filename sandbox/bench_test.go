package sandbox_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox"
)

// BenchmarkPrepay measures one signed and verified prepay over loopback, the client's own signature and check included.
func BenchmarkPrepay(b *testing.B) {
	s, err := sandbox.Open(config(b.TempDir()))
	if err != nil {
		b.Fatal(err)
	}
	go s.Serve(b.Context())
	m := newMerchant(b, s)
	m.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: 10 * time.Second}
	w := s.Credentials().WeChatPay
	var n atomic.Int64
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			a, err := m.try("POST", nativePath, object{
				"appid": w.AppID, "mchid": w.MchID, "description": strings.Repeat("咖啡", 8), "out_trade_no": fmt.Sprintf("BENCH%08d", n.Add(1)),
				"notify_url": "http://127.0.0.1:1/notify", "amount": object{"total": 1},
			})
			if err != nil || a.status != 200 {
				b.Errorf("%d %s %v", a.status, a.body, err)
				return
			}
		}
	})
}
