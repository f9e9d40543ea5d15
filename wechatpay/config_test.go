package wechatpay

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestConfigMistakesAreNamed(t *testing.T) {
	t.Parallel()
	other := privateKey(t, "wechatpay_platform_private_key.pem")
	cases := []struct {
		name, field string
		change      func(*Config)
	}{
		{"NoMchID", "MchID", func(c *Config) { c.MchID, c.Certificate = "", nil }},
		{"MchIDWithLetters", "MchID", func(c *Config) { c.MchID, c.Certificate = "mch1", nil }},
		{"PublicKeyIDAsSerial", "SerialNo", func(c *Config) { c.SerialNo, c.Certificate = testPublicKeyID, nil }},
		{"NoSigner", "Signer", func(c *Config) { c.Signer = nil }},
		{"CertificateOfAnotherKey", "Certificate", func(c *Config) { c.Signer = other; c.PlatformCertificates = nil }},
		{"SerialOfAnotherCertificate", "SerialNo", func(c *Config) { c.SerialNo = testPlatform }},
		{"CertificateOfAnotherMerchant", "Certificate", func(c *Config) { c.MchID = "1900000000" }},
		{"ExpiredCertificate", "Certificate", func(c *Config) { c.Now = func() time.Time { return time.Date(2045, 1, 1, 0, 0, 0, 0, time.UTC) } }},
		{"ShortAPIv3Key", "APIv3Key", func(c *Config) { c.APIv3Key = "short" }},
		{"DownloadWithoutAPIv3Key", "APIv3Key", func(c *Config) { c.APIv3Key, c.DownloadCertificates = "", true }},
		{"NothingToVerifyWith", "PublicKeys", func(c *Config) { c.PublicKeys, c.PlatformCertificates = nil, nil }},
		{"IDWithoutPrefix", "PublicKeys", func(c *Config) { c.PublicKeys = map[string]*rsa.PublicKey{"0119": publicKey(t)} }},
		{"NilPublicKey", "PublicKeys", func(c *Config) { c.PublicKeys = map[string]*rsa.PublicKey{testPublicKeyID: nil} }},
		{"OwnKeyAsPublicKey", "PublicKeys", func(c *Config) {
			c.PublicKeys = map[string]*rsa.PublicKey{testPublicKeyID: c.Signer.Public().(*rsa.PublicKey)}
		}},
		{"SeveralKeysWithoutCurrent", "PublicKeyID", func(c *Config) { c.PublicKeys["PUB_KEY_ID_2"] = publicKey(t) }},
		{"CurrentKeyThatIsNotThere", "PublicKeyID", func(c *Config) { c.PublicKeyID = "PUB_KEY_ID_2" }},
		{"OwnCertificateAsPlatform", "PlatformCertificates[0]", func(c *Config) { c.PlatformCertificates = []*x509.Certificate{c.Certificate} }},
		{"PlainHTTP", "BaseURL", func(c *Config) { c.BaseURL = "http://api.mch.weixin.qq.com" }},
		{"BaseURLWithPath", "BaseURL", func(c *Config) { c.BaseURL = "https://api.mch.weixin.qq.com/v3" }},
		{"BaseURLWithoutScheme", "BaseURL", func(c *Config) { c.BaseURL = "api.mch.weixin.qq.com" }},
		{"BackupAlone", "BaseURL", func(c *Config) { c.BackupURL = "https://api2.mch.weixin.qq.com" }},
		{"PlainHTTPBackup", "BackupURL", func(c *Config) { c.BaseURL, c.BackupURL = "http://127.0.0.1:1", "http://192.0.2.1" }},
		{"NegativeTimeout", "QueryTimeout", func(c *Config) { c.QueryTimeout = -1 }},
		{"AcceptLanguageOfTwoLines", "AcceptLanguage", func(c *Config) { c.AcceptLanguage = "en\r\nX: y" }},
		{"UserAgentOfTwoLines", "UserAgent", func(c *Config) { c.UserAgent = "a\r\nb" }},
		{"UserAgentWithNUL", "UserAgent", func(c *Config) { c.UserAgent = "a\x00b" }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			config := testConfig(t)
			c.change(&config)
			_, err := New(config)
			if fields := fieldsOf(err); len(fields) != 1 || fields[0] != c.field {
				t.Errorf("got %v from %v, want %s", fields, err, c.field)
			}
		})
	}
}

func TestConfigMistakesComeAtOnce(t *testing.T) {
	t.Parallel()
	_, err := New(Config{APIv3Key: "short"})
	fields := fieldsOf(err)
	for _, want := range []string{"MchID", "SerialNo", "Signer", "APIv3Key", "PublicKeys"} {
		if !slices.Contains(fields, want) {
			t.Errorf("%s is not among %v", want, fields)
		}
	}
}

func TestConfigOfLoopbackMayBePlain(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"http://127.0.0.1:9100", "http://[::1]:9100/", "http://localhost:9100", "https://pay.example.com"} {
		config := testConfig(t)
		config.BaseURL = base
		if _, err := New(config); err != nil {
			t.Errorf("%s: %v", base, err)
		}
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	t.Parallel()
	config := testConfig(t)
	client := newClient(t, config)
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	card := Sensitive("6222020000000000000")
	request := AbnormalRefundRequest{BankAccount: card}
	log.Info("x", "config", config, "client", client, "card", card, "request", request)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		fmt.Fprintf(&out, verb+verb+verb+verb, config, client, card, request)
	}
	text, err := json.Marshal([]any{config, client, card, request})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(text)
	for _, secret := range []string{testAPIv3Key, string(card), fmt.Sprintf("%x", testAPIv3Key), privateKey(t, "merchant_private_key.pem").D.String()} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("a secret is printed: %s", secret)
		}
	}
}

func TestKeyFilesThatAreNotReadable(t *testing.T) {
	t.Parallel()
	certificate, key := readFile(t, "merchant_cert.pem"), readFile(t, "merchant_private_key.pem")
	broken := bytes.Replace(key, []byte("MII"), []byte("AAA"), 1)
	for name, err := range map[string]error{
		"NoPEM":                   second(ParsePrivateKey([]byte("key"))),
		"CertificateAsPrivateKey": second(ParsePrivateKey(certificate)),
		"BrokenPrivateKey":        second(ParsePrivateKey(broken)),
		"PrivateKeyAsPublicKey":   second(ParsePublicKey(key)),
		"NoPEMAsPublicKey":        second(ParsePublicKey(nil)),
		"KeyAsCertificate":        second(ParseCertificate(key)),
	} {
		if err == nil || strings.Contains(err.Error(), "AAA") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestOlderPrivateKeyFileIsRead(t *testing.T) {
	t.Parallel()
	key := privateKey(t, "merchant_private_key.pem")
	older := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	if got, err := ParsePrivateKey(older); err != nil || !got.Equal(key) {
		t.Errorf("got %v", err)
	}
}

func second[T any](_ T, err error) error { return err }
