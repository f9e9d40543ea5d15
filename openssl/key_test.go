//go:build cgo && (linux || darwin)

package openssl_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/tongbao-pay/tongbao/openssl"
)

// The vectors of the library are judged here too: OpenSSL must sign as they say, byte for byte.
const vectorsDir = "../wechatpay/testdata"

type signatureVector struct {
	SignString string `json:"sign_string"`
	Signature  string `json:"signature"`
}

func merchantKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	return privateKey(t, "merchant_private_key.pem")
}

func privateKey(t testing.TB, file string) *rsa.PrivateKey {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(vectorsDir, file))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatalf("%s is not PEM", file)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		t.Fatalf("%s is a %T", file, parsed)
	}
	return key
}

func accelerated(t testing.TB, key *rsa.PrivateKey) *openssl.PrivateKey {
	t.Helper()
	fast, err := openssl.NewPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return fast
}

func verifier(t testing.TB, key *rsa.PublicKey) *openssl.PublicKey {
	t.Helper()
	fast, err := openssl.NewPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return fast
}

// requestVectors are all vectors that hold a text and its signature under the merchant's key.
func requestVectors(t *testing.T) []signatureVector {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(vectorsDir, "wechatpay.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file map[string]json.RawMessage
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	var all []signatureVector
	for _, raw := range file {
		var list []signatureVector
		if json.Unmarshal(raw, &list) != nil { // another kind of vector
			continue
		}
		for _, v := range list {
			if v.SignString != "" && v.Signature != "" {
				all = append(all, v)
			}
		}
	}
	if len(all) < 5 {
		t.Fatalf("found %d vectors with signatures", len(all))
	}
	return all
}

func TestSignaturesAreTheVectors(t *testing.T) {
	t.Parallel()
	key := merchantKey(t)
	fast, check := accelerated(t, key), verifier(t, &key.PublicKey)
	merchants := 0
	for _, v := range requestVectors(t) {
		want, err := base64.StdEncoding.DecodeString(v.Signature)
		if err != nil {
			continue // a bad one on purpose
		}
		sum := sha256.Sum256([]byte(v.SignString))
		if rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], want) != nil {
			if check.Verify(sum[:], want) == nil {
				t.Errorf("accepted what crypto/rsa refuses: %q", v.SignString)
			}
			continue
		}
		merchants++
		got, err := fast.Sign(rand.Reader, sum[:], crypto.SHA256)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%q: got %x, %v", v.SignString, got, err)
		}
		if err := check.Verify(sum[:], want); err != nil {
			t.Errorf("%q: %v", v.SignString, err)
		}
	}
	if merchants < 3 {
		t.Errorf("only %d vectors are the merchant's", merchants)
	}
}

func TestChangedSignaturesAreRefused(t *testing.T) {
	t.Parallel()
	key := merchantKey(t)
	check := verifier(t, &key.PublicKey)
	sum := sha256.Sum256([]byte("body"))
	good, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	if err := check.Verify(sum[:], good); err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(good)
	flipped[100] ^= 1
	other := sha256.Sum256([]byte("other body"))
	pss, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], nil)
	if err != nil {
		t.Fatal(err)
	}
	short := sha1.Sum([]byte("body"))
	ofSHA1, err := rsa.SignPKCS1v15(nil, key, crypto.SHA1, short[:])
	if err != nil {
		t.Fatal(err)
	}
	otherKey, err := rsa.SignPKCS1v15(nil, privateKey(t, "wechatpay_platform_private_key.pem"), crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ digest, signature []byte }{
		"OneBit":          {sum[:], flipped},
		"OtherBody":       {other[:], good},
		"OtherKey":        {sum[:], otherKey},
		"PSS":             {sum[:], pss},
		"SHA1":            {sum[:], ofSHA1},
		"SHA1Digest":      {short[:], ofSHA1},
		"Empty":           {sum[:], nil},
		"OneByteShort":    {sum[:], good[:255]},
		"OneByteLong":     {sum[:], append(bytes.Clone(good), 0)},
		"LeadingZero":     {sum[:], append([]byte{0}, good...)},
		"Zeros":           {sum[:], make([]byte, 256)},
		"NotBelowModulus": {sum[:], bytes.Repeat([]byte{0xFF}, 256)},
		"NoDigest":        {nil, good},
	} {
		if err := check.Verify(c.digest, c.signature); !errors.Is(err, rsa.ErrVerification) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := check.Verify(sum[:], good); err != nil {
		t.Errorf("a good signature after the bad ones: %v", err)
	}
}

func TestOnlyWhatPaymentsNeedIsSigned(t *testing.T) {
	t.Parallel()
	fast := accelerated(t, merchantKey(t))
	sum := sha256.Sum256(nil)
	for name, c := range map[string]struct {
		digest []byte
		opts   crypto.SignerOpts
	}{
		"PSS":         {sum[:], &rsa.PSSOptions{Hash: crypto.SHA256}},
		"SHA1":        {sum[:20], crypto.SHA1},
		"NoHash":      {sum[:], crypto.Hash(0)},
		"NoOptions":   {sum[:], nil},
		"ShortDigest": {sum[:31], crypto.SHA256},
		"LongDigest":  {append(sum[:], 0), crypto.SHA256},
		"NoDigest":    {nil, crypto.SHA256},
	} {
		if signature, err := fast.Sign(rand.Reader, c.digest, c.opts); err == nil {
			t.Errorf("%s: signed %x", name, signature)
		}
	}
}

func TestSensitiveFieldsAreDecrypted(t *testing.T) {
	t.Parallel()
	key := merchantKey(t)
	fast := accelerated(t, key)
	for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
		for _, plaintext := range []string{"", "张三", strings.Repeat("x", 190)} {
			sealed, err := rsa.EncryptOAEP(hash.New(), rand.Reader, &key.PublicKey, []byte(plaintext), nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := fast.Decrypt(rand.Reader, sealed, &rsa.OAEPOptions{Hash: hash})
			if err != nil || string(got) != plaintext {
				t.Errorf("%v: got %q, %v", hash, got, err)
			}
			sealed[17] ^= 1
			for name, bad := range map[string][]byte{"changed": sealed, "short": sealed[:255], "empty": nil} {
				if _, err := fast.Decrypt(rand.Reader, bad, &rsa.OAEPOptions{Hash: hash}); !errors.Is(err, rsa.ErrDecryption) {
					t.Errorf("%v, %s: got %v", hash, name, err)
				}
			}
		}
	}
	for name, opts := range map[string]crypto.DecrypterOpts{
		"NoOptions": nil, "NoHash": &rsa.OAEPOptions{}, "Label": &rsa.OAEPOptions{Hash: crypto.SHA1, Label: []byte("x")},
		"SHA512": &rsa.OAEPOptions{Hash: crypto.SHA512}, "TwoHashes": &rsa.OAEPOptions{Hash: crypto.SHA256, MGFHash: crypto.SHA1},
	} {
		if _, err := fast.Decrypt(rand.Reader, make([]byte, 256), opts); err == nil || errors.Is(err, rsa.ErrDecryption) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestPublicHalfIsTheKeys(t *testing.T) {
	t.Parallel()
	key := merchantKey(t)
	if got := accelerated(t, key).Public(); !key.PublicKey.Equal(got) {
		t.Errorf("got %v", got)
	}
}

func TestBadKeysAreRefused(t *testing.T) {
	t.Parallel()
	broken := *merchantKey(t)
	broken.Primes = broken.Primes[:1]
	for name, key := range map[string]*rsa.PrivateKey{"nil": nil, "zero": {}, "one prime": &broken} {
		if _, err := openssl.NewPrivateKey(key); err == nil || errors.Is(err, openssl.ErrUnavailable) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for name, key := range map[string]*rsa.PublicKey{"nil": nil} {
		if _, err := openssl.NewPublicKey(key); err == nil || errors.Is(err, openssl.ErrUnavailable) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestOneKeyServesManyCallers(t *testing.T) {
	t.Parallel()
	key := merchantKey(t)
	fast, check := accelerated(t, key), verifier(t, &key.PublicKey)
	var callers sync.WaitGroup
	for caller := range 16 {
		callers.Go(func() {
			for i := range 50 {
				sum := sha256.Sum256([]byte{byte(caller), byte(i)})
				signature, err := fast.Sign(nil, sum[:], crypto.SHA256)
				if err != nil {
					t.Error(err)
					return
				}
				if err := check.Verify(sum[:], signature); err != nil {
					t.Error(err)
				}
				signature[i] ^= 1
				if check.Verify(sum[:], signature) == nil {
					t.Error("a changed signature was accepted")
				}
			}
		})
	}
	callers.Wait()
}

// A key of 2048 bits takes several kilobytes of OpenSSL's memory, which Go does not see.
func TestKeysAreFreed(t *testing.T) { // not in parallel: it measures the memory of the whole process
	if runtime.GOOS != "linux" {
		return
	}
	key := merchantKey(t)
	sum := sha256.Sum256(nil)
	use := func(keys int) {
		for i := range keys {
			private, public := accelerated(t, key), verifier(t, &key.PublicKey)
			if i%50 == 0 {
				signature, err := private.Sign(nil, sum[:], crypto.SHA256)
				if err != nil {
					t.Fatal(err)
				}
				signature[0] ^= byte(i & 1)
				_ = public.Verify(sum[:], signature)
				runtime.GC()
			}
		}
		runtime.GC()
	}
	const keys = 2500
	use(2 * keys)
	before := residentBytes(t)
	use(2 * keys)
	if grown := residentBytes(t) - before; grown > keys*3<<10 {
		t.Errorf("%d pairs of keys left %d KiB behind", 2*keys, grown>>10)
	}
}

func BenchmarkSign(b *testing.B) {
	key := merchantKey(b)
	sum := sha256.Sum256(nil)
	for name, signer := range map[string]crypto.Signer{"OpenSSL": accelerated(b, key), "crypto-rsa": key} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := signer.Sign(nil, sum[:], crypto.SHA256); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	key := merchantKey(b)
	sum := sha256.Sum256(nil)
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		b.Fatal(err)
	}
	check := verifier(b, &key.PublicKey)
	for name, verify := range map[string]func() error{
		"OpenSSL":    func() error { return check.Verify(sum[:], signature) },
		"crypto-rsa": func() error { return rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], signature) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := verify(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
