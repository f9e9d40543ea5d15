package wechatpay

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"
)

// downloadWaitMax bounds how long a notification waits for certificates: the provider wants its answer
// within five seconds. The download itself goes on.
const downloadWaitMax = 3 * time.Second

// downloads shares one running download of certificates among all who need it.
type downloads struct {
	mu         sync.Mutex
	running    *download
	startedAt  time.Time // of the last one, by Config.Now
	answeredAt time.Time // of the last one the provider answered, if only to say that there are none
}

type download struct {
	done chan struct{}
	err  error // set before done is closed
}

func (d *download) wait(ctx context.Context) error {
	select {
	case <-d.done:
		return d.err
	case <-ctx.Done():
		return fmt.Errorf("wait for the certificate download: %w", context.Cause(ctx))
	}
}

// RefreshCertificates downloads the platform certificates and replaces the known ones, whether or not
// DownloadCertificates is set (WeChat Pay APIv3, 获取平台证书列表). Callers at the same time share one
// download, which goes on when one of them gives up. Certificates are trusted because the
// APIv3 key opened them and one of them, or a known public key, signed the answer; a list that is
// refused leaves the known keys as they are. A merchant who has only the public key gets an *[Error].
func (c *Client) RefreshCertificates(ctx context.Context) error {
	if c.aead == nil {
		return failed(certificatesCall, OutcomeRefused, &FieldError{Field: "APIv3Key", Problem: "is needed to download certificates"})
	}
	if err := c.startDownload(0).wait(ctx); err != nil {
		return asFailed(certificatesCall, err)
	}
	return nil
}

// startDownload joins the running download or starts one; nil if the last one began less than pause ago.
func (c *Client) startDownload(pause time.Duration) *download {
	d := &c.downloads
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running != nil {
		return d.running
	}
	now := c.now()
	if since := now.Sub(d.startedAt); since >= 0 && since < pause {
		return nil
	}
	d.startedAt = now
	started := &download{done: make(chan struct{})}
	d.running = started
	go c.runDownload(started)
	return started
}

// runDownload belongs to no caller; the call's own time limit ends it.
func (c *Client) runDownload(started *download) {
	started.err = c.downloadCertificates(context.Background())
	c.downloads.mu.Lock()
	c.downloads.running = nil
	if started.err == nil || OutcomeOf(started.err) == OutcomeRefused {
		c.downloads.answeredAt = c.now()
	}
	c.downloads.mu.Unlock()
	if started.err != nil {
		c.log.Warn("wechatpay: platform certificates not refreshed, the known ones stay", slog.Any("error", started.err))
	}
	close(started.done)
}

// findAfterDownload looks once more after a download, if one can help and is due.
func (c *Client) findAfterDownload(ctx context.Context, serial string, cause error) (*verificationKey, error) {
	// Public keys cannot be downloaded, and an expired certificate does not come back.
	if !c.downloadEnabled || !errors.Is(cause, ErrUnknownSerial) || !isHex(serial) {
		return nil, cause
	}
	started := c.startDownload(c.unknownSerialRefresh)
	if started == nil {
		return nil, cause
	}
	ctx, cancel := context.WithTimeout(ctx, downloadWaitMax)
	defer cancel()
	if err := started.wait(ctx); err != nil {
		return nil, fmt.Errorf("%w; certificates could not be refreshed: %v", cause, err)
	}
	return c.keys.Load().find(serial, c.now())
}

// prepareKeys makes sure, before anything is sent, that an answer could be verified, and starts a
// refresh when the certificates are old.
func (c *Client) prepareKeys(ctx context.Context) error {
	if !c.downloadEnabled {
		return nil
	}
	if c.keys.Load().current(c.now()) == nil {
		if err := c.startDownload(0).wait(ctx); err != nil {
			return fmt.Errorf("no key to verify the answer with: %w", err)
		}
		return nil
	}
	c.downloads.mu.Lock()
	age := c.now().Sub(c.downloads.answeredAt)
	c.downloads.mu.Unlock()
	if age >= c.certificateRefresh {
		c.startDownload(c.unknownSerialRefresh)
	}
	return nil
}

const (
	certificatesCall   = "certificates"
	certificatesTarget = "/v3/certificates"
)

func (c *Client) downloadCertificates(ctx context.Context) error {
	var replacement *keySet
	err := c.do(ctx, call{
		name: certificatesCall, method: http.MethodGet, target: c.certificatesTarget(), timeout: c.queryTimeout,
		withoutKeys: true,
		// The key that signed may be in the list, so it is opened first and verified then.
		verify: func(_ context.Context, h http.Header, body []byte) error {
			certificates, err := openCertificates(body, c.aead, c.merchant.suite)
			if err != nil {
				return err
			}
			replacement = newKeySet(c.publicKeys, c.publicKeyID, certificates)
			return c.verifyBy(h, body, replacement.find)
		},
	})
	if err != nil {
		return err
	}
	c.keys.Store(replacement)
	c.log.Info("wechatpay: platform certificates replaced", slog.Int("keys", len(replacement.bySerial)))
	return nil
}

// certificatesTarget asks for the certificates of the suite's kind.
func (c *Client) certificatesTarget() string {
	if kind := c.merchant.suite.Names().AlgorithmType; kind != "" {
		return certificatesTarget + "?algorithm_type=" + kind
	}
	return certificatesTarget
}

// openCertificates reads the answer of the certificate list. Nothing in it is trusted but what the
// APIv3 key opens.
func openCertificates(body []byte, aead *apiV3Cipher, suite Suite) ([]*verificationKey, error) {
	var list struct {
		Data []struct {
			SerialNo           string `json:"serial_no"`
			EncryptCertificate sealed `json:"encrypt_certificate"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, fmt.Errorf("%w: certificate list is not the JSON expected", ErrMalformed)
	}
	keys := make([]*verificationKey, 0, len(list.Data))
	for _, item := range list.Data {
		if item.EncryptCertificate.Algorithm != aead.algorithm {
			continue // of the other suite: the list may hold both kinds
		}
		text, err := item.EncryptCertificate.open(aead)
		if err != nil {
			return nil, err
		}
		block, _ := pem.Decode(text)
		if block == nil || block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("%w: the certificate list holds something that is not a PEM CERTIFICATE", ErrMalformed)
		}
		certificate, err := suite.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%w: a certificate of the list cannot be read", ErrMalformed)
		}
		if !sameSerial(item.SerialNo, certificate) {
			return nil, fmt.Errorf("%w: serial_no is not the certificate's", ErrMalformed)
		}
		key, err := certificateKey(suite, strings.ToUpper(item.SerialNo), certificate)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: certificate list holds none under %s", ErrMalformed, aead.algorithm)
	}
	return keys, nil
}
