package sandbox_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox"
)

func TestControlErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.native("ORDER0001", 1)
	cases := []struct {
		name, method, path string
		body               any
		status             int
		field              string
	}{
		{"unknown call", "GET", "/nothing", nil, 404, ""},
		{"unknown provider call", "GET", "/wechatpay/nothing", nil, 404, ""},
		{"not JSON", "POST", "/wechatpay/pay", "{", 400, ""},
		{"two values", "POST", "/wechatpay/pay", `{"result":"success"} {}`, 400, ""},
		{"unknown field", "POST", "/wechatpay/pay", object{"amount": 1}, 400, "amount"},
		{"wrong type", "POST", "/wechatpay/pay", object{"result": 1}, 400, "result"},
		{"unknown result", "POST", "/wechatpay/pay", object{"out_trade_no": "ORDER0001", "result": "pay"}, 400, "result"},
		{"no order named", "POST", "/wechatpay/pay", object{"result": "success"}, 400, ""},
		{"two names", "POST", "/wechatpay/pay", object{"out_trade_no": "ORDER0001", "prepay_id": "x", "result": "success"}, 400, ""},
		{"coupon over the amount", "POST", "/wechatpay/pay", object{"out_trade_no": "ORDER0001", "result": "success", "coupon": 2}, 400, "coupon"},
		{"unknown order", "POST", "/wechatpay/pay", object{"out_trade_no": "ORDER0009", "result": "success"}, 404, ""},
		{"large body", "POST", "/wechatpay/pay", strings.Repeat(" ", 65<<10), 413, ""},
		{"order", "GET", "/wechatpay/orders/ORDER0009", nil, 404, ""},
		{"refund", "GET", "/wechatpay/refunds/REFUND9", nil, 404, ""},
		{"settle outcome", "POST", "/wechatpay/refunds/REFUND9/settle", object{"outcome": "PAID"}, 400, "outcome"},
		{"clock backwards", "POST", "/clock/advance", object{"duration": "-1s"}, 400, "duration"},
		{"clock without unit", "POST", "/clock/advance", object{"duration": "15"}, 400, ""},
		{"clock number", "POST", "/clock/advance", object{"duration": 15}, 400, ""},
		{"fault provider", "POST", "/faults", object{"operation": "prepay", "effect": "delay", "delay": "1s"}, 400, "provider"},
		{"fault operation", "POST", "/faults", object{"provider": "wechatpay", "operation": "pay", "effect": "delay"}, 400, "operation"},
		{"fault effect", "POST", "/faults", object{"provider": "wechatpay", "operation": "prepay", "effect": "explode"}, 400, "effect"},
		{"fault effect of notifications", "POST", "/faults", object{"provider": "wechatpay", "operation": "prepay", "effect": "withhold"}, 400, "effect"},
		{"fault probability", "POST", "/faults", object{"provider": "wechatpay", "operation": "prepay", "effect": "status", "probability": 2}, 400, "probability"},
		{"fault delay", "POST", "/faults", object{"provider": "wechatpay", "operation": "prepay", "effect": "delay"}, 400, "delay"},
		{"fault status", "POST", "/faults", object{"provider": "wechatpay", "operation": "prepay", "effect": "status", "status": 200}, 400, "status"},
		{"fault times", "POST", "/faults", object{"provider": "wechatpay", "operation": "prepay", "effect": "status", "times": -1}, 400, "times"},
		{"fault copies", "POST", "/faults", object{"provider": "wechatpay", "operation": "notify/*", "effect": "duplicate", "copies": 1}, 400, "copies"},
		{"fault id", "DELETE", "/faults/flt_9", nil, 404, "id"},
		{"journal filter", "GET", "/journal?order=1", nil, 400, "order"},
		{"journal number", "GET", "/journal?after=-1", nil, 400, "after"},
		{"setting", "POST", "/wechatpay/settings", object{"verify_mode": "both"}, 400, "verify_mode"},
		{"setting rate", "POST", "/wechatpay/settings", object{"probe_rate_answers": 1.5}, 400, "probe_rate_answers"},
		{"setting host", "POST", "/wechatpay/settings", object{"hosts": object{"third": object{"state": "up"}}}, 400, "hosts"},
		{"setting host state", "POST", "/wechatpay/settings", object{"hosts": object{"backup": object{"state": "off"}}}, 400, "hosts.backup.state"},
		{"setting address", "POST", "/wechatpay/settings", object{"refund_notify_url": "nowhere"}, 400, "refund_notify_url"},
		{"rotation without overlap", "POST", "/wechatpay/certificates/rotate", object{"sign_after": "2h", "drop_old_after": "1h"}, 400, "drop_old_after"},
		{"funds action", "POST", "/wechatpay/funds", object{"action": "steal", "amount": 1}, 409, "action"},
		{"funds amount", "POST", "/wechatpay/funds", object{"action": "settle", "amount": -1}, 400, "amount"},
		{"funds beyond the balance", "POST", "/wechatpay/funds", object{"action": "withdraw", "amount": 1}, 409, "amount"},
	}
	before := b.ok("GET", "/wechatpay/settings", nil)
	for _, c := range cases {
		status, answer := b.control(c.method, c.path, c.body)
		want(t, c.name+": status", status, c.status)
		if text, _ := answer["error"].(string); text == "" {
			t.Fatalf("%s: no error text in %v", c.name, answer)
		}
		field, _ := answer["field"].(string)
		want(t, c.name+": field", field, c.field)
	}
	want(t, "settings after refused changes", b.ok("GET", "/wechatpay/settings", nil), before)
}

func TestControlIsLocal(t *testing.T) {
	t.Parallel()

	t.Run("OtherHostNamesAreRefused", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		r, err := http.NewRequest(http.MethodGet, b.sandbox.ControlURL()+"/clock", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "evil.example.com"
		want(t, "status", status(t, r), 403)
	})

	t.Run("OtherSitesArePreventedFromWriting", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for _, address := range []string{b.sandbox.ControlURL() + "/reset", b.sandbox.PhoneURL() + "/pay"} {
			r, err := http.NewRequest(http.MethodPost, address, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Origin", "https://evil.example.com")
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			want(t, "status of "+address, status(t, r), 403)
		}
	})

	t.Run("ARefusedSiteIsToldInJSON", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		r, err := http.NewRequest(http.MethodPost, b.sandbox.ControlURL()+"/reset", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		want(t, "status", response.StatusCode, 403)
		if text, ok := b.decode(body)["error"].(string); !ok || text == "" {
			t.Fatalf("answered %s", body)
		}
	})

	t.Run("OtherAddressesCannotBeConfigured", func(t *testing.T) {
		t.Parallel()
		for _, c := range []sandbox.Config{{Control: "0.0.0.0:0"}, {Control: "192.168.1.5:0"}, {Listen: "nowhere"}, {Public: "phone"}} {
			if _, err := sandbox.Open(c); err == nil {
				t.Fatalf("%+v was accepted", c)
			}
		}
	})

	t.Run("ProtocolControlAndPhoneNeverMix", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for address, wanted := range map[string]int{
			b.sandbox.URL() + "/clock": 401, b.sandbox.URL() + "/pay": 401,
			b.sandbox.ControlURL() + "/v3/certificates": 404, b.sandbox.PhoneURL() + "/v3/certificates": 404, b.sandbox.PhoneURL() + "/clock": 404,
		} {
			r, err := http.NewRequest(http.MethodGet, address, nil)
			if err != nil {
				t.Fatal(err)
			}
			want(t, "status of "+address, status(t, r), wanted)
		}
	})
}

func status(t *testing.T, r *http.Request) int {
	t.Helper()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

func TestClockAndJournal(t *testing.T) {
	t.Parallel()

	t.Run("TheClockRunsAheadByWhatItWasMoved", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.advance(90 * time.Minute)
		state := b.ok("GET", "/clock", nil)
		want(t, "offset", state["offset"], "1h30m0s")
		if ahead := time.Until(b.sandbox.Now()); ahead < 89*time.Minute || ahead > 91*time.Minute {
			t.Fatalf("ahead by %v", ahead)
		}
	})

	t.Run("TheJournalIsFilteredAndPolled", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.paid("ORDER0001", 1)
		b.paid("ORDER0002", 1)
		b.settledAfter("ORDER0002", 1)
		want(t, "of one order", len(b.journal("out_trade_no=ORDER0001")), 2)
		want(t, "prepays", len(b.journal("operation=prepay")), 2)
		want(t, "newest", b.journal("operation=prepay&limit=1")[0]["out_trade_no"], "ORDER0002")
		page := b.ok("GET", "/journal", nil)
		last := page["last"].(float64)
		want(t, "later ones", len(b.journal("after="+strings.TrimSuffix(time.Duration(last).String(), "ns"))), 0)
		entry := b.journal("operation=prepay")[0]
		want(t, "signature", entry["signature"], "valid")
		want(t, "status", entry["status"], 200)
		if !strings.HasSuffix(entry["request_id"].(string), "-0") {
			t.Fatalf("request_id %v", entry["request_id"])
		}
	})

	t.Run("ResetForgetsEverythingButTheIdentities", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.paid("ORDER0001", 1)
		b.settings(object{"fee_rate": 0, "hosts": object{"backup": object{"state": "down"}}})
		b.fault(object{"operation": "prepay", "effect": "status"})
		b.ok("POST", "/wechatpay/certificates/rotate", nil)
		b.advance(time.Hour)
		b.ok("POST", "/reset", nil)
		want(t, "orders", b.books()["orders"], 0)
		want(t, "faults", len(b.ok("GET", "/faults", nil)["faults"].([]any)), 0)
		want(t, "journal", len(b.journal("")), 0)
		want(t, "offset", b.ok("GET", "/clock", nil)["offset"], "0s")
		want(t, "fee_rate", b.ok("GET", "/wechatpay/settings", nil)["fee_rate"], 60)
		b.merchant.base = b.sandbox.BackupURL()
		b.native("ORDER0001", 2)
		serials, _ := b.certificates()
		want(t, "certificates", serials, []string{b.sandbox.Credentials().WeChatPay.PlatformSerialNo})
	})
}

func TestTLSServesTheProvidersRealNames(t *testing.T) {
	t.Parallel()
	c := config(newDir(t))
	c.TLS = ":0"
	b := run(t, c)
	credentials := b.sandbox.Credentials()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(credentials.PEM(credentials.CAFile))
	target, err := url.Parse(credentials.TLSURL)
	if err != nil {
		t.Fatal(err)
	}
	b.merchant.client = &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, target.Host)
		},
	}}
	for host, name := range map[string]string{"api.mch.weixin.qq.com": "primary", "api2.mch.weixin.qq.com": "backup"} {
		b.merchant.base = "https://" + host
		b.native("ORDER0001", 1)
		entries := b.journal("operation=prepay&limit=1")
		want(t, "host", entries[0]["host"], name)
	}
	body := b.prepayBody("ORDER0002", 1)
	body["scene_info"] = object{"payer_client_ip": "203.0.113.8", "h5_info": object{"type": "Wap"}}
	h5URL := b.merchant.must("POST", h5Path, body).text("h5_url")
	if !strings.HasPrefix(h5URL, "https://wx.tenpay.com/") {
		t.Fatalf("h5_url %q", h5URL)
	}
	response, err := b.merchant.client.Get(h5URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	want(t, "phone page", response.StatusCode, 200)
}
