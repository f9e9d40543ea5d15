package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

var listTests = map[string]func(*testing.T, *bundle){
	"PaymentsArePagedOverEqualTimes":   paymentsArePagedOverEqualTimes,
	"PagesStayStableWhileRowsAreAdded": pagesStayStableWhileRowsAreAdded,
	"PaymentsAreFiltered":              paymentsAreFiltered,
	"RefundsArePagedAndFiltered":       refundsArePagedAndFiltered,
	"ReviewsArePagedAndFiltered":       reviewsArePagedAndFiltered,
	"ABrokenCursorIsRefused":           aBrokenCursorIsRefused,
}

func (b *bundle) paymentPages(f payment.PaymentFilter, limit int) (ids []string, pages int) {
	b.t.Helper()
	page := payment.Page{Limit: limit}
	for {
		all, next, err := b.Payments(b.t.Context(), f, page)
		if err != nil {
			b.t.Fatal(err)
		}
		pages++
		for _, p := range all {
			ids = append(ids, p.ID)
			if len(p.Attempts) != 1 || p.Current().ID[4:] != p.ID[4:] {
				b.t.Errorf("%s is listed with the attempts %v", p.ID, p.Attempts)
			}
		}
		if next == "" {
			return ids, pages
		}
		page.Cursor = next
	}
}

func paymentsArePagedOverEqualTimes(t *testing.T, b *bundle) {
	var want []string
	for n := range 7 {
		p := newPayment(n)
		if n >= 5 {
			p.CreatedAt = epoch.Add(time.Second)
		}
		b.commit(created(p))
		want = append([]string{p.ID}, want...)
	}
	for limit, pages := range map[int]int{1: 7, 2: 4, 3: 3, 6: 2, 7: 1, 100: 1} {
		got, n := b.paymentPages(payment.PaymentFilter{AppID: appID}, limit)
		same(t, fmt.Sprintf("in pages of %d", limit), got, want)
		if n != pages {
			t.Errorf("%d pages of %d, want %d", n, limit, pages)
		}
	}
	if got, _ := b.paymentPages(payment.PaymentFilter{AppID: "app_none"}, 10); len(got) != 0 {
		t.Errorf("another app sees %v", got)
	}
}

func pagesStayStableWhileRowsAreAdded(t *testing.T, b *bundle) {
	for n := range 4 {
		b.commit(created(newPayment(n)))
	}
	first, next, err := b.Payments(t.Context(), payment.PaymentFilter{AppID: appID}, payment.Page{Limit: 2})
	if err != nil || len(first) != 2 {
		t.Fatal(first, err)
	}
	b.commit(created(newPayment(9)))
	second, _, err := b.Payments(t.Context(), payment.PaymentFilter{AppID: appID}, payment.Page{Limit: 2, Cursor: next})
	if err != nil || len(second) != 2 || second[0].ID != "pay_0001" || second[1].ID != "pay_0000" {
		t.Errorf("second page: %v %v", second, err)
	}
}

func paymentsAreFiltered(t *testing.T, b *bundle) {
	for n := range 4 {
		p := newPayment(n)
		p.CreatedAt = epoch.Add(time.Duration(n) * time.Second)
		b.commit(created(p))
		if n == 2 {
			b.commit(paid(p))
		}
	}
	for _, test := range []struct {
		what string
		f    payment.PaymentFilter
		want []string
	}{
		{"by number", payment.PaymentFilter{OutTradeNo: "order-0001"}, []string{"pay_0001"}},
		{"by a number that is SQL", payment.PaymentFilter{OutTradeNo: "' OR 1=1 --"}, nil},
		{"by status", payment.PaymentFilter{Status: payment.Succeeded}, []string{"pay_0002"}},
		{"by channel", payment.PaymentFilter{Channel: "alipay"}, nil},
		{"from, inclusive", payment.PaymentFilter{CreatedFrom: epoch.Add(2 * time.Second)}, []string{"pay_0003", "pay_0002"}},
		{"to, exclusive", payment.PaymentFilter{CreatedTo: epoch.Add(time.Second)}, []string{"pay_0000"}},
		{"by all", payment.PaymentFilter{
			OutTradeNo: "order-0002", Status: payment.Succeeded, Channel: payment.WeChat, CreatedFrom: epoch, CreatedTo: epoch.Add(time.Hour),
		}, []string{"pay_0002"}},
	} {
		test.f.AppID = appID
		got, _ := b.paymentPages(test.f, 10)
		same(t, test.what, got, test.want)
	}
}

func refundsArePagedAndFiltered(t *testing.T, b *bundle) {
	p, q := newPayment(1), newPayment(2)
	for _, p := range []*payment.Payment{p, q} {
		b.commit(created(p))
		b.commit(paid(p))
	}
	for n := range 4 {
		b.commit(addRefund(p, n, 10))
	}
	b.commit(addRefund(q, 9, 10))
	collect := func(f payment.RefundFilter) (ids []string) {
		f.AppID = appID
		page := payment.Page{Limit: 2}
		for {
			all, next, err := b.Refunds(t.Context(), f, page)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range all {
				ids = append(ids, r.ID)
			}
			if page.Cursor = next; next == "" {
				return ids
			}
		}
	}
	same(t, "all", collect(payment.RefundFilter{}), []string{"rfd_0009", "rfd_0003", "rfd_0002", "rfd_0001", "rfd_0000"})
	same(t, "by payment", collect(payment.RefundFilter{PaymentID: q.ID}), []string{"rfd_0009"})
	same(t, "by number", collect(payment.RefundFilter{OutRefundNo: "refund-0002"}), []string{"rfd_0002"})
	same(t, "by status", collect(payment.RefundFilter{Status: payment.RefundFailed}), []string(nil))
}

func reviewsArePagedAndFiltered(t *testing.T, b *bundle) {
	for n := range 3 {
		b.commit(review(fmt.Sprintf("rvw_%d", n), fmt.Sprintf("pay_%d", n)))
	}
	b.exec(`UPDATE reviews SET resolved_at = 5, resolution = 'refunded by hand' WHERE id = 'rvw_1'`)
	first, next, err := b.Reviews(t.Context(), payment.ReviewFilter{AppID: appID}, payment.Page{Limit: 2})
	if err != nil || len(first) != 2 || next == "" {
		t.Fatal(first, next, err)
	}
	same(t, "resolved", first[1], &payment.Review{
		ID: "rvw_1", AppID: appID, AccountID: accountID, Kind: payment.ReviewMismatch, SubjectID: "pay_1", Summary: "look", Evidence: []byte(`{"a":1}`),
		OpenedAt: epoch, ResolvedAt: time.UnixMilli(5).UTC(), Resolution: "refunded by hand",
	})
	for _, test := range []struct {
		filter payment.ReviewFilter
		want   []string
	}{
		{payment.ReviewFilter{State: payment.ReviewOpen}, []string{"rvw_2", "rvw_0"}},
		{payment.ReviewFilter{State: payment.ReviewResolved}, []string{"rvw_1"}},
		{payment.ReviewFilter{SubjectID: "pay_2"}, []string{"rvw_2"}},
		{payment.ReviewFilter{Kind: payment.ReviewMismatch}, []string{"rvw_2", "rvw_1", "rvw_0"}},
		{payment.ReviewFilter{Kind: payment.ReviewLatePaid}, nil},
		{payment.ReviewFilter{ID: "rvw_0", State: payment.ReviewOpen, SubjectID: "pay_0"}, []string{"rvw_0"}},
	} {
		test.filter.AppID = appID
		all, next, err := b.Reviews(t.Context(), test.filter, payment.Page{Limit: 3})
		if err != nil || next != "" {
			t.Error(next, err)
		}
		var ids []string
		for _, v := range all {
			ids = append(ids, v.ID)
		}
		same(t, fmt.Sprintf("%+v", test.filter), ids, test.want)
	}
	ofNobody := review("rvw_9", "EV-1")
	ofNobody.Reviews[0].AppID = ""
	b.commit(&payment.Change{Reviews: ofNobody.Reviews})
	all, _, err := b.Reviews(t.Context(), payment.ReviewFilter{AnyApp: true}, payment.Page{Limit: 10})
	if err != nil || len(all) != 4 {
		t.Error("of any app:", all, err)
	}
}

func aBrokenCursorIsRefused(t *testing.T, b *bundle) {
	for _, cursor := range []string{"x", "é", "MTIz", "IA", "MTIzIA==", "' OR 1=1", "MSAA", "MSD_", "MSB4"} {
		page := payment.Page{Limit: 10, Cursor: cursor}
		if _, _, err := b.Payments(t.Context(), payment.PaymentFilter{AppID: appID}, page); !isUnknown(err, "cursor") {
			t.Errorf("payments, %q: %v", cursor, err)
		}
		if _, _, err := b.Refunds(t.Context(), payment.RefundFilter{AppID: appID}, page); !isUnknown(err, "cursor") {
			t.Errorf("refunds, %q: %v", cursor, err)
		}
		if _, _, err := b.Reviews(t.Context(), payment.ReviewFilter{AppID: appID}, page); !isUnknown(err, "cursor") {
			t.Errorf("reviews, %q: %v", cursor, err)
		}
	}
}

// isUnknown reports whether err tells the caller that the field holds no cursor of ours.
func isUnknown(err error, field string) bool {
	e, ok := errors.AsType[*payment.Error](err)
	return ok && e.Code == payment.CodeInvalid && e.Field == field
}
