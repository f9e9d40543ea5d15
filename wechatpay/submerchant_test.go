package wechatpay

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

const (
	testSubMchID = "1900000109"
	testSubAppID = "wx1111111111111111"
)

func subMerchantOf(t testing.TB, client *Client, sub SubMerchant) *Client {
	t.Helper()
	partner, err := client.ForSubMerchant(sub)
	if err != nil {
		t.Fatal(err)
	}
	return partner
}

func partnerOrderAnswer(spMchID, subMchID string) string {
	return fmt.Sprintf(`{"sp_appid":"wx8888888888888888","sp_mchid":%q,"sub_appid":"wx1111111111111111","sub_mchid":%q,"out_trade_no":"VEC20240601000001",
"transaction_id":"4200002222202406011234567890","trade_state":"SUCCESS","payer":{"sp_openid":"o1","sub_openid":"o2"},"amount":{"total":100,"currency":"CNY"}}`, spMchID, subMchID)
}

func partnerRefundAnswer(subMchID string) string {
	return strings.Replace(refundAnswer, "{", fmt.Sprintf(`{"sub_mchid":%q,`, subMchID), 1)
}

// What each operation puts on the wire in partner mode.
func TestPartnerRequestsOnTheWire(t *testing.T) {
	t.Parallel()
	const parties = `"sp_appid":"wx8888888888888888","sp_mchid":"1900009191","sub_appid":"wx1111111111111111","sub_mchid":"1900000109"`
	const order = `"description":"d","out_trade_no":"ORDER1","notify_url":"https://pay.example.com/n","amount":{"total":1}`
	native := NativeRequest{
		AppID: testAppID, Description: "d", OutTradeNo: "ORDER1", NotifyURL: "https://pay.example.com/n", Amount: Amount{Total: 1},
	}
	jsapi := JSAPIRequest{
		AppID: testAppID, Description: "d", OutTradeNo: "ORDER1", NotifyURL: "https://pay.example.com/n", Amount: Amount{Total: 1},
	}
	withPayer := func(payer Payer) JSAPIRequest {
		request := jsapi
		request.Payer = payer
		return request
	}
	cases := []struct {
		name, method, target, body, answer string
		status                             int
		run                                func(*Client) error
	}{
		{
			"PrepayNative", "POST", "/v3/pay/partner/transactions/native", `{` + parties + `,` + order + `}`, codeURLAnswer, 200,
			func(c *Client) error { _, err := c.PrepayNative(t.Context(), native); return err },
		},
		{
			"PrepayApp", "POST", "/v3/pay/partner/transactions/app", `{` + parties + `,` + order + `}`, `{"prepay_id":"wx1"}`, 200,
			func(c *Client) error { _, err := c.PrepayApp(t.Context(), AppRequest(native)); return err },
		},
		{
			"PrepayJSAPIByServiceProvidersOpenID", "POST", "/v3/pay/partner/transactions/jsapi",
			`{` + parties + `,` + order + `,"payer":{"sp_openid":"o1"}}`, `{"prepay_id":"wx1"}`, 200,
			func(c *Client) error {
				_, err := c.PrepayJSAPI(t.Context(), withPayer(Payer{OpenID: "o1"}))
				return err
			},
		},
		{
			"PrepayJSAPIBySubMerchantsOpenID", "POST", "/v3/pay/partner/transactions/jsapi",
			`{` + parties + `,` + order + `,"payer":{"sub_openid":"o2"}}`, `{"prepay_id":"wx1"}`, 200,
			func(c *Client) error {
				_, err := c.PrepayJSAPI(t.Context(), withPayer(Payer{SubOpenID: "o2"}))
				return err
			},
		},
		{
			"PrepayH5", "POST", "/v3/pay/partner/transactions/h5",
			`{` + parties + `,` + order + `,"scene_info":{"payer_client_ip":"192.0.2.1","h5_info":{"type":"Wap"}}}`,
			`{"h5_url":"https://wx.tenpay.com/x"}`, 200,
			func(c *Client) error {
				_, err := c.PrepayH5(t.Context(), H5Request{
					AppID: testAppID, Description: "d", OutTradeNo: "ORDER1", NotifyURL: "https://pay.example.com/n", Amount: Amount{Total: 1},
					SceneInfo: H5SceneInfo{PayerClientIP: "192.0.2.1", H5Info: H5Info{Type: "Wap"}},
				})
				return err
			},
		},
		{
			"QueryOrderByOutTradeNo", "GET",
			"/v3/pay/partner/transactions/out-trade-no/VEC20240601000001?sp_mchid=1900009191&sub_mchid=1900000109", "",
			partnerOrderAnswer(testMchID, testSubMchID), 200,
			func(c *Client) error {
				_, err := c.QueryOrderByOutTradeNo(t.Context(), "VEC20240601000001")
				return err
			},
		},
		{
			"QueryOrderByTransactionID", "GET",
			"/v3/pay/partner/transactions/id/4200002222202406011234567890?sp_mchid=1900009191&sub_mchid=1900000109", "",
			partnerOrderAnswer(testMchID, testSubMchID), 200,
			func(c *Client) error {
				_, err := c.QueryOrderByTransactionID(t.Context(), "4200002222202406011234567890")
				return err
			},
		},
		{
			"CloseOrder", "POST", "/v3/pay/partner/transactions/out-trade-no/VEC20240601000001/close",
			`{"sp_mchid":"1900009191","sub_mchid":"1900000109"}`, "", 204,
			func(c *Client) error { return c.CloseOrder(t.Context(), "VEC20240601000001") },
		},
		{
			"CreateRefund", "POST", "/v3/refund/domestic/refunds",
			`{"sub_mchid":"1900000109","out_trade_no":"VEC20240601000001","out_refund_no":"VECR@1|2*3","reason":"退货","amount":{"refund":40,"total":100,"currency":"CNY"}}`,
			refundAnswer, 200,
			func(c *Client) error { _, err := c.CreateRefund(t.Context(), refundRequest()); return err },
		},
		{
			"QueryRefund", "GET", "/v3/refund/domestic/refunds/VECR@1%7C2%2A3?sub_mchid=1900000109", "", partnerRefundAnswer(testSubMchID), 200,
			func(c *Client) error { _, err := c.QueryRefund(t.Context(), "VECR@1|2*3"); return err },
		},
		{
			"ApplyAbnormalRefund", "POST", "/v3/refund/domestic/refunds/50300002222024060112345678901/apply-abnormal-refund",
			`{"sub_mchid":"1900000109","out_refund_no":"VECR@1|2*3","type":"MERCHANT_BANK_CARD"}`, refundAnswer, 200,
			func(c *Client) error {
				_, err := c.ApplyAbnormalRefund(t.Context(), AbnormalRefundRequest{
					RefundID: "50300002222024060112345678901", OutRefundNo: "VECR@1|2*3", Type: AbnormalRefundMerchantBankCard,
				})
				return err
			},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, _ int) { p.reply(w, c.status, c.answer) })
			client := subMerchantOf(t, clientOf(t, p), SubMerchant{MchID: testSubMchID, AppID: testSubAppID})
			if err := c.run(client); err != nil {
				t.Fatal(err)
			}
			if r := p.received()[0]; r.Method != c.method || r.RequestURI != c.target || string(r.body) != c.body {
				t.Errorf("got %s %s %s", r.Method, r.RequestURI, r.body)
			}
		})
	}
}

func TestAnswerAboutAnotherSubMerchantIsUnknown(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]struct{ order, refund string }{
		"AnotherSubMerchant":     {partnerOrderAnswer(testMchID, "1900000110"), partnerRefundAnswer("1900000110")},
		"AnotherServiceProvider": {partnerOrderAnswer("1900009192", testSubMchID), partnerRefundAnswer("1900000110")},
		"AMerchantsOwnOrder":     {orderAnswer("VEC20240601000001"), partnerRefundAnswer(testMchID)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, func(p *provider, w http.ResponseWriter, r receivedRequest, _ int) {
				if strings.Contains(r.RequestURI, "/refunds") {
					p.reply(w, 200, answer.refund)
					return
				}
				p.reply(w, 200, answer.order)
			})
			client := subMerchantOf(t, clientOf(t, p), SubMerchant{MchID: testSubMchID})
			if _, err := client.QueryOrderByOutTradeNo(t.Context(), "VEC20240601000001"); OutcomeOf(err) != OutcomeUnknown || !errors.Is(err, ErrMalformed) {
				t.Errorf("order: got %v", err)
			}
			if _, err := client.CreateRefund(t.Context(), refundRequest()); OutcomeOf(err) != OutcomeUnknown || !errors.Is(err, ErrMalformed) {
				t.Errorf("refund: got %v", err)
			}
		})
	}
}

func TestPartnerOrderIsNoAnswerToAMerchant(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(p *provider, w http.ResponseWriter, r receivedRequest, _ int) {
		if strings.Contains(r.RequestURI, "/refunds") {
			p.reply(w, 200, partnerRefundAnswer(testSubMchID))
			return
		}
		p.reply(w, 200, partnerOrderAnswer(testMchID, testSubMchID))
	})
	client := clientOf(t, p)
	if _, err := client.QueryOrderByOutTradeNo(t.Context(), "VEC20240601000001"); !errors.Is(err, ErrMalformed) {
		t.Errorf("order: got %v", err)
	}
	if _, err := client.QueryRefund(t.Context(), "VECR@1|2*3"); !errors.Is(err, ErrMalformed) {
		t.Errorf("refund: got %v", err)
	}
}

func TestSubMerchantMistakesAreNamed(t *testing.T) {
	t.Parallel()
	client := newClient(t, testConfig(t))
	for name, c := range map[string]struct {
		sub   SubMerchant
		field string
	}{
		"NoNumber":                    {SubMerchant{}, "SubMerchant.MchID"},
		"NumberWithLetters":           {SubMerchant{MchID: "mch1"}, "SubMerchant.MchID"},
		"TheServiceProvidersOwn":      {SubMerchant{MchID: testMchID}, "SubMerchant.MchID"},
		"AppIDThatIsTooLong":          {SubMerchant{MchID: testSubMchID, AppID: strings.Repeat("w", 33)}, "SubMerchant.AppID"},
		"AppIDThatIsNoUTF8":           {SubMerchant{MchID: testSubMchID, AppID: "\xff"}, "SubMerchant.AppID"},
		"NumberLongerThanThirtyTwoIs": {SubMerchant{MchID: strings.Repeat("1", 33)}, "SubMerchant.MchID"},
	} {
		_, err := client.ForSubMerchant(c.sub)
		if fields := fieldsOf(err); len(fields) != 1 || fields[0] != c.field || OutcomeOf(err) != OutcomeRefused {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestPartnerPayerMistakesAreNamed(t *testing.T) {
	t.Parallel()
	merchant := newClient(t, testConfig(t))
	withoutApp := subMerchantOf(t, merchant, SubMerchant{MchID: testSubMchID})
	for name, c := range map[string]struct {
		client *Client
		payer  Payer
		appID  string
		field  string
	}{
		"NoPayer":                        {withoutApp, Payer{}, testAppID, "payer.sp_openid"},
		"SubOpenIDWithoutSubMerchantApp": {withoutApp, Payer{SubOpenID: "o2"}, testAppID, "payer.sub_openid"},
		"SubOpenIDOfAMerchant":           {merchant, Payer{OpenID: "o1", SubOpenID: "o2"}, testAppID, "payer.sub_openid"},
		"NoAppID":                        {withoutApp, Payer{OpenID: "o1"}, "", "sp_appid"},
	} {
		_, err := c.client.PrepayJSAPI(t.Context(), JSAPIRequest{
			AppID: c.appID, Description: "d", OutTradeNo: "ORDER1", NotifyURL: "https://pay.example.com/n", Amount: Amount{Total: 1}, Payer: c.payer,
		})
		if fields := fieldsOf(err); len(fields) != 1 || fields[0] != c.field || OutcomeOf(err) != OutcomeRefused {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestAppIsInvokedInTheNameOfItsMerchant(t *testing.T) {
	t.Parallel()
	partner := subMerchantOf(t, newClient(t, testConfig(t)), SubMerchant{MchID: testSubMchID, AppID: testSubAppID})
	for appID, want := range map[string]string{testAppID: testMchID, testSubAppID: testSubMchID} {
		in, err := partner.SignApp(appID, "wx201410272009395522657a690389285100")
		if err != nil || in.PartnerID != want || in.AppID != appID {
			t.Errorf("%s: got %+v, %v", appID, in, err)
		}
	}
}

func TestPartnerNotificationIsTyped(t *testing.T) {
	t.Parallel()
	client := subMerchantOf(t, vectorClient(t), SubMerchant{MchID: testSubMchID})
	key := signingKey{testPublicKeyID, privateKey(t, "wechatpay_pubkey_mode_private_key.pem")}
	n, err := client.ParseNotification(notificationRequest(t, key, vectorClock(), EventTransactionSuccess, "transaction", partnerOrderAnswer(testMchID, testSubMchID)))
	if err != nil {
		t.Fatal(err)
	}
	order, ok := n.Order()
	if !ok || order.SpMchID != testMchID || order.SubMchID != testSubMchID || order.SpAppID != testAppID || order.SubAppID != testSubAppID ||
		order.Payer.SpOpenID != "o1" || order.Payer.SubOpenID != "o2" {
		t.Errorf("got %+v", order)
	}
}
