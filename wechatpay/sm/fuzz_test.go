package sm_test

import (
	"encoding/base64"
	"testing"

	"github.com/tongbao-pay/tongbao/wechatpay"
	"github.com/tongbao-pay/tongbao/wechatpay/sm"
)

// One text was signed and one was encrypted; nothing else verifies or opens, whatever the bytes.
func FuzzSignatureAndCiphertext(f *testing.F) {
	signed := readFile(f, "signed.txt")
	signature, err := base64.StdEncoding.DecodeString(string(readFile(f, "signature.txt")))
	if err != nil {
		f.Fatal(err)
	}
	ciphertext, err := base64.StdEncoding.DecodeString(string(readFile(f, "ciphertext.txt")))
	if err != nil {
		f.Fatal(err)
	}
	platform, merchant := privateKey(f, "platform_private_key.pem"), privateKey(f, "merchant_private_key.pem")
	f.Add(signed[:len(signed)-1], signature)
	f.Add([]byte{}, ciphertext)
	f.Add([]byte{}, []byte{0x04, 1})
	f.Add([]byte{}, []byte{0x30, 0})
	f.Fuzz(func(t *testing.T, body, outside []byte) {
		if (sm.Suite{}).Verify(&platform.PublicKey, wechatpay.SignedText{Body: body}, outside) && string(body)+"\n" != string(signed) {
			t.Errorf("a forgery verified: %q %x", body, outside)
		}
		if plaintext, err := (sm.Suite{}).Decrypt(merchant, outside); err == nil && len(plaintext) == 0 {
			t.Errorf("nothing was read from %x", outside)
		}
	})
}

func FuzzKeyFiles(f *testing.F) {
	for _, name := range []string{"merchant_private_key.pem", "platform_cert.pem", "README.md"} {
		f.Add(readFile(f, name))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if key, err := sm.ParsePrivateKey(text); err == nil && (sm.Suite{}).CheckKey(key.Public()) != nil {
			t.Error("a key of another kind was taken")
		}
		certificate, err := sm.ParseCertificate(text)
		if err == nil && (sm.Suite{}).CheckKey(certificate.PublicKey) != nil {
			t.Error("a certificate of another kind was taken")
		}
	})
}
