package wechatpay

import (
	"context"
	"crypto/sha1" //nolint:gosec // the hash the provider prescribes for bills
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// TarTypeGZIP asks for a gzip file (WeChat Pay APIv3, tar_type), which is unpacked while it is read.
const TarTypeGZIP = "GZIP"

// The accounts of a fund flow bill (WeChat Pay APIv3, account_type).
const (
	BillAccountBasic     = "BASIC"
	BillAccountOperation = "OPERATION"
	BillAccountFees      = "FEES"
	BillAccountDeposit   = "DEPOSIT" // of a sub-merchant only
)

const billHashType = "SHA1"

// BillFile is where a bill can be downloaded, and what it must hash to: an answer the provider signed (WeChat Pay
// APIv3, 申请交易账单, 申请资金账单). Download it at once, for the address lives five minutes, or less.
type BillFile struct {
	HashType    string `json:"hash_type"`  // SHA1
	HashValue   string `json:"hash_value"` // hex, over the bill after decryption and decompression
	DownloadURL string `json:"download_url"`

	// Of an encrypted file (申请单个子商户资金账单) only. A bill in several files is theirs put together in the
	// order of BillSequence, from 1. EncryptKey is encrypted for the merchant's private key.
	BillSequence int    `json:"bill_sequence,omitempty"`
	EncryptKey   string `json:"encrypt_key,omitempty"`
	Nonce        string `json:"nonce,omitempty"`
}

// BillDateOf is the day of a moment in China, as a request's BillDate wants it.
func BillDateOf(t time.Time) string { return t.In(chinaTime()).Format(time.DateOnly) }

// chinaTime is UTC+8, in which bills are written and their days begin.
func chinaTime() *time.Location { return time.FixedZone("CST", 8*60*60) }

// applyBill asks where a bill is. A bill that is not ready is an *[Error] with [Error.StatementCreating], a day
// without one has [Error.NoStatementExist].
func (c *Client) applyBill(ctx context.Context, name, path string, query url.Values) (BillFile, error) {
	var file BillFile
	err := c.do(ctx, call{
		name: name, method: http.MethodGet, timeout: c.queryTimeout, target: path + "?" + query.Encode(),
		decode: func(body []byte) error {
			file = BillFile{}
			if err := decodeJSON(body, &file); err != nil {
				return err
			}
			_, _, err := file.check()
			return err
		},
	})
	if err != nil {
		return BillFile{}, err
	}
	return file, nil
}

// check returns path and query of the address, and the hash.
func (f *BillFile) check() (target string, hash []byte, err error) {
	hash, err = hex.DecodeString(f.HashValue)
	switch {
	case f.HashType != billHashType:
		return "", nil, fmt.Errorf("%w: hash_type must be %s", ErrMalformed, billHashType)
	case err != nil || len(hash) != sha1.Size:
		return "", nil, fmt.Errorf("%w: hash_value is not a SHA-1 in hex", ErrMalformed)
	}
	target, err = downloadTarget(f.DownloadURL)
	return target, hash, err
}

// billQuery is what all applications for a bill have in common. A zero tarType is plain text.
func (c *Client) billQuery(v *validation, billDate, tarType string) url.Values {
	if _, err := time.Parse(time.DateOnly, billDate); err != nil {
		v.add("bill_date", "must be a day as yyyy-MM-dd, in China's time")
	}
	query := url.Values{"bill_date": {billDate}}
	switch tarType {
	case "":
	case TarTypeGZIP:
		query.Set("tar_type", tarType)
	default:
		v.add("tar_type", "must be "+TarTypeGZIP+" or empty")
	}
	if c.isPartner() {
		query.Set("sub_mchid", c.sub.MchID)
	}
	return query
}

// billWord wants one of the provider's words, of which there may be more than are known here.
func (v *validation) billWord(field, value string) {
	for _, b := range []byte(value) {
		if (b < 'A' || b > 'Z') && b != '_' {
			v.add(field, "must be a word of the provider's in capitals")
			return
		}
	}
}
