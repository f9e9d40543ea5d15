package payment

import (
	"crypto/rand"
	"time"

	"github.com/oklog/ulid/v2"
)

// The prefixes of ids: an id names its kind wherever it is met.
const (
	prefixPayment = "pay_"
	prefixAttempt = "att_"
	prefixRefund  = "rfd_"
	prefixEvent   = "evt_"
	prefixReview  = "rvw_"
)

// chinaTime is where merchants read trade numbers; China keeps one zone and no daylight saving.
var chinaTime = time.FixedZone("UTC+8", 8*60*60)

func newID(prefix string, now time.Time) string {
	return prefix + ulid.MustNew(ulid.Timestamp(now), rand.Reader).String()
}

// newNumber makes a number for a provider: China's date and time, readable in the provider's console, then 80
// random bits. 30 letters and digits satisfy every provider's alphabet and length.
func newNumber(now time.Time) string {
	return now.In(chinaTime).Format("20060102150405") + ulid.MustNew(0, rand.Reader).String()[10:]
}
