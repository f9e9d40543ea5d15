package sandbox_test

import (
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestRequestsAreVerified(t *testing.T) {
	t.Parallel()

	replace := func(old, fresh string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, fresh, 1))
		}
	}
	cases := map[string]struct {
		change func(*bundle, *http.Request)
		field  string
	}{
		"MissingHeader":     {func(_ *bundle, r *http.Request) { r.Header.Del("Authorization") }, "authorization"},
		"TwoHeaders":        {func(_ *bundle, r *http.Request) { r.Header.Add("Authorization", "x") }, "authorization"},
		"UnknownScheme":     {func(_ *bundle, r *http.Request) { replace("RSA2048", "SM2")(r) }, "scheme"},
		"MissingParameter":  {func(_ *bundle, r *http.Request) { replace("nonce_str", "nonce")(r) }, "nonce_str"},
		"RepeatedParameter": {func(_ *bundle, r *http.Request) { replace(`,nonce_str`, `,mchid="1",nonce_str`)(r) }, "mchid"},
		"Unquoted":          {func(_ *bundle, r *http.Request) { replace(`mchid="`, `mchid=`)(r) }, "parameters"},
		"UnknownMerchant": {func(b *bundle, r *http.Request) {
			replace(b.sandbox.Credentials().WeChatPay.MchID, "1900000000")(r)
		}, "mchid"},
		"UnknownSerial": {func(b *bundle, r *http.Request) {
			replace(b.sandbox.Credentials().WeChatPay.MerchantSerialNo, strings.Repeat("A", 40))(r)
		}, "serial_no"},
		"OtherMethod": {func(_ *bundle, r *http.Request) { r.Method = "PUT" }, "signature"},
		"OtherTarget": {func(_ *bundle, r *http.Request) { r.URL.RawQuery = "a=b" }, "signature"},
		"OtherBody": {func(_ *bundle, r *http.Request) {
			r.Body, r.ContentLength = http.NoBody, 0
		}, "signature"},
		"NotBase64": {func(_ *bundle, r *http.Request) { replace(`signature="`, `signature="!`)(r) }, "signature"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.merchant.change = func(r *http.Request) { c.change(b, r) }
			a := b.merchant.refused("POST", nativePath, b.prepayBody("ORDER0001", 1), 401, "SIGN_ERROR")
			want(t, "field", at(b.decode(a.body), "detail", "field"), c.field)
			if a.header.Get("Wechatpay-Signature") != "" || !strings.HasSuffix(a.header.Get("Request-ID"), "-270924360") {
				t.Fatalf("headers %v", a.header)
			}
			status, _ := b.control("GET", "/wechatpay/orders/ORDER0001", nil)
			want(t, "order", status, 404)
			if verdict := b.journal("")[0]["signature"].(string); !strings.HasPrefix(verdict, "invalid") {
				t.Fatalf("verdict %q", verdict)
			}
		})
	}

	for name, skew := range map[string]time.Duration{"Old": -5*time.Minute - 2*time.Second, "Early": 5*time.Minute + 2*time.Second} {
		t.Run("Too"+name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.merchant.timestamp = func() time.Time { return time.Now().Add(skew) }
			b.merchant.refused("POST", nativePath, b.prepayBody("ORDER0001", 1), 401, "SIGN_ERROR")
			b.merchant.timestamp = func() time.Time { return time.Now().Add(skew * 290 / 302) }
			b.native("ORDER0001", 1)
		})
	}

	t.Run("TheSignedTextIsShown", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.merchant.change = func(r *http.Request) { r.URL.Path += "x" }
		a := b.merchant.refused("GET", "/v3/certificates", nil, 401, "SIGN_ERROR")
		shown := at(b.decode(a.body), "detail", "sign_information", "truncated_sign_message").(string)
		if !strings.HasPrefix(shown, "GET\n/v3/certificatesx\n") {
			t.Fatalf("shown %q", shown)
		}
	})

	t.Run("MovingTheClockDoesNotChangeTheWindow", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.advance(24 * time.Hour)
		b.native("ORDER0001", 1)
	})
}

func TestStrictness(t *testing.T) {
	t.Parallel()

	t.Run("HeadersAreRequired", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for _, name := range []string{"Accept", "User-Agent", "Content-Type"} {
			b.merchant.change = func(r *http.Request) { r.Header[name] = nil }
			if name == "User-Agent" {
				b.merchant.change = func(r *http.Request) { r.Header.Set(name, "") }
			}
			a := b.merchant.refused("POST", nativePath, b.prepayBody("ORDER0001", 1), 400, "INVALID_REQUEST")
			want(t, "field", at(b.decode(a.body), "detail", "field"), name)
		}
		b.settings(object{"strict_headers": false})
		b.native("ORDER0001", 1)
	})

	t.Run("BodiesAreCheckedFieldByField", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		cases := []struct {
			name   string
			change func(object)
			field  string
		}{
			{"unknown field", func(o object) { o["status"] = "PAID" }, "/status"},
			{"unknown inner field", func(o object) { o["amount"].(object)["discount"] = 1 }, "/amount/discount"},
			{"missing", func(o object) { delete(o, "description") }, "/description"},
			{"null", func(o object) { o["attach"] = nil }, "/attach"},
			{"emoji", func(o object) { o["description"] = "coffee ☕😀" }, "/description"},
			{"too long", func(o object) { o["description"] = strings.Repeat("茶", 128) }, "/description"},
			{"too short", func(o object) { o["out_trade_no"] = "ABC" }, "/out_trade_no"},
			{"symbols", func(o object) { o["out_trade_no"] = "ORDER#0001" }, "/out_trade_no"},
			{"zero amount", func(o object) { o["amount"] = object{"total": 0} }, "/amount/total"},
			{"fraction", func(o object) { o["amount"] = object{"total": 1.5} }, "/amount/total"},
			{"text for a number", func(o object) { o["amount"] = object{"total": "1"} }, "/amount/total"},
			{"number for an object", func(o object) { o["amount"] = 1 }, "/amount"},
			{"currency", func(o object) { o["amount"] = object{"total": 1, "currency": "XYZ"} }, "/amount/currency"},
			{"unknown choice", func(o object) { o["limit_pay"] = []string{"no_credit", "no_coffee"} }, "/limit_pay/1"},
			{"number for a choice", func(o object) { o["limit_pay"] = []int{1} }, "/limit_pay/0"},
			{"text for choices", func(o object) { o["limit_pay"] = "no_credit" }, "/limit_pay"},
			{"query string", func(o object) { o["notify_url"] = "https://example.com/notify?a=b" }, "/notify_url"},
			{"relative address", func(o object) { o["notify_url"] = "/notify" }, "/notify_url"},
			{"address without a path", func(o object) { o["notify_url"] = "https://example.com" }, "/notify_url"},
			{"expiry", func(o object) { o["time_expire"] = "tomorrow" }, "/time_expire"},
			{"flag", func(o object) { o["settle_info"] = object{"profit_sharing": "yes"} }, "/settle_info/profit_sharing"},
			{"item", func(o object) { o["detail"] = object{"goods_detail": []object{{"quantity": 1, "unit_price": 1}}} }, "/detail/goods_detail/0/merchant_goods_id"},
			{"big detail", func(o object) {
				o["detail"] = object{"goods_detail": func() (goods []object) {
					for range 40 {
						goods = append(goods, object{"merchant_goods_id": "G1", "quantity": 1, "unit_price": 1, "goods_name": strings.Repeat("n", 200)})
					}
					return goods
				}()}
			}, "/detail"},
			{"address of the payer", func(o object) { o["scene_info"] = object{"payer_client_ip": "here"} }, "/scene_info/payer_client_ip"},
		}
		for _, c := range cases {
			body := b.prepayBody("ORDER0001", 1)
			c.change(body)
			a := b.merchant.refused("POST", nativePath, body, 400, "PARAM_ERROR")
			detail := b.decode(a.body)["detail"]
			want(t, c.name+": field", at(detail, "field"), c.field)
			want(t, c.name+": location", at(detail, "location"), "body")
		}
		for _, raw := range []string{"", "[]", "{", "{} {}", "\"\xff\"", "null", `{"mchid":"` + strings.Repeat("1", 1<<20) + `"}`} {
			b.merchant.change = func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }
			b.merchant.refused("POST", nativePath, []byte(raw), 400, "PARAM_ERROR")
		}
	})

	t.Run("UnknownFieldsMayBeAllowed", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.settings(object{"strict_fields": false})
		body := b.prepayBody("ORDER0001", 1)
		body["future"] = true
		b.merchant.must("POST", nativePath, body)
	})

	t.Run("LimitPayOfOlderPagesIsAField", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		body := b.prepayBody("ORDER0001", 1)
		body["limit_pay"] = []string{"no_credit"}
		b.merchant.must("POST", nativePath, body)
	})

	t.Run("IdentitiesMustFit", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		body := b.prepayBody("ORDER0001", 1)
		body["mchid"] = "1900000000"
		b.merchant.refused("POST", nativePath, body, 400, "INVALID_REQUEST")
		body = b.prepayBody("ORDER0001", 1)
		body["appid"] = "wx0000000000000000"
		b.merchant.refused("POST", nativePath, body, 400, "APPID_MCHID_NOT_MATCH")
		body = b.prepayBody("ORDER0001", 1)
		body["payer"] = object{"openid": "someone"}
		b.merchant.refused("POST", jsapiPath, body, 400, "PARAM_ERROR")
		b.merchant.refused("GET", "/v3/pay/transactions/out-trade-no/ORDER0001?mchid=1", nil, 400, "INVALID_REQUEST")
		b.merchant.refused("GET", "/v3/pay/transactions/out-trade-no/ORDER0001", nil, 400, "PARAM_ERROR")
		b.merchant.refused("GET", b.queryPath("ORDER0001"), nil, 404, "ORDER_NOT_EXIST")
		b.merchant.refused("GET", "/v3/pay/transactions/id/42?mchid="+b.sandbox.Credentials().WeChatPay.MchID, nil, 404, "ORDER_NOT_EXIST")
		b.merchant.refused("GET", "/v3/nothing", nil, 404, "NOT_FOUND")
		b.merchant.refused("DELETE", nativePath, nil, 404, "NOT_FOUND")
	})

	t.Run("MessagesSpeakEnglishOnRequest", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		want(t, "message", b.merchant.call("GET", b.queryPath("ORDER0001"), nil).text("message"), "订单不存在")
		b.merchant.change = func(r *http.Request) { r.Header.Set("Accept-Language", "en") }
		want(t, "message", b.merchant.call("GET", b.queryPath("ORDER0001"), nil).text("message"), "the order does not exist")
	})

	t.Run("ErrorAnswersAreSignedOnlyIfTheKnobSaysSo", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		want(t, "signature", b.merchant.call("GET", b.queryPath("ORDER0001"), nil).header.Get("Wechatpay-Signature"), "")
		b.settings(object{"sign_errors": true})
		if a := b.merchant.call("GET", b.queryPath("ORDER0001"), nil); a.status != 404 || a.verified != nil {
			t.Fatalf("%d, signature %v", a.status, a.verified)
		}
	})
}

func TestKeySituations(t *testing.T) {
	t.Parallel()
	// What signs the answer to a request that names the public key, and what signs the notification of its order.
	for mode, wanted := range map[string]struct {
		settings             object
		answer, notification string
	}{
		"CertOnly":       {object{"verify_mode": "cert_only"}, "certificate", "certificate"},
		"NotStarted":     {object{"verify_mode": "not_started"}, "certificate", "certificate"},
		"SwitchingDay7":  {object{"verify_mode": "switching", "switch_day": 7}, "key", "key"},
		"SwitchingNoDay": {object{"verify_mode": "switching"}, "key", "key"},
		"PubkeyOnly":     {object{"verify_mode": "pubkey_only"}, "key", "key"},
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			w := b.sandbox.Credentials().WeChatPay
			names := map[string]string{w.PlatformSerialNo: "certificate", w.PublicKeyID: "key"}
			b.settings(wanted.settings)
			b.merchant.serial = w.PublicKeyID
			a := b.merchant.must("POST", nativePath, b.prepayBody("ORDER0001", 1))
			want(t, "answer", names[a.header.Get("Wechatpay-Serial")], wanted.answer)
			b.pay(object{"out_trade_no": "ORDER0001", "result": "success"})
			want(t, "notification", names[b.receiver.wait(1)[0].serial], wanted.notification)
			b.merchant.serial = ""
			plain := map[bool]string{true: "key", false: "certificate"}[mode == "PubkeyOnly"]
			want(t, "answer to a request that names none", names[b.merchant.must("GET", b.queryPath("ORDER0001"), nil).header.Get("Wechatpay-Serial")], plain)
		})
	}

	t.Run("TheRampGrowsWithTheClock", func(t *testing.T) {
		t.Parallel()
		c := config(newDir(t))
		c.Seed = 1
		b := run(t, c)
		b.settings(object{"verify_mode": "switching", "switch_day": 1})
		share := func(prefix string) int {
			keyed := 0
			for i := range 20 {
				number := prefix + strings.Repeat("x", i)
				b.native(number, 1)
				b.pay(object{"out_trade_no": number, "result": "success"})
				if got := b.receiver.wait(1); strings.HasPrefix(got[len(got)-1].serial, "PUB_KEY_ID_") {
					keyed++
				}
			}
			return keyed
		}
		want(t, "on day 1, of 20", share("DAY1ORDER"), 0)
		b.advance(6 * 24 * time.Hour)
		want(t, "on day 7, of 20", share("DAY7ORDER"), 20)
	})

	t.Run("ProbesAtARate", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.settings(object{"probe_rate_answers": 1})
		a := b.merchant.call("POST", nativePath, b.prepayBody("ORDER0001", 1))
		if !strings.HasPrefix(a.header.Get("Wechatpay-Signature"), "WECHATPAY/SIGNTEST/") || a.verified == nil {
			t.Fatalf("signature %q", a.header.Get("Wechatpay-Signature"))
		}
		b.settings(object{"probe_rate_answers": 0})
		b.native("ORDER0001", 1)
	})
}

// certificates downloads, decrypts and parses the platform certificates, oldest first.
func (b *bundle) certificates() (serials []string, keys map[string]*rsa.PublicKey) {
	b.t.Helper()
	a := b.merchant.call("GET", "/v3/certificates", nil)
	keys = map[string]*rsa.PublicKey{}
	for _, item := range b.decode(a.body)["data"].([]any) {
		e := at(item, "encrypt_certificate")
		plain, err := open(b.sandbox.Credentials().WeChatPay.APIv3Key, at(e, "nonce").(string), at(e, "associated_data").(string), at(e, "ciphertext").(string))
		if err != nil {
			b.t.Fatal(err)
		}
		block, _ := pem.Decode(plain)
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			b.t.Fatal(err)
		}
		serial := at(item, "serial_no").(string)
		serials, keys[serial] = append(serials, serial), cert.PublicKey.(*rsa.PublicKey)
	}
	return serials, keys
}

func TestCertificates(t *testing.T) {
	t.Parallel()

	t.Run("TheListIsEncryptedAndItsAnswerSignedByOneOfIt", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.merchant.keys = nil
		_, b.merchant.keys = b.certificates()
		b.merchant.must("GET", "/v3/certificates?algorithm_type=RSA", nil)
		b.merchant.refused("GET", "/v3/certificates?algorithm_type=DSA", nil, 400, "PARAM_ERROR")
	})

	t.Run("MerchantsWithThePublicKeyOnlyHaveNone", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.settings(object{"verify_mode": "pubkey_only"})
		b.merchant.refused("GET", "/v3/certificates", nil, 404, "RESOURCE_NOT_EXISTS")
	})

	t.Run("RotationOverlaps", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		signer := func() string { return b.merchant.call("GET", "/v3/certificates", nil).header.Get("Wechatpay-Serial") }
		old := signer()
		rotation := b.ok("POST", "/wechatpay/certificates/rotate", object{"sign_after": "24h", "drop_old_after": "48h"})
		fresh := rotation["serial_no"].(string)
		serials, keys := b.certificates()
		want(t, "published", serials, []string{old, fresh})
		want(t, "signer at once", signer(), old)
		b.advance(24 * time.Hour)
		want(t, "signer after a day", signer(), fresh)
		b.merchant.keys = keys
		b.native("ORDER0001", 1)
		b.advance(24 * time.Hour)
		serials, _ = b.certificates()
		want(t, "published after two days", serials, []string{fresh})
	})
}

func TestEcho(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.sandbox.Credentials().WeChatPay
	b.merchant.serial = w.PublicKeyID
	body := object{
		"echo_message": "hello", "encrypted_echo_message": seal(t, b.merchant.keys[w.PublicKeyID], "你好"), "notify_url": b.receiver.url("/notify"),
	}
	a := b.decode(b.merchant.must("POST", "/v3/security/echo", body).body)
	want(t, "echo", a["echo_message"], "hello")
	ciphertext, err := base64.StdEncoding.DecodeString(a["encrypted_echo_message"].(string))
	if err != nil {
		t.Fatal(err)
	}
	plaintext, err := rsa.DecryptOAEP(sha1.New(), nil, b.merchant.key, ciphertext, nil)
	want(t, "decrypted", string(plaintext), "你好")
	if err != nil {
		t.Fatal(err)
	}
	got := b.receiver.wait(1)[0]
	want(t, "event", got.event, "SECURITY_ECHO.SUCCESS")
	if got.verified != nil || got.opened != nil {
		t.Fatalf("signature %v, decryption %v", got.verified, got.opened)
	}
}
