package channel_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/channel"
	"github.com/tongbao-pay/tongbao/internal/channel/channeltest"
	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/sandbox"
	"github.com/tongbao-pay/tongbao/sandbox/wechatpaysim"
)

func TestWeChat(t *testing.T) {
	t.Parallel()
	channeltest.Run(t, startWeChat)
}

// accounts is a source that tests can change.
type accounts struct {
	mu  sync.Mutex
	all []channel.Account
	err error
}

func (a *accounts) ChannelAccounts(context.Context) ([]channel.Account, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]channel.Account(nil), a.all...), a.err
}

func (a *accounts) set(err error, all ...channel.Account) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all, a.err = all, err
}

func startSandbox(t *testing.T) *sandbox.Sandbox {
	t.Helper()
	const free = "127.0.0.1:0"
	s, err := sandbox.Open(sandbox.Config{Listen: free, Backup: free, Control: free, Phone: free})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("sandbox: %v", err)
		}
	})
	return s
}

// weChatAccount is the sandbox's merchant as an operator would configure it.
func weChatAccount(t *testing.T, id string, c sandbox.Credentials, change func(*channel.WeChatSettings, *channel.WeChatSecrets)) channel.Account {
	t.Helper()
	w := c.WeChatPay
	settings := channel.WeChatSettings{
		MchID: w.MchID, AppID: w.AppID, MerchantSerialNo: w.MerchantSerialNo, PublicKeyID: w.PublicKeyID, PublicKey: string(c.PEM(w.PublicKeyFile)),
		PlatformCertificates: true, BaseURL: w.BaseURL, BackupURL: w.BackupURL,
	}
	secrets := channel.WeChatSecrets{PrivateKey: string(c.PEM(w.MerchantPrivateKeyFile)), APIv3Key: w.APIv3Key}
	if change != nil {
		change(&settings, &secrets)
	}
	public, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := json.Marshal(secrets)
	if err != nil {
		t.Fatal(err)
	}
	return channel.Account{ID: id, Channel: payment.WeChat, Settings: public, Secrets: secret, UpdatedAt: time.Unix(1, 0)}
}

func startWeChat(t *testing.T) *channeltest.Bench {
	t.Helper()
	s := startSandbox(t)
	control := func(t *testing.T, method, path string, body any) (content []byte) {
		t.Helper()
		raw, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(t.Context(), method, s.ControlURL()+path, bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		content, err = io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode >= 300 {
			t.Fatalf("%s %s: %s %s %v", method, path, answer.Status, content, err)
		}
		return content
	}
	control(t, "POST", "/wechatpay/settings", map[string]any{"refund_outcome": wechatpaysim.OutcomeProcessing})
	operations := map[string]string{"place": "prepay", "query": "query", "close": "close", "refund": "refund", "query refund": "refund_query"}
	account := weChatAccount(t, "main", s.Credentials(), nil)
	return &channeltest.Bench{
		Account: account, Source: &accounts{all: []channel.Account{account}}, Payer: payment.Payer{OpenID: s.Credentials().WeChatPay.OpenID},
		Products: []payment.Product{payment.Native, payment.JSAPI, payment.MiniProgram, payment.App, payment.H5},
		Faults:   weChatFaults(),
		Pay: func(t *testing.T, tradeNo string) {
			t.Helper()
			if _, err := s.WeChatPay().Pay(wechatpaysim.PayRequest{OutTradeNo: tradeNo, Result: wechatpaysim.PaySuccess}); err != nil {
				t.Fatal(err)
			}
		},
		Settle: func(t *testing.T, refundNo string, state payment.RefundState) {
			t.Helper()
			control(t, "POST", "/wechatpay/refunds/"+refundNo+"/settle", map[string]any{"outcome": map[payment.RefundState]string{
				payment.RefundReportedSucceeded: wechatpaysim.OutcomeSuccess, payment.RefundReportedAbnormal: wechatpaysim.OutcomeAbnormal,
				payment.RefundReportedClosed: wechatpaysim.OutcomeClosed,
			}[state]})
		},
		Break: func(t *testing.T, tradeNo string, f channeltest.Fault) (heal func()) {
			t.Helper()
			rule := map[string]any{"provider": wechatpaysim.Name, "operation": operations[f.Operation], "match": map[string]any{"out_trade_no": tradeNo}}
			maps.Copy(rule, f.Rule)
			var added struct {
				ID string `json:"id"`
			}
			if err := json.Unmarshal(control(t, "POST", "/faults", rule), &added); err != nil {
				t.Fatal(err)
			}
			return func() { control(t, "DELETE", "/faults/"+added.ID, nil) }
		},
	}
}

// weChatFaults crosses every operation with everything that can go wrong with it. A rate limit costs its seconds, and
// journeys meet it at the others.
func weChatFaults() []channeltest.Fault {
	unknown := []payment.Outcome{payment.Unknown}
	notDone := []payment.Outcome{payment.Unknown, payment.Retry}
	rules := []struct {
		name     string
		rule     map[string]any
		executed bool
		allowed  []payment.Outcome
	}{
		{"Refuse", map[string]any{"effect": "refuse"}, false, notDone},
		{"LoseRequest", map[string]any{"effect": "lose_request"}, false, unknown},
		{"LoseAnswer", map[string]any{"effect": "lose_answer"}, true, unknown},
		{"Status500Executed", map[string]any{"effect": "status", "status": 500, "executed": true}, true, unknown},
		{"Status500NotExecuted", map[string]any{"effect": "status", "status": 500}, false, unknown},
		{"Status502NotExecuted", map[string]any{"effect": "status", "status": 502}, false, unknown},
		{"Status503Executed", map[string]any{"effect": "status", "status": 503, "executed": true}, true, unknown},
		{"RateLimit", map[string]any{"effect": "rate_limit"}, false, []payment.Outcome{payment.Retry}},
		{"BadSignature", map[string]any{"effect": "bad_signature"}, true, unknown},
		{"Probe", map[string]any{"effect": "probe"}, true, unknown},
		{"StaleTimestamp", map[string]any{"effect": "stale_timestamp"}, true, unknown},
		{"UnknownSerial", map[string]any{"effect": "unknown_serial"}, true, unknown},
		{"Truncate", map[string]any{"effect": "truncate"}, true, unknown},
		{"HTMLExecuted", map[string]any{"effect": "html", "executed": true}, true, unknown},
		{"HTMLNotExecuted", map[string]any{"effect": "html"}, false, unknown},
		{"NoContentExecuted", map[string]any{"effect": "html", "status": 204, "executed": true}, true, unknown},
		{"NoContentNotExecuted", map[string]any{"effect": "html", "status": 204}, false, unknown},
		{"NotEnough", map[string]any{"effect": "status", "status": 403, "code": "NOT_ENOUGH"}, false, []payment.Outcome{payment.Retry}},
		{"NoAuth", map[string]any{"effect": "status", "status": 403, "code": "NO_AUTH"}, false, []payment.Outcome{payment.Refused}},
	}
	var all []channeltest.Fault
	for _, operation := range []string{"place", "query", "close", "refund", "query refund"} {
		for _, r := range rules {
			if moves := operation == "place" || operation == "refund"; r.name == "RateLimit" && !moves {
				continue
			}
			all = append(all, channeltest.Fault{Name: r.name, Operation: operation, Rule: r.rule, Executed: r.executed, Allowed: r.allowed})
		}
		all = append(all, channeltest.Fault{
			Name: "Timeout", Operation: operation, Rule: map[string]any{"effect": "delay", "delay": "1500ms"}, Within: time.Second, Allowed: unknown,
		})
	}
	return all
}
