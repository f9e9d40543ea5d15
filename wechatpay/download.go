package wechatpay

import (
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // a hash the provider offers for files
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

var errDownloadTimeout = errors.New("the provider took longer than Config.BillTimeout allows")

// FileLink is a file that a signed answer offers for download, such as a receipt (电子回单) or an e-invoice. Bills are
// [BillFile] values.
type FileLink struct {
	// DownloadURL is the address exactly as given.
	DownloadURL string
	// HashType is SHA1 or SHA256, and HashValue the file's hash in hex. Zero: the file is not checked, and nothing but
	// the connection to the provider says that it is genuine.
	HashType, HashValue string
}

// DownloadFile opens a file (WeChat Pay APIv3, 下载接口: 应答不签名): its bytes while they arrive, as they are. The download
// carries no signature; with a hash, nothing read counts before Read returned [io.EOF]: a file that does not match ends
// with [ErrFileHash] instead. Config.BillTimeout and Config.BillBytesMax bound it. Close the reader in any case.
//
// The address is asked at the Config's access points, path and query as given, up to three times until the file begins to
// arrive.
func (c *Client) DownloadFile(ctx context.Context, link FileLink) (io.ReadCloser, error) {
	const name = "download file"
	target, file, err := link.check()
	if err != nil {
		return nil, failed(name, OutcomeRefused, err)
	}
	body, err := c.openFile(ctx, name, target)
	if err != nil {
		return nil, err
	}
	file.name, file.from, file.closer, file.left = name, body, body, c.billBytesMax
	return file, nil
}

// check returns what to ask for, and the file as it will be checked.
func (l *FileLink) check() (target string, file *checkedFile, err error) {
	var v validation
	if target, err = downloadTarget(l.DownloadURL); err != nil {
		v.add("DownloadURL", "must be the absolute address of a signed answer")
	}
	file = &checkedFile{}
	switch strings.ToUpper(l.HashType) {
	case "":
		if l.HashValue != "" {
			v.add("HashType", "is required with HashValue")
		}
		return target, file, v.err()
	case "SHA1":
		file.hash = sha1.New() //nolint:gosec // see import
	case "SHA256":
		file.hash = sha256.New()
	default:
		v.add("HashType", "must be SHA1 or SHA256; leave it out and check the file yourself")
		return target, file, v.err()
	}
	file.want, err = hex.DecodeString(l.HashValue)
	if err != nil || len(file.want) != file.hash.Size() {
		v.add("HashValue", "must be the file's hash in hex")
	}
	return target, file, v.err()
}

// downloadTarget is path and query of a download_url; the host is one of the Config's.
func downloadTarget(downloadURL string) (string, error) {
	u, err := url.Parse(downloadURL)
	if err != nil || u.Host == "" || u.Path == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return "", fmt.Errorf("%w: download_url is not an address", ErrMalformed)
	}
	return u.RequestURI(), nil
}

// openFile sends the request, and returns when the answer begins.
func (c *Client) openFile(ctx context.Context, name, target string) (*fileBody, error) {
	k := call{name: name, method: http.MethodGet, target: target, verify: c.verify}
	if key := c.keys.Load().current(c.now()); key != nil { // for refusals, which may be signed
		k.keySerial = key.serial
	}
	var body *fileBody
	left := c.billTimeout
	err := c.repeat(ctx, &k, func(host *host, triesLeft int) (f *failure) {
		start := time.Now()
		body, f = c.tryFile(ctx, &k, host, left, triesLeft)
		left -= time.Since(start)
		return f
	})
	if err != nil {
		return nil, err
	}
	body.left = left
	return body, nil
}

// tryFile sends the request once. Like other calls it gets an equal share of the time left until the answer begins.
func (c *Client) tryFile(ctx context.Context, k *call, host *host, left time.Duration, triesLeft int) (*fileBody, *failure) {
	if left <= 0 {
		return nil, &failure{outcome: OutcomeRetry, err: errDownloadTimeout}
	}
	ctx, cancel := context.WithCancel(ctx)
	timer := time.AfterFunc(left/time.Duration(triesLeft), cancel)
	response, f := c.sendFile(ctx, k, host)
	if !timer.Stop() {
		if f == nil {
			response.Body.Close()
		}
		f = networkFailure(errDownloadTimeout)
	}
	if f != nil {
		cancel()
		return nil, f
	}
	return &fileBody{body: response.Body, cancel: cancel, timer: timer}, nil
}

func (c *Client) sendFile(ctx context.Context, k *call, host *host) (*http.Response, *failure) {
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
		f = &failure{outcome: OutcomeRetry, err: fmt.Errorf("%w: answer %d holds no file", ErrMalformed, response.StatusCode)}
	}
	return nil, f
}

// fileBody is an answer while it arrives. Only the time spent waiting for it counts.
type fileBody struct {
	body   io.ReadCloser
	cancel context.CancelFunc
	timer  *time.Timer // calls cancel
	left   time.Duration
}

func (b *fileBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errDownloadTimeout
	}
	b.timer.Reset(b.left)
	start := time.Now()
	n, err := b.body.Read(p)
	b.timer.Stop()
	b.left -= time.Since(start)
	if err != nil && !errors.Is(err, io.EOF) && b.left <= 0 {
		err = errDownloadTimeout
	}
	return n, err
}

func (b *fileBody) Close() error {
	b.cancel()
	return b.body.Close()
}

// checkedFile ends well only when it matches its hash.
type checkedFile struct {
	name   string // of the call
	from   io.Reader
	closer io.Closer
	hash   hash.Hash // nil: it is not checked
	want   []byte
	left   int64 // bytes that may still come
	err    error // how it ended
}

func (f *checkedFile) Read(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	n, err := f.from.Read(p)
	if f.left -= int64(n); f.left < 0 {
		f.err = failed(f.name, OutcomeRefused, fmt.Errorf("%w: raise Config.BillBytesMax if it is genuine", ErrBodyTooLarge))
		return 0, f.err
	}
	if f.hash != nil {
		f.hash.Write(p[:n])
	}
	switch {
	case err == nil:
	case !errors.Is(err, io.EOF):
		f.err = failed(f.name, OutcomeRetry, fmt.Errorf("read the file: %w", err))
	case f.hash != nil && !bytes.Equal(f.hash.Sum(nil), f.want):
		f.err = failed(f.name, OutcomeRetry, ErrFileHash)
	default:
		f.err = io.EOF
	}
	return n, f.err
}

func (f *checkedFile) Close() error { return f.closer.Close() }
