package client

import (
	"context"
	"iter"
	"time"
)

// Review waits for a person of the merchant's: something that software must not decide alone.
type Review struct {
	ID         string     `json:"id"`
	Object     string     `json:"object"`
	AppID      string     `json:"app_id"`
	Kind       string     `json:"kind"`
	SubjectID  string     `json:"subject_id"` // the payment or refund it is about
	Summary    string     `json:"summary"`
	OpenedAt   time.Time  `json:"opened_at"`
	ResolvedAt *time.Time `json:"resolved_at,omitempty"`
	Resolution string     `json:"resolution,omitempty"`
}

// ReviewQuery narrows a list of reviews, newest first; zero fields do not.
type ReviewQuery struct {
	OpenOnly bool
	Cursor   string
	Limit    int // reviews per page, 1 to 100; 0: 20
}

// ListReviews answers with one page.
func (c *Client) ListReviews(ctx context.Context, q ReviewQuery) (*Page[Review], error) {
	values := query{}
	if q.OpenOnly {
		values.text("open_only", "true")
	}
	values.text("cursor", q.Cursor)
	values.limit(q.Limit)
	return page[Review](ctx, c, "/v1/reviews", values)
}

// Reviews walks every review that fits, page by page.
func (c *Client) Reviews(ctx context.Context, q ReviewQuery) iter.Seq2[Review, error] {
	return all(q.Cursor, func(cursor string) (*Page[Review], error) {
		q.Cursor = cursor
		return c.ListReviews(ctx, q)
	})
}
