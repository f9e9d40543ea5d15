package shop

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/tongbao-pay/tongbao/client"
)

func TestShop(t *testing.T) {
	t.Parallel()

	t.Run("HomeShowsThreeProductsInTwoLanguages", func(t *testing.T) {
		t.Parallel()
		page := setup(t).page("/")
		shows(t, page, `lang="zh-CN"`, "一杯清茶", "A cup of green tea", "0.88", "一笼小笼包", "12.00", "一把油纸伞", "88.00", "重启即忘", "http://gateway.test/docs")
		if n := strings.Count(page, `action="/orders"`); n != 3 {
			t.Errorf("%d products", n)
		}
	})

	t.Run("PagesAreClosedToInlineScriptsAndStylesAndToOthers", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		no := b.paid()
		for _, path := range []string{"/", "/orders/" + no, "/nothing"} {
			w := b.get(path)
			if got := w.Header().Get("Content-Security-Policy"); got != policy {
				t.Errorf("%s: policy %q", path, got)
			}
			page := w.Body.String()
			hides(t, page, "style=", "<style", "onclick", "javascript:", "//cdn", "https://")
			for _, script := range regexp.MustCompile(`<script[^>]*>`).FindAllString(page, -1) {
				shows(t, script, ` src="/assets/shop-`)
			}
		}
	})

	t.Run("EveryAssetOfAPageIsServedUnderAHashedNameForGood", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		found := regexp.MustCompile(`"(/assets/[^"]+)"`).FindAllStringSubmatch(b.page("/"), -1)
		if len(found) < 6 {
			t.Fatalf("only %d assets", len(found))
		}
		for _, m := range found {
			w := b.get(m[1])
			if w.Code != http.StatusOK || w.Body.Len() == 0 || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
				t.Errorf("%s: %d, %d bytes, %s", m[1], w.Code, w.Body.Len(), w.Header().Get("Cache-Control"))
			}
			if !regexp.MustCompile(`-[0-9a-f]{12}\.(css|js|svg)$`).MatchString(m[1]) {
				t.Errorf("%s has no hash", m[1])
			}
			hides(t, w.Body.String(), "https://", "@import", "url(")
		}
		if w := b.get("/assets/shop.css"); w.Code != http.StatusNotFound {
			t.Errorf("a name without a hash: %d", w.Code)
		}
	})

	t.Run("AFormFromAnotherSiteIsNotCarriedOut", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/orders", strings.NewReader("product=tea"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		w := httptest.NewRecorder()
		b.shop.ServeHTTP(w, r)
		if w.Code != http.StatusForbidden || b.gateway.count("create") != 0 {
			t.Fatalf("%d, %d payments", w.Code, b.gateway.count("create"))
		}
	})

	t.Run("AFormThatIsTooLargeIsRefused", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		if w := b.press("/orders", url.Values{"product": {"tea"}, "more": {strings.Repeat("x", formBytesMax)}}); w.Code != http.StatusBadRequest {
			t.Fatalf("%d", w.Code)
		}
	})

	t.Run("WhatIsNotThereSaysSo", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for _, path := range []string{"/nothing", "/orders/shop-NOTHING"} {
			w := b.get(path)
			if w.Code != http.StatusNotFound {
				t.Errorf("%s: %d", path, w.Code)
			}
			shows(t, w.Body.String(), "没有", "回到小铺")
		}
		for _, path := range []string{"close", "refunds", "payment"} {
			if w := b.press("/orders/shop-NOTHING/"+path, nil); w.Code != http.StatusNotFound {
				t.Errorf("%s: %d", path, w.Code)
			}
		}
	})

	t.Run("EveryMistakeInTheConfigurationIsNamed", func(t *testing.T) {
		t.Parallel()
		_, err := New(Config{WebhookSecret: "whsec_???"})
		if err == nil {
			t.Fatal("accepted")
		}
		shows(t, err.Error(), "Gateway", "WebhookSecret", "PhoneURL")
		hides(t, err.Error(), "???")
	})

	t.Run("TheOldestOrderIsForgottenFirst", func(t *testing.T) {
		t.Parallel()
		book := newBook()
		for i := range ordersMax + 1 {
			no := string(rune('a'+i%26)) + strings.Repeat("x", i)
			book.add(order{No: no})
			book.change(no, func(o *order) { o.Payment = client.Payment{ID: "pay_" + no} })
		}
		if _, _, ok := book.look("a"); ok || book.ofPayment("pay_a") != "" {
			t.Error("the oldest is still there")
		}
		if len(book.orders) != ordersMax || len(book.byPayment) != ordersMax {
			t.Errorf("%d orders and %d payments are held", len(book.orders), len(book.byPayment))
		}
	})
}
