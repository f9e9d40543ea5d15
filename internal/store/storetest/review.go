package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

var reviewTests = map[string]func(*testing.T, *bundle){
	"AReviewIsOpenedOnceWithOneEvent":              aReviewIsOpenedOnceWithOneEvent,
	"AReviewOpensAgainAfterItWasResolved":          aReviewOpensAgainAfterItWasResolved,
	"OpenReviewsAreCountedByKind":                  openReviewsAreCountedByKind,
	"AReviewIsResolvedWithAllThatFollows":          aReviewIsResolvedWithAllThatFollows,
	"OneOfManyResolutionsIsCommitted":              oneOfManyResolutionsIsCommitted,
	"AResolvedReviewKeepsEverythingElseFromMoving": aResolvedReviewKeepsEverythingElseFromMoving,
}

// resolution ends a review and tells of it.
func resolution(v *payment.Review) *payment.Change {
	resolved := *v
	resolved.ResolvedAt, resolved.Resolution, resolved.Note, resolved.ResolvedBy = epoch.Add(time.Hour), payment.ActionAcknowledge, "seen — 已处理", "ak_1"
	return &payment.Change{Resolved: &resolved, Events: []payment.Event{{
		ID: "evt_R" + v.ID, AppID: appID, Type: payment.EventReviewResolved, ResourceType: "review", ResourceID: v.ID, Sequence: 2, CreatedAt: epoch, Object: []byte(`{}`),
	}}}
}

func aReviewIsResolvedWithAllThatFollows(t *testing.T, b *bundle) {
	b.endpoint("whe_1")
	opened := review("rvw_1", "pay_1")
	b.commit(opened)
	same(t, "open", must(b.ReviewByID(t.Context(), appID, "rvw_1"))(t), opened.Reviews[0])
	for _, of := range [][2]string{{"app_2", "rvw_1"}, {"", "rvw_1"}, {appID, "rvw_2"}} {
		if _, err := b.ReviewByID(t.Context(), of[0], of[1]); !errors.Is(err, payment.ErrNotFound) {
			t.Errorf("%q: %v", of, err)
		}
	}
	c := resolution(opened.Reviews[0])
	c.Jobs = []payment.Job{{Kind: payment.AskAgain, AppID: appID, ResourceID: "pay_1", At: epoch}}
	b.commit(c)
	same(t, "resolved", must(b.ReviewByID(t.Context(), appID, "rvw_1"))(t), c.Resolved)
	if sizes := b.sizes(); sizes["events"] != 2 || sizes["webhooks"] != 2 || sizes["enqueued"] != 3 {
		t.Errorf("rows: %v", sizes)
	}
}

func oneOfManyResolutionsIsCommitted(t *testing.T, b *bundle) {
	opened := review("rvw_1", "pay_1")
	b.commit(opened)
	b.race(10, payment.ErrResolved, func() *payment.Change { return resolution(opened.Reviews[0]) })
}

func aResolvedReviewKeepsEverythingElseFromMoving(t *testing.T, b *bundle) {
	p := newPayment(1)
	b.commit(created(p))
	opened := review("rvw_1", p.ID)
	b.commit(opened)
	b.commit(resolution(opened.Reviews[0]))
	before := b.sizes()
	c := paid(must(b.PaymentByID(t.Context(), appID, p.ID))(t))
	c.Resolved = resolution(opened.Reviews[0]).Resolved
	b.refused(c, payment.ErrResolved)
	same(t, "rows", b.sizes(), before)
	same(t, "payment", must(b.PaymentByID(t.Context(), appID, p.ID))(t), p)
}

func aReviewIsOpenedOnceWithOneEvent(t *testing.T, b *bundle) {
	b.endpoint("whe_1")
	b.commit(review("rvw_1", "pay_1"))
	b.commit(review("rvw_2", "pay_1"))
	b.commit(review("rvw_3", "pay_2"))
	sizes := b.sizes()
	if sizes["reviews"] != 2 || sizes["events"] != 2 || sizes["webhooks"] != 2 || sizes["enqueued"] != 2 {
		t.Errorf("rows: %v; want two of each: a review for each subject", sizes)
	}
}

func aReviewOpensAgainAfterItWasResolved(t *testing.T, b *bundle) {
	b.commit(review("rvw_1", "pay_1"))
	b.exec(`UPDATE reviews SET resolved_at = 1, resolution = 'done'`)
	b.commit(review("rvw_2", "pay_1"))
	if sizes := b.sizes(); sizes["reviews"] != 2 || sizes["events"] != 2 {
		t.Errorf("rows: %v", sizes)
	}
}

func openReviewsAreCountedByKind(t *testing.T, b *bundle) {
	b.commit(review("rvw_1", "pay_1"))
	b.commit(review("rvw_2", "pay_2"))
	late := review("rvw_3", "pay_1")
	late.Reviews[0].Kind = payment.ReviewLatePaid
	b.commit(late)
	b.exec(`UPDATE reviews SET resolved_at = 1 WHERE id = 'rvw_2'`)
	same(t, "counts", must(b.OpenReviews(t.Context()))(t), map[payment.ReviewKind]int64{payment.ReviewMismatch: 1, payment.ReviewLatePaid: 1})
}
