package shop

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"time"
)

//go:embed pages/*.html
var pageFiles embed.FS

// beijing is the zone in which the shop shows times.
var beijing = time.FixedZone("UTC+8", 8*60*60)

func parsePages(a *assets) (*template.Template, error) {
	return template.New("pages").Funcs(template.FuncMap{
		"asset": a.path,
		"yuan":  yuan,
		"clock": func(t time.Time) string { return t.In(beijing).Format("15:04:05") },
		"milli": func(t time.Time) string { return t.In(beijing).Format("15:04:05.000") },
	}).ParseFS(pageFiles, "pages/*.html")
}

// frame is what every page shows around its content.
type frame struct {
	Title               string
	Refresh             bool // without JavaScript the page reloads itself
	DocsURL, SandboxURL string
	Content             any
}

func (s *Shop) frame(title string, content any) frame {
	return frame{Title: title, DocsURL: s.config.DocsURL, SandboxURL: s.config.SandboxURL, Content: content}
}

func (s *Shop) home(w http.ResponseWriter, _ *http.Request) {
	s.show(w, http.StatusOK, "home", s.frame("通宝小铺 · Tongbao corner shop", products()))
}

func (s *Shop) order(w http.ResponseWriter, r *http.Request) {
	o, ok := s.find(w, r)
	if !ok {
		return
	}
	v := s.orderView(o)
	f := s.frame(v.State.Chinese+" · ¥"+yuan(o.Product.PriceFen), v)
	f.Refresh = true
	s.show(w, http.StatusOK, "order", f)
}

type message struct{ Chinese, English string }

// message shows a page that says one thing.
func (s *Shop) message(w http.ResponseWriter, status int, chinese, english string) {
	s.show(w, status, "message", s.frame(chinese, message{chinese, english}))
}

func (s *Shop) noSuchPage(w http.ResponseWriter, _ *http.Request) {
	s.message(w, http.StatusNotFound, "没有这一页", "There is no such page.")
}

func (s *Shop) foreignForm(w http.ResponseWriter, _ *http.Request) {
	s.message(w, http.StatusForbidden, "请从小铺自己的页面操作", "The form came from another site and was not carried out. Use the shop's own pages.")
}

func (s *Shop) show(w http.ResponseWriter, status int, name string, f frame) {
	var page bytes.Buffer
	if err := s.pages.ExecuteTemplate(&page, name, f); err != nil {
		s.config.Logger.Error("a page could not be made", "page", name, "error", err)
		http.Error(w, "the page could not be made; the shop's log says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes()) // a browser that has gone needs no page
}

// orderView is the part of an order's page that changes.
type orderView struct {
	order
	State    state
	QR       *qrCode       // while it can be paid
	PhoneURL string        // with it
	Left     time.Duration // until expiry, with it
	LeftText string
	CanRetry bool // the create call may be repeated
	CanClose bool

	NextRefundNo string // with Part or All
	Part, All    int64  // refunds on offer, in fen; 0: none
	Unanswered   []refund

	Verified, Refused int64 // webhooks of all orders since the start
}

func (s *Shop) orderView(o order) *orderView {
	now := s.config.Now()
	v := &orderView{
		order: o, State: o.state(now), NextRefundNo: o.nextRefundNo(), Part: o.part(), All: o.Refundable(),
		Verified: s.verified.Load(), Refused: s.refused.Load(),
	}
	v.CanRetry = v.State == statePlacing || v.State == stateUnknown
	v.CanClose = o.Payment.ID != "" && v.State.Tone == "wait"
	for _, r := range o.Refunds {
		if r.Own && r.ID == "" && refundRank(r.Status) == 0 && o.Problem != nil {
			v.Unanswered = append(v.Unanswered, r)
		}
	}
	if v.State != statePending {
		return v
	}
	code, err := newQRCode(o.Payment.Credential.CodeURL)
	if err != nil {
		s.config.Logger.Error("a QR code could not be made", "order", o.No, "error", err)
		return v
	}
	v.QR, v.PhoneURL = &code, s.config.PhoneURL(o.Payment.Credential.CodeURL)
	v.Left = o.expiresAt().Sub(now).Truncate(time.Second)
	v.LeftText = fmt.Sprintf("%02d:%02d", int(v.Left.Minutes()), int(v.Left.Seconds())%60)
	return v
}

// LeftSeconds is the countdown's start.
func (v *orderView) LeftSeconds() int { return int(v.Left.Seconds()) }
