package sandbox_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

func (b *bundle) pressCode(form url.Values) (int, string) {
	b.t.Helper()
	response, err := http.PostForm(b.sandbox.PhoneURL()+"/code", form)
	if err != nil {
		b.t.Fatal(err)
	}
	status, page, _ := read(b.t, response)
	return status, page
}

// codeOnPhone makes a code on the phone and returns it with what looks at it again.
func (b *bundle) codeOnPhone(outcome string) (authCode string, page func() string) {
	b.t.Helper()
	_, text := b.pressCode(url.Values{"outcome": {outcome}})
	digits := regexp.MustCompile(`13\d\d \d{4} \d{4} \d{4} \d\d`).FindString(text)
	if digits == "" {
		b.t.Fatalf("the page shows no code:\n%s", text)
	}
	authCode = strings.ReplaceAll(digits, " ", "")
	return authCode, func() string {
		_, text, _ := b.page(b.sandbox.PhoneURL() + "/code?auth_code=" + authCode)
		return text
	}
}

func TestPaymentCodeOnThePhone(t *testing.T) {
	t.Parallel()

	t.Run("IsShownAndPaysAtOnce", func(t *testing.T) {
		t.Parallel()
		b := setupCodepay(t)
		_, home, _ := b.page(b.sandbox.PhoneURL() + "/")
		shows(t, home, "出示付款码", `href="code"`)
		_, choices, _ := b.page(b.sandbox.PhoneURL() + "/code")
		shows(t, choices, "userpaying", "success", "fail")
		code, page := b.codeOnPhone("success")
		shows(t, page(), "付款码", "商家已扫码")
		b.merchant.must("POST", codepayPath, b.codepayBody("ORDER0001", code, 1234))
		shows(t, page(), "支付成功", "12.34", "一杯咖啡")
		if strings.Contains(page(), "<button") || strings.Contains(page(), "<script") {
			t.Error("the page of a payment that is done has buttons or scripts")
		}
	})

	t.Run("AsksForThePasswordOnce", func(t *testing.T) {
		t.Parallel()
		b := setupCodepay(t)
		for number, c := range map[string]struct{ result, shows, state string }{
			"ORDER0001": {"success", "支付成功", "SUCCESS"}, "ORDER0002": {"fail", "支付失败", "PAYERROR"}, "ORDER0003": {"cancel", "支付失败", "PAYERROR"},
		} {
			code, page := b.codeOnPhone("userpaying")
			b.merchant.must("POST", codepayPath, b.codepayBody(number, code, 1000))
			shows(t, page(), "请输入支付密码", "10.00")
			status, shown := b.pressCode(url.Values{"auth_code": {code}, "result": {c.result}})
			want(t, "status", status, 200)
			shows(t, shown, c.shows)
			want(t, "state", b.query(number)["trade_state"], c.state)
			_, shown = b.pressCode(url.Values{"auth_code": {code}, "result": {"success"}}) // too late, and without effect
			shows(t, shown, c.shows)
		}
		want(t, "paid", b.books()["paid"], 1000)
	})

	t.Run("ExpiresAndIsReversed", func(t *testing.T) {
		t.Parallel()
		b := setupCodepay(t)
		code, page := b.codeOnPhone("success")
		b.merchant.must("POST", codepayPath, b.codepayBody("ORDER0001", code, 1000))
		_, other := b.codeOnPhone("success")
		b.advance(time.Minute)
		shows(t, other(), "付款码已过期")
		want(t, "reverse", b.reverse("ORDER0001").status, 200)
		shows(t, page(), "商家已撤销")
	})

	t.Run("NonsenseIsRefused", func(t *testing.T) {
		t.Parallel()
		b := setupCodepay(t)
		code, _ := b.codeOnPhone("userpaying")
		for _, form := range []url.Values{{"outcome": {"perhaps"}}, {"auth_code": {code}, "result": {"perhaps"}}} {
			status, _ := b.pressCode(form)
			want(t, "status", status, 400)
		}
		status, _ := b.pressCode(url.Values{"auth_code": {code}, "result": {"success"}})
		want(t, "nobody has taken it", status, 404)
		status, _, _ = b.page(b.sandbox.PhoneURL() + "/code?auth_code=131234567890123456")
		want(t, "unknown", status, 404)
	})
}
