package wechatpay

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
)

// envelopes are bodies with what decides whether encoding/json must read them.
var envelopes = []struct {
	name, body string
	plain      bool
}{
	{"the provider's own", `{"id":"EV-1","create_time":"2018-06-08T10:34:56+08:00","resource_type":"encrypt-resource","event_type":"TRANSACTION.SUCCESS",` +
		`"summary":"支付成功","resource":{"original_type":"transaction","algorithm":"AEAD_AES_256_GCM","ciphertext":"c2VhbGVk","associated_data":"transaction","nonce":"fdasflkja484"}}`, true},
	{"spread over lines", " {\r\n\t\"id\" : \"1\" ,\n\"event_type\":\"A.B\", \"resource\" : { \"nonce\" : \"n\" } }\n", true},
	{"a key twice", `{"id":"1","id":"2","event_type":"A.B","resource":{"nonce":"1","algorithm":"A"},"resource":{"nonce":"2"}}`, true},
	{"an unreadable time", `{"id":"1","event_type":"A.B","create_time":"2018-06-08T10:34:56Z","create_time":"today"}`, true},
	{"an empty ciphertext", `{"id":"1","event_type":"A.B","resource":{"ciphertext":""}}`, true},
	{"an escaped value", `{"id":"1","event_type":"A\u002eB"}`, false},
	{"an escaped key", `{"id":"1","event\u005ftype":"A.B"}`, false},
	{"a key in capitals", `{"ID":"1","event_type":"A.B"}`, false},
	{"an unknown key", `{"id":"1","event_type":"A.B","version":"2"}`, false},
	{"an unknown key of the resource", `{"id":"1","event_type":"A.B","resource":{"nonce":"1","key_version":"2"}}`, false},
	{"null", `{"id":"1","event_type":"A.B","summary":null,"resource":null}`, false},
	{"an empty resource", `{"id":"1","event_type":"A.B","resource":{}}`, false},
	{"bytes that are no UTF-8", "{\"id\":\"1\",\"event_type\":\"A.B\",\"summary\":\"\xff\"}", false},
}

func TestPlainEnvelopeIsReadAsByEncodingJSON(t *testing.T) {
	t.Parallel()
	for _, c := range envelopes {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var plain, want envelope
			if got := plain.readPlain([]byte(c.body)); got != c.plain {
				t.Errorf("read as plain: got %v, want %v", got, c.plain)
			}
			if err := json.Unmarshal([]byte(c.body), &want); err != nil {
				t.Fatal(err)
			}
			if c.plain && !reflect.DeepEqual(plain, want) {
				t.Errorf("got %+v, want %+v", plain, want)
			}
			got, err := decodeEnvelope([]byte(c.body))
			if err != nil || !reflect.DeepEqual(*got, want) {
				t.Errorf("decoded: got %+v, %v, want %+v", got, err, want)
			}
		})
	}
}

// credentials are answers to an order; an empty want is a refusal.
var credentials = []struct{ body, want string }{
	{`{"code_url":"weixin://1"}`, "weixin://1"},
	{" {\n\"code_url\" : \"weixin://1\" }\r\n", "weixin://1"},
	{`{"code_url":"weixin:\/\/1"}`, "weixin://1"},
	{`{"Code_URL":"weixin://1"}`, "weixin://1"},
	{`{"code_url":"weixin://1","h5_url":"https://2"}`, "weixin://1"},
	{`{"expires_in":7200,"code_url":"weixin://1"}`, "weixin://1"},
	{`{"code_url":"weixin://1","code_url":"weixin://2"}`, "weixin://2"},
	{`{"code_url":"weixin://1","code_url":2}`, ""},
	{`{"code_url":"weixin://1"}}`, ""},
	{`{"code_url":"weixin://1"`, ""},
	{`{"code_url":""}`, ""},
	{`{"code_url":null}`, ""},
	{`{"h5_url":"https://2"}`, ""},
	{`{}`, ""},
	{`null`, ""},
	{``, ""},
}

func TestCredentialsAreReadAsByEncodingJSON(t *testing.T) {
	t.Parallel()
	for _, c := range credentials {
		var answer NativeResponse
		err := decodeCredential(&answer)([]byte(c.body))
		if c.want == "" {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("%s: got %+v, %v", c.body, answer, err)
			}
			continue
		}
		if err != nil || answer.CodeURL != c.want {
			t.Errorf("%s: got %+v, %v", c.body, answer, err)
		}
	}
}

func TestWhatIsNoJSONIsNotReadAsPlain(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		"", "{", `{"id"`, `{"id"}`, `{"id":`, `{"id":"1`, `{"id":"1"`, `{"id":"1",}`, `{"id":"1"}}`, `{"id":"1"}{`, `{"id":"1" "event_type":"A"}`, `{,"id":"1"}`,
		`{id:"1"}`, `["id"]`, `"id"`, "{\"id\":\"1\n2\"}", "\ufeff{\"id\":\"1\"}", "{\"id\":\v\"1\"}", `{"resource":{"ciphertext":"no base64"}}`,
		`{"resource":{"nonce":"1"}`, `{"id":1}`, `{"id":["1"]}`, `{"resource":"1"}`,
	} {
		var e envelope
		if e.readPlain([]byte(body)) {
			t.Errorf("%q was read: %+v", body, e)
		}
		if err := json.Unmarshal([]byte(body), &e); err == nil {
			t.Errorf("%q is an envelope to encoding/json", body)
		}
	}
}
