package wechatpaysim

import (
	"fmt"
	"slices"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/clock"
	"github.com/tongbao-pay/tongbao/sandbox/control"
)

// Values of [BillSettings.RefundFee].
const (
	FeeNegative = "negative"
	FeePositive = "positive"
	FeeZero     = "zero"
)

// BillSettings are the knobs of bills. What the provider's documents leave open is one of them.
type BillSettings struct {
	ByteOrderMark bool           `json:"byte_order_mark"` // at the start of the text
	CRLF          bool           `json:"crlf"`            // lines end with \r\n instead of \n
	Commas        bool           `json:"commas"`          // texts keep their commas, which the provider says there are none of
	RefundFee     string         `json:"refund_fee"`      // negative, positive, zero: how 手续费 of a refund shows the fee given back
	DownloadLife  clock.Duration `json:"download_life"`   // sandbox clock, of a download_url: 5m, 30s in older documents
	FileRows      int            `json:"file_rows"`       // rows in one file of an encrypted bill, which is split into as many as it takes; 0: one file
}

func defaultBills() BillSettings {
	return BillSettings{ByteOrderMark: true, CRLF: true, RefundFee: FeeNegative, DownloadLife: clock.Duration(5 * time.Minute)}
}

func (s BillSettings) check() *control.Problem {
	fees := []string{FeeNegative, FeePositive, FeeZero}
	switch {
	case !slices.Contains(fees, s.RefundFee):
		return &control.Problem{Error: fmt.Sprintf("%q is not a value of bills.refund_fee", s.RefundFee), Field: "bills.refund_fee", Allowed: fees}
	case s.DownloadLife <= 0 || s.DownloadLife.Std() > 24*time.Hour:
		return &control.Problem{Error: "give more than 0s and at most 24h", Field: "bills.download_life"}
	case s.FileRows < 0:
		return &control.Problem{Error: "give 0 or more", Field: "bills.file_rows"}
	}
	return nil
}
