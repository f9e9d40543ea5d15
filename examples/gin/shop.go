package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

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
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.Use(gin.Recovery())
	router.POST("/orders", s.createOrder)
	router.GET("/orders/:no", s.showOrder)

	// What is signed must reach its handler as it came: no middleware on these two may read the body or ask for a login.
	router.POST("/notify/wechatpay", s.notify)
	router.POST("/webhooks/tongbao", s.webhook)
	return router
}

// createOrder stores the order first and asks WeChat Pay then: whatever happens to the answer, the shop has the number to ask
// about.
func (s *shop) createOrder(c *gin.Context) {
	o := s.orders.Add("Two bowls of noodles", 8800) // the price is the shop's, never the browser's
	placed, err := s.pay.PrepayNative(c.Request.Context(), wechatpay.NativeRequest{
		AppID: s.appID, Description: o.Description, OutTradeNo: o.No, Amount: wechatpay.Amount{Total: o.Total},
		NotifyURL: s.publicURL + "/notify/wechatpay",
	})
	if err != nil {
		// Refused: mend the request. Retry or unknown: place the same order again, under the same number.
		slog.Error("place an order", "no", o.No, "outcome", wechatpay.OutcomeOf(err), "error", err)
		c.JSON(http.StatusBadGateway, gin.H{"error": "the order could not be placed; try again"})
		return
	}
	c.JSON(http.StatusOK, gin.H{"no": o.No, "code_url": placed.CodeURL}) // show code_url as a QR code
}

func (s *shop) showOrder(c *gin.Context) {
	o, ok := s.orders.Get(c.Param("no"))
	if !ok {
		c.JSON(http.StatusNotFound, gin.H{"error": "there is no such order"})
		return
	}
	c.JSON(http.StatusOK, o)
}

// notify receives WeChat Pay's notifications: verify, store, and only then answer. A repeat changes nothing.
func (s *shop) notify(c *gin.Context) {
	n, err := s.pay.ParseNotification(c.Request)
	if err == nil {
		err = s.settle(n)
	}
	if err != nil {
		slog.Error("take a notification", "error", err)
	}
	wechatpay.AnswerNotification(c.Writer, err)
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
func (s *shop) webhook(c *gin.Context) {
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, client.WebhookBodyMax))
	if err != nil {
		c.JSON(http.StatusBadRequest, gin.H{"error": "the body could not be read"})
		return
	}
	event, err := client.VerifyWebhook(s.webhookSecrets, c.Request.Header, body, time.Now())
	if err != nil {
		slog.Warn("refuse a webhook", "error", err)
		c.JSON(http.StatusUnauthorized, gin.H{"error": "not a webhook of our gateway"})
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
		c.JSON(http.StatusInternalServerError, gin.H{"error": "not done; send it again"})
		return
	}
	c.Status(http.StatusNoContent)
}
