package wechatpay

import (
	"crypto"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
)

// merchantKey signs in the merchant's name.
type merchantKey struct {
	mchID    string
	serialNo string
	signer   crypto.Signer
	suite    Suite
	scheme   string // the suite's SignatureType
}

// authorization is the Authorization header of one request (WeChat Pay APIv3, 签名生成): target is
// path and query exactly as sent, body the bytes as sent, timestamp Unix seconds.
func (k *merchantKey) authorization(method, target string, body []byte, timestamp int64, nonce string) (string, error) {
	lines := make([]byte, 0, len(method)+len(target)+len(nonce)+24)
	lines = append(append(lines, method...), '\n')
	lines = append(append(lines, target...), '\n')
	lines = append(strconv.AppendInt(lines, timestamp, 10), '\n')
	lines = append(append(lines, nonce...), '\n')
	signature, err := k.sign(SignedText{Lines: lines, Body: body})
	if err != nil {
		return "", err
	}

	header := make([]byte, 0, 640)
	header = append(header, k.scheme...)
	header = appendParameter(header, ` mchid="`, k.mchID)
	header = appendParameter(header, `,nonce_str="`, nonce)
	header = append(header, `,signature="`...)
	header = append(base64.StdEncoding.AppendEncode(header, signature), '"')
	header = append(header, `,timestamp="`...)
	header = append(strconv.AppendInt(header, timestamp, 10), '"')
	header = appendParameter(header, `,serial_no="`, k.serialNo)
	return string(header), nil
}

func appendParameter(to []byte, key, value string) []byte {
	return append(append(append(to, key...), value...), '"')
}

func (k *merchantKey) sign(text SignedText) ([]byte, error) {
	signature, err := k.suite.Sign(k.signer, text)
	if err != nil {
		return nil, fmt.Errorf("sign with the merchant's private key: %w", err)
	}
	return signature, nil
}

// newNonce is 32 characters with 128 random bits.
func newNonce() string {
	var random [16]byte
	rand.Read(random[:]) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(random[:])
}
