package wechatpay

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

const otherMchID = "1900009192"

func subOrderRequests() []SubOrderRequest {
	return []SubOrderRequest{
		{MchID: testMchID, OutTradeNo: "VECC20240601000001A", Description: "茶", Attach: "shop-1", Amount: CombineAmount{TotalAmount: 60}},
		{MchID: otherMchID, OutTradeNo: "VECC20240601000001B", Description: "杯", Attach: "shop-2", Amount: CombineAmount{TotalAmount: 40}},
	}
}

func combineRequest() CombineNativeRequest {
	return CombineNativeRequest{
		CombineAppID: testAppID, CombineOutTradeNo: "VECC20240601000001", NotifyURL: "https://pay.example.com/n",
		SubOrders: subOrderRequests(),
	}
}

func combineCloseRequest() CombineCloseRequest {
	return CombineCloseRequest{
		CombineAppID: testAppID, CombineOutTradeNo: "VECC20240601000001",
		SubOrders: []CombineCloseSubOrder{
			{MchID: testMchID, OutTradeNo: "VECC20240601000001A"}, {MchID: otherMchID, OutTradeNo: "VECC20240601000001B"},
		},
	}
}

const subOrdersOnTheWire = `"sub_orders":[{"mchid":"1900009191","out_trade_no":"VECC20240601000001A","amount":{"total_amount":60,"currency":"CNY"},"attach":"shop-1","description":"茶"},` +
	`{"mchid":"1900009192","out_trade_no":"VECC20240601000001B","amount":{"total_amount":40,"currency":"CNY"},"attach":"shop-2","description":"杯"}]`

func combineAnswer(number CombineOutTradeNo) string {
	return fmt.Sprintf(`{"combine_appid":"wx8888888888888888","combine_mchid":"1900009191","combine_out_trade_no":%q,
"combine_payer_info":{"openid":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},"scene_info":{"device_id":"D1"},"new_field":{"a":1},"sub_orders":[
{"mchid":"1900009191","out_trade_no":"VECC20240601000001A","transaction_id":"4200002222202406011234567891","trade_type":"JSAPI","trade_state":"SUCCESS",
"bank_type":"OTHERS","attach":"shop-1","success_time":"2024-06-01T08:00:30.123Z","amount":{"total_amount":60,"payer_amount":50,"currency":"CNY","payer_currency":"CNY","settlement_rate":100000000},
"promotion_detail":[{"coupon_id":"1","amount":10}]},
{"mchid":"1900009192","out_trade_no":"VECC20240601000001B","trade_state":"NOTPAY","success_time":"","amount":{"total_amount":40,"currency":"CNY"}}]}`, number)
}

func TestCombineRequestsOnTheWire(t *testing.T) {
	t.Parallel()
	expire := time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)
	cases := []struct {
		name, method, target, body, answer string
		status                             int
		run                                func(*Client) error
	}{
		{
			"PrepayCombineNative", "POST", "/v3/combine-transactions/native",
			`{"combine_appid":"wx8888888888888888","combine_mchid":"1900009191","combine_out_trade_no":"VECC20240601000001",` + subOrdersOnTheWire + `,"notify_url":"https://pay.example.com/n"}`,
			codeURLAnswer, 200,
			func(c *Client) error { _, err := c.PrepayCombineNative(t.Context(), combineRequest()); return err },
		},
		{
			"PrepayCombineApp", "POST", "/v3/combine-transactions/app",
			`{"combine_appid":"wx8888888888888888","combine_mchid":"1900009191","combine_out_trade_no":"VECC20240601000001","scene_info":{"payer_client_ip":"192.0.2.1","device_id":"D1"},` + subOrdersOnTheWire + `,"time_expire":"2024-06-01T08:00:00+08:00","notify_url":"https://pay.example.com/n"}`,
			`{"prepay_id":"wx1"}`, 200,
			func(c *Client) error {
				r := combineRequest()
				r.TimeExpire, r.SceneInfo = expire, &CombineSceneInfo{PayerClientIP: "192.0.2.1", DeviceID: "D1"}
				_, err := c.PrepayCombineApp(t.Context(), CombineAppRequest(r))
				return err
			},
		},
		{
			"PrepayCombineJSAPI", "POST", "/v3/combine-transactions/jsapi",
			`{"combine_appid":"wx8888888888888888","combine_mchid":"1900009191","combine_out_trade_no":"VECC20240601000001",` + subOrdersOnTheWire + `,"combine_payer_info":{"openid":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},"notify_url":"https://pay.example.com/n"}`,
			`{"prepay_id":"wx1"}`, 200,
			func(c *Client) error {
				_, err := c.PrepayCombineJSAPI(t.Context(), CombineJSAPIRequest{
					CombineAppID: testAppID, CombineOutTradeNo: "VECC20240601000001", NotifyURL: "https://pay.example.com/n",
					SubOrders: subOrderRequests(), CombinePayerInfo: CombinePayerInfo{OpenID: "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
				})
				return err
			},
		},
		{
			"PrepayCombineH5", "POST", "/v3/combine-transactions/h5",
			`{"combine_appid":"wx8888888888888888","combine_mchid":"1900009191","combine_out_trade_no":"VECC20240601000001","scene_info":{"payer_client_ip":"192.0.2.1","device_id":"D1","h5_info":{"type":"Wap"}},` + subOrdersOnTheWire + `,"notify_url":"https://pay.example.com/n"}`,
			`{"h5_url":"https://wx.tenpay.com/x"}`, 200,
			func(c *Client) error {
				_, err := c.PrepayCombineH5(t.Context(), CombineH5Request{
					CombineAppID: testAppID, CombineOutTradeNo: "VECC20240601000001", NotifyURL: "https://pay.example.com/n", SubOrders: subOrderRequests(),
					SceneInfo: CombineH5SceneInfo{PayerClientIP: "192.0.2.1", DeviceID: "D1", H5Info: H5Info{Type: "Wap"}},
				})
				return err
			},
		},
		{
			"PartnerMode", "POST", "/v3/combine-transactions/jsapi",
			`{"combine_appid":"wx8888888888888888","combine_mchid":"1900009191","combine_out_trade_no":"VECC20240601000001","sub_orders":[{"mchid":"1900009191","sub_mchid":"1900009299","sub_appid":"wx9999999999999999","out_trade_no":"VECC20240601000001A","amount":{"total_amount":60,"currency":"CNY"},"attach":"a","description":"d","goods_tag":"g","settle_info":{"profit_sharing":true}}],"combine_payer_info":{"sub_openid":"oSub"},"notify_url":"https://pay.example.com/n"}`,
			`{"prepay_id":"wx1"}`, 200,
			func(c *Client) error {
				_, err := c.PrepayCombineJSAPI(t.Context(), CombineJSAPIRequest{
					CombineAppID: testAppID, CombineOutTradeNo: "VECC20240601000001", NotifyURL: "https://pay.example.com/n",
					SubOrders: []SubOrderRequest{{
						SubMchID: "1900009299", SubAppID: "wx9999999999999999", OutTradeNo: "VECC20240601000001A", Attach: "a", Description: "d",
						GoodsTag: "g", SettleInfo: &SettleInfo{ProfitSharing: true}, Amount: CombineAmount{TotalAmount: 60, Currency: "CNY"},
					}},
					CombinePayerInfo: CombinePayerInfo{SubOpenID: "oSub"},
				})
				return err
			},
		},
		{
			"QueryCombineOrder", "GET", "/v3/combine-transactions/out-trade-no/VECC%7C01%2A02", "", combineAnswer("VECC|01*02"), 200,
			func(c *Client) error { _, err := c.QueryCombineOrder(t.Context(), "VECC|01*02"); return err },
		},
		{
			"CloseCombineOrder", "POST", "/v3/combine-transactions/out-trade-no/VECC20240601000001/close",
			`{"combine_appid":"wx8888888888888888","sub_orders":[{"mchid":"1900009191","out_trade_no":"VECC20240601000001A"},{"mchid":"1900009192","out_trade_no":"VECC20240601000001B"}]}`, "", 204,
			func(c *Client) error { return c.CloseCombineOrder(t.Context(), combineCloseRequest()) },
		},
		{
			"CloseCombineOrderInPartnerMode", "POST", "/v3/combine-transactions/out-trade-no/VECC20240601000001/close",
			`{"combine_appid":"wx8888888888888888","sub_orders":[{"mchid":"1900009191","out_trade_no":"VECC20240601000001A","sub_mchid":"1900009299","sub_appid":"wx9999999999999999"}]}`, "", 204,
			func(c *Client) error {
				return c.CloseCombineOrder(t.Context(), CombineCloseRequest{
					CombineAppID: testAppID, CombineOutTradeNo: "VECC20240601000001",
					SubOrders: []CombineCloseSubOrder{{OutTradeNo: "VECC20240601000001A", SubMchID: "1900009299", SubAppID: "wx9999999999999999"}},
				})
			},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, _ int) { p.reply(w, c.status, c.answer) })
			if err := c.run(clientOf(t, p)); err != nil {
				t.Fatal(err)
			}
			r := p.received()[0]
			if r.Method != c.method || r.RequestURI != c.target || string(r.body) != c.body {
				t.Errorf("got %s %s %s", r.Method, r.RequestURI, r.body)
			}
		})
	}
}

func TestCombineQueryAnswerIsTyped(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, _ int) {
		p.reply(w, 200, combineAnswer("VECC20240601000001"))
	})
	order, err := clientOf(t, p).QueryCombineOrder(t.Context(), "VECC20240601000001")
	if err != nil {
		t.Fatal(err)
	}
	if order.CombineAppID != testAppID || order.CombineMchID != testMchID || order.CombinePayerInfo.OpenID == "" || order.SceneInfo.DeviceID != "D1" || len(order.SubOrders) != 2 {
		t.Fatalf("got %+v", order)
	}
	paid, unpaid := order.SubOrders[0], order.SubOrders[1]
	if paid.TradeState != TradeStateSuccess || paid.Amount != (SubOrderAmount{60, 50, "CNY", "CNY", 1e8}) || len(paid.PromotionDetail) != 1 ||
		!paid.SuccessTime.Equal(time.Date(2024, 6, 1, 8, 0, 30, 123e6, time.UTC)) {
		t.Errorf("got %+v", paid)
	}
	if unpaid.TradeState != TradeStateNotPay || unpaid.TransactionID != "" || !unpaid.SuccessTime.IsZero() || unpaid.Amount.TotalAmount != 40 {
		t.Errorf("got %+v", unpaid)
	}
}

func TestCombineAnswerThatIsNotWhatWasAskedForIsUnknown(t *testing.T) {
	t.Parallel()
	good := combineAnswer("VECC20240601000001")
	for name, answer := range map[string]string{
		"AnotherNumber":        combineAnswer("ANOTHER1"),
		"AnotherInitiator":     strings.Replace(good, `"combine_mchid":"1900009191"`, `"combine_mchid":"1900009192"`, 1),
		"NoSubOrders":          `{"combine_mchid":"1900009191","combine_out_trade_no":"VECC20240601000001","sub_orders":[]}`,
		"SubOrderWithoutState": strings.Replace(good, `"trade_state":"NOTPAY"`, `"trade_state":""`, 1),
		"SubOrderNull":         `{"combine_mchid":"1900009191","combine_out_trade_no":"VECC20240601000001","sub_orders":[null]}`,
		"PlainOrder":           orderAnswer("VECC20240601000001"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, _ int) { p.reply(w, 200, answer) })
			order, err := clientOf(t, p).QueryCombineOrder(t.Context(), "VECC20240601000001")
			if order != nil || OutcomeOf(err) != OutcomeUnknown || !errors.Is(err, ErrMalformed) {
				t.Errorf("got %+v, %v", order, err)
			}
		})
	}
}

func TestClosingAClosedCombinedPaymentIsNoError(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(_ *provider, w http.ResponseWriter, _ receivedRequest, _ int) {
		refuse(w, http.StatusBadRequest, "ORDER_CLOSED")
	})
	if err := clientOf(t, p).CloseCombineOrder(t.Context(), combineCloseRequest()); err != nil {
		t.Error(err)
	}
}

// The first try was done and its answer lost; the refusal of the second proves nothing.
func TestCombineRefusalAfterALostAnswerIsUnknown(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(*Client) error{
		"Prepay": func(c *Client) error { _, err := c.PrepayCombineNative(t.Context(), combineRequest()); return err },
		"Close":  func(c *Client) error { return c.CloseCombineOrder(t.Context(), combineCloseRequest()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, func(_ *provider, w http.ResponseWriter, _ receivedRequest, n int) {
				if n == 1 {
					w.WriteHeader(http.StatusBadGateway)
					return
				}
				refuse(w, http.StatusBadRequest, CodeInvalidRequest)
			})
			if err := run(clientOf(t, p)); OutcomeOf(err) != OutcomeUnknown || CodeOf(err) != CodeInvalidRequest {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestCombineRequestsTheProviderAlwaysRefusesAreNotSent(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(*provider, http.ResponseWriter, receivedRequest, int) { t.Error("a request was sent") })
	client := clientOf(t, p)
	native := func(change func(*CombineNativeRequest)) func() error {
		return func() error {
			r := combineRequest()
			change(&r)
			_, err := client.PrepayCombineNative(t.Context(), r)
			return err
		}
	}
	sub := func(change func(*SubOrderRequest)) func() error {
		return native(func(r *CombineNativeRequest) { change(&r.SubOrders[1]) })
	}
	many := func(n int, subMchID string) func() error {
		return native(func(r *CombineNativeRequest) {
			first := r.SubOrders[0]
			first.SubMchID, r.SubOrders = subMchID, nil
			for i := range n {
				first.OutTradeNo = fmt.Sprintf("ORDER%d", 100+i)
				r.SubOrders = append(r.SubOrders, first)
			}
		})
	}
	jsapi := func(payer CombinePayerInfo) func() error {
		return func() error {
			r := combineRequest()
			_, err := client.PrepayCombineJSAPI(t.Context(), CombineJSAPIRequest{
				CombineAppID: r.CombineAppID, CombineOutTradeNo: r.CombineOutTradeNo, NotifyURL: r.NotifyURL, SubOrders: r.SubOrders, CombinePayerInfo: payer,
			})
			return err
		}
	}
	closing := func(change func(*CombineCloseRequest)) func() error {
		return func() error {
			r := combineCloseRequest()
			change(&r)
			return client.CloseCombineOrder(t.Context(), r)
		}
	}
	partner := subMerchantOf(t, client, SubMerchant{MchID: "1900009299"})
	cases := []struct {
		name, field string
		run         func() error
	}{
		{"NoAppID", "combine_appid", native(func(r *CombineNativeRequest) { r.CombineAppID = "" })},
		{"ShortNumber", "combine_out_trade_no", native(func(r *CombineNativeRequest) { r.CombineOutTradeNo = "12345" })},
		{"NumberWithOtherCharacter", "combine_out_trade_no", native(func(r *CombineNativeRequest) { r.CombineOutTradeNo = "CART@1" })},
		{"NoNotifyURL", "notify_url", native(func(r *CombineNativeRequest) { r.NotifyURL = "" })},
		{"NoSubOrder", "sub_orders", many(0, "")},
		{"OneSubOrder", "sub_orders", many(1, "")},
		{"ElevenSubOrders", "sub_orders", many(11, "")},
		{"FiftyOneSubOrdersOfAPartner", "sub_orders", many(51, "1900009299")},
		{"SubOrderWithoutMerchant", "sub_orders[1].mchid", sub(func(s *SubOrderRequest) { s.MchID = "" })},
		{"ModesMixed", "sub_orders[0].sub_mchid", sub(func(s *SubOrderRequest) { s.MchID, s.SubMchID = "", "1900009299" })},
		{"PartnerIsNotTheInitiator", "sub_orders[1].mchid", native(func(r *CombineNativeRequest) {
			r.SubOrders[0].SubMchID, r.SubOrders[1].SubMchID = "1900009298", "1900009299"
		})},
		{"SubAppWithoutSubMerchant", "sub_orders[1].sub_appid", sub(func(s *SubOrderRequest) { s.SubAppID = "wx9999999999999999" })},
		{"SubOrderWithShortNumber", "sub_orders[1].out_trade_no", sub(func(s *SubOrderRequest) { s.OutTradeNo = "12345" })},
		{"SameNumberOfOneMerchantTwice", "sub_orders[1].out_trade_no", native(func(r *CombineNativeRequest) { r.SubOrders[1] = r.SubOrders[0] })},
		{"ZeroAmount", "sub_orders[1].amount.total_amount", sub(func(s *SubOrderRequest) { s.Amount.TotalAmount = 0 })},
		{"HugeAmount", "sub_orders[1].amount.total_amount", sub(func(s *SubOrderRequest) { s.Amount.TotalAmount = 1_000_000_001 })},
		{"LongCurrency", "sub_orders[1].amount.currency", sub(func(s *SubOrderRequest) { s.Amount.Currency = "CNYCNYCNY" })},
		{"NoAttach", "sub_orders[1].attach", sub(func(s *SubOrderRequest) { s.Attach = "" })},
		{"NoDescription", "sub_orders[1].description", sub(func(s *SubOrderRequest) { s.Description = "" })},
		{"LongGoodsTag", "sub_orders[1].goods_tag", sub(func(s *SubOrderRequest) { s.GoodsTag = strings.Repeat("g", 33) })},
		{"SceneWithoutIP", "scene_info.payer_client_ip", native(func(r *CombineNativeRequest) { r.SceneInfo = &CombineSceneInfo{} })},
		{"LongDeviceID", "scene_info.device_id", native(func(r *CombineNativeRequest) {
			r.SceneInfo = &CombineSceneInfo{PayerClientIP: "192.0.2.1", DeviceID: strings.Repeat("d", 17)}
		})},
		{"H5WithoutType", "scene_info.h5_info.type", func() error {
			r := combineRequest()
			_, err := client.PrepayCombineH5(t.Context(), CombineH5Request{
				CombineAppID: r.CombineAppID, CombineOutTradeNo: r.CombineOutTradeNo, NotifyURL: r.NotifyURL, SubOrders: r.SubOrders,
				SceneInfo: CombineH5SceneInfo{PayerClientIP: "192.0.2.1", DeviceID: strings.Repeat("d", 32)},
			})
			return err
		}},
		{"JSAPIWithoutPayer", "combine_payer_info.openid", jsapi(CombinePayerInfo{})},
		{"PayerOfAPartnerInMerchantMode", "combine_payer_info.sub_openid", jsapi(CombinePayerInfo{SubOpenID: "oSub"})},
		{"QueryWithoutNumber", "combine_out_trade_no", func() error { _, err := client.QueryCombineOrder(t.Context(), ""); return err }},
		{"QueryWithPathInNumber", "combine_out_trade_no", func() error { _, err := client.QueryCombineOrder(t.Context(), "../native"); return err }},
		{"CloseWithoutAppID", "combine_appid", closing(func(r *CombineCloseRequest) { r.CombineAppID = "" })},
		{"CloseWithoutNumber", "combine_out_trade_no", closing(func(r *CombineCloseRequest) { r.CombineOutTradeNo = "" })},
		{"CloseOfOneSubOrder", "sub_orders", closing(func(r *CombineCloseRequest) { r.SubOrders = r.SubOrders[:1] })},
		{"CloseOfTheSameTwice", "sub_orders[1].out_trade_no", closing(func(r *CombineCloseRequest) { r.SubOrders[1] = r.SubOrders[0] })},
		{"PrepayByASubMerchantsClient", "sub_mchid", func() error { _, err := partner.PrepayCombineNative(t.Context(), combineRequest()); return err }},
		{"QueryByASubMerchantsClient", "sub_mchid", func() error { _, err := partner.QueryCombineOrder(t.Context(), "VECC20240601000001"); return err }},
		{"CloseByASubMerchantsClient", "sub_mchid", func() error { return partner.CloseCombineOrder(t.Context(), combineCloseRequest()) }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := c.run()
			fields := fieldsOf(err)
			if len(fields) != 1 || fields[0] != c.field || OutcomeOf(err) != OutcomeRefused {
				t.Errorf("got %v (%s) from %v, want %s", fields, OutcomeOf(err), err, c.field)
			}
		})
	}
}

func TestCombineRequestIsNotChanged(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, _ int) { p.reply(w, 200, codeURLAnswer) })
	r := combineRequest()
	if _, err := clientOf(t, p).PrepayCombineNative(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if r.SubOrders[0].Amount.Currency != "" {
		t.Errorf("got %+v", r.SubOrders[0])
	}
}

func TestNotificationOfACombinedPayment(t *testing.T) {
	t.Parallel()
	client := newClient(t, testConfig(t))
	for name, c := range map[string]struct{ event, original string }{
		"ByOriginalType": {EventTransactionSuccess, "transaction"},
		"ByEventType":    {EventTransactionSuccess, ""},
		"ByShape":        {"COMBINE.SUCCESS", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, err := client.ParseNotification(notificationRequest(t, publicKeyMode(t), time.Now(), c.event, c.original, combineAnswer("VECC1")))
			if err != nil {
				t.Fatal(err)
			}
			order, ok := n.CombineOrder()
			if !ok || order.CombineOutTradeNo != "VECC1" || len(order.SubOrders) != 2 || order.SubOrders[1].Amount.TotalAmount != 40 {
				t.Fatalf("got %+v", order)
			}
			order.SubOrders[1].Amount.TotalAmount = 1
			if again, _ := n.CombineOrder(); again.SubOrders[1].Amount.TotalAmount != 40 {
				t.Error("a notification was changed from outside")
			}
			if _, ok := n.Order(); ok {
				t.Error("a combined payment is an order")
			}
		})
	}
}

// Half of a combined payment must not be stored, and what says it is combined is no order.
func TestNotificationOfAnIncompleteCombinedPaymentIsRaw(t *testing.T) {
	t.Parallel()
	client := newClient(t, testConfig(t))
	for name, plaintext := range map[string]string{
		"NoSubOrders":          `{"combine_out_trade_no":"VECC1","sub_orders":[]}`,
		"SubOrderWithoutState": strings.Replace(combineAnswer("VECC1"), `"trade_state":"NOTPAY",`, "", 1),
		"AmountAsText":         strings.Replace(combineAnswer("VECC1"), `"total_amount":40`, `"total_amount":"40"`, 1),
		"LooksLikeAnOrderToo":  `{"combine_out_trade_no":"VECC1","out_trade_no":"VEC1","trade_state":"SUCCESS"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, err := client.ParseNotification(notificationRequest(t, publicKeyMode(t), time.Now(), EventTransactionSuccess, "transaction", plaintext))
			if err != nil {
				t.Fatal(err)
			}
			_, isOrder := n.Order()
			_, isCombineOrder := n.CombineOrder()
			if isOrder || isCombineOrder || string(n.Plaintext()) != plaintext {
				t.Errorf("got order %v, combine order %v", isOrder, isCombineOrder)
			}
		})
	}
}

func TestNullCombineNumberLeavesAnOrder(t *testing.T) {
	t.Parallel()
	plaintext := strings.Replace(orderAnswer("VEC1"), "{", `{"combine_out_trade_no":null,`, 1)
	n, err := newClient(t, testConfig(t)).ParseNotification(
		notificationRequest(t, publicKeyMode(t), time.Now(), EventTransactionSuccess, "transaction", plaintext))
	if err != nil {
		t.Fatal(err)
	}
	if order, ok := n.Order(); !ok || order.OutTradeNo != "VEC1" {
		t.Errorf("got %+v", order)
	}
}
