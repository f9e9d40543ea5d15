package api_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tongbao-pay/tongbao/client"
	"github.com/tongbao-pay/tongbao/internal/payment"
)

func TestReviews(t *testing.T) {
	t.Parallel()
	t.Run("AreNarrowed", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, err := b.client(t).ListReviews(t.Context(), client.ReviewQuery{State: client.ReviewResolved, Kind: "late_paid", SubjectID: paymentID})
		check(t, err)
		want := []payment.ReviewFilter{{AppID: shop, State: payment.ReviewResolved, Kind: payment.ReviewLatePaid, SubjectID: paymentID}}
		if diff := cmp.Diff(want, b.lists.reviews); diff != "" {
			t.Error(diff)
		}
		for _, kind := range payment.ReviewKinds {
			if a := b.send(t, "GET", "/v1/reviews?kind="+string(kind), ""); a.status != 200 {
				t.Errorf("kind %s: status %d", kind, a.status)
			}
		}
	})
	t.Run("KeepTheirEvidenceInLists", func(t *testing.T) {
		t.Parallel()
		a := setup(t).send(t, "GET", "/v1/reviews?state=open", "")
		if a.status != 200 || !strings.Contains(string(a.body), reviewID) || strings.Contains(string(a.body), "evidence") {
			t.Errorf("status %d: %s", a.status, a.body)
		}
	})
	t.Run("ShowTheirEvidenceWithoutThePayer", func(t *testing.T) {
		t.Parallel()
		v, err := setup(t).client(t).Review(t.Context(), reviewID)
		check(t, err)
		if !strings.Contains(string(v.Evidence), "SUCCESS") || strings.Contains(string(v.Evidence), "somebody") || v.State != client.ReviewOpen {
			t.Errorf("%+v with %s", v, v.Evidence)
		}
		if want := []string{client.ActionAccept, client.ActionRefund, client.ActionAcknowledge}; !slices.Equal(v.Actions, want) {
			t.Errorf("actions %q, want %q", v.Actions, want)
		}
	})
	t.Run("AreResolvedByAPersonWithAKey", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for range 2 {
			v, err := b.client(t).ResolveReview(t.Context(), reviewID, client.ResolveReview{Action: client.ActionRefund, Note: "sold out"})
			check(t, err)
			if v.Resolution != client.ActionRefund || v.Note != "sold out" || v.ResolvedBy != b.key.ID || v.ResolvedAt == nil || v.State != client.ReviewResolved || v.Actions != nil {
				t.Errorf("%+v", v)
			}
		}
		want := payment.ResolveRequest{AppID: shop, ReviewID: reviewID, Action: payment.ActionRefund, Note: "sold out", By: b.key.ID}
		if diff := cmp.Diff(want, b.domain.decided[1]); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("TellWhatDoesNotFit", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for _, c := range []struct {
			body      string
			status    int
			locations string
		}{
			{`{"action":"ask"}`, 422, "body.action"},
			{`{"action":"refund"}`, 409, ""},
			{`{"action":"forget"}`, 400, "body.action"},
			{`{"note":"x"}`, 400, "body.action"},
			{`{"action":"accept","resolved_by":"somebody"}`, 400, "body.resolved_by"},
			{`{"action":"accept","note":"` + strings.Repeat("x", 501) + `"}`, 400, "body.note"},
		} {
			if a := b.send(t, "POST", "/v1/reviews/"+reviewID+"/resolve", c.body); a.status != c.status || a.locations(t) != c.locations {
				t.Errorf("%s: status %d about %q: %s", c.body, a.status, a.locations(t), a.body)
			}
		}
	})
}
