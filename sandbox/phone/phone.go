// Package phone is the payer's phone: pages on which a person opens a code and pays, cancels or mistypes a password, shows a code of
// its own to a scanner, and on which a user takes or refuses a merchant's transfer.
//
// The pages are plain HTML forms without scripts or outside assets. They run on a port of their own: a payer's device may
// reach them while the control API stays on loopback, and they never mix with the provider's protocol.
package phone

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/control"
	"github.com/tongbao-pay/tongbao/sandbox/wechatpaysim"
)

//go:embed frame.html page.html code.html transfer.html
var pages embed.FS

//go:embed phone.css
var style string

// formBytesMax bounds what a form may send.
const formBytesMax = 16 << 10

// Cashier is where the phone pays.
type Cashier interface {
	Checkout(code string) (wechatpaysim.Checkout, bool)
	Pay(wechatpaysim.PayRequest) (wechatpaysim.Order, error)
	ShowPaymentCode(openID, outcome string) (wechatpaysim.PaymentCode, *control.Problem)
	PaymentCode(authCode string) (wechatpaysim.ShownCode, bool)
	TypePassword(authCode, result string) error
	Confirmation(packageInfo string) (wechatpaysim.Confirmation, bool)
	ConfirmTransfer(packageInfo string) error
	RefuseTransfer(packageInfo string) error
}

// Phone serves the pages. It is safe for concurrent use.
type Phone struct {
	cashier Cashier
	pages   *template.Template
	policy  string
}

// New returns a phone that pays at the cashier.
func New(cashier Cashier) (*Phone, error) {
	parsed, err := template.ParseFS(pages, "*.html")
	if err != nil {
		return nil, fmt.Errorf("phone: %w", err)
	}
	digest := sha256.Sum256([]byte(style))
	policy := "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; style-src 'sha256-" +
		base64.StdEncoding.EncodeToString(digest[:]) + "'"
	return &Phone{cashier: cashier, pages: parsed, policy: policy}, nil
}

// Handler returns the pages; requests that another site's page sends are refused.
func (p *Phone) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.home)
	mux.HandleFunc("GET /pay", p.checkout)
	mux.HandleFunc("POST /pay", p.act)
	mux.HandleFunc("GET /result", p.result)
	mux.HandleFunc("GET /code", p.code)
	mux.HandleFunc("POST /code", p.actOnCode)
	mux.HandleFunc("GET /transfer", p.transfer)
	mux.HandleFunc("POST /transfer", p.actOnTransfer)
	mux.HandleFunc("GET /cgi-bin/mmpayweb-bin/checkmweb", p.h5)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		p.show(w, http.StatusNotFound, view{Mark: "!", Title: "页面不存在", English: "There is no such page", Home: true})
	})
	return http.NewCrossOriginProtection().Handler(mux)
}

// view is what the one template shows; its parts appear where they are filled in.
type view struct {
	Style          template.CSS
	Form           bool // asks for a code
	Mark           string
	Tone           string // class of the mark: good, bad, or neutral
	Title, English string
	Amount         string
	Merchant       string
	Description    string
	SubOrders      []subOrder // of a combined payment, in place of the description
	Expires        string     // moment
	Left           string     // time left
	PrepayID       string     // shows the buttons
	Retry          string     // link back to the checkout
	Redirect       string     // link back to the merchant
	Home           bool       // link to the start page
}

// subOrder is one part of a combined payment (合单支付).
type subOrder struct {
	Merchant, Description, Amount string
}

// Receives reports whose phone it is: the payer's.
func (view) Receives() bool { return false }

// Heading is the title of the window.
func (v view) Heading() string {
	switch {
	case v.Title != "":
		return v.Title
	case v.PrepayID != "":
		return "确认支付"
	}
	return "打开付款码"
}

func (p *Phone) home(w http.ResponseWriter, _ *http.Request) {
	p.show(w, http.StatusOK, view{Form: true})
}

// checkout shows the order behind the code in any of its spellings.
func (p *Phone) checkout(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	code := query.Get("code_url")
	for _, name := range []string{"prepay_id", "h5_url"} {
		if code == "" {
			code = query.Get(name)
		}
	}
	p.open(w, code, merchantLink(query.Get("redirect_url")))
}

// h5 is where an h5_url leads (WeChat Pay APIv3, H5支付: 调起支付).
func (p *Phone) h5(w http.ResponseWriter, r *http.Request) {
	to := url.Values{"prepay_id": {r.URL.Query().Get("prepay_id")}}
	if back := merchantLink(r.URL.Query().Get("redirect_url")); back != "" {
		to.Set("redirect_url", back)
	}
	seeOther(w, "../../pay?"+to.Encode())
}

// seeOther redirects relatively, so that the pages work under any base URL.
func seeOther(w http.ResponseWriter, location string) {
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusSeeOther)
}

func (p *Phone) open(w http.ResponseWriter, code, back string) {
	c, ok := p.cashier.Checkout(code)
	if !ok {
		if _, transfer := p.cashier.Confirmation(code); transfer {
			seeOther(w, "transfer?"+url.Values{"package": {code}}.Encode())
			return
		}
		p.show(w, http.StatusNotFound, view{Mark: "?", Title: "找不到这个订单", English: "No order belongs to this code", Redirect: back, Home: true})
		return
	}
	v := shown(c)
	v.Redirect = back
	switch {
	case !c.PaidAt.IsZero():
		v.Mark, v.Tone, v.Title, v.English = "✓", "good", "订单已支付", "This order is paid already"
	case c.Why != "":
		v.Mark, v.Title, v.English, v.Home = "!", "无法支付", "Cannot be paid: "+c.Why, true
	default:
		v.PrepayID = c.PrepayID
		v.Expires = moment(c.ExpiresAt)
		v.Left = left(c.ExpiresAt.Sub(c.Now))
	}
	p.show(w, http.StatusOK, v)
}

// left writes a span of time for people: two units are enough.
func left(d time.Duration) string {
	minutes, hours := int(d.Minutes()), int(d.Hours())
	switch {
	case hours >= 48:
		return fmt.Sprintf("剩余 %d 天 · %d days left", hours/24, hours/24)
	case hours >= 1:
		return fmt.Sprintf("剩余 %d 小时 %d 分 · %d h %d min left", hours, minutes%60, hours, minutes%60)
	}
	return fmt.Sprintf("剩余 %d 分 %d 秒 · %d min %d s left", minutes, int(d.Seconds())%60, minutes, int(d.Seconds())%60)
}

func shown(c wechatpaysim.Checkout) view {
	v := view{Merchant: c.Merchant, Description: c.Description, Amount: yuan(c.Amount)}
	for _, sub := range c.SubOrders {
		v.SubOrders = append(v.SubOrders, subOrder{sub.Merchant, sub.Description, yuan(sub.Amount)})
	}
	return v
}

func yuan(fen int64) string { return fmt.Sprintf("%d.%02d", fen/100, fen%100) }

// act carries out what the payer pressed.
func (p *Phone) act(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, formBytesMax)
	if err := r.ParseForm(); err != nil {
		p.show(w, http.StatusBadRequest, view{Mark: "!", Title: "表单有误", English: "The form could not be read", Home: true})
		return
	}
	back := merchantLink(r.PostForm.Get("redirect_url"))
	request := wechatpaysim.PayRequest{PrepayID: r.PostForm.Get("prepay_id"), Result: r.PostForm.Get("result")}
	_, err := p.cashier.Pay(request)
	if no, ok := errors.AsType[*wechatpaysim.Refused](err); ok && no.Status != http.StatusConflict {
		p.show(w, no.Status, view{Mark: "!", Title: "无法支付", English: "Cannot be paid: " + no.Error(), Redirect: back, Home: true})
		return
	}
	to := url.Values{"prepay_id": {request.PrepayID}, "result": {request.Result}}
	if back != "" {
		to.Set("redirect_url", back)
	}
	seeOther(w, "result?"+to.Encode())
}

// result shows how it ended. That an order is paid is read from the books, never from the address.
func (p *Phone) result(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	code, back := query.Get("prepay_id"), merchantLink(query.Get("redirect_url"))
	c, ok := p.cashier.Checkout(code)
	if !ok || (c.Why != "" && c.PaidAt.IsZero()) {
		p.open(w, code, back)
		return
	}
	v := shown(c)
	v.Redirect = back
	retry := url.Values{"prepay_id": {code}}
	if back != "" {
		retry.Set("redirect_url", back)
	}
	switch {
	case !c.PaidAt.IsZero():
		v.Mark, v.Tone, v.Title, v.English = "✓", "good", "支付成功", "Payment complete"
	case query.Get("result") == wechatpaysim.PayFail:
		v.Mark, v.Tone, v.Title, v.English = "×", "bad", "支付密码错误", "Wrong password, nothing was charged"
		v.Retry = "pay?" + retry.Encode()
	default:
		v.Mark, v.Title, v.English = "–", "支付已取消", "Payment cancelled, nothing was charged"
		v.Retry = "pay?" + retry.Encode()
	}
	p.show(w, http.StatusOK, v)
}

// merchantLink returns the address if it is an absolute web address, and nothing otherwise.
func merchantLink(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return ""
	}
	return u.String()
}

func (p *Phone) show(w http.ResponseWriter, status int, v view) {
	v.Style = template.CSS(style) //nolint:gosec // our own embedded file
	if v.Tone == "" {
		v.Tone = "neutral"
	}
	p.write(w, status, "page.html", v)
}

func (p *Phone) write(w http.ResponseWriter, status int, name string, v any) {
	var page bytes.Buffer
	if err := p.pages.ExecuteTemplate(&page, name, v); err != nil {
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", p.policy)
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(page.Bytes()) // a payer who has gone needs no page
}
