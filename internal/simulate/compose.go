package simulate

import (
	"math/rand/v2"
	"slices"
	"time"
)

// The size of a script. Long enough for faults to meet, short enough for a person to read.
const (
	replicas    = 3
	paymentsMin = 4
	paymentsMax = 9
	stepsMin    = 24
	stepsMax    = 44
	refundsEach = 4 // of a payment, at most
	skewMax     = 2 * time.Minute
)

// The apps, named by what they want done with late money.
const (
	giveBack = "gives-back"
	keep     = "keeps"
	ask      = "asks"
)

// composer writes a script.
type composer struct {
	*rand.Rand

	script  Script
	created int             // payments that a create was written for: 1 to created
	refunds map[int][]int64 // by payment: their amounts
	guesses map[int]guess   // by payment
	now     time.Duration   // as far as waits go
}

// guess is what will probably have become of a payment. It only makes operations likelier where they can do something:
// whether it came true is never looked at, or the script would depend on the run.
type guess struct {
	paid bool
	ends time.Duration // when it expires or was closed
}

func (g guess) open(now time.Duration) bool { return !g.paid && now < g.ends }

// Compose makes the script of a seed.
func Compose(seed uint64) Script {
	c := &composer{
		Rand:    rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)), //nolint:gosec // a seed must give the same script again
		script:  Script{Seed: seed, Replicas: replicas},
		refunds: map[int][]int64{},
		guesses: map[int]guess{},
	}
	for range paymentsMin + c.IntN(paymentsMax-paymentsMin+1) {
		c.script.Payments = append(c.script.Payments, c.intent())
	}
	c.step(c.create())
	for range stepsMin + c.IntN(stepsMax-stepsMin+1) {
		c.next()
	}
	return c.script
}

func (c *composer) intent() Intent {
	return Intent{
		App:       pick(c, giveBack, giveBack, keep, ask),
		Product:   c.product(),
		Amount:    1 + c.Int64N(pick(c, int64(100), 10_000, 1_000_000)),
		ExpiresIn: pick(c, time.Minute, 5*time.Minute, 30*time.Minute, 2*time.Hour, 26*time.Hour),
	}
}

func (c *composer) product() string { return pick(c, "native", "jsapi", "miniprogram", "app", "h5") }

func pick[T any](c *composer, of ...T) T { return of[c.IntN(len(of))] }

func (c *composer) chance(percent int) bool { return c.IntN(100) < percent }

func (c *composer) step(ops ...Op) {
	c.script.Steps = append(c.script.Steps, Step{Ops: ops, Work: c.chance(60)})
}

// next writes one step.
func (c *composer) next() {
	switch n := c.IntN(100); {
	case n < 16 && c.created < len(c.script.Payments):
		c.step(c.some(1, c.create())...)
	case n < 30:
		c.step(c.race()...)
	case n < 58:
		c.step(c.some(2, c.wait())...)
	default:
		c.step(c.some(3, c.any())...)
	}
}

// some is the first and up to so many other operations.
func (c *composer) some(others int, first Op) []Op {
	ops := []Op{first}
	for range c.IntN(others + 1) {
		ops = append(ops, c.any())
	}
	return ops
}

// create is of the next payment, or of an earlier one again.
func (c *composer) create() Op {
	if c.created == len(c.script.Payments) {
		return c.repeat(c.payment())
	}
	c.created++
	c.guesses[c.created] = guess{ends: c.now + c.script.Payments[c.created-1].ExpiresIn}
	return Op{Kind: Create, Payment: c.created, Replica: c.replica(), Network: c.network()}
}

func (c *composer) repeat(payment int) Op {
	return Op{Kind: Repeat, Payment: payment, Replica: c.replica(), Network: c.network()}
}

// payment is one that was created, the newer the likelier: what is over has little left to go wrong.
func (c *composer) payment() int { return max(1+c.IntN(c.created), 1+c.IntN(c.created)) }

func (c *composer) replica() int { return 1 + c.IntN(replicas) }

func (c *composer) network() string {
	switch n := c.IntN(100); {
	case n < 5:
		return requestLost
	case n < 15:
		return answerLost
	}
	return ""
}

func (c *composer) refund(payment int) Op {
	if len(c.refunds[payment]) == refundsEach {
		return c.refundAgain(payment)
	}
	amount := c.script.Payments[payment-1].Amount
	if c.chance(65) {
		amount = 1 + c.Int64N(amount)
	}
	c.refunds[payment] = append(c.refunds[payment], amount)
	return Op{Kind: Refund, Payment: payment, Refund: len(c.refunds[payment]), Amount: amount, Replica: c.replica(), Network: c.network()}
}

func (c *composer) refundAgain(payment int) Op {
	if len(c.refunds[payment]) == 0 {
		return c.sync(payment)
	}
	i := c.IntN(len(c.refunds[payment]))
	return Op{Kind: pick(c, RefundAgain, RefundAgain, RefundOther), Payment: payment, Refund: i + 1, Amount: c.refunds[payment][i], Replica: c.replica(), Network: c.network()}
}

func (c *composer) pay(payment int) Op {
	g := c.guesses[payment]
	g.paid = g.paid || g.open(c.now)
	c.guesses[payment] = g
	return Op{Kind: Pay, Payment: payment}
}

func (c *composer) close(payment int) Op {
	g := c.guesses[payment]
	g.ends = min(g.ends, c.now)
	c.guesses[payment] = g
	return Op{Kind: Close, Payment: payment, Replica: c.replica(), Network: c.network()}
}

func (c *composer) wait() Op {
	span := pick(c, 10*time.Second, time.Minute, 5*time.Minute, 40*time.Minute)
	if c.chance(6) {
		span = pick(c, 3*time.Hour, 30*time.Hour)
	}
	d := (1 + time.Duration(c.Int64N(int64(span/time.Second)))) * time.Second
	c.now += d
	return Op{Kind: Wait, Duration: d}
}

// race is what must not meet, meeting.
func (c *composer) race() []Op {
	p := c.payment()
	switch c.IntN(12) {
	case 0:
		return []Op{c.pay(p), c.close(p)}
	case 1:
		return []Op{c.refund(p), c.refund(p), c.refund(p)}
	case 2:
		return []Op{c.repeat(p), c.repeat(p), c.repeat(p)}
	case 3:
		return []Op{c.pay(p), c.change(p), c.repeat(p)}
	case 4:
		return []Op{{Kind: PayTwice, Payment: p}, {Kind: Sync, Payment: p, Replica: c.replica()}}
	case 5:
		return []Op{c.close(p), c.repeat(p), {Kind: Sync, Payment: p, Replica: c.replica()}}
	case 6:
		return []Op{c.refund(p), c.refundAgain(p), c.refundAgain(p)}
	case 7:
		return []Op{c.change(p), c.change(p), c.repeat(p)}
	case 8:
		return []Op{c.change(p), c.payOlder(p), c.close(p)}
	case 9:
		return []Op{c.change(p), {Kind: PayTwice, Payment: p}}
	case 10: // one wish, twice
		first := c.change(p)
		again := first
		again.Replica, again.Network = c.replica(), c.network()
		return []Op{first, again}
	}
	return []Op{{Kind: PayLate, Payment: p}, c.wait(), c.close(p)}
}

func (c *composer) change(payment int) Op {
	return Op{Kind: Switch, Payment: payment, Product: c.product(), Replica: c.replica(), Network: c.network()}
}

func (c *composer) payOlder(payment int) Op {
	op := c.pay(payment)
	op.Kind = PayOlder
	return op
}

// any is an operation that probably can do something, or trouble.
func (c *composer) any() Op {
	p := c.payment()
	if c.chance(40) {
		return c.trouble(p)
	}
	switch g := c.guesses[p]; {
	case c.chance(15):
		return c.atRandom(p)
	case g.paid:
		return c.oneOf(p, weighted{2, c.refund}, weighted{1, c.refundAgain}, weighted{1, c.repeat}, weighted{1, c.sync})
	case g.open(c.now):
		return c.oneOf(p, weighted{5, c.pay}, weighted{1, c.payOlder}, weighted{3, c.change}, weighted{1, c.close}, weighted{1, c.repeat}, weighted{1, c.sync})
	}
	return c.oneOf(p, weighted{2, c.payLate}, weighted{1, c.repeat}, weighted{1, c.close}, weighted{1, c.sync})
}

// weighted is an operation on a payment, and how likely it is beside others.
type weighted struct {
	weight int
	write  func(payment int) Op
}

func (c *composer) oneOf(payment int, choices ...weighted) Op {
	var all []func(int) Op
	for _, w := range choices {
		all = append(all, slices.Repeat([]func(int) Op{w.write}, w.weight)...)
	}
	return pick(c, all...)(payment)
}

// atRandom is an operation that probably is out of place.
func (c *composer) atRandom(p int) Op {
	return pick(c, c.pay, c.payOlder, c.payLate, c.payerGivesUp, c.refund, c.refundAgain, c.conflict, c.change, c.close)(p)
}

func (c *composer) payLate(payment int) Op { return Op{Kind: PayLate, Payment: payment} }

func (c *composer) payerGivesUp(payment int) Op { return Op{Kind: PayerGivesUp, Payment: payment} }

func (c *composer) conflict(payment int) Op {
	return Op{Kind: Conflict, Payment: payment, Replica: c.replica()}
}

func (c *composer) sync(payment int) Op {
	return Op{Kind: Sync, Payment: payment, Replica: c.replica(), Network: c.network()}
}

// trouble is what a merchant cannot help.
func (c *composer) trouble(p int) Op {
	switch n := c.IntN(100); {
	case n < 34:
		return c.callFault()
	case n < 56:
		return c.noticeFault()
	case n < 62:
		return Op{Kind: Resend, Payment: p}
	case n < 68:
		return Op{Kind: Forge, Payment: p, Effect: pick(c, forgeUnsigned, forgeOtherKey, forgeOwnSerial)}
	case n < 73:
		return Op{Kind: HostFault, Call: pick(c, "primary", "primary", "backup"), Effect: pick(c, "error", "error", "up")}
	case n < 78:
		return Op{Kind: RefundsEnd, Effect: pick(c, "SUCCESS", "SUCCESS", "ABNORMAL", "CLOSED", "NOT_ENOUGH")}
	case n < 84:
		return Op{Kind: Inbox, Effect: pick(c, inboxFails, inboxForgets), Times: 1 + c.IntN(6)}
	case n < 88:
		return Op{Kind: TwiceOver, Times: 1 + c.IntN(4)}
	case n < 93:
		return Op{Kind: Skew, Replica: c.replica(), Duration: time.Duration(c.Int64N(2*int64(skewMax/time.Second)+1))*time.Second - skewMax}
	case n < 97:
		return Op{Kind: Stop, Replica: c.replica()}
	}
	return Op{Kind: Start, Replica: c.replica()}
}

func (c *composer) callFault() Op {
	if c.chance(12) { // nobody gets through for a while
		return Op{Kind: CallFault, Call: "*", Effect: "refuse", Times: 1 + c.IntN(30)}
	}
	op := Op{
		Kind: CallFault, Call: pick(c, "prepay", "prepay", "query", "close", "refund", "refund", "refund_query"), Times: pick(c, 1, 1, 3, 6),
		Effect: pick(c, "refuse", "lose_request", "lose_answer", "lose_answer", "status", "status", "rate_limit", "bad_signature", "probe", "stale_timestamp", "unknown_serial", "truncate", "html"),
	}
	switch op.Effect {
	case "status":
		op.Status, op.Executed = pick(c, 500, 502, 503), c.chance(50)
	case "html":
		op.Status, op.Executed = pick(c, 200, 502), c.chance(50)
	}
	return op
}

func (c *composer) noticeFault() Op {
	op := Op{
		Kind: NoticeFault, Call: pick(c, "notify/payment", "notify/payment", "notify/refund"), Times: pick(c, 1, 1, 2),
		Effect: pick(c, "lose_request", "lose_answer", "withhold", "withhold", "duplicate", "duplicate", "reorder", "delay", "bad_signature", "probe",
			"stale_timestamp", "unknown_serial", "corrupt", "wrong_amount", "wrong_mchid", "other_key"),
	}
	if op.Effect == "delay" {
		op.Duration = (1 + time.Duration(c.IntN(3600))) * time.Second
	}
	return op
}
