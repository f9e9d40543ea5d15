package direct

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Whatever a caller puts into a request, it is refused, or it is one request on the wire and just the one meant.
func FuzzRequestIsReadAsItWasMeant(f *testing.F) {
	f.Add("POST", "/v3/pay/transactions/native", "", "Authorization", `WECHATPAY2-SHA256-RSA2048 mchid="1"`, `{"a":1}`)
	f.Add("GET", "/v3/x", "mchid=1&a=%7C", "X-A", "", "")
	f.Add("GET", "/v3/一", "a b", "X-A", "一\t", "")
	f.Add("GET / HTTP/1.1\r\nX: y\r\n\r\n", "//other/x", "\r\n", "A\r\nB", "v\r\nContent-Length: 5", "12345")
	f.Add("POST", "/", "", "transfer-encoding", "chunked", "0\r\n\r\nGET / HTTP/1.1\r\n\r\n")
	f.Add("PUT", "", "", "Transfer_Encoding", "chunked", "0\r\n\r\n")
	f.Fuzz(func(t *testing.T, method, path, query, name, value, body string) {
		const host = "api.mch.weixin.qq.com"
		r := &http.Request{
			Method: method, URL: &url.URL{Scheme: "https", Host: host, Path: path, RawQuery: query},
			Header: http.Header{name: {value}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
		}
		handled, err := New(&http.Transport{}).handles(r)
		if err != nil || !handled {
			return
		}
		message, err := appendRequest(nil, r)
		if err != nil {
			return
		}
		reader := bufio.NewReader(bytes.NewReader(message))
		got, err := http.ReadRequest(reader)
		if err != nil {
			return // a server refuses it: some targets are none
		}
		sent, err := io.ReadAll(got.Body)
		if err != nil {
			t.Fatalf("%q: %v", message, err)
		}
		if got.Method != method || got.RequestURI != r.URL.RequestURI() || got.Host != host || string(sent) != body {
			t.Errorf("meant %q %q %q, read %q %q %q %q", method, r.URL.RequestURI(), body, got.Method, got.RequestURI, got.Host, sent)
		}
		want := 1
		if canonical := http.CanonicalHeaderKey(name); canonical == "Host" || canonical == "Content-Length" {
			want = 0 // those are the transport's
		}
		if read := len(got.Header) - len(got.Header["Content-Length"]); read != want {
			t.Errorf("read the headers %q of %q", got.Header, message)
		}
		if reader.Buffered() > 0 {
			t.Errorf("%d bytes follow the request %q", reader.Buffered(), message)
		}
	})
}
