package api

import (
	"context"

	"github.com/tongbao-pay/tongbao/internal/access"
	"github.com/tongbao-pay/tongbao/internal/payment"
)

type listReviewsInput struct {
	State     payment.ReviewState `query:"state" enum:"open,resolved"`
	Kind      payment.ReviewKind  `query:"kind" enum:"report_mismatch,unknown_order,unknown_event,unrecognised_state,double_paid,late_paid,refund_abnormal,outcome_unknown,refund_stuck"`
	SubjectID string              `query:"subject_id" pattern:"^[a-z]{3}_[0-9A-Z]{26}$" patternDescription:"an id of a payment or refund" doc:"the payment or refund they are about"`
	Paging
}

func (a *api) listReviews(ctx context.Context, by access.Principal, in *listReviewsInput) (*output[page[payment.ReviewResource]], error) {
	filter := payment.ReviewFilter{AppID: by.App.ID, State: in.State, Kind: in.Kind, SubjectID: in.SubjectID}
	data, next, err := a.config.Lists.Reviews(ctx, filter, in.page())
	if err != nil {
		return nil, err
	}
	return pageOf(data, next, (*payment.Review).Resource), nil
}

func (a *api) getReview(ctx context.Context, by access.Principal, in *ByID) (*output[payment.ReviewResource], error) {
	v, err := a.config.Payments.Review(ctx, by.App.ID, in.ID)
	if err != nil {
		return nil, err
	}
	return ok(v.ResourceWithEvidence()), nil
}

// ResolveReviewBody is a person's decision.
type ResolveReviewBody struct {
	Action payment.ReviewAction `json:"action" enum:"accept,refund,ask,acknowledge" doc:"one of the review's actions"`
	Note   string               `json:"note,omitempty" maxLength:"500" doc:"why; kept with the review" example:"delivered on Monday"`
}

type resolveReviewInput struct {
	ByID
	Body ResolveReviewBody
}

func (a *api) resolveReview(ctx context.Context, by access.Principal, in *resolveReviewInput) (*output[payment.ReviewResource], error) {
	v, err := a.config.Payments.ResolveReview(ctx, payment.ResolveRequest{
		AppID: by.App.ID, ReviewID: in.ID, Action: in.Body.Action, Note: in.Body.Note, By: by.KeyID,
	})
	if err != nil {
		return nil, err
	}
	return ok(v.ResourceWithEvidence()), nil
}
