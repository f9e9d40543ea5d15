package wechatpay

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha1" //nolint:gosec // the hash the provider prescribes for bills
	"errors"
	"fmt"
	"io"
)

const (
	downloadBill    = "download bill"
	billBufferBytes = 64 << 10
	gzipMagic       = "\x1f\x8b"
)

// DownloadBill opens a bill (WeChat Pay APIv3, 下载账单): the plain text, decompressed and decrypted, while it
// arrives. The download itself carries no signature; what makes it trustworthy is the hash of the signed [BillFile],
// which covers the plain text and is known to match only at its end. So nothing read counts before Read returned
// [io.EOF]: a bill that does not match ends with [ErrFileHash] instead. Close the reader in any case.
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
	body, err := c.openFile(ctx, downloadBill, target)
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
	return &checkedFile{name: downloadBill, from: plain, closer: body, hash: sha1.New(), want: want, left: c.billBytesMax}, nil //nolint:gosec // see import
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
