package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// control drives the sandbox as a tester in any language would: over HTTP.
type control struct {
	url  string
	http *http.Client
}

// controlError is the sandbox's refusal.
type controlError struct {
	status int
	text   string
}

func (e *controlError) Error() string {
	return fmt.Sprintf("sandbox answered %d: %s", e.status, e.text)
}

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

func (c control) pay(ctx context.Context, how map[string]any) (o providerOrder, err error) {
	err = c.call(ctx, http.MethodPost, "/wechatpay/pay", how, &o)
	return o, err
}

func (c control) order(ctx context.Context, tradeNo string) (o providerOrder, err error) {
	err = c.call(ctx, http.MethodGet, "/wechatpay/orders/"+url.PathEscape(tradeNo), nil, &o)
	return o, err
}

func (c control) refund(ctx context.Context, refundNo string) error {
	return c.call(ctx, http.MethodGet, "/wechatpay/refunds/"+url.PathEscape(refundNo), nil, nil)
}

func (c control) books(ctx context.Context) (b providerBooks, err error) {
	err = c.call(ctx, http.MethodGet, "/wechatpay/books", nil, &b)
	return b, err
}

func (c control) advance(ctx context.Context, d time.Duration) error {
	return c.call(ctx, http.MethodPost, "/clock/advance", map[string]string{"duration": d.String()}, nil)
}

// notified waits until the provider has sent at least n notifications about an order that were received.
func (c control) notified(ctx context.Context, tradeNo string, n int) (last sentNotification, err error) {
	err = until(ctx, func() error {
		var page struct {
			Entries []struct {
				Kind string `json:"kind"`
				sentNotification
			} `json:"entries"`
		}
		if err := c.call(ctx, http.MethodGet, "/journal?out_trade_no="+url.QueryEscape(tradeNo), nil, &page); err != nil {
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

func (c control) call(ctx context.Context, method, path string, body, into any) error {
	var send io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		send = bytes.NewReader(b)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, send)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }() // everything of it was read
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return err
	}
	if answer.StatusCode >= 400 {
		return &controlError{status: answer.StatusCode, text: string(bytes.TrimSpace(text))}
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
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
