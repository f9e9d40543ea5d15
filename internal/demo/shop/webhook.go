package shop

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/tongbao-pay/tongbao/client"
)

// webhook receives the gateway's events. Only one with a good signature is looked at. It is answered 204 even when it
// is a duplicate, stale, or about no order of this shop's memory: sending it again would change nothing.
func (s *Shop) webhook(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, client.WebhookBodyMax))
	if err != nil {
		s.config.Logger.Warn("a webhook could not be read", "error", err)
		http.Error(w, "the body could not be read, or is larger than 1 MiB", http.StatusRequestEntityTooLarge)
		return
	}
	now := s.config.Now()
	event, err := client.VerifyWebhook([]string{s.config.WebhookSecret}, r.Header, body, now)
	if err != nil {
		s.refused.Add(1)
		s.config.Logger.Warn("a webhook was refused", "error", err)
		http.Error(w, "the webhook is not signed with this endpoint's secret", http.StatusUnauthorized)
		return
	}
	s.verified.Add(1)
	if !s.deliver(event, body, now) {
		s.config.Logger.Info("a verified webhook is about no order here", "event", event.ID, "type", event.Type)
	}
	w.WriteHeader(http.StatusNoContent)
}

// deliver applies an event to its order; false: there is none.
func (s *Shop) deliver(e *client.Event, body []byte, now time.Time) bool {
	if p, err := e.Payment(); err == nil {
		return s.book.change(p.OutTradeNo, func(o *order) {
			if o.again(e) {
				return
			}
			fresh := e.Sequence > o.Sequence
			if fresh {
				o.Sequence = e.Sequence
				o.learn(*p)
			}
			o.note(received(e, fresh, body, p.PaidAt, now))
		})
	}
	if r, err := e.Refund(); err == nil {
		return s.book.change(s.book.ofPayment(r.PaymentID), func(o *order) {
			if o.again(e) {
				return
			}
			known := o.refundByNo(r.OutRefundNo)
			fresh := known == nil || e.Sequence > known.Sequence
			if fresh {
				o.learnRefund(*r).Sequence = e.Sequence
			}
			o.note(received(e, fresh, body, r.SucceededAt, now))
		})
	}
	return false
}

// again counts an event that came before; its id stays the same at every delivery.
func (o *order) again(e *client.Event) bool {
	for i := range o.Steps {
		if o.Steps[i].EventID == e.ID {
			o.Steps[i].Times++
			return true
		}
	}
	return false
}

// received is the timeline's line for a verified webhook. happened is the provider's time of what it tells; nil: it
// tells nothing of the provider.
func received(e *client.Event, fresh bool, body []byte, happened *time.Time, now time.Time) step {
	line := step{
		At: now, Tone: "good", Chinese: eventInChinese(e.Type), English: "Webhook " + e.Type, EventID: e.ID, Body: indented(body), Times: 1,
		Facts: []fact{
			{"事件", "event", e.ID},
			{"序号", "sequence", strconv.FormatInt(e.Sequence, 10)},
			{"签名", "signature", "已验证 verified"},
		},
	}
	if !fresh {
		line.Tone = "quiet"
		line.Facts = append(line.Facts, fact{"处理", "handling", "较旧，未采用 older than what is known, not applied"})
	}
	if d := now.Sub(e.CreatedAt); d >= 0 {
		line.Facts = append(line.Facts, fact{"距网关落库", "since commit", span(d)})
	}
	// The provider tells whole seconds, so the true delay is up to one second shorter.
	if provider := e.Type == client.EventPaymentSucceeded || e.Type == client.EventRefundSucceeded; provider && happened != nil {
		if d := now.Sub(*happened); d >= 0 {
			line.Facts = append(line.Facts, fact{"距渠道成功", "since provider success", "≤ " + span(d)})
		}
	}
	return line
}

func eventInChinese(eventType string) string {
	switch eventType {
	case client.EventPaymentCreated:
		return "通知：支付单已建"
	case client.EventPaymentSucceeded:
		return "通知：支付成功"
	case client.EventPaymentClosed:
		return "通知：订单已关闭"
	case client.EventPaymentFailed:
		return "通知：支付失败"
	case client.EventPaymentLatePaid:
		return "通知：关单后到账"
	case client.EventPaymentRefunded:
		return "通知：已全额退款"
	case client.EventRefundCreated:
		return "通知：退款已受理"
	case client.EventRefundSucceeded:
		return "通知：退款到账"
	case client.EventRefundAbnormal:
		return "通知：退款异常"
	case client.EventRefundFailed, client.EventRefundClosed:
		return "通知：退款未成"
	default:
		return "通知"
	}
}

func indented(body []byte) string {
	var b bytes.Buffer
	if err := json.Indent(&b, body, "", "  "); err != nil {
		return string(body) // unreachable: a verified event was decoded
	}
	return b.String()
}
