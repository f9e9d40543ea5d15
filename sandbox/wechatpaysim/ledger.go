package wechatpaysim

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/record"
)

// The pots a merchant's money lies in.
const (
	potUnsettled    = "unsettled"    // paid and not yet settled: refunds come from here
	potAvailable    = "available"    // settled: refunds with funds_account=AVAILABLE come from here
	potFrozen       = "frozen"       // waits to be shared (分账)
	potOperation    = "operation"    // 运营账户: transfers come from here
	potRefunding    = "refunding"    // of accepted refunds, on its way back
	potTransferring = "transferring" // of transfers the user has not got yet
)

// The pots of the world around the merchants. Those that money comes from are never above zero, the others never below.
const (
	potPaid        = "paid"        // payers' money, from
	potToppedUp    = "topped_up"   // merchants' bank accounts, from
	potRefunded    = "refunded"    // payers' money, to
	potShared      = "shared"      // receivers who are no merchants of this provider (分账), to
	potTransferred = "transferred" // users' balances (商家转账), to
	potWithdrawn   = "withdrawn"   // merchants' bank accounts, to
	potFees        = "fees"        // the provider's own, to
)

// account is one place where money lies.
type account struct {
	Owner string `json:"owner,omitempty"` // mchid; empty: the world around
	Pot   string `json:"pot"`
}

func world(pot string) account { return account{Pot: pot} }

// leg is what one posting does to one account: fen, negative out of it.
type leg struct {
	Account account `json:"account"`
	Amount  int64   `json:"amount"`
}

// posting is one movement of money. Its legs add up to nothing.
type posting struct {
	No    int64     `json:"no"` // counts from 1: the order of the books
	At    time.Time `json:"at"`
	Kind  string    `json:"kind"`             // what it was for: payment, refund, ...
	Ref   string    `json:"ref,omitempty"`    // the provider's number: transaction_id, refund_id, ...
	OutNo string    `json:"out_no,omitempty"` // the merchant's number
	Note  string    `json:"note,omitempty"`   // for people
	Legs  []leg     `json:"legs"`
}

// Kinds of postings.
const (
	postPayment        = "payment"
	postRefund         = "refund"          // accepted: from the merchant into refunding
	postRefundSettled  = "refund_settled"  // from refunding to the payer
	postRefundReturned = "refund_returned" // closed: from refunding back to the merchant
	postSettle         = "settle"          // from unsettled to available
	postReverse        = "reverse"         // 撤销: from the merchant back to the payer
	postTopUp          = "top_up"
	postWithdraw       = "withdraw"

	postTransfer         = "transfer"          // the amount is locked: from operation into transferring
	postTransferSettled  = "transfer_settled"  // from transferring to the user
	postTransferReturned = "transfer_returned" // failed or cancelled: from transferring back to operation
)

// ledger is double entry over all accounts: the sum of all balances is nothing, always.
type ledger struct {
	postings []posting // in the order of their numbers
	balances map[account]int64
	broken   []string // what should never have been posted, for [Books]
}

func newLedger() ledger { return ledger{balances: map[account]int64{}} }

// post books a movement and checks the books: legs that add up, and no merchant's pot below nothing. It is for movements
// that were checked before; one that breaks a rule is booked all the same and shows in [Books]. The caller holds the lock.
func (p *Provider) post(e posting) {
	e.No = int64(len(p.postings)) + 1
	e.Legs = slices.DeleteFunc(e.Legs, func(l leg) bool { return l.Amount == 0 })
	p.book(e)
	p.put(recordPosting, strconv.FormatInt(e.No, 10), e)
}

func (l *ledger) book(e posting) {
	l.postings = append(l.postings, e)
	var sum int64
	for _, leg := range e.Legs {
		sum += leg.Amount
		l.balances[leg.Account] += leg.Amount
	}
	if sum != 0 {
		l.broken = append(l.broken, fmt.Sprintf("posting %d (%s %s) is %d fen off balance", e.No, e.Kind, e.OutNo, sum))
	}
	for _, leg := range e.Legs {
		if left := l.balances[leg.Account]; leg.Account.Owner != "" && left < 0 {
			l.broken = append(l.broken, fmt.Sprintf("posting %d (%s %s) left %d fen in %s of %s", e.No, e.Kind, e.OutNo, left, leg.Account.Pot, leg.Account.Owner))
		}
	}
}

// balance is what lies in a pot, in fen; of the world's pots that money comes from, negative.
func (l *ledger) balance(owner, pot string) int64 { return l.balances[account{owner, pot}] }

// sum is the balance of the pot over all merchants.
func (l *ledger) sum(pot string) int64 {
	var sum int64
	for a, amount := range l.balances {
		if a.Owner != "" && a.Pot == pot {
			sum += amount
		}
	}
	return sum
}

func (p *Provider) restorePosting(r record.Record) error {
	var e posting
	if err := json.Unmarshal(r.Value, &e); err != nil {
		return err
	}
	p.book(e)
	return nil
}
