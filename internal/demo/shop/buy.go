package shop

import (
	"context"
	"crypto/rand"
	"net/http"
	"time"

	"github.com/tongbao-pay/tongbao/client"
)

const (
	// formBytesMax bounds what a form may send.
	formBytesMax = 4 << 10
	// gatewayWait bounds one call to the gateway, its repetitions included.
	gatewayWait = 20 * time.Second
	// payWithin is how long a payer has.
	payWithin = 15 * time.Minute
)

// buy makes an order of the product named in the form. Its price comes from the shop's own table.
func (s *Shop) buy(w http.ResponseWriter, r *http.Request) {
	if !s.readForm(w, r) {
		return
	}
	p, ok := productByID(r.PostForm.Get("product"))
	if !ok {
		s.message(w, http.StatusBadRequest, "小铺没有这件商品", "The shop does not sell that.")
		return
	}
	no := "shop-" + rand.Text()
	now := s.config.Now()
	o := order{No: no, Product: p, PlacedAt: now}
	o.note(step{
		At: now, Tone: "own", Chinese: "下单", English: "Order placed in the shop",
		Facts: []fact{{"商户单号", "out_trade_no", no}},
	})
	s.book.add(o)
	s.pay(r.Context(), o)
	http.Redirect(w, r, "/orders/"+no, http.StatusSeeOther)
}

// payAgain repeats the create call after one whose outcome is not known: the same number, so the same payment.
func (s *Shop) payAgain(w http.ResponseWriter, r *http.Request) {
	o, ok := s.find(w, r)
	if !ok || !s.readForm(w, r) {
		return
	}
	if o.Payment.Credential == nil && paymentRank(o.Payment.Status) < 2 {
		s.pay(r.Context(), o)
	}
	http.Redirect(w, r, "/orders/"+o.No, http.StatusSeeOther)
}

// pay asks the gateway for the order's payment. The order is in the book before, because the first webhook may be
// faster than the answer.
func (s *Shop) pay(ctx context.Context, o order) {
	ctx, cancel := s.lasting(ctx)
	defer cancel()
	start := s.config.Now()
	p, err := s.config.Gateway.CreatePayment(ctx, client.CreatePayment{
		OutTradeNo: o.No, Amount: o.Product.PriceFen, Currency: "CNY", Description: o.Product.Chinese + " " + o.Product.English,
		Channel: "wechat", Product: "native", ExpiresAt: o.PlacedAt.Add(payWithin).UTC().Truncate(time.Second),
	})
	now := s.config.Now()
	s.book.change(o.No, func(o *order) {
		if err != nil {
			s.fail(o, "create the payment", "支付单没有建成", "The payment could not be created", err)
			return
		}
		o.Problem = nil
		o.learn(*p)
		o.note(step{
			At: now, Tone: "own", Chinese: "网关建好支付单", English: "Payment created by the gateway",
			Facts: []fact{
				{"支付单", "payment", p.ID},
				{"渠道单号", "trade_no", p.TradeNo},
				{"状态", "status", p.Status},
				{"用时", "took", span(now.Sub(start))},
			},
		})
	})
}

// lasting outlives the browser that started the call: what the gateway answers belongs in the book all the same.
func (s *Shop) lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), gatewayWait)
}

// fail records a failed call on the order and in the log.
func (s *Shop) fail(o *order, doing, chinese, english string, err error) {
	s.config.Logger.Warn("a call to the gateway failed", "doing", doing, "order", o.No, "error", err)
	o.Problem = problemOf(err)
	o.note(step{At: s.config.Now(), Tone: "bad", Chinese: chinese, English: english, Facts: o.Problem.Facts()})
}

// find answers with the order in the path, or with a page that says there is none.
func (s *Shop) find(w http.ResponseWriter, r *http.Request) (order, bool) {
	o, _, ok := s.book.look(r.PathValue("no"))
	if !ok {
		s.message(w, http.StatusNotFound, "没有这个订单", "There is no such order. Orders live in memory: a restart forgets them.")
	}
	return o, ok
}

func (s *Shop) readForm(w http.ResponseWriter, r *http.Request) bool {
	r.Body = http.MaxBytesReader(w, r.Body, formBytesMax)
	if err := r.ParseForm(); err != nil {
		s.message(w, http.StatusBadRequest, "表单读不出来", "The form could not be read. Go back and try again.")
		return false
	}
	return true
}
