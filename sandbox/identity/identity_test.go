package identity_test

import (
	"crypto/x509"
	"regexp"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/identity"
)

func TestGenerate(t *testing.T) {
	t.Parallel()
	now := time.Now()
	ids, err := identity.Generate(now)
	if err != nil {
		t.Fatal(err)
	}
	w := ids.WeChatPay
	for name, shape := range map[string]struct{ value, pattern string }{
		"mchid":         {w.MchID, `^19[0-9]{8}$`},
		"appid":         {w.AppID, `^wx[0-9a-f]{16}$`},
		"openid":        {w.OpenID, `^o[0-9A-Za-z]{27}$`},
		"api_v3_key":    {w.APIv3Key, `^[0-9A-Za-z]{32}$`},
		"api_v2_key":    {w.APIv2Key, `^[0-9A-Za-z]{32}$`},
		"public_key_id": {w.PublicKeyID, `^PUB_KEY_ID_01[0-9]{32}$`},
		"serial":        {w.Certificate.SerialNo(), `^[1-7][0-9A-F]{39}$`},
	} {
		if !regexp.MustCompile(shape.pattern).MatchString(shape.value) {
			t.Errorf("%s: %q", name, shape.value)
		}
	}
	if w.Certificate.Cert.Subject.CommonName != w.MchID {
		t.Errorf("the merchant's certificate is for %q", w.Certificate.Cert.Subject.CommonName)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ids.CA.Cert)
	server, err := ids.CA.IssueServer([]string{"api.mch.weixin.qq.com", "127.0.0.1"}, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"api.mch.weixin.qq.com", "127.0.0.1"} {
		if _, err := server.Cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: host}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	if _, err := w.Platform.Cert.Verify(x509.VerifyOptions{Roots: roots}); err != nil {
		t.Error(err)
	}

	t.Run("PEMReadsBack", func(t *testing.T) {
		t.Parallel()
		key, err := identity.EncodePrivateKey(w.Certificate.Key)
		if err != nil {
			t.Fatal(err)
		}
		again, err := identity.ParseCertificate(identity.EncodeCertificate(w.Certificate.Cert), key)
		if err != nil || again.SerialNo() != w.Certificate.SerialNo() {
			t.Fatalf("%v", err)
		}
		if _, err := identity.ParseCertificate(identity.EncodeCertificate(w.Platform.Cert), key); err == nil {
			t.Fatal("another's key was accepted")
		}
		for _, bad := range []string{"", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
			if _, err := identity.ParsePrivateKey([]byte(bad)); err == nil {
				t.Fatalf("%q was accepted", bad)
			}
		}
	})
}
