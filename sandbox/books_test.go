package sandbox_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"
)

// TestBooksBalanceWhateverHappens plays random histories and checks after each step that the provider's books agree.
func TestBooksBalanceWhateverHappens(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprintf("Seed%d", seed), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.receiver.answer(http.StatusNoContent)
			b.settings(object{"refund_interval": "0s"})
			r := rand.New(rand.NewPCG(seed, 7))
			orders, refunds := []string{}, 0
			totals := map[string]int64{}
			for step := range 120 {
				pick := func() string {
					if len(orders) == 0 {
						return "ORDERNONE"
					}
					return orders[r.IntN(len(orders))]
				}
				switch r.IntN(9) {
				case 0, 1:
					number := fmt.Sprintf("ORDER%04d", step)
					totals[number] = 1 + r.Int64N(5000)
					b.native(number, totals[number])
					orders = append(orders, number)
				case 2, 3:
					number := pick()
					b.control("POST", "/wechatpay/pay", object{"out_trade_no": number, "result": "success", "late": r.IntN(4) == 0, "coupon": r.Int64N(totals[number] + 1)})
				case 4, 5:
					number := pick()
					refunds++
					body := b.refundBody(number, fmt.Sprintf("REFUND%d", refunds-r.IntN(2)), 1+r.Int64N(totals[number]+1), max(1, totals[number]))
					delete(body, "notify_url")
					if r.IntN(4) == 0 {
						body["funds_account"] = "AVAILABLE"
					}
					b.merchant.call("POST", refundsPath, body)
				case 6:
					b.settings(object{"refund_outcome": []string{"SUCCESS", "ABNORMAL", "CLOSED", "PROCESSING"}[r.IntN(4)], "fee_rate": r.IntN(200)})
				case 7:
					b.control("POST", "/wechatpay/funds", object{"action": []string{"settle", "top_up", "withdraw"}[r.IntN(3)], "amount": 1 + r.Int64N(2000)})
				case 8:
					b.closeOrder(pick())
					b.advance(time.Duration(1+r.IntN(4)) * time.Second)
				}
				b.books()
			}
			before := b.books()
			next := b.again()
			want(t, "books after a restart", next.books(), before)
		})
	}
}
