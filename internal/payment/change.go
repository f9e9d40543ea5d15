package payment

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/tongbao-pay/tongbao/internal/ledger"
)

// Change is everything one transition means, committed in one database transaction or not at all.
type Change struct {
	Payment  *Payment // with Version already the new one; nil when no payment moves
	Attempts []*Attempt
	Refunds  []*Refund
	Events   []Event
	Postings []ledger.Posting
	Jobs     []Job
	Notice   *Notice
	Reviews  []*Review // opened
	Resolved *Review
	// Placed says that the payment waits for its payer from here on: the one status that no event announces.
	Placed bool
}

// Store keeps payments. It is safe for concurrent use.
type Store interface {
	Blocks
	// Commit writes the change durably. It returns [ErrConflict] when the payment's version is not the one before
	// Change.Payment.Version, or its number is taken; [ErrDuplicate] when the notice was committed before. Then nothing
	// was written. A review that is already open for its subject is not opened again, nor is its event written; for one
	// that somebody else resolved before, it returns [ErrResolved].
	Commit(context.Context, *Change) error
	// Noticed reports whether a notification was committed before. Only [Store.Commit] decides; this spares it the work.
	Noticed(ctx context.Context, accountID, notificationID string) (bool, error)
	// The loaders return a payment whole, or a review, or [ErrNotFound].
	PaymentByID(ctx context.Context, appID, id string) (*Payment, error)
	PaymentByOutTradeNo(ctx context.Context, appID, outTradeNo string) (*Payment, error)
	PaymentByAttemptID(ctx context.Context, appID, attemptID string) (*Payment, error)
	PaymentByTradeNo(ctx context.Context, accountID, tradeNo string) (*Payment, error)
	PaymentByRefundNo(ctx context.Context, accountID, refundNo string) (*Payment, error)
	PaymentByRefundID(ctx context.Context, appID, refundID string) (*Payment, error)
	PaymentByOutRefundNo(ctx context.Context, appID, outRefundNo string) (*Payment, error)
	ReviewByID(ctx context.Context, appID, id string) (*Review, error)
	// TransactionOwner is the trade number that already holds the provider's transaction number, or "".
	TransactionOwner(ctx context.Context, accountID, transactionID string) (tradeNo string, err error)
}

// What a [Store] answers beside plain failure.
var (
	ErrConflict  = errors.New("payment: changed by somebody else")
	ErrDuplicate = errors.New("payment: notification already processed")
	ErrResolved  = errors.New("payment: review already resolved")
	ErrNotFound  = errors.New("payment: not found")
)

// JobKind names durable work.
type JobKind string

// The kinds of work this domain asks for.
const (
	FollowPayment JobKind = "follow_payment" // ask, settle, close at expiry
	FollowAttempt JobKind = "follow_attempt" // close the order that a payer left, or that another one's money made needless
	FollowRefund  JobKind = "follow_refund"  // send again or ask, until final
	AskAgain      JobKind = "ask_again"      // follow once more, because it is worth it now
	// DeliverWebhook is added by the store for each event that an endpoint wants.
	DeliverWebhook JobKind = "deliver_webhook"
)

// Job is durable work for later, committed with the change that makes it necessary. It may run twice.
type Job struct {
	Kind       JobKind
	AppID      string
	ResourceID string
	At         time.Time
}

// Event is an immutable fact about a resource. Sequence counts per resource from 1.
type Event struct {
	ID           string
	AppID        string
	Type         string
	ResourceType string
	ResourceID   string
	Sequence     int64
	CreatedAt    time.Time
	Object       json.RawMessage // the resource as the API shows it at that moment
}

// The types of events.
const (
	EventPaymentCreated   = "payment.created"
	EventPaymentSucceeded = "payment.succeeded"
	EventPaymentRefunded  = "payment.refunded"
	EventPaymentClosed    = "payment.closed"
	EventPaymentFailed    = "payment.failed"
	EventPaymentLatePaid  = "payment.late_paid"
	EventRefundCreated    = "refund.created"
	EventRefundSucceeded  = "refund.succeeded"
	EventRefundAbnormal   = "refund.abnormal"
	EventRefundFailed     = "refund.failed"
	EventRefundClosed     = "refund.closed"
	EventReviewOpened     = "review.opened"
	EventReviewResolved   = "review.resolved"
)

// EventTypes lists every type an app may subscribe to.
var EventTypes = []string{
	EventPaymentCreated, EventPaymentSucceeded, EventPaymentRefunded, EventPaymentClosed, EventPaymentFailed, EventPaymentLatePaid,
	EventRefundCreated, EventRefundSucceeded, EventRefundAbnormal, EventRefundFailed, EventRefundClosed,
	EventReviewOpened, EventReviewResolved,
}

// Verdict is what became of a notification.
type Verdict string

// The verdicts.
const (
	Applied    Verdict = "applied"    // it moved something
	NoEffect   Verdict = "no_effect"  // true, but known before
	Held       Verdict = "held"       // true by signature, but it does not fit our books: a review waits
	Duplicated Verdict = "duplicated" // the same notification again; never stored twice
)

// Notice is the inbox row of a verified notification. NotificationID is unique per account.
type Notice struct {
	AccountID      string
	NotificationID string
	EventType      string
	AppID          string // empty when no payment of ours was named
	ResourceID     string
	Verdict        Verdict
	Reason         string // why held
	Body           json.RawMessage
	ReceivedAt     time.Time
}
