package sm_test

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/sm4"

	"github.com/tongbao-pay/tongbao/wechatpay"
	"github.com/tongbao-pay/tongbao/wechatpay/sm"
)

const (
	testMchID    = "1900009191"
	testAppID    = "wx8888888888888888"
	testSerialNo = "4D3E5F60718293A4B5C6D7E8F9010203A0B1C2D3"
	testPlatform = "5157F09EFDC096DE15EBE81A47057A72E1B2C3D4"
	testAPIv3Key = "VectorApiV3Key_0123456789abcdefG"
	signatureSM  = "WECHATPAY2-SM2-WITH-SM3"
)

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func privateKey(t testing.TB, name string) *sm2.PrivateKey {
	t.Helper()
	key, err := sm.ParsePrivateKey(readFile(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// testConfig is a merchant who knows no key of the provider's yet.
func testConfig(t testing.TB) wechatpay.Config {
	t.Helper()
	certificate, err := sm.ParseCertificate(readFile(t, "merchant_cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	return wechatpay.Config{
		MchID: testMchID, SerialNo: testSerialNo, Suite: sm.Suite{}, Signer: privateKey(t, "merchant_private_key.pem"),
		Certificate: certificate, APIv3Key: testAPIv3Key, DownloadCertificates: true,
		Backoff: func(int, error) time.Duration { return 0 },
	}
}

// provider speaks SM like the provider, straight on the algorithms and not on the package it tests.
type provider struct {
	*httptest.Server
	t             testing.TB
	key           *sm2.PrivateKey
	merchant      *sm2.PrivateKey
	signatureType string
	tamper        bool

	mu       sync.Mutex
	requests []request
}

type request struct {
	*http.Request
	body []byte
}

func newProvider(t testing.TB) *provider {
	t.Helper()
	p := &provider{
		t: t, key: privateKey(t, "platform_private_key.pem"), merchant: privateKey(t, "merchant_private_key.pem"),
		signatureType: signatureSM,
	}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *provider) client(change func(*wechatpay.Config)) *wechatpay.Client {
	p.t.Helper()
	config := testConfig(p.t)
	config.BaseURL = p.URL
	if change != nil {
		change(&config)
	}
	client, err := wechatpay.New(config)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(client.CloseIdleConnections)
	return client
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Errorf("provider: read body: %v", err)
	}
	p.checkRequest(r, body)
	p.mu.Lock()
	p.requests = append(p.requests, request{r, body})
	p.mu.Unlock()
	switch {
	case r.URL.Path == "/v3/certificates":
		p.reply(w, p.certificates())
	case strings.HasSuffix(r.URL.Path, "/native"):
		p.reply(w, `{"code_url":"weixin://wxpay/bizpayurl?pr=NwY5Mz9"}`)
	case strings.HasSuffix(r.URL.Path, "/apply-abnormal-refund"):
		p.reply(w, `{"refund_id":"50300002222024060112345678901","out_refund_no":"REFUND-1","status":"PROCESSING",`+
			`"amount":{"total":100,"refund":40,"currency":"CNY"}}`)
	default:
		p.t.Errorf("provider: unexpected %s %s", r.Method, r.RequestURI)
	}
}

func (p *provider) received(n int) request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests[n]
}

func (p *provider) checkRequest(r *http.Request, body []byte) {
	scheme, list, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	values := map[string]string{}
	for part := range strings.SplitSeq(list, ",") {
		key, value, _ := strings.Cut(part, "=")
		values[key] = strings.Trim(value, `"`)
	}
	text := r.Method + "\n" + r.RequestURI + "\n" + values["timestamp"] + "\n" + values["nonce_str"] + "\n" + string(body) + "\n"
	signature, err := base64.StdEncoding.DecodeString(values["signature"])
	if err != nil || scheme != signatureSM || values["mchid"] != testMchID || values["serial_no"] != testSerialNo {
		p.t.Errorf("provider: authorization %s %v, %v", scheme, values, err)
	}
	if !sm2.VerifyASN1WithSM2(&p.merchant.PublicKey, []byte("1234567812345678"), []byte(text), signature) {
		p.t.Errorf("provider: the signature of %s %s does not verify", r.Method, r.RequestURI)
	}
}

func (p *provider) reply(w http.ResponseWriter, body string) {
	for name, value := range p.signature([]byte(body), time.Now()) {
		w.Header().Set(name, value)
	}
	if p.tamper {
		body = strings.Replace(body, "pr=", "pr=x", 1)
	}
	_, _ = io.WriteString(w, body)
}

func (p *provider) signature(body []byte, at time.Time) map[string]string {
	timestamp, nonce := strconv.FormatInt(at.Unix(), 10), "d824f2e086d3c1df967785d13fcd22ef"
	signature, err := p.key.Sign(rand.Reader, []byte(timestamp+"\n"+nonce+"\n"+string(body)+"\n"), sm2.DefaultSM2SignerOpts)
	if err != nil {
		p.t.Error(err)
	}
	headers := map[string]string{
		"Wechatpay-Timestamp": timestamp, "Wechatpay-Nonce": nonce, "Wechatpay-Serial": testPlatform,
		"Wechatpay-Signature": base64.StdEncoding.EncodeToString(signature),
	}
	if p.signatureType != "" {
		headers["Wechatpay-Signature-Type"] = p.signatureType
	}
	return headers
}

// certificates is the list as asked for with ALL: an RSA certificate, which is none of an SM client's business, too.
func (p *provider) certificates() string {
	of := func(algorithm string, resource map[string]string) map[string]any {
		resource["algorithm"] = algorithm
		return map[string]any{"serial_no": testPlatform, "encrypt_certificate": resource}
	}
	body, err := json.Marshal(map[string]any{"data": []any{
		of("AEAD_AES_256_GCM", map[string]string{"nonce": "61f9c719728a", "associated_data": "certificate", "ciphertext": "b3RoZXI="}),
		of("AEAD_SM4_GCM", seal(p.t, "certificate", readFile(p.t, "platform_cert.pem"))),
	}})
	if err != nil {
		p.t.Error(err)
	}
	return string(body)
}

func seal(t testing.TB, associated string, plaintext []byte) map[string]string {
	t.Helper()
	sum := sm3.Sum([]byte(testAPIv3Key))
	block, err := sm4.NewCipher(sum[:16])
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	const nonce = "fdasflkja484"
	return map[string]string{
		"algorithm": "AEAD_SM4_GCM", "nonce": nonce, "associated_data": associated, "original_type": associated,
		"ciphertext": base64.StdEncoding.EncodeToString(gcm.Seal(nil, []byte(nonce), plaintext, []byte(associated))),
	}
}

const paidOrder = `{"appid":"wx8888888888888888","mchid":"1900009191","out_trade_no":"ORDER-1","transaction_id":"4200002222202406011234567890",
"trade_type":"NATIVE","trade_state":"SUCCESS","trade_state_desc":"支付成功","success_time":"2024-06-01T08:00:30+08:00",
"amount":{"total":100,"payer_total":100,"currency":"CNY","payer_currency":"CNY"}}`

func (p *provider) notification(resource map[string]string) *http.Request {
	p.t.Helper()
	body, err := json.Marshal(map[string]any{
		"id": "EV-1", "event_type": "TRANSACTION.SUCCESS", "resource_type": "encrypt-resource", "resource": resource,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/notify", bytes.NewReader(body))
	for name, value := range p.signature(body, time.Now()) {
		r.Header.Set(name, value)
	}
	return r
}
