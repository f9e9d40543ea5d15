package payment

//go:generate go test -run ^TestThePageOfStatesIsFresh$ -update .

// Status is the state of a payment as apps see it.
type Status string

// The states of a payment.
const (
	Processing Status = "processing" // the outcome of the newest order at the provider is not known yet
	Pending    Status = "pending"    // placed at the provider, waiting for the payer
	Succeeded  Status = "succeeded"  // the payer's money is there
	Refunded   Status = "refunded"   // all of it has gone back
	Closed     Status = "closed"     // closed at the provider: it can no longer be paid
	Failed     Status = "failed"     // the provider refused the order for good
)

// Trigger is what moves a payment.
type Trigger string

// The triggers of a payment.
const (
	OnPlaced       Trigger = "placed"        // the provider holds an unpaid order
	OnSwitched     Trigger = "switched"      // the payer chose another way to pay, and an order for it is being placed
	OnRefused      Trigger = "refused"       // the provider refused to hold one
	OnPaid         Trigger = "paid"          // the provider reports the money
	OnClosed       Trigger = "closed"        // the provider reports the order closed
	OnLateAccepted Trigger = "late_accepted" // money after the end, kept by the app's policy
	OnRefundedFull Trigger = "refunded_full" // nothing of the money is left
)

// Payments is the table of a payment's life.
var Payments = Machine[Status, Trigger]{
	name: "payment", first: Processing,
	rows: []Transition[Status, Trigger]{
		{From: []Status{Processing}, On: OnPlaced, To: Pending},
		{From: []Status{Pending}, On: OnSwitched, To: Processing},
		{From: []Status{Processing}, On: OnRefused, To: Failed},
		{From: []Status{Processing, Pending}, On: OnPaid, To: Succeeded},
		{From: []Status{Processing, Pending}, On: OnClosed, To: Closed},
		{From: []Status{Closed, Failed}, On: OnLateAccepted, To: Succeeded},
		{From: []Status{Succeeded}, On: OnRefundedFull, To: Refunded},
	},
}

// AttemptStatus is the state of one order at a provider, as far as we know it.
type AttemptStatus string

// The states of an attempt.
const (
	AttemptPlacing AttemptStatus = "placing" // intent committed; no trustworthy answer yet
	AttemptOpen    AttemptStatus = "open"    // the provider holds it, unpaid
	AttemptPaid    AttemptStatus = "paid"
	AttemptClosed  AttemptStatus = "closed"
	AttemptRefused AttemptStatus = "refused"
)

// Attempts is the table of an attempt's life. An attempt can be paid from every state that is not paid: the
// provider's word about money outranks what we believed.
var Attempts = Machine[AttemptStatus, Trigger]{
	name: "attempt", first: AttemptPlacing,
	rows: []Transition[AttemptStatus, Trigger]{
		{From: []AttemptStatus{AttemptPlacing}, On: OnPlaced, To: AttemptOpen},
		{From: []AttemptStatus{AttemptPlacing}, On: OnRefused, To: AttemptRefused},
		{From: []AttemptStatus{AttemptPlacing, AttemptOpen, AttemptClosed, AttemptRefused}, On: OnPaid, To: AttemptPaid},
		{From: []AttemptStatus{AttemptPlacing, AttemptOpen}, On: OnClosed, To: AttemptClosed},
	},
}

// RefundStatus is the state of a refund as apps see it.
type RefundStatus string

// The states of a refund.
const (
	RefundPending    RefundStatus = "pending"    // reserved here; the provider has not confirmed it
	RefundProcessing RefundStatus = "processing" // the provider accepted it
	RefundSucceeded  RefundStatus = "succeeded"  // the money went back
	RefundAbnormal   RefundStatus = "abnormal"   // the payer's account cannot take it: a person must act
	RefundClosed     RefundStatus = "closed"     // the provider ended it without moving money
	RefundFailed     RefundStatus = "failed"     // the provider refused it for good
)

// RefundTrigger is what moves a refund.
type RefundTrigger string

// The triggers of a refund.
const (
	OnRefundAccepted  RefundTrigger = "accepted"
	OnRefundSucceeded RefundTrigger = "succeeded"
	OnRefundAbnormal  RefundTrigger = "abnormal"
	OnRefundClosed    RefundTrigger = "closed"
	OnRefundRefused   RefundTrigger = "refused"
	OnRefundRepeated  RefundTrigger = "repeated" // a person has it sent again, under its own number
)

// Refunds is the table of a refund's life. The provider's word that money moves outranks our belief that it does not:
// a refund that failed or was closed here can come back.
var Refunds = Machine[RefundStatus, RefundTrigger]{
	name: "refund", first: RefundPending,
	rows: []Transition[RefundStatus, RefundTrigger]{
		{From: []RefundStatus{RefundPending, RefundAbnormal, RefundFailed}, On: OnRefundAccepted, To: RefundProcessing},
		{From: []RefundStatus{RefundPending, RefundProcessing, RefundAbnormal, RefundFailed, RefundClosed}, On: OnRefundSucceeded, To: RefundSucceeded},
		{From: []RefundStatus{RefundPending, RefundProcessing, RefundFailed}, On: OnRefundAbnormal, To: RefundAbnormal},
		{From: []RefundStatus{RefundPending, RefundProcessing, RefundAbnormal}, On: OnRefundClosed, To: RefundClosed},
		{From: []RefundStatus{RefundPending}, On: OnRefundRefused, To: RefundFailed},
		{From: []RefundStatus{RefundFailed}, On: OnRefundRepeated, To: RefundPending},
	},
}
