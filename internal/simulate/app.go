package simulate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/tongbao-pay/tongbao/client"
)

// app is an application of the merchant's, with what it knows: what it asked for, and what it was told.
type app struct {
	id     string
	client *client.Client
	inbox  *inbox
}

// deal is one payment as its app knows it.
type deal struct {
	app     *app
	number  int // in the script
	request client.CreatePayment

	mu      sync.Mutex
	over    bool            // the gateway refused it for good
	last    *client.Payment // as last told; nil: never answered
	trades  []string        // trade numbers that were told, the newest last: what payers may hold
	refunds map[int]*backing
}

// backing is a refund as its app knows it.
type backing struct {
	request client.CreateRefund
	over    bool           // the gateway refused it for good
	last    *client.Refund // as last told; nil: never answered
}

func (a *app) open(number int, i Intent) *deal {
	request := client.CreatePayment{
		OutTradeNo: fmt.Sprintf("deal-%d", number), Amount: i.Amount, Description: "通宝茶 Tongbao tea", Channel: "wechat", Product: i.Product,
		ExpiresIn: int64(i.ExpiresIn / time.Second), Metadata: map[string]string{"deal": fmt.Sprint(number)},
	}
	dress(&request, i.Product)
	return &deal{app: a, number: number, request: request, refunds: map[int]*backing{}}
}

// dress gives a request what its product needs.
func dress(r *client.CreatePayment, product string) {
	r.Product, r.Payer, r.ClientIP = product, nil, ""
	switch product {
	case "jsapi", "miniprogram":
		r.Payer = &client.Payer{OpenID: "oSimulatedPayer0123456789abc"}
	case "h5":
		r.ClientIP = "203.0.113.7"
	}
}

// create sends the request, which may be another than the first, and remembers the answer.
func (d *deal) create(ctx context.Context, request client.CreatePayment) (told string, err error) {
	p, err := d.app.client.CreatePayment(ctx, request)
	if err != nil {
		if e, ok := errors.AsType[*client.Error](err); ok && e.Code == client.CodeChannelRefused {
			d.mu.Lock()
			d.over = true
			d.mu.Unlock()
		}
		return toldError(err)
	}
	return d.learn(p)
}

// learn remembers an answer about the payment. What was told before must still hold.
func (d *deal) learn(p *client.Payment) (told string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.last != nil && d.last.ID != p.ID {
		return "", broken("acknowledged", "%s was acknowledged as payment %s and is now %s", d.request.OutTradeNo, d.last.ID, p.ID)
	}
	if p.Amount != d.request.Amount {
		return "", broken("acknowledged", "payment %s has %d fen where %d were asked for", p.ID, p.Amount, d.request.Amount)
	}
	d.last = p
	if !slices.Contains(d.trades, p.TradeNo) {
		d.trades = append(d.trades, p.TradeNo)
	}
	return fmt.Sprintf("%s %s", p.ID, p.Status), nil
}

// known is the payment as last told, or nil.
func (d *deal) known() *client.Payment {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}

// held are the trade numbers that payers may hold, the newest last.
func (d *deal) held() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.trades)
}

// refund asks for a refund of the script, or asks again. The payment is known.
func (d *deal) refund(ctx context.Context, number int, amount int64) (told string, err error) {
	d.mu.Lock()
	b := d.refunds[number]
	if b == nil {
		b = &backing{request: client.CreateRefund{PaymentID: d.last.ID, OutRefundNo: fmt.Sprintf("%s-r%d", d.request.OutTradeNo, number), Amount: amount, Reason: "too much tea"}}
		d.refunds[number] = b
	}
	request := b.request
	d.mu.Unlock()
	r, err := d.app.client.CreateRefund(ctx, request)
	if err != nil {
		if e, ok := errors.AsType[*client.Error](err); ok && e.Status < http.StatusInternalServerError && !e.Retryable() {
			d.mu.Lock()
			b.over = true
			d.mu.Unlock()
		}
		return toldError(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if b.last != nil && b.last.ID != r.ID {
		return "", broken("acknowledged", "%s was acknowledged as refund %s and is now %s", request.OutRefundNo, b.last.ID, r.ID)
	}
	b.last = r
	return fmt.Sprintf("%s %s %d fen", r.ID, r.Status, r.Amount), nil
}

// toldError is what an app makes of an error: a refusal is an answer, silence is silence. What no gateway in good health
// says breaks a promise.
func toldError(err error) (told string, _ error) {
	if e, ok := errors.AsType[*client.Error](err); ok {
		told = fmt.Sprintf("%d %s", e.Status, e.Code)
		if e.ChannelError != nil && e.ChannelError.Code != "" {
			told += " (" + e.ChannelError.Code + ")"
		}
		if e.Status >= http.StatusInternalServerError && e.Code == "internal" {
			return "", broken("healthy", "the gateway failed by itself: %v", err)
		}
		return told, nil
	}
	if lost(err) {
		return "no answer", nil
	}
	return "", broken("healthy", "an answer that the client cannot read: %v", err)
}
