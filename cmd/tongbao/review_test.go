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
	file := installation(t)
	if code, out, errs := tongbao(t, nil, "review", "list", "--config", file); code != exitDone || !strings.Contains(out, "nothing waits") {
		t.Fatalf("without any: code %d, printed %q and %q", code, out, errs)
	}
	c, err := config.Load(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), c.Database.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*payment.Review{
		{ID: "rvw_1", AppID: "shop", Kind: payment.ReviewMismatch, SubjectID: "pay_1", Summary: "compare", OpenedAt: time.UnixMilli(1)},
		{ID: "rvw_2", Kind: payment.ReviewUnknownOrder, SubjectID: "EV-1", Summary: "find out who", OpenedAt: time.UnixMilli(2)},
	} {
		if err := s.Commit(t.Context(), &payment.Change{Reviews: []*payment.Review{r}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
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
