package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/tongbao-pay/tongbao/client"
	"github.com/tongbao-pay/tongbao/examples/internal/orders"
	"github.com/tongbao-pay/tongbao/wechatpay"
)

type shop struct {
	pay            *wechatpay.Client
	mchID, appID   string
	publicURL      string   // where WeChat Pay reaches the shop, without a slash at the end
	webhookSecrets []string // of the gateway's webhook endpoint
	orders         orders.Table
}

func (s *shop) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders", s.createOrder)
	mux.HandleFunc("GET /orders/{no}", s.showOrder)
	mux.HandleFunc("POST /notify/wechatpay", s.notify)
	mux.HandleFunc("POST /webhooks/tongbao", s.webhook)
	return mux
}

// createOrder stores the order first and asks WeChat Pay then: whatever happens to the answer, the shop has the number to ask
// about.
func (s *shop) createOrder(w http.ResponseWriter, r *http.Request) {
	o := s.orders.Add("Two bowls of noodles", 8800) // the price is the shop's, never the browser's
	placed, err := s.pay.PrepayNative(r.Context(), wechatpay.NativeRequest{
		AppID: s.appID, Description: o.Description, OutTradeNo: o.No, Amount: wechatpay.Amount{Total: o.Total},
		NotifyURL: s.publicURL + "/notify/wechatpay",
	})
	if err != nil {
		// Refused: mend the request. Retry or unknown: place the same order again, under the same number.
		slog.Error("place an order", "no", o.No, "outcome", wechatpay.OutcomeOf(err), "error", err)
		http.Error(w, "the order could not be placed; try again", http.StatusBadGateway)
		return
	}
	answer(w, map[string]string{"no": o.No, "code_url": placed.CodeURL}) // show code_url as a QR code
}

func (s *shop) showOrder(w http.ResponseWriter, r *http.Request) {
	o, ok := s.orders.Get(r.PathValue("no"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	answer(w, o)
}

// notify receives WeChat Pay's notifications: verify, store, and only then answer. A repeat changes nothing.
func (s *shop) notify(w http.ResponseWriter, r *http.Request) {
	n, err := s.pay.ParseNotification(r)
	if err == nil {
		err = s.settle(n)
	}
	if err != nil {
		slog.Error("take a notification", "error", err)
	}
	wechatpay.AnswerNotification(w, err)
}

// settle marks our order paid. The notification is authentic; that it is about our order and the money due is for us to see.
func (s *shop) settle(n *wechatpay.Notification) error {
	paid, ok := n.Order()
	if !ok || paid.TradeState != wechatpay.TradeStateSuccess {
		return nil
	}
	if paid.MchID != s.mchID || paid.AppID != s.appID {
		return fmt.Errorf("order %s is another merchant's", paid.OutTradeNo)
	}
	return s.orders.Settle(paid.OutTradeNo, paid.Amount.Total, paid.Amount.Currency)
}

// webhook receives the events of a Tongbao gateway: read within a bound, verify the bytes as they came, then act.
func (s *shop) webhook(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, client.WebhookBodyMax))
	if err != nil {
		http.Error(w, "the body could not be read", http.StatusBadRequest)
		return
	}
	event, err := client.VerifyWebhook(s.webhookSecrets, r.Header, body, time.Now())
	if err != nil {
		slog.Warn("refuse a webhook", "error", err)
		http.Error(w, "not a webhook of our gateway", http.StatusUnauthorized)
		return
	}
	if event.Type == client.EventPaymentSucceeded {
		var payment *client.Payment
		if payment, err = event.Payment(); err == nil {
			err = s.orders.Settle(payment.OutTradeNo, payment.Amount, payment.Currency)
		}
	}
	if err != nil {
		slog.Error("take a webhook", "event", event.ID, "error", err)
		http.Error(w, "not done; send it again", http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(value); err != nil {
		slog.Warn("answer a customer who has gone", "error", err)
	}
}
