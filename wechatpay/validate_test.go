package wechatpay

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

// fieldsOf lists the fields that err blames.
func fieldsOf(err error) []string {
	if field, ok := err.(*FieldError); ok { //nolint:errorlint // the tree is walked by hand
		return []string{field.Field}
	}
	var fields []string
	switch inner := err.(type) { //nolint:errorlint // the tree is walked by hand
	case interface{ Unwrap() []error }:
		for _, e := range inner.Unwrap() {
			fields = append(fields, fieldsOf(e)...)
		}
	case interface{ Unwrap() error }:
		fields = fieldsOf(inner.Unwrap())
	}
	return fields
}

func TestRequestsTheProviderAlwaysRefusesAreNotSent(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(*provider, http.ResponseWriter, receivedRequest, int) { t.Error("a request was sent") })
	client := clientOf(t, p)
	native := func(change func(*NativeRequest)) func() error {
		return func() error {
			r := nativeRequest()
			change(&r)
			_, err := client.PrepayNative(t.Context(), r)
			return err
		}
	}
	refund := func(change func(*RefundRequest)) func() error {
		return func() error {
			r := refundRequest()
			change(&r)
			_, err := client.CreateRefund(t.Context(), r)
			return err
		}
	}
	cases := []struct {
		name, field string
		run         func() error
	}{
		{"NoAppID", "appid", native(func(r *NativeRequest) { r.AppID = "" })},
		{"LongDescription", "description", native(func(r *NativeRequest) { r.Description = strings.Repeat("图", 128) })},
		{"Emoji", "description", native(func(r *NativeRequest) { r.Description = "茶🍵" })},
		{"InvalidUTF8", "attach", native(func(r *NativeRequest) { r.Attach = "\xff" })},
		{"ShortNumber", "out_trade_no", native(func(r *NativeRequest) { r.OutTradeNo = "12345" })},
		{"LongNumber", "out_trade_no", native(func(r *NativeRequest) { r.OutTradeNo = strings.Repeat("1", 33) })},
		{"NumberWithOtherCharacter", "out_trade_no", native(func(r *NativeRequest) { r.OutTradeNo = "ORDER@1" })},
		{"ZeroAmount", "amount.total", native(func(r *NativeRequest) { r.Amount.Total = 0 })},
		{"NegativeAmount", "amount.total", native(func(r *NativeRequest) { r.Amount.Total = -1 })},
		{"NoNotifyURL", "notify_url", native(func(r *NativeRequest) { r.NotifyURL = "" })},
		{"NotifyURLWithQuery", "notify_url", native(func(r *NativeRequest) { r.NotifyURL += "?a=1" })},
		{"RelativeNotifyURL", "notify_url", native(func(r *NativeRequest) { r.NotifyURL = "/notify" })},
		{"NotifyURLWithoutPath", "notify_url", native(func(r *NativeRequest) { r.NotifyURL = "https://pay.example.com" })},
		{"LargeDetail", "detail", native(func(r *NativeRequest) {
			r.Detail = &OrderDetail{}
			for range 30 {
				r.Detail.GoodsDetail = append(r.Detail.GoodsDetail, GoodsDetail{MerchantGoodsID: "1", GoodsName: strings.Repeat("n", 250), Quantity: 1})
			}
		})},
		{"GoodsWithoutQuantity", "detail.goods_detail[0].quantity", native(func(r *NativeRequest) {
			r.Detail = &OrderDetail{GoodsDetail: []GoodsDetail{{MerchantGoodsID: "1"}}}
		})},
		{"SceneWithoutIP", "scene_info.payer_client_ip", native(func(r *NativeRequest) { r.SceneInfo = &SceneInfo{} })},
		{"JSAPIWithoutPayer", "payer.openid", func() error {
			n := nativeRequest()
			_, err := client.PrepayJSAPI(t.Context(), JSAPIRequest{
				AppID: n.AppID, Description: n.Description, OutTradeNo: n.OutTradeNo, NotifyURL: n.NotifyURL, Amount: n.Amount,
			})
			return err
		}},
		{"H5WithoutType", "scene_info.h5_info.type", func() error {
			n := nativeRequest()
			_, err := client.PrepayH5(t.Context(), H5Request{
				AppID: n.AppID, Description: n.Description, OutTradeNo: n.OutTradeNo, NotifyURL: n.NotifyURL, Amount: n.Amount,
				SceneInfo: H5SceneInfo{PayerClientIP: "192.0.2.1"},
			})
			return err
		}},
		{"RefundOfNothing", "transaction_id", refund(func(r *RefundRequest) { r.OutTradeNo = "" })},
		{"RefundWithoutNumber", "out_refund_no", refund(func(r *RefundRequest) { r.OutRefundNo = "" })},
		{"RefundLargerThanTotal", "amount.refund", refund(func(r *RefundRequest) { r.Amount.Refund = 101 })},
		{"RefundOfZero", "amount.refund", refund(func(r *RefundRequest) { r.Amount.Refund = 0 })},
		{"LongReason", "reason", refund(func(r *RefundRequest) { r.Reason = strings.Repeat("退", 81) })},
		{"AccountsThatDoNotAddUp", "amount.from", refund(func(r *RefundRequest) { r.Amount.From = []RefundFrom{{"AVAILABLE", 39}} })},
		{"AccountsBesidesFundsAccount", "funds_account", refund(func(r *RefundRequest) {
			r.FundsAccount, r.Amount.From = "AVAILABLE", []RefundFrom{{"AVAILABLE", 40}}
		})},
		{"AbnormalRefundWithoutCard", "bank_account", func() error {
			_, err := client.ApplyAbnormalRefund(t.Context(), AbnormalRefundRequest{
				RefundID: "1", OutRefundNo: "1", Type: AbnormalRefundUserBankCard, BankType: "ICBC_DEBIT", RealName: "张三",
			})
			return err
		}},
		{"QueryWithoutNumber", "out_trade_no", func() error { _, err := client.QueryOrderByOutTradeNo(t.Context(), ""); return err }},
		{"QueryWithPathInNumber", "out_trade_no", func() error { _, err := client.QueryOrderByOutTradeNo(t.Context(), "../refund"); return err }},
		{"QueryWithoutTransactionID", "transaction_id", func() error { _, err := client.QueryOrderByTransactionID(t.Context(), ""); return err }},
		{"CloseWithoutNumber", "out_trade_no", func() error { return client.CloseOrder(t.Context(), "") }},
		{"QueryRefundWithSlash", "out_refund_no", func() error { _, err := client.QueryRefund(t.Context(), "a/b"); return err }},
		{"InvokeWithPrefix", "prepay_id", func() error { _, err := client.SignApp(testAppID, "prepay_id=wx1"); return err }},
		{"InvokeWithoutID", "prepay_id", func() error { _, err := client.SignJSAPI(testAppID, ""); return err }},
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

func TestLengthsCountCharacters(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, _ int) { p.reply(w, 200, codeURLAnswer) })
	r := nativeRequest()
	r.Description, r.Attach = strings.Repeat("图", 127), strings.Repeat("图", 128)
	if _, err := clientOf(t, p).PrepayNative(t.Context(), r); err != nil {
		t.Error(err)
	}
}

func TestAllMistakesComeAtOnce(t *testing.T) {
	t.Parallel()
	_, err := newClient(t, testConfig(t)).PrepayNative(t.Context(), NativeRequest{})
	if got := strings.Join(fieldsOf(err), " "); got != "appid description out_trade_no notify_url amount.total" {
		t.Errorf("got %s", got)
	}
	if _, ok := errors.AsType[*FieldError](err); !ok {
		t.Error("no FieldError to be found")
	}
}
