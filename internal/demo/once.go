package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"rsc.io/qr"

	"github.com/tongbao-pay/tongbao/client"
	"github.com/tongbao-pay/tongbao/sandbox/control"
)

// journey is the scripted demo: each step proves what it says and fails the whole if it does not hold.
type journey struct {
	out      io.Writer
	gateway  *client.Client
	provider provider
	inbox    *inbox
	started  time.Time
	step     int
}

// stepTimeout is how long a step waits for what must happen by itself.
const stepTimeout = 15 * time.Second

// Once plays the scripted journey on free ports and prints each step with its proof and its time. It returns an
// error unless every step held.
func Once(ctx context.Context, c Config, out io.Writer) error {
	c.FreePorts = true
	d, err := Open(ctx, c)
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- d.Serve(serving) }()
	err = d.play(ctx, out)
	stop()
	return errors.Join(err, <-served)
}

func (d *Demo) play(ctx context.Context, out io.Writer) error {
	gateway, err := d.Client()
	if err != nil {
		return err
	}
	j := &journey{out: out, gateway: gateway, provider: provider{control.Client{URL: d.ControlURL(), HTTP: &http.Client{Timeout: stepTimeout}}}, started: time.Now()}
	if j.inbox, err = newInbox(ctx); err != nil {
		return err
	}
	defer j.inbox.close()
	fmt.Fprintf(out, "Tongbao, one scripted journey on real protocol traffic\ngateway %s · sandbox %s\n\n", d.GatewayURL(), d.sandbox.URL())
	if err := j.all(ctx); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nEvery step held, in %s.\n", time.Since(j.started).Round(time.Millisecond))
	return nil
}

func (j *journey) all(ctx context.Context) error {
	if err := j.subscribe(ctx); err != nil {
		return err
	}
	paid, err := j.pay(ctx)
	if err != nil {
		return err
	}
	if err := j.refundPart(ctx, paid); err != nil {
		return err
	}
	if err := j.latePayment(ctx); err != nil {
		return err
	}
	return j.compareBooks(ctx)
}

// prove runs one step and prints its proof and time.
func (j *journey) prove(name string, do func() (proof string, err error)) error {
	j.step++
	start := time.Now()
	proof, err := do()
	took := time.Since(start).Round(100 * time.Microsecond)
	if err != nil {
		fmt.Fprintf(j.out, "✗ %2d  %s  (%s)\n      %v\n", j.step, name, took, err)
		return fmt.Errorf("demo: step %d, %s: %w", j.step, name, err)
	}
	fmt.Fprintf(j.out, "✓ %2d  %s  (%s)\n      %s\n", j.step, name, took, strings.ReplaceAll(proof, "\n", "\n      "))
	return nil
}

func (j *journey) subscribe(ctx context.Context) error {
	return j.prove("the app subscribes to its events", func() (string, error) {
		endpoint, err := j.gateway.CreateWebhookEndpoint(ctx, client.CreateWebhookEndpoint{URL: j.inbox.url()})
		if err != nil {
			return "", err
		}
		j.inbox.trust(string(endpoint.Secret))
		return fmt.Sprintf("webhook endpoint %s at %s", endpoint.ID, endpoint.URL), nil
	})
}

func (j *journey) create(ctx context.Context, amount int64, description string) (p *client.Payment, err error) {
	p, err = j.gateway.CreatePayment(ctx, client.CreatePayment{
		OutTradeNo: "demo-" + rand.Text()[:12], Amount: amount, Description: description, Channel: "wechat", Product: "native",
	})
	if err != nil {
		return nil, err
	}
	if p.Status != client.PaymentPending || p.Credential == nil || p.Credential.CodeURL == "" {
		return nil, fmt.Errorf("the payment is %s and has no code to show", p.Status)
	}
	return p, nil
}

func (j *journey) pay(ctx context.Context) (p *client.Payment, err error) {
	err = j.prove("the app creates a payment of 88.00 yuan", func() (string, error) {
		if p, err = j.create(ctx, 8800, "通宝茶 Tongbao tea"); err != nil {
			return "", err
		}
		return fmt.Sprintf("%s, placed at the provider as %s, is %s", p.ID, p.TradeNo, p.Status), nil
	})
	if err != nil {
		return nil, err
	}
	err = j.prove("the app shows the QR code", func() (string, error) {
		code, err := qr.Encode(p.Credential.CodeURL, qr.L)
		if err != nil {
			return "", err
		}
		return p.Credential.CodeURL + "\n" + drawn(code), nil
	})
	if err != nil {
		return nil, err
	}
	err = j.prove("the payer scans it and pays", func() (string, error) {
		order, err := j.provider.pay(ctx, map[string]any{"code_url": p.Credential.CodeURL, "result": "success"})
		if err != nil {
			return "", err
		}
		if order.TradeState != "SUCCESS" {
			return "", fmt.Errorf("the provider's order is %s", order.TradeState)
		}
		return fmt.Sprintf("the provider's order %s is %s, transaction %s", order.OutTradeNo, order.TradeState, order.TransactionID), nil
	})
	if err != nil {
		return nil, err
	}
	err = j.prove("the provider's notification arrives, is verified and applied", func() (string, error) {
		sent, err := j.provider.notified(ctx, p.TradeNo, 1)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("the provider sent %s and was answered %d", sent.Operation, sent.Status), nil
	})
	if err != nil {
		return nil, err
	}
	err = j.prove("the app's webhook arrives and its signature is verified", func() (string, error) {
		e, err := j.inbox.wait(ctx, "payment.succeeded", p.ID)
		if err != nil {
			return "", err
		}
		shown, err := j.gateway.Payment(ctx, p.ID)
		if err != nil {
			return "", err
		}
		if shown.Status != client.PaymentSucceeded || shown.AmountPaid != 8800 {
			return "", fmt.Errorf("the API shows %s with %d paid", shown.Status, shown.AmountPaid)
		}
		return fmt.Sprintf("%s %s, sequence %d, at most %s after the payer paid (the provider tells whole seconds); the API shows %s", e.ID, e.Type, e.Sequence, e.received.Sub(*shown.PaidAt).Round(time.Millisecond), shown.Status), nil
	})
	return p, err
}

func (j *journey) refundPart(ctx context.Context, p *client.Payment) error {
	var r *client.Refund
	err := j.prove("the app refunds 30.00 of the 88.00 yuan", func() (string, error) {
		var err error
		if r, err = j.gateway.CreateRefund(ctx, client.CreateRefund{PaymentID: p.ID, OutRefundNo: p.OutTradeNo + "-r1", Amount: 3000, Reason: "one cup too many"}); err != nil {
			return "", err
		}
		return fmt.Sprintf("%s, known to the provider as %s, is %s", r.ID, r.RefundNo, r.Status), nil
	})
	if err != nil {
		return err
	}
	err = j.prove("a second refund of 60.00 yuan is refused: only 58.00 are left", func() (string, error) {
		_, err := j.gateway.CreateRefund(ctx, client.CreateRefund{PaymentID: p.ID, OutRefundNo: p.OutTradeNo + "-r2", Amount: 6000})
		refusal, ok := errors.AsType[*client.Error](err)
		if !ok || refusal.Code != "refund_exceeds_payment" {
			return "", fmt.Errorf("expected the refusal refund_exceeds_payment, got: %v", err)
		}
		return fmt.Sprintf("%s: %s", refusal.Code, refusal.Detail), nil
	})
	if err != nil {
		return err
	}
	return j.prove("the provider settles the refund and the app hears of it", func() (string, error) {
		return j.settled(ctx, r, p.ID, 3000)
	})
}

// settled moves the provider's clock until a refund is through, and waits for its webhook.
func (j *journey) settled(ctx context.Context, r *client.Refund, paymentID string, refunded int64) (string, error) {
	if err := j.provider.advance(ctx, time.Minute); err != nil {
		return "", err
	}
	e, err := j.inbox.wait(ctx, "refund.succeeded", r.ID)
	if err != nil {
		return "", err
	}
	p, err := j.gateway.Payment(ctx, paymentID)
	if err != nil {
		return "", err
	}
	if p.AmountRefunded != refunded {
		return "", fmt.Errorf("the payment shows %d refunded instead of %d", p.AmountRefunded, refunded)
	}
	return fmt.Sprintf("%s %s; the payment is %s with %d of %d fen refunded", e.ID, e.Type, p.Status, p.AmountRefunded, p.AmountPaid), nil
}

func (j *journey) latePayment(ctx context.Context) error {
	var p *client.Payment
	err := j.prove("another payment is closed before anybody pays", func() (string, error) {
		var err error
		if p, err = j.create(ctx, 1200, "迟到 late"); err != nil {
			return "", err
		}
		if p, err = j.gateway.ClosePayment(ctx, p.ID); err != nil {
			return "", err
		}
		order, err := j.provider.order(ctx, p.TradeNo)
		if err != nil {
			return "", err
		}
		if p.Status != client.PaymentClosed || order.TradeState != "CLOSED" {
			return "", fmt.Errorf("the payment is %s and the provider's order is %s", p.Status, order.TradeState)
		}
		return fmt.Sprintf("%s is %s here and %s at the provider", p.ID, p.Status, order.TradeState), nil
	})
	if err != nil {
		return err
	}
	err = j.prove("a payer who tries now is turned away by the provider", func() (string, error) {
		_, err := j.provider.pay(ctx, map[string]any{"out_trade_no": p.TradeNo, "result": "success"})
		refusal, ok := errors.AsType[*control.Refusal](err)
		if !ok || refusal.Status != 409 {
			return "", fmt.Errorf("expected a refusal, got: %v", err)
		}
		return refusal.Text, nil
	})
	if err != nil {
		return err
	}
	err = j.prove("money that was in flight at the close lands all the same; the app is told once", func() (string, error) {
		if _, err := j.provider.pay(ctx, map[string]any{"out_trade_no": p.TradeNo, "result": "success", "late": true}); err != nil {
			return "", err
		}
		e, err := j.inbox.wait(ctx, "payment.late_paid", p.ID)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%s %s, sequence %d", e.ID, e.Type, e.Sequence), nil
	})
	if err != nil {
		return err
	}
	return j.prove("the gateway gives the late money back by itself", func() (string, error) {
		refunds, err := j.gateway.ListRefunds(ctx, client.RefundQuery{PaymentID: p.ID})
		if err != nil {
			return "", err
		}
		if len(refunds.Data) != 1 || refunds.Data[0].Amount != 1200 {
			return "", fmt.Errorf("expected one refund of 1200 fen, found %d", len(refunds.Data))
		}
		if err := j.accepted(ctx, refunds.Data[0].RefundNo); err != nil {
			return "", err
		}
		return j.settled(ctx, &refunds.Data[0], p.ID, 1200)
	})
}

// accepted waits until the provider has a refund that a job sends.
func (j *journey) accepted(ctx context.Context, refundNo string) error {
	return until(ctx, func() error { return j.provider.refund(ctx, refundNo) })
}

func (j *journey) compareBooks(ctx context.Context) error {
	return j.prove("the books agree to the fen", func() (string, error) {
		books, err := j.provider.books(ctx)
		if err != nil {
			return "", err
		}
		var paid, refunded int64
		for p, err := range j.gateway.Payments(ctx, client.PaymentQuery{}) {
			if err != nil {
				return "", err
			}
			paid += p.AmountPaid
			refunded += p.AmountRefunded
		}
		if !books.Consistent || books.Paid != paid || books.Refunded != refunded {
			return "", fmt.Errorf("the provider has %d paid and %d refunded, the gateway %d and %d", books.Paid, books.Refunded, paid, refunded)
		}
		return fmt.Sprintf("paid %d fen, refunded %d fen: the same at the provider and here", paid, refunded), nil
	})
}

// drawn is a QR code in half blocks, with the quiet zone that scanners need.
func drawn(code *qr.Code) string {
	const quiet = 2
	var b strings.Builder
	dark := func(x, y int) bool { return x >= 0 && y >= 0 && x < code.Size && y < code.Size && code.Black(x, y) }
	for y := -quiet; y < code.Size+quiet; y += 2 {
		for x := -quiet; x < code.Size+quiet; x++ {
			switch upper, lower := dark(x, y), dark(x, y+1); {
			case upper && lower:
				b.WriteByte(' ')
			case upper:
				b.WriteString("▄")
			case lower:
				b.WriteString("▀")
			default:
				b.WriteString("█")
			}
		}
		b.WriteByte('\n')
	}
	return strings.TrimSuffix(b.String(), "\n")
}
