package api_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// payments with one field changed.
func with(field, value string) string {
	fields := []struct{ name, value string }{
		{"out_trade_no", `"order-1"`}, {"amount", "8800"}, {"description", `"noodles"`}, {"channel", `"wechat"`}, {"product", `"native"`},
	}
	var parts []string
	found := false
	for _, f := range fields {
		if f.name == field {
			f.value, found = value, true
		}
		if f.value != "" {
			parts = append(parts, fmt.Sprintf("%q:%s", f.name, f.value))
		}
	}
	if !found {
		parts = append(parts, fmt.Sprintf("%q:%s", field, value))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func TestBadBody(t *testing.T) {
	t.Parallel()
	b := setup(t)
	deep := strings.Repeat(`{"a":`, 20) + "1" + strings.Repeat("}", 20)
	for _, c := range []struct{ name, body, locations string }{
		{"AmountZero", with("amount", "0"), "body.amount"},
		{"AmountNegative", with("amount", "-1"), "body.amount"},
		{"AmountNegativeZero", with("amount", "-0"), "body.amount"},
		{"AmountFraction", with("amount", "1.5"), "body.amount"},
		{"AmountWholeFraction", with("amount", "100.0"), "body.amount"},
		{"AmountText", with("amount", `"1"`), "body.amount"},
		{"AmountExponent", with("amount", "1e3"), "body.amount"},
		{"AmountNegativeExponent", with("amount", "1000e-1"), "body.amount"},
		{"AmountNull", with("amount", "null"), "body.amount"},
		{"AmountMissing", with("amount", ""), "body.amount"},
		{"AmountTrue", with("amount", "true"), "body.amount"},
		{"AmountList", with("amount", "[1]"), "body.amount"},
		{"AmountObject", with("amount", "{}"), "body.amount"},
		{"Amount2To53", with("amount", "9007199254740992"), "body.amount"},
		{"Amount2To53And1", with("amount", "9007199254740993"), "body.amount"},
		{"Amount2To63", with("amount", "9223372036854775808"), "body.amount"},
		{"Amount2To63Less1", with("amount", "9223372036854775807"), "body.amount"},
		{"Amount2To64And1", with("amount", "18446744073709551617"), "body.amount"},
		{"AmountOverTheLimit", with("amount", "10000000001"), "body.amount"},
		{"AmountEndless", with("amount", strings.Repeat("9", 5000)), "body.amount"},
		{"AmountNaN", with("amount", "NaN"), "body"},
		{"AmountLeadingZero", with("amount", "01"), "body"},
		{"AmountPlus", with("amount", "+1"), "body"},
		{"AmountHex", with("amount", "0x10"), "body"},
		{"AmountWide", with("amount", "１"), "body"},
		{"AmountTwice", `{"amount":1,` + goodPayment[1:], "body"},
		{"AmountTwiceEscaped", `{"\u0061mount":1,` + goodPayment[1:], "body"},
		{"AmountInAnotherCase", strings.Replace(goodPayment, `"amount"`, `"Amount"`, 1), "body.Amount body.amount"},
		{"UnknownStatus", with("status", `"PAID"`), "body.status"},
		{"UnknownMerchant", with("merchant_id", `"1900000001"`), "body.merchant_id"},
		{"UnknownAppID", with("app_id", `"other"`), "body.app_id"},
		{"UnknownInside", with("payer", `{"openid":"o","vip":true}`), "body.payer.vip"},
		{"UnknownPrototype", with("__proto__", `{}`), "body.__proto__"},
		{"NumberWithSpace", with("out_trade_no", `"order 1"`), "body.out_trade_no"},
		{"NumberWithNewline", with("out_trade_no", `"order-1\n"`), "body.out_trade_no"},
		{"NumberTooLong", with("out_trade_no", `"`+strings.Repeat("a", 65)+`"`), "body.out_trade_no"},
		{"NumberEmpty", with("out_trade_no", `""`), "body.out_trade_no"},
		{"NumberAsNumber", with("out_trade_no", "1"), "body.out_trade_no"},
		{"CurrencyOther", with("currency", `"USD"`), "body.currency"},
		{"CurrencyLower", with("currency", `"cny"`), "body.currency"},
		{"CurrencyNull", with("currency", "null"), "body.currency"},
		{"DescriptionEmpty", with("description", `""`), "body.description"},
		{"DescriptionTooLong", with("description", `"`+strings.Repeat("面", 128)+`"`), "body.description"},
		{"DescriptionNUL", with("description", `"a\u0000b"`), "body"},
		{"ChannelOther", with("channel", `"alipay"`), "body.channel"},
		{"ProductOther", with("product", `"card"`), "body.product"},
		{"PayerText", with("payer", `"o1"`), "body.payer"},
		{"OpenIDTooLong", with("payer", `{"openid":"`+strings.Repeat("o", 129)+`"}`), "body.payer.openid"},
		{"ClientIPNone", with("client_ip", `"localhost"`), "body.client_ip"},
		{"ClientIPPort", with("client_ip", `"203.0.113.7:80"`), "body.client_ip"},
		{"ExpiresInShort", with("expires_in", "59"), "body.expires_in"},
		{"ExpiresInLong", with("expires_in", "604801"), "body.expires_in"},
		{"ExpiresInFraction", with("expires_in", "60.5"), "body.expires_in"},
		{"ExpiresAtDate", with("expires_at", `"2026-02-01"`), "body.expires_at"},
		{"ExpiresAtNumber", with("expires_at", "1769824800"), "body.expires_at"},
		{"ExpiresAtWithoutOffset", with("expires_at", `"2026-02-01T00:00:00"`), "body.expires_at"},
		{"ExpiresTwice", strings.Replace(with("expires_at", `"2026-02-01T00:00:00Z"`), "{", `{"expires_in":60,`, 1), "body.expires_at"},
		{"ReturnURLTooLong", with("return_url", `"https://x.example/`+strings.Repeat("a", 512)+`"`), "body.return_url"},
		{"MetadataNested", with("metadata", `{"a":{"b":1}}`), "body.metadata.a"},
		{"MetadataNumber", with("metadata", `{"a":1}`), "body.metadata.a"},
		{"MetadataNUL", with("metadata", `{"a":"\u0000"}`), "body"},
		{"MetadataNULKey", with("metadata", `{"\u0000":"a"}`), "body"},
		{"MetadataList", with("metadata", `["a"]`), "body.metadata"},
		{"AccountTraversal", with("account", `"../main"`), "body.account"},
		{"EveryMistakeAtOnce", `{"amount":0,"channel":"x","product":"y","extra":1}`, "body.amount body.channel body.description body.extra body.out_trade_no body.product"},
		{"Empty", "", "body"},
		{"Space", "   ", "body"},
		{"Null", "null", "body"},
		{"List", "[" + goodPayment + "]", "body"},
		{"Text", `"order"`, "body"},
		{"Number", "1", "body"},
		{"Half", goodPayment[:40], "body"},
		{"Trailing", goodPayment + "{}", "body"},
		{"TrailingGarbage", goodPayment + "x", "body"},
		{"TrailingComma", strings.Replace(goodPayment, "}", ",}", 1), "body"},
		{"Comment", "/* */" + goodPayment, "body"},
		{"SingleQuotes", strings.ReplaceAll(goodPayment, `"`, "'"), "body"},
		{"NotUTF8", with("description", "\"\xff\xfe\""), "body"},
		{"BOM", "\xef\xbb\xbf" + goodPayment, "body"},
		{"UTF16", "{\x00}\x00", "body"},
		{"Deep", with("metadata", deep), "body"},
		{"Form", "amount=1&channel=wechat", "body"},
		{"XML", `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>`, "body"},
	} {
		t.Run(c.name+"IsRefusedWithTheField", func(t *testing.T) {
			a := b.send(t, "POST", "/v1/payments", c.body)
			if a.status != http.StatusBadRequest || a.problem(t).Code != "invalid_request" || a.locations(t) != c.locations {
				t.Errorf("status %d, fields %q, want %q: %s", a.status, a.locations(t), c.locations, a.body)
			}
		})
	}
	t.Run("NothingOfItReachedTheDomain", func(t *testing.T) {
		if n := b.domain.created(); n != 0 {
			t.Errorf("%d requests did", n)
		}
	})
	t.Run("TheValuesAreNotRepeated", func(t *testing.T) {
		if a := b.send(t, "POST", "/v1/payments", with("payer", `{"openid":"`+strings.Repeat("personal", 20)+`"}`)); strings.Contains(string(a.body), "personal") {
			t.Errorf("they are: %s", a.body)
		}
	})
}

func TestBadRefund(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, c := range []struct{ name, old, new, locations string }{
		{"AmountZero", "100", "0", "body.amount"},
		{"AmountFraction", "100", "0.5", "body.amount"},
		{"Amount2To63", "100", "9223372036854775808", "body.amount"},
		{"PaymentOfAnotherKind", paymentID, refundID, "body.payment_id"},
		{"PaymentInjected", paymentID, "pay_' OR 1=1 --", "body.payment_id"},
		{"ReasonTooLong", `"amount"`, `"reason":"` + strings.Repeat("因", 81) + `","amount"`, "body.reason"},
		{"UnknownAccount", `"amount"`, `"account":"x","amount"`, "body.account"},
	} {
		t.Run(c.name+"IsRefusedWithTheField", func(t *testing.T) {
			a := b.send(t, "POST", "/v1/refunds", strings.Replace(goodRefund(), c.old, c.new, 1))
			if a.status != 400 || a.locations(t) != c.locations {
				t.Errorf("status %d, fields %q: %s", a.status, a.locations(t), a.body)
			}
		})
	}
	if len(b.domain.refunds) != 0 {
		t.Error("a refused refund reached the domain")
	}
}

func TestBadQuery(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, c := range []struct{ target, locations string }{
		{"/v1/payments?sort=id;drop%20table", "query"},
		{"/v1/payments?sort=id%3Bdrop+table", "query.sort"},
		{"/v1/payments?order_by=sleep(5)", "query.order_by"},
		{"/v1/payments?status=sleep(5)", "query.status"},
		{"/v1/payments?status=PAID", "query.status"},
		{"/v1/payments?amount=1", "query.amount"},
		{"/v1/payments?app_id=other", "query.app_id"},
		{"/v1/payments?out_trade_no=%27+OR+1%3D1--", "query.out_trade_no"},
		{"/v1/payments?out_trade_no=%00", "query.out_trade_no"},
		{"/v1/payments?out_trade_no=%ff", "query.out_trade_no"},
		{"/v1/payments?cursor=%27%3B--", "query.cursor"},
		{"/v1/payments?cursor=" + strings.Repeat("a", 513), "query.cursor"},
		{"/v1/payments?limit=0", "query.limit"},
		{"/v1/payments?limit=101", "query.limit"},
		{"/v1/payments?limit=-1", "query.limit"},
		{"/v1/payments?limit=1e1", "query.limit"},
		{"/v1/payments?limit=99999999999999999999", "query.limit"},
		{"/v1/payments?limit=1&limit=2", "query.limit"},
		{"/v1/payments?status=pending&status=closed&limit=1&limit=1", "query.limit query.status"},
		{"/v1/payments?created_from=yesterday", "query.created_from"},
		{"/v1/payments?created_from=2026-01-31", "query.created_from"},
		{"/v1/payments?%zz", "query"},
		{"/v1/events?types=payment.succeeded,payment.hacked", "query.types[1]"},
		{"/v1/events?after=0", "query.after"},
		{"/v1/refunds?payment_id=%25", "query.payment_id"},
		{"/v1/reviews?state=perhaps", "query.state"},
		{"/v1/webhook-deliveries?state=lost", "query.state"},
		{"/v1/webhook-endpoints?limit=1", "query.limit"},
		{"/v1/payments/" + paymentID + "?expand=all", "query.expand"},
	} {
		t.Run(c.target, func(t *testing.T) {
			a := b.send(t, "GET", c.target, "")
			if a.status != 400 || a.locations(t) != c.locations {
				t.Errorf("status %d, fields %q, want %q: %s", a.status, a.locations(t), c.locations, a.body)
			}
		})
	}
	t.Run("WhatIsNoTimeIsToldHowOneIsWritten", func(t *testing.T) {
		a := b.send(t, "GET", "/v1/payments?created_from=yesterday", "")
		if m := a.problem(t).Errors[0].Message; m != "must be an RFC 3339 time such as 2026-01-31T02:00:00Z" {
			t.Errorf("the message is %q", m)
		}
	})
	t.Run("EmptyParametersNarrowNothing", func(t *testing.T) {
		if a := b.send(t, "GET", "/v1/payments?out_trade_no=&status=&channel=&created_from=&created_to=&cursor=&limit=", ""); a.status != 200 {
			t.Errorf("status %d: %s", a.status, a.body)
		}
	})
	t.Run("ParametersOfAPostAreRefused", func(t *testing.T) {
		if a := b.send(t, "POST", "/v1/payments?dry_run=1", goodPayment); a.status != 400 || a.locations(t) != "query.dry_run" {
			t.Errorf("status %d: %s", a.status, a.body)
		}
	})
}

func TestBadPath(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, c := range []struct {
		method, target string
		status         int
		allow          string
	}{
		{"GET", "/", 404, ""},
		{"GET", "/v2/payments", 404, ""},
		{"GET", "/v1/", 404, ""},
		{"GET", "/v1/payment", 404, ""},
		{"GET", "/v1/payments/", 404, ""},
		{"GET", "/v1/payments/a/b/c", 404, ""},
		{"GET", "/v1/payments/%00", 404, ""},
		{"GET", "/v1/payments/%ff", 404, ""},
		{"GET", "/v1/payments/pay%2F..%2F..", 404, ""},
		{"GET", "/v1/payments/'%20OR%201=1", 404, ""},
		{"GET", "/v1/payments/" + strings.Repeat("a", 5000), 404, ""},
		{"GET", "/v1/refunds/rfd_nobody", 404, ""},
		{"DELETE", "/v1/payments/" + paymentID, 405, "GET"},
		{"PUT", "/v1/payments", 405, "GET, POST"},
		{"PATCH", "/v1/refunds", 405, "GET, POST"},
		{"GET", "/v1/payments/" + paymentID + "/close", 405, "POST"},
		{"TRACE", "/v1/payments", 405, "GET, POST"},
		{"POST", "/v1/webhook-endpoints/" + endpointID, 405, "GET, PATCH, DELETE"},
	} {
		t.Run(c.method+" "+c.target[:min(len(c.target), 60)], func(t *testing.T) {
			a := b.send(t, c.method, c.target, "")
			if a.status != c.status || a.header.Get("Allow") != c.allow {
				t.Errorf("status %d, Allow %q: %s", a.status, a.header.Get("Allow"), a.body)
			}
			a.problem(t)
		})
	}
}

func TestBodyBounds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	padded := func(size int) string { return goodPayment + strings.Repeat(" ", size-len(goodPayment)) }
	t.Run("64KiBPass", func(t *testing.T) {
		if a := b.send(t, "POST", "/v1/payments", padded(64<<10)); a.status != 201 {
			t.Errorf("status %d: %s", a.status, a.body)
		}
	})
	t.Run("OneByteMoreIsTooLarge", func(t *testing.T) {
		if a := b.send(t, "POST", "/v1/payments", padded(64<<10+1)); a.status != 413 || a.problem(t).Code != "request_too_large" {
			t.Errorf("status %d: %s", a.status, a.body)
		}
	})
	t.Run("ALengthOf1GBIsNotWaitedFor", func(t *testing.T) {
		connection, err := net.Dial("tcp", strings.TrimPrefix(b.url, "http://"))
		check(t, err)
		defer connection.Close()
		check(t, connection.SetDeadline(time.Now().Add(10*time.Second)))
		fmt.Fprintf(connection, "POST /v1/payments HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\n%s", strings.Repeat("x", 70<<10))
		head := make([]byte, 12)
		_, err = connection.Read(head)
		check(t, err)
		if string(head) != "HTTP/1.1 413" {
			t.Errorf("the answer begins with %q", head)
		}
	})
	t.Run("GETWithABodyIsRefused", func(t *testing.T) {
		if a := b.send(t, "GET", "/v1/payments", "{}"); a.status != 400 || a.locations(t) != "body" {
			t.Errorf("status %d: %s", a.status, a.body)
		}
	})
	t.Run("UnknownFieldsOfAnEmptyBodyAreRefused", func(t *testing.T) {
		if a := b.send(t, "POST", "/v1/payments/"+paymentID+"/close", `{"force":true}`); a.status != 400 || a.locations(t) != "body.force" {
			t.Errorf("status %d: %s", a.status, a.body)
		}
	})
}

func TestBodyOfAnotherKindIsUnsupported(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, mediaType := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/cbor", "application/vnd.api+json", "application/json; charset=gbk", "application/json; charset", "json"} {
		if a := b.send(t, "POST", "/v1/payments", goodPayment, header("Content-Type", mediaType)); a.status != 415 || a.problem(t).Code != "unsupported_media_type" {
			t.Errorf("%q: status %d: %s", mediaType, a.status, a.body)
		}
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, err := z.Write(bytes.Repeat([]byte(" "), 10<<20))
	check(t, err)
	check(t, z.Close())
	if a := b.send(t, "POST", "/v1/payments", zipped.String(), header("Content-Encoding", "gzip")); a.status != 415 {
		t.Errorf("a compressed body: status %d: %s", a.status, a.body)
	}
	if a := b.send(t, "POST", "/v1/payments", goodPayment, header("Content-Type", `application/json; charset="UTF-8"`)); a.status != 201 {
		t.Errorf("UTF-8 by name: status %d: %s", a.status, a.body)
	}
	if a := b.send(t, "POST", "/v1/payments", goodPayment, header("Accept", "application/xml")); a.status != 200 || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("asked for XML: status %d, %s", a.status, a.header.Get("Content-Type"))
	}
}
