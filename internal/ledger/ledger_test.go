package ledger_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tongbao-pay/tongbao/internal/ledger"
	"github.com/tongbao-pay/tongbao/internal/money"
)

var at = time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC)

func TestCollectedMoneyIsWithTheProviderAndEarnedByTheApp(t *testing.T) {
	t.Parallel()
	want := ledger.Posting{
		AppID: "app", SourceID: "att", Kind: ledger.Collected, Debit: "provider:acc", Credit: "app:app", Amount: 8800, Currency: money.CNY, CreatedAt: at,
	}
	if got := ledger.Collect("app", "acc", "att", 8800, money.CNY, at); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestARefundIsTheExactReverse(t *testing.T) {
	t.Parallel()
	in, out := ledger.Collect("app", "acc", "att", 8800, money.CNY, at), ledger.Refund("app", "acc", "rfd", 8800, money.CNY, at)
	if in.Debit != out.Credit || in.Credit != out.Debit || in.Amount != out.Amount || out.Kind != ledger.Refunded || out.SourceID != "rfd" {
		t.Errorf("in %+v, out %+v", in, out)
	}
}

func TestAppsAndAccountsOfOneNameHaveTwoAccounts(t *testing.T) {
	t.Parallel()
	if ledger.ProviderAccount("x") == ledger.AppAccount("x") {
		t.Error("they share an account")
	}
}

func TestTheBooksBalance(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		balance := map[string]int64{}
		for range rapid.IntRange(0, 50).Draw(t, "postings") {
			post := rapid.SampledFrom([]func(string, string, string, int64, money.Currency, time.Time) ledger.Posting{ledger.Collect, ledger.Refund}).Draw(t, "kind")
			names := rapid.SampledFrom([]string{"a", "b", "c"})
			p := post(names.Draw(t, "app"), names.Draw(t, "account"), "s", rapid.Int64Range(1, money.AmountMax).Draw(t, "amount"), money.CNY, at)
			balance[p.Debit] += p.Amount
			balance[p.Credit] -= p.Amount
		}
		var sum int64
		for _, b := range balance {
			sum += b
		}
		if sum != 0 {
			t.Fatalf("the accounts sum up to %d: %v", sum, balance)
		}
	})
}
