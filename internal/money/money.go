// Package money holds what every other package must agree on about amounts.
//
// An amount is an int64 in the currency's minor unit (fen for CNY) with the
// currency beside it. There is no type for "an amount without a currency",
// no arithmetic on floats and no parser of decimal text: providers that speak
// in yuan convert at their own edge.
package money

import "fmt"

// Currency is an ISO 4217 code in upper case.
type Currency string

// CNY is the yuan; its minor unit is the fen, 1/100 yuan.
const CNY Currency = "CNY"

// AmountMax bounds every amount: one hundred million yuan in fen, far above what any provider takes
// and far below where a sum of amounts could overflow.
const AmountMax int64 = 10_000_000_000

// Valid reports whether c is a currency this gateway can take.
func (c Currency) Valid() bool { return c == CNY }

// Format writes an amount for a person: "88.00 CNY". It is for display only and never parsed back.
func Format(amount int64, c Currency) string {
	sign := ""
	if amount < 0 {
		sign, amount = "-", -amount
	}
	return fmt.Sprintf("%s%d.%02d %s", sign, amount/100, amount%100, c)
}
