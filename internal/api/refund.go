package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/tongbao-pay/tongbao/internal/access"
	"github.com/tongbao-pay/tongbao/internal/payment"
)

// CreateRefundBody asks for money to go back.
type CreateRefundBody struct {
	PaymentID   string `json:"payment_id" pattern:"^pay_[0-9A-Z]{26}$" patternDescription:"a payment's id" example:"pay_01K9ZQ4T3M8W6V5R2N7X1Y0ABC"`
	OutRefundNo string `json:"out_refund_no" pattern:"^[0-9A-Za-z_-]{1,64}$" patternDescription:"1 to 64 letters, digits, _ or -" doc:"the app's own number; identifies the intent" example:"refund-20260131-1"`
	Amount      int64  `json:"amount" minimum:"1" maximum:"10000000000" doc:"minor units (fen)" example:"3000"`
	Reason      string `json:"reason,omitempty" maxLength:"80" doc:"what the payer reads; no emoji"`
}

func (a *api) createRefund(ctx context.Context, by access.Principal, in *struct{ Body CreateRefundBody }) (*output[payment.RefundResource], error) {
	concerns(ctx, in.Body.PaymentID, "")
	r, created, err := a.config.Payments.Refund(ctx, by.App.ID, payment.RefundRequest{
		PaymentID: in.Body.PaymentID, OutRefundNo: in.Body.OutRefundNo, Amount: in.Body.Amount, Reason: in.Body.Reason,
	})
	if err != nil {
		return nil, err
	}
	concerns(ctx, "", r.ID)
	out := ok(r.Resource())
	switch {
	case r.Status == payment.RefundPending:
		out = unsettled(out.Body)
	case created:
		out.Status = http.StatusCreated
	}
	out.Location = "/v1/refunds/" + r.ID
	return out, nil
}

func (a *api) getRefund(ctx context.Context, by access.Principal, in *ByID) (*output[payment.RefundResource], error) {
	concerns(ctx, "", in.ID)
	r, err := a.config.Lists.RefundByID(ctx, by.App.ID, in.ID)
	if errors.Is(err, payment.ErrNotFound) {
		return nil, notFound("refund", in.ID)
	}
	if err != nil {
		return nil, err
	}
	concerns(ctx, r.PaymentID, "")
	return ok(r.Resource()), nil
}

type listRefundsInput struct {
	PaymentID   string               `query:"payment_id" pattern:"^pay_[0-9A-Z]{26}$" patternDescription:"a payment's id"`
	OutRefundNo string               `query:"out_refund_no" pattern:"^[0-9A-Za-z_-]{1,64}$" patternDescription:"1 to 64 letters, digits, _ or -"`
	Status      payment.RefundStatus `query:"status" enum:"pending,processing,succeeded,abnormal,closed,failed"`
	Paging
}

func (a *api) listRefunds(ctx context.Context, by access.Principal, in *listRefundsInput) (*output[page[payment.RefundResource]], error) {
	filter := payment.RefundFilter{AppID: by.App.ID, PaymentID: in.PaymentID, OutRefundNo: in.OutRefundNo, Status: in.Status}
	data, next, err := a.config.Lists.Refunds(ctx, filter, in.page())
	if err != nil {
		return nil, err
	}
	return pageOf(data, next, (*payment.Refund).Resource), nil
}
