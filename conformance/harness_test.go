package conformance_test

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/utils"

	"github.com/tongbao-pay/tongbao/sandbox"
)

// identitiesOnce makes one set of identities for all tests: RSA keys are slow.
var identitiesOnce = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "conformance-identities-")
	if err != nil {
		return "", err
	}
	s, err := sandbox.Open(anywhere(sandbox.Config{Dir: dir}))
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

// anywhere lets the sandbox take free ports.
func anywhere(c sandbox.Config) sandbox.Config {
	c.Listen, c.Backup, c.Control, c.Phone, c.TLS, c.MutualTLS = ":0", ":0", ":0", ":0", ":0", ":0"
	return c
}

// bundle is a running sandbox and its merchant's notification endpoint.
type bundle struct {
	t        *testing.T
	sandbox  *sandbox.Sandbox
	dir      string
	merchant *rsa.PrivateKey
	receiver *receiver
}

func setup(t *testing.T) *bundle {
	t.Helper()
	return run(t, sandbox.Config{})
}

// run starts a sandbox whose provider has the clock of the configuration.
func run(t *testing.T, c sandbox.Config) *bundle {
	t.Helper()
	from, err := identitiesOnce()
	if err != nil {
		t.Fatal(err)
	}
	c.Dir = t.TempDir()
	if err := os.CopyFS(c.Dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	s, err := sandbox.Open(anywhere(c))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	b := &bundle{t: t, sandbox: s, dir: c.Dir, receiver: newReceiver(t)}
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	credentials := s.Credentials()
	if b.merchant, err = utils.LoadPrivateKey(string(credentials.PEM(credentials.WeChatPay.MerchantPrivateKeyFile))); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bundle) wechatpay() sandbox.WeChatPayCredentials { return b.sandbox.Credentials().WeChatPay }

// httpClient reaches the sandbox under the provider's real host names: they lead to its TLS port, and its authority is trusted.
// Every other address is refused, so that nothing leaves the machine.
func (b *bundle) httpClient() *http.Client {
	b.t.Helper()
	credentials := b.sandbox.Credentials()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(credentials.PEM(credentials.CAFile)) {
		b.t.Fatal("the sandbox's authority is not PEM")
	}
	address := strings.TrimPrefix(credentials.TLSURL, "https://")
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, name string) (net.Conn, error) {
			switch name {
			case "api.mch.weixin.qq.com:443", "api2.mch.weixin.qq.com:443":
				return (&net.Dialer{}).DialContext(ctx, network, address)
			}
			return nil, fmt.Errorf("%s is not a host of the provider", name)
		},
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}
	b.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

// object is JSON to send to the control API or to read from it.
type object = map[string]any

// control calls the control API, which has to succeed.
func (b *bundle) control(method, path string, body any) object {
	b.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		b.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.sandbox.ControlURL()+path, bytes.NewReader(raw))
	if err != nil {
		b.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	if raw, err = io.ReadAll(response.Body); err != nil {
		b.t.Fatal(err)
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		b.t.Fatalf("%s %s: %d %s", method, path, response.StatusCode, raw)
	}
	var answer object
	if len(raw) > 0 && json.Unmarshal(raw, &answer) != nil {
		b.t.Fatalf("%s %s: %s is not JSON", method, path, raw)
	}
	return answer
}

func (b *bundle) pay(outTradeNo string) {
	b.t.Helper()
	b.control("POST", "/wechatpay/pay", object{"out_trade_no": outTradeNo, "result": "success"})
}

func (b *bundle) fault(operation, effect string) {
	b.t.Helper()
	b.control("POST", "/faults", object{"provider": "wechatpay", "operation": operation, "effect": effect, "times": 1})
}

func (b *bundle) advance(d time.Duration) {
	b.t.Helper()
	b.control("POST", "/clock/advance", object{"duration": d.String()})
}

func (b *bundle) settings(change object) {
	b.t.Helper()
	b.control("POST", "/wechatpay/settings", change)
}

// want compares values that print alike when they are equal.
func want(t *testing.T, what string, got, wanted any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(wanted) {
		t.Errorf("%s: got %v, want %v", what, got, wanted)
	}
}

func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}
