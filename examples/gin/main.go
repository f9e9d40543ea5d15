// Command gin is a shop on the Gin framework that takes payments by WeChat Pay: it places an order, gives out the text of its QR code,
// and learns from a verified notification that the order is paid. It also receives the webhooks of a Tongbao gateway, for
// shops that leave WeChat Pay to one.
package main

import (
	"cmp"
	"context"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

func main() {
	if err := run(); err != nil {
		slog.Error("the shop has ended", "error", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	pay, err := newClient()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", cmp.Or(os.Getenv("LISTEN"), "127.0.0.1:0"))
	if err != nil {
		return err
	}
	s := &shop{
		pay:            pay,
		mchID:          os.Getenv("WECHATPAY_MCHID"),
		appID:          os.Getenv("WECHATPAY_APPID"),
		publicURL:      cmp.Or(os.Getenv("PUBLIC_URL"), "http://"+listener.Addr().String()),
		webhookSecrets: []string{os.Getenv("WEBHOOK_SECRET")},
	}
	server := &http.Server{
		Handler: s.routes(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, IdleTimeout: time.Minute,
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	fmt.Println("listening on", listener.Addr())
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return server.Shutdown(drain)
}

// newClient reads the merchant's files and makes the one client that the whole program shares.
func newClient() (*wechatpay.Client, error) {
	keyPEM, err := os.ReadFile(os.Getenv("WECHATPAY_PRIVATE_KEY_FILE")) // apiclient_key.pem
	if err != nil {
		return nil, err
	}
	key, err := wechatpay.ParsePrivateKey(keyPEM)
	if err != nil {
		return nil, err
	}
	publicPEM, err := os.ReadFile(os.Getenv("WECHATPAY_PUBLIC_KEY_FILE")) // pub_key.pem
	if err != nil {
		return nil, err
	}
	public, err := wechatpay.ParsePublicKey(publicPEM)
	if err != nil {
		return nil, err
	}
	return wechatpay.New(wechatpay.Config{
		MchID:      os.Getenv("WECHATPAY_MCHID"),
		SerialNo:   os.Getenv("WECHATPAY_SERIAL_NO"),
		Signer:     key,
		APIv3Key:   os.Getenv("WECHATPAY_API_V3_KEY"),
		PublicKeys: map[string]*rsa.PublicKey{os.Getenv("WECHATPAY_PUBLIC_KEY_ID"): public},
		BaseURL:    os.Getenv("WECHATPAY_BASE_URL"), // empty: the real WeChat Pay
	})
}
