package shop

import (
	"net/http"
)

// closeOrder ends an order that nobody has paid, at the provider too. An order that is paid meanwhile stays paid.
func (s *Shop) closeOrder(w http.ResponseWriter, r *http.Request) {
	o, ok := s.find(w, r)
	if !ok || !s.readForm(w, r) {
		return
	}
	if o.Payment.ID == "" || paymentRank(o.Payment.Status) >= 2 {
		http.Redirect(w, r, "/orders/"+o.No, http.StatusSeeOther)
		return
	}
	ctx, cancel := s.lasting(r.Context())
	defer cancel()
	p, err := s.config.Gateway.ClosePayment(ctx, o.Payment.ID)
	s.book.change(o.No, func(o *order) {
		if err != nil {
			s.fail(o, "close the payment", "订单没有关成", "The order could not be closed", err)
			return
		}
		o.Problem = nil
		o.learn(*p)
		o.note(step{
			At: s.config.Now(), Tone: "own", Chinese: "小铺要求关闭订单", English: "The shop asked to close the order",
			Facts: []fact{{"支付单", "payment", p.ID}, {"状态", "status", p.Status}},
		})
	})
	http.Redirect(w, r, "/orders/"+o.No, http.StatusSeeOther)
}
