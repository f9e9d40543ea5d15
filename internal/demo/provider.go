package demo

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/control"
)

// provider is the sandbox as its control API shows it.
type provider struct{ control.Client }

type providerOrder struct {
	OutTradeNo    string `json:"out_trade_no"`
	TransactionID string `json:"transaction_id"`
	TradeState    string `json:"trade_state"`
}

type providerBooks struct {
	Paid       int64 `json:"paid"`
	Refunded   int64 `json:"refunded"`
	Consistent bool  `json:"consistent"`
}

// sentNotification is a journal entry of a notification.
type sentNotification struct {
	Operation string `json:"operation"`
	Status    int    `json:"status"`
}

func (p provider) pay(ctx context.Context, how map[string]any) (o providerOrder, err error) {
	err = p.Call(ctx, http.MethodPost, "/wechatpay/pay", how, &o)
	return o, err
}

func (p provider) order(ctx context.Context, tradeNo string) (o providerOrder, err error) {
	err = p.Call(ctx, http.MethodGet, "/wechatpay/orders/"+url.PathEscape(tradeNo), nil, &o)
	return o, err
}

func (p provider) refund(ctx context.Context, refundNo string) error {
	return p.Call(ctx, http.MethodGet, "/wechatpay/refunds/"+url.PathEscape(refundNo), nil, nil)
}

func (p provider) books(ctx context.Context) (b providerBooks, err error) {
	err = p.Call(ctx, http.MethodGet, "/wechatpay/books", nil, &b)
	return b, err
}

func (p provider) advance(ctx context.Context, d time.Duration) error {
	return p.Call(ctx, http.MethodPost, "/clock/advance", map[string]string{"duration": d.String()}, nil)
}

// notified waits until the provider has sent at least n notifications about an order that were received.
func (p provider) notified(ctx context.Context, tradeNo string, n int) (last sentNotification, err error) {
	err = until(ctx, func() error {
		var page struct {
			Entries []struct {
				Kind string `json:"kind"`
				sentNotification
			} `json:"entries"`
		}
		if err := p.Call(ctx, http.MethodGet, "/journal?out_trade_no="+url.QueryEscape(tradeNo), nil, &page); err != nil {
			return err
		}
		received := 0
		for _, e := range page.Entries {
			if e.Kind == "notification" && (e.Status == http.StatusOK || e.Status == http.StatusNoContent) {
				received, last = received+1, e.sentNotification
			}
		}
		if received < n {
			return fmt.Errorf("the provider's journal shows %d received notifications for %s, not %d", received, tradeNo, n)
		}
		return nil
	})
	return last, err
}

// until asks again and again until ask has no error, for at most stepTimeout.
func until(ctx context.Context, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		pause := time.NewTimer(20 * time.Millisecond)
		select {
		case <-ctx.Done():
			pause.Stop()
			return err
		case <-pause.C:
		}
	}
}
