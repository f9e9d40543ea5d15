package notify_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/channel"
	"github.com/tongbao-pay/tongbao/internal/notify"
	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/store"
	"github.com/tongbao-pay/tongbao/internal/store/storetest"
)

func TestNotifications(t *testing.T) {
	t.Parallel()
	p := startProvider(t)
	for name, test := range map[string]func(*testing.T, *bundle){
		"ATrueOneMovesItsPayment":               aTrueOneMovesItsPayment,
		"ThePlatformCertificateSignsToo":        thePlatformCertificateSignsToo,
		"WithoutASignatureIsRefused":            withoutASignatureIsRefused,
		"ABodyThatWasRewrittenIsRefused":        aBodyThatWasRewrittenIsRefused,
		"TheClockWindowIsFiveMinutesBothWays":   theClockWindowIsFiveMinutesBothWays,
		"AnUnknownSerialIsRefusedWithoutAStorm": anUnknownSerialIsRefusedWithoutAStorm,
		"AnExpiredCertificateIsRefused":         anExpiredCertificateIsRefused,
		"ANonceOfTheWrongLengthIsRefused":       aNonceOfTheWrongLengthIsRefused,
		"AnotherMerchantsKeyIsRefused":          anotherMerchantsKeyIsRefused,
		"AHugeBodyIsCut":                        aHugeBodyIsCut,
		"ADribblingBodyIsCut":                   aDribblingBodyIsCut,
		"ABombIsNotInflated":                    aBombIsNotInflated,
		"XMLIsRefused":                          xmlIsRefused,
		"TwoSignaturesAreRefused":               twoSignaturesAreRefused,
		"AnUnknownEventIsHeld":                  anUnknownEventIsHeld,
		"AnotherAmountIsHeldACouponIsNot":       anotherAmountIsHeldACouponIsNot,
		"AnotherAppOrMerchantIsHeld":            anotherAppOrMerchantIsHeld,
		"AMissingOrForeignTransactionIsHeld":    aMissingOrForeignTransactionIsHeld,
		"AnUnknownStateIsHeld":                  anUnknownStateIsHeld,
		"AnOrderOfSomebodyElseIsHeld":           anOrderOfSomebodyElseIsHeld,
		"AnAccountOrChannelNobodyHasIsRefused":  anAccountOrChannelNobodyHasIsRefused,
		"OnlyPostIsTaken":                       onlyPostIsTaken,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newBundle(t, p, storetest.OpenSQLite(t)))
		})
	}
	for engine, open := range map[string]func(*testing.T) *store.Store{"SQLite": storetest.OpenSQLite, "Postgres": storetest.OpenPostgres} {
		t.Run("AThousandAtOnceMakeOneChangeOn"+engine, func(t *testing.T) {
			t.Parallel()
			aThousandAtOnceMakeOneChange(t, newBundle(t, p, open(t)))
		})
	}
}

func aTrueOneMovesItsPayment(t *testing.T, b *bundle) {
	b.applies(b.message("n1"))
	if b.heard.count("applied") != 1 {
		t.Errorf("heard %v", b.heard.all)
	}
	if got := b.send(b.request(b.message("n1"))); got != http.StatusNoContent || b.heard.count("duplicated") != 1 {
		t.Errorf("answered %d, heard %v", got, b.heard.all)
	}
}

func thePlatformCertificateSignsToo(_ *testing.T, b *bundle) {
	b.applies(b.platform("n1"))
}

// platform is a message signed as before the public key: with the platform certificate.
func (b *bundle) platform(id string) message {
	m := b.message(id)
	m.serial, m.key = b.provider.sandbox.Credentials().WeChatPay.PlatformSerialNo, b.provider.platform
	return m
}

func withoutASignatureIsRefused(t *testing.T, b *bundle) {
	for _, header := range []string{"Wechatpay-Signature", "Wechatpay-Timestamp", "Wechatpay-Nonce", "Wechatpay-Serial"} {
		for what, change := range map[string]func(http.Header){
			"missing": func(h http.Header) { h.Del(header) },
			"empty":   func(h http.Header) { h.Set(header, "") },
			"wrong":   func(h http.Header) { h.Set(header, "AAAA") },
		} {
			m := b.message("n1")
			m.tamper = func(r *http.Request) []byte { change(r.Header); return nil }
			t.Log(header, what)
			b.refuses(b.request(m), http.StatusUnauthorized)
		}
	}
	m := b.message("n1")
	m.tamper = func(r *http.Request) []byte {
		r.Header.Set("Wechatpay-Signature", "WECHATPAY/SIGNTEST/"+r.Header.Get("Wechatpay-Signature"))
		return nil
	}
	b.refuses(b.request(m), http.StatusUnauthorized)
	m.tamper = func(r *http.Request) []byte { clear(r.Header); r.Host = "localhost"; return nil }
	b.refuses(b.request(m), http.StatusUnauthorized)
}

func aBodyThatWasRewrittenIsRefused(t *testing.T, b *bundle) {
	for what, rewrite := range map[string]func([]byte) []byte{
		"indented": func(body []byte) []byte {
			var out bytes.Buffer
			if err := json.Indent(&out, body, "", " "); err != nil {
				t.Fatal(err)
			}
			return out.Bytes()
		},
		"a newline more": func(body []byte) []byte { return append(body, '\n') },
		"empty":          func([]byte) []byte { return []byte{} },
	} {
		m := b.message("n1")
		m.tamper = func(r *http.Request) []byte {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			return rewrite(body)
		}
		t.Log(what)
		b.refuses(b.request(m), http.StatusUnauthorized)
	}
}

func theClockWindowIsFiveMinutesBothWays(t *testing.T, b *bundle) {
	b.setClock(time.Now().Truncate(time.Second))
	for _, off := range []time.Duration{-5*time.Minute - time.Second, 5*time.Minute + time.Second, -24 * time.Hour, 24 * time.Hour} {
		m := b.message("n1")
		m.at = m.at.Add(off)
		t.Log(off)
		b.refuses(b.request(m), http.StatusUnauthorized)
	}
	for i, off := range []time.Duration{-5*time.Minute + time.Second, 5*time.Minute - time.Second} {
		m := b.message(fmt.Sprint("n", i))
		m.at = m.at.Add(off)
		b.applies(m)
	}
}

func anUnknownSerialIsRefusedWithoutAStorm(t *testing.T, b *bundle) {
	b = newBundle(t, startProvider(t), storetest.OpenSQLite(t)) // a provider of its own, to count what it is asked
	downloads := func() int {
		r, err := http.Get(b.provider.sandbox.ControlURL() + "/journal?operation=certificates")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		var page struct{ Entries []json.RawMessage }
		if err := json.NewDecoder(r.Body).Decode(&page); err != nil {
			t.Fatal(err)
		}
		return len(page.Entries)
	}
	before := downloads()
	for n := range 30 {
		m := b.message("n1")
		m.serial = fmt.Sprintf("%040X", n+1)
		b.refuses(b.request(m), http.StatusUnauthorized)
	}
	if got := downloads() - before; got > 1 {
		t.Errorf("%d downloads for 30 notifications", got)
	}
	m := b.message("n1")
	m.serial = b.provider.sandbox.Credentials().WeChatPay.MerchantSerialNo // the merchant's own certificate proves nothing
	b.refuses(b.request(m), http.StatusUnauthorized)
}

func anExpiredCertificateIsRefused(_ *testing.T, b *bundle) {
	if got := b.send(b.request(func() message { m := b.platform("n0"); m.eventType, m.originalType = "X", "x"; return m }())); got != http.StatusNoContent {
		b.t.Fatalf("before it expired: %d", got)
	}
	b.setClock(time.Now().AddDate(20, 0, 0))
	b.refuses(b.request(b.platform("n1")), http.StatusUnauthorized)
}

func aNonceOfTheWrongLengthIsRefused(t *testing.T, b *bundle) {
	for _, length := range []int{0, 11, 13, 16, 40_000} {
		m := b.message("n1")
		m.edit = func(e object) { e["resource"].(object)["nonce"] = strings.Repeat("n", length) }
		t.Log(length)
		b.refuses(b.request(m), http.StatusBadRequest)
	}
	for what, edit := range map[string]func(object){
		"ciphertext that is no base64": func(r object) { r["ciphertext"] = "!" },
		"no ciphertext":                func(r object) { r["ciphertext"] = "" },
		"a ciphertext without its tag": func(r object) { r["ciphertext"] = "AAAA" },
		"another algorithm":            func(r object) { r["algorithm"] = "NONE" },
	} {
		m := b.message("n1")
		m.edit = func(e object) { edit(e["resource"].(object)) }
		t.Log(what)
		if got := b.send(b.request(m)); got < 400 {
			t.Errorf("answered %d", got)
		}
	}
	m := b.message("n1")
	m.edit = func(e object) { e["resource"].(object)["nonce"] = strings.Repeat("n", 1<<20) }
	b.refuses(b.request(m), http.StatusRequestEntityTooLarge)
}

func anotherMerchantsKeyIsRefused(t *testing.T, b *bundle) {
	m := b.message("n1")
	m.apiV3Key = "another-merchants-key-0123456789" // the one of account "other"
	b.refuses(b.request(m), http.StatusInternalServerError)
	m = b.message("n1")
	m.account = "other"
	b.refuses(b.request(m), http.StatusInternalServerError)
	if b.rows("notices") != 0 {
		t.Error("stored")
	}
}

func aHugeBodyIsCut(_ *testing.T, b *bundle) {
	r := b.request(b.message("n1"))
	r.ContentLength, r.Body = 1<<30, io.NopCloser(panicking{})
	b.refuses(r, http.StatusRequestEntityTooLarge)
	r = b.request(b.message("n1"))
	r.ContentLength, r.Body = -1, io.NopCloser(io.LimitReader(zeros{}, 1<<30))
	b.refuses(r, http.StatusRequestEntityTooLarge)
}

// panicking is a body that nobody may read.
type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("a body that is too large was read") }

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func aDribblingBodyIsCut(t *testing.T, b *bundle) {
	server := httptest.NewServer(b.door)
	defer server.Close()
	var dialer net.Dialer
	connection, err := dialer.DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	start := time.Now()
	if _, err := fmt.Fprintf(connection, "POST /notify/wechat/main HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	if err := connection.SetReadDeadline(start.Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err == nil {
		defer answer.Body.Close()
		if answer.StatusCode < 400 {
			t.Errorf("answered %s", answer.Status)
		}
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("cut after %s (%v)", took, err)
	}
}

func aBombIsNotInflated(t *testing.T, b *bundle) {
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	if _, err := io.CopyN(w, zeros{}, 10<<20); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	m := b.message("n1")
	m.tamper = func(r *http.Request) []byte { r.Header.Set("Content-Encoding", "gzip"); return bomb.Bytes() }
	b.refuses(b.request(m), http.StatusUnauthorized)
}

func xmlIsRefused(_ *testing.T, b *bundle) {
	m := b.message("n1")
	m.tamper = func(r *http.Request) []byte {
		clear(r.Header)
		return []byte(`<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><xml><return_code>SUCCESS</return_code><out_trade_no>&e;</out_trade_no></xml>`)
	}
	b.refuses(b.request(m), http.StatusUnauthorized)
}

func twoSignaturesAreRefused(_ *testing.T, b *bundle) {
	for _, header := range []string{"Wechatpay-Signature", "Wechatpay-Serial", "Wechatpay-Timestamp", "Wechatpay-Nonce"} {
		m := b.message("n1")
		m.tamper = func(r *http.Request) []byte { r.Header.Add(header, r.Header.Get(header)+"x"); return nil }
		b.refuses(b.request(m), http.StatusUnauthorized)
	}
}

func anUnknownEventIsHeld(_ *testing.T, b *bundle) {
	m := b.message("n1")
	m.eventType, m.originalType, m.content = "COUPON.USE", "coupon", object{"coupon_id": "1"}
	b.holds(m, payment.ReviewUnknownEvent)
}

func anotherAmountIsHeldACouponIsNot(_ *testing.T, b *bundle) {
	for n, total := range []int{999, 1001, 0, -1000} {
		m := b.message(fmt.Sprint("n", n))
		m.content["amount"] = object{"total": total, "payer_total": total, "currency": "CNY", "payer_currency": "CNY"}
		b.holds(m, payment.ReviewMismatch)
	}
	m := b.message("currency")
	m.content["amount"] = object{"total": 1000, "payer_total": 1000, "currency": "USD", "payer_currency": "USD"}
	b.holds(m, payment.ReviewMismatch)
	m = b.message("coupon")
	m.content["amount"] = object{"total": 1000, "payer_total": 700, "currency": "CNY", "payer_currency": "CNY"}
	b.applies(m)
}

func anotherAppOrMerchantIsHeld(_ *testing.T, b *bundle) {
	m := b.message("app")
	m.content["appid"] = "wx9999999999999999"
	b.holds(m, payment.ReviewMismatch)
	m = b.message("merchant")
	m.content["mchid"] = "1999999999"
	b.holds(m, payment.ReviewMismatch)
	b.applies(b.message("true"))
}

func aMissingOrForeignTransactionIsHeld(_ *testing.T, b *bundle) {
	m := b.message("missing")
	delete(m.content, "transaction_id")
	b.holds(m, payment.ReviewMismatch)
	other := b.order("other")
	m = b.message("other")
	m.content = b.paid(other)
	if got := b.send(b.request(m)); got != http.StatusNoContent || b.status(other) != payment.Succeeded {
		b.t.Fatalf("answered %d", got)
	}
	foreign := b.message("foreign")
	foreign.content["transaction_id"] = m.content["transaction_id"]
	b.holds(foreign, payment.ReviewDoublePaid)
}

func anUnknownStateIsHeld(_ *testing.T, b *bundle) {
	m := b.message("n1")
	m.content["trade_state"] = "CANCELING"
	b.holds(m, payment.ReviewUnrecognised)
}

func anOrderOfSomebodyElseIsHeld(_ *testing.T, b *bundle) {
	m := b.message("n1")
	m.content["out_trade_no"] = "20260309elsewhere"
	b.holds(m, payment.ReviewUnknownOrder)
}

func anAccountOrChannelNobodyHasIsRefused(t *testing.T, b *bundle) {
	for _, path := range []string{"/notify/wechat/nobody", "/notify/alipay/main", "/notify/wechat/", "/notify/wechat/..%2fmain", "/"} {
		r := b.request(b.message("n1"))
		r = withBody(r, nil)
		r.URL.Path = path
		if got := b.send(r); got != http.StatusNotFound {
			t.Errorf("%s answered %d", path, got)
		}
	}
	if b.rows("notices") != 0 {
		t.Error("stored")
	}
}

func onlyPostIsTaken(t *testing.T, b *bundle) {
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
		r := b.request(b.message("n1"))
		r.Method = method
		if got := b.send(r); got != http.StatusMethodNotAllowed {
			t.Errorf("%s answered %d", method, got)
		}
	}
}

func aThousandAtOnceMakeOneChange(t *testing.T, b *bundle) {
	requests := make([]*http.Request, 1000)
	signed := b.request(b.message("n1"))
	body, err := io.ReadAll(signed.Body)
	if err != nil {
		t.Fatal(err)
	}
	for i := range requests {
		requests[i] = withBody(signed, body)
	}
	answers := map[int]int{}
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	var mu sync.Mutex
	var group sync.WaitGroup
	for _, r := range requests {
		group.Go(func() {
			for next := r; ; next = withBody(signed, body) {
				got := b.send(next)
				mu.Lock()
				answers[got]++
				enough := got == http.StatusNoContent || answers[http.StatusInternalServerError] > 10_000
				mu.Unlock()
				if enough {
					return
				}
				<-again.C // a slow machine was not in time, and the provider sends again
			}
		})
	}
	group.Wait()
	t.Logf("answers %v", answers)
	if answers[http.StatusNoContent] != 1000 {
		t.Errorf("answers %v, want 1,000 times 204", answers)
	}
	if b.heard.count("applied") != 1 || b.heard.count("duplicated") != 999 || b.rows("notices") != 1 || b.rows("postings") != 1 || b.rows("events") != 2 {
		t.Errorf("heard %v; %d notices, %d postings, %d events", b.heard.all, b.rows("notices"), b.rows("postings"), b.rows("events"))
	}
	if got := b.status(b.p); got != payment.Succeeded {
		t.Errorf("the payment is %s", got)
	}
}

// broken is a gateway whose own side fails.
type broken struct{}

func (broken) Notify(context.Context, payment.Notification) (payment.Verdict, error) {
	return "", errors.New("dial tcp 10.0.0.7:5432: connection refused")
}

func TestWhatIsNotStoredIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	b := newBundle(t, startProvider(t), storetest.OpenSQLite(t))
	registry := channel.New(channel.Config{Source: b, PublicURL: "http://127.0.0.1:1"})
	b.door = notify.New(notify.Config{Doors: registry, Payments: broken{}, Observer: b.heard})
	answer := httptest.NewRecorder()
	b.door.ServeHTTP(answer, b.request(b.message("n1")))
	if answer.Code != http.StatusInternalServerError || strings.Contains(answer.Body.String(), "10.0.0.7") || b.heard.count("failed") != 1 {
		t.Errorf("answered %d %s, heard %v", answer.Code, answer.Body, b.heard.all)
	}
}
