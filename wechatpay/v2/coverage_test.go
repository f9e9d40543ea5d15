package wechatpayv2

import (
	"context"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

var (
	methodOfClient         = regexp.MustCompile("`v2\\.Client\\.(\\w+)`")
	accessorOfNotification = regexp.MustCompile("`v2\\.Notification\\.(\\w+)`")
)

// coveragePage is docs/wechatpay-coverage.md, and the paths that it says each method posts to, by the method's name.
func coveragePage(t *testing.T) (text string, paths map[string][]string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/wechatpay-coverage.md")
	if err != nil {
		t.Fatal(err)
	}
	paths = map[string][]string{}
	for line := range strings.Lines(string(page)) {
		path, isPost := strings.CutPrefix(line, "| `POST ")
		if !isPost {
			continue
		}
		cells := strings.Split(path, " | ")
		if len(cells) != 5 {
			t.Fatalf("not five cells: %s", line)
		}
		for _, method := range methodOfClient.FindAllStringSubmatch(cells[2], -1) {
			if cells[1] != "same" {
				t.Errorf("APIv2 has the same paths in partner mode: %s", line)
			}
			paths[method[1]] = append(paths[method[1]], strings.TrimSuffix(cells[0], "`"))
		}
	}
	return string(page), paths
}

// coverageCalls calls each method that takes a context with as little as it takes. What comes back does not matter.
func coverageCalls() map[string]func(context.Context, *Client) {
	number := OrderQuery{OutTradeNo: "ORDER0001"}
	return map[string]func(context.Context, *Client){
		"MicroPay":      func(ctx context.Context, c *Client) { _, _ = c.MicroPay(ctx, microPayRequest()) },
		"MicroPayToEnd": func(ctx context.Context, c *Client) { _, _ = c.MicroPayToEnd(ctx, microPayRequest()) },
		"QueryOrder":    func(ctx context.Context, c *Client) { _, _ = c.QueryOrder(ctx, number) },
		"Reverse":       func(ctx context.Context, c *Client) { _, _ = c.Reverse(ctx, number) },
		"ReverseToEnd":  func(ctx context.Context, c *Client) { _ = c.ReverseToEnd(ctx, number.OutTradeNo) },
		"CreateRefund":  func(ctx context.Context, c *Client) { _, _ = c.CreateRefund(ctx, refundRequest()) },
		"QueryRefund": func(ctx context.Context, c *Client) {
			_, _ = c.QueryRefund(ctx, RefundQuery{OutRefundNo: "REFUND0001"})
		},
		"CloseOrder":       func(ctx context.Context, c *Client) { _ = c.CloseOrder(ctx, number.OutTradeNo) },
		"AuthCodeToOpenID": func(ctx context.Context, c *Client) { _, _ = c.AuthCodeToOpenID(ctx, "130000000000000000") },
		"DownloadBill": func(ctx context.Context, c *Client) {
			_, _ = c.DownloadBill(ctx, wechatpay.TradeBillRequest{BillDate: "2024-05-31"})
		},
		"PlaceUnifiedOrder": func(ctx context.Context, c *Client) {
			_, _ = c.PlaceUnifiedOrder(ctx, UnifiedOrderRequest{
				TradeType: TradeTypeApp, OutTradeNo: number.OutTradeNo, Body: "一杯茶", TotalFee: 1, SpbillCreateIP: "203.0.113.8", NotifyURL: "https://pay.example.com/n",
			})
		},
	}
}

func TestCoverageNamesWhatEachMethodSends(t *testing.T) {
	t.Parallel()
	_, want := coveragePage(t)
	calls := coverageCalls()
	for method := range reflect.TypeFor[*Client]().Methods() {
		if method.Type.NumIn() < 2 || method.Type.In(1) != reflect.TypeFor[context.Context]() || method.Name == "Do" {
			continue
		}
		if calls[method.Name] == nil {
			t.Errorf("Client.%s is not called here: add it, and its rows to docs/wechatpay-coverage.md", method.Name)
		}
	}
	for _, sub := range []wechatpay.SubMerchant{{}, {MchID: "1900009292"}} {
		for method, call := range calls {
			synctest.Test(t, func(t *testing.T) { // MicroPayToEnd waits for a payer
				p := newProvider(t, func(r request, _ int) (Fields, error) { return refused(r, CodeUserPaying), nil })
				call(t.Context(), newClient(t, testConfig(p)).ForSubMerchant(sub))
				got := slices.Compact(slices.Sorted(slices.Values(p.paths())))
				slices.Sort(want[method])
				if !slices.Equal(got, want[method]) {
					t.Errorf("v2.Client.%s posts to %q, the page says %q", method, got, want[method])
				}
			})
		}
	}
}

func TestCoverageSendsByDoWhatHasNoMethod(t *testing.T) {
	t.Parallel()
	_, paths := coveragePage(t)
	if len(paths["Do"]) == 0 {
		t.Fatal("no endpoint is reached by v2.Client.Do")
	}
	for _, path := range paths["Do"] {
		p := newProvider(t, func(r request, _ int) (Fields, error) { return refused(r, CodeUserPaying), nil })
		_, _ = newClient(t, testConfig(p)).Do(t.Context(), Request{Path: path})
		if got := p.paths(); !slices.Equal(got, []string{path}) {
			t.Errorf("v2.Client.Do posts to %q for %s", got, path)
		}
	}
}

func TestCoverageNamesTheMethodsThereAre(t *testing.T) {
	t.Parallel()
	text, _ := coveragePage(t)
	named := func(pattern *regexp.Regexp) map[string]bool {
		names := map[string]bool{}
		for _, method := range pattern.FindAllStringSubmatch(text, -1) {
			names[method[1]] = true
		}
		return names
	}
	methods, accessors := map[string]bool{}, map[string]bool{}
	for method := range reflect.TypeFor[*Client]().Methods() {
		methods[method.Name] = true
	}
	for method := range reflect.TypeFor[*Notification]().Methods() {
		if method.Type.NumOut() == 2 && method.Type.Out(1).Kind() == reflect.Bool {
			accessors[method.Name] = true
		}
	}
	if got := named(methodOfClient); !maps.Equal(got, methods) {
		t.Errorf("the page names %v, there are %v", got, methods)
	}
	if got := named(accessorOfNotification); !maps.Equal(got, accessors) {
		t.Errorf("the page names %v, there are %v", got, accessors)
	}
}
