package wechatpay

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func codePayRequest() CodePayRequest {
	return CodePayRequest{
		AppID: testAppID, Description: "一杯茶", OutTradeNo: "CODE20240601000001", AuthCode: "131234567890123456",
		Amount: Amount{Total: 100}, SceneInfo: CodePaySceneInfo{StoreInfo: CodePayStoreInfo{OutID: "S1"}},
	}
}

func codePayAnswer(state TradeState) string {
	return fmt.Sprintf(`{"appid":"wx8888888888888888","mchid":"1900009191","out_trade_no":"CODE20240601000001","trade_type":"MICROPAY","trade_state":%q,"amount":{"total":100}}`, state)
}

const reverseAnswer = `{"appid":"wx8888888888888888","mchid":"1900009191","out_trade_no":"CODE20240601000001"}`

func codepayConfig(c *Config) { c.CodepayV3 = true }

func TestCodePayOnTheWire(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(p *provider, w http.ResponseWriter, r receivedRequest, _ int) {
		switch {
		case strings.HasSuffix(r.RequestURI, "/reverse"):
			p.reply(w, 200, reverseAnswer)
		case strings.Contains(r.RequestURI, "/partner/"):
			p.reply(w, 200, strings.Replace(partnerOrderAnswer(testMchID, testSubMchID), "VEC20240601000001", "CODE20240601000001", 1))
		default:
			p.reply(w, 200, codePayAnswer(TradeStateSuccess))
		}
	})
	client := clientOf(t, p, codepayConfig)
	request := codePayRequest()
	request.Attach, request.GoodsTag, request.SupportFapiao = "a", "g", true
	request.SceneInfo = CodePaySceneInfo{StoreInfo: CodePayStoreInfo{ID: "1", OutID: "S1"}, DeviceID: "D1", DeviceIP: "192.0.2.1"}
	request.Detail = &CodePayDetail{GoodsDetail: []CodePayGoodsDetail{{MerchantGoodsID: "1", WxpayGoodsID: "w", Quantity: 1, UnitPrice: 1}}}
	request.SettleInfo = &SettleInfo{ProfitSharing: true}
	order, err := client.CodePay(t.Context(), request)
	if err != nil || order.TradeState != TradeStateSuccess || order.TradeType != TradeTypeMicropay {
		t.Fatalf("got %+v, %v", order, err)
	}
	partner := subMerchantOf(t, client, SubMerchant{MchID: testSubMchID})
	if _, err := partner.CodePay(t.Context(), codePayRequest()); err != nil {
		t.Fatal(err)
	}
	if err := client.ReverseOrder(t.Context(), ReverseRequest{AppID: testAppID, OutTradeNo: "CODE20240601000001"}); err != nil {
		t.Fatal(err)
	}
	if err := partner.ReverseOrder(t.Context(), ReverseRequest{AppID: testAppID, OutTradeNo: "CODE20240601000001"}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`POST /v3/pay/transactions/codepay {"appid":"wx8888888888888888","mchid":"1900009191","description":"一杯茶","out_trade_no":"CODE20240601000001","attach":"a","goods_tag":"g","support_fapiao":true,"payer":{"auth_code":"131234567890123456"},"amount":{"total":100},"scene_info":{"store_info":{"id":"1","out_id":"S1"},"device_id":"D1","device_ip":"192.0.2.1"},"detail":{"goods_detail":[{"merchant_goods_id":"1","wxpay_goods_id":"w","quantity":1,"unit_price":1}]},"settle_info":{"profit_sharing":true}}`,
		`POST /v3/pay/partner/transactions/codepay {"sp_appid":"wx8888888888888888","sp_mchid":"1900009191","sub_mchid":"1900000109","description":"一杯茶","out_trade_no":"CODE20240601000001","payer":{"auth_code":"131234567890123456"},"amount":{"total":100},"scene_info":{"store_info":{"out_id":"S1"}}}`,
		`POST /v3/pay/transactions/out-trade-no/CODE20240601000001/reverse {"appid":"wx8888888888888888","mchid":"1900009191"}`,
		`POST /v3/pay/partner/transactions/out-trade-no/CODE20240601000001/reverse {"sp_appid":"wx8888888888888888","sp_mchid":"1900009191","sub_mchid":"1900000109"}`,
	}
	for i, r := range p.received() {
		if got := r.Method + " " + r.RequestURI + " " + string(r.body); got != want[i] {
			t.Errorf("got  %s\nwant %s", got, want[i])
		}
	}
}

func TestCodePayWithoutPermissionNamesTheOtherPackage(t *testing.T) {
	t.Parallel()
	client := newClient(t, testConfig(t))
	_, pay := client.CodePay(t.Context(), codePayRequest())
	_, flow := client.PayByCode(t.Context(), codePayRequest())
	reverse := client.ReverseOrder(t.Context(), ReverseRequest{AppID: testAppID, OutTradeNo: "CODE20240601000001"})
	for _, err := range []error{pay, flow, reverse} {
		if OutcomeOf(err) != OutcomeRefused || !strings.Contains(err.Error(), "wechatpay/v2") || !strings.Contains(err.Error(), "CodepayV3") {
			t.Errorf("got %v", err)
		}
	}
}

func TestCodePayAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		answer  func(*provider, http.ResponseWriter)
		state   TradeState
		outcome Outcome
		is      error
	}{
		{"Paying", func(p *provider, w http.ResponseWriter) { p.reply(w, 200, codePayAnswer(TradeStateUserPaying)) }, TradeStateUserPaying, 0, nil},
		{"PayingInOlderWords", func(p *provider, w http.ResponseWriter) { p.reply(w, 202, `{"code":"USERPAYING"}`) }, TradeStateUserPaying, 0, nil},
		{"Failed", func(p *provider, w http.ResponseWriter) { p.reply(w, 200, codePayAnswer(TradeStatePayError)) }, TradeStatePayError, 0, nil},
		{"PayersBalanceShortIsRefused", func(_ *provider, w http.ResponseWriter) { refuse(w, 403, CodeNotEnough) }, "", OutcomeRefused, nil},
		{"RefusedCode", func(_ *provider, w http.ResponseWriter) { refuse(w, 400, CodeInvalidRequest) }, "", OutcomeRefused, nil},
		{"SystemErrorIsNotRepeated", func(_ *provider, w http.ResponseWriter) { refuse(w, 500, CodeSystemError) }, "", OutcomeUnknown, nil},
		{"AboutAnotherOrder", func(p *provider, w http.ResponseWriter) { p.reply(w, 200, orderAnswer("ANOTHER1")) }, "", OutcomeUnknown, ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, _ int) { c.answer(p, w) })
			order, err := clientOf(t, p, codepayConfig).CodePay(t.Context(), codePayRequest())
			if len(p.received()) != 1 {
				t.Errorf("sent %d times", len(p.received()))
			}
			if c.state != "" {
				if err != nil || order.TradeState != c.state || order.OutTradeNo != "CODE20240601000001" || order.MchID != testMchID {
					t.Errorf("got %+v, %v", order, err)
				}
				return
			}
			if err == nil || OutcomeOf(err) != c.outcome || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestCodePayMistakesAreNamed(t *testing.T) {
	t.Parallel()
	client := newClient(t, func() Config { c := testConfig(t); c.CodepayV3 = true; return c }())
	for field, change := range map[string]func(*CodePayRequest){
		"appid":                    func(r *CodePayRequest) { r.AppID = "" },
		"description":              func(r *CodePayRequest) { r.Description = "" },
		"out_trade_no":             func(r *CodePayRequest) { r.OutTradeNo = "short" },
		"payer.auth_code":          func(r *CodePayRequest) { r.AuthCode = "weixin://wxpay" },
		"amount.total":             func(r *CodePayRequest) { r.Amount.Total = 0 },
		"scene_info.store_info":    func(r *CodePayRequest) { r.SceneInfo.StoreInfo = CodePayStoreInfo{} },
		"scene_info.device_ip":     func(r *CodePayRequest) { r.SceneInfo.DeviceIP = "localhost" },
		"detail":                   func(r *CodePayRequest) { r.Detail = manyGoods() },
		"detail.invoice_id":        func(r *CodePayRequest) { r.Detail = &CodePayDetail{InvoiceID: strings.Repeat("1", 33)} },
		"scene_info.device_id":     func(r *CodePayRequest) { r.SceneInfo.DeviceID = strings.Repeat("1", 33) },
		"attach":                   func(r *CodePayRequest) { r.Attach = "😀" },
		"scene_info.store_info.id": func(r *CodePayRequest) { r.SceneInfo.StoreInfo.ID = strings.Repeat("1", 33) },
	} {
		request := codePayRequest()
		change(&request)
		_, err := client.CodePay(t.Context(), request)
		if fields := fieldsOf(err); len(fields) != 1 || fields[0] != field || OutcomeOf(err) != OutcomeRefused {
			t.Errorf("%s: got %v", field, err)
		}
	}
	err := client.ReverseOrder(t.Context(), ReverseRequest{})
	if got := strings.Join(fieldsOf(err), " "); got != "appid out_trade_no" && got != "appid out_trade_no out_trade_no" {
		t.Errorf("reverse: got %s", got)
	}
}

func manyGoods() *CodePayDetail {
	detail := &CodePayDetail{}
	for range 40 {
		detail.GoodsDetail = append(detail.GoodsDetail, CodePayGoodsDetail{
			MerchantGoodsID: "1", GoodsName: strings.Repeat("g", 200), Quantity: 1, UnitPrice: 1,
		})
	}
	return detail
}

func TestPaymentCodeIsNotPrinted(t *testing.T) {
	t.Parallel()
	if text := fmt.Sprintf("%+v %v %#v", codePayRequest(), codePayRequest(), codePayRequest()); strings.Contains(text, "131234567890123456") {
		t.Errorf("got %s", text)
	}
}

// step is one answer of the provider in a scripted flow: to "codepay", "query" or "reverse".
type step struct {
	call   string
	status int
	body   string
}

func codepay(status int, body string) step { return step{"codepay", status, body} }
func query(state TradeState) step          { return step{"query", 200, codePayAnswer(state)} }
func queryRefused(status int) step         { return step{"query", status, `{"code":"ORDER_NOT_EXIST"}`} }

func otherPrice(state TradeState) string {
	return strings.Replace(codePayAnswer(state), `"total":100`, `"total":1`, 1)
}

const systemError = `{"code":"SYSTEM_ERROR"}`

// What PayByCode asks, when, and what it makes of the answers.
func TestPayByCode(t *testing.T) {
	t.Parallel()
	paying := codepay(200, codePayAnswer(TradeStateUserPaying))
	sixTimesPaying := []step{
		query(TradeStateUserPaying), query(TradeStateUserPaying), query(TradeStateUserPaying),
		query(TradeStateUserPaying), query(TradeStateUserPaying), query(TradeStateUserPaying),
	}
	reversed := step{"reverse", 200, reverseAnswer}
	for _, c := range []struct {
		name    string
		steps   []step
		paid    bool
		outcome Outcome
		notPaid bool
		took    time.Duration
	}{
		{"PaidAtOnce", []step{codepay(200, codePayAnswer(TradeStateSuccess))}, true, 0, false, 0},
		{"RefusedAtOnce", []step{codepay(400, `{"code":"INVALID_REQUEST"}`)}, false, OutcomeRefused, false, 0},
		{"FailedAtOnce", []step{codepay(200, codePayAnswer(TradeStatePayError))}, false, OutcomeRefused, true, 0},
		{"PaidAfterThePassword", []step{paying, query(TradeStateUserPaying), query(TradeStateSuccess)}, true, 0, false, 10 * time.Second},
		{"FailedAfterThePassword", []step{paying, query(TradeStatePayError)}, false, OutcomeRefused, true, 5 * time.Second},
		{"PaidAtTheLastQuery", append(append([]step{paying}, sixTimesPaying[:5]...), query(TradeStateSuccess)), true, 0, false, 30 * time.Second},
		{"AnswerLostButPaid", []step{codepay(500, systemError), query(TradeStateSuccess)}, true, 0, false, 5 * time.Second},
		{"RequestThatArrivedLate", []step{codepay(500, systemError), queryRefused(404), query(TradeStateSuccess)}, true, 0, false, 10 * time.Second},
		{"NotPaidInTimeIsReversed", append(append([]step{paying}, sixTimesPaying...), reversed), false, OutcomeRefused, true, 30 * time.Second},
		{
			"ReverseIsRepeated",
			append(append([]step{paying}, sixTimesPaying...), step{"reverse", 429, `{"code":"FREQUENCY_LIMITED"}`}, query(TradeStateUserPaying), reversed),
			false, OutcomeRefused, true, 35 * time.Second,
		},
		{
			"PaidWhenItWasToBeReversed",
			append(append([]step{paying}, sixTimesPaying...), step{"reverse", 400, `{"code":"INVALID_REQUEST"}`}, query(TradeStateSuccess)),
			true, 0, false, 30 * time.Second,
		},
		{
			"ReversedButAnswerLost",
			append(append([]step{paying}, sixTimesPaying...), step{"reverse", 500, systemError}, query(TradeStateRevoked)),
			false, OutcomeRefused, true, 30 * time.Second,
		},
		{
			"NeverArrived",
			[]step{
				codepay(500, systemError), queryRefused(404), queryRefused(404), queryRefused(404), queryRefused(404), queryRefused(404), queryRefused(404),
				{"reverse", 404, `{"code":"ORDER_NOT_EXIST"}`},
			},
			false, OutcomeRefused, true, 30 * time.Second,
		},
		{
			"PaidBeforeTheRestart", // of the till, which takes the payment up again under its number
			[]step{codepay(400, `{"code":"ORDERPAID"}`), query(TradeStateSuccess)},
			true, 0, false, 0,
		},
		{
			"PaidBeforeTheRestartWithAnotherCode",
			[]step{codepay(403, `{"code":"OUT_TRADE_NO_USED"}`), query(TradeStateUserPaying), query(TradeStateSuccess)},
			true, 0, false, 5 * time.Second,
		},
		{
			"NumberInUseThatNoOrderHasIsRefused",
			[]step{codepay(403, `{"code":"OUT_TRADE_NO_USED"}`), queryRefused(404)},
			false, OutcomeRefused, false, 0,
		},
		{
			"NumberInUseOfAFailedPaymentIsRefused",
			[]step{codepay(403, `{"code":"OUT_TRADE_NO_USED"}`), query(TradeStatePayError)},
			false, OutcomeRefused, true, 0,
		},
		{
			"NumberInUseWhoseQueryIsLostIsAskedAgain",
			[]step{codepay(400, `{"code":"ORDERPAID"}`), {"query", 500, systemError}, query(TradeStateSuccess)},
			true, 0, false, 5 * time.Second,
		},
		{
			"PaidAtAnotherPriceIsUnknown",
			[]step{codepay(500, systemError), {"query", 200, otherPrice(TradeStateSuccess)}},
			false, OutcomeUnknown, false, 5 * time.Second,
		},
		{
			"AnOrderOfAnotherPriceIsNotReversed",
			[]step{codepay(403, `{"code":"OUT_TRADE_NO_USED"}`), {"query", 200, otherPrice(TradeStateUserPaying)}},
			false, OutcomeUnknown, false, 0,
		},
		{
			"AnswerAtAnotherPriceIsUnknown",
			[]step{codepay(200, otherPrice(TradeStateSuccess))},
			false, OutcomeUnknown, false, 0,
		},
		{
			"ReverseThatComesToNoEndIsUnknown",
			append(append([]step{paying}, sixTimesPaying...),
				step{"reverse", 500, systemError}, query(TradeStateUserPaying), step{"reverse", 500, systemError}, query(TradeStateUserPaying),
				step{"reverse", 500, systemError}, query(TradeStateUserPaying), step{"reverse", 500, systemError}, query(TradeStateUserPaying),
				step{"reverse", 500, systemError}, query(TradeStateUserPaying), step{"reverse", 500, systemError}, query(TradeStateUserPaying)),
			false, OutcomeUnknown, false, 60 * time.Second,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client, left := scripted(t, c.steps)
				began := time.Now()
				order, err := client.PayByCode(t.Context(), codePayRequest())
				if took := time.Since(began); took != c.took || len(*left) != 0 {
					t.Errorf("took %s, want %s; left %v", took, c.took, *left)
				}
				if c.paid {
					if err != nil || order.TradeState != TradeStateSuccess {
						t.Errorf("got %+v, %v", order, err)
					}
					return
				}
				if order != nil || err == nil || OutcomeOf(err) != c.outcome || errors.Is(err, ErrNotPaid) != c.notPaid {
					t.Errorf("got %+v, %v", order, err)
				}
			})
		})
	}
}

// A cashier who gives up must be told that the order is still to be reversed.
func TestPayByCodeGivenUpIsUnknown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, _ := scripted(t, []step{codepay(200, codePayAnswer(TradeStateUserPaying)), query(TradeStateUserPaying)})
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		_, err := client.PayByCode(ctx, codePayRequest())
		if OutcomeOf(err) != OutcomeUnknown || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "reverse") {
			t.Errorf("got %v", err)
		}
	})
}

// scripted is a client whose provider answers with the steps, each once whatever is repeated inside a call.
func scripted(t *testing.T, steps []step) (*Client, *[]step) {
	t.Helper()
	left := &steps
	config := testConfig(t)
	config.CodepayV3, config.Now = true, vectorClock
	key := signingKey{testPublicKeyID, privateKey(t, "wechatpay_pubkey_mode_private_key.pem")}
	tries := 0
	config.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		call := "query"
		switch {
		case strings.HasSuffix(r.URL.Path, "/codepay"):
			call = "codepay"
		case strings.HasSuffix(r.URL.Path, "/reverse"):
			call = "reverse"
		}
		if len(*left) == 0 || (*left)[0].call != call {
			t.Errorf("%s was not due: %v", call, *left)
			return nil, errors.New("not due")
		}
		now := (*left)[0]
		tries++
		repeated := now.status >= 500 && call != "codepay" || now.status == http.StatusTooManyRequests
		if !repeated || tries == triesMax {
			*left, tries = (*left)[1:], 0
		}
		answer := jsonAnswer(now.status, now.body)
		if now.status < 300 {
			answer.Header = header(signatureHeaders(t, key, vectorClock(), []byte(now.body)))
		}
		return answer, nil
	})
	return newClient(t, config), left
}
