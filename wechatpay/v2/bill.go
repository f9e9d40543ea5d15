package wechatpayv2

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

// What the answer begins with, if it is not the text of a bill.
const (
	messageStart = "<xml>"
	gzipMagic    = "\x1f\x8b"
)

// DownloadBill downloads a day's trade bill (WeChat Pay APIv2, 下载交易账单), asked for as in APIv3, and returns its text as it arrives,
// unpacked: [wechatpay.ReadTradeBill] reads the rows. Close it. The bill is not signed: a row decides nothing, it raises a
// difference that a query settles. An error of reading means that the bill is not whole, which a plain one may not show: prefer
// [wechatpay.TarTypeGZIP], which ends in a checksum. A day without trades is an *[Error].
func (c *Client) DownloadBill(ctx context.Context, request wechatpay.TradeBillRequest) (io.ReadCloser, error) {
	const name = "download bill"
	var v validation
	day, err := time.Parse(time.DateOnly, request.BillDate)
	if err != nil {
		v.add("bill_date", "must be a day as yyyy-MM-dd, in China's time")
	}
	v.text("bill_type", request.BillType, 0, 16)
	if request.TarType != "" && request.TarType != wechatpay.TarTypeGZIP {
		v.add("tar_type", "must be "+wechatpay.TarTypeGZIP+" or empty")
	}
	if err := errors.Join(v.err(), c.checkSubMerchant()); err != nil {
		return nil, failed(name, wechatpay.OutcomeRefused, err)
	}
	fields := Fields{
		"bill_date": day.Format("20060102"), "bill_type": orDefault(request.BillType, wechatpay.BillTypeAll), "tar_type": request.TarType,
	}
	ctx, cancel := context.WithTimeout(ctx, c.billTimeout)
	bill, err := c.openBill(ctx, call{name: name, path: "/pay/downloadbill", bill: true, fields: fields})
	if err != nil {
		cancel()
		return nil, err
	}
	bill.cancel = cancel
	return bill, nil
}

// bill is a bill on its way.
type bill struct {
	io.Reader // the text
	body      io.Closer
	cancel    context.CancelFunc // ends its time limit
}

func (b *bill) Close() error {
	defer b.cancel()
	return b.body.Close()
}

// openBill asks both access points in turn until one sends something.
func (c *Client) openBill(ctx context.Context, k call) (*bill, error) {
	host := c.hosts.first(c.now())
	for try := 1; ; try++ {
		opened, f := c.tryBill(ctx, &k, host)
		if f == nil {
			return opened, nil
		}
		if !f.repeat || try == triesMax || !c.pause(ctx, try, f) {
			return nil, &callError{name: k.name, outcome: f.outcome, tries: try, err: f.err}
		}
		if f.hostFault {
			host = c.hosts.other(host, c.now())
		}
	}
}

// tryBill asks once, and tells a bill from a message, which here is a refusal, by the first bytes.
func (c *Client) tryBill(ctx context.Context, k *call, host *host) (*bill, *failure) {
	response, f := c.send(ctx, k, host)
	if f != nil {
		return nil, f
	}
	opened, f := c.readBill(k, response)
	if f != nil {
		_ = response.Body.Close() // what it could say of the answer is known
		return nil, f
	}
	return opened, nil
}

func (c *Client) readBill(k *call, response *http.Response) (*bill, *failure) {
	if response.StatusCode != http.StatusOK {
		return nil, statusFailure(response.StatusCode)
	}
	text := bufio.NewReader(response.Body)
	start, err := text.Peek(len(messageStart))
	if err != nil && len(start) == 0 {
		return nil, networkFailure(fmt.Errorf("read bill: %w", err))
	}
	switch {
	case bytes.HasPrefix(start, []byte(gzipMagic)):
		unzipped, err := gzip.NewReader(text)
		if err != nil {
			return nil, networkFailure(fmt.Errorf("read bill: %w", err))
		}
		return &bill{Reader: unzipped, body: response.Body}, nil
	case string(start) != messageStart:
		return &bill{Reader: text, body: response.Body}, nil
	}
	message, err := io.ReadAll(io.LimitReader(text, messageBytesMax))
	if err != nil {
		return nil, networkFailure(fmt.Errorf("read answer: %w", err))
	}
	if f := c.take(k, http.StatusOK, message); f != nil {
		return nil, f
	}
	return nil, &failure{err: fmt.Errorf("%w: a message where a bill is due", wechatpay.ErrMalformed)}
}
