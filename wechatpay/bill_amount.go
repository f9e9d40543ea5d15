package wechatpay

import (
	"errors"
	"math"
	"strings"
)

// Decimals of the numbers in a bill. Amounts are in yuan (WeChat Pay APIv3, 下载账单: 金额单位为元).
const (
	countDecimals = 0
	fenDecimals   = 2
	feeDecimals   = 5 // 1/1000 fen
)

// parseDecimal reads a number with integer arithmetic, in units of its last decimal: "1.5" with two decimals is 150.
// More decimals are accepted when they are zeros, so that nothing is ever rounded.
func parseDecimal(text string, decimals int) (int64, error) {
	number, negative := strings.CutPrefix(text, "-")
	whole, fraction, point := strings.Cut(number, ".")
	if !isDigits(whole) || point && !isDigits(fraction) {
		return 0, errors.New("is not a decimal number")
	}
	if len(fraction) > decimals {
		if strings.Trim(fraction[decimals:], "0") != "" {
			return 0, errors.New("has too many decimals")
		}
		fraction = fraction[:decimals]
	}
	var value int64
	for _, digits := range [...]string{whole, fraction, "00000"[:decimals-len(fraction)]} {
		for _, digit := range []byte(digits) {
			if value > (math.MaxInt64-int64(digit-'0'))/10 {
				return 0, errors.New("is too large")
			}
			value = value*10 + int64(digit-'0')
		}
	}
	if negative {
		value = -value
	}
	return value, nil
}
