package shop

import (
	"time"

	"github.com/tongbao-pay/tongbao/client"
)

// state is how an order stands, as its page says it.
type state struct {
	Name             string // for styles and tests
	Tone             string // class: wait, good, quiet, bad
	Chinese, English string
}

// The states of an order.
var (
	statePlacing  = state{"placing", "wait", "正在下单", "Placing the order with the provider"}
	stateUnknown  = state{"unknown", "wait", "结果还不知道", "The outcome is not known yet"}
	statePending  = state{"pending", "wait", "等待付款", "Waiting for payment"}
	stateExpired  = state{"expired", "quiet", "已过期，正在关闭", "Expired. It is being closed at the provider"}
	statePaid     = state{"paid", "good", "已付款", "Paid"}
	stateReturned = state{"part_refunded", "good", "已付款，部分退款", "Paid, partly refunded"}
	stateRefunded = state{"refunded", "quiet", "已全额退款", "Refunded in full"}
	stateClosed   = state{"closed", "quiet", "已关闭", "Closed, at the provider too. It can no longer be paid"}
	stateOverdue  = state{"overdue", "quiet", "过期未付，已关闭", "Nobody paid in time. Closed, at the provider too"}
	stateLate     = state{"late", "quiet", "关闭后到账，款项原路退回", "The money came after the close and goes back"}
	stateFailed   = state{"failed", "bad", "下单被拒", "The order was refused"}
)

func (o *order) state(now time.Time) state {
	p := &o.Payment
	switch p.Status {
	case client.PaymentSucceeded:
		if o.Refunded() > 0 {
			return stateReturned
		}
		return statePaid
	case client.PaymentRefunded:
		return stateRefunded
	case client.PaymentFailed:
		if p.LatePaid {
			return stateLate
		}
		return stateFailed
	case client.PaymentClosed:
		if p.LatePaid {
			return stateLate
		}
		if p.ClosedAt != nil && !p.ClosedAt.Before(p.ExpiresAt) {
			return stateOverdue
		}
		return stateClosed
	}
	if expiry := o.expiresAt(); !expiry.IsZero() && !now.Before(expiry) {
		return stateExpired
	}
	if p.Status == client.PaymentPending && p.Credential != nil {
		return statePending
	}
	switch {
	case o.Problem == nil:
		return statePlacing
	case o.Problem.Final:
		return stateFailed
	default:
		return stateUnknown
	}
}

// expiresAt is when the order can no longer be paid; zero: the gateway has not said.
func (o *order) expiresAt() time.Time { return o.Payment.ExpiresAt }
