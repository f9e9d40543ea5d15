package wechatpaysim

import (
	"maps"
	"net/url"
	"slices"
	"time"
)

const (
	opBillDownload   = "bill_download"
	billDownloadPath = "/v3/billdownload/file"
)

// billDownload is a file that waits to be fetched.
type billDownload struct {
	mchID     string // who may fetch it
	file      []byte
	expiresAt time.Time
}

// newDownload keeps a file for the caller and returns its address at the host that was asked. The caller holds the lock.
func (p *Provider) newDownload(c *call, file []byte) string {
	now := p.clock.Now()
	maps.DeleteFunc(p.downloads, func(_ string, d billDownload) bool { return !now.Before(d.expiresAt) })
	token := unused(p.downloads, func() string { return p.chance.Alphanumeric(64) })
	p.downloads[token] = billDownload{c.caller, file, now.Add(p.settings.Bills.DownloadLife.Std())}
	u := url.URL{Scheme: "http", Host: c.http.Host, Path: billDownloadPath, RawQuery: url.Values{"token": {token}}.Encode()}
	if c.http.TLS != nil {
		u.Scheme = "https"
	}
	return u.String()
}

// downloadedFile is an answer that is no JSON and is not signed.
type downloadedFile []byte

// downloadBill answers the file of a token to the merchant who applied for it (WeChat Pay APIv3, 下载账单).
func (p *Provider) downloadBill(c *call) (any, *apiError) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d, ok := p.downloads[c.query.Get("token")]
	switch {
	case !ok || !p.clock.Now().Before(d.expiresAt):
		return nil, billRefused("token", "", "the address has expired; apply for the bill again")
	case d.mchID != c.caller:
		return nil, noAuth("商户号与申请账单的商户号不一致", "another merchant applied for this bill")
	}
	return downloadedFile(d.file), nil
}

// corrupted is a body that was altered on its way: one bit in the middle.
func corrupted(body []byte) []byte {
	altered := slices.Clone(body)
	if len(altered) > 0 {
		altered[len(altered)/2] ^= 1
	}
	return altered
}
