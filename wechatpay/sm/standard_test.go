package sm

import (
	"crypto/cipher"
	"encoding/asn1"
	"encoding/hex"
	"math/big"
	"strings"
	"testing"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/sm4"
)

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	bytes, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

// The examples that the standards print. They pin the library this package stands on.

// GB/T 32905-2016, A.1 and A.2.
func TestStandardSM3(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"abc":                      "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0",
		strings.Repeat("abcd", 16): "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732",
	} {
		if sum := sm3.Sum([]byte(text)); hex.EncodeToString(sum[:]) != want {
			t.Errorf("%q: got %x", text, sum)
		}
	}
}

// GB/T 32907-2016, A.1.
func TestStandardSM4(t *testing.T) {
	t.Parallel()
	block, err := sm4.NewCipher(unhex(t, "0123456789abcdeffedcba9876543210"))
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, sm4.BlockSize)
	block.Encrypt(got, unhex(t, "0123456789abcdeffedcba9876543210"))
	if hex.EncodeToString(got) != "681edf34d206965e86b3e94f536e4246" {
		t.Errorf("got %x", got)
	}
}

// RFC 8998, A.1.
func TestStandardSM4GCM(t *testing.T) {
	t.Parallel()
	block, err := sm4.NewCipher(unhex(t, "0123456789abcdeffedcba9876543210"))
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	plaintext := unhex(t, strings.Repeat("aa", 8)+strings.Repeat("bb", 8)+strings.Repeat("cc", 8)+strings.Repeat("dd", 8)+
		strings.Repeat("ee", 8)+strings.Repeat("ff", 8)+strings.Repeat("ee", 8)+strings.Repeat("aa", 8))
	got := gcm.Seal(nil, unhex(t, "00001234567800000000abcd"), plaintext, unhex(t, "feedfacedeadbeeffeedfacedeadbeefabaddad2"))
	want := "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d" +
		"83de3541e4c2b58177e065a9bf7b62ec"
	if hex.EncodeToString(got) != want {
		t.Errorf("got %x", got)
	}
}

// standardKey is the private key of GB/T 32918.5-2017, A.2 and C.2.
func standardKey(t testing.TB) *sm2.PrivateKey {
	t.Helper()
	key, err := sm2.NewPrivateKey(unhex(t, "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8"))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// GB/T 32918.5-2017, A.2: the digest e of "message digest" under the user id, and r and s.
func TestStandardSM2Signature(t *testing.T) {
	t.Parallel()
	key := &standardKey(t).PublicKey
	const e = "f0b43e94ba45accaace692ed534382eb17e6ab5a19ce7b31f4486fdfc0d28640"
	hash, err := sm2.NewHashWithUserID(key, []byte(userID))
	if err != nil {
		t.Fatal(err)
	}
	hash.Write([]byte("message digest"))
	if sum := hash.Sum(nil); hex.EncodeToString(sum) != e {
		t.Errorf("got e = %x", sum)
	}
	signature, err := asn1.Marshal(struct{ R, S *big.Int }{
		number("f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3"),
		number("b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if !sm2.VerifyASN1(key, unhex(t, e), signature) {
		t.Error("the signature of the standard does not verify")
	}
}

func number(text string) *big.Int {
	n, _ := new(big.Int).SetString(text, 16)
	return n
}

// GB/T 32918.5-2017, C.2: the ciphertext of "encryption standard", here in the DER of C1C3C2.
func TestStandardSM2Encryption(t *testing.T) {
	t.Parallel()
	ciphertext, err := asn1.Marshal(struct {
		X, Y   *big.Int
		C3, C2 []byte
	}{
		number("04ebfc718e8d1798620432268e77feb6415e2ede0e073c0f4f640ecd2e149a73"),
		number("e858f9d81e5430a57b36daab8f950a3c64e6ee6a63094d99283aff767e124df0"),
		unhex(t, "59983c18f809e262923c53aec295d30383b54e39d609d160afcb1908d0bd8766"),
		unhex(t, "21886ca989ca9c7d58087307ca93092d651efa"),
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Suite{}.Decrypt(standardKey(t), ciphertext)
	if err != nil || string(got) != "encryption standard" {
		t.Errorf("got %q, %v", got, err)
	}
}
