package wechatpay

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha1" //nolint:gosec // the hash the provider prescribes for bills
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"time"
)

const (
	downloadBill    = "download bill"
	billBufferBytes = 64 << 10
	gzipMagic       = "\x1f\x8b"
)

var errBillTimeout = errors.New("the provider took longer than Config.BillTimeout allows")

// DownloadBill opens a bill (WeChat Pay APIv3, 下载账单): the plain text, decompressed and decrypted, while it
// arrives. The download itself carries no signature; what makes it trustworthy is the hash of the signed [BillFile],
// which covers the plain text and is known to match only at its end. So nothing read counts before Read returned
// [io.EOF]: a bill that does not match ends with [ErrBillHash] instead. Close the reader in any case.
//
// The address is asked at the Config's access points, path and query as given, up to three times until the bill begins
// to arrive. When it breaks off later, apply again. A stale address is an *[Error] with [CodeInvalidRequest].
// The context bounds the reading too.
func (c *Client) DownloadBill(ctx context.Context, file BillFile) (io.ReadCloser, error) {
	target, want, err := file.check()
	if err != nil {
		return nil, failed(downloadBill, OutcomeRefused, err)
	}
	var sealed *billSeal
	if file.EncryptKey != "" {
		if sealed, err = c.openBillKey(file); err != nil {
			return nil, failed(downloadBill, OutcomeRefused, err)
		}
	}
	body, err := c.openBill(ctx, target)
	if err != nil {
		return nil, err
	}
	plain, err := c.plainBill(body, sealed)
	if err != nil {
		_ = body.Close()
		if errors.Is(err, ErrBodyTooLarge) {
			return nil, failed(downloadBill, OutcomeRefused, err)
		}
		return nil, failed(downloadBill, OutcomeRetry, err)
	}
	if sealed != nil {
		_ = body.Close() // all of it is in memory
	}
	return &billText{plain: plain, closer: body, hash: sha1.New(), want: want, left: c.billBytesMax}, nil //nolint:gosec // see import
}

// openBill sends the request, and returns when the answer begins.
func (c *Client) openBill(ctx context.Context, target string) (*billBody, error) {
	k := call{name: downloadBill, method: http.MethodGet, target: target, verify: c.verify}
	if key := c.keys.Load().current(c.now()); key != nil { // for refusals, which may be signed
		k.keySerial = key.serial
	}
	var body *billBody
	left := c.billTimeout
	err := c.repeat(ctx, &k, func(host *host, triesLeft int) (f *failure) {
		start := time.Now()
		body, f = c.tryBill(ctx, &k, host, left, triesLeft)
		left -= time.Since(start)
		return f
	})
	if err != nil {
		return nil, err
	}
	body.left = left
	return body, nil
}

// tryBill sends the request once. Like other calls it gets an equal share of the time left until the answer begins.
func (c *Client) tryBill(ctx context.Context, k *call, host *host, left time.Duration, triesLeft int) (*billBody, *failure) {
	if left <= 0 {
		return nil, &failure{outcome: OutcomeRetry, err: errBillTimeout}
	}
	ctx, cancel := context.WithCancel(ctx)
	timer := time.AfterFunc(left/time.Duration(triesLeft), cancel)
	response, f := c.sendBill(ctx, k, host)
	if !timer.Stop() {
		if f == nil {
			response.Body.Close()
		}
		f = networkFailure(errBillTimeout)
	}
	if f != nil {
		cancel()
		return nil, f
	}
	return &billBody{body: response.Body, cancel: cancel, timer: timer}, nil
}

func (c *Client) sendBill(ctx context.Context, k *call, host *host) (*http.Response, *failure) {
	request, f := c.newRequest(ctx, k, host)
	if f != nil {
		return nil, f
	}
	response, err := c.transport.RoundTrip(request)
	if err != nil {
		return nil, networkFailure(err)
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	body, err := readBody(response)
	if err != nil {
		return nil, networkFailure(err)
	}
	if f = c.take(ctx, k, response, body); f == nil {
		f = &failure{outcome: OutcomeRetry, err: fmt.Errorf("%w: answer %d holds no bill", ErrMalformed, response.StatusCode)}
	}
	return nil, f
}

// plainBill decrypts first and decompresses then. Whether a file is compressed its first bytes tell: a bill begins
// with none of them. What the request asked for is not needed, nor Content-Encoding, which the provider does not set.
func (c *Client) plainBill(body io.Reader, sealed *billSeal) (io.Reader, error) {
	if sealed != nil {
		text, err := sealed.open(body, c.sealedBillBytesMax)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	buffered := bufio.NewReaderSize(body, billBufferBytes)
	magic, err := buffered.Peek(len(gzipMagic))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read bill: %w", err)
	}
	if string(magic) != gzipMagic {
		return buffered, nil
	}
	unpacked, err := gzip.NewReader(buffered)
	if err != nil {
		return nil, fmt.Errorf("unpack bill: %w", err)
	}
	return unpacked, nil
}

// billBody is an answer while it arrives. Only the time spent waiting for it counts.
type billBody struct {
	body   io.ReadCloser
	cancel context.CancelFunc
	timer  *time.Timer // calls cancel
	left   time.Duration
}

func (b *billBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errBillTimeout
	}
	b.timer.Reset(b.left)
	start := time.Now()
	n, err := b.body.Read(p)
	b.timer.Stop()
	b.left -= time.Since(start)
	if err != nil && !errors.Is(err, io.EOF) && b.left <= 0 {
		err = errBillTimeout
	}
	return n, err
}

func (b *billBody) Close() error {
	b.cancel()
	return b.body.Close()
}

// billText is the plain text of a bill. It ends well only when it matches its hash.
type billText struct {
	plain  io.Reader
	closer io.Closer
	hash   hash.Hash
	want   []byte
	left   int64 // bytes that may still come
	err    error // how it ended
}

func (b *billText) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.plain.Read(p)
	if b.left -= int64(n); b.left < 0 {
		b.err = failed(downloadBill, OutcomeRefused, fmt.Errorf("bill: %w: raise Config.BillBytesMax if it is genuine", ErrBodyTooLarge))
		return 0, b.err
	}
	b.hash.Write(p[:n])
	switch {
	case err == nil:
	case !errors.Is(err, io.EOF):
		b.err = failed(downloadBill, OutcomeRetry, fmt.Errorf("read bill: %w", err))
	case !bytes.Equal(b.hash.Sum(nil), b.want):
		b.err = failed(downloadBill, OutcomeRetry, ErrBillHash)
	default:
		b.err = io.EOF
	}
	return n, b.err
}

func (b *billText) Close() error { return b.closer.Close() }
