package wechatpay

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"unicode/utf8"
)

// FieldError names one field that cannot be right: of a [Config], [Request] or [File] by its Go name, of a request by the
// provider's name with dots ("amount.total"). Several come joined; reach each with errors.As or
// by unwrapping.
type FieldError struct {
	// Field is the name of the field.
	Field string
	// Problem says what must change. It never repeats the value.
	Problem string
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Problem }

// validation collects the mistakes of one value, so that the caller sees all of them at once. It
// refuses only what the provider always refuses (WeChat Pay APIv3, parameter tables of each call).
type validation struct{ errs []error }

func (v *validation) err() error { return errors.Join(v.errs...) }

func (v *validation) add(field, problem string) {
	v.errs = append(v.errs, &FieldError{Field: field, Problem: problem})
}

func (v *validation) addErr(field string, err error) {
	if err != nil {
		v.add(field, err.Error())
	}
}

// text wants least to most characters of UTF-8 with at most three bytes each.
func (v *validation) text(field, value string, least, most int) {
	if value == "" {
		if least > 0 {
			v.add(field, "is required")
		}
		return
	}
	if !utf8.ValidString(value) {
		v.add(field, "must be UTF-8")
		return
	}
	if n := utf8.RuneCountInString(value); n < least || n > most {
		v.add(field, fmt.Sprintf("must have %d to %d characters, has %d", max(least, 1), most, n))
	}
	for _, r := range value {
		if r > 0xFFFF {
			v.add(field, "must not hold characters of four UTF-8 bytes, such as emoji")
			return
		}
	}
}

// number wants a merchant's number of letters, digits and the given further characters.
func (v *validation) number(field, value string, least, most int, further string) {
	if len(value) < least || len(value) > most {
		v.add(field, fmt.Sprintf("must have %d to %d characters, has %d", least, most, len(value)))
	}
	for _, b := range []byte(value) {
		if !isAlphanumeric(b) && strings.IndexByte(further, b) < 0 {
			v.add(field, "may hold letters, digits and "+further+" only")
			return
		}
	}
}

func (v *validation) digits(field, value string, least, most int) {
	if len(value) < least || len(value) > most || !isDigits(value) {
		v.add(field, fmt.Sprintf("must be %d to %d digits", least, most))
	}
}

func (v *validation) atLeast(field string, value, least int64) {
	if value < least {
		v.add(field, fmt.Sprintf("must be at least %d", least))
	}
}

// notifyURL wants an absolute address with a path and without query (WeChat Pay APIv3, 通知地址).
func (v *validation) notifyURL(value string, required bool, most int) {
	const field = "notify_url"
	if value == "" && !required {
		return
	}
	v.text(field, value, 1, most)
	u, err := url.Parse(value)
	switch {
	case value == "":
		return
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"):
		v.add(field, "must be an absolute http or https URL")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		v.add(field, "must have no query and no fragment; use path segments")
	case u.Path == "":
		v.add(field, "must have a path")
	}
}

func (v *validation) ip(field, value string) {
	addr, err := netip.ParseAddr(value)
	if err != nil || addr.Zone() != "" {
		v.add(field, "must be the payer's IPv4 or IPv6 address")
	}
}

func isAlphanumeric(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
}

func isDigits(s string) bool {
	for _, b := range []byte(s) {
		if b < '0' || b > '9' {
			return false
		}
	}
	return s != ""
}

func isHex(s string) bool {
	for _, b := range []byte(s) {
		if (b < '0' || b > '9') && (b < 'a' || b > 'f') && (b < 'A' || b > 'F') {
			return false
		}
	}
	return s != ""
}
