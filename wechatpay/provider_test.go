package wechatpay

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/big"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	testMchID       = "1900009191"
	testAppID       = "wx8888888888888888"
	testSerialNo    = "4D3E5F60718293A4B5C6D7E8F9010203A0B1C2D3"
	testAPIv3Key    = "VectorApiV3Key_0123456789abcdefG"
	testPlatform    = "5157F09EFDC096DE15EBE81A47057A72E1B2C3D4"
	testPublicKeyID = "PUB_KEY_ID_0119000091912024060100000000000001"
)

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func privateKey(t testing.TB, name string) *rsa.PrivateKey {
	t.Helper()
	key, err := ParsePrivateKey(readFile(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func publicKey(t testing.TB) *rsa.PublicKey {
	t.Helper()
	key, err := ParsePublicKey(readFile(t, "wechatpay_public_key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func certificate(t testing.TB, name string) *x509.Certificate {
	t.Helper()
	certificate, err := ParseCertificate(readFile(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

// testConfig trusts both kinds of keys of the provider.
func testConfig(t testing.TB) Config {
	return Config{
		MchID: testMchID, SerialNo: testSerialNo,
		Signer:      privateKey(t, "merchant_private_key.pem"),
		Certificate: certificate(t, "merchant_cert.pem"),
		APIv3Key:    testAPIv3Key,
		PublicKeys:  map[string]*rsa.PublicKey{testPublicKeyID: publicKey(t)},
		PlatformCertificates: []*x509.Certificate{
			certificate(t, "wechatpay_platform_cert.pem"),
		},
		Backoff: func(int, error) time.Duration { return 0 },
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

// signingKey is a key the provider signs with.
type signingKey struct {
	serial  string
	private *rsa.PrivateKey
}

// provider answers like the provider, with its own few lines of signing and verifying.
type provider struct {
	*httptest.Server
	t        testing.TB
	merchant *rsa.PublicKey
	now      func() time.Time

	mu       sync.Mutex
	key      signingKey
	requests []receivedRequest
	// answer answers the n-th request, from 1.
	answer func(w http.ResponseWriter, r receivedRequest, n int)
}

type receivedRequest struct {
	*http.Request
	body          []byte
	authorization map[string]string
}

func newProvider(t testing.TB, answer func(p *provider, w http.ResponseWriter, r receivedRequest, n int)) *provider {
	t.Helper()
	p := &provider{
		t: t, now: time.Now,
		merchant: &privateKey(t, "merchant_private_key.pem").PublicKey,
		key:      signingKey{testPublicKeyID, privateKey(t, "wechatpay_pubkey_mode_private_key.pem")},
	}
	p.answer = func(w http.ResponseWriter, r receivedRequest, n int) { answer(p, w, r, n) }
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Errorf("provider: read body: %v", err)
	}
	received := receivedRequest{Request: r, body: body, authorization: p.checkRequest(r, body)}
	p.mu.Lock()
	p.requests = append(p.requests, received)
	n := len(p.requests)
	p.mu.Unlock()
	p.answer(w, received, n)
}

func (p *provider) checkRequest(r *http.Request, body []byte) map[string]string {
	scheme, list, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if scheme != "WECHATPAY2-SHA256-RSA2048" {
		p.t.Errorf("provider: authorization scheme %q", scheme)
	}
	values := map[string]string{}
	for part := range strings.SplitSeq(list, ",") {
		key, value, _ := strings.Cut(part, "=")
		values[key] = strings.Trim(value, `"`)
	}
	body = signedPart(p.t, r, body)
	text := r.Method + "\n" + r.RequestURI + "\n" + values["timestamp"] + "\n" + values["nonce_str"] + "\n" + string(body) + "\n"
	sum := sha256.Sum256([]byte(text))
	signature, _ := base64.StdEncoding.DecodeString(values["signature"])
	if err := rsa.VerifyPKCS1v15(p.merchant, crypto.SHA256, sum[:], signature); err != nil {
		p.t.Errorf("provider: signature of %s %s: %v", r.Method, r.RequestURI, err)
	}
	if values["mchid"] != testMchID || values["serial_no"] != testSerialNo {
		p.t.Errorf("provider: authorization of %s, serial %s", values["mchid"], values["serial_no"])
	}
	if r.Header.Get("Accept") == "" || r.Header.Get("User-Agent") == "" {
		p.t.Error("provider: Accept or User-Agent is missing")
	}
	return values
}

// signedPart is what of the body is signed: of an upload its meta alone.
func signedPart(t testing.TB, r *http.Request, body []byte) []byte {
	kind, parameters, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "multipart/form-data" {
		return body
	}
	form, err := multipart.NewReader(bytes.NewReader(body), parameters["boundary"]).ReadForm(1 << 20)
	if err != nil || len(form.Value["meta"]) != 1 {
		t.Errorf("provider: upload without meta: %v", err)
		return nil
	}
	return []byte(form.Value["meta"][0])
}

func (p *provider) received() []receivedRequest {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]receivedRequest(nil), p.requests...)
}

func (p *provider) signWith(key signingKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.key = key
}

// reply sends a signed answer.
func (p *provider) reply(w http.ResponseWriter, status int, body string) {
	p.mu.Lock()
	key := p.key
	p.mu.Unlock()
	for name, value := range signatureHeaders(p.t, key, p.now(), []byte(body)) {
		w.Header().Set(name, value)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Request-ID", "08C6AADAAF0120BF1F28E3BE04-0")
	w.WriteHeader(status)
	if status != http.StatusNoContent {
		_, _ = io.WriteString(w, body)
	}
}

// refuse sends an unsigned error.
func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Request-ID", "08C6AADAAF0120BF1F28E3BE04-268435461")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"code":%q,"message":"refused"}`, code)
}

func signatureHeaders(t testing.TB, key signingKey, at time.Time, body []byte) map[string]string {
	timestamp, nonce := strconv.FormatInt(at.Unix(), 10), "d824f2e086d3c1df967785d13fcd22ef"
	sum := sha256.Sum256([]byte(timestamp + "\n" + nonce + "\n" + string(body) + "\n"))
	signature, err := rsa.SignPKCS1v15(nil, key.private, crypto.SHA256, sum[:])
	if err != nil {
		t.Error(err)
	}
	return map[string]string{
		"Wechatpay-Timestamp": timestamp, "Wechatpay-Nonce": nonce, "Wechatpay-Serial": key.serial,
		"Wechatpay-Signature":      base64.StdEncoding.EncodeToString(signature),
		"Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
	}
}

func seal(t testing.TB, apiV3Key, associated string, plaintext []byte) map[string]string {
	t.Helper()
	block, err := aes.NewCipher([]byte(apiV3Key))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	const nonce = "61f9c719728a"
	return map[string]string{
		"algorithm": "AEAD_AES_256_GCM", "nonce": nonce, "associated_data": associated,
		"ciphertext": base64.StdEncoding.EncodeToString(aead.Seal(nil, []byte(nonce), plaintext, []byte(associated))),
	}
}

// certificateList is the body of /v3/certificates for certificates in PEM, by serial number.
func certificateList(t testing.TB, byserial map[string][]byte) string {
	t.Helper()
	var data []any
	for serial, pem := range byserial {
		data = append(data, map[string]any{
			"serial_no": serial, "effective_time": "2024-01-01T08:00:00+08:00", "expire_time": "2044-01-01T08:00:00+08:00",
			"encrypt_certificate": seal(t, testAPIv3Key, "certificate", pem),
		})
	}
	body, err := json.Marshal(map[string]any{"data": data})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// platformCertificate makes a platform certificate for the public-key-mode key, so that rotations need no
// new key.
func platformCertificate(t testing.TB, serial int64, notBefore, notAfter time.Time) *x509.Certificate {
	t.Helper()
	key := privateKey(t, "wechatpay_pubkey_mode_private_key.pem")
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotBefore: notBefore, NotAfter: notAfter}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// notificationRequest is what the provider posts for an event.
func notificationRequest(t testing.TB, key signingKey, at time.Time, eventType, originalType, plaintext string) *http.Request {
	t.Helper()
	resource := map[string]string{"original_type": originalType}
	maps.Copy(resource, seal(t, testAPIv3Key, originalType, []byte(plaintext)))
	body, err := json.Marshal(map[string]any{
		"id": "8f7c1b9e-0a3d-5b1e-9c55-000000000001", "create_time": "2024-06-01T08:00:30+08:00",
		"resource_type": "encrypt-resource", "event_type": eventType, "summary": "支付成功", "resource": resource,
	})
	if err != nil {
		t.Fatal(err)
	}
	return signedNotification(t, key, at, body)
}

func signedNotification(t testing.TB, key signingKey, at time.Time, body []byte) *http.Request {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/notify", bytes.NewReader(body))
	for name, value := range signatureHeaders(t, key, at, body) {
		r.Header.Set(name, value)
	}
	return r
}

func nativeRequest() NativeRequest {
	return NativeRequest{
		AppID: testAppID, Description: "Image形象店-深圳腾大-QQ公仔", OutTradeNo: "VEC20240601000001",
		NotifyURL: "https://pay.example.com/notify/wechat", Amount: Amount{Total: 100, Currency: "CNY"},
	}
}
