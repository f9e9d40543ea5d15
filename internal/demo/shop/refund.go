package shop

import (
	"context"
	"net/http"

	"github.com/tongbao-pay/tongbao/client"
)

// refund gives back part or all of what is left. The form says which, never how much, and carries the number of the
// refund it means: the same form sent twice is one refund.
func (s *Shop) refund(w http.ResponseWriter, r *http.Request) {
	o, ok := s.find(w, r)
	if !ok || !s.readForm(w, r) {
		return
	}
	no, size := r.PostForm.Get("out_refund_no"), r.PostForm.Get("size")
	var (
		ask  client.CreateRefund
		send bool
	)
	s.book.change(o.No, func(o *order) { ask, send, ok = o.reserve(no, size) })
	if !ok {
		s.message(w, http.StatusConflict, "这笔款现在不能这样退", "This refund is not possible now. Look at the order again.")
		return
	}
	if send {
		s.send(r.Context(), o.No, ask)
	}
	http.Redirect(w, r, "/orders/"+o.No, http.StatusSeeOther)
}

// reserve writes the refund down before the gateway is asked. send is false for one that was answered already; ok is
// false for one that cannot be.
func (o *order) reserve(no, size string) (ask client.CreateRefund, send, ok bool) {
	ask = client.CreateRefund{PaymentID: o.Payment.ID, OutRefundNo: no, Reason: "演示退款 demo refund"}
	if known := o.refundByNo(no); known != nil {
		ask.Amount = known.Amount
		return ask, known.ID == "" && known.Status == client.RefundPending, known.Own
	}
	switch size {
	case "part":
		ask.Amount = o.part()
	case "all":
		ask.Amount = o.Refundable()
	}
	if ask.Amount <= 0 || no != o.nextRefundNo() {
		return ask, false, false
	}
	o.Refunds = append(o.Refunds, refund{No: no, Amount: ask.Amount, Status: client.RefundPending, Own: true})
	return ask, true, true
}

func (s *Shop) send(ctx context.Context, orderNo string, ask client.CreateRefund) {
	ctx, cancel := s.lasting(ctx)
	defer cancel()
	answer, err := s.config.Gateway.CreateRefund(ctx, ask)
	s.book.change(orderNo, func(o *order) {
		if err != nil {
			s.fail(o, "create the refund", "退款没有办成", "The refund could not be made", err)
			// What was refused for good holds no money; anything else may yet have happened and keeps its number.
			if o.Problem.Final {
				o.refundByNo(ask.OutRefundNo).Status = client.RefundFailed
			}
			return
		}
		o.Problem = nil
		o.learnRefund(*answer)
		o.note(step{
			At: s.config.Now(), Tone: "own", Chinese: "小铺申请退款 ¥" + yuan(answer.Amount), English: "The shop asked for a refund",
			Facts: []fact{{"退款单", "refund", answer.ID}, {"渠道退款号", "refund_no", answer.RefundNo}, {"状态", "status", answer.Status}},
		})
	})
}
