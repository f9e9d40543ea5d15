package shop

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// quietZone is the white border that scanners need, in modules (ISO/IEC 18004, "Quiet zone").
const quietZone = 4

// qrCode is a code to be drawn as one SVG path in a square of Side modules.
type qrCode struct {
	Side int
	Path string
}

func newQRCode(content string) (qrCode, error) {
	code, err := qr.Encode(content, qr.M)
	if err != nil {
		return qrCode{}, fmt.Errorf("shop: make the QR code: %w", err)
	}
	var path strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			start := x
			for x < code.Size && code.Black(x, y) {
				x++
			}
			if run := x - start; run > 0 {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", start+quietZone, y+quietZone, run, run)
			}
		}
	}
	return qrCode{Side: code.Size + 2*quietZone, Path: path.String()}, nil
}
