package wechatpay

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

// vectors are self-made; they were proven with OpenSSL and the provider's own SDK.
type vectors struct {
	Requests []struct {
		Name          string
		Method        string
		URL           string
		Timestamp     string
		NonceStr      string `json:"nonce_str"`
		Body          string
		SignString    string `json:"sign_string"`
		Length        int    `json:"sign_string_length_bytes"`
		SHA256        string `json:"sign_string_sha256_hex"`
		Authorization string
	} `json:"v3_request_signature"`
	FrontEnd []struct {
		Name      string
		Signature string
		Params    map[string]string
	} `json:"frontend_signature"`
	Answers []struct {
		Name           string
		Headers        map[string]string
		Body           string
		SignatureValid bool `json:"signature_valid"`
	} `json:"v3_response_verify"`
	Notifications []struct {
		Name      string
		Headers   map[string]string
		Body      string
		Decrypted string
	} `json:"v3_notification"`
	Negative []struct {
		Name     string
		Resource sealed
	} `json:"v3_notification_negative"`
	Certificates struct {
		Headers      map[string]string
		Body         string
		DecryptedPEM string `json:"decrypted_pem"`
	} `json:"v3_certificates"`
	OAEP []struct {
		Name        string
		Plaintext   *string
		DecryptWith string `json:"decrypt_with"`
		Ciphertext  string
	} `json:"oaep"`
	Bill struct {
		CSV      string
		Gzip     []byte `json:"gzip_base64"`
		SHA1     string `json:"sha1_of_plain_csv"`
		GzipSHA1 string `json:"sha1_of_gzip_bytes_must_not_match"`
	} `json:"bill_all"`
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	var v vectors
	if err := json.Unmarshal(readFile(t, "wechatpay.json"), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func vectorClock() time.Time { return time.Unix(1717200000, 0) }

func vectorClient(t testing.TB) *Client {
	config := testConfig(t)
	config.Now = vectorClock
	return newClient(t, config)
}

func header(values map[string]string) http.Header {
	h := http.Header{}
	for name, value := range values {
		h.Set(name, value)
	}
	return h
}

func TestVectorsRequestSignature(t *testing.T) {
	t.Parallel()
	client := vectorClient(t)
	cases := readVectors(t).Requests
	if len(cases) != 6 {
		t.Fatalf("got %d cases", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			text := c.Method + "\n" + c.URL + "\n" + c.Timestamp + "\n" + c.NonceStr + "\n" + c.Body + "\n"
			if sum := sha256.Sum256([]byte(text)); text != c.SignString || len(text) != c.Length || hex.EncodeToString(sum[:]) != c.SHA256 {
				t.Fatalf("vector contradicts itself")
			}
			timestamp, err := strconv.ParseInt(c.Timestamp, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			got, err := client.merchant.authorization(c.Method, c.URL, []byte(c.Body), timestamp, c.NonceStr)
			if err != nil || got != c.Authorization {
				t.Errorf("got %s, %v\nwant %s", got, err, c.Authorization)
			}
		})
	}
}

func TestVectorsFrontEnd(t *testing.T) {
	t.Parallel()
	client := vectorClient(t)
	cases := readVectors(t).FrontEnd
	const prepayID, nonce = "wx201410272009395522657a690389285100", "593BEC0C930BF1AFEB40B4A08C8FB242"

	jsapi, err := client.signJSAPI(testAppID, prepayID, 1717200000, nonce)
	if err != nil || jsapi.PaySign != cases[0].Signature || jsapi.Package != cases[0].Params["package"] ||
		jsapi.TimeStamp != cases[0].Params["timeStamp"] || jsapi.SignType != "RSA" || jsapi.NonceStr != nonce {
		t.Errorf("jsapi: %+v, %v", jsapi, err)
	}
	app, err := client.signApp(testAppID, prepayID, 1717200000, nonce)
	if err != nil || app.Sign != cases[1].Signature || app.PackageValue != "Sign=WXPay" ||
		app.PrepayID != prepayID || app.PartnerID != testMchID {
		t.Errorf("app: %+v, %v", app, err)
	}
}

func TestVectorsAnswerVerification(t *testing.T) {
	t.Parallel()
	client := vectorClient(t)
	cases := readVectors(t).Answers
	if len(cases) != 8 {
		t.Fatalf("got %d cases", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			err := client.verify(t.Context(), header(c.Headers), []byte(c.Body))
			if c.SignatureValid && err != nil {
				t.Errorf("got %v", err)
			}
			if !c.SignatureValid && !errors.Is(err, ErrSignature) {
				t.Errorf("got %v, want ErrSignature", err)
			}
		})
	}
}

func TestVectorsNotification(t *testing.T) {
	t.Parallel()
	client := vectorClient(t)
	typed := map[string]string{
		"transaction_success_platform_cert": "order", "transaction_success_public_key": "order",
		"partner_transaction_success": "order", "refund_success_empty_aad": "refund", "refund_abnormal": "refund",
		"combine_success": "combine order", "transfer_finished": "transfer", "profitsharing_receiver": "sharing",
	}
	cases := readVectors(t).Notifications
	if len(cases) != len(typed) {
		t.Fatalf("got %d cases", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodPost, "/notify", strings.NewReader(c.Body))
			r.Header = header(c.Headers)
			n, err := client.ParseNotification(r)
			if err != nil {
				t.Fatal(err)
			}
			if string(n.Plaintext()) != c.Decrypted || string(n.Body()) != c.Body || n.ID() == "" {
				t.Errorf("got %s", n.Plaintext())
			}
			var got string
			for name, is := range map[string]func() bool{
				"order":         func() bool { _, ok := n.Order(); return ok },
				"combine order": func() bool { _, ok := n.CombineOrder(); return ok },
				"refund":        func() bool { _, ok := n.Refund(); return ok },
				"sharing":       func() bool { _, ok := n.ProfitSharing(); return ok },
				"transfer":      func() bool { _, ok := n.Transfer(); return ok },
			} {
				if is() {
					got += name
				}
			}
			if got != typed[c.Name] {
				t.Errorf("typed as %q, want %q", got, typed[c.Name])
			}
		})
	}
}

func TestVectorsNotificationNegative(t *testing.T) {
	t.Parallel()
	client := vectorClient(t)
	for _, c := range readVectors(t).Negative {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			if _, err := c.Resource.open(client.aead); !errors.Is(err, ErrDecrypt) {
				t.Errorf("got %v, want ErrDecrypt", err)
			}
		})
	}
}

// The first download: no key is known, the key that signed arrives in the answer itself.
func TestVectorsCertificates(t *testing.T) {
	t.Parallel()
	list := readVectors(t).Certificates
	config := testConfig(t)
	config.Now = vectorClock
	config.PublicKeys, config.PlatformCertificates, config.DownloadCertificates = nil, nil, true
	config.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: http.StatusOK, Header: header(list.Headers), Body: io.NopCloser(strings.NewReader(list.Body)),
		}, nil
	})
	client := newClient(t, config)
	if err := client.RefreshCertificates(t.Context()); err != nil {
		t.Fatal(err)
	}
	keys := client.VerificationKeys()
	if len(keys) != 1 || keys[0].Serial != testPlatform {
		t.Fatalf("got %v", keys)
	}
	want, err := ParseCertificate([]byte(list.DecryptedPEM))
	if err != nil || !sameKey(client.keys.Load().bySerial[testPlatform].public, want.PublicKey) {
		t.Errorf("not the certificate of the list: %v", err)
	}
}

func TestVectorsSensitiveFields(t *testing.T) {
	t.Parallel()
	cases := readVectors(t).OAEP
	if len(cases) != 6 {
		t.Fatalf("got %d cases", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			client := &Client{core: &core{merchant: merchantKey{signer: privateKey(t, c.DecryptWith), suite: rsaSuite{}}}}
			got, err := client.DecryptSensitive(c.Ciphertext)
			if c.Plaintext == nil {
				if !errors.Is(err, ErrDecrypt) {
					t.Errorf("got %v, want ErrDecrypt", err)
				}
				return
			}
			if err != nil || string(got) != *c.Plaintext {
				t.Errorf("got %q, %v", string(got), err)
			}
		})
	}
}

func TestSensitiveFieldsRoundTrip(t *testing.T) {
	t.Parallel()
	client := vectorClient(t)
	for _, plaintext := range []string{"张三", strings.Repeat("a", 214)} {
		ciphertext, serial, err := client.EncryptSensitive(t.Context(), Sensitive(plaintext))
		if err != nil || serial != testPublicKeyID || len(ciphertext) != 344 {
			t.Fatalf("serial %s, %d characters, %v", serial, len(ciphertext), err)
		}
		provider := &Client{core: &core{merchant: merchantKey{signer: privateKey(t, "wechatpay_pubkey_mode_private_key.pem"), suite: rsaSuite{}}}}
		if got, err := provider.DecryptSensitive(ciphertext); err != nil || string(got) != plaintext {
			t.Errorf("got %q, %v", string(got), err)
		}
	}
	if _, _, err := client.EncryptSensitive(t.Context(), Sensitive(strings.Repeat("a", 215))); OutcomeOf(err) != OutcomeRefused {
		t.Errorf("215 bytes: got %v", err)
	}
}

// roundTrip is a transport made of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
	}
	return f(r)
}

func jsonAnswer(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader([]byte(body)))}
}
