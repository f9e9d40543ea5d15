package phone

import (
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/tongbao-pay/tongbao/sandbox/wechatpaysim"
)

// codeView is what the page of a payment code shows.
type codeView struct {
	Style          template.CSS
	Choose         bool   // asks how the payment is to go
	Mark           string // empty: nobody has scanned it yet
	Tone           string // class of the mark: good, bad, or neutral
	Title, English string
	Digits         string // of the code, in groups
	Left           string
	Amount         string
	Merchant       string
	Description    string
	AuthCode       string // shows the link that looks again
	Password       bool   // shows the buttons
}

// Receives reports whose phone it is: the payer's.
func (codeView) Receives() bool { return false }

// Heading is the title of the window.
func (v codeView) Heading() string {
	if v.Choose || v.Digits != "" {
		return "付款码"
	}
	return v.Title
}

// code shows a payment code to a scanner (付款码支付), and what became of it.
func (p *Phone) code(w http.ResponseWriter, r *http.Request) {
	authCode := r.URL.Query().Get("auth_code")
	if authCode == "" {
		p.showCode(w, codeView{Choose: true})
		return
	}
	shown, ok := p.cashier.PaymentCode(authCode)
	if !ok {
		p.show(w, http.StatusNotFound, view{Mark: "?", Title: "找不到这个付款码", English: "The phone has no such code", Home: true})
		return
	}
	p.showCode(w, shownCode(shown))
}

func (p *Phone) showCode(w http.ResponseWriter, v codeView) {
	v.Style = template.CSS(style) //nolint:gosec // our own embedded file
	p.write(w, http.StatusOK, "code.html", v)
}

// actOnCode makes a code, or types the password that the payment waits for. What came of it, the page reads from the books.
func (p *Phone) actOnCode(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, formBytesMax)
	if err := r.ParseForm(); err != nil {
		p.show(w, http.StatusBadRequest, view{Mark: "!", Title: "表单有误", English: "The form could not be read", Home: true})
		return
	}
	authCode := r.PostForm.Get("auth_code")
	if authCode == "" {
		made, problem := p.cashier.ShowPaymentCode("", r.PostForm.Get("outcome"))
		if problem != nil {
			p.show(w, http.StatusBadRequest, view{Mark: "!", Title: "表单有误", English: "The form: " + problem.Error, Home: true})
			return
		}
		authCode = made.AuthCode
	} else {
		err := p.cashier.TypePassword(authCode, r.PostForm.Get("result"))
		if no, ok := errors.AsType[*wechatpaysim.Refused](err); ok && no.Status != http.StatusConflict {
			p.show(w, no.Status, view{Mark: "!", Title: "无法支付", English: "Cannot be paid: " + no.Error(), Home: true})
			return
		}
	}
	seeOther(w, "code?"+url.Values{"auth_code": {authCode}}.Encode())
}

func shownCode(c wechatpaysim.ShownCode) codeView {
	v := codeView{Tone: "neutral"}
	if c.State != "" {
		v.Merchant, v.Description, v.Amount = c.Merchant, c.Description, yuan(c.Amount)
	}
	switch {
	case c.State == "" && c.Now.Before(c.ExpiresAt):
		v.Title, v.English = "付款码", "Show it to the scanner"
		v.Digits, v.Left, v.AuthCode = groups(c.AuthCode), left(c.ExpiresAt.Sub(c.Now)), c.AuthCode
	case c.State == "":
		v.Mark, v.Title, v.English = "!", "付款码已过期", "The code has expired; show a fresh one"
	case c.State == wechatpaysim.UserPaying:
		v.Title, v.English, v.AuthCode, v.Password = "请输入支付密码", "Type the password", c.AuthCode, true
	case c.State == wechatpaysim.PayError:
		v.Mark, v.Tone, v.Title, v.English = "×", "bad", "支付失败", "It failed, nothing was charged"
	case c.State == wechatpaysim.Revoked:
		v.Mark, v.Title, v.English = "–", "商家已撤销", "The merchant reversed it; what was paid came back"
	default:
		v.Mark, v.Tone, v.Title, v.English = "✓", "good", "支付成功", "Payment complete"
	}
	return v
}

// groups writes the digits of a code four by four, for people who type it.
func groups(code string) string {
	var text strings.Builder
	for i, digit := range code {
		if i > 0 && i%4 == 0 {
			text.WriteByte(' ')
		}
		text.WriteRune(digit)
	}
	return text.String()
}
