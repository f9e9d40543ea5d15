package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox"
)

// identitiesOnce makes one set of identities for all tests: RSA keys are slow.
var identitiesOnce = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "sandbox-identities-")
	if err != nil {
		return "", err
	}
	s, err := sandbox.Open(sandbox.Config{Dir: dir, Listen: ":0", Backup: ":0", Control: ":0", Phone: ":0"})
	if err != nil {
		return "", err
	}
	return dir, s.Close()
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := identitiesOnce(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// bundle is a running sandbox, a merchant who calls it and a receiver of its notifications.
type bundle struct {
	t        *testing.T
	sandbox  *sandbox.Sandbox
	merchant *merchant
	receiver *receiver
	stop     func()
}

func config(dir string) sandbox.Config {
	return sandbox.Config{Dir: dir, Listen: ":0", Backup: ":0", Control: ":0", Phone: ":0"}
}

func newDir(t *testing.T) string {
	t.Helper()
	from, err := identitiesOnce()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func setup(t *testing.T) *bundle {
	t.Helper()
	return run(t, config(newDir(t)))
}

func run(t *testing.T, c sandbox.Config) *bundle {
	t.Helper()
	s, err := sandbox.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	b := &bundle{t: t, sandbox: s, merchant: newMerchant(t, s), receiver: newReceiver(t, s.Credentials()), stop: stop}
	b.receiver.keys = b.merchant.keys
	t.Cleanup(func() {
		stop()
		b.receiver.server.Close()
	})
	return b
}

// object is JSON to send or to read.
type object = map[string]any

func (b *bundle) prepayBody(outTradeNo string, total int64) object {
	w := b.sandbox.Credentials().WeChatPay
	return object{
		"appid": w.AppID, "mchid": w.MchID, "description": "一杯咖啡", "out_trade_no": outTradeNo,
		"notify_url": b.receiver.url("/notify"), "amount": object{"total": total, "currency": "CNY"},
	}
}

const (
	nativePath  = "/v3/pay/transactions/native"
	jsapiPath   = "/v3/pay/transactions/jsapi"
	h5Path      = "/v3/pay/transactions/h5"
	appPath     = "/v3/pay/transactions/app"
	refundsPath = "/v3/refund/domestic/refunds"
)

// native places an order and returns its code_url.
func (b *bundle) native(outTradeNo string, total int64) string {
	b.t.Helper()
	return b.merchant.must("POST", nativePath, b.prepayBody(outTradeNo, total)).text("code_url")
}

// paid places an order, pays it and waits for its notification.
func (b *bundle) paid(outTradeNo string, total int64) object {
	b.t.Helper()
	b.native(outTradeNo, total)
	order := b.pay(object{"out_trade_no": outTradeNo, "result": "success"})
	b.receiver.wait(1)
	return order
}

func (b *bundle) query(outTradeNo string) object {
	b.t.Helper()
	return b.decode(b.merchant.must("GET", b.queryPath(outTradeNo), nil).body)
}

func (b *bundle) queryPath(outTradeNo string) string {
	return "/v3/pay/transactions/out-trade-no/" + outTradeNo + "?mchid=" + b.sandbox.Credentials().WeChatPay.MchID
}

func (b *bundle) closeOrder(outTradeNo string) answer {
	b.t.Helper()
	return b.merchant.call("POST", "/v3/pay/transactions/out-trade-no/"+outTradeNo+"/close", object{"mchid": b.sandbox.Credentials().WeChatPay.MchID})
}

func (b *bundle) refundBody(outTradeNo, outRefundNo string, amount, total int64) object {
	return object{
		"out_trade_no": outTradeNo, "out_refund_no": outRefundNo, "notify_url": b.receiver.url("/notify"),
		"amount": object{"refund": amount, "total": total, "currency": "CNY"},
	}
}

func (b *bundle) decode(raw []byte) object {
	b.t.Helper()
	var o object
	if err := json.Unmarshal(raw, &o); err != nil {
		b.t.Fatalf("%v: %s", err, raw)
	}
	return o
}

// control calls the control API and returns the status and the answer.
func (b *bundle) control(method, path string, body any) (int, object) {
	b.t.Helper()
	var content io.Reader
	switch v := body.(type) {
	case nil:
	case string:
		content = strings.NewReader(v)
	default:
		raw, err := json.Marshal(v)
		if err != nil {
			b.t.Fatal(err)
		}
		content = bytes.NewReader(raw)
	}
	r, err := http.NewRequest(method, b.sandbox.ControlURL()+path, content)
	if err != nil {
		b.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	if len(raw) == 0 {
		return response.StatusCode, nil
	}
	return response.StatusCode, b.decode(raw)
}

// ok is control for calls that have to succeed.
func (b *bundle) ok(method, path string, body any) object {
	b.t.Helper()
	status, answer := b.control(method, path, body)
	if status >= 300 {
		b.t.Fatalf("%s %s: %d %v", method, path, status, answer)
	}
	return answer
}

func (b *bundle) pay(body object) object {
	b.t.Helper()
	return b.ok("POST", "/wechatpay/pay", body)
}

func (b *bundle) advance(d time.Duration) {
	b.t.Helper()
	b.ok("POST", "/clock/advance", object{"duration": d.String()})
}

func (b *bundle) settings(body object) {
	b.t.Helper()
	b.ok("POST", "/wechatpay/settings", body)
}

func (b *bundle) fault(body object) {
	b.t.Helper()
	body["provider"] = "wechatpay"
	b.ok("POST", "/faults", body)
}

func (b *bundle) journal(filter string) []object {
	b.t.Helper()
	var entries []object
	for _, e := range b.ok("GET", "/journal?"+filter, nil)["entries"].([]any) {
		entries = append(entries, e.(object))
	}
	return entries
}

func (b *bundle) books() object {
	b.t.Helper()
	books := b.ok("GET", "/wechatpay/books", nil)
	if consistent, ok := books["consistent"].(bool); !ok || !consistent {
		b.t.Fatalf("the books do not balance: %v", books["problems"])
	}
	return books
}

// at reads a value inside nested objects: at(o, "amount", "total").
func at(value any, path ...string) any {
	for _, name := range path {
		o, ok := value.(object)
		if !ok {
			return nil
		}
		value = o[name]
	}
	return value
}

func want(t *testing.T, what string, got, wanted any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(wanted) {
		t.Fatalf("%s: got %v, want %v", what, got, wanted)
	}
}

// settled waits until the order has no notification under way.
func (b *bundle) settled(outTradeNo string) []any {
	b.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		notifications := b.ok("GET", "/wechatpay/orders/"+outTradeNo, nil)["notifications"].([]any)
		under := false
		for _, n := range notifications {
			under = under || at(n, "state") == "pending" && at(n, "sends") == 0.0
		}
		if !under {
			return notifications
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("notifications of %s are still under way: %v", outTradeNo, notifications)
		}
	}
}
