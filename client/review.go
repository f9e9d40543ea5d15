package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// Review waits for a person of the merchant's: something that software must not decide alone.
type Review struct {
	ID         string          `json:"id"`
	Object     string          `json:"object"`
	AppID      string          `json:"app_id"`
	State      string          `json:"state"` // ReviewOpen or ReviewResolved
	Kind       string          `json:"kind"`
	SubjectID  string          `json:"subject_id"` // the payment or refund it is about
	Summary    string          `json:"summary"`
	Actions    []string        `json:"actions,omitempty"`  // of the Action... constants, while it is open
	Evidence   json.RawMessage `json:"evidence,omitempty"` // in answers about one review only
	OpenedAt   time.Time       `json:"opened_at"`
	ResolvedAt *time.Time      `json:"resolved_at,omitempty"`
	Resolution string          `json:"resolution,omitempty"` // the action that was decided
	Note       string          `json:"note,omitempty"`
	ResolvedBy string          `json:"resolved_by,omitempty"` // the id of the API key, or "operator"
}

// The states of a review.
const (
	ReviewOpen     = "open"
	ReviewResolved = "resolved"
)

// What a person can decide about a review; its Actions are those that fit it.
const (
	ActionAccept      = "accept"      // keep the late money: the payment succeeds after all
	ActionRefund      = "refund"      // give the late or second money back
	ActionAsk         = "ask"         // ask the provider again now; without an answer the review opens again
	ActionAcknowledge = "acknowledge" // seen to elsewhere: nothing changes
)

// ResolveReview is a person's decision.
type ResolveReview struct {
	Action string `json:"action"`
	Note   string `json:"note,omitempty"` // why; at most 500 characters

	IdempotencyKey string `json:"-"` // optional: the same decision again is done already
}

// ReviewQuery narrows a list of reviews, newest first; zero fields do not.
type ReviewQuery struct {
	State     string
	Kind      string
	SubjectID string
	Cursor    string
	Limit     int // reviews per page, 1 to 100; 0: 20
}

// Review shows a review with its evidence.
func (c *Client) Review(ctx context.Context, id string) (*Review, error) {
	return c.review(ctx, call{method: http.MethodGet, path: "/v1/reviews/" + url.PathEscape(id)})
}

// ResolveReview ends a review and does what was decided.
func (c *Client) ResolveReview(ctx context.Context, id string, decision ResolveReview) (*Review, error) {
	return c.review(ctx, call{method: http.MethodPost, path: "/v1/reviews/" + url.PathEscape(id) + "/resolve", body: decision, idempotencyKey: decision.IdempotencyKey})
}

func (c *Client) review(ctx context.Context, op call) (*Review, error) {
	var v Review
	if err := c.do(ctx, op, &v); err != nil {
		return nil, err
	}
	return &v, nil
}

// ListReviews answers with one page.
func (c *Client) ListReviews(ctx context.Context, q ReviewQuery) (*Page[Review], error) {
	values := query{}
	values.text("state", q.State)
	values.text("kind", q.Kind)
	values.text("subject_id", q.SubjectID)
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
