package webhook

import (
	"net/http"
	"net/url"
	"testing"
	"time"
)

func FuzzGuardCheck(f *testing.F) {
	for _, seed := range []string{
		"https://shop.example.com/webhooks", "http://127.0.0.1:8080/", "https://[::1]/", "https://user@h/", "https://h:0/", "https://h/#", "https:h", "//h", "https://%31/",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if (guard{}).check(text) != nil {
			return
		}
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "https" || u.User != nil || u.Fragment != "" || u.Hostname() == "" {
			t.Fatalf("%q is taken and reads as %+v, %v", text, u, err)
		}
		if addr, ok := address(u.Hostname()); ok && !(guard{}).allows(addr) {
			t.Errorf("%q is taken and leads to %s", text, addr)
		}
		if _, err := http.NewRequestWithContext(t.Context(), http.MethodPost, text, http.NoBody); err != nil {
			t.Errorf("%q is taken and cannot be called: %v", text, err)
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "0", "120", "-1", "1e9", "99999999999999999999", "Fri, 02 Jan 2026 03:04:05 GMT", "Sun, 06 Nov 9999 08:49:37 GMT"} {
		f.Add(seed)
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		if got := retryAfter(http.Header{"Retry-After": {text}}, now); got < 0 || got > retryAfterMax {
			t.Errorf("%q puts off for %v", text, got)
		}
	})
}
