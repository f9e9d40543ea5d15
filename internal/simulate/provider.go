package simulate

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/control"
	"github.com/tongbao-pay/tongbao/sandbox/journal"
)

// provider is the sandbox as its control API shows it: the provider's own truth.
type provider struct{ control.Client }

// order is the provider's row.
type order struct {
	OutTradeNo    string `json:"out_trade_no"`
	TransactionID string `json:"transaction_id"`
	State         string `json:"trade_state"`
	Amount        struct {
		Total int64 `json:"total"`
	} `json:"amount"`
	ExpiresAt     time.Time `json:"time_expire"`
	ClosedAt      time.Time `json:"closed_at"`
	Refunds       []refund  `json:"refunds"`
	Notifications []struct {
		ID    string `json:"id"`
		State string `json:"state"`
	} `json:"notifications"`
}

// paid reports whether the provider has the payer's money, or had.
func (o order) paid() bool { return o.TransactionID != "" }

// refund is the provider's row.
type refund struct {
	OutRefundNo string `json:"out_refund_no"`
	RefundID    string `json:"refund_id"`
	Status      string `json:"status"`
	Amount      struct {
		Refund int64 `json:"refund"`
	} `json:"amount"`
}

// books are the provider's totals.
type books struct {
	Paid       int64    `json:"paid"`
	Refunded   int64    `json:"refunded"`
	Orders     int      `json:"orders"`
	Refunds    int      `json:"refunds"`
	Consistent bool     `json:"consistent"`
	Problems   []string `json:"problems"`
}

func (p provider) pay(ctx context.Context, tradeNo, result string, late bool) (o order, err error) {
	err = p.Call(ctx, http.MethodPost, "/wechatpay/pay", map[string]any{"out_trade_no": tradeNo, "result": result, "late": late}, &o)
	return o, err
}

func (p provider) order(ctx context.Context, tradeNo string) (o order, err error) {
	err = p.Call(ctx, http.MethodGet, "/wechatpay/orders/"+url.PathEscape(tradeNo), nil, &o)
	return o, err
}

func (p provider) books(ctx context.Context) (b books, err error) {
	err = p.Call(ctx, http.MethodGet, "/wechatpay/books", nil, &b)
	return b, err
}

func (p provider) resend(ctx context.Context, notificationID string) error {
	return p.Call(ctx, http.MethodPost, "/notifications/"+url.PathEscape(notificationID)+"/resend", nil, nil)
}

func (p provider) set(ctx context.Context, settings map[string]any) error {
	return p.Call(ctx, http.MethodPost, "/wechatpay/settings", settings, nil)
}

func (p provider) fault(ctx context.Context, op Op) error {
	rule := map[string]any{"provider": "wechatpay", "operation": op.Call, "effect": op.Effect, "times": op.Times}
	if op.Status > 0 {
		rule["status"], rule["executed"] = op.Status, op.Executed
	}
	if op.Duration > 0 {
		rule["delay"] = op.Duration.String()
	}
	if op.Effect == "duplicate" {
		rule["copies"] = 3
	}
	return p.Call(ctx, http.MethodPost, "/faults", rule, nil)
}

func (p provider) clearFaults(ctx context.Context) error {
	return p.Call(ctx, http.MethodDelete, "/faults", nil, nil)
}

func (p provider) journal(ctx context.Context, filter url.Values) ([]journal.Entry, error) {
	var page struct {
		Entries []journal.Entry `json:"entries"`
	}
	err := p.Call(ctx, http.MethodGet, "/journal?"+filter.Encode(), nil, &page)
	return page.Entries, err
}
