package wechatpay

import (
	"crypto"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"testing"
)

func TestDoOnTheWire(t *testing.T) {
	t.Parallel()
	type complaint struct {
		Content string `json:"content"`
	}
	cases := []struct {
		name, method, target, body string
		request                    Request
	}{
		{
			"GetWithQuery", "GET", "/v3/merchant-service/complaints-v2?begin_date=2024-06-01&limit=10&text=a+%7Bb%7D", "",
			Request{Method: "GET", Path: "/v3/merchant-service/complaints-v2", Query: url.Values{
				"limit": {"10"}, "begin_date": {"2024-06-01"}, "text": {"a {b}"},
			}},
		},
		{
			"PostOfAValue", "POST", "/v3/merchant-service/complaints-v2/1/response", `{"content":"好的"}`,
			Request{Method: "POST", Path: "/v3/merchant-service/complaints-v2/1/response", Body: complaint{"好的"}},
		},
		{
			"PostOfRawJSONAsItIs", "POST", "/v3/x", `{ "b":1, "a":"<>" }`,
			Request{Method: "POST", Path: "/v3/x", Body: json.RawMessage(`{ "b":1, "a":"<>" }`)},
		},
		{
			"PatchOfBytesAsTheyAre", "PATCH", "/v3/x", `{"a":1}` + "\n",
			Request{Method: "PATCH", Path: "/v3/x", Body: []byte(`{"a":1}` + "\n")},
		},
		{"PostWithoutBody", "POST", "/v3/x", "", Request{Method: "POST", Path: "/v3/x"}},
		{"PutWithoutBody", "PUT", "/v3/x", "", Request{Method: "PUT", Path: "/v3/x"}},
		{"Delete", "DELETE", "/v3/x/a%7Cb%2Fc", "", Request{Method: "DELETE", Path: "/v3/x/" + url.PathEscape("a|b/c")}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, _ int) { p.reply(w, 204, "") })
			if err := clientOf(t, p).Do(t.Context(), c.request, nil); err != nil {
				t.Fatal(err)
			}
			r := p.received()[0]
			if r.Method != c.method || r.RequestURI != c.target || string(r.body) != c.body || len(r.TransferEncoding) > 0 {
				t.Errorf("got %s %s %q %v", r.Method, r.RequestURI, r.body, r.TransferEncoding)
			}
			if (r.Header.Get("Content-Type") == "application/json") != (c.body != "") {
				t.Errorf("got content type %q", r.Header.Get("Content-Type"))
			}
		})
	}
}

func TestDoSendsFurtherHeaders(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, _ int) { p.reply(w, 204, "") })
	client := clientOf(t, p, func(c *Config) { c.AcceptLanguage = "zh-HK" })
	send := func(header http.Header) http.Header {
		t.Helper()
		if err := client.Do(t.Context(), Request{Method: "POST", Path: "/v3/x", Body: struct{}{}, Header: header}, nil); err != nil {
			t.Fatal(err)
		}
		requests := p.received()
		return requests[len(requests)-1].Header
	}
	if got := send(nil); got.Get("Accept-Language") != "zh-HK" || got.Get("Wechatpay-Serial") != testPublicKeyID {
		t.Errorf("of the Client: got %v", got)
	}
	got := send(http.Header{"accept-language": {"en"}, "idempotency-key": {"K1"}, "WECHATPAY-SERIAL": {testPlatform}})
	if got.Get("Accept-Language") != "en" || got.Get("Idempotency-Key") != "K1" || !slices.Equal(got["Wechatpay-Serial"], []string{testPlatform}) {
		t.Errorf("of the request: got %v", got)
	}
}

func TestDoDecodesTheAnswer(t *testing.T) {
	t.Parallel()
	answer := func(status int, body string) *Client {
		return clientOf(t, newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, _ int) { p.reply(w, status, body) }))
	}
	request := Request{Method: "POST", Path: "/v3/x", Repeatable: true}
	var typed struct {
		State string `json:"state"`
	}
	if err := answer(200, `{"state":"FINISHED","new":1}`).Do(t.Context(), request, &typed); err != nil || typed.State != "FINISHED" {
		t.Errorf("typed: got %+v, %v", typed, err)
	}
	var raw json.RawMessage
	if err := answer(200, `{"state":"FINISHED"}`).Do(t.Context(), request, &raw); err != nil || string(raw) != `{"state":"FINISHED"}` {
		t.Errorf("raw: got %s, %v", raw, err)
	}
	if err := answer(204, "").Do(t.Context(), request, &raw); err != nil || len(raw) != 0 {
		t.Errorf("nothing: got %s, %v", raw, err)
	}
	if err := answer(200, `{"state":"FINISHED"}`).Do(t.Context(), request, nil); err != nil {
		t.Errorf("not wanted: got %v", err)
	}
	for name, err := range map[string]error{
		"NothingWhereAValueIsDue": answer(204, "").Do(t.Context(), request, &typed),
		"AnotherShape":            answer(200, `{"state":1}`).Do(t.Context(), request, &typed),
		"NoJSON":                  answer(200, `<html>`).Do(t.Context(), request, &raw),
	} {
		if !errors.Is(err, ErrMalformed) || OutcomeOf(err) != OutcomeUnknown {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// What may not be repeated is sent again only after a try that surely had no effect.
func TestDoRepeatsWhatMayBeRepeated(t *testing.T) {
	t.Parallel()
	fail := func(status int, code string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { refuse(w, status, code) }
	}
	hangUp := func(w http.ResponseWriter) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_ = conn.Close()
	}
	post := Request{Method: "POST", Path: "/v3/x", Body: struct{}{}}
	repeatable, keyed := post, post
	repeatable.Repeatable = true
	keyed.Header = http.Header{"Idempotency-Key": {"K1"}}
	keyedTwice := keyed
	keyedTwice.Repeatable = true
	for _, c := range []struct {
		name    string
		request Request
		fail    func(http.ResponseWriter)
		tries   int
		outcome Outcome
	}{
		{"SystemErrorOnce", post, fail(500, CodeSystemError), 1, OutcomeUnknown},
		{"SystemErrorRepeatable", repeatable, fail(500, CodeSystemError), 3, OutcomeUnknown},
		{"SystemErrorGet", Request{Method: "GET", Path: "/v3/x"}, fail(500, CodeSystemError), 3, OutcomeUnknown},
		{"ThrottledOnce", post, fail(429, CodeFrequencyLimited), 3, OutcomeRetry},
		{"LostOnce", post, hangUp, 1, OutcomeUnknown},
		{"LostWithIdempotencyKeyOnly", keyed, hangUp, 1, OutcomeUnknown},
		{"LostWithIdempotencyKeyRepeatable", keyedTwice, hangUp, 3, OutcomeUnknown},
		{"RefusedRepeatable", repeatable, fail(400, CodeParamError), 1, OutcomeRefused},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, func(_ *provider, w http.ResponseWriter, _ receivedRequest, _ int) { c.fail(w) })
			err := clientOf(t, p).Do(t.Context(), c.request, nil)
			requests := p.received()
			nonces := map[string]bool{}
			for _, r := range requests {
				nonces[r.authorization["nonce_str"]] = true
			}
			if OutcomeOf(err) != c.outcome || len(requests) != c.tries || len(nonces) != c.tries {
				t.Errorf("got %s after %d tries with %d nonces, %v", OutcomeOf(err), len(requests), len(nonces), err)
			}
		})
	}
}

// A kept connection that breaks must not make the transport send a request again by itself, whatever it takes for a key.
func TestKeyedRequestOnABrokenConnectionIsSignedAnew(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Request{
		"Key":        {Method: "POST", Body: struct{}{}, Header: http.Header{"Idempotency-Key": {"K1"}}},
		"OtherKey":   {Method: "POST", Body: struct{}{}, Header: http.Header{"X-Idempotency-Key": {"K1"}}},
		"KeyOfNone":  {Method: "POST", Body: struct{}{}, Header: http.Header{"idempotency-key": nil}},
		"NoBody":     {Method: "DELETE", Header: http.Header{"Idempotency-Key": {"K1"}}},
		"NoBodyPost": {Method: "POST", Header: http.Header{"Idempotency-Key": {"K1"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, n int) {
				if n == 2 {
					conn, _, err := http.NewResponseController(w).Hijack()
					if err != nil {
						t.Error(err)
						return
					}
					_ = conn.Close()
					return
				}
				p.reply(w, 204, "")
			})
			client := clientOf(t, p)
			c.Path, c.Repeatable = "/v3/x", true
			for range 2 {
				if err := client.Do(t.Context(), c, nil); err != nil {
					t.Fatal(err)
				}
			}
			requests := p.received()
			if len(requests) != 3 || requests[1].authorization["nonce_str"] == requests[2].authorization["nonce_str"] {
				t.Errorf("got %d requests, or a nonce was used twice", len(requests))
			}
		})
	}
}

func TestDoMistakesAreNamed(t *testing.T) {
	t.Parallel()
	client := newClient(t, testConfig(t))
	var value struct{}
	for _, c := range []struct {
		name, field string
		request     Request
		answer      any
	}{
		{"NoMethod", "Method", Request{Path: "/v3/x"}, nil},
		{"UnknownMethod", "Method", Request{Method: "get", Path: "/v3/x"}, nil},
		{"NoPath", "Path", Request{Method: "GET"}, nil},
		{"PathWithoutRoot", "Path", Request{Method: "GET", Path: "v3/x"}, nil},
		{"PathWithHost", "Path", Request{Method: "GET", Path: "https://example.com/v3/x"}, nil},
		{"PathWithAnotherHost", "Path", Request{Method: "GET", Path: "//example.com/v3/x"}, nil},
		{"PathWithQuery", "Path", Request{Method: "GET", Path: "/v3/x?a=1"}, nil},
		{"PathWithFragment", "Path", Request{Method: "GET", Path: "/v3/x#a"}, nil},
		{"PathUnescaped", "Path", Request{Method: "GET", Path: "/v3/x/微信"}, nil},
		{"GetWithBody", "Body", Request{Method: "GET", Path: "/v3/x", Body: value}, nil},
		{"RawBodyThatIsNoJSON", "Body", Request{Method: "POST", Path: "/v3/x", Body: []byte("a=1")}, nil},
		{"BodyThatCannotBeWritten", "Body", Request{Method: "POST", Path: "/v3/x", Body: func() {}}, nil},
		{"AuthorizationByHand", "Header", Request{Method: "GET", Path: "/v3/x", Header: http.Header{"authorization": {"x"}}}, nil},
		{"SeveralSerials", "Header", Request{Method: "GET", Path: "/v3/x", Header: http.Header{"Wechatpay-Serial": {"1", "2"}}}, nil},
		{"HeaderOfTwoLines", "Header", Request{Method: "GET", Path: "/v3/x", Header: http.Header{"Idempotency-Key": {"1\r\nX: y"}}}, nil},
		{"HeaderWithNUL", "Header", Request{Method: "GET", Path: "/v3/x", Header: http.Header{"X-A": {"ok", "\x00"}}}, nil},
		{"HeaderNameWithSpace", "Header", Request{Method: "GET", Path: "/v3/x", Header: http.Header{"X A": {"1"}}}, nil},
		{"HeaderWithoutName", "Header", Request{Method: "GET", Path: "/v3/x", Header: http.Header{"": {"1"}}}, nil},
		{"FileWithoutContent", "File.Content", Request{Method: "POST", Path: "/v3/x", File: &File{Name: "a.png"}}, nil},
		{"AnswerIsNoPointer", "answer", Request{Method: "GET", Path: "/v3/x"}, value},
		{"AnswerIsANilPointer", "answer", Request{Method: "GET", Path: "/v3/x"}, (*json.RawMessage)(nil)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := client.Do(t.Context(), c.request, c.answer)
			if fields := fieldsOf(err); len(fields) != 1 || fields[0] != c.field || OutcomeOf(err) != OutcomeRefused {
				t.Errorf("got %v (%s) from %v, want %s", fields, OutcomeOf(err), err, c.field)
			}
		})
	}
}

func FuzzRequestPath(f *testing.F) {
	for _, seed := range []string{"/v3/x", "/v3/%7c", "/v3/a b", "//host/x", "/v3/../x", "/v3/x?y", "/v3/é", "/%", "*", "/;a=1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		k, err := (&Request{Method: "GET", Path: path}).call()
		if err != nil {
			return
		}
		client := &Client{core: &core{merchant: merchantKey{mchID: testMchID, signer: fakeSigner{}, suite: rsaSuite{}}, now: vectorClock}}
		request, failure := client.newRequest(t.Context(), &k, newHost("https://api.mch.weixin.qq.com"))
		if failure != nil {
			t.Fatalf("%q: %v", path, failure.err)
		}
		if got := request.URL.RequestURI(); got != path || request.URL.Host != "api.mch.weixin.qq.com" {
			t.Errorf("%q is sent as %q to %s", path, got, request.URL.Host)
		}
	})
}

// fakeSigner is for tests that look at anything but the signature.
type fakeSigner struct{ crypto.Signer }

func (fakeSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return []byte("signature"), nil
}
