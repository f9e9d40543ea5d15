package wechatpaysim_test

import (
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/chance"
	"github.com/tongbao-pay/tongbao/sandbox/clock"
	"github.com/tongbao-pay/tongbao/sandbox/fault"
	"github.com/tongbao-pay/tongbao/sandbox/identity"
	"github.com/tongbao-pay/tongbao/sandbox/journal"
	"github.com/tongbao-pay/tongbao/sandbox/wechatpaysim"
)

type vectors struct {
	Meta struct {
		MchID    string `json:"mchid"`
		AppID    string `json:"appid"`
		APIv3Key string `json:"apiv3_key"`
	} `json:"meta"`
	Requests []struct {
		Name          string `json:"name"`
		Method        string `json:"method"`
		URL           string `json:"url"`
		Body          string `json:"body"`
		Authorization string `json:"authorization"`
	} `json:"v3_request_signature"`
}

func file(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func pair(t testing.TB, cert, key string) identity.Certificate {
	t.Helper()
	c, err := identity.ParseCertificate(file(t, cert), file(t, key))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// vectorConfig is a provider who knows the vectors' merchant, at the vectors' time.
func vectorConfig(t testing.TB) (wechatpaysim.Config, vectors) {
	t.Helper()
	var v vectors
	if err := json.Unmarshal(file(t, "wechatpay.json"), &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Requests) == 0 {
		t.Fatal("there are no vectors")
	}
	key, err := identity.ParsePrivateKey(file(t, "wechatpay_pubkey_mode_private_key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	platform := pair(t, "wechatpay_platform_cert.pem", "wechatpay_platform_private_key.pem")
	source := chance.New(1, 0)
	return wechatpaysim.Config{
		Identity: identity.WeChatPay{
			Merchant: identity.Merchant{
				MchID: v.Meta.MchID, AppID: v.Meta.AppID, APIv3Key: v.Meta.APIv3Key,
				Certificate: pair(t, "merchant_cert.pem", "merchant_private_key.pem"),
			},
			OpenID: "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", Platform: platform,
			PublicKeyID: "PUB_KEY_ID_0119000091912024060100000000000001", PublicKey: key.(*rsa.PrivateKey),
		},
		CA:    platform,
		Clock: clock.New(func() time.Time { return time.Unix(1717200000, 0) }), Journal: &journal.Journal{}, Chance: source,
		Faults: fault.NewSet(fault.Catalog{wechatpaysim.Name: wechatpaysim.Effects()}, source), PhoneURL: "http://127.0.0.1:1",
	}, v
}

func vectorProvider(t testing.TB) (*wechatpaysim.Provider, vectors) {
	t.Helper()
	c, v := vectorConfig(t)
	p, err := wechatpaysim.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p, v
}

func send(p *wechatpaysim.Provider, method, target, body, authorization string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Authorization", authorization)
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "test")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w
}

func TestRequestVectors(t *testing.T) {
	t.Parallel()
	p, v := vectorProvider(t)
	for _, request := range v.Requests {
		t.Run(request.Name, func(t *testing.T) {
			t.Parallel()
			if w := send(p, request.Method, request.URL, request.Body, request.Authorization); w.Code == http.StatusUnauthorized {
				t.Fatalf("a true signature was refused: %s", w.Body)
			}
			tampered := map[string][3]string{
				"body":   {request.Method, request.URL, request.Body + " "},
				"target": {request.Method, request.URL + "x", request.Body},
				"method": {http.MethodPatch, request.URL, request.Body},
			}
			for what, changed := range tampered {
				if w := send(p, changed[0], changed[1], changed[2], request.Authorization); w.Code != http.StatusUnauthorized {
					t.Fatalf("a changed %s was accepted: %d %s", what, w.Code, w.Body)
				}
			}
			other := strings.Replace(request.Authorization, "1717200000", "1717200001", 1)
			if w := send(p, request.Method, request.URL, request.Body, other); w.Code != http.StatusUnauthorized {
				t.Fatalf("a changed timestamp was accepted: %d", w.Code)
			}
		})
	}
}

func FuzzAuthorizationNeverPassesByChance(f *testing.F) {
	f.Add(`WECHATPAY2-SHA256-RSA2048 mchid="1900009191",nonce_str="n",signature="AA==",timestamp="1717200000",serial_no="4D3E5F60718293A4B5C6D7E8F9010203A0B1C2D3"`)
	f.Add(`WECHATPAY2-SHA256-RSA2048 mchid="",,="`)
	f.Add("")
	p, _ := vectorProvider(f)
	f.Fuzz(func(t *testing.T, header string) {
		if strings.ContainsAny(header, "\r\n\x00") {
			return
		}
		if w := send(p, "GET", "/v3/certificates", "", header); w.Code != http.StatusUnauthorized {
			t.Fatalf("%d for %q", w.Code, header)
		}
	})
}
