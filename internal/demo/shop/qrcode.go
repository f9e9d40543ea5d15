package shop

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// quietZone is the white border that scanners need, in modules (ISO/IEC 18004, "Quiet zone").
const quietZone = 4

// pixels of a module on the page: a whole number, for modules of unequal width are hard to scan.
const pixels = 6

// qrCode is a code to be drawn as one SVG path in a square of Side modules, Pixels wide on the page.
type qrCode struct {
	Side   int
	Pixels int
	Path   string
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
	side := code.Size + 2*quietZone
	return qrCode{Side: side, Pixels: side * pixels, Path: path.String()}, nil
}
