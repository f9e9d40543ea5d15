package payment

import "time"

// Page asks for a part of a list, newest first. Cursor is empty for the first page.
type Page struct {
	Cursor string
	Limit  int // 1 to 100
}

// PaymentFilter narrows a list of an app's payments; empty fields do not.
type PaymentFilter struct {
	AppID       string
	OutTradeNo  string
	Status      Status
	Channel     Channel
	CreatedFrom time.Time // inclusive
	CreatedTo   time.Time // exclusive
}

// RefundFilter narrows a list of an app's refunds; empty fields do not.
type RefundFilter struct {
	AppID       string
	PaymentID   string
	OutRefundNo string
	Status      RefundStatus
}

// EventFilter narrows an app's stream of events, oldest first; empty fields do not.
type EventFilter struct {
	AppID      string
	ResourceID string
	Types      []string
	After      string // an event id; events committed later follow
}

// ReviewFilter narrows a list of reviews; empty fields do not, but for AppID: reviews of what belongs to no app have an
// empty one.
type ReviewFilter struct {
	AppID     string
	AnyApp    bool // for operators: AppID does not count
	ID        string
	State     ReviewState
	Kind      ReviewKind
	SubjectID string
}

// UnknownCursor is what a list answers to a cursor or event id, given in field, that it did not give out.
func UnknownCursor(field string) *Error {
	return invalid(field, "is unknown; take it unchanged from an earlier answer, or leave it out to start anew")
}
