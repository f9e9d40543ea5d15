// Package trial runs the examples as a user would: as programs, against the sandbox.
package trial

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/tongbao-pay/tongbao/sandbox"
)

const webhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" // the specification's example

// order is a placed order as the shops show it.
type order struct {
	No      string `json:"no"`
	CodeURL string `json:"code_url"`
}

// deadline bounds what must happen by itself, such as a notification.
const deadline = 20 * time.Second

func TestAShopTakesAPaymentAndHearsOfIt(t *testing.T) {
	t.Parallel()
	for _, example := range []string{"nethttp", "gin"} {
		t.Run(example, func(t *testing.T) {
			t.Parallel()
			provider := startSandbox(t)
			shop := start(t, example, provider)

			placed := post[order](t, shop+"/orders", nil)
			if !strings.HasPrefix(placed.CodeURL, "weixin://") {
				t.Fatalf("code_url is %q", placed.CodeURL)
			}
			if paid(t, shop, placed.No) {
				t.Fatal("the order is paid before anybody paid")
			}
			post[any](t, provider.ControlURL()+"/wechatpay/pay", map[string]any{"code_url": placed.CodeURL, "result": "success"})
			until(t, "the notification marks the order paid", func() bool { return paid(t, shop, placed.No) })
		})
	}
}

func TestAForgedNotificationIsRefused(t *testing.T) {
	t.Parallel()
	for _, example := range []string{"nethttp", "gin"} {
		t.Run(example, func(t *testing.T) {
			t.Parallel()
			shop := start(t, example, startSandbox(t))
			response, err := http.Post(shop+"/notify/wechatpay", "application/json", strings.NewReader(`{"id":"1","event_type":"TRANSACTION.SUCCESS"}`))
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if response.StatusCode != http.StatusUnauthorized {
				t.Fatalf("answered %s", response.Status)
			}
		})
	}
}

func TestAWebhookIsVerified(t *testing.T) {
	t.Parallel()
	for _, example := range []string{"nethttp", "gin"} {
		t.Run(example, func(t *testing.T) {
			t.Parallel()
			shop := start(t, example, startSandbox(t))
			placed := post[order](t, shop+"/orders", nil)
			body := []byte(`{"id":"evt_1","type":"payment.succeeded","sequence":2,"data":{"object":{"object":"payment","out_trade_no":"` +
				placed.No + `","amount":8800,"currency":"CNY","status":"succeeded"}}}`)

			for _, c := range []struct {
				name   string
				send   []byte
				status int
				paid   bool
			}{
				{"changed on the way", bytes.Replace(body, []byte("8800"), []byte("8801"), 1), http.StatusUnauthorized, false},
				{"true", body, http.StatusNoContent, true},
				{"repeated", body, http.StatusNoContent, true},
			} {
				if status := sendWebhook(t, shop, body, c.send); status != c.status {
					t.Errorf("%s: answered %d, want %d", c.name, status, c.status)
				}
				if got := paid(t, shop, placed.No); got != c.paid {
					t.Errorf("%s: paid is %t", c.name, got)
				}
			}
		})
	}
}

// sendWebhook signs one body and sends another, by the implementation that the specification's authors keep.
func sendWebhook(t *testing.T, shop string, signed, sent []byte) int {
	t.Helper()
	hook, err := standardwebhooks.NewWebhook(webhookSecret)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	signature, err := hook.Sign("evt_1", now, signed)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, shop+"/webhooks/tongbao", bytes.NewReader(sent))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Webhook-Id", "evt_1")
	request.Header.Set("Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10))
	request.Header.Set("Webhook-Signature", signature)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode
}

func startSandbox(t *testing.T) *sandbox.Sandbox {
	t.Helper()
	s, err := sandbox.Open(sandbox.Config{Dir: t.TempDir(), Listen: ":0", Backup: ":0", Control: ":0", Phone: ":0"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s
}

// start builds and runs an example and returns its address. The notifications come to a port that is known before.
func start(t *testing.T, example string, provider *sandbox.Sandbox) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), example)
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../"+example).CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	c := provider.Credentials()
	command := exec.CommandContext(context.WithoutCancel(t.Context()), program)
	command.Env = append(os.Environ(),
		"LISTEN=127.0.0.1:0", "PUBLIC_URL=", "WEBHOOK_SECRET="+webhookSecret,
		"WECHATPAY_BASE_URL="+c.WeChatPay.BaseURL, "WECHATPAY_MCHID="+c.WeChatPay.MchID, "WECHATPAY_APPID="+c.WeChatPay.AppID,
		"WECHATPAY_SERIAL_NO="+c.WeChatPay.MerchantSerialNo, "WECHATPAY_PRIVATE_KEY_FILE="+c.Path(c.WeChatPay.MerchantPrivateKeyFile),
		"WECHATPAY_API_V3_KEY="+c.WeChatPay.APIv3Key, "WECHATPAY_PUBLIC_KEY_ID="+c.WeChatPay.PublicKeyID,
		"WECHATPAY_PUBLIC_KEY_FILE="+c.Path(c.WeChatPay.PublicKeyFile))
	var log bytes.Buffer
	command.Stderr = &log
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(os.Interrupt)
		if err := command.Wait(); err != nil {
			t.Errorf("%s: %v\n%s", example, err, log.Bytes())
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		t.Fatalf("%s said %q: %v", example, line, err)
	}
	return "http://" + address
}

func paid(t *testing.T, shop, no string) bool {
	t.Helper()
	return call[struct{ Paid bool }](t, http.MethodGet, shop+"/orders/"+no, nil).Paid
}

func post[T any](t *testing.T, url string, body any) T {
	t.Helper()
	return call[T](t, http.MethodPost, url, body)
}

func call[T any](t *testing.T, method, url string, body any) (answer T) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(jsonOf(t, body)))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s answered %s: %s %v", method, url, response.Status, text, err)
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func jsonOf(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// until waits for what happens by itself.
func until(t *testing.T, what string, happened func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !happened() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited %s in vain: %s", deadline, what)
		}
	}
}
