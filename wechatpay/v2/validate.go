package wechatpayv2

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"unicode/utf8"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

// validation collects the mistakes of one value, so that the caller sees all of them at once. It refuses only what the provider
// always refuses (WeChat Pay APIv2, parameter tables of each call).
type validation struct{ errs []error }

func (v *validation) err() error { return errors.Join(v.errs...) }

func (v *validation) add(field, problem string) {
	v.errs = append(v.errs, &wechatpay.FieldError{Field: field, Problem: problem})
}

func (v *validation) addErr(field string, err error) {
	if err != nil {
		v.add(field, err.Error())
	}
}

// text wants least to most characters of UTF-8 that XML can carry, with at most three bytes each.
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
		if !isXMLChar(r) {
			v.add(field, "must not hold control characters")
			return
		}
	}
}

// number wants a number of letters, digits and _ - | * and, for refunds, @ (商户订单号, 商户退款单号).
func (v *validation) number(field, value string, most int) {
	if value == "" || len(value) > most {
		v.add(field, fmt.Sprintf("must have 1 to %d characters, has %d", most, len(value)))
	}
	for _, b := range []byte(value) {
		switch {
		case isAlphanumeric(b):
		case b == '_', b == '-', b == '|', b == '*', b == '@':
		default:
			v.add(field, "may hold letters, digits and _-|*@ only")
			return
		}
	}
}

// order wants one of the two names of an order.
func (v *validation) order(transactionID, outTradeNo string) {
	if transactionID == "" && outTradeNo == "" {
		v.add("transaction_id", "or out_trade_no is required")
	}
	if transactionID != "" {
		v.number("transaction_id", transactionID, 32)
	}
	if outTradeNo != "" {
		v.number("out_trade_no", outTradeNo, 32)
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

func (v *validation) ip(field, value string) {
	addr, err := netip.ParseAddr(value)
	if err != nil || addr.Zone() != "" {
		v.add(field, "must be an IPv4 or IPv6 address")
	}
}

// notifyURL wants an absolute address with a path and without query (通知地址).
func (v *validation) notifyURL(value string, required bool) {
	const field = "notify_url"
	if value == "" && !required {
		return
	}
	v.text(field, value, 1, 256)
	u, err := url.Parse(value)
	switch {
	case value == "":
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"):
		v.add(field, "must be an absolute http or https URL")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		v.add(field, "must have no query and no fragment; use path segments")
	case u.Path == "":
		v.add(field, "must have a path")
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
