package simulate

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// Script is what a seed makes: everything that will be tried, in its order. It depends on the seed and on this program
// alone, never on what came of an earlier step.
type Script struct {
	Seed     uint64
	Replicas int
	Payments []Intent // what the operations speak of; the first is payment 1
	Steps    []Step
}

// Intent is a payment that an app will want.
type Intent struct {
	App       string
	Product   string
	Amount    int64
	ExpiresIn time.Duration
}

// Step is a number of operations that are started together. The next step begins when all of them are done and what
// the provider had to send is sent.
type Step struct {
	Ops []Op
	// Work lets the replicas run the jobs that are due, too, before the next step begins.
	Work bool
}

// Op is one operation. Which fields it uses is up to its kind.
type Op struct {
	Kind     Kind
	Payment  int    // from 1
	Refund   int    // of the payment, from 1
	Replica  int    // that is asked first, or that it happens to; from 1
	Network  string // what happens to the app's request: "", [requestLost] or [answerLost]
	Product  string
	Amount   int64
	Call     string // of the provider that a fault meets
	Effect   string // of the fault; what a forger forges; how refunds end
	Status   int
	Executed bool // the fault lets the provider act
	Times    int
	Duration time.Duration
}

// Kind says what an operation does.
type Kind string

// The kinds of operations.
const (
	Create       Kind = "create"    // the app places a payment
	Repeat       Kind = "repeat"    // the app sends the same create again
	Conflict     Kind = "conflict"  // the app uses the number again with another amount
	Switch       Kind = "switch"    // the payer wants another product
	Pay          Kind = "pay"       // the payer pays
	PayOlder     Kind = "pay older" // the payer pays an order that they had left
	PayTwice     Kind = "pay twice" // with both hands at once
	PayerGivesUp Kind = "payer gives up"
	PayLate      Kind = "pay late" // money that was in flight when the order closed
	Close        Kind = "close"
	Sync         Kind = "sync"
	Refund       Kind = "refund"
	RefundAgain  Kind = "refund again"   // the same request under the same number
	RefundOther  Kind = "refund other"   // another amount under the same number
	CallFault    Kind = "fault"          // of a call to the provider
	NoticeFault  Kind = "notification"   // of the provider's next notifications
	Resend       Kind = "resend"         // a notification that arrived comes once more
	Forge        Kind = "forge"          // somebody else sends a notification
	HostFault    Kind = "host"           // one of the provider's hosts
	RefundsEnd   Kind = "refunds end"    // how the provider's next refunds end
	Inbox        Kind = "inbox"          // the app's webhook endpoint misbehaves
	TwiceOver    Kind = "jobs run twice" // their process died before it could say that they ran
	Skew         Kind = "skew"           // a replica's clock against all others
	Stop         Kind = "stop"
	Start        Kind = "start"
	Wait         Kind = "wait" // everybody's clock moves
)

// What can happen to a request on its way through a network.
const (
	requestLost = "request lost"
	answerLost  = "answer lost"
)

// String is the operation in words, the same for the same operation.
func (o Op) String() string {
	var b strings.Builder
	b.WriteString(string(o.Kind))
	add := func(format string, args ...any) { fmt.Fprintf(&b, " "+format, args...) }
	if o.Payment > 0 {
		add("p%d", o.Payment)
	}
	if o.Refund > 0 {
		add("r%d", o.Refund)
	}
	if o.Product != "" {
		add("%s", o.Product)
	}
	if o.Amount > 0 {
		add("%d fen", o.Amount)
	}
	if o.Call != "" {
		add("%s", o.Call)
	}
	if o.Effect != "" {
		add("%s", o.Effect)
	}
	if o.Status > 0 {
		add("%d", o.Status)
	}
	if o.Executed {
		add("executed")
	}
	if o.Times > 0 {
		add("x%d", o.Times)
	}
	if o.Duration != 0 {
		add("%s", o.Duration)
	}
	if o.Replica > 0 {
		add("@%d", o.Replica)
	}
	if o.Network != "" {
		add("(%s)", o.Network)
	}
	return b.String()
}

// Lines are the script as text, one line for each payment and operation.
func (s Script) Lines() []string {
	lines := []string{fmt.Sprintf("seed %d, %d replicas", s.Seed, s.Replicas)}
	for i, p := range s.Payments {
		lines = append(lines, fmt.Sprintf("p%d %s %s %d fen, expires in %s", i+1, p.App, p.Product, p.Amount, p.ExpiresIn))
	}
	for i, step := range s.Steps {
		for _, op := range step.Ops {
			lines = append(lines, fmt.Sprintf("%d %s", i+1, op))
		}
		if step.Work {
			lines = append(lines, fmt.Sprintf("%d jobs", i+1))
		}
	}
	return lines
}

// Hash names the script: two runs with the same hash tried the same.
func (s Script) Hash() string {
	sum := sha256.Sum256([]byte(strings.Join(s.Lines(), "\n")))
	return hex.EncodeToString(sum[:8])
}
