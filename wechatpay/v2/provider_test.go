package wechatpayv2

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

const (
	testMchID    = "1900009191"
	testAppID    = "wx8888888888888888"
	testAPIv2Key = "VectorApiV2Key0123456789abcdefGH"
)

// errLost is an answer that did not arrive.
var errLost = errors.New("connection reset")

func errDial() error { return &net.OpError{Op: "dial", Err: errors.New("connection refused")} }

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// provider answers like the provider, with its own few lines of signing and reading. It is a transport, so that it works inside
// a testing/synctest bubble.
type provider struct {
	t  testing.TB
	mu sync.Mutex
	// requests are those that arrived.
	requests []request
	// answer answers the n-th request, from 1.
	answer func(r request, n int) (Fields, error)
}

type request struct {
	host, path string
	fields     Fields
	at         time.Time
}

func (p *provider) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	received := request{host: r.URL.Host, path: r.URL.Path, fields: readXML(p.t, body), at: time.Now()}
	if r.Method != http.MethodPost || r.Header.Get("User-Agent") == "" {
		p.t.Errorf("%s without a user agent or not posted", r.URL.Path)
	}
	if got, want := received.fields["sign"], signed(received.fields)["sign"]; got != want {
		p.t.Errorf("%s: sign %s, want %s", r.URL.Path, got, want)
	}
	p.mu.Lock()
	p.requests = append(p.requests, received)
	n := len(p.requests)
	p.mu.Unlock()
	fields, err := p.answer(received, n)
	if err != nil {
		return nil, err
	}
	if status := fields["status"]; status != "" {
		return response(http.StatusBadGateway, "<html>"+status), nil
	}
	if text := fields["body"]; text != "" {
		return response(http.StatusOK, text), nil
	}
	return response(http.StatusOK, writeXML(fields)), nil
}

func response(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
}

func (p *provider) received() []request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

func (p *provider) paths() []string {
	var paths []string
	for _, r := range p.received() {
		paths = append(paths, r.path)
	}
	return paths
}

func newProvider(t testing.TB, answer func(r request, n int) (Fields, error)) *provider {
	return &provider{t: t, answer: answer}
}

func testConfig(p http.RoundTripper) Config {
	return Config{
		MchID: testMchID, AppID: testAppID, APIv2Key: testAPIv2Key, BaseURL: "https://one.test", BackupURL: "https://two.test",
		Transport: p, Backoff: func(int, error) time.Duration { return 0 },
	}
}

func newClient(t testing.TB, config Config) *Client {
	t.Helper()
	client, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// signed returns the fields with the signature their sign_type asks for, MD5 without one.
func signed(fields Fields) Fields {
	names := slices.Sorted(maps.Keys(fields))
	var parts []string
	for _, name := range names {
		if name != "sign" && fields[name] != "" {
			parts = append(parts, name+"="+fields[name])
		}
	}
	text := []byte(strings.Join(append(parts, "key="+testAPIv2Key), "&"))
	out := maps.Clone(fields)
	if fields["sign_type"] == "HMAC-SHA256" {
		mac := hmac.New(sha256.New, []byte(testAPIv2Key))
		mac.Write(text)
		out["sign"] = strings.ToUpper(hex.EncodeToString(mac.Sum(nil)))
		return out
	}
	sum := md5.Sum(text)
	out["sign"] = strings.ToUpper(hex.EncodeToString(sum[:]))
	return out
}

// done is a signed answer of success with further fields, signed as the request was.
func done(r request, further Fields) Fields {
	fields := Fields{
		"return_code": "SUCCESS", "return_msg": "OK", "result_code": "SUCCESS", "appid": testAppID, "mch_id": testMchID,
		"nonce_str": "5K8264ILTKCH16CQ2502SI8ZNMTM67VS", "sign_type": r.fields["sign_type"], "a_future_field": "1",
	}
	maps.Copy(fields, further)
	return signed(fields)
}

// refused is a signed answer of failure.
func refused(r request, code string) Fields {
	return done(r, Fields{"result_code": "FAIL", "err_code": code, "err_code_des": "说明"})
}

// paid is the order of a request, paid.
func paid(r request, further Fields) Fields {
	fields := Fields{
		"out_trade_no": r.fields["out_trade_no"], "transaction_id": "4200002222202406011234567893", "total_fee": "88", "cash_fee": "88",
		"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", "trade_type": "MICROPAY", "bank_type": "OTHERS", "time_end": "20240601080030",
	}
	maps.Copy(fields, further)
	return done(r, fields)
}

// orderIn is the answer to a query.
func orderIn(r request, state wechatpay.TradeState) Fields {
	if state == wechatpay.TradeStateSuccess {
		return paid(r, Fields{"trade_state": string(state)})
	}
	return done(r, Fields{"out_trade_no": r.fields["out_trade_no"], "trade_state": string(state), "trade_state_desc": "说明"})
}

func readXML(t testing.TB, body []byte) Fields {
	t.Helper()
	fields := Fields{}
	decoder := xml.NewDecoder(strings.NewReader(string(body)))
	var name string
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return fields
		}
		if err != nil {
			t.Errorf("request is not XML: %v", err)
			return fields
		}
		switch token := token.(type) {
		case xml.StartElement:
			name = token.Name.Local
		case xml.CharData:
			if name != "xml" {
				fields[name] += string(token)
			}
		}
	}
}

func writeXML(fields Fields) string {
	var b strings.Builder
	b.WriteString("<xml>\n")
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		b.WriteString("<" + name + "><![CDATA[" + fields[name] + "]]></" + name + ">\n")
	}
	b.WriteString("</xml>")
	return b.String()
}

func microPayRequest() MicroPayRequest {
	return MicroPayRequest{
		OutTradeNo: "VECM20240601000001", AuthCode: "120061098828009406", Body: "腾讯充值中心-QQ会员充值", TotalFee: 88, SpbillCreateIP: "203.0.113.8",
	}
}
