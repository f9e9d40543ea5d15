package main

import (
	"strings"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/config"
	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/store"
)

func TestReviewList(t *testing.T) {
	t.Parallel()
	file := installed(t)
	if code, out, errs := tongbao(t, nil, "review", "list", "--config", file); code != exitDone || !strings.Contains(out, "nothing waits") {
		t.Fatalf("without any: code %d, printed %q and %q", code, out, errs)
	}
	openReviews(t, file,
		&payment.Review{ID: "rvw_1", AppID: "shop", Kind: payment.ReviewMismatch, SubjectID: "pay_1", Summary: "compare", OpenedAt: time.UnixMilli(1)},
		&payment.Review{ID: "rvw_2", Kind: payment.ReviewUnknownOrder, SubjectID: "EV-1", Summary: "find out who", OpenedAt: time.UnixMilli(2)},
	)
	_, out, _ := tongbao(t, nil, "review", "list", "--config", file)
	for _, want := range []string{"report_mismatch", "pay_1", "unknown_order", "find out who"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in %q", want, out)
		}
	}
	if _, out, _ := tongbao(t, nil, "review", "--limit", "1", "--config", file); !strings.Contains(out, "there are more") || strings.Contains(out, "pay_1") {
		t.Errorf("with a limit of one: %q", out)
	}
	if code, _, _ := tongbao(t, nil, "review", "list", "--limit", "0"); code != exitUsage {
		t.Errorf("a limit of nothing: code %d", code)
	}
}

func openReviews(t *testing.T, file string, reviews ...*payment.Review) {
	t.Helper()
	c, err := config.Load(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), c.Database.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range reviews {
		if err := s.Commit(t.Context(), &payment.Change{Reviews: []*payment.Review{v}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestReviewShowAndResolve(t *testing.T) {
	t.Parallel()
	file := installed(t)
	if code, _, errs := tongbao(t, nil, "review", "show", "rvw_1", "--config", file); code != exitFailed || !strings.Contains(errs, "review list --all") {
		t.Fatalf("of one that is not there: code %d, %q", code, errs)
	}
	openReviews(t, file,
		&payment.Review{ID: "rvw_1", AppID: "shop", Kind: payment.ReviewStuck, SubjectID: "pay_1", Summary: "look it up", Evidence: []byte(`{"code":"SYSTEM_ERROR"}`), OpenedAt: time.UnixMilli(1)},
		&payment.Review{ID: "rvw_2", Kind: payment.ReviewUnknownOrder, SubjectID: "EV-1", Summary: "find out who", Evidence: []byte(`{"payer":{"openid":"o-secret"}}`), OpenedAt: time.UnixMilli(2)},
	)
	_, out, _ := tongbao(t, nil, "review", "show", "rvw_2", "--config", file)
	for _, want := range []string{"unknown_order", "EV-1", "acknowledge", "find out who", "[redacted]"} {
		if !strings.Contains(out, want) || strings.Contains(out, "o-secret") {
			t.Errorf("want %q, and nothing of the payer, in %q", want, out)
		}
	}
	if code, _, errs := tongbao(t, nil, "review", "resolve", "rvw_2", "--action", "refund", "--config", file); code != exitFailed || !strings.Contains(errs, "acknowledge") {
		t.Errorf("an action that does not fit: code %d, %q", code, errs)
	}
	if code, _, _ := tongbao(t, nil, "review", "resolve", "rvw_2", "--action", "forget", "--config", file); code != exitUsage {
		t.Errorf("an action that nobody knows: code %d", code)
	}
	for range 2 { // the second is done already
		for id, action := range map[string]string{"rvw_1": "ask", "rvw_2": "acknowledge"} {
			code, out, errs := tongbao(t, nil, "review", "resolve", id, "--action", action, "--note", "asked by phone", "--config", file)
			if code != exitDone || !strings.Contains(out, action+", by operator") || !strings.Contains(out, "asked by phone") {
				t.Errorf("%s: code %d, printed %q and %q", id, code, out, errs)
			}
		}
	}
	if _, out, _ := tongbao(t, nil, "review", "list", "--config", file); !strings.Contains(out, "nothing waits") {
		t.Errorf("still open: %q", out)
	}
}
