package journeys_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/control"
	"github.com/tongbao-pay/tongbao/sandbox/journal"
	"github.com/tongbao-pay/tongbao/sandbox/wechatpaysim"
)

// provider drives the sandbox as a tester in any language would: over its control API.
type provider struct {
	control.Client

	t *testing.T
}

// object is JSON for the control API.
type object map[string]any

// providerOrder is the provider's truth about an order.
type providerOrder struct {
	OutTradeNo    string `json:"out_trade_no"`
	TransactionID string `json:"transaction_id"`
	TradeState    string `json:"trade_state"`
	NotifyURL     string `json:"notify_url"`
	Notifications []struct {
		ID    string `json:"id"`
		State string `json:"state"`
		Sends int    `json:"sends"`
	} `json:"notifications"`
}

// pays lets the payer of an order pay.
func (p provider) pays(tradeNo string) providerOrder {
	p.t.Helper()
	return p.acts(object{"out_trade_no": tradeNo, "result": "success"})
}

func (p provider) acts(how object) (o providerOrder) {
	p.t.Helper()
	p.must(http.MethodPost, "/wechatpay/pay", how, &o)
	if how["result"] == "success" && o.TradeState != "SUCCESS" {
		p.t.Fatalf("the payer paid, but the provider's order is %s", o.TradeState)
	}
	return o
}

func (p provider) order(tradeNo string) (o providerOrder) {
	p.t.Helper()
	p.must(http.MethodGet, "/wechatpay/orders/"+url.PathEscape(tradeNo), nil, &o)
	return o
}

func (p provider) books() (b wechatpaysim.Books) {
	p.t.Helper()
	p.must(http.MethodGet, "/wechatpay/books", nil, &b)
	return b
}

func (p provider) advance(d time.Duration) {
	p.t.Helper()
	p.must(http.MethodPost, "/clock/advance", object{"duration": d.String()}, nil)
}

// fault arms a failure.
func (p provider) fault(rule object) {
	p.t.Helper()
	rule["provider"] = "wechatpay"
	p.must(http.MethodPost, "/faults", rule, nil)
}

func (p provider) set(settings object) {
	p.t.Helper()
	p.must(http.MethodPost, "/wechatpay/settings", settings, nil)
}

func (p provider) funds(action string, amount int64) {
	p.t.Helper()
	p.must(http.MethodPost, "/wechatpay/funds", object{"action": action, "amount": amount}, nil)
}

// journal lists what the provider received and sent, oldest first; filters are pairs of name and value.
func (p provider) journal(filters ...string) []journal.Entry {
	p.t.Helper()
	query := url.Values{}
	for i := 0; i < len(filters); i += 2 {
		query.Set(filters[i], filters[i+1])
	}
	var page struct {
		Entries []journal.Entry `json:"entries"`
	}
	p.must(http.MethodGet, "/journal?"+query.Encode(), nil, &page)
	return page.Entries
}

func (p provider) must(method, path string, body, into any) {
	p.t.Helper()
	if err := p.call(method, path, body, into); err != nil {
		p.t.Fatal(err)
	}
}

// call is for many goroutines at once.
func (p provider) call(method, path string, body, into any) error {
	return p.Call(p.t.Context(), method, path, body, into)
}

// refundSettles is more than a refund takes at the provider.
const refundSettles = time.Minute
