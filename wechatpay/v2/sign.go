package wechatpayv2

import (
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // the provider's algorithm; HMAC-SHA256 is the default here
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

// SignType is how a message is signed (WeChat Pay APIv2, sign_type).
type SignType string

const (
	SignTypeMD5        SignType = "MD5"
	SignTypeHMACSHA256 SignType = "HMAC-SHA256"
)

const fieldSign = "sign"

// key signs and verifies in the merchant's name.
type key string

// sign is the signature of the fields (WeChat Pay APIv2, 签名算法): all but sign and those that are empty, in the order of their
// names' bytes, as name=value joined by &, then &key= and the APIv2 key; upper-case hex.
func (k key) sign(fields Fields, by SignType) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if name == fieldSign || fields[name] == "" {
			continue
		}
		text.WriteString(name + "=" + fields[name] + "&")
	}
	text.WriteString("key=" + string(k))
	if by == SignTypeMD5 {
		sum := md5.Sum([]byte(text.String())) //nolint:gosec // the provider's algorithm
		return strings.ToUpper(hex.EncodeToString(sum[:]))
	}
	mac := hmac.New(sha256.New, []byte(k))
	mac.Write([]byte(text.String()))
	return strings.ToUpper(hex.EncodeToString(mac.Sum(nil)))
}

// verify checks the signature over every field received, unknown ones too. Its length tells the algorithm: sign_type may be
// absent, and is no more to be believed than the rest.
func (k key) verify(fields Fields) error {
	sign := fields[fieldSign]
	by := SignTypeMD5
	switch len(sign) {
	case hex.EncodedLen(md5.Size):
	case hex.EncodedLen(sha256.Size):
		by = SignTypeHMACSHA256
	default:
		return fmt.Errorf("%w: no sign of 32 or 64 characters", wechatpay.ErrSignature)
	}
	if subtle.ConstantTimeCompare([]byte(k.sign(fields, by)), []byte(sign)) != 1 {
		return fmt.Errorf("%w: sign does not match the fields", wechatpay.ErrSignature)
	}
	return nil
}

// readsTwoWays reports that the text that is signed could be that of other fields (WeChat Pay APIv2, 签名算法: values are not
// escaped): whichever of them is the true one, what is a field in one of the two is inside a value in the other.
func (f Fields) readsTwoWays() bool {
	for _, value := range f {
		if !strings.Contains(value, "&") {
			continue
		}
		for name := range f {
			if strings.Contains(value, "&"+name+"=") {
				return true
			}
		}
	}
	return false
}

// newNonce is 32 characters with 128 random bits.
func newNonce() string {
	var random [16]byte
	rand.Read(random[:]) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(random[:])
}
