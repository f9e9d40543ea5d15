package wechatpaysim

import (
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The shapes of the provider's identifiers. Merchants must treat them as opaque; tests like them to look real.

func (p *Provider) newPrepayID(now time.Time) string {
	return "wx" + now.In(chinaZone()).Format("20060102150405") + p.chance.Hex(20)
}

func (p *Provider) newCodeURL() string {
	return "weixin://wxpay/bizpayurl/up?pr=" + p.chance.Alphanumeric(7) + "&groupid=00"
}

func (p *Provider) h5URL(prepayID string) string {
	base := "https://wx.tenpay.com"
	if p.settings.H5ToPhone {
		base = p.phoneURL
	}
	return base + "/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=" + url.QueryEscape(prepayID) + "&package=" + p.chance.Digits(10)
}

func (p *Provider) newTransactionID(now time.Time) string {
	return "4200" + p.chance.Digits(6) + now.In(chinaZone()).Format("20060102") + p.chance.Digits(10)
}

func (p *Provider) newRefundID(now time.Time) string {
	return "503" + p.chance.Digits(8) + now.In(chinaZone()).Format("20060102") + p.chance.Digits(10)
}

// newSharingID is the number of a sharing or of a return.
func (p *Provider) newSharingID(now time.Time) string {
	return "3008" + p.chance.Digits(6) + now.In(chinaZone()).Format("20060102") + p.chance.Digits(10)
}

// newDetailID is the number of one receiver's part.
func (p *Provider) newDetailID(now time.Time) string {
	return "3601" + p.chance.Digits(6) + now.In(chinaZone()).Format("20060102") + p.chance.Digits(10)
}

// newRequestID ends in the internal code of the answer: 0 for success.
func (p *Provider) newRequestID(internal int) string {
	return "08" + strings.ToUpper(p.chance.Hex(24)) + "-" + strconv.Itoa(internal)
}

// unused calls fresh until it returns an identifier that the table does not know yet.
func unused[V any](table map[string]V, fresh func() string) string {
	for {
		id := fresh()
		if _, taken := table[id]; !taken {
			return id
		}
	}
}
