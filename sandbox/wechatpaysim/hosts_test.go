package wechatpaysim_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/journal"
	"github.com/tongbao-pay/tongbao/sandbox/wechatpaysim"
)

// hosts is a provider with two hosts, and the merchant who calls them.
type hosts struct {
	*wechatpaysim.Provider
	config  wechatpaysim.Config
	control *http.ServeMux
}

func newHosts(t *testing.T) hosts {
	t.Helper()
	c, _ := vectorConfig(t)
	p, err := wechatpaysim.New(c)
	if err != nil {
		t.Fatal(err)
	}
	h := hosts{p, c, http.NewServeMux()}
	p.HandleControl(h.control)
	return h
}

func (h hosts) settings(t *testing.T, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.control.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/wechatpay/settings", strings.NewReader(body)))
	if w.Code != http.StatusOK {
		t.Fatalf("settings: %d %s", w.Code, w.Body)
	}
}

// call makes a well signed request that names nothing that exists.
func (h hosts) call(t *testing.T, host, method, target string) *httptest.ResponseRecorder {
	t.Helper()
	body := ""
	if method != http.MethodGet {
		body = "{}"
	}
	merchant := h.config.Identity.Merchant
	nonce := fmt.Sprint(time.Now().UnixNano())
	digest := sha256.Sum256([]byte(method + "\n" + target + "\n1717200000\n" + nonce + "\n" + body + "\n"))
	signature, err := rsa.SignPKCS1v15(nil, merchant.Certificate.RSA(), crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Authorization", fmt.Sprintf(`WECHATPAY2-SHA256-RSA2048 mchid="%s",nonce_str="%s",signature="%s",timestamp="1717200000",serial_no="%s"`,
		merchant.MchID, nonce, base64.StdEncoding.EncodeToString(signature), merchant.Certificate.SerialNo()))
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "test")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	h.Host(host).ServeHTTP(w, r)
	return w
}

// cut reports whether the connection was cut under the call.
func (h hosts) cut(call func()) (cut bool) {
	defer func() {
		err, ok := recover().(error)
		cut = ok && errors.Is(err, http.ErrAbortHandler)
	}()
	call()
	return false
}

func (h hosts) newest(t *testing.T) journal.Entry {
	t.Helper()
	entries, _ := h.config.Journal.List(journal.Filter{Limit: 1})
	if len(entries) != 1 {
		t.Fatal("the call is not in the journal")
	}
	return entries[0]
}

// A host that fails executes the request like one that does not, one that is down answers nothing, and a slow one answers late:
// whatever the operation.
func TestHostsTroubleEveryOperation(t *testing.T) {
	t.Parallel()
	wildcard := regexp.MustCompile(`\{[^}]+\}`)
	for _, route := range wechatpaysim.Routes() {
		t.Run(strings.ReplaceAll(route, "/", "_"), func(t *testing.T) {
			t.Parallel()
			method, path, _ := strings.Cut(route, " ")
			target := wildcard.ReplaceAllString(path, "UNKNOWN1")
			h := newHosts(t)
			healthy := h.call(t, wechatpaysim.Primary, method, target)
			if healthy.Code == http.StatusServiceUnavailable || h.newest(t).Signature != "valid" {
				t.Fatalf("healthy: %d, signature %s", healthy.Code, h.newest(t).Signature)
			}

			h.settings(t, `{"hosts":{"primary":{"state":"error"}}}`)
			w := h.call(t, wechatpaysim.Primary, method, target)
			var body struct{ Code string }
			if err := json.NewDecoder(io.LimitReader(w.Body, 1<<10)).Decode(&body); err != nil || w.Code != http.StatusServiceUnavailable || body.Code != "SERVICE_UNAVAILABLE" {
				t.Fatalf("failing: %d %s, %v", w.Code, body.Code, err)
			}
			entry := h.newest(t)
			if want := fmt.Sprintf("executed with %d,", healthy.Code); !strings.HasPrefix(entry.Error, want) || entry.Signature != "valid" {
				t.Fatalf("failing: %s, %q; want %q", entry.Signature, entry.Error, want)
			}
			if w := h.call(t, wechatpaysim.Backup, method, target); w.Code != healthy.Code {
				t.Fatalf("the other host fails too: %d", w.Code)
			}

			h.settings(t, `{"hosts":{"primary":{"state":"down"}}}`)
			if !h.cut(func() { h.call(t, wechatpaysim.Primary, method, target) }) || h.newest(t).Error != "the host is down" {
				t.Fatal("a host that is down answers")
			}

			h.settings(t, `{"hosts":{"primary":{"state":"up","delay":"20ms"}}}`)
			started := time.Now()
			w = h.call(t, wechatpaysim.Primary, method, target)
			if took := time.Since(started); took < 20*time.Millisecond || w.Code != healthy.Code {
				t.Fatalf("slow: %d after %v", w.Code, took)
			}
		})
	}
}

func TestHostsTroubleAPIv2(t *testing.T) {
	t.Parallel()
	h := newHosts(t)
	call := func() *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/pay/orderquery", strings.NewReader("<xml></xml>")))
		return w
	}
	if w := call(); w.Code != http.StatusOK {
		t.Fatalf("healthy: %d %s", w.Code, w.Body)
	}
	h.settings(t, `{"hosts":{"primary":{"state":"error"}}}`)
	if w := call(); w.Code != http.StatusServiceUnavailable || !strings.HasPrefix(h.newest(t).Error, "executed with 200,") {
		t.Fatalf("failing: %d, %q", w.Code, h.newest(t).Error)
	}
	h.settings(t, `{"hosts":{"primary":{"state":"down"}}}`)
	if !h.cut(func() { call() }) {
		t.Fatal("a host that is down answers")
	}
}
