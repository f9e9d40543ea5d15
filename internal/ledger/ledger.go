// Package ledger says which double entries a movement of money makes.
//
// A posting moves one amount from a credit account to a debit account, so a
// set of postings balances by construction. Postings are facts: they are
// inserted in the database transaction of the transition that caused them and
// never changed. The database refuses a second posting of one kind for one
// source, which is the last guard against counting money twice.
package ledger

import (
	"time"

	"github.com/tongbao-pay/tongbao/internal/money"
)

// Kind names the movement a posting records.
type Kind string

// The movements of money.
const (
	Collected Kind = "collected" // a payer's money reached the merchant's account at the provider
	Refunded  Kind = "refunded"  // a refund left that account for the payer
)

// Posting is one double entry. Amount is positive, in the currency's minor unit.
type Posting struct {
	AppID     string
	SourceID  string // the attempt or refund whose money moved; unique with Kind
	Kind      Kind
	Debit     string // ledger account that grows
	Credit    string // ledger account that shrinks
	Amount    int64
	Currency  money.Currency
	CreatedAt time.Time
}

// ProviderAccount is the ledger account of the merchant's money at a provider.
func ProviderAccount(accountID string) string { return "provider:" + accountID }

// AppAccount is the ledger account of what an app has earned.
func AppAccount(appID string) string { return "app:" + appID }

// Collect posts a payer's money: the provider now owes it to the merchant, the app has earned it.
func Collect(appID, accountID, attemptID string, amount int64, c money.Currency, at time.Time) Posting {
	return Posting{
		AppID: appID, SourceID: attemptID, Kind: Collected,
		Debit: ProviderAccount(accountID), Credit: AppAccount(appID),
		Amount: amount, Currency: c, CreatedAt: at,
	}
}

// Refund posts money given back: the exact reverse of [Collect], for the refunded amount.
func Refund(appID, accountID, refundID string, amount int64, c money.Currency, at time.Time) Posting {
	return Posting{
		AppID: appID, SourceID: refundID, Kind: Refunded,
		Debit: AppAccount(appID), Credit: ProviderAccount(accountID),
		Amount: amount, Currency: c, CreatedAt: at,
	}
}
