package wechatpaysim

import (
	"math/big"
	"math/rand/v2"
	"testing"
)

// TestShareRoundsHalfUp compares with arbitrary precision, up to amounts whose product does not fit 64 bits.
func TestShareRoundsHalfUp(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		of := 1 + r.Int64N([]int64{10, 1000, amountMax}[r.IntN(3)])
		part, whole := r.Int64N(of+1), r.Int64N(amountMax+1)
		want := new(big.Int).Mul(big.NewInt(whole), big.NewInt(part))
		want.Add(want, big.NewInt(of/2)).Div(want, big.NewInt(of))
		if got := share(whole, part, of); got != want.Int64() {
			t.Fatalf("share(%d, %d, %d) = %d, want %d", whole, part, of, got, want)
		}
	}
}

// TestSharesAddUp refunds an order in random parts: the payer and the fee get back exactly what there was.
func TestSharesAddUp(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		total := 1 + r.Int64N(3000)
		o := &order{Total: total, Coupon: r.Int64N(total + 1), Fee: r.Int64N(total/10 + 1)}
		for o.Refunded < total {
			amount := 1 + r.Int64N(total-o.Refunded)
			toPayer, feeBack := o.shares(amount)
			if toPayer < 0 || toPayer > amount || feeBack < 0 || feeBack > amount {
				t.Fatalf("of %d: %d to the payer, %d of the fee", amount, toPayer, feeBack)
			}
			o.Refunded, o.PayerBack, o.FeeBack = o.Refunded+amount, o.PayerBack+toPayer, o.FeeBack+feeBack
		}
		if o.PayerBack != total-o.Coupon || o.FeeBack != o.Fee {
			t.Fatalf("%+v", o)
		}
	}
}
