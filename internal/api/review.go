package api

import (
	"context"

	"github.com/tongbao-pay/tongbao/internal/access"
	"github.com/tongbao-pay/tongbao/internal/payment"
)

type listReviewsInput struct {
	OpenOnly bool `query:"open_only" doc:"leave out what was resolved"`
	Paging
}

func (a *api) listReviews(ctx context.Context, by access.Principal, in *listReviewsInput) (*output[page[payment.ReviewResource]], error) {
	data, next, err := a.config.Lists.Reviews(ctx, payment.ReviewFilter{AppID: by.App.ID, OpenOnly: in.OpenOnly}, in.page())
	if err != nil {
		return nil, err
	}
	return pageOf(data, next, (*payment.Review).Resource), nil
}
