package money_test

import (
	"testing"

	"github.com/tongbao-pay/tongbao/internal/money"
)

func TestFormat(t *testing.T) {
	t.Parallel()
	for amount, want := range map[int64]string{
		0: "0.00 CNY", 1: "0.01 CNY", 99: "0.99 CNY", 100: "1.00 CNY", 8800: "88.00 CNY", -1: "-0.01 CNY", -12345: "-123.45 CNY",
		money.AmountMax: "100000000.00 CNY",
	} {
		if got := money.Format(amount, money.CNY); got != want {
			t.Errorf("%d is written %q, want %q", amount, got, want)
		}
	}
}

func TestOnlyTheYuanIsTaken(t *testing.T) {
	t.Parallel()
	for currency, want := range map[money.Currency]bool{money.CNY: true, "": false, "cny": false, "USD": false, "CNYX": false} {
		if got := currency.Valid(); got != want {
			t.Errorf("%q: %v, want %v", currency, got, want)
		}
	}
}

func TestASumOfManyAmountsDoesNotOverflow(t *testing.T) {
	t.Parallel()
	if amounts := int64(1<<63-1) / money.AmountMax; amounts < 100_000_000 {
		t.Errorf("%d of the largest amounts overflow a sum", amounts)
	}
}
