package access

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

const (
	goodKeyID     = "ak_01ARZ3NDEKTSV4RRFFQ69G5FAV"
	goodNonce     = "0123456789abcdef"
	goodSignature = "d2643a367f8aae8f127149558cc7204ded637c784ac09b6d39c9f68063e1c1aa"
	goodHeader    = `TONGBAO-HMAC-SHA256 key_id="` + goodKeyID + `",timestamp="1767294245",nonce="` + goodNonce + `",signature="` + goodSignature + `"`
)

func TestParseAuthorization(t *testing.T) {
	t.Parallel()

	for name, header := range map[string]string{
		"AsTheContractWritesIt":   goodHeader,
		"InAnyOrder":              `TONGBAO-HMAC-SHA256 signature="` + goodSignature + `",nonce="` + goodNonce + `",timestamp="1767294245",key_id="` + goodKeyID + `"`,
		"WithSpaceAroundCommas":   strings.ReplaceAll(goodHeader, ",", " ,\t "),
		"SchemeInSmallLetters":    strings.Replace(goodHeader, scheme, strings.ToLower(scheme), 1),
		"SignatureInBigLetters":   strings.Replace(goodHeader, goodSignature, strings.ToUpper(goodSignature), 1),
		"SeveralSpacesAfterFirst": strings.Replace(goodHeader, " ", "   ", 1),
	} {
		t.Run(name+"IsRead", func(t *testing.T) {
			t.Parallel()
			a, err := parseAuthorization(header)
			if err != nil {
				t.Fatal(err)
			}
			if a.keyID != goodKeyID || a.timestamp != "1767294245" || a.unix != 1767294245 || a.nonce != goodNonce || hex.EncodeToString(a.signature[:]) != goodSignature {
				t.Errorf("got %+v", a)
			}
		})
	}

	replace := func(part, by string) string { return strings.Replace(goodHeader, part, by, 1) }
	for name, header := range map[string]string{
		"Empty":                "",
		"SchemeAlone":          scheme,
		"SchemeAndSpace":       scheme + " ",
		"OtherScheme":          replace(scheme, "TONGBAO-HMAC-SHA512"),
		"Bearer":               "Bearer sk_x",
		"DuplicateKeyID":       goodHeader + `,key_id="` + goodKeyID + `"`,
		"DuplicateNonce":       goodHeader + `,nonce="fedcba9876543210"`,
		"NoKeyID":              replace(`key_id="`+goodKeyID+`",`, ""),
		"NoTimestamp":          replace(`timestamp="1767294245",`, ""),
		"NoNonce":              replace(`nonce="`+goodNonce+`",`, ""),
		"NoSignature":          replace(`,signature="`+goodSignature+`"`, ""),
		"UnknownParameter":     goodHeader + `,extra="1"`,
		"Unquoted":             replace(`"1767294245"`, `1767294245`),
		"NoClosingQuote":       strings.TrimSuffix(goodHeader, `"`),
		"CommaAtTheEnd":        goodHeader + ",",
		"TwoCommas":            replace(",", ",,"),
		"NoComma":              replace(",", " "),
		"NameInBigLetters":     replace("nonce=", "Nonce="),
		"SpaceBeforeEquals":    replace("nonce=", "nonce ="),
		"ShortNonce":           replace(goodNonce, goodNonce[1:]),
		"LongNonce":            replace(goodNonce, strings.Repeat("n", 65)),
		"NonceWithSpace":       replace(goodNonce, "0123456789 abcdef"),
		"NonceWithNewline":     replace(goodNonce, "0123456789\nabcdef"),
		"NonceWithEscape":      replace(goodNonce, `0123456789\"abcdef`),
		"NonceBeyondASCII":     replace(goodNonce, "0123456789abcdefé"),
		"TimestampNegative":    replace("1767294245", "-1767294245"),
		"TimestampWithPlus":    replace("1767294245", "+1767294245"),
		"TimestampWithZero":    replace("1767294245", "01767294245"),
		"TimestampInMillis":    replace("1767294245", "1767294245000"),
		"TimestampFraction":    replace("1767294245", "1767294245.0"),
		"TimestampHuge":        replace("1767294245", strings.Repeat("9", 30)),
		"SignatureShort":       replace(goodSignature, goodSignature[2:]),
		"SignatureLong":        replace(goodSignature, goodSignature+"00"),
		"SignatureNotHex":      replace(goodSignature, strings.Repeat("z", 64)),
		"SignatureEmpty":       replace(goodSignature, ""),
		"KeyIDOfAnotherKind":   replace(goodKeyID, "sk_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
		"KeyIDTooLong":         replace(goodKeyID, goodKeyID+"A"),
		"LongerThanAnyValid":   goodHeader + strings.Repeat(" ", authorizationMax),
		"NullByte":             goodHeader + "\x00",
		"NewlineBetween":       replace(",", ",\n"),
		"TextAfterClosedQuote": replace(`",nonce`, `"x,nonce`),
	} {
		t.Run(name+"IsRefused", func(t *testing.T) {
			t.Parallel()
			if a, err := parseAuthorization(header); err == nil {
				t.Errorf("%q is read as %+v", header, a)
			}
		})
	}
}

func FuzzParseAuthorization(f *testing.F) {
	for _, seed := range []string{goodHeader, "", scheme + " ", goodHeader + ",", strings.ReplaceAll(goodHeader, ",", " , "), `TONGBAO-HMAC-SHA256 a="b",a="c"`, `TONGBAO-HMAC-SHA256 ="`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		a, err := parseAuthorization(header)
		if err != nil {
			if a != (authorization{}) {
				t.Errorf("a refused header leaves %+v", a)
			}
			return
		}
		if fmt.Sprint(a.unix) != a.timestamp {
			t.Errorf("timestamp %q is read as %d", a.timestamp, a.unix)
		}
		if strings.ContainsAny(a.keyID+a.nonce, "\"\\\r\n\x00 ") {
			t.Errorf("%q or %q can be confused with its surroundings", a.keyID, a.nonce)
		}
		// What is accepted has one canonical form, which reads as the same.
		again, err := parseAuthorization(fmt.Sprintf(`%s key_id="%s",timestamp="%s",nonce="%s",signature="%x"`, scheme, a.keyID, a.timestamp, a.nonce, a.signature))
		if err != nil || again != a {
			t.Errorf("%q reads as %+v, and its canonical form as %+v, %v", header, a, again, err)
		}
	})
}
