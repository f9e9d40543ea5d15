package sandbox_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"
)

// cart is a combined payment of a random history.
type cart struct {
	body      object
	subOrders []any // as paid; nil before
}

// TestBooksBalanceWithCombinedPayments plays random histories of combined payments beside single orders, of merchants and of a
// service provider, and checks after each step that the books agree and no combined payment is paid in part.
func TestBooksBalanceWithCombinedPayments(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprintf("Seed%d", seed), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.receiver.answer(http.StatusNoContent)
			b.settings(object{"refund_interval": "0s"})
			r := rand.New(rand.NewPCG(seed, 11))
			second, carts := b.secondMerchant(), []*cart{b.placeCart(r, 9999)}
			for step := range 100 {
				k := carts[r.IntN(len(carts))]
				number := k.body["combine_out_trade_no"]
				switch r.IntN(8) {
				case 0, 1:
					carts = append(carts, b.placeCart(r, step))
				case 2, 3:
					status, paid := b.control("POST", "/wechatpay/pay", object{
						"combine_out_trade_no": number, "result": []string{"success", "success", "fail"}[r.IntN(3)], "late": r.IntN(3) == 0, "coupon": r.Int64N(300),
					})
					if status == http.StatusOK && at(paid["sub_orders"].([]any)[0], "trade_state") == "SUCCESS" {
						k.subOrders = paid["sub_orders"].([]any)
					}
				case 4, 5:
					b.refundPart(r, k, second, step)
				case 6:
					b.combineClose(number.(string), k.body)
					b.merchant.call("POST", combinePath, k.body) // again: refused when closed or paid
				case 7:
					b.settings(object{"refund_outcome": []string{"SUCCESS", "ABNORMAL", "CLOSED", "PROCESSING"}[r.IntN(4)], "fee_rate": r.IntN(200)})
					b.advance(time.Duration(1+r.IntN(4)) * time.Second)
				}
				b.books()
			}
			before := b.books()
			next := b.again()
			want(t, "books after a restart", next.books(), before)
			for _, k := range carts {
				if k.subOrders == nil {
					continue
				}
				for _, item := range next.combineQuery(k.body["combine_out_trade_no"].(string))["sub_orders"].([]any) {
					if state := at(item, "trade_state"); state != "SUCCESS" && state != "REFUND" {
						t.Fatalf("a paid combined payment has a sub order that is %v", state)
					}
				}
			}
		})
	}
}

// placeCart places a combined payment of 2 to 5 sub orders, half of them for a service provider.
func (b *bundle) placeCart(r *rand.Rand, step int) *cart {
	totals := make([]int64, 2+r.IntN(4))
	for i := range totals {
		totals[i] = 1 + r.Int64N(1000)
	}
	body := b.combineBody(fmt.Sprintf("CART%04d", step), totals...)
	if r.IntN(2) == 0 {
		body = b.partnerBody(fmt.Sprintf("CART%04d", step), totals...)
	}
	b.merchant.must("POST", combinePath, body)
	return &cart{body: body}
}

// refundPart asks for a refund of one sub order, sometimes of more than there is and sometimes of another merchant's.
func (b *bundle) refundPart(r *rand.Rand, k *cart, second *merchant, step int) {
	i := r.IntN(len(k.body["sub_orders"].([]any)))
	total := at(subOrder(k.body, i), "amount", "total_amount").(int64)
	body := b.refundBody(subOrder(k.body, i)["out_trade_no"].(string), fmt.Sprintf("REFUND%d", step), 1+r.Int64N(total+1), total)
	delete(body, "notify_url")
	if k.subOrders != nil && r.IntN(2) == 0 {
		delete(body, "out_trade_no")
		body["transaction_id"] = at(k.subOrders[i], "transaction_id")
	}
	[]*merchant{b.merchant, second}[r.IntN(2)].call("POST", refundsPath, body)
}
