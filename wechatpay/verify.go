package wechatpay

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// clockWindow is the difference between a signature's time and ours from which it is refused, in the
// past and in the future alike (WeChat Pay APIv3, 签名验证).
const clockWindow = 5 * time.Minute

// Canonical names of the headers that carry the provider's signature.
const (
	headerTimestamp     = "Wechatpay-Timestamp"
	headerNonce         = "Wechatpay-Nonce"
	headerSignature     = "Wechatpay-Signature"
	headerSerial        = "Wechatpay-Serial"
	headerSignatureType = "Wechatpay-Signature-Type"
	headerRequestID     = "Request-Id"
)

// signatureBase64 has one text for each signature: stray bits at the end are refused.
var signatureBase64 = base64.StdEncoding.Strict()

// providerSignature is what the headers of an answer or a notification say about its signature.
type providerSignature struct {
	timestamp string
	nonce     string
	serial    string
	value     []byte
	signedAt  time.Time
}

// readSignature wants each header once, and a signature of the type, which is RSA where none is named. A probe of the provider (签名探测) carries a signature that is
// wrong and perhaps no base64; it gets no case of its own.
func readSignature(h http.Header, signatureType string) (providerSignature, error) {
	var s providerSignature
	var encoded string
	var err error
	if s.timestamp, err = onlyValue(h, headerTimestamp); err != nil {
		return s, err
	}
	if s.nonce, err = onlyValue(h, headerNonce); err != nil {
		return s, err
	}
	if encoded, err = onlyValue(h, headerSignature); err != nil {
		return s, err
	}
	if s.serial, err = onlyValue(h, headerSerial); err != nil {
		return s, err
	}
	types := h[headerSignatureType]
	if len(types) == 0 {
		types = []string{signatureScheme}
	}
	if len(types) > 1 || types[0] != signatureType {
		return s, fmt.Errorf("%w: signature type must be %s", ErrSignature, signatureType)
	}

	seconds, err := strconv.ParseInt(s.timestamp, 10, 64)
	if err != nil || !isDigits(s.timestamp) || len(s.timestamp) > 12 {
		return s, fmt.Errorf("%w: header %s is not Unix seconds", ErrTimestamp, headerTimestamp)
	}
	s.signedAt = time.Unix(seconds, 0)
	s.value, err = signatureBase64.DecodeString(encoded)
	if err != nil {
		return s, fmt.Errorf("%w: header %s is not base64", ErrSignature, headerSignature)
	}
	return s, nil
}

// onlyValue is the value of a header that must come once.
func onlyValue(h http.Header, name string) (string, error) {
	values := h[name]
	switch {
	case len(values) == 0 || values[0] == "":
		return "", fmt.Errorf("%w: header %s is missing; a proxy in front must pass it on", ErrSignature, name)
	case len(values) > 1:
		return "", fmt.Errorf("%w: header %s came %d times", ErrSignature, name, len(values))
	case !isVisibleASCII(values[0]):
		return "", fmt.Errorf("%w: header %s holds forbidden characters", ErrSignature, name)
	}
	return values[0], nil
}

func isVisibleASCII(s string) bool {
	for i := range len(s) {
		if b := s[i]; b <= ' ' || b > '~' {
			return false
		}
	}
	return true
}

func (s *providerSignature) checkClock(now time.Time) error {
	if skew := now.Sub(s.signedAt).Abs(); skew >= clockWindow {
		return fmt.Errorf("%w: signed %s away from our clock, allowed is less than %s",
			ErrTimestamp, skew.Truncate(time.Second), clockWindow)
	}
	return nil
}

// verify checks the provider's signature over the raw body: three lines, an empty body being an empty line.
func (k *verificationKey) verify(s *providerSignature, body []byte) error {
	lines := make([]byte, 0, len(s.timestamp)+len(s.nonce)+2)
	lines = append(append(lines, s.timestamp...), '\n')
	lines = append(append(lines, s.nonce...), '\n')
	if !k.suite.Verify(k.public, SignedText{Lines: lines, Body: body}, s.value) {
		return fmt.Errorf("%w: the body differs from the signed bytes, or another key signed", ErrSignature)
	}
	return nil
}

// verify checks headers, clock, key and signature, in this order. An unknown serial number may cause
// one download of certificates.
func (c *Client) verify(ctx context.Context, h http.Header, body []byte) error {
	return c.verifyBy(h, body, func(serial string, now time.Time) (*verificationKey, error) {
		key, err := c.keys.Load().find(serial, now)
		if err != nil {
			return c.findAfterDownload(ctx, serial, err)
		}
		return key, nil
	})
}

// verifyBy is verify with the key that find gives for the serial number received.
func (c *Client) verifyBy(h http.Header, body []byte, find func(serial string, now time.Time) (*verificationKey, error)) error {
	signature, err := readSignature(h, c.merchant.scheme)
	if err != nil {
		return err
	}
	now := c.now()
	if err := signature.checkClock(now); err != nil {
		return err
	}
	key, err := find(signature.serial, now)
	if err != nil {
		return err
	}
	return key.verify(&signature, body)
}
