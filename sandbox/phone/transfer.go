package phone

import (
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/wechatpaysim"
)

// transferView is what the page of a transfer shows.
type transferView struct {
	Style             template.CSS
	Mark              string // empty: nothing has happened to it yet
	Tone              string // class of the mark: good, bad, or neutral
	Title, English    string
	Amount            string
	Merchant          string
	Perception        string
	Remark            string
	When, WhenEnglish string // what the moment is
	Moment, Left      string
	FailReason        string
	Package           string // shows the buttons
}

// Receives reports whose phone it is: that of the user who gets the money.
func (transferView) Receives() bool { return true }

// Heading is the title of the window.
func (v transferView) Heading() string {
	if v.Package != "" {
		return "确认收款"
	}
	return v.Title
}

// transfer is where requestMerchantTransfer leads: the page on which a user takes a merchant's money (WeChat Pay APIv3, 商家转账:
// JSAPI调起用户确认收款). The merchant and the app are checked if they are given.
func (p *Phone) transfer(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	c, ok := p.cashier.Confirmation(query.Get("package"))
	if !ok {
		p.show(w, http.StatusNotFound, view{Mark: "?", Title: "找不到这笔转账", English: "No transfer belongs to this package", Home: true})
		return
	}
	for name, right := range map[string]string{"mchId": c.MchID, "appId": c.AppID} {
		if given := query.Get(name); given != "" && given != right {
			p.show(w, http.StatusBadRequest, view{Mark: "!", Title: "参数错误", English: "The package is not of this " + name, Home: true})
			return
		}
	}
	v := shownTransfer(c)
	v.Style = template.CSS(style) //nolint:gosec // our own embedded file
	p.write(w, http.StatusOK, "transfer.html", v)
}

// actOnTransfer carries out what the user pressed. What came of it, the page reads from the books.
func (p *Phone) actOnTransfer(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, formBytesMax)
	if err := r.ParseForm(); err != nil {
		p.show(w, http.StatusBadRequest, view{Mark: "!", Title: "表单有误", English: "The form could not be read", Home: true})
		return
	}
	packageInfo := r.PostForm.Get("package")
	var err error
	switch r.PostForm.Get("result") {
	case "confirm":
		err = p.cashier.ConfirmTransfer(packageInfo)
	case "refuse":
		err = p.cashier.RefuseTransfer(packageInfo)
	default:
		p.show(w, http.StatusBadRequest, view{Mark: "!", Title: "表单有误", English: "Say confirm or refuse", Home: true})
		return
	}
	if no, ok := errors.AsType[*wechatpaysim.Refused](err); ok && no.Status != http.StatusConflict {
		p.show(w, no.Status, view{Mark: "!", Title: "无法收款", English: "Cannot be taken: " + no.Error(), Home: true})
		return
	}
	seeOther(w, "transfer?"+url.Values{"package": {packageInfo}}.Encode())
}

func shownTransfer(c wechatpaysim.Confirmation) transferView {
	v := transferView{
		Merchant: c.Merchant, Perception: c.Perception, Remark: c.Remark, Amount: fmt.Sprintf("%d.%02d", c.Amount/100, c.Amount%100),
		When: "更新时间", WhenEnglish: "Updated", Moment: moment(c.UpdatedAt), FailReason: c.FailReason,
	}
	overdue := c.State == wechatpaysim.TransferWaitConfirm && !c.Open || c.FailReason == "OVERDUE_CLOSE"
	switch {
	case overdue:
		v.Mark, v.Title, v.English = "!", "超过 24 小时未收款，已退回商家", "Not taken in 24 hours, returned to the merchant"
	case c.State == wechatpaysim.TransferWaitConfirm:
		v.Title, v.English, v.Package = c.Merchant, "向你转账，请确认收款 · Sends you money", c.PackageInfo
		if c.RedPacket {
			v.English = "送你一个红包 · Sends you a red packet"
		}
		v.When, v.WhenEnglish, v.Moment, v.Left = "收款截止", "Take it until", moment(c.ExpiresAt), left(c.ExpiresAt.Sub(c.Now))
	case c.State == wechatpaysim.TransferTransfering:
		v.Mark, v.Title, v.English = "…", "收款处理中", "Under way, no result yet"
		if c.Open {
			v.Package = c.PackageInfo
		}
	case c.State == wechatpaysim.TransferSuccess:
		v.Mark, v.Tone, v.Title, v.English = "✓", "good", "已收款", "The money is yours"
	case c.State == wechatpaysim.TransferFail:
		v.Mark, v.Tone, v.Title, v.English = "×", "bad", "收款失败，已退回商家", "It failed and went back to the merchant"
	default:
		v.Mark, v.Title, v.English = "–", "商家已撤销转账", "The merchant took it back"
	}
	if v.Tone == "" {
		v.Tone = "neutral"
	}
	return v
}

// moment writes a time as the pages do, on China's clock.
func moment(t time.Time) string {
	return t.In(time.FixedZone("CST", 8*60*60)).Format("01-02 15:04 UTC-07")
}
