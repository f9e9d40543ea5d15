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

const gzipMagic = "\x1f\x8b"

// BillRequest asks for a day's trade bill.
type BillRequest struct {
	// BillDate is the day in China; the time of day does not count. Its bill is there from about 10:00 of the next.
	BillDate time.Time
	// BillType is ALL, SUCCESS, REFUND or RECHARGE_REFUND. Zero: ALL.
	BillType string
	// GZIP asks for the bill compressed, which travels faster and ends in a checksum of its own.
	GZIP bool
}

// DownloadBill downloads a day's trade bill (WeChat Pay APIv2, 下载交易账单) and returns its text as it arrives, decompressed. Close it.
// The bill is not signed: a row decides nothing, it raises a difference that a query settles. An error of reading means that
// the bill is not whole; a day without trades is an *[Error].
func (c *Client) DownloadBill(ctx context.Context, request BillRequest) (io.ReadCloser, error) {
	const name = "download bill"
	fields := Fields{"bill_date": beijingText(request.BillDate), "bill_type": orDefault(request.BillType, "ALL")}
	if request.GZIP {
		fields["tar_type"] = "GZIP"
	}
	var v validation
	v.text("bill_type", fields["bill_type"], 1, 16)
	if request.BillDate.IsZero() {
		v.add("bill_date", "is required")
	} else {
		fields["bill_date"] = fields["bill_date"][:len("20060102")]
	}
	if err := errors.Join(v.err(), c.checkSubMerchant()); err != nil {
		return nil, failed(name, wechatpay.OutcomeRefused, err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.billTimeout)
	body, err := c.openBill(ctx, call{name: name, path: "/pay/downloadbill", fields: fields})
	if err != nil {
		cancel()
		return nil, err
	}
	return &bill{Reader: body.text, body: body.body, cancel: cancel}, nil
}

// bill is a bill on its way.
type bill struct {
	io.Reader
	body   io.Closer
	cancel context.CancelFunc
}

func (b *bill) Close() error {
	defer b.cancel()
	return b.body.Close()
}

type openedBill struct {
	text io.Reader
	body io.Closer
}

// openBill tries both access points until one sends something, and tells a bill from a refusal by its first bytes.
func (c *Client) openBill(ctx context.Context, k call) (openedBill, error) {
	host := c.hosts.first(c.now())
	for try := 1; ; try++ {
		opened, f := c.tryBill(ctx, &k, host)
		if f == nil {
			return opened, nil
		}
		if !f.repeat || try == triesMax || !c.pause(ctx, try, f) {
			return openedBill{}, &callError{name: k.name, outcome: f.outcome, tries: try, err: f.err}
		}
		if f.hostFault {
			host = c.hosts.other(host, c.now())
		}
	}
}

func (c *Client) tryBill(ctx context.Context, k *call, host *host) (openedBill, *failure) {
	response, f := c.send(ctx, k, host)
	if f != nil {
		return openedBill{}, f
	}
	if response.StatusCode != http.StatusOK {
		_ = response.Body.Close()
		return openedBill{}, statusFailure(response.StatusCode)
	}
	text := bufio.NewReader(response.Body)
	start, err := text.Peek(len("<xml>"))
	switch {
	case err != nil && len(start) == 0:
		_ = response.Body.Close()
		return openedBill{}, networkFailure(fmt.Errorf("read bill: %w", err))
	case bytes.HasPrefix(bytes.TrimSpace(start), []byte("<")):
		response.Body = struct {
			io.Reader
			io.Closer
		}{text, response.Body}
		message, err := readBody(response)
		if err != nil {
			return openedBill{}, networkFailure(err)
		}
		if f := c.take(k, http.StatusOK, message); f != nil {
			return openedBill{}, f
		}
		return openedBill{}, &failure{err: fmt.Errorf("%w: a message where a bill is due", wechatpay.ErrMalformed)}
	case bytes.HasPrefix(start, []byte(gzipMagic)):
		unzipped, err := gzip.NewReader(text)
		if err != nil {
			_ = response.Body.Close()
			return openedBill{}, networkFailure(fmt.Errorf("read bill: %w", err))
		}
		return openedBill{text: unzipped, body: response.Body}, nil
	}
	return openedBill{text: text, body: response.Body}, nil
}
