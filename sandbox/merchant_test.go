package sandbox_test

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
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox"
)

// merchant calls the sandbox as a merchant's software does, with its own few lines of signing and verifying.
type merchant struct {
	t         testing.TB
	c         sandbox.Credentials
	base      string
	key       *rsa.PrivateKey
	keys      map[string]*rsa.PublicKey // by Wechatpay-Serial
	client    *http.Client
	serial    string // Wechatpay-Serial of requests
	timestamp func() time.Time
	change    func(*http.Request) // last touch before sending
}

func newMerchant(t testing.TB, s *sandbox.Sandbox) *merchant {
	t.Helper()
	c := s.Credentials()
	w := c.WeChatPay
	block, _ := pem.Decode(c.PEM(w.MerchantPrivateKeyFile))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	block, _ = pem.Decode(c.PEM(w.PlatformCertificateFile))
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	block, _ = pem.Decode(c.PEM(w.PublicKeyFile))
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	m := &merchant{
		t: t, c: c, base: s.URL(), key: key.(*rsa.PrivateKey),
		keys:      map[string]*rsa.PublicKey{w.PlatformSerialNo: cert.PublicKey.(*rsa.PublicKey), w.PublicKeyID: public.(*rsa.PublicKey)},
		client:    &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second},
		timestamp: time.Now,
	}
	t.Cleanup(m.client.CloseIdleConnections)
	return m
}

// answer is what came back, with the verdict on its signature.
type answer struct {
	status   int
	header   http.Header
	body     []byte
	verified error // nil: signed by a known key within the window
}

func (a answer) text(name string) string {
	var fields map[string]any
	if json.Unmarshal(a.body, &fields) != nil {
		return ""
	}
	text, _ := fields[name].(string)
	return text
}

func (m *merchant) request(method, target string, body []byte) *http.Request {
	m.t.Helper()
	r, err := http.NewRequest(method, m.base+target, bytes.NewReader(body))
	if err != nil {
		m.t.Fatal(err)
	}
	timestamp, nonce := strconv.FormatInt(m.timestamp().Unix(), 10), rand.Text()
	digest := sha256.Sum256([]byte(method + "\n" + target + "\n" + timestamp + "\n" + nonce + "\n" + string(body) + "\n"))
	signature, err := rsa.SignPKCS1v15(nil, m.key, crypto.SHA256, digest[:])
	if err != nil {
		m.t.Fatal(err)
	}
	r.Header.Set("Authorization", fmt.Sprintf(`WECHATPAY2-SHA256-RSA2048 mchid="%s",nonce_str="%s",signature="%s",timestamp="%s",serial_no="%s"`,
		m.c.WeChatPay.MchID, nonce, base64.StdEncoding.EncodeToString(signature), timestamp, m.c.WeChatPay.MerchantSerialNo))
	r.Header.Set("Accept", "application/json")
	if len(body) > 0 {
		r.Header.Set("Content-Type", "application/json")
	}
	if m.serial != "" {
		r.Header.Set("Wechatpay-Serial", m.serial)
	}
	if m.change != nil {
		m.change(r)
	}
	return r
}

// try sends the request and returns a connection's error too.
func (m *merchant) try(method, target string, body any) (answer, error) {
	m.t.Helper()
	raw, isRaw := body.([]byte)
	if !isRaw && body != nil {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			m.t.Fatal(err)
		}
	}
	response, err := m.client.Do(m.request(method, target, raw))
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	return answer{response.StatusCode, response.Header, content, m.verify(response.Header, content)}, nil
}

func (m *merchant) call(method, target string, body any) answer {
	m.t.Helper()
	a, err := m.try(method, target, body)
	if err != nil {
		m.t.Fatalf("%s %s: %v", method, target, err)
	}
	return a
}

// must is call for requests that have to succeed with a true signature.
func (m *merchant) must(method, target string, body any) answer {
	m.t.Helper()
	a := m.call(method, target, body)
	if a.status >= 300 || a.verified != nil {
		m.t.Fatalf("%s %s: %d %s (signature: %v)", method, target, a.status, a.body, a.verified)
	}
	return a
}

// refused is call for requests that have to fail with the status and code.
func (m *merchant) refused(method, target string, body any, status int, code string) answer {
	m.t.Helper()
	a := m.call(method, target, body)
	if a.status != status || a.text("code") != code {
		m.t.Fatalf("%s %s: %d %s; want %d %s", method, target, a.status, a.body, status, code)
	}
	return a
}

func (m *merchant) verify(header http.Header, body []byte) error { return verify(m.keys, header, body) }

func verify(keys map[string]*rsa.PublicKey, header http.Header, body []byte) error {
	seconds, err := strconv.ParseInt(header.Get("Wechatpay-Timestamp"), 10, 64)
	if err != nil {
		return errors.New("no timestamp")
	}
	if time.Since(time.Unix(seconds, 0)).Abs() >= 5*time.Minute {
		return errors.New("stale")
	}
	key, known := keys[header.Get("Wechatpay-Serial")]
	if !known {
		return errors.New("unknown serial")
	}
	signature, err := base64.StdEncoding.DecodeString(header.Get("Wechatpay-Signature"))
	if err != nil {
		return errors.New("signature is not base64")
	}
	digest := sha256.Sum256([]byte(header.Get("Wechatpay-Timestamp") + "\n" + header.Get("Wechatpay-Nonce") + "\n" + string(body) + "\n"))
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature)
}

func open(apiV3Key, nonce, associated, ciphertext string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(ciphertext)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher([]byte(apiV3Key))
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return gcm.Open(nil, []byte(nonce), raw, []byte(associated))
}
