package store

import (
	"context"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

const reviewColumns = `app_id, id, account_id, kind, subject_id, summary, evidence, opened_at, resolved_at, resolution, note, resolved_by`

func scanReview(r rows) (*payment.Review, error) {
	v := &payment.Review{}
	var evidence string
	err := r.Scan(&v.AppID, &v.ID, &v.AccountID, &v.Kind, &v.SubjectID, &v.Summary, &evidence, instant{&v.OpenedAt}, instant{&v.ResolvedAt}, &v.Resolution, &v.Note, &v.ResolvedBy)
	v.Evidence = []byte(evidence)
	return v, err
}

// ReviewByID implements [payment.Store].
func (s *Store) ReviewByID(ctx context.Context, appID, id string) (*payment.Review, error) {
	return one(ctx, s.read, payment.ErrNotFound, scanReview, `SELECT `+reviewColumns+` FROM reviews WHERE app_id = $1 AND id = $2`, appID, id)
}

// Reviews lists reviews, newest first. next is empty at the end.
func (s *Store) Reviews(ctx context.Context, rf payment.ReviewFilter, page payment.Page) (reviews []*payment.Review, next string, err error) {
	f := filter{conditions: []string{"1 = 1"}}
	if !rf.AnyApp {
		f.add("app_id = ?", rf.AppID)
	}
	f.text("id", rf.ID)
	f.text("kind", string(rf.Kind))
	f.text("subject_id", rf.SubjectID)
	switch rf.State {
	case payment.ReviewOpen:
		f.conditions = append(f.conditions, "resolved_at = 0")
	case payment.ReviewResolved:
		f.conditions = append(f.conditions, "resolved_at <> 0")
	}
	tail, err := f.page("opened_at", page)
	if err != nil {
		return nil, "", err
	}
	all, err := list(ctx, s.read, scanReview, `SELECT `+reviewColumns+` FROM reviews`+f.where()+tail, f.args...)
	if err != nil {
		return nil, "", err
	}
	all, next = cut(all, page.Limit, func(v *payment.Review) string { return encodeCursor(v.OpenedAt, v.ID) })
	return all, next, nil
}

// OpenReviews counts the open reviews by kind.
func (s *Store) OpenReviews(ctx context.Context) (map[payment.ReviewKind]int64, error) {
	counts := map[payment.ReviewKind]int64{}
	_, err := list(ctx, s.read, func(r rows) (struct{}, error) {
		var kind payment.ReviewKind
		var n int64
		err := r.Scan(&kind, &n)
		counts[kind] = n
		return struct{}{}, err
	}, `SELECT kind, COUNT(*) FROM reviews WHERE resolved_at = 0 GROUP BY kind`)
	return counts, err
}

func putReview(v *payment.Review) statement {
	return statement{
		sql: `INSERT INTO reviews (app_id, id, account_id, kind, subject_id, summary, evidence, opened_at, resolved_at, resolution, note, resolved_by)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, '', '', '') ON CONFLICT DO NOTHING`,
		args: []any{v.AppID, v.ID, v.AccountID, string(v.Kind), v.SubjectID, v.Summary, string(v.Evidence), millis(v.OpenedAt)},
	}
}

// resolveReview ends a review that is still open.
func resolveReview(v *payment.Review) statement {
	return statement{
		sql:  `UPDATE reviews SET resolved_at = $3, resolution = $4, note = $5, resolved_by = $6 WHERE app_id = $1 AND id = $2 AND resolved_at = 0`,
		args: []any{v.AppID, v.ID, millis(v.ResolvedAt), string(v.Resolution), v.Note, v.ResolvedBy},
		affected: func(n int64) error {
			if n == 0 {
				return payment.ErrResolved
			}
			return nil
		},
	}
}
