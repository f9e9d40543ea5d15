package payment

import (
	"encoding/json"
	"strings"
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
	ReviewDoublePaid   ReviewKind = "double_paid"        // paid more than once
	ReviewLatePaid     ReviewKind = "late_paid"          // late money that waits for a decision
	ReviewAbnormal     ReviewKind = "refund_abnormal"    // the payer's account cannot take the refund
	ReviewStuck        ReviewKind = "outcome_unknown"    // asked for long, still no trustworthy answer
	ReviewRefundStuck  ReviewKind = "refund_stuck"       // the provider keeps refusing for now: a balance to top up, a limit to lift
)

// ReviewKinds lists every kind.
var ReviewKinds = []ReviewKind{
	ReviewMismatch, ReviewUnknownOrder, ReviewUnknownEvent, ReviewUnrecognised, ReviewDoublePaid, ReviewLatePaid, ReviewAbnormal, ReviewStuck, ReviewRefundStuck,
}

// ReviewAction is what a person can decide.
type ReviewAction string

// The actions. Each is one database transaction with the end of the review.
const (
	ActionAccept      ReviewAction = "accept"      // keep the late money: the payment succeeds after all
	ActionRefund      ReviewAction = "refund"      // give the late or second money back
	ActionAsk         ReviewAction = "ask"         // ask the provider again now; without an answer the review opens again
	ActionAcknowledge ReviewAction = "acknowledge" // seen to outside of the gateway: nothing changes here
)

// Actions are what a kind offers, the one that changes most first.
func (k ReviewKind) Actions() []ReviewAction {
	switch k {
	case ReviewLatePaid:
		return []ReviewAction{ActionAccept, ActionRefund, ActionAcknowledge}
	case ReviewDoublePaid:
		return []ReviewAction{ActionRefund, ActionAcknowledge}
	case ReviewStuck, ReviewRefundStuck, ReviewAbnormal:
		return []ReviewAction{ActionAsk, ActionAcknowledge}
	case ReviewMismatch, ReviewUnknownOrder, ReviewUnknownEvent, ReviewUnrecognised:
	}
	return []ReviewAction{ActionAcknowledge}
}

// ReviewState tells what waits from what is done.
type ReviewState string

// The states of a review.
const (
	ReviewOpen     ReviewState = "open"
	ReviewResolved ReviewState = "resolved"
)

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
	Resolution ReviewAction
	Note       string // why, in the words of who resolved it
	ResolvedBy string // the API key's id, or [ByOperator]
}

// ByOperator is who resolves a review on the gateway's own command line.
const ByOperator = "operator"

// State tells whether the review still waits.
func (v *Review) State() ReviewState {
	if v.ResolvedAt.IsZero() {
		return ReviewOpen
	}
	return ReviewResolved
}

// RedactedEvidence is what the review is decided on, without what identifies the payer.
func (v *Review) RedactedEvidence() json.RawMessage {
	var tree any
	if err := json.Unmarshal(v.Evidence, &tree); err != nil {
		return nil // none was kept
	}
	redact(tree)
	return object(tree)
}

const redacted = "[redacted]"

func redact(tree any) {
	switch t := tree.(type) {
	case map[string]any:
		for name, value := range t {
			if strings.HasSuffix(name, "openid") {
				t[name] = redacted
				continue
			}
			redact(value)
		}
	case []any:
		for _, value := range t {
			redact(value)
		}
	}
}
