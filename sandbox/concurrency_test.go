package sandbox_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestConcurrency(t *testing.T) {
	t.Parallel()

	t.Run("ParallelRefundsNeverExceedThePayment", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.settings(object{"refund_interval": "0s"})
		b.paid("ORDER0001", 1000)
		var accepted atomic.Int64
		var group sync.WaitGroup
		for i := range 25 {
			group.Go(func() {
				a, err := b.merchant.try("POST", refundsPath, b.refundBody("ORDER0001", fmt.Sprintf("REFUND%d", i), 100, 1000))
				if err == nil && a.status == 200 {
					accepted.Add(1)
				}
			})
		}
		group.Wait()
		want(t, "accepted", accepted.Load(), 10)
		b.advance(3 * time.Second)
		want(t, "refunded", b.books()["refunded"], 1000)
	})

	t.Run("OneRepeatedRefundIsOneRefund", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.paid("ORDER0001", 1000)
		var ids sync.Map
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() {
				if a, err := b.merchant.try("POST", refundsPath, b.refundBody("ORDER0001", "REFUND1", 100, 1000)); err == nil {
					ids.Store(a.text("refund_id"), true)
				}
			})
		}
		group.Wait()
		n := 0
		ids.Range(func(any, any) bool { n++; return true })
		want(t, "refund_ids", n, 1)
		want(t, "refunding", b.books()["refunding"], 100)
	})

	t.Run("AnOrderIsPaidOnce", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.native("ORDER0001", 1000)
		var paid atomic.Int64
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() {
				if status, _ := b.control("POST", "/wechatpay/pay", object{"out_trade_no": "ORDER0001", "result": "success"}); status == 200 {
					paid.Add(1)
				}
			})
		}
		group.Wait()
		want(t, "payments", paid.Load(), 1)
		b.receiver.wait(1)
		want(t, "paid", b.books()["paid"], 1000)
	})

	t.Run("TheClockMovesWhileOrdersArePaid", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		const orders = 30
		var group sync.WaitGroup
		group.Go(func() {
			for range 10 {
				b.advance(time.Second)
			}
		})
		for i := range orders {
			group.Go(func() {
				number := fmt.Sprintf("ORDER%04d", i)
				if _, err := b.merchant.try("POST", nativePath, b.prepayBody(number, 1)); err == nil {
					b.control("POST", "/wechatpay/pay", object{"out_trade_no": number, "result": "success"})
				}
			})
		}
		group.Wait()
		want(t, "notifications", len(b.receiver.wait(orders)), orders)
		want(t, "paid", b.books()["paid_orders"], orders)
	})
}
