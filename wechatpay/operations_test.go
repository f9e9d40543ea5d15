package wechatpay

import (
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

type brokenSigner struct{ crypto.Signer }

func (brokenSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("hsm is away")
}

func refundRequest() RefundRequest {
	return RefundRequest{
		OutTradeNo: "VEC20240601000001", OutRefundNo: "VECR@1|2*3", Reason: "退货",
		Amount: RefundAmount{Refund: 40, Total: 100},
	}
}

const refundAnswer = `{"refund_id":"50300002222024060112345678901","out_refund_no":"VECR@1|2*3","transaction_id":"4200002222202406011234567890",
"out_trade_no":"VEC20240601000001","channel":"ORIGINAL","user_received_account":"支付用户零钱","create_time":"2024-06-01T08:09:00+08:00","success_time":"",
"status":"PROCESSING","amount":{"total":100,"refund":40,"payer_total":100,"payer_refund":40,"currency":"CNY"},"promotion_detail":[],"new_field":{"a":1}}`

func orderAnswer(outTradeNo string) string {
	return fmt.Sprintf(`{"amount":{"currency":"CNY","payer_currency":"CNY","payer_total":90,"total":100},"appid":"wx8888888888888888","attach":"",
"bank_type":"OTHERS","mchid":"1900009191","out_trade_no":%q,"payer":{"openid":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},"promotion_detail":[],
"success_time":"2024-06-01T08:00:30.123Z","trade_state":"SUCCESS","trade_state_desc":"支付成功","trade_type":"NATIVE","transaction_id":"4200002222202406011234567890"}`, outTradeNo)
}

// What each operation puts on the wire: method, escaped target and body.
func TestRequestsOnTheWire(t *testing.T) {
	t.Parallel()
	expire := time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)
	cases := []struct {
		name, method, target, body, answer string
		status                             int
		run                                func(*Client) error
	}{
		{
			"PrepayNative", "POST", "/v3/pay/transactions/native",
			`{"appid":"wx8888888888888888","mchid":"1900009191","description":"Image形象店-深圳腾大-QQ公仔","out_trade_no":"VEC20240601000001","notify_url":"https://pay.example.com/notify/wechat","amount":{"total":100,"currency":"CNY"}}`,
			codeURLAnswer, 200,
			func(c *Client) error { _, err := c.PrepayNative(t.Context(), nativeRequest()); return err },
		},
		{
			"PrepayApp", "POST", "/v3/pay/transactions/app",
			`{"appid":"wx8888888888888888","mchid":"1900009191","description":"d","out_trade_no":"ORDER_-|*1","time_expire":"2024-06-01T08:00:00+08:00","attach":"a","notify_url":"https://pay.example.com/n","goods_tag":"g","support_fapiao":true,"amount":{"total":1},"detail":{"goods_detail":[{"merchant_goods_id":"1","quantity":1,"unit_price":1}]},"settle_info":{"profit_sharing":true},"limit_pay":["no_credit"]}`,
			`{"prepay_id":"wx1"}`, 200,
			func(c *Client) error {
				_, err := c.PrepayApp(t.Context(), AppRequest{
					AppID: testAppID, Description: "d", OutTradeNo: "ORDER_-|*1", NotifyURL: "https://pay.example.com/n",
					Amount: Amount{Total: 1}, TimeExpire: expire, Attach: "a", GoodsTag: "g", SupportFapiao: true,
					Detail:     &OrderDetail{GoodsDetail: []GoodsDetail{{MerchantGoodsID: "1", Quantity: 1, UnitPrice: 1}}},
					SettleInfo: &SettleInfo{ProfitSharing: true}, LimitPay: []string{"no_credit"},
				})
				return err
			},
		},
		{
			"PrepayJSAPI", "POST", "/v3/pay/transactions/jsapi",
			`{"appid":"wx8888888888888888","mchid":"1900009191","description":"d","out_trade_no":"ORDER1","notify_url":"http://pay.example.com/n","amount":{"total":1},"payer":{"openid":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},"scene_info":{"payer_client_ip":"2001:db8::1","store_info":{"id":"1"}}}`,
			`{"prepay_id":"wx1"}`, 200,
			func(c *Client) error {
				_, err := c.PrepayJSAPI(t.Context(), JSAPIRequest{
					AppID: testAppID, Description: "d", OutTradeNo: "ORDER1", NotifyURL: "http://pay.example.com/n",
					Amount: Amount{Total: 1}, Payer: Payer{OpenID: "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
					SceneInfo: &SceneInfo{PayerClientIP: "2001:db8::1", StoreInfo: &StoreInfo{ID: "1"}},
				})
				return err
			},
		},
		{
			"PrepayH5", "POST", "/v3/pay/transactions/h5",
			`{"appid":"wx8888888888888888","mchid":"1900009191","description":"d","out_trade_no":"ORDER1","notify_url":"https://pay.example.com/n","amount":{"total":1},"scene_info":{"payer_client_ip":"192.0.2.1","h5_info":{"type":"Wap"}}}`,
			`{"h5_url":"https://wx.tenpay.com/x"}`, 200,
			func(c *Client) error {
				_, err := c.PrepayH5(t.Context(), H5Request{
					AppID: testAppID, Description: "d", OutTradeNo: "ORDER1", NotifyURL: "https://pay.example.com/n",
					Amount: Amount{Total: 1}, SceneInfo: H5SceneInfo{PayerClientIP: "192.0.2.1", H5Info: H5Info{Type: "Wap"}},
				})
				return err
			},
		},
		{
			"QueryOrderByOutTradeNo", "GET", "/v3/pay/transactions/out-trade-no/VEC%7C01%2A02?mchid=1900009191", "", orderAnswer("VEC|01*02"), 200,
			func(c *Client) error { _, err := c.QueryOrderByOutTradeNo(t.Context(), "VEC|01*02"); return err },
		},
		{
			"QueryOrderByTransactionID", "GET", "/v3/pay/transactions/id/4200002222202406011234567890?mchid=1900009191", "", orderAnswer("VEC1"), 200,
			func(c *Client) error {
				_, err := c.QueryOrderByTransactionID(t.Context(), "4200002222202406011234567890")
				return err
			},
		},
		{
			"CloseOrder", "POST", "/v3/pay/transactions/out-trade-no/VEC20240601000001/close", `{"mchid":"1900009191"}`, "", 204,
			func(c *Client) error { return c.CloseOrder(t.Context(), "VEC20240601000001") },
		},
		{
			"CreateRefund", "POST", "/v3/refund/domestic/refunds",
			`{"out_trade_no":"VEC20240601000001","out_refund_no":"VECR@1|2*3","reason":"退货","amount":{"refund":40,"total":100,"currency":"CNY"}}`,
			refundAnswer, 200,
			func(c *Client) error { _, err := c.CreateRefund(t.Context(), refundRequest()); return err },
		},
		{
			"QueryRefund", "GET", "/v3/refund/domestic/refunds/VECR@1%7C2%2A3", "", refundAnswer, 200,
			func(c *Client) error { _, err := c.QueryRefund(t.Context(), "VECR@1|2*3"); return err },
		},
		{
			"ApplyAbnormalRefund", "POST", "/v3/refund/domestic/refunds/50300002222024060112345678901/apply-abnormal-refund",
			`{"out_refund_no":"VECR@1|2*3","type":"MERCHANT_BANK_CARD"}`, refundAnswer, 200,
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
			if err := c.run(clientOf(t, p)); err != nil {
				t.Fatal(err)
			}
			r := p.received()[0]
			if r.Method != c.method || r.RequestURI != c.target || string(r.body) != c.body {
				t.Errorf("got %s %s %s", r.Method, r.RequestURI, r.body)
			}
			if (r.Header.Get("Content-Type") != "") != (c.body != "") {
				t.Errorf("got content type %q", r.Header.Get("Content-Type"))
			}
		})
	}
}

func TestQueryAnswerIsTyped(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, _ int) {
		p.reply(w, 200, orderAnswer("VEC20240601000001"))
	})
	order, err := clientOf(t, p).QueryOrderByOutTradeNo(t.Context(), "VEC20240601000001")
	if err != nil {
		t.Fatal(err)
	}
	if order.AppID != testAppID || order.MchID != testMchID || order.TradeState != TradeStateSuccess || order.Amount.Total != 100 ||
		order.Amount.PayerTotal != 90 || order.Payer.OpenID == "" || order.TransactionID == "" ||
		!order.SuccessTime.Equal(time.Date(2024, 6, 1, 8, 0, 30, 123e6, time.UTC)) {
		t.Errorf("got %+v", order)
	}
}

func TestRefundAnswerIsTyped(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, _ int) { p.reply(w, 200, refundAnswer) })
	refund, err := clientOf(t, p).QueryRefund(t.Context(), "VECR@1|2*3")
	if err != nil || refund.Status != RefundStatusProcessing || refund.Amount.Refund != 40 || !refund.SuccessTime.IsZero() || refund.CreateTime.IsZero() {
		t.Errorf("got %+v, %v", refund, err)
	}
}

func TestAnswerAboutAnotherNumberIsUnknown(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(p *provider, w http.ResponseWriter, r receivedRequest, _ int) {
		if strings.Contains(r.RequestURI, "refunds") {
			p.reply(w, 200, refundAnswer)
			return
		}
		p.reply(w, 200, orderAnswer("ANOTHER1"))
	})
	client := clientOf(t, p)
	if _, err := client.QueryOrderByOutTradeNo(t.Context(), "VEC20240601000001"); OutcomeOf(err) != OutcomeUnknown || !errors.Is(err, ErrMalformed) {
		t.Errorf("order: got %v", err)
	}
	if _, err := client.QueryRefund(t.Context(), "R1"); OutcomeOf(err) != OutcomeUnknown || !errors.Is(err, ErrMalformed) {
		t.Errorf("refund: got %v", err)
	}
}

func TestClosingAClosedOrderIsNoError(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(_ *provider, w http.ResponseWriter, _ receivedRequest, _ int) {
		refuse(w, http.StatusBadRequest, "ORDERCLOSED")
	})
	if err := clientOf(t, p).CloseOrder(t.Context(), "VEC20240601000001"); err != nil {
		t.Error(err)
	}
}

func TestAbnormalRefundEncryptsForTheNamedKey(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, _ int) { p.reply(w, 200, refundAnswer) })
	_, err := clientOf(t, p).ApplyAbnormalRefund(t.Context(), AbnormalRefundRequest{
		RefundID: "50300002222024060112345678901", OutRefundNo: "VECR@1|2*3", Type: AbnormalRefundUserBankCard,
		BankType: "ICBC_DEBIT", BankAccount: "6222020000000000000", RealName: "张三",
	})
	if err != nil {
		t.Fatal(err)
	}
	r := p.received()[0]
	var body abnormalRefundBody
	if err := json.Unmarshal(r.body, &body); err != nil || r.Header.Get("Wechatpay-Serial") != testPublicKeyID {
		t.Fatalf("serial %s, %v", r.Header.Get("Wechatpay-Serial"), err)
	}
	receiver := &Client{core: &core{merchant: merchantKey{signer: privateKey(t, "wechatpay_pubkey_mode_private_key.pem"), suite: rsaSuite{}}}}
	account, err := receiver.DecryptSensitive(body.BankAccount)
	if err != nil || string(account) != "6222020000000000000" {
		t.Errorf("got %q, %v", string(account), err)
	}
	if name, err := receiver.DecryptSensitive(body.RealName); err != nil || string(name) != "张三" {
		t.Errorf("got %q, %v", string(name), err)
	}
}

func TestErrorHoldsWhatTheProviderSaid(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(_ *provider, w http.ResponseWriter, _ receivedRequest, _ int) {
		w.Header().Set("Request-ID", "08C6AADAAF0120BF1F28E3BE04-268498688")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"code":"INVALID_REQUEST","message":"参数不一致","detail":{"field":"/amount/total","value":"4711","issue":"differs","location":"body"}}`)
	})
	_, err := clientOf(t, p).PrepayNative(t.Context(), nativeRequest())
	provider, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	if provider.Status != 400 || provider.Code != CodeInvalidRequest || provider.Message != "参数不一致" || !provider.ParametersDiffer() ||
		provider.InternalCode() != "268498688" || provider.Field() != "/amount/total" || provider.OrderPaid() || provider.NotExist() {
		t.Errorf("got %+v", provider)
	}
	for _, want := range []string{"prepay native", "400", "INVALID_REQUEST", "/amount/total", "268498688"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %q", want, err)
		}
	}
	if strings.Contains(err.Error(), "4711") {
		t.Errorf("the value is in %q", err)
	}
}

func TestOldCodesAreNormalised(t *testing.T) {
	t.Parallel()
	for old, want := range map[string]string{
		"ORDERNOTEXIST": CodeOrderNotExist, "FREQUENCY_LIMIT": CodeFrequencyLimited, "RULELIMIT": CodeRuleLimit, "ORDERPAID": CodeOrderPaid,
		"NOAUTH": CodeNoAuth, "RATELIMIT_EXCEED": CodeRateLimitExceeded, "SYSTEMERROR": CodeSystemError, "SOMETHING_NEW": "SOMETHING_NEW", "": "",
	} {
		if got := normalCode(old); got != want {
			t.Errorf("%s: got %s, want %s", old, got, want)
		}
	}
}

func TestEveryKnownCodeIsFoundInItsOldSpelling(t *testing.T) {
	t.Parallel()
	for _, code := range []string{
		CodeParamError, CodeInvalidRequest, CodeSignError, CodeNoAuth, CodeNotEnough, CodeRuleLimit, CodeTradeError, CodeAccountError,
		CodeUserAccountAbnormal, CodeRequestBlocked, CodeAppIDMchIDNotMatch, CodeMchNotExists, CodeOpenIDMismatch, CodeOutTradeNoUsed,
		CodeOrderClosed, CodeOrderPaid, CodeOrderNotExist, CodeResourceNotExists, CodeNotFound, CodeUserPaying, CodeFrequencyLimited,
		CodeRateLimitExceeded, CodeAlreadyExists, CodeSystemError, CodeBankError, CodeServiceUnavailable, CodeStatementCreating,
	} {
		if got := normalCode(strings.ToLower(strings.ReplaceAll(code, "_", ""))); got != code {
			t.Errorf("got %s, want %s", got, code)
		}
	}
}

func TestOutcomeOfErrorsByThemselves(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, "unknown"},
		{io.EOF, "unknown"},
		{ErrSignature, "unknown"},
		{&FieldError{Field: "appid", Problem: "is required"}, "refused"},
		{fmt.Errorf("wrapped: %w", &Error{Status: 404, Code: CodeOrderNotExist}), "refused"},
		{&Error{Status: 500, Code: CodeSystemError}, "unknown"},
		{&Error{Status: 429}, "retry"},
		{fmt.Errorf("wrapped: %w", failed("x", OutcomeRetry, &Error{Status: 404, Code: CodeOrderNotExist})), "retry"},
	} {
		if got := OutcomeOf(c.err).String(); got != c.want {
			t.Errorf("%v: got %s, want %s", c.err, got, c.want)
		}
	}
}

// A refund of the number is there, perhaps of an earlier try with another reason or notify_url: it was not refused.
func TestNumberWithOtherParametersIsUnknownWhereMoneyMoves(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(_ *provider, w http.ResponseWriter, _ receivedRequest, _ int) {
		w.Header().Set("Request-ID", "08C6AADAAF0120BF1F28E3BE04-268498688")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"code":"INVALID_REQUEST"}`)
	})
	client := clientOf(t, p)
	for name, run := range map[string]func() error{
		"Refund":        func() error { _, err := client.CreateRefund(t.Context(), refundRequest()); return err },
		"ProfitSharing": func() error { _, err := client.CreateProfitSharing(t.Context(), sharingRequest()); return err },
		"ProfitSharingReturn": func() error {
			_, err := client.CreateProfitSharingReturn(t.Context(), sharingReturnRequest())
			return err
		},
		"Unfreeze": func() error {
			_, err := client.UnfreezeProfitSharing(t.Context(), ProfitSharingUnfreezeRequest{TransactionID: "42", OutOrderNo: "P1", Description: "d"})
			return err
		},
	} {
		if err := run(); OutcomeOf(err) != OutcomeUnknown || CodeOf(err) != CodeInvalidRequest {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestServerErrorDoesNotCloseAnOrder(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusFound, http.StatusInternalServerError} {
		p := newProvider(t, func(_ *provider, w http.ResponseWriter, _ receivedRequest, _ int) { refuse(w, status, "ORDER_CLOSED") })
		client := clientOf(t, p)
		for _, err := range []error{client.CloseOrder(t.Context(), "VEC001"), client.CloseCombineOrder(t.Context(), combineCloseRequest())} {
			if err == nil || OutcomeOf(err) != OutcomeUnknown {
				t.Errorf("%d: got %v", status, err)
			}
		}
	}
}

func TestPaidOrderIsRecognised(t *testing.T) {
	t.Parallel()
	for _, e := range []*Error{
		{Code: CodeOrderPaid},
		{Code: CodeInvalidRequest, RequestID: "08C6AADAAF0120BF1F28E3BE04-268449538"},
		{Code: CodeInvalidRequest, RequestID: "08C6AADAAF0120BF1F28E3BE04-268498689"},
	} {
		if !e.OrderPaid() {
			t.Errorf("%+v is not recognised", e)
		}
	}
}
