package sm_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"

	"github.com/tongbao-pay/tongbao/wechatpay"
	"github.com/tongbao-pay/tongbao/wechatpay/sm"
)

func nativeRequest() wechatpay.NativeRequest {
	return wechatpay.NativeRequest{
		AppID: testAppID, Description: "一杯茶", OutTradeNo: "ORDER-1",
		NotifyURL: "https://pay.example.com/notify/wechat", Amount: wechatpay.Amount{Total: 100},
	}
}

func TestOrderIsPlacedAndItsAnswerVerified(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	client := p.client(nil)
	order, err := client.PrepayNative(t.Context(), nativeRequest())
	if err != nil || order.CodeURL == "" {
		t.Fatalf("got %+v, %v", order, err)
	}
	if got := p.received(0).RequestURI; got != "/v3/certificates?algorithm_type=SM2" {
		t.Errorf("certificates were asked for by %s", got)
	}
	if got := p.received(1).Header.Get("Wechatpay-Serial"); got != testPlatform {
		t.Errorf("the call named the key %q", got)
	}
	if keys := client.VerificationKeys(); len(keys) != 1 || keys[0].Serial != testPlatform || keys[0].NotAfter.Year() != 2044 {
		t.Errorf("keys %v", keys)
	}
}

func TestAlteredAnswerIsUnknown(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	p.tamper = true
	_, err := p.client(nil).PrepayNative(t.Context(), nativeRequest())
	if !errors.Is(err, wechatpay.ErrSignature) || wechatpay.OutcomeOf(err) != wechatpay.OutcomeUnknown {
		t.Errorf("got %v", err)
	}
}

func TestNotificationIsVerifiedAndOpened(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	n, err := p.client(nil).ParseNotification(p.notification(seal(t, "transaction", []byte(paidOrder))))
	if err != nil {
		t.Fatal(err)
	}
	if order, ok := n.Order(); !ok || order.OutTradeNo != "ORDER-1" || order.Amount.Total != 100 {
		t.Errorf("got %+v", order)
	}
}

func TestNotificationIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(p *provider, resource map[string]string)
		want   error
	}{
		"SignedAsRSA":      {func(p *provider, _ map[string]string) { p.signatureType = "WECHATPAY2-SHA256-RSA2048" }, wechatpay.ErrSignature},
		"TypeAbsentIsRSA":  {func(p *provider, _ map[string]string) { p.signatureType = "" }, wechatpay.ErrSignature},
		"SignedByAnother":  {func(p *provider, _ map[string]string) { p.key = p.merchant }, wechatpay.ErrSignature},
		"EncryptedByAES":   {func(_ *provider, resource map[string]string) { resource["algorithm"] = "AEAD_AES_256_GCM" }, wechatpay.ErrMalformed},
		"OtherAssociated":  {func(_ *provider, resource map[string]string) { resource["associated_data"] = "refund" }, wechatpay.ErrDecrypt},
		"CiphertextTooFew": {func(_ *provider, resource map[string]string) { resource["ciphertext"] = "AAAA" }, wechatpay.ErrDecrypt},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t)
			client := p.client(nil)
			if err := client.RefreshCertificates(t.Context()); err != nil {
				t.Fatal(err)
			}
			resource := seal(t, "transaction", []byte(paidOrder))
			c.change(p, resource)
			if _, err := client.ParseNotification(p.notification(resource)); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestClientOfRSARefusesSM(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	signer, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	client := p.client(func(c *wechatpay.Config) { c.Suite, c.Signer, c.Certificate = nil, signer, nil })
	_, err = client.ParseNotification(p.notification(seal(t, "transaction", []byte(paidOrder))))
	if !errors.Is(err, wechatpay.ErrSignature) || !strings.Contains(err.Error(), "WECHATPAY2-SHA256-RSA2048") {
		t.Errorf("got %v", err)
	}
}

func TestSensitiveFieldsTravelEncrypted(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	_, err := p.client(nil).ApplyAbnormalRefund(t.Context(), wechatpay.AbnormalRefundRequest{
		RefundID: "50300002222024060112345678901", OutRefundNo: "REFUND-1", Type: wechatpay.AbnormalRefundUserBankCard,
		BankType: "ICBC_DEBIT", BankAccount: "6222020000000000000", RealName: "张三",
	})
	if err != nil {
		t.Fatal(err)
	}
	var body struct {
		RealName string `json:"real_name"`
	}
	sent := p.received(1)
	if err := json.Unmarshal(sent.body, &body); err != nil || sent.Header.Get("Wechatpay-Serial") != testPlatform {
		t.Fatalf("serial %q, %v", sent.Header.Get("Wechatpay-Serial"), err)
	}
	ciphertext, err := base64.StdEncoding.DecodeString(body.RealName)
	if err != nil || len(ciphertext) == 0 || ciphertext[0] != 0x30 {
		t.Fatalf("not the DER of a sequence: %x, %v", ciphertext, err)
	}
	plaintext, err := p.key.Decrypt(nil, ciphertext, nil)
	if err != nil || string(plaintext) != "张三" {
		t.Errorf("the provider read %q, %v", plaintext, err)
	}
}

func TestSensitiveFieldOfAnAnswerIsOpened(t *testing.T) {
	t.Parallel()
	client := newProvider(t).client(nil)
	ciphertext := string(readFile(t, "ciphertext.txt")) // by OpenSSL
	if got, err := client.DecryptSensitive(ciphertext); err != nil || string(got) != "张三" {
		t.Errorf("got %q, %v", string(got), err)
	}
	altered := ciphertext[:len(ciphertext)-6] + "AAAAA="
	for name, text := range map[string]string{"Altered": altered, "Empty": "", "NoCiphertext": "MAA=", "NoBase64": "%"} {
		if _, err := client.DecryptSensitive(text); !errors.Is(err, wechatpay.ErrDecrypt) {
			t.Errorf("%s: got %v, want ErrDecrypt", name, err)
		}
	}
}

func TestEmptySensitiveFieldIsRefused(t *testing.T) {
	t.Parallel()
	if _, _, err := newProvider(t).client(nil).EncryptSensitive(t.Context(), ""); wechatpay.OutcomeOf(err) != wechatpay.OutcomeRefused {
		t.Errorf("got %v", err)
	}
}

// The platform's signature by OpenSSL over three lines of an answer.
func TestSignatureOfOpenSSLVerifies(t *testing.T) {
	t.Parallel()
	signature, err := base64.StdEncoding.DecodeString(string(readFile(t, "signature.txt")))
	if err != nil {
		t.Fatal(err)
	}
	key := &privateKey(t, "platform_private_key.pem").PublicKey
	signed := readFile(t, "signed.txt")
	text := wechatpay.SignedText{Body: signed[:len(signed)-1]}
	if !(sm.Suite{}).Verify(key, text, signature) {
		t.Error("does not verify")
	}
	other := privateKey(t, "merchant_private_key.pem")
	for name, verified := range map[string]bool{
		"OtherText":      sm.Suite{}.Verify(key, wechatpay.SignedText{Body: signed}, signature),
		"OtherKey":       sm.Suite{}.Verify(&other.PublicKey, text, signature),
		"TrailingByte":   sm.Suite{}.Verify(key, text, append(signature, 0)),
		"NoSignature":    sm.Suite{}.Verify(key, text, nil),
		"KeyOfRSA":       sm.Suite{}.Verify(&rsa.PublicKey{}, text, signature),
		"NoKey":          sm.Suite{}.Verify(nil, text, signature),
		"NilKey":         sm.Suite{}.Verify((*ecdsa.PublicKey)(nil), text, signature),
		"KeyOfNISTCurve": sm.Suite{}.Verify(&ecdsa.PublicKey{Curve: elliptic.P256()}, text, signature),
	} {
		if verified {
			t.Errorf("%s verified", name)
		}
	}
}

func TestFrontEndIsSigned(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	for want, suite := range map[string]sm.Suite{"SM2": {}, "RSA": {SignType: "RSA"}} {
		in, err := p.client(func(c *wechatpay.Config) { c.Suite = suite }).SignJSAPI(testAppID, "wx201410272009395522657a690389285100")
		if err != nil || in.SignType != want {
			t.Fatalf("got %+v, %v", in, err)
		}
		signature, err := base64.StdEncoding.DecodeString(in.PaySign)
		text := in.AppID + "\n" + in.TimeStamp + "\n" + in.NonceStr + "\n" + in.Package + "\n"
		if err != nil || !sm2.VerifyASN1WithSM2(&p.merchant.PublicKey, []byte("1234567812345678"), []byte(text), signature) {
			t.Errorf("the signature does not verify: %v", err)
		}
	}
}

// inHardware is a key that only signs digests.
type inHardware struct{ key *sm2.PrivateKey }

func (s inHardware) Public() crypto.PublicKey { return &s.key.PublicKey }

func (s inHardware) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if len(digest) != 32 || opts.HashFunc() != 0 {
		return nil, errors.New("not a digest of SM3")
	}
	return sm2.SignASN1(random, s.key, digest, nil)
}

func TestKeyInHardwareSigns(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	client := p.client(func(c *wechatpay.Config) { c.Signer = inHardware{p.merchant} })
	if _, err := client.PrepayNative(t.Context(), nativeRequest()); err != nil {
		t.Error(err)
	}
	if _, err := client.DecryptSensitive("MAA="); !errors.Is(err, wechatpay.ErrDecrypt) {
		t.Errorf("got %v", err)
	}
}

func TestConfigurationOfTheOtherKindIsRefused(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rsaCertificate := &x509.Certificate{PublicKey: &rsaKey.PublicKey}
	for name, c := range map[string]struct {
		field  string
		change func(*wechatpay.Config)
	}{
		"SignerOfRSA":      {"Signer", func(c *wechatpay.Config) { c.Signer = rsaKey }},
		"SuiteForgotten":   {"Signer", func(c *wechatpay.Config) { c.Suite = nil }},
		"CertificateOfRSA": {"Certificate", func(c *wechatpay.Config) { c.Certificate = rsaCertificate }},
		"PlatformOfRSA":    {"PlatformCertificates[0]", func(c *wechatpay.Config) { c.PlatformCertificates = []*x509.Certificate{rsaCertificate} }},
		"PlatformIsOwn":    {"PlatformCertificates[0]", func(c *wechatpay.Config) { c.PlatformCertificates = []*x509.Certificate{c.Certificate} }},
		"PublicKeys":       {"PublicKeys", func(c *wechatpay.Config) { c.PublicKeys = map[string]*rsa.PublicKey{"PUB_KEY_ID_1": &rsaKey.PublicKey} }},
		"OtherMerchant":    {"Certificate", func(c *wechatpay.Config) { c.MchID = "1900009192" }},
		"CertificateExpired": {"Certificate", func(c *wechatpay.Config) {
			c.Now = func() time.Time { return time.Date(2045, 1, 1, 0, 0, 0, 0, time.UTC) }
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := testConfig(t)
			c.change(&config)
			_, err := wechatpay.New(config)
			mistake, ok := errors.AsType[*wechatpay.FieldError](err)
			if !ok || mistake.Field != c.field {
				t.Errorf("got %v, want a mistake in %s", err, c.field)
			}
		})
	}
}

func TestPlatformCertificateAtHandServes(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	certificate, err := sm.ParseCertificate(readFile(t, "platform_cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	client := p.client(func(c *wechatpay.Config) {
		c.DownloadCertificates, c.PlatformCertificates = false, []*x509.Certificate{certificate}
	})
	if _, err := client.PrepayNative(t.Context(), nativeRequest()); err != nil {
		t.Error(err)
	}
}

func TestKeyFilesOfOtherKindsAreRefused(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private := readFile(t, "merchant_private_key.pem")
	for name, text := range map[string][]byte{
		"Nothing": nil, "NoPEM": []byte("key"), "RSA": pkcs8(t, rsaKey), "NISTCurve": pkcs8(t, ecKey),
		"Certificate": readFile(t, "merchant_cert.pem"), "CutShort": private[:len(private)/2],
		"NoKeyInIt": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{0x30, 0}}),
	} {
		if _, err := sm.ParsePrivateKey(text); err == nil || !strings.HasPrefix(err.Error(), "sm: ") {
			t.Errorf("%s as a private key: got %v", name, err)
		}
	}
	rsaCertificate, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{}, &x509.Certificate{}, &rsaKey.PublicKey, rsaKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"Nothing": nil, "PrivateKey": private, "NoDER": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE"}),
		"RSA": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rsaCertificate}),
	} {
		if _, err := sm.ParseCertificate(text); err == nil || !strings.HasPrefix(err.Error(), "sm: ") {
			t.Errorf("%s as a certificate: got %v", name, err)
		}
	}
}

func pkcs8(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}
