package payment

import (
	"encoding/json"
	"time"
)

// ReviewKind says why software must not decide alone.
type ReviewKind string

// The kinds of reviews.
const (
	ReviewMismatch     ReviewKind = "report_mismatch"    // a verified report disagrees with our row
	ReviewUnknownOrder ReviewKind = "unknown_order"      // a verified report about a number we never issued
	ReviewUnknownEvent ReviewKind = "unknown_event"      // a verified notification of a kind this version does not know
	ReviewUnrecognised ReviewKind = "unrecognised_state" // a state this version does not know
	ReviewDoublePaid   ReviewKind = "double_paid"        // a second provider transaction for one payment
	ReviewLatePaid     ReviewKind = "late_paid"          // late money under the app's review policy
	ReviewAbnormal     ReviewKind = "refund_abnormal"    // the payer's account cannot take the refund
	ReviewStuck        ReviewKind = "outcome_unknown"    // asked for long, still no trustworthy answer
	ReviewRefundStuck  ReviewKind = "refund_stuck"       // the provider keeps refusing for now: a balance to top up, a limit to lift
)

// ReviewKinds lists every kind.
var ReviewKinds = []ReviewKind{
	ReviewMismatch, ReviewUnknownOrder, ReviewUnknownEvent, ReviewUnrecognised, ReviewDoublePaid, ReviewLatePaid, ReviewAbnormal, ReviewStuck, ReviewRefundStuck,
}

// Review waits for a person. One is open per app, kind and subject.
type Review struct {
	ID         string
	AppID      string // empty when the subject belongs to no app we know
	AccountID  string
	Kind       ReviewKind
	SubjectID  string // the payment, refund or notification it is about
	Summary    string // what happened and what to do next
	Evidence   json.RawMessage
	OpenedAt   time.Time
	ResolvedAt time.Time
	Resolution string
}
